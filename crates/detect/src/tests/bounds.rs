//! Where one more or one less makes the difference.

use jiff::civil::date;
use voorveld_calendar::Period;
use voorveld_domain::PartnerType;

use super::asked::field;
use super::many::found;
use super::world::{debt_signal, number_of};
use crate::*;

fn signal(number: u32, day: i8) -> Signal {
    debt_signal(number, PartnerType::Rent, date(2025, 1, day))
}

fn witnesses(matches: &[Match]) -> Vec<Vec<u128>> {
    let numbers = |found: &Match| found.witnesses.iter().map(|id| number_of(*id)).collect();
    matches.iter().map(numbers).collect()
}

/// Nothing told is less than any number, also after something was.
#[test]
fn a_window_that_tells_no_number_comes_to_none() {
    let mut told = signal(1, 1);
    let five = FieldValue::Number(Decimal::whole(5));
    told.fields.insert(field(), five);
    let timeline: Timeline = [told, signal(2, 20)].into_iter().collect();
    for least in [-1, 0, 5] {
        let sum = Reach::Sum(Least::Field {
            name: field(),
            least: Decimal::whole(least),
        });
        assert_eq!(witnesses(&found(Window::Days(10), sum, &timeline)), [[1]]);
    }
}

/// The evidence is of the window that was first.
#[test]
fn of_windows_that_are_as_full_the_first_is_told() {
    let timeline: Timeline = [signal(1, 1), signal(2, 2), signal(3, 3)]
        .into_iter()
        .collect();
    let matches = found(Window::Days(2), Reach::Count(2), &timeline);
    assert_eq!(witnesses(&matches), [[1, 2, 3]]);
    let first = Period::rolling(2, date(2025, 1, 2));
    assert_eq!(matches[0].evidence[0].about, About::Period(first));
}
