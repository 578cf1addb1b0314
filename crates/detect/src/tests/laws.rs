//! Laws that hold of every history, tried on many invented ones.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use voorveld_calendar::plus_days;
use voorveld_domain::{PartnerType, Presence, Standing, TaskState};

use super::world::{World, cents, debt_signal, default_rules, noon, rule_set, signal_id};
use crate::*;

/// A small world, so that signals meet: few signals, few types, a year and a half.
const DAYS: i32 = 540;

fn partner_types() -> impl Strategy<Value = PartnerType> {
    select(vec![
        PartnerType::Rent,
        PartnerType::Energy,
        PartnerType::Water,
        PartnerType::HealthInsurance,
        PartnerType::CakHealthInsurance,
    ])
}

fn day(offset: i32) -> Date {
    plus_days(date(2024, 7, 1), offset)
}

prop_compose! {
    /// One copy of one of twelve signals, received in time or up to three months late.
    fn copies()(
        number in 1..=12u32,
        partner_type in partner_types(),
        offset in 0..DAYS,
        late in prop_oneof![3 => Just(0), 1 => 1..90i32],
        amount in prop_oneof![1 => Just(None), 4 => (10..90i64).prop_map(|tens| Some(cents(tens * 1_000)))],
        revision in 0..3u8,
        filing in 0..2u8,
        fate in prop_oneof![6 => Just((Presence::LivesHere, Standing::Counted)),
            1 => Just((Presence::LivesHere, Standing::Withdrawn)),
            1 => Just((Presence::LivesHere, Standing::Objected)),
            1 => Just((Presence::MovedAway, Standing::Counted))],
        special in 0..20u8,
    ) -> Signal {
        let mut signal = debt_signal(number, partner_type, day(offset));
        signal.first_received_at = noon(day(offset + late));
        signal.received_at = noon(day(offset + late + i32::from(revision)));
        signal.amount = amount;
        for _ in 0..revision { signal.revision = signal.revision.next(); }
        for _ in 0..filing { signal.filing = signal.filing.next(); }
        (signal.presence, signal.standing) = fate;
        signal.crisis = special == 0;
        signal.warm_handover = special == 1;
        if special == 2 {
            signal.supply_ends_on = Some(day(offset + 30));
        }
        if special == 3 {
            signal.domain = "safety".parse().expect("a domain");
            let acute = "acute".parse().expect("a field");
            signal.fields.insert(acute, FieldValue::Bool(true));
        }
        signal
    }
}

/// The default rules, and one of each further condition.
fn all_rules() -> RuleSet {
    let mut rules = default_rules();
    for (id, reaches) in [
        ("pattern.count", Reach::Count(3)),
        ("pattern.types", Reach::PartnerTypes(2)),
    ] {
        rules.push(pattern(id, 45, reaches));
    }
    rule_set(rules)
}

fn pattern(id: &str, days: u16, reaches: Reach) -> Rule {
    let mut rule = default_rules().remove(0);
    rule.id = id.parse().expect("a rule id");
    rule.muted_by = MutedBy::default();
    rule.effect = Effect::Show;
    rule.condition = Condition::Within(Within {
        window: Window::Days(days),
        test: Test::Reaches {
            of: Predicate::Any,
            reach: reaches,
        },
        counting: Counting::Runs,
        per: BTreeSet::new(),
    });
    rule
}

fn matches_of(rules: &RuleSet, timeline: &Timeline) -> Vec<Match> {
    let calendar = voorveld_calendar::Calendar::national();
    evaluate(rules, timeline, &calendar, &Feeds::default(), day(DAYS)).matches
}

/// What a person can do between two records.
#[derive(Debug, Clone)]
enum Step {
    Record(Box<Signal>),
    Claim,
    Close(bool),
    Lift,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => copies().prop_map(|signal| Step::Record(Box::new(signal))),
        1 => Just(Step::Claim),
        1 => any::<bool>().prop_map(Step::Close),
        1 => Just(Step::Lift),
    ]
}

