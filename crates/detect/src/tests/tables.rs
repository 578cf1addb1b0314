//! Tables: each row a case, each case decided.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use uuid::Uuid;
use voorveld_calendar::{Calendar, Term};
use voorveld_domain::{
    HoldReason, Outcome, PartnerType, Presence, Purpose, RuleId, Standing, TaskId, TaskState,
    Urgency,
};

use super::world::{World, cents, debt_signal, default_rules, noon, rule_set, signal_id};
use crate::*;

fn rule_id(raw: &str) -> RuleId {
    raw.parse().expect("a rule id")
}

/// The default rules with one of them changed.
fn rules_with(id: &str, change: impl Fn(&mut Rule)) -> RuleSet {
    let mut rules = default_rules();
    let rule = rules
        .iter_mut()
        .find(|rule| rule.id.as_str() == id)
        .expect("a default rule");
    change(rule);
    rule_set(rules)
}

fn gone(signal: &Signal, standing: Standing, presence: Presence) -> Signal {
    let mut copy = signal.clone();
    copy.revision = copy.revision.next();
    copy.standing = standing;
    copy.presence = presence;
    copy
}

/// What happens to a task with some or all of its grounds gone, by who has it (K10, K11).
#[test]
fn a_task_whose_grounds_go_is_annotated_withdrawn_or_flagged() {
    #[derive(Debug, PartialEq)]
    enum Fate {
        Annotated,
        Withdrawn,
        Flagged,
        Untouched,
    }
    use Fate::{Annotated, Flagged, Untouched, Withdrawn};
    for (purpose, state, all, expected) in [
        (Purpose::DebtHelp, TaskState::Open, false, Annotated),
        (Purpose::DebtHelp, TaskState::Open, true, Withdrawn),
        (Purpose::DebtHelp, TaskState::Claimed, false, Annotated),
        (Purpose::DebtHelp, TaskState::Claimed, true, Flagged),
        (Purpose::DebtHelp, TaskState::Closed, false, Untouched),
        (Purpose::DebtHelp, TaskState::Closed, true, Untouched),
        (Purpose::DebtHelp, TaskState::Withdrawn, true, Untouched),
        (Purpose::Safety, TaskState::Open, false, Annotated),
        (Purpose::Safety, TaskState::Open, true, Flagged),
        (Purpose::Safety, TaskState::Claimed, true, Flagged),
        (Purpose::Safety, TaskState::Closed, true, Untouched),
    ] {
        for (standing, presence) in [
            (Standing::Withdrawn, Presence::LivesHere),
            (Standing::Objected, Presence::LivesHere),
            (Standing::Expired, Presence::LivesHere),
            (Standing::Counted, Presence::MovedAway),
        ] {
            // Two signals, each with a ground of its own: seven months apart, or two markers.
            let mut first = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
            let mut second = debt_signal(2, PartnerType::Rent, date(2025, 8, 11));
            if purpose == Purpose::Safety {
                for signal in [&mut first, &mut second] {
                    signal.domain = "safety".parse().expect("a domain");
                    let acute = "acute".parse().expect("a field");
                    signal.fields.insert(acute, FieldValue::Bool(true));
                }
            }
            let mut world = World::new(rule_set(default_rules()));
            world.record(first.clone());
            world.record(second.clone());
            assert_eq!(world.open().grounds.len(), 2);
            match state {
                TaskState::Closed => world.close(Outcome::NeedsNoHelp),
                TaskState::Withdrawn => {
                    for signal in [&first, &second] {
                        world.record(gone(signal, Standing::Withdrawn, Presence::LivesHere));
                    }
                    assert_eq!(world.tasks[0].state, TaskState::Withdrawn);
                }
                other => world.open().state = other,
            }
            let mut changes = world.record(gone(&first, standing, presence)).changes;
            if all {
                changes = world.record(gone(&second, standing, presence)).changes;
            }
            let fate = match changes.as_slice() {
                [] => Untouched,
                [TaskChange::Annotate { .. }] => Annotated,
                [TaskChange::Withdraw { .. }] => Withdrawn,
                [TaskChange::Flag { .. }] => Flagged,
                other => panic!("{other:?}"),
            };
            assert_eq!(fate, expected, "{purpose} {state} {standing} all: {all}");
        }
    }
}

/// What joins in the same judgement goes on from a ground that went only where it shares a signal with it (K4).
#[test]
fn a_ground_that_goes_is_not_replaced_by_what_shares_no_signal_with_it() {
    let mut world = World::new(rule_set(default_rules()));
    let first = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
    world.record(first.clone());
    world.open().state = TaskState::Claimed;
    let withdrawn = gone(&first, Standing::Withdrawn, Presence::LivesHere);
    world.timeline.absorb(withdrawn);
    let changes = world
        .record(debt_signal(2, PartnerType::Water, date(2025, 3, 10)))
        .changes;
    let [
        TaskChange::Join {
            grounds, replaced, ..
        },
        TaskChange::Annotate { gone, .. },
    ] = changes.as_slice()
    else {
        panic!("expected what joins, and what is gone: {changes:?}");
    };
    assert_eq!((grounds.len(), replaced.len(), gone.len()), (1, 0, 1));
    assert_ne!(grounds[0].key(), gone[0]);
}

