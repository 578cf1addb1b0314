//! What a silent rule says: how near it came, and where.

use std::collections::BTreeSet;

use expect_test::{Expect, expect};
use jiff::civil::{Date, date};
use voorveld_calendar::Term;
use voorveld_domain::PartnerType::{self, Energy, Rent, Water};

use super::bounds::{at_least, before, count, pattern, sequence, somewhere};
use super::world::{World, cents, debt_signal, default_rules, rule_set};
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
    says_of(Condition::Within(within), signals, Feeds::default())
}

/// What a rule that looks at debts says on the first of March, fired or not.
fn says_of(condition: Condition, signals: Vec<Signal>, feeds: Feeds) -> String {
    let mut rule = default_rules().remove(0);
    rule.muted_by = MutedBy::default();
    rule.effect = Effect::Show;
    rule.condition = condition;
    told(rule, signals, feeds)
}

fn told(rule: Rule, signals: Vec<Signal>, feeds: Feeds) -> String {
    let mut world = World::new(rule_set(vec![rule]));
    world.timeline.extend(signals);
    world.feeds = feeds;
    world.as_of = date(2025, 3, 1);
    let verdict = world.evaluate().verdicts.remove(0);
    let why: Vec<String> = verdict.why.iter().map(ToString::to_string).collect();
    let answer = if verdict.fired { "yes" } else { "no" };
    format!("{answer}\n{}", why.join("\n"))
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
        &expect![[r#"
            no
            count_within;period:2025-01-12/2025-01-14;count:3;count:2"#]],
    );
    check(
        Window::Days(10),
        count(5),
        &expect![[r#"
            no
            count_within;period:2025-01-11/2025-01-21;count:5;count:3"#]],
    );
    check(
        Window::CalendarMonths(1),
        count(7),
        &expect![[r#"
            no
            count_within;period:2025-01-01/2025-02-01;count:7;count:5"#]],
    );
    let none = says(pattern(Window::Days(10), count(1)), Vec::new());
    expect![[r#"
        no
        signals_looked_at;household;count:1;count:0"#]]
    .assert_eq(&none);
}

#[test]
fn of_tests_put_together_as_many_as_hold_are_told_and_each_of_them() {
    let two = || vec![of("rent_arrears", 2), of("energy_arrears", 4)];
    check(
        Window::Days(5),
        Test::All(two()),
        &expect![[r#"
            no
            parts_that_hold;period:2024-12-30/2025-01-04;count:2;count:1
            count_within;period:2024-12-30/2025-01-04;count:2;count:2
            count_within;period:2024-12-30/2025-01-04;count:4;count:0"#]],
    );
    let neither = || vec![of("rent_arrears", 3), of("energy_arrears", 4)];
    check(
        Window::Days(5),
        Test::AnyOf(neither()),
        &expect![[r#"
            no
            parts_that_hold;period:2025-01-16/2025-01-21;count:1;count:0
            count_within;period:2025-01-16/2025-01-21;count:3;count:0
            count_within;period:2025-01-16/2025-01-21;count:4;count:1"#]],
    );
    let three = || vec![of("rent_arrears", 2), of("energy_arrears", 4), count(3)];
    check(
        Window::Days(5),
        at_least(2, three()),
        &expect![[r#"
            no
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
        &expect![[r#"
            no
            steps_in_order;period:2025-01-12/2025-01-14;count:4;count:2"#]],
    );
    check(
        Window::Days(30),
        somewhere(Window::Days(2), count(3)),
        &expect![[r#"
            no
            count_within;period:2025-01-12/2025-01-14;count:3;count:2"#]],
    );
    check(
        Window::CalendarMonths(1),
        Test::All(vec![count(1), before(1, count(6))]),
        &expect![[r#"
            no
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
    expect![[r#"
        no
        count_within;period:2025-01-02/2025-01-04;count:3;count:2"#]]
    .assert_eq(&says(apart(Same::Partner, 3), household()));
    expect![[r#"
        no
        count_within;period:2025-01-02/2025-01-04;count:3;count:2"#]]
    .assert_eq(&says(apart(Same::Kind, 3), household()));
    let mut strangers = household();
    for signal in &mut strangers {
        signal.debtor = None;
    }
    expect![[r#"
        no
        count_within;period:2025-02-02/2025-02-04;count:1;count:0"#]]
    .assert_eq(&says(apart(Same::Debtor, 1), strangers));
}

fn kind(raw: &str) -> Predicate {
    Predicate::Kind(BTreeSet::from([raw.parse().expect("a kind")]))
}

/// An amount of rent of January, by day of the month.
fn amounts(told: &[(i8, Option<i64>)]) -> Vec<Signal> {
    (1..)
        .zip(told)
        .map(|(number, (day, amount))| {
            let mut signal = debt_signal(number, Rent, date(2025, 1, *day));
            signal.amount = amount.map(cents);
            signal
        })
        .collect()
}

#[test]
fn an_amount_that_did_not_rise_enough_is_told_with_the_one_before_it() {
    let risen = |told: &[(i8, Option<i64>)]| {
        let condition = Condition::Risen {
            of: Predicate::Any,
            days: 10,
            by: cents(500),
        };
        says_of(condition, amounts(told), Feeds::default())
    };
    // By a cent too little, by as much as is asked, and a day too late.
    expect![[r#"
        no
        risen_from;signal:00000000-0000-0000-0000-000000000002;money:1000;money:1499"#]]
    .assert_eq(&risen(&[(1, Some(1_000)), (10, Some(1_499))]));
    expect![[r#"
        yes
        risen_from;signal:00000000-0000-0000-0000-000000000002;money:1000;money:1500"#]]
    .assert_eq(&risen(&[(1, Some(1_000)), (10, Some(1_500))]));
    expect![[r#"
        no
        risen_from;signal:00000000-0000-0000-0000-000000000002;absent;cents:1500"#]]
    .assert_eq(&risen(&[(1, Some(1_000)), (11, Some(1_500))]));
    // Of three the last two.
    expect![[r#"
        no
        risen_from;signal:00000000-0000-0000-0000-000000000003;money:1000;money:1200"#]]
    .assert_eq(&risen(&[
        (1, Some(900)),
        (2, Some(1_000)),
        (3, Some(1_200)),
    ]));
    expect![[r#"
        no
        signals_looked_at;household;cents:500;count:0"#]]
    .assert_eq(&risen(&[(1, None)]));
}

#[test]
fn what_did_not_follow_is_told_with_its_term_and_what_is_delivered() {
    let absence = |within: Term, signals: Vec<Signal>, through: Option<Date>| {
        let condition = Condition::Absence {
            after: After::Signal(kind("rent_arrears")),
            without: Follows {
                of: kind("energy_arrears"),
                same: BTreeSet::from([Same::Debtor]),
                lower_amount: true,
            },
            within,
        };
        let mut feeds = Feeds::default();
        let (supplier, energy) = ("energy".parse(), "energy_arrears".parse());
        let (supplier, energy) = (supplier.expect("a partner"), energy.expect("a kind"));
        feeds.expect(&supplier, &energy);
        if let Some(through) = through {
            feeds.mark(&supplier, &energy, through);
        }
        let mut rule = Rule {
            condition,
            muted_by: MutedBy::default(),
            effect: Effect::Show,
            ..default_rules().remove(0)
        };
        rule.sources = Sources {
            domains: BTreeSet::new(),
            kinds: ["rent_arrears", "energy_arrears"]
                .map(|kind| kind.parse().expect("a kind"))
                .into(),
        };
        told(rule, signals, feeds)
    };
    let rent = || debt_signal(1, Rent, date(2025, 1, 10));
    let energy = |day: Date, owed: i64| {
        let mut signal = debt_signal(2, Energy, day);
        signal.amount = Some(cents(owed));
        signal
    };
    let fortnight = Term::CalendarDays(14);
    // Followed in time by less; on the day after the term; by no less.
    let (in_time, late) = (date(2025, 1, 23), date(2025, 1, 24));
    let lower = vec![rent(), energy(in_time, 19_999)];
    expect![[r#"
        no
        followed;period:2025-01-10/2025-01-24;yes;yes"#]]
    .assert_eq(&absence(fortnight, lower, Some(in_time)));
    let too_late = vec![rent(), energy(late, 19_999)];
    expect![[r#"
        yes
        followed;period:2025-01-10/2025-01-24;yes;no
        term_over;signal:00000000-0000-0000-0000-000000000001;date:2025-01-23;yes
        feeds_complete;period:2025-01-10/2025-01-24;date:2025-01-23;yes"#]]
    .assert_eq(&absence(fortnight, too_late, Some(in_time)));
    let no_lower = vec![rent(), energy(in_time, 20_000)];
    expect![[r#"
        yes
        followed;period:2025-01-10/2025-01-24;yes;no
        term_over;signal:00000000-0000-0000-0000-000000000001;date:2025-01-23;yes
        feeds_complete;period:2025-01-10/2025-01-24;date:2025-01-23;yes"#]]
    .assert_eq(&absence(fortnight, no_lower, Some(in_time)));
    // Delivered up to a day too early, or nobody knows.
    let early = date(2025, 1, 22);
    expect![[r#"
        no
        followed;period:2025-01-10/2025-01-24;yes;no
        term_over;signal:00000000-0000-0000-0000-000000000001;date:2025-01-23;yes
        feeds_complete;period:2025-01-10/2025-01-24;date:2025-01-23;date:2025-01-22"#]]
    .assert_eq(&absence(fortnight, vec![rent()], Some(early)));
    expect![[r#"
        no
        followed;period:2025-01-10/2025-01-24;yes;no
        term_over;signal:00000000-0000-0000-0000-000000000001;date:2025-01-23;yes
        feeds_complete;period:2025-01-10/2025-01-24;date:2025-01-23;no"#]]
    .assert_eq(&absence(fortnight, vec![rent()], None));
    // The term ends today, or tomorrow.
    let all = Some(date(2025, 12, 31));
    expect![[r#"
        yes
        followed;period:2025-01-10/2025-03-01;yes;no
        term_over;signal:00000000-0000-0000-0000-000000000001;date:2025-02-28;yes
        feeds_complete;period:2025-01-10/2025-03-01;date:2025-02-28;yes"#]]
    .assert_eq(&absence(Term::CalendarDays(50), vec![rent()], all));
    expect![[r#"
        no
        followed;period:2025-01-10/2025-03-02;yes;no
        term_over;signal:00000000-0000-0000-0000-000000000001;date:2025-03-01;no
        feeds_complete;period:2025-01-10/2025-03-02;date:2025-03-01;yes"#]]
    .assert_eq(&absence(Term::CalendarDays(51), vec![rent()], all));
    expect![[r#"
        yes
        followed;period:2025-01-10/2025-01-24;yes;no
        term_over;signal:00000000-0000-0000-0000-000000000001;date:2025-01-23;yes
        feeds_complete;period:2025-01-10/2025-01-24;date:2025-01-23;yes"#]]
    .assert_eq(&absence(Term::WorkingDays(10), vec![rent()], all));
    // Nothing to follow.
    let alone = vec![energy(in_time, 1)];
    expect![[r#"
        no
        signals_looked_at;household;count:1;count:0"#]]
    .assert_eq(&absence(fortnight, alone, all));
}

/// Another one should follow: the signal itself does not.
#[test]
fn no_signal_follows_itself() {
    let condition = Condition::Absence {
        after: After::Signal(Predicate::Any),
        without: Follows {
            of: Predicate::Any,
            same: BTreeSet::new(),
            lower_amount: false,
        },
        within: Term::CalendarDays(14),
    };
    let says = says_of(condition, amounts(&[(10, None)]), Feeds::default());
    assert_eq!(
        says.lines().nth(1),
        Some("followed;period:2025-01-10/2025-01-24;yes;no")
    );
}

#[test]
fn of_months_the_last_is_told_or_the_one_with_most_types() {
    let single = Condition::SingleInMonth {
        partner_types: 2,
        preceding_months: 6,
    };
    expect![[r#"
        no
        partner_types;month:2025-02;count:2;partner_types:water
        signals_before;period:2024-08-01/2025-02-01;count:1;count:5"#]]
    .assert_eq(&says_of(single, household(), Feeds::default()));
    let concurrent = |partner_types| Condition::ConcurrentInMonth { partner_types };
    expect![[r#"
        no
        partner_types;month:2025-01;count:3;partner_types:energy,rent"#]]
    .assert_eq(&says_of(concurrent(3), household(), Feeds::default()));
    // As many types in both months.
    let later = household().split_off(2);
    expect![[r#"
        no
        partner_types;month:2025-02;count:2;partner_types:water"#]]
    .assert_eq(&says_of(concurrent(2), later, Feeds::default()));
    let consecutive = Condition::ConsecutiveMonths {
        preceding_months: 2,
    };
    let january = household().drain(..5).collect();
    expect![[r#"
        no
        signals_before;period:2024-11-01/2025-01-01;count:1;count:0"#]]
    .assert_eq(&says_of(consecutive, january, Feeds::default()));
}

/// Of its matches a rule tells the last.
#[test]
fn a_rule_that_fired_says_why_of_its_last_match() {
    let consecutive = Condition::ConsecutiveMonths {
        preceding_months: 2,
    };
    let mut signals = household();
    signals.push(debt_signal(7, Water, date(2025, 4, 1)));
    expect![[r#"
        yes
        signals_in_month;month:2025-04;count:1;count:1
        signals_before;period:2025-02-01/2025-04-01;count:1;count:1"#]]
    .assert_eq(&says_of(consecutive, signals, Feeds::default()));
}
