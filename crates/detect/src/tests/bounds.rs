//! Where one more or one less makes the difference.

use std::collections::BTreeSet;

use jiff::civil::date;
use voorveld_calendar::{Period, Term};
use voorveld_domain::PartnerType;

use super::asked::field;
use super::many::found;
use super::world::{cents, debt_signal, noon, number_of};
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

/// Five and one are enough, less five no longer, five more again: only the last one brought it to stay.
#[test]
fn what_can_be_undone_is_brought_by_the_last_that_made_it_so() {
    let timeline: Timeline = (1..)
        .zip([5, 1, -5, 5])
        .map(|(number, hours)| {
            let mut signal = signal(number, 10);
            signal.first_received_at = noon(date(2025, 1, 10 + i8::try_from(number).expect("few")));
            let hours = FieldValue::Number(Decimal::whole(hours));
            signal.fields.insert(field(), hours);
            signal
        })
        .collect();
    let sum = Reach::Sum(Least::Field {
        name: field(),
        least: Decimal::whole(5),
    });
    let matches = found(Window::Days(10), sum, &timeline);
    assert_eq!(witnesses(&matches), [[1, 2, 3, 4]]);
    assert_eq!(number_of(matches[0].brought_by), 4);
}

/// The evidence is of the fullest window; of some that are as full, of the first.
#[test]
fn the_fullest_window_is_told() {
    let timeline: Timeline = [signal(1, 1), signal(2, 2), signal(3, 3)]
        .into_iter()
        .collect();
    let matches = found(Window::Days(2), Reach::Count(2), &timeline);
    assert_eq!(witnesses(&matches), [[1, 2, 3]]);
    let first = Period::rolling(2, date(2025, 1, 2));
    assert_eq!(matches[0].evidence[0].about, About::Period(first));
    let timeline: Timeline = [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4)]
        .map(|(number, day)| signal(number, day))
        .into_iter()
        .collect();
    let matches = found(Window::Days(2), Reach::Count(2), &timeline);
    let fullest = &matches[0].evidence[0];
    let second = Period::rolling(2, date(2025, 1, 3));
    assert_eq!(fullest.about, About::Period(second));
    assert_eq!(fullest.value, Quantity::Count(3));
}

pub(super) fn count(least: u16) -> Test {
    Test::Reaches {
        of: Predicate::Any,
        reach: Reach::Count(least),
    }
}

pub(super) fn sequence(steps: usize) -> Test {
    Test::Sequence(vec![Predicate::Any; steps])
}

pub(super) fn at_least(count: u8, of: Vec<Test>) -> Test {
    Test::AtLeast { count, of }
}

pub(super) fn somewhere(window: Window, test: Test) -> Test {
    let test = Box::new(test);
    Test::Somewhere { window, test }
}

pub(super) fn before(months: u8, test: Test) -> Test {
    let test = Box::new(test);
    Test::Before { months, test }
}

pub(super) fn pattern(window: Window, test: Test) -> Within {
    Within {
        window,
        test,
        counting: Counting::Runs,
        per: BTreeSet::new(),
    }
}

fn within(window: Window, test: Test) -> Condition {
    Condition::Within(pattern(window, test))
}

fn absence(after: After, within: Term) -> Condition {
    Condition::Absence {
        after,
        without: Follows {
            of: Predicate::Any,
            same: BTreeSet::new(),
            lower_amount: false,
        },
        within,
    }
}

fn risen(days: u16) -> Condition {
    Condition::Risen {
        of: Predicate::Any,
        days,
        by: cents(1),
    }
}

const DAYS: Window = Window::Days(10);
const MONTH: Window = Window::CalendarMonths(1);