#[test]
fn a_withdrawn_task_answers_nothing() {
    let mut world = World::new(rule_set(default_rules()));
    let signal = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
    world.record(signal.clone());
    let withdrawn = gone(&signal, Standing::Withdrawn, Presence::LivesHere);
    world.record(withdrawn.clone());
    let revived = gone(&withdrawn, Standing::Counted, Presence::LivesHere);
    let changes = world.record(revived).changes;
    assert!(
        matches!(changes.as_slice(), [TaskChange::Raise { .. }]),
        "{changes:?}"
    );
}

#[test]
fn a_signal_answered_before_a_move_raises_nothing_in_the_new_household() {
    let signal = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
    for (purpose, raises) in [(Purpose::DebtHelp, false), (Purpose::JointHelp, true)] {
        let mut world = World::new(rule_set(default_rules()));
        world.guards.answered_elsewhere = [(purpose, signal.id)].into();
        let planned = world.record(signal.clone());
        assert_eq!(!planned.changes.is_empty(), raises, "{purpose}");
        assert_eq!(world.evaluate().matches.len(), 1);
    }
}

#[test]
fn a_cooldown_silences_its_rule_and_is_planned_once_when_it_ends() {
    for (from, until) in [
        (CooldownFrom::Raising, date(2025, 1, 20)),
        (CooldownFrom::Result, date(2025, 1, 25)),
    ] {
        let mut world = World::new(rules_with("debt.high_amount", |rule| {
            rule.cooldown = Some(Cooldown {
                days: 10,
                from,
                outcomes: BTreeSet::new(),
            });
            rule.muted_by = MutedBy::default();
            rule.condition = Condition::EachSignal(Predicate::Any);
        }));
        // Only the rule in question may raise.
        world.rules = rule_set(vec![
            world
                .rules
                .get(&rule_id("debt.high_amount"))
                .expect("it is there")
                .clone(),
        ]);
        world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
        world.as_of = date(2025, 1, 15);
        world.close(Outcome::NeedsNoHelp);
        let planned = world.record(debt_signal(2, PartnerType::Water, date(2025, 1, 16)));
        assert_eq!(planned.changes, []);
        assert_eq!(
            planned.suppressed.first().map(|silent| silent.by),
            Some(SuppressedBy::Cooldown { until })
        );
        assert_eq!(planned.look_again_on, Some(until));
        world.as_of = voorveld_calendar::plus_days(until, -1);
        assert_eq!(world.judge().changes, []);
        world.as_of = until;
        let changes = world.judge().changes;
        assert!(
            matches!(changes.as_slice(), [TaskChange::Raise { grounds, .. }] if grounds.len() == 1)
        );
        assert_eq!(world.judge().changes, []);
    }
}

#[test]
fn an_old_match_is_shown_and_joins_but_raises_nothing() {
    let rules = rules_with("debt.single", |rule| rule.not_older_than_days = Some(31));
    for (late_by, raises) in [(0, true), (31, true), (32, false)] {
        let mut world = World::new(rules.clone());
        let mut signal = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
        signal.received_at = noon(voorveld_calendar::plus_days(signal.event_date, late_by));
        signal.first_received_at = signal.received_at;
        let planned = world.record(signal);
        assert_eq!(!planned.changes.is_empty(), raises, "{late_by} days late");
        assert_eq!(world.evaluate().matches.len(), 1, "it is shown");
        if !raises {
            let newest = date(2025, 1, 10);
            assert_eq!(
                planned.suppressed.first().map(|silent| silent.by),
                Some(SuppressedBy::TooOld {
                    newest,
                    limit_days: 31
                })
            );
            // More than six months later, so that only the old match is opeenvolgend to nothing.
            world.record(debt_signal(2, PartnerType::Water, date(2025, 9, 10)));
            assert_eq!(world.open().grounds.len(), 2, "it joins");
        }
    }
}

#[test]
fn an_old_match_that_joins_does_not_make_the_task_overdue() {
    let mut world = World::new(rules_with("debt.single", |rule| {
        rule.not_older_than_days = Some(31);
    }));
    let mut old = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
    old.received_at = noon(date(2025, 9, 10));
    world.record(old);
    world.record(debt_signal(2, PartnerType::Water, date(2025, 9, 10)));
    assert_eq!(world.open().due_on, date(2025, 9, 24));
}

