//! More than a household has: what is kept small for the few must be right for the many, too.

use std::collections::BTreeSet;

use jiff::civil::date;
use uuid::Uuid;
use voorveld_calendar::{Calendar, Period, plus_days};
use voorveld_domain::{DebtorId, PartnerType};

use super::world::{debt_signal, default_rules, noon, number_of, rule_set};
use crate::lens::Seen;
use crate::window::brought_by;
use crate::*;

pub(super) fn found(window: Window, reach: Reach, timeline: &Timeline) -> Vec<Match> {
    let mut rule = default_rules().remove(0);
    rule.muted_by = MutedBy::default();
    rule.effect = Effect::Show;
    rule.condition = Condition::Within(Within {
        window,
        test: Test::Reaches {
            of: Predicate::Any,
            reach,
        },
        counting: Counting::Runs,
        per: BTreeSet::new(),
    });
    let (calendar, feeds) = (Calendar::national(), Feeds::default());
    evaluate(
        &rule_set(vec![rule]),
        timeline,
        &calendar,
        &feeds,
        date(2025, 7, 1),
    )
    .matches
}

type Numbered = fn(u16) -> Reach;

/// Of twenty-three, each there two days in a row and again later; of one the debtor is unknown.
#[test]
fn however_many_different_ones_there_are_they_are_counted() {
    let signals: Vec<Signal> = (0..80_u32)
        .map(|number| {
            let on = plus_days(date(2025, 1, 1), i32::try_from(number).expect("few"));
            let who = number / 2 * 7 % 23;
            let mut signal = debt_signal(number + 1, PartnerType::Rent, on);
            signal.partner = format!("landlord-{who}").parse().expect("a partner");
            let debtor = DebtorId::from_uuid(Uuid::from_u128(u128::from(who)));
            signal.debtor = (who != 5).then_some(debtor);
            signal
        })
        .collect();
    let timeline: Timeline = signals.iter().cloned().collect();
    let partners = |signals: &[&Signal]| {
        let partners = signals.iter().map(|signal| &signal.partner);
        partners.collect::<BTreeSet<_>>().len()
    };
    let debtors = |signals: &[&Signal]| {
        let debtors = signals.iter().filter_map(|signal| signal.debtor);
        debtors.collect::<BTreeSet<_>>().len()
    };
    for days in [4, 11, 16, 17, 18, 33, 34, 50, 80] {
        let most = |different: &dyn Fn(&[&Signal]) -> usize| {
            let windows = signals.iter().map(|last| {
                let window = Period::rolling(days, last.event_date);
                let within = |signal: &&Signal| window.contains(signal.event_date);
                different(&signals.iter().filter(within).collect::<Vec<_>>())
            });
            u16::try_from(windows.max().expect("some")).expect("few")
        };
        let partners = (most(&partners), Reach::Partners as Numbered);
        for (most, reach) in [partners, (most(&debtors), Reach::Debtors)] {
            let matches = found(Window::Days(days), reach(most), &timeline);
            let fullest = &matches[0].evidence[0];
            assert_eq!(fullest.value, Quantity::Count(most.into()), "{days} days");
            assert_eq!(
                found(Window::Days(days), reach(most + 1), &timeline),
                [],
                "{days} days"
            );
        }
    }
}

/// Whom `brought_by` names of so many signals, which came in against the order of events.
fn who_brought(many: u32, only_grows: bool, true_of: impl Fn(&[&Seen]) -> bool) -> Option<u128> {
    let on = |number: u32| plus_days(date(2025, 1, 1), i32::try_from(number).expect("few"));
    let timeline: Timeline = (1..=many)
        .map(|number| {
            let mut signal = debt_signal(number, PartnerType::Rent, on(many - number));
            signal.first_received_at = noon(on(number));
            signal
        })
        .collect();
    let rules = rule_set(default_rules());
    let sight = timeline.sight(rules.lens());
    let seen: Vec<&Seen> = sight.seen().iter().collect();
    brought_by(&seen, only_grows, true_of).map(number_of)
}

#[test]
fn what_made_something_true_to_stay_so_is_found_however_many_there_are() {
    for many in [1, 2, 7, 8, 9, 31, 32, 33, 100] {
        for least in 1..=many {
            let enough = |signals: &[&Seen]| least as usize <= signals.len();
            for only_grows in [true, false] {
                let brought = who_brought(many, only_grows, enough);
                assert_eq!(brought, Some(least.into()), "{least} of {many}");
            }
        }
    }
    assert_eq!(who_brought(0, true, |_| true), None);
    assert_eq!(who_brought(3, false, |_| true), Some(1));
    // True of two, and of four again.
    assert_eq!(who_brought(5, false, |signals| signals.len() != 3), Some(4));
}