/// What can never be satisfied, or always is, is no condition; one more is.
#[test]
fn parameters_have_a_least_that_can_be_meant() {
    let any = || After::Signal(Predicate::Any);
    let single = |partner_types, preceding_months| Condition::SingleInMonth {
        partner_types,
        preceding_months,
    };
    let concurrent = |partner_types| Condition::ConcurrentInMonth { partner_types };
    let consecutive = |preceding_months| Condition::ConsecutiveMonths { preceding_months };
    let month_before = || before(1, count(1));
    for (sound, faulty) in [
        (single(2, 1), single(1, 1)),
        (single(2, 1), single(2, 0)),
        (concurrent(2), concurrent(1)),
        (consecutive(1), consecutive(0)),
        (risen(2), risen(1)),
        (
            absence(any(), Term::WorkingDays(1)),
            absence(any(), Term::WorkingDays(0)),
        ),
        (
            absence(any(), Term::CalendarDays(1)),
            absence(any(), Term::CalendarDays(0)),
        ),
        (
            absence(
                After::Pattern(pattern(DAYS, count(1))),
                Term::CalendarDays(1),
            ),
            absence(
                After::Pattern(pattern(DAYS, count(0))),
                Term::CalendarDays(1),
            ),
        ),
        (
            absence(
                After::Pattern(pattern(DAYS, count(1))),
                Term::CalendarDays(1),
            ),
            absence(
                After::Pattern(pattern(MONTH, count(1))),
                Term::CalendarDays(1),
            ),
        ),
        (
            within(Window::Days(1), count(1)),
            within(Window::Days(0), count(1)),
        ),
        (
            within(Window::WorkingDays(1), count(1)),
            within(Window::WorkingDays(0), count(1)),
        ),
        (
            within(Window::SchoolWeeks(1), count(1)),
            within(Window::SchoolWeeks(0), count(1)),
        ),
        (
            within(MONTH, count(1)),
            within(Window::CalendarMonths(0), count(1)),
        ),
        (within(DAYS, sequence(2)), within(DAYS, sequence(1))),
        (
            within(DAYS, Test::All(vec![count(1), count(2)])),
            within(DAYS, Test::All(vec![count(1)])),
        ),
        (
            within(DAYS, Test::AnyOf(vec![count(1), count(2)])),
            within(DAYS, Test::AnyOf(vec![count(1), count(0)])),
        ),
        (
            within(DAYS, at_least(1, vec![count(1), count(2)])),
            within(DAYS, at_least(0, vec![count(1), count(2)])),
        ),
        (
            within(DAYS, at_least(2, vec![count(1), count(2)])),
            within(DAYS, at_least(3, vec![count(1), count(2)])),
        ),
        (
            within(DAYS, at_least(1, vec![count(1), count(2)])),
            within(DAYS, at_least(1, vec![count(1), count(0)])),
        ),
        (
            within(DAYS, at_least(1, vec![count(1), count(2)])),
            within(DAYS, at_least(1, vec![count(1)])),
        ),
        (
            within(DAYS, somewhere(Window::Days(1), count(1))),
            within(DAYS, somewhere(Window::Days(0), count(1))),
        ),
        (
            within(DAYS, somewhere(Window::Days(1), count(1))),
            within(DAYS, somewhere(Window::Days(1), count(0))),
        ),
        // What was before it belongs in a month, next to something in the month itself.
        (
            within(MONTH, Test::All(vec![count(1), month_before()])),
            within(DAYS, Test::All(vec![count(1), month_before()])),
        ),
        (
            within(MONTH, Test::All(vec![count(1), month_before()])),
            within(MONTH, Test::All(vec![count(1), before(0, count(1))])),
        ),
        (
            within(MONTH, Test::All(vec![count(1), month_before()])),
            within(MONTH, Test::All(vec![count(1), before(1, count(0))])),
        ),
        (
            within(MONTH, Test::All(vec![sequence(2), month_before()])),
            within(MONTH, Test::All(vec![month_before(), month_before()])),
        ),
        (
            within(MONTH, Test::AnyOf(vec![count(1), sequence(2)])),
            within(MONTH, Test::AnyOf(vec![count(1), month_before()])),
        ),
        (
            within(MONTH, at_least(2, vec![count(1), month_before()])),
            within(MONTH, at_least(1, vec![count(1), month_before()])),
        ),
        (
            within(MONTH, somewhere(MONTH, count(1))),
            within(MONTH, somewhere(MONTH, month_before())),
        ),
        (
            within(
                MONTH,
                somewhere(MONTH, Test::All(vec![count(1), month_before()])),
            ),
            within(
                MONTH,
                somewhere(DAYS, Test::All(vec![count(1), month_before()])),
            ),
        ),
    ] {
        assert_eq!(sound.fault(), None, "{sound:?}");
        assert!(faulty.fault().is_some(), "{faulty:?}");
    }
    let with = |change: fn(&mut Within)| {
        let mut month = pattern(MONTH, count(1));
        change(&mut month);
        Condition::Within(month).fault().is_some()
    };
    assert!(with(|month| month.counting = Counting::Anew));
    assert!(with(|month| month.per = BTreeSet::from([Same::Kind])));
}