#[test]
fn a_new_rule_raises_only_with_a_witness_that_came_after_it_did() {
    let activations = BTreeMap::from([(rule_id("debt.single"), 100)]);
    let rules = rule_set(default_rules()).with_activations(&activations);
    assert!(rules.has_newcomers());
    let mut world = World::new(rules);
    world.guards.came_at = BTreeMap::from([(signal_id(1), 99), (signal_id(2), 100)]);
    let planned = world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 31)));
    assert_eq!(planned.changes, []);
    assert_eq!(
        planned.suppressed.first().map(|silent| silent.by),
        Some(SuppressedBy::BeforeActivation)
    );
    let planned = world.record(debt_signal(2, PartnerType::Rent, date(2025, 9, 1)));
    assert!(!planned.changes.is_empty());
}

/// A correction that says something worse.
fn corrected(signal: &Signal, change: impl Fn(&mut Signal)) -> Signal {
    let mut copy = signal.clone();
    copy.revision = copy.revision.next();
    change(&mut copy);
    copy
}

#[test]
fn a_correction_that_makes_a_crisis_of_what_is_open_takes_the_step_of_a_crisis() {
    let mut world = World::new(rule_set(default_rules()));
    let signal = debt_signal(1, PartnerType::Rent, date(2025, 1, 6));
    world.record(signal.clone());
    assert_eq!(world.open().ladder_step, 1);
    world.record(corrected(&signal, |signal| signal.crisis = true));
    let task = world.open();
    assert_eq!((task.urgency, task.ladder_step), (Urgency::Crisis, 2));
}

/// What was answered stays answered (K4), but for what nothing mutes and nobody knew when the task was closed (I10, M6).
#[test]
fn an_answered_signal_speaks_anew_only_when_it_becomes_what_nothing_mutes() {
    type Change = fn(&mut Signal);
    let cases: [(&str, Change, bool); 5] = [
        ("the same", |_| {}, false),
        ("another amount", |s| s.amount = Some(cents(21_000)), false),
        ("a high amount", |s| s.amount = Some(cents(90_000)), false),
        ("a crisis", |s| s.crisis = true, true),
        ("a warm handover", |s| s.warm_handover = true, true),
    ];
    for (what, change, raises) in cases {
        let mut world = World::new(rule_set(default_rules()));
        let signal = debt_signal(1, PartnerType::Rent, date(2025, 1, 6));
        world.record(signal.clone());
        world.close(Outcome::NeedsNoHelp);
        let worse = corrected(&signal, change);
        let raised = |plan: Plan| {
            plan.changes
                .iter()
                .any(|change| matches!(change, TaskChange::Raise { .. }))
        };
        assert_eq!(raised(world.record(worse.clone())), raises, "{what}");
        if raises {
            world.close(Outcome::NeedsNoHelp);
            let again = corrected(&worse, |s| s.amount = Some(cents(22_000)));
            assert!(
                !raised(world.record(again)),
                "{what}: and then it is answered"
            );
        }
    }
}

/// The ladder goes on where nobody was reached, for the same purpose alone (K7).
#[test]
fn a_ladder_goes_on_after_no_contact_for_the_same_purpose() {
    for (purpose, outcome, step) in [
        (Purpose::DebtHelp, Outcome::NoContact, 3),
        (Purpose::DebtHelp, Outcome::NeedsNoHelp, 1),
        (Purpose::Safety, Outcome::NoContact, 1),
    ] {
        let mut world = World::new(rule_set(default_rules()));
        world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 6)));
        world.close(outcome);
        (world.tasks[0].purpose, world.tasks[0].ladder_step) = (purpose, 3);
        let later = debt_signal(2, PartnerType::Water, date(2025, 11, 3));
        world.record(later);
        assert_eq!(world.open().ladder_step, step, "{purpose:?} {outcome:?}");
    }
}

/// What did not come was brought by no signal: its term runs from the day on which that could be said (T5).
#[test]
fn the_term_of_an_absence_runs_from_the_day_it_was_concluded() {
    let rules = rules_with("debt.crisis", |rule| {
        rule.sources = Sources {
            domains: BTreeSet::new(),
            kinds: ["rent_arrears", "payment"]
                .map(|kind| kind.parse().expect("a kind"))
                .into(),
        };
        let kind = |raw: &str| Predicate::Kind(BTreeSet::from([raw.parse().expect("a kind")]));
        rule.condition = Condition::Absence {
            after: After::Signal(kind("rent_arrears")),
            without: Follows {
                of: kind("payment"),
                same: BTreeSet::new(),
                lower_amount: false,
            },
            within: Term::CalendarDays(30),
        };
    });
    let mut world = World::new(rules);
    let (bank, payment) = ("bank".parse(), "payment".parse());
    let (bank, payment) = (bank.expect("a partner"), payment.expect("a kind"));
    world.feeds.expect(&bank, &payment);
    world.feeds.mark(&bank, &payment, date(2025, 2, 28));
    let signal = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
    world.timeline.absorb(signal);
    world.as_of = date(2025, 3, 3);
    world.judge();
    let task = world.open();
    let absent = |ground: &&Ground| ground.rule.as_str() == "debt.crisis";
    let ground = task.grounds.iter().find(absent).expect("it did not come");
    assert_eq!(ground.due_on, date(2025, 3, 6));
}

