//! What the oracle found: every case on which the engine once differed from the semantics, told in the smallest way.

use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use voorveld_calendar::{Calendar, Term};
use voorveld_domain::PartnerType;

use super::world::{debt_signal, default_rules, noon, number_of, rule_set};
use crate::*;

fn within(window: Window, test: Test) -> Within {
    Within {
        window,
        test,
        counting: Counting::Runs,
        per: BTreeSet::new(),
    }
}

fn rules_of(condition: Condition) -> RuleSet {
    let mut rule = default_rules().remove(0);
    rule.muted_by = MutedBy::default();
    rule.effect = Effect::Show;
    rule.condition = condition;
    rule_set(vec![rule])
}

fn evaluated(condition: Condition, signals: &[Signal], feeds: &Feeds, as_of: Date) -> Evaluation {
    let timeline: Timeline = signals.iter().cloned().collect();
    evaluate(
        &rules_of(condition),
        &timeline,
        &Calendar::national(),
        feeds,
        as_of,
    )
}

/// The anchor, the witnesses and what brought it, of each match.
fn told(evaluation: &Evaluation) -> Vec<String> {
    let tell = |found: &Match| {
        let anchor = match found.anchor {
            Anchor::Month(month) => month.to_string(),
            Anchor::Signal(id) => number_of(id).to_string(),
        };
        let witnesses: Vec<String> = found
            .witnesses
            .iter()
            .map(|id| number_of(*id).to_string())
            .collect();
        let brought = number_of(found.brought_by);
        format!("{anchor}: {} by {brought}", witnesses.join(" "))
    };
    evaluation.matches.iter().map(tell).collect()
}

fn count(of: Predicate, least: u16) -> Test {
    Test::Reaches {
        of,
        reach: Reach::Count(least),
    }
}

fn signal(number: u32, on: Date) -> Signal {
    debt_signal(number, PartnerType::Rent, on)
}

fn kind(raw: &str) -> Predicate {
    Predicate::Kind(BTreeSet::from([raw.parse().expect("a kind")]))
}

/// Two in three months: January and February are enough for February; March is brought by the one of March (T5).
#[test]
fn a_month_is_not_brought_by_what_was_enough_for_an_earlier_one() {
    let condition = Condition::Within(within(Window::CalendarMonths(3), count(Predicate::Any, 2)));
    let signals = [
        signal(1, date(2025, 1, 10)),
        signal(2, date(2025, 2, 10)),
        signal(3, date(2025, 3, 10)),
    ];
    let evaluation = evaluated(condition, &signals, &Feeds::default(), date(2025, 4, 1));
    assert_eq!(
        told(&evaluation),
        ["2025-02: 1 2 by 2", "2025-03: 1 2 3 by 3"]
    );
    // What comes late completes an earlier month.
    let condition = Condition::Within(within(
        Window::CalendarMonths(1),
        Test::All(vec![
            count(Predicate::Any, 1),
            Test::Before {
                months: 6,
                test: Box::new(count(Predicate::Any, 2)),
            },
        ]),
    ));
    let mut late = signal(4, date(2025, 2, 20));
    late.first_received_at = noon(date(2025, 5, 1));
    let signals = [signals[0].clone(), signals[2].clone(), late];
    let evaluation = evaluated(condition, &signals, &Feeds::default(), date(2025, 6, 1));
    assert_eq!(told(&evaluation), ["2025-03: 1 3 4 by 4"]);
}

/// A shorter window ends with a signal its test looks at, as any window does: the energy signal ends none in which the rent is judged.
#[test]
fn a_shorter_window_ends_with_a_signal_that_is_asked_for() {
    let hours = |number, on, thousandths| {
        let mut signal = signal(number, on);
        let hours = FieldValue::Number(Decimal::from_thousandths(thousandths));
        signal
            .fields
            .insert("hours".parse().expect("a field"), hours);
        signal
    };
    let condition = Condition::Within(within(
        Window::Days(30),
        Test::All(vec![
            count(kind("energy_arrears"), 1),
            Test::Somewhere {
                window: Window::Days(3),
                test: Box::new(Test::Reaches {
                    of: kind("rent_arrears"),
                    reach: Reach::Sum(Least::Field {
                        name: "hours".parse().expect("a field"),
                        least: Decimal::whole(4),
                    }),
                }),
            },
        ]),
    ));
    let signals = [
        hours(1, date(2025, 1, 1), -3_000),
        hours(2, date(2025, 1, 3), 5_000),
        debt_signal(3, PartnerType::Energy, date(2025, 1, 5)),
    ];
    let evaluation = evaluated(condition, &signals, &Feeds::default(), date(2025, 2, 1));
    assert_eq!(told(&evaluation), [""; 0]);
}