/// Lets a person act, when there is something to act on.
fn act(world: &mut World, step: &Step) {
    let open = world.tasks.iter().any(|task| task.state.is_open());
    match step {
        Step::Claim if open => world.open().state = TaskState::Claimed,
        Step::Close(reached) if open => world.close(if *reached {
            voorveld_domain::Outcome::NeedsNoHelp
        } else {
            voorveld_domain::Outcome::NoContact
        }),
        Step::Lift => world.guards.held = None,
        _ => {}
    }
}

#[test]
fn a_timeline_that_is_kept_for_some_rules_can_be_judged_by_others() {
    let on = date(2025, 1, 10);
    let signals = [PartnerType::Rent, PartnerType::Energy];
    let mut kept: Timeline = (1..)
        .zip(signals)
        .map(|(number, of)| debt_signal(number, of, on))
        .collect();
    kept.look_by(&rule_set(default_rules()));
    let others = rule_set(vec![pattern("pattern.partners", 45, Reach::Partners(2))]);
    assert_eq!(matches_of(&others, &kept).len(), 1);
}

/// It is what its partner said last, whatever else would keep it from counting.
#[test]
fn what_was_withdrawn_stays_so_under_objection() {
    let mut withdrawn = debt_signal(1, PartnerType::Rent, date(2025, 1, 10));
    withdrawn.standing = Standing::Withdrawn;
    let timeline: Timeline = [withdrawn].into_iter().collect();
    assert_eq!(*timeline.judged(|_| Standing::Objected), timeline);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn signals_are_found_together_as_they_are_one_by_one(
        held in prop::collection::btree_set(0..400u32, 0..200),
        asked in prop::collection::btree_set(0..400u32, 0..200),
    ) {
        let timeline: Timeline = held.iter().map(|number| debt_signal(*number, PartnerType::Rent, day(0))).collect();
        let asked: Vec<_> = asked.into_iter().map(signal_id).collect();
        let together: Vec<_> = timeline.places(&asked).collect();
        let ids: Vec<_> = timeline.ids().collect();
        let one_by_one: Vec<_> = asked
            .iter()
            .filter_map(|id| Some((ids.iter().position(|known| known == id)?, timeline.get(*id)?)))
            .collect();
        prop_assert_eq!(together, one_by_one);
    }

    #[test]
    fn arrival_order_and_repetition_leave_no_trace(
        (straight, shuffled) in vec(copies(), 0..20).prop_flat_map(|signals| {
            let twice = [signals.clone(), signals.clone()].concat();
            (Just(signals), Just(twice).prop_shuffle())
        })
    ) {
        let straight: Timeline = straight.into_iter().collect();
        let shuffled: Timeline = shuffled.into_iter().collect();
        prop_assert_eq!(&straight, &shuffled);
        let rules = all_rules();
        prop_assert_eq!(matches_of(&rules, &straight), matches_of(&rules, &shuffled));
    }

    #[test]
    fn splitting_a_stream_anywhere_changes_nothing(
        signals in vec(copies(), 0..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let whole: Timeline = signals.iter().cloned().collect();
        let cut = cut.index(signals.len() + 1);
        let mut parts: Timeline = signals[cut..].iter().cloned().collect();
        parts.extend(signals[..cut].iter().cloned());
        prop_assert_eq!(whole, parts);
    }

    #[test]
    fn a_signal_taken_back_was_never_there(
        signals in vec(copies(), 0..15),
        mut extra in copies(),
    ) {
        extra.id = signal_id(99);
        let mut gone = extra.clone();
        gone.revision = gone.revision.next();
        gone.standing = Standing::Withdrawn;
        let without: Timeline = signals.iter().cloned().collect();
        let mut with = without.clone();
        with.absorb(gone);
        with.absorb(extra);
        let rules = all_rules();
        prop_assert_eq!(matches_of(&rules, &without), matches_of(&rules, &with));
    }

    #[test]
    fn matches_do_not_depend_on_the_day_they_are_asked_for(
        signals in vec(copies(), 0..15),
        asked in 0..2_000i32,
    ) {
        let timeline: Timeline = signals.into_iter().collect();
        let rules = all_rules();
        let calendar = voorveld_calendar::Calendar::national();
        let later = evaluate(&rules, &timeline, &calendar, &Feeds::default(), day(asked)).matches;
        prop_assert_eq!(matches_of(&rules, &timeline), later);
    }

    #[test]
    fn a_shorter_window_never_finds_more(
        signals in vec(copies(), 0..20),
        shorter in 1..60u16,
        longer_by in 0..60u16,
        least in 1..4u16,
    ) {
        let timeline: Timeline = signals.into_iter().collect();
        for reaches in [Reach::Count(least), Reach::Kinds(least), Reach::PartnerTypes(least), Reach::Partners(least)] {
            let found = |days| {
                let rules = rule_set(vec![pattern("pattern.tried", days, reaches.clone())]);
                matches_of(&rules, &timeline)
                    .into_iter()
                    .flat_map(|found| found.witnesses)
                    .collect::<BTreeSet<_>>()
            };
            prop_assert!(found(shorter).is_subset(&found(shorter + longer_by)));
        }
    }

    #[test]
    fn a_rolling_window_finds_what_looking_at_every_day_finds(
        signals in vec(copies(), 0..14),
        days in 1..60u16,
        least in 1..4u16,
    ) {
        let timeline: Timeline = signals.into_iter().collect();
        let rules = rule_set(vec![pattern("pattern.tried", days, Reach::Count(least))]);
        let debt: Vec<&Signal> = timeline.counted(rules.settings(), day(DAYS)).into_iter().filter(|s| s.domain.as_str() == "debt").collect();
        // Every day on its own: does the window that ends on it hold enough? Then all its signals are witnesses.
        let mut expected = BTreeSet::new();
        for last in debt.iter().map(|signal| signal.event_date) {
            let inside: Vec<_> = debt.iter().filter(|signal| {
                let age = voorveld_calendar::days_between(signal.event_date, last);
                0 <= age && age < i32::from(days)
            }).map(|signal| signal.id).collect();
            if inside.len() >= usize::from(least) {
                expected.extend(inside);
            }
        }
        let matches = matches_of(&rules, &timeline);
        let found: Vec<_> = matches.iter().flat_map(|found| found.witnesses.clone()).collect();
        let distinct: BTreeSet<_> = found.iter().copied().collect();
        prop_assert_eq!(found.len(), distinct.len(), "two runs share a signal");
        prop_assert_eq!(distinct, expected);
        for found in &matches {
            prop_assert!(found.witnesses.contains(&found.brought_by));
            prop_assert!(matches!(found.anchor, Anchor::Signal(id) if found.witnesses.contains(&id)));
        }
    }

    #[test]
    fn a_stream_repeated_after_a_crash_gives_the_same_tasks(
        steps in vec(steps(), 0..25),
        repeats in vec(any::<prop::sample::Index>(), 25),
    ) {
        let mut once = World::new(all_rules());
        let mut again = once.clone();
        let mut log: Vec<Signal> = Vec::new();
        for (step, repeat) in steps.iter().zip(&repeats) {
            if let Step::Record(signal) = step {
                log.push((**signal).clone());
                once.record((**signal).clone());
                again.record((**signal).clone());
                // The batch is done again from some earlier record: nothing of it may show.
                let from = repeat.index(log.len());
                for signal in &log[from..] {
                    again.record(signal.clone());
                }
            } else {
                act(&mut once, step);
                act(&mut again, step);
                once.judge();
                again.judge();
            }
            prop_assert_eq!(&once.tasks, &again.tasks);
            prop_assert_eq!(&once.guards, &again.guards);
        }
    }

    #[test]
    fn every_match_that_nothing_mutes_is_a_ground_of_the_open_task(steps in vec(steps(), 0..25)) {
        let mut world = World::new(all_rules());
        for step in &steps {
            act(&mut world, step);
            let planned = match step {
                Step::Record(signal) => world.record((**signal).clone()),
                _ => world.judge(),
            };
            for found in world.evaluate().matches {
                let rule = world.rules.get(&found.rule).expect("a rule of this set");
                if rule.raises().is_none() {
                    continue;
                }
                let on_open = world.tasks.iter()
                    .filter(|task| task.state.is_open() && task.purpose == rule.purpose)
                    .flat_map(|task| &task.grounds)
                    .filter(|ground| ground.rule == found.rule && ground.anchor == found.anchor)
                    .count();
                let answered = found.witnesses.iter().all(|witness| world.tasks.iter()
                    .filter(|task| task.state == TaskState::Closed && task.purpose == rule.purpose)
                    .flat_map(|task| &task.grounds)
                    .any(|ground| ground.witnesses.contains(witness)));
                let muted = planned.suppressed.iter()
                    .any(|silent| silent.rule == found.rule && silent.anchor == found.anchor);
                // An answered signal stands on a new task only when a correction says what nothing mutes.
                let anew = on_open == 1
                    && matches!(rule.condition, Condition::EachSignal(_))
                    && (matches!(rule.effect, Effect::Hold(_)) || rule.muted_by == MutedBy::default());
                prop_assert_eq!(on_open + usize::from(answered && !anew) + usize::from(muted && on_open == 0), 1,
                    "{:?} is in no one place", found);
            }
            // And the other way round: no open ground without a match (I5).
            let matches = world.evaluate().matches;
            for ground in world.tasks.iter().filter(|task| task.state.is_open()).flat_map(|task| &task.grounds) {
                prop_assert!(matches.iter().any(|found| found.rule == ground.rule && found.anchor == ground.anchor
                    && *found.witnesses == *ground.witnesses));
            }
        }
    }
}

/// M1 told in another way: one flag per month and type in a table, nothing sorted, nothing sliced.
fn official_monitor(signals: &[Signal]) -> BTreeSet<(i32, String)> {
    let month_of = |day: Date| i32::from(day.year()) * 12 + i32::from(day.month()) - 1;
    let mut table: BTreeMap<i32, BTreeMap<&str, bool>> = BTreeMap::new();
    for signal in signals {
        let counts = signal.presence == Presence::LivesHere
            && signal.standing == Standing::Counted
            && signal.domain.as_str() == "debt";
        if counts {
            let name = match signal.partner_type {
                PartnerType::CakHealthInsurance => "health_insurance",
                other => other.code(),
            };
            table
                .entry(month_of(signal.event_date))
                .or_default()
                .insert(name, true);
        }
    }
    let mut verdicts = BTreeSet::new();
    for (month, types) in &table {
        let several = types.len() > 1;
        let before = (1..=6).any(|back| table.contains_key(&(month - back)));
        if several {
            verdicts.insert((*month, "debt.multiple".to_owned()));
        }
        if before {
            verdicts.insert((*month, "debt.consecutive".to_owned()));
        }
        if !several && !before {
            verdicts.insert((*month, "debt.single".to_owned()));
        }
    }
    verdicts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn single_multiple_and_consecutive_are_what_the_official_monitor_counts(
        history in vec((partner_types(), 0..DAYS, 0..8u8), 0..10)
    ) {
        let signals: Vec<Signal> = history.into_iter().zip(1..).map(|((partner_type, offset, fate), number)| {
            let mut signal = debt_signal(number, partner_type, day(offset));
            match fate {
                0 => signal.standing = Standing::Withdrawn,
                1 => signal.presence = Presence::MovedAway,
                2 => signal.domain = "school".parse().expect("a domain"),
                _ => {}
            }
            signal
        }).collect();
        let expected = official_monitor(&signals);
        let timeline: Timeline = signals.into_iter().collect();
        let mut month_rules = default_rules();
        month_rules.truncate(3);
        let found: Vec<(i32, String)> = matches_of(&rule_set(month_rules), &timeline)
            .iter()
            .map(|found| {
                let Anchor::Month(month) = found.anchor else { panic!("anchored on a month") };
                (i32::from(month.year()) * 12 + i32::from(month.month()) - 1, found.rule.to_string())
            })
            .collect();
        let distinct: BTreeSet<(i32, String)> = found.iter().cloned().collect();
        prop_assert_eq!(found.len(), distinct.len(), "one match per household, rule and month (M2)");
        prop_assert_eq!(distinct, expected);
    }
}