#[test]
fn a_condition_tells_how_few_signals_can_be_enough() {
    let single = Condition::SingleInMonth {
        partner_types: 2,
        preceding_months: 6,
    };
    let consecutive = Condition::ConsecutiveMonths {
        preceding_months: 6,
    };
    let sum = Test::Reaches {
        of: Predicate::Any,
        reach: Reach::Sum(Least::Amount(cents(1))),
    };
    for (condition, fewest) in [
        (Condition::EachSignal(Predicate::Any), 1),
        (single, 1),
        (Condition::ConcurrentInMonth { partner_types: 3 }, 3),
        (consecutive, 2),
        (risen(2), 2),
        (
            absence(After::Signal(Predicate::Any), Term::CalendarDays(1)),
            1,
        ),
        (
            absence(
                After::Pattern(pattern(DAYS, count(3))),
                Term::CalendarDays(1),
            ),
            3,
        ),
        (within(DAYS, sum), 1),
        (within(DAYS, sequence(3)), 3),
        (within(DAYS, Test::All(vec![count(2), count(4)])), 4),
        (within(DAYS, Test::AnyOf(vec![count(2), count(4)])), 2),
        (
            within(DAYS, at_least(2, vec![count(5), count(2), count(4)])),
            4,
        ),
        (
            within(DAYS, at_least(3, vec![count(5), count(2), count(4)])),
            5,
        ),
        (within(DAYS, somewhere(DAYS, count(3))), 3),
        (within(MONTH, before(1, count(3))), 3),
    ] {
        assert_eq!(condition.fewest(), fewest, "{condition:?}");
        let is_lone = matches!(condition, Condition::EachSignal(_));
        assert_eq!(condition.joins(), !is_lone, "{condition:?}");
    }
}

#[test]
fn a_condition_tells_on_which_days_it_can_match() {
    let concurrent = Condition::ConcurrentInMonth { partner_types: 3 };
    let consecutive = Condition::ConsecutiveMonths {
        preceding_months: 6,
    };
    let earlier = within(MONTH, before(1, count(3)));
    for (condition, days, can) in [
        (concurrent.clone(), vec![0, 30], false),
        (concurrent.clone(), vec![0, 1, 30], true),
        (concurrent.clone(), vec![0, 1, 31], false),
        (concurrent, vec![0, 31, 40, 58, 59], true),
        (consecutive.clone(), vec![0, 216], true),
        (consecutive, vec![0, 217], false),
        (risen(9), vec![4, 13], true),
        (risen(9), vec![4, 14], false),
        (within(Window::Days(7), count(2)), vec![1, 7], true),
        (within(Window::Days(7), count(2)), vec![1, 8], false),
        (
            within(Window::CalendarMonths(2), count(2)),
            vec![1, 62],
            true,
        ),
        (
            within(Window::CalendarMonths(2), count(2)),
            vec![1, 63],
            false,
        ),
        (within(Window::WorkingDays(1), count(2)), vec![1, 900], true),
        (within(Window::SchoolWeeks(1), count(2)), vec![1, 900], true),
        (earlier, vec![1, 2, 900], true),
        (
            absence(
                After::Pattern(pattern(Window::Days(7), count(2))),
                Term::CalendarDays(1),
            ),
            vec![1, 8],
            false,
        ),
        (
            absence(After::Signal(Predicate::Any), Term::CalendarDays(1)),
            vec![1],
            true,
        ),
        (Condition::EachSignal(Predicate::Any), vec![], false),
        (Condition::EachSignal(Predicate::Any), vec![1], true),
    ] {
        let types = PartnerType::ALL.iter().copied().cycle();
        let signals: Vec<Glimpse> = days
            .into_iter()
            .zip(types)
            .map(|(day, partner_type)| Glimpse { day, partner_type })
            .collect();
        assert_eq!(
            condition.can_match(&signals),
            can,
            "{condition:?} {signals:?}"
        );
    }
}