/// A sum of what is below zero goes down with each signal: enough with one, too little with two, and three are enough by themselves.
#[test]
fn a_sum_that_goes_down_is_enough_from_the_signal_on_with_which_it_stays_so() {
    let balance = || "balance".parse().expect("a field");
    let overdrawn = |number, day| {
        let mut signal = signal(number, date(2025, 1, day));
        signal
            .fields
            .insert(balance(), FieldValue::Number(Decimal::whole(-3)));
        signal
    };
    let condition = Condition::Within(within(
        Window::CalendarMonths(1),
        Test::AnyOf(vec![
            Test::Reaches {
                of: Predicate::Any,
                reach: Reach::Sum(Least::Field {
                    name: balance(),
                    least: Decimal::whole(-5),
                }),
            },
            count(Predicate::Any, 3),
        ]),
    ));
    let signals = [overdrawn(1, 10), overdrawn(2, 11), overdrawn(3, 12)];
    let evaluation = evaluated(condition, &signals, &Feeds::default(), date(2025, 2, 1));
    assert_eq!(told(&evaluation), ["2025-01: 1 2 3 by 3"]);
}

/// What came before a shorter window of months came before it, in the larger window or not.
#[test]
fn before_a_shorter_window_is_not_only_within_the_larger_one() {
    let condition = Condition::Within(within(
        Window::CalendarMonths(2),
        Test::Somewhere {
            window: Window::CalendarMonths(1),
            test: Box::new(Test::All(vec![
                count(kind("energy_arrears"), 1),
                Test::Before {
                    months: 6,
                    test: Box::new(count(kind("rent_arrears"), 1)),
                },
            ])),
        },
    ));
    let signals = [
        signal(1, date(2025, 1, 10)),
        debt_signal(2, PartnerType::Energy, date(2025, 5, 5)),
    ];
    let evaluation = evaluated(condition, &signals, &Feeds::default(), date(2025, 6, 1));
    assert_eq!(told(&evaluation), ["2025-05: 1 2 by 2"]);
}

/// Counted anew, a match looks at no day that an earlier one has counted.
#[test]
fn a_count_that_begins_anew_looks_at_no_counted_day() {
    let condition = Condition::Within(Within {
        counting: Counting::Anew,
        ..within(Window::Days(28), count(Predicate::Any, 2))
    });
    let signals: Vec<Signal> = (1..=4)
        .map(|number| {
            signal(
                number,
                date(2025, 1, i8::try_from(number * 5).expect("small")),
            )
        })
        .collect();
    let evaluation = evaluated(condition, &signals, &Feeds::default(), date(2025, 2, 1));
    assert_eq!(told(&evaluation), ["2: 1 2 by 2", "4: 3 4 by 4"]);
    let windows: Vec<String> = evaluation
        .matches
        .iter()
        .map(|m| m.window.to_string())
        .collect();
    assert_eq!(windows, ["2024-12-14/2025-01-11", "2025-01-11/2025-01-21"]);
}

/// A payment or anything of the landlord's: whoever sends either is waited for, and nobody who can send neither.
#[test]
fn an_absence_waits_for_every_feed_by_which_it_could_have_come() {
    let landlord = Predicate::PartnerType(BTreeSet::from([PartnerType::Rent]));
    let absence = |of| Condition::Absence {
        after: After::Signal(kind("rent_arrears")),
        without: Follows {
            of,
            same: BTreeSet::new(),
            lower_amount: false,
        },
        within: Term::CalendarDays(30),
    };
    let signals = [signal(1, date(2025, 1, 10))];
    let mut feeds = Feeds::default();
    for (partner, kind, through) in [
        ("bank", "payment", date(2025, 2, 28)),
        ("rent", "rent_arrears", date(2025, 1, 31)),
        ("water", "water_arrears", date(2025, 1, 1)),
    ] {
        let (partner, kind) = (
            partner.parse().expect("a partner"),
            kind.parse().expect("a kind"),
        );
        feeds.expect(&partner, &kind);
        feeds.mark(&partner, &kind, through);
    }
    for (of, concluded) in [
        (kind("payment"), true),
        (
            Predicate::AnyOf(vec![kind("payment"), landlord.clone()]),
            false,
        ),
        (Predicate::All(vec![kind("payment"), landlord]), true),
        (Predicate::Not(Box::new(kind("payment"))), false),
        (
            Predicate::Not(Box::new(Predicate::AnyOf(vec![
                kind("rent_arrears"),
                kind("water_arrears"),
            ]))),
            true,
        ),
        (
            Predicate::AnyOf(vec![
                kind("payment"),
                Predicate::All(vec![kind("water_arrears"), kind("rent_arrears")]),
            ]),
            true,
        ),
    ] {
        let mut rule = default_rules().remove(0);
        rule.muted_by = MutedBy::default();
        rule.effect = Effect::Show;
        rule.sources = Sources {
            domains: BTreeSet::new(),
            kinds: ["payment", "rent_arrears", "water_arrears"]
                .into_iter()
                .map(|kind| kind.parse().expect("a kind"))
                .collect(),
        };
        rule.condition = absence(of.clone());
        let timeline: Timeline = signals.iter().cloned().collect();
        let calendar = Calendar::national();
        let evaluation = evaluate(
            &rule_set(vec![rule]),
            &timeline,
            &calendar,
            &feeds,
            date(2025, 3, 1),
        );
        assert_eq!(!evaluation.matches.is_empty(), concluded, "{of:?}");
        assert_eq!(evaluation.awaits_feeds, !concluded, "{of:?}");
    }
}
