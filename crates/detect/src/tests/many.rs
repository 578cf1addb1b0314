//! More than a household has: what is kept small for the few must be right for the many, too.

use std::collections::BTreeSet;

use jiff::civil::date;
use uuid::Uuid;
use voorveld_calendar::{Calendar, Period, plus_days};
use voorveld_domain::{DebtorId, Outcome, PartnerType, Standing};

use super::world::{
    World, cents, debt_signal, default_rules, noon, number_of, rule_set, signal_id,
};
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

/// A landlord tells the same arrears day after day; the first of them is on a task.
#[test]
fn however_many_repeat_what_somebody_sees_to_each_is_told_to_repeat() {
    let mut each = default_rules().remove(0);
    each.condition = Condition::EachSignal(Predicate::Any);
    each.muted_by = MutedBy {
        repeat: true,
        ..MutedBy::default()
    };
    for many in [2, 7, 8, 9, 10, 40] {
        let on = |number: u32| {
            let days = i32::try_from(number).expect("few");
            debt_signal(number, PartnerType::Rent, plus_days(date(2025, 1, 1), days))
        };
        let mut world = World::new(rule_set(vec![each.clone()]));
        world.record(on(1));
        for number in 2..many {
            world.timeline.absorb(on(number));
        }
        let planned = world.record(on(many));
        let [TaskChange::Join { grounds, .. }] = &*planned.changes else {
            panic!("{many}: they are told on the same task");
        };
        let mut repeats: Vec<(Anchor, bool)> = grounds
            .iter()
            .map(|ground| (ground.anchor, ground.repeat))
            .collect();
        repeats.sort_unstable();
        let expected: Vec<(Anchor, bool)> = (2..=many)
            .map(|number| (Anchor::Signal(signal_id(number)), true))
            .collect();
        assert_eq!(repeats, expected, "{many}");
    }
}

/// Each is there when the next one comes, and is taken up then ([`World::judge`] compares).
#[test]
fn what_rose_before_stands_when_more_comes() {
    let mut risen = default_rules().remove(0);
    risen.muted_by = MutedBy::default();
    risen.condition = Condition::Risen {
        of: Predicate::Any,
        days: 60,
        by: cents(1),
    };
    let mut world = World::new(rule_set(vec![risen]));
    for (number, days) in [(1, 0), (2, 50), (3, 100)] {
        let mut signal = debt_signal(number, PartnerType::Rent, plus_days(date(2025, 1, 1), days));
        signal.amount = Some(cents(10_000 * i64::from(number)));
        world.record(signal);
    }
    let rose: Vec<Anchor> = world
        .evaluate()
        .matches
        .iter()
        .map(|one| one.anchor)
        .collect();
    let expected = [2, 3].map(|number| Anchor::Signal(signal_id(number)));
    assert_eq!(rose, expected);
}

/// What came and what went are told of together: neither hides the other.
#[test]
fn what_came_is_news_though_something_else_went() {
    let mut each = default_rules().remove(0);
    each.muted_by = MutedBy::default();
    each.condition = Condition::EachSignal(Predicate::Any);
    let mut world = World::new(rule_set(vec![each]));
    let on = |number: u32| debt_signal(number, PartnerType::Rent, date(2025, 1, 10));
    world.record(on(1));
    world.record(on(2));
    world.timeline.absorb(on(3));
    let mut taken_back = on(2);
    taken_back.revision = taken_back.revision.next();
    taken_back.standing = Standing::Withdrawn;
    let planned = world.record(taken_back);
    let joined = planned.changes.iter().any(|change| {
        let TaskChange::Join { grounds, .. } = change else {
            return false;
        };
        grounds
            .iter()
            .any(|ground| ground.anchor == Anchor::Signal(signal_id(3)))
    });
    assert!(joined, "{:?}", planned.changes);
}

#[test]
fn grounds_of_these_names_are_taken_out_and_no_others() {
    let mut each = default_rules().remove(0);
    each.muted_by = MutedBy::default();
    each.condition = Condition::EachSignal(Predicate::Any);
    let mut world = World::new(rule_set(vec![each]));
    for number in 1..=3 {
        world.record(debt_signal(number, PartnerType::Rent, date(2025, 1, 10)));
    }
    let mut task = world.open().clone();
    let all = task.grounds.clone();
    task.without(&[]);
    assert_eq!(task.grounds, all);
    task.without(&[all[0].key(), all[2].key()]);
    assert_eq!(task.grounds, [all[1].clone()]);
}