/// Of a month, whatever is between them; two that may count as one (M1) may also not.
#[test]
fn a_month_can_match_by_its_different_partner_types() {
    use PartnerType::{CakHealthInsurance, Energy, HealthInsurance, Rent};
    let condition = Condition::ConcurrentInMonth { partner_types: 2 };
    for (types, can) in [
        (vec![Rent, Rent, Rent], false),
        (vec![Rent, Rent, Energy], true),
        (vec![HealthInsurance, CakHealthInsurance], true),
    ] {
        let seen = |partner_type| Glimpse {
            day: 3,
            partner_type,
        };
        let signals: Vec<Glimpse> = types.into_iter().map(seen).collect();
        assert_eq!(condition.can_match(&signals), can, "{signals:?}");
    }
}

#[test]
fn a_condition_tells_whether_a_signal_more_can_end_it() {
    let reaches = |reach| {
        within(
            DAYS,
            Test::Reaches {
                of: Predicate::Any,
                reach,
            },
        )
    };
    let amount = || Least::Amount(cents(1));
    let hours = || Least::Field {
        name: field(),
        least: Decimal::whole(1),
    };
    let latest = || Test::Reaches {
        of: Predicate::Any,
        reach: Reach::Latest(amount()),
    };
    let consecutive = Condition::ConsecutiveMonths {
        preceding_months: 6,
    };
    let single = Condition::SingleInMonth {
        partner_types: 2,
        preceding_months: 6,
    };
    for (condition, only_grows) in [
        (Condition::EachSignal(Predicate::Any), true),
        (Condition::ConcurrentInMonth { partner_types: 2 }, true),
        (consecutive, true),
        (single, false),
        (risen(2), false),
        (
            absence(After::Signal(Predicate::Any), Term::CalendarDays(1)),
            false,
        ),
        (reaches(Reach::Count(2)), true),
        (reaches(Reach::Sum(amount())), true),
        (reaches(Reach::Sum(hours())), false),
        (reaches(Reach::SumOfLatest(amount())), false),
        (reaches(Reach::Latest(amount())), false),
        (reaches(Reach::Maximum(hours())), true),
        (within(DAYS, Test::AnyOf(vec![count(1), sequence(2)])), true),
        (within(DAYS, Test::AnyOf(vec![count(1), latest()])), false),
        (within(DAYS, somewhere(DAYS, count(1))), true),
        (within(DAYS, somewhere(DAYS, latest())), false),
    ] {
        assert_eq!(condition.only_grows(), only_grows, "{condition:?}");
    }
}

#[test]
fn a_timeline_tells_how_many_it_holds() {
    let mut timeline = Timeline::default();
    assert!(timeline.is_empty());
    for (many, number) in [(1, 5), (2, 3), (3, 4)] {
        assert!(timeline.absorb(signal(number, 1)));
        assert!(!timeline.absorb(signal(number, 1)));
        assert_eq!((timeline.len(), timeline.is_empty()), (many, false));
    }
    assert!(timeline.erase(signal(3, 1).id));
    assert!(!timeline.erase(signal(3, 1).id));
    assert_eq!(timeline.len(), 2);
    assert_eq!(timeline.get(signal(4, 1).id), Some(&signal(4, 1)));
    assert_eq!(timeline.get(signal(3, 1).id), None);
    assert_ne!(timeline, Timeline::default());
}