/// A cooldown that runs from the raising is not begun anew by a correction (K8).
#[test]
fn a_ground_that_changes_keeps_the_day_it_came() {
    let mut world = World::new(rule_set(default_rules()));
    let signal = debt_signal(1, PartnerType::Rent, date(2025, 1, 6));
    world.record(signal.clone());
    let came_on = world.as_of;
    world.as_of = date(2025, 1, 20);
    let second = debt_signal(2, PartnerType::Rent, date(2025, 1, 20));
    world.record(second);
    let single = &world.open().grounds[0];
    assert_eq!(single.witnesses.len(), 2);
    assert_eq!(single.added_on, came_on);
}

/// Both the rule and the signal must be such that nothing mutes them: a high amount is neither, and a crisis makes only one of the two so.
#[test]
fn a_rule_that_can_be_muted_hears_nothing_anew_of_a_crisis_nor_another_of_what_is_none() {
    let only = |muted_by: MutedBy| {
        let mut rules = default_rules();
        rules.retain(|rule| rule.id.as_str() == "debt.high_amount");
        rules[0].muted_by = muted_by;
        rule_set(rules)
    };
    let repeat = MutedBy {
        repeat: true,
        ..MutedBy::default()
    };
    for (muted_by, crisis, raises) in [
        (repeat, false, false),
        (repeat, true, false),
        (MutedBy::default(), false, false),
        (MutedBy::default(), true, true),
    ] {
        let mut world = World::new(only(muted_by));
        let mut signal = debt_signal(1, PartnerType::Rent, date(2025, 1, 6));
        signal.amount = Some(cents(60_000));
        world.record(signal.clone());
        world.close(Outcome::NeedsNoHelp);
        let higher = corrected(&signal, |signal| {
            signal.amount = Some(cents(90_000));
            signal.crisis = crisis;
        });
        let raised = !world.record(higher).changes.is_empty();
        assert_eq!(raised, raises, "{muted_by:?}, crisis: {crisis}");
    }
}

#[test]
fn a_marker_that_becomes_acute_after_its_hold_was_lifted_holds_again() {
    let mut world = World::new(rule_set(default_rules()));
    let mut marker = debt_signal(1, PartnerType::Care, date(2025, 1, 10));
    marker.domain = "safety".parse().expect("a domain");
    let flag = |marker: &mut Signal, name: &str| {
        let name = name.parse().expect("a field");
        marker.fields.insert(name, FieldValue::Bool(true));
    };
    flag(&mut marker, "structural");
    world.record(marker.clone());
    world.close(Outcome::NeedsNoHelp);
    world.guards.held = None;
    let holds = |plan: Plan| {
        plan.changes
            .iter()
            .any(|change| matches!(change, TaskChange::Hold { .. }))
    };
    assert!(!holds(world.judge()), "what the desk judged stays judged");
    let acute = corrected(&marker, |marker| flag(marker, "acute"));
    assert!(holds(world.record(acute)));
}

#[test]
fn a_safety_marker_under_a_hold_reaches_the_desk_without_a_second_hold() {
    for (held, holds) in [
        (None, true),
        (Some(HoldReason::Objection), true),
        (Some(HoldReason::Safety), false),
    ] {
        let mut world = World::new(rule_set(default_rules()));
        world.guards.held = held;
        let mut marker = debt_signal(1, PartnerType::Care, date(2025, 1, 10));
        marker.domain = "safety".parse().expect("a domain");
        let structural = "structural".parse().expect("a field");
        marker.fields.insert(structural, FieldValue::Bool(true));
        let changes = world.record(marker).changes;
        let held_now = changes
            .iter()
            .any(|change| matches!(change, TaskChange::Hold { .. }));
        assert_eq!(held_now, holds, "{held:?}");
        assert!(changes.iter().any(|change| matches!(
            change,
            TaskChange::Raise {
                purpose: Purpose::Safety,
                urgency: Urgency::Crisis,
                ..
            }
        )));
    }
}