/// Where people did something since the last plan, all is looked at, not only what came ([`World::judge`] compares).
#[test]
fn what_was_answered_elsewhere_meanwhile_is_noticed_with_whatever_comes() {
    let mut each = default_rules().remove(0);
    each.muted_by = MutedBy::default();
    each.condition = Condition::EachSignal(Predicate::Any);
    let mut world = World::new(rule_set(vec![each]));
    let on = |number: u32| {
        let day = i8::try_from(number).expect("a day");
        debt_signal(number, PartnerType::Rent, date(2025, 1, day))
    };
    world.record(on(1));
    world.record(on(2));
    let purpose = world.open().purpose;
    let answered = (purpose, signal_id(2));
    world.guards.answered_elsewhere.insert(answered);
    world.record(on(3));
    let mut leaned_on: Vec<u128> = world
        .open()
        .grounds
        .iter()
        .flat_map(|ground| &ground.witnesses)
        .map(|id| number_of(*id))
        .collect();
    leaned_on.sort_unstable();
    assert_eq!(leaned_on, [1, 3]);
}

/// Of an institution: on one day a file with a year of signals comes in, then corrections of some and withdrawals of others, and in between somebody sees to it.
/// At each record, whoever takes up what was found and planned before finds and plans what a look at everything does (see [`World::judge`]).
#[test]
fn a_crowd_is_planned_around_what_changed() {
    const SIGNALS: u32 = 260;
    let partner_types = [PartnerType::Rent, PartnerType::Energy, PartnerType::Water];
    let signal = |number: u32| {
        let on = plus_days(
            date(2024, 7, 1),
            i32::try_from(number * 151 % 365).expect("few"),
        );
        let partner_type = partner_types[number as usize % 3];
        let mut signal = debt_signal(number + 1, partner_type, on);
        signal.first_received_at = noon(date(2025, 7, 1));
        signal.received_at = signal.first_received_at;
        signal.debtor = (!number.is_multiple_of(9))
            .then(|| DebtorId::from_uuid(Uuid::from_u128(u128::from(number % 17))));
        signal.amount = Some(cents(if number.is_multiple_of(5) {
            2_000
        } else {
            30_000
        }));
        signal.crisis = number.is_multiple_of(41);
        signal.supply_ends_on = number
            .is_multiple_of(53)
            .then(|| plus_days(date(2025, 7, 2), i32::try_from(number / 20).expect("few")));
        signal
    };
    let mut rules = default_rules();
    let mut two_kinds = rules[0].clone();
    two_kinds.id = "debt.two_kinds".parse().expect("a rule id");
    two_kinds.muted_by.threshold = false;
    two_kinds.condition = Condition::Within(Within {
        window: Window::Days(20),
        test: Test::Reaches {
            of: Predicate::Any,
            reach: Reach::Kinds(2),
        },
        counting: Counting::Runs,
        per: [Same::Debtor].into(),
    });
    rules.push(two_kinds);
    let settings = RuleSettings {
        threshold: Some(cents(5_000)),
        ..RuleSettings::default()
    };
    let rules = RuleSet::new(rules, settings, RuleSetHash([0; 32])).expect("a sound set");
    let mut world = World::new(rules);
    for number in 0..SIGNALS {
        world.record(signal(number));
        if number == 150 {
            world.close(Outcome::NoContact);
            world.judge();
        }
        if number.is_multiple_of(13) {
            let mut again = signal(number / 2);
            again.revision = again.revision.next();
            if number.is_multiple_of(2) {
                again.standing = Standing::Withdrawn;
            } else {
                again.amount = Some(cents(45_000));
                again.event_date = plus_days(again.event_date, -40);
            }
            world.record(again);
        }
    }
    let grounds: usize = world.tasks.iter().map(|task| task.grounds.len()).sum();
    assert!(40 < grounds, "hardly a crowd: {grounds}");
}
