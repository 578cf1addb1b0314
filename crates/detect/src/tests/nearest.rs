//! What a silent rule says: how near it came, and where.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use jiff::civil::date;
use voorveld_domain::PartnerType::{self, Energy, Rent, Water};

use super::bounds::{at_least, before, count, pattern, sequence, somewhere};
use super::world::{World, debt_signal, default_rules, rule_set};
use crate::*;

/// Two of rent early in January, three of energy later and one of water in February; each of a debtor who is known.
fn household() -> Vec<Signal> {
    let signals: [(PartnerType, i8, i8); 6] = [
        (Rent, 1, 2),
        (Rent, 1, 3),
        (Energy, 1, 12),
        (Energy, 1, 13),
        (Energy, 1, 20),
        (Water, 2, 3),
    ];
    (1..)
        .zip(signals)
        .map(|(number, (of, month, day))| debt_signal(number, of, date(2025, month, day)))
        .collect()
}

fn says(within: Within, signals: Vec<Signal>) -> String {
    let mut rule = default_rules().remove(0);
    rule.muted_by = MutedBy::default();
    rule.effect = Effect::Show;
    rule.condition = Condition::Within(within);
    let mut world = World::new(rule_set(vec![rule]));
    world.timeline.extend(signals);
    world.as_of = date(2025, 3, 1);
    let verdict = world.evaluate().verdicts.remove(0);
    assert!(!verdict.fired);
    let why: Vec<String> = verdict.why.iter().map(ToString::to_string).collect();
    why.join("\n")
}

fn check(window: Window, test: Test, expected: &Expect) {
    expected.assert_eq(&says(pattern(window, test), household()));
}

fn of(kind: &str, least: u16) -> Test {
    Test::Reaches {
        of: Predicate::Kind(BTreeSet::from([kind.parse().expect("a kind")])),
        reach: Reach::Count(least),
    }
}

#[test]
fn the_fullest_window_comes_nearest_and_the_last_of_those_that_are_as_full() {
    check(
        Window::Days(2),
        count(3),
        &expect!["count_within;period:2025-01-12/2025-01-14;count:3;count:2"],
    );
    check(
        Window::Days(10),
        count(5),
        &expect!["count_within;period:2025-01-11/2025-01-21;count:5;count:3"],
    );
    check(
        Window::CalendarMonths(1),
        count(7),
        &expect!["count_within;period:2025-01-01/2025-02-01;count:7;count:5"],
    );
    let none = says(pattern(Window::Days(10), count(1)), Vec::new());
    expect!["signals_looked_at;household;count:1;count:0"].assert_eq(&none);
}

#[test]
fn of_tests_put_together_as_many_as_hold_are_told_and_each_of_them() {
    let two = || vec![of("rent_arrears", 2), of("energy_arrears", 4)];
    check(
        Window::Days(5),
        Test::All(two()),
        &expect![[r#"
        parts_that_hold;period:2024-12-30/2025-01-04;count:2;count:1
        count_within;period:2024-12-30/2025-01-04;count:2;count:2
        count_within;period:2024-12-30/2025-01-04;count:4;count:0"#]],
    );
    let neither = || vec![of("rent_arrears", 3), of("energy_arrears", 4)];
    check(
        Window::Days(5),
        Test::AnyOf(neither()),
        &expect![[r#"
        parts_that_hold;period:2025-01-16/2025-01-21;count:1;count:0
        count_within;period:2025-01-16/2025-01-21;count:3;count:0
        count_within;period:2025-01-16/2025-01-21;count:4;count:1"#]],
    );
    let three = || vec![of("rent_arrears", 2), of("energy_arrears", 4), count(3)];
    check(
        Window::Days(5),
        at_least(2, three()),
        &expect![[r#"
        parts_that_hold;period:2024-12-30/2025-01-04;count:2;count:1
        count_within;period:2024-12-30/2025-01-04;count:2;count:2
        count_within;period:2024-12-30/2025-01-04;count:4;count:0
        count_within;period:2024-12-30/2025-01-04;count:3;count:2"#]],
    );
}

#[test]
fn steps_shorter_windows_and_months_before_are_told() {
    check(
        Window::Days(2),
        sequence(4),
        &expect!["steps_in_order;period:2025-01-12/2025-01-14;count:4;count:2"],
    );
    check(
        Window::Days(30),
        somewhere(Window::Days(2), count(3)),
        &expect!["count_within;period:2025-01-12/2025-01-14;count:3;count:2"],
    );
    check(
        Window::CalendarMonths(1),
        Test::All(vec![count(1), before(1, count(6))]),
        &expect![[r#"
            parts_that_hold;period:2025-02-01/2025-03-01;count:2;count:1
            count_within;period:2025-02-01/2025-03-01;count:1;count:1
            count_within;period:2025-01-01/2025-02-01;count:6;count:5"#]],
    );
}

#[test]
fn judged_apart_the_group_that_comes_nearest_is_told_and_of_equals_the_last_by_name() {
    let apart = |per: Same, least: u16| Within {
        per: BTreeSet::from([per]),
        ..pattern(Window::Days(2), count(least))
    };
    expect!["count_within;period:2025-01-02/2025-01-04;count:3;count:2"]
        .assert_eq(&says(apart(Same::Partner, 3), household()));
    expect!["count_within;period:2025-01-02/2025-01-04;count:3;count:2"]
        .assert_eq(&says(apart(Same::Kind, 3), household()));
    let mut strangers = household();
    for signal in &mut strangers {
        signal.debtor = None;
    }
    expect!["count_within;period:2025-02-02/2025-02-04;count:1;count:0"]
        .assert_eq(&says(apart(Same::Debtor, 1), strangers));
}