#[test]
fn of_two_open_tasks_the_claimed_else_the_older_goes_on() {
    for (claimed, survivor) in [(None, 0), (Some(0), 0), (Some(1), 1)] {
        // Two households with a task each become one.
        let task_of = |number, day, task: u128| {
            let mut world = World::new(rule_set(default_rules()));
            world.record(debt_signal(number, PartnerType::Rent, day));
            let mut task = KnownTask {
                id: TaskId::from_uuid(Uuid::from_u128(task)),
                ..world.tasks.remove(0)
            };
            task.ladder_step = 1;
            task
        };
        let mut world = World::new(rule_set(default_rules()));
        world.tasks = vec![
            task_of(1, date(2025, 1, 10), 8),
            task_of(2, date(2025, 8, 20), 7),
        ];
        if let Some(index) = claimed {
            world.tasks[index].state = TaskState::Claimed;
        }
        world
            .timeline
            .absorb(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
        world.record(debt_signal(2, PartnerType::Rent, date(2025, 8, 20)));
        let (kept, other) = (&world.tasks[survivor], &world.tasks[1 - survivor]);
        assert_eq!(other.state, TaskState::Merged, "{claimed:?}");
        assert!(kept.state.is_open());
        // What comes along from the other is no new ground.
        let added_on: BTreeSet<Date> = kept.grounds.iter().map(|one| one.added_on).collect();
        let both = [date(2025, 1, 10), date(2025, 8, 20)];
        assert_eq!(added_on, both.into(), "{claimed:?}");
        assert_eq!(kept.grounds.len(), 2);
        assert_eq!(kept.due_on, date(2025, 1, 24), "the earliest term goes on");
    }
}

#[test]
fn a_repeat_is_of_the_same_partner_kind_and_debtor_and_no_higher() {
    type Change = fn(&mut Signal);
    let cases: [(&str, Change, bool); 9] = [
        ("the same again", |_| {}, true),
        ("lower", |s| s.amount = Some(cents(19_999)), true),
        ("higher", |s| s.amount = Some(cents(20_001)), false),
        ("no amount told", |s| s.amount = None, false),
        ("unknown debtor", |s| s.debtor = None, false),
        (
            "another partner",
            |s| s.partner = "elders".parse().expect("a partner"),
            false,
        ),
        (
            "another kind",
            |s| s.kind = "other_arrears".parse().expect("a kind"),
            false,
        ),
        ("a crisis", |s| s.crisis = true, false),
        ("handed over", |s| s.warm_handover = true, false),
    ];
    for (name, change, repeats) in cases {
        let mut world = World::new(rule_set(default_rules()));
        world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
        world.close(Outcome::NeedsNoHelp);
        let mut again = debt_signal(2, PartnerType::Rent, date(2025, 2, 10));
        change(&mut again);
        let planned = world.record(again);
        assert_eq!(planned.changes.is_empty(), repeats, "{name}");
    }
}

/// Neither tells an amount: nothing is higher then. Only the second does: nobody can say that it is no higher.
#[test]
fn an_amount_that_was_not_told_is_repeated_by_one_that_is_not_told_either() {
    for (amount, repeats) in [(None, true), (Some(cents(1)), false)] {
        let mut world = World::new(rule_set(default_rules()));
        let mut first = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
        first.amount = None;
        world.record(first);
        world.close(Outcome::NeedsNoHelp);
        let mut again = debt_signal(2, PartnerType::Rent, date(2025, 2, 10));
        again.amount = amount;
        let planned = world.record(again);
        assert_eq!(planned.changes.is_empty(), repeats, "{amount:?}");
    }
}

/// A rule that is mute unless an amount has risen hears of a cent more than what was seen to, and of nothing that was never seen to.
#[test]
fn a_rule_that_is_mute_unless_risen_hears_of_a_cent_more() {
    let mut rules = default_rules();
    rules.retain(|rule| rule.id.as_str() == "debt.high_amount");
    rules[0].muted_by = MutedBy {
        unless_risen: true,
        ..MutedBy::default()
    };
    for (of, amount, raises) in [
        (PartnerType::Rent, 59_999, false),
        (PartnerType::Rent, 60_000, false),
        (PartnerType::Rent, 60_001, true),
        (PartnerType::Water, 70_000, false),
    ] {
        // The first is raised while the rule is not mute yet.
        let mut loud = rules.clone();
        loud[0].muted_by = MutedBy::default();
        let mut world = World::new(rule_set(loud));
        let mut first = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
        first.amount = Some(cents(60_000));
        world.record(first);
        world.close(Outcome::NeedsNoHelp);
        world.rules = rule_set(rules.clone());
        let mut again = debt_signal(2, of, date(2025, 2, 10));
        again.amount = Some(cents(amount));
        let planned = world.record(again);
        assert_eq!(!planned.changes.is_empty(), raises, "{of:?} {amount}");
        let is_mute = |one: &Suppression| one.by == SuppressedBy::NotRisen;
        assert_eq!(planned.suppressed.iter().any(is_mute), !raises);
    }
}

/// Only a task that was closed was seen to: one that ended otherwise mutes nothing, whatever is written on it.
#[test]
fn a_withdrawn_task_is_repeated_by_nothing() {
    for (state, repeats) in [
        (TaskState::Closed, true),
        (TaskState::Withdrawn, false),
        (TaskState::Merged, false),
    ] {
        let mut world = World::new(rule_set(default_rules()));
        // So much that each of them is told by itself.
        let told = |number, day| Signal {
            amount: Some(cents(60_000)),
            ..debt_signal(number, PartnerType::Rent, day)
        };
        world.record(told(1, date(2025, 1, 10)));
        world.close(Outcome::NeedsNoHelp);
        world.tasks[0].state = state;
        let planned = world.record(told(2, date(2025, 2, 10)));
        assert_eq!(planned.changes.is_empty(), repeats, "{state:?}");
        let mut grounds = world.tasks[1..].iter().flat_map(|task| &task.grounds);
        assert!(!grounds.any(|ground| ground.repeat), "{state:?}");
    }
}

#[test]
fn what_was_taken_back_mutes_no_later_signal() {
    let mut world = World::new(rule_set(default_rules()));
    let first = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
    world.record(first.clone());
    world.close(Outcome::PaidOrArranged);
    world.record(gone(&first, Standing::Withdrawn, Presence::LivesHere));
    let planned = world.record(debt_signal(2, PartnerType::Rent, date(2025, 2, 10)));
    assert_eq!(planned.changes.len(), 1);
}

#[test]
fn a_silent_rule_says_what_came_nearest() {
    let mut world = World::new(rule_set(default_rules()));
    let nothing = world.evaluate();
    assert!(nothing.verdicts.iter().all(|verdict| !verdict.fired));
    assert!(nothing.verdicts.iter().all(|verdict| {
        verdict
            .why
            .iter()
            .map(ToString::to_string)
            .eq(["signals_looked_at;household;count:1;count:0"])
    }));
    world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
    let said: Vec<String> = world
        .evaluate()
        .verdicts
        .iter()
        .flat_map(|verdict| {
            verdict
                .why
                .iter()
                .map(|why| format!("{} {} {why}", verdict.rule, verdict.fired))
        })
        .collect();
    expect_test::expect![[r#"
        debt.consecutive false signals_before;period:2024-07-01/2025-01-01;count:1;count:0
        debt.crisis false crisis;signal:00000000-0000-0000-0000-000000000001;yes;no
        debt.end_of_supply false supply_end;signal:00000000-0000-0000-0000-000000000001;absent;absent
        debt.high_amount false amount;signal:00000000-0000-0000-0000-000000000001;cents:50000;cents:20000
        debt.high_amount false amount_against.monthly_rent;signal:00000000-0000-0000-0000-000000000001;absent;cents:20000
        debt.multiple false partner_types;month:2025-01;count:2;partner_types:rent
        debt.single true partner_types;month:2025-01;count:2;partner_types:rent
        debt.single true signals_before;period:2024-07-01/2025-01-01;count:1;count:0
        debt.warm_handover false warm_handover;signal:00000000-0000-0000-0000-000000000001;yes;no
        safety.meldcode false signals_looked_at;household;count:1;count:0"#]].assert_eq(&said.join("\n"));
}

#[test]
fn rules_that_cannot_be_meant_do_not_make_a_set() {
    let refused = |id: &str, change: fn(&mut Rule)| {
        let mut rules = default_rules();
        let rule = rules
            .iter_mut()
            .find(|rule| rule.id.as_str() == id)
            .expect("a default rule");
        change(rule);
        RuleSet::new(rules, RuleSettings::default(), RuleSetHash([0; 32])).is_err()
    };
    assert!(!refused("debt.single", |_| {}));
    assert!(refused("debt.single", |rule| rule.id = rule_id("debt.multiple")));
    assert!(refused("debt.single", |rule| rule.purpose = Purpose::Safety));
    assert!(refused("safety.meldcode", |rule| rule.effect = Effect::Show));
    assert!(refused("debt.single", |rule| rule.sources = Sources::default()));
    assert!(refused("debt.multiple", |rule| rule.muted_by.threshold = true));
    assert!(refused("debt.multiple", |rule| {
        rule.condition = Condition::ConcurrentInMonth { partner_types: 1 };
    }));
    assert!(refused("debt.consecutive", |rule| {
        rule.condition = Condition::ConsecutiveMonths {
            preceding_months: 0,
        };
    }));
    assert!(refused("debt.crisis", |rule| {
        rule.condition = Condition::Within(Within {
            window: Window::Days(0),
            test: Test::Reaches {
                of: Predicate::Any,
                reach: Reach::Count(2),
            },
            counting: Counting::Runs,
            per: BTreeSet::new(),
        });
    }));
}

#[test]
fn a_ground_is_brought_by_the_signal_that_completes_it() {
    let rules = rule_set(default_rules());
    let calendar = Calendar::national();
    // The energy signal happened first and came last.
    let mut energy = debt_signal(1, PartnerType::Energy, date(2025, 1, 3));
    energy.first_received_at = noon(date(2025, 1, 28));
    let rent = debt_signal(2, PartnerType::Rent, date(2025, 1, 10));
    let water = debt_signal(3, PartnerType::Water, date(2025, 2, 2));
    let timeline: Timeline = [energy, rent, water].into_iter().collect();
    let brought: Vec<String> = evaluate(
        &rules,
        &timeline,
        &calendar,
        &Feeds::default(),
        date(2025, 3, 1),
    )
    .matches
    .iter()
    .map(|found| {
        let number = super::world::number_of(found.brought_by);
        format!("{}@{} by {number}", found.rule, found.anchor)
    })
    .collect();
    assert_eq!(
        brought,
        [
            "debt.consecutive@2025-02 by 3",
            "debt.multiple@2025-01 by 1"
        ]
    );
    assert!(timeline.get(signal_id(4)).is_none());
}

#[test]
fn a_supply_end_that_moves_forward_shortens_the_term() {
    let mut world = World::new(rule_set(default_rules()));
    let mut notice = debt_signal(1, PartnerType::Energy, date(2025, 3, 3));
    notice.supply_ends_on = Some(date(2025, 4, 30));
    world.record(notice.clone());
    assert_eq!(world.open().due_on, date(2025, 3, 6));
    notice.revision = notice.revision.next();
    notice.supply_ends_on = Some(date(2025, 3, 19));
    world.record(notice);
    assert_eq!(world.open().due_on, date(2025, 3, 5));
    let evidence = &world
        .open()
        .grounds
        .iter()
        .find(|ground| ground.rule.as_str() == "debt.end_of_supply")
        .expect("it has that ground")
        .evidence;
    assert!(
        evidence
            .iter()
            .any(|seen| seen.value == Quantity::Date(date(2025, 3, 19)))
    );
}

#[test]
fn a_new_version_of_a_rule_leaves_the_words_of_a_task_alone() {
    let mut world = World::new(rule_set(default_rules()));
    let mut high = debt_signal(1, PartnerType::Rent, date(2025, 3, 3));
    high.amount = Some(cents(90_000));
    world.record(high);
    let before = world.tasks.clone();
    world.rules = rules_with("debt.high_amount", |rule| {
        rule.version = 2;
        rule.condition = Condition::EachSignal(Predicate::AmountAtLeast(cents(80_000)));
    });
    assert_eq!(world.judge().changes, []);
    assert_eq!(world.tasks, before);
}

#[test]
fn an_old_ground_that_changes_does_not_shorten_the_term() {
    let mut world = World::new(rules_with("debt.single", |rule| {
        rule.not_older_than_days = Some(31);
    }));
    let mut old = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
    old.received_at = noon(date(2025, 9, 10));
    world.record(old.clone());
    world.record(debt_signal(2, PartnerType::Water, date(2025, 9, 10)));
    // A second old signal in the same month changes the witnesses of the old ground.
    old.id = signal_id(3);
    let changes = world.record(old).changes;
    assert!(matches!(changes.as_slice(), [TaskChange::Join { .. }]));
    assert_eq!(world.open().due_on, date(2025, 9, 24));
}

#[test]
fn an_old_ground_presses_once_it_is_said_to_be_of_these_days() {
    let mut world = World::new(rules_with("debt.high_amount", |rule| {
        rule.not_older_than_days = Some(31);
    }));
    // Nobody else presses: another month, and long enough ago to be opeenvolgend to nothing.
    world.record(debt_signal(1, PartnerType::Water, date(2025, 9, 10)));
    let mut high = debt_signal(2, PartnerType::Rent, date(2025, 1, 10));
    high.amount = Some(cents(60_000));
    high.received_at = noon(date(2025, 9, 10));
    high.first_received_at = high.received_at;
    world.record(high.clone());
    let is_on = |world: &mut World| {
        let grounds = &world.open().grounds;
        let high_amount = rule_id("debt.high_amount");
        grounds.iter().any(|one| one.rule == high_amount)
    };
    assert!(is_on(&mut world));
    assert_eq!(world.open().urgency, Urgency::Routine);
    let of_august = corrected(&high, |signal| {
        signal.event_date = date(2025, 8, 20);
        signal.amount = Some(cents(70_000));
    });
    world.record(of_august);
    assert!(is_on(&mut world));
    assert_eq!(world.open().urgency, Urgency::Raised);
}

#[test]
fn a_task_raised_by_mistake_starts_no_cooldown() {
    let mut world = World::new(rules_with("debt.crisis", |rule| {
        rule.cooldown = Some(Cooldown {
            days: 90,
            from: CooldownFrom::Raising,
            outcomes: BTreeSet::new(),
        });
    }));
    let crisis_rule = world.rules.get(&rule_id("debt.crisis")).cloned();
    world.rules = rule_set(crisis_rule.into_iter().collect());
    let crisis = |number, day| Signal {
        crisis: true,
        ..debt_signal(number, PartnerType::Rent, day)
    };
    let mistaken = crisis(1, date(2025, 1, 10));
    world.record(mistaken.clone());
    // Withdrawn with its ground still written on it: that ground must not count.
    world.tasks[0].state = TaskState::Withdrawn;
    world
        .timeline
        .absorb(gone(&mistaken, Standing::Withdrawn, Presence::LivesHere));
    let changes = world.record(crisis(2, date(2025, 1, 20))).changes;
    assert!(matches!(changes.as_slice(), [TaskChange::Raise { .. }]));
}

/// Two signals a day apart, and two more: when do the windows of ten days overlap (M2, T3)?
#[test]
fn windows_that_do_not_overlap_are_two_matches() {
    let mut rule = default_rules().remove(0);
    rule.muted_by = MutedBy::default();
    rule.effect = Effect::Show;
    rule.condition = Condition::Within(Within {
        window: Window::Days(10),
        test: Test::Reaches {
            of: Predicate::Any,
            reach: Reach::Count(2),
        },
        counting: Counting::Runs,
        per: BTreeSet::new(),
    });
    let rules = rule_set(vec![rule]);
    for (gap, expected) in [(8, 1), (9, 1), (10, 2), (11, 2)] {
        let second = date(2025, 1, 2);
        let days = [
            date(2025, 1, 1),
            second,
            voorveld_calendar::plus_days(second, gap),
            voorveld_calendar::plus_days(second, gap),
        ];
        let timeline: Timeline = (1..)
            .zip(days)
            .map(|(number, day)| debt_signal(number, PartnerType::Rent, day))
            .collect();
        let matches = evaluate(
            &rules,
            &timeline,
            &Calendar::national(),
            &Feeds::default(),
            days[3],
        )
        .matches;
        assert_eq!(matches.len(), expected, "{gap} days later");
    }
}

#[test]
fn a_pattern_is_brought_by_the_first_receipt_that_completes_it() {
    let rules = rule_set(default_rules());
    // Received in this order: four of one type, then the other type, then more.
    let types = [
        PartnerType::Rent,
        PartnerType::Rent,
        PartnerType::Rent,
        PartnerType::Rent,
        PartnerType::Energy,
        PartnerType::Water,
        PartnerType::Rent,
    ];
    for completing in 1..types.len() {
        let mut types = types;
        types.swap(4, completing);
        let first_other = types
            .iter()
            .position(|known| *known != types[0])
            .expect("two types");
        let timeline: Timeline = (1..)
            .zip(types)
            .map(|(number, partner_type)| {
                let mut signal = debt_signal(number, partner_type, date(2025, 1, 10));
                signal.first_received_at = noon(voorveld_calendar::plus_days(
                    signal.event_date,
                    i32::try_from(number).expect("few"),
                ));
                signal
            })
            .collect();
        let evaluation = evaluate(
            &rules,
            &timeline,
            &Calendar::national(),
            &Feeds::default(),
            date(2025, 3, 1),
        );
        let brought = evaluation
            .matches
            .iter()
            .find(|found| found.kind == MatchKind::Concurrent)
            .map(|found| super::world::number_of(found.brought_by));
        assert_eq!(
            brought,
            Some(u128::try_from(first_other).expect("few") + 1),
            "{types:?}"
        );
    }
}

#[test]
fn a_ground_takes_the_place_of_the_one_of_its_name() {
    let mut world = World::new(rule_set(default_rules()));
    world.record(debt_signal(1, PartnerType::Rent, date(2025, 1, 10)));
    let task = &mut world.tasks[0];
    let ground = task.grounds[0].clone();
    let later = |ground: &Ground| Ground {
        due_on: date(2025, 3, 1),
        ..ground.clone()
    };
    task.put(later(&ground));
    assert_eq!(task.grounds, [later(&ground)]);
    let of_another_rule = Ground {
        rule: rule_id("debt.crisis"),
        ..ground.clone()
    };
    task.put(of_another_rule.clone());
    let elsewhere = Ground {
        anchor: Anchor::Signal(signal_id(1)),
        ..ground.clone()
    };
    task.put(elsewhere.clone());
    // In order of what names them.
    assert_eq!(task.grounds, [of_another_rule, later(&ground), elsewhere]);
}
