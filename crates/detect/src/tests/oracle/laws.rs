//! Laws that hold whatever the rules say: on rules and histories that are invented, see `invent.rs`. A law that breaks prints its number.

use std::collections::BTreeSet;

use jiff::civil::Date;
use voorveld_calendar::{Calendar, day_number, plus_days};
use voorveld_domain::{Filing, Presence, Revision, SignalId, Standing};

use super::super::world::{World, default_rules, signal_id};
use super::asked_for;
use super::invent::{Dice, History, invented_copies};
use crate::*;

const HISTORIES: u64 = 3_000;
/// Fewer where tasks are planned, record by record.
const WORLDS: u64 = 600;

/// Says which history it was when a law breaks on it.
struct Telltale(u64);

impl Drop for Telltale {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("it is history {}", self.0);
        }
    }
}

/// Tries a law on many histories, each with dice of its own.
fn law(histories: u64, holds: impl Fn(History, &mut Dice)) {
    law_on(histories, History::of, holds);
}

fn law_on(histories: u64, history_of: fn(u64) -> History, holds: impl Fn(History, &mut Dice)) {
    for seed in 0..tried(histories) {
        let telltale = Telltale(seed);
        // Other histories than the oracle tries.
        let seed = seed + (1 << 40);
        holds(history_of(seed), &mut Dice::new(!seed));
        drop(telltale);
    }
}

/// On how many of these a law is tried.
fn tried(histories: u64) -> u64 {
    asked_for("VOORVELD_ORACLE_LAWS").map_or(histories, |at_most| histories.min(at_most))
}

fn judged(history: &History, timeline: &Timeline, as_of: Date) -> Evaluation {
    evaluate(
        &history.rule_set(),
        timeline,
        &Calendar::national(),
        &history.feeds(),
        as_of,
    )
}

fn shuffled<T>(mut all: Vec<T>, dice: &mut Dice) -> Vec<T> {
    let mut shuffled = Vec::new();
    while !all.is_empty() {
        let many = u32::try_from(all.len()).expect("few");
        shuffled.push(all.swap_remove(dice.below(many) as usize));
    }
    shuffled
}

/// A signal that is in no history.
fn another(dice: &mut Dice) -> Signal {
    let mut signal = invented_copies(dice, 1, 100).remove(0);
    signal.id = signal_id(99);
    (signal.revision, signal.filing) = (Revision::FIRST, Filing::FIRST);
    (signal.presence, signal.standing) = (Presence::LivesHere, Standing::Counted);
    signal
}

#[test]
fn order_repetition_and_batches_leave_no_trace() {
    law(HISTORIES, |history, dice| {
        let straight = judged(&history, &history.timeline(), history.as_of);
        let twice = [history.copies.clone(), history.copies.clone()].concat();
        let twice = shuffled(twice, dice);
        let cut = dice.below(u32::try_from(twice.len()).expect("few") + 1) as usize;
        // Judging in between changes nothing, either.
        let mut timeline: Timeline = twice[cut..].iter().cloned().collect();
        let _ = judged(&history, &timeline, history.as_of);
        timeline.extend(twice[..cut].iter().cloned());
        assert_eq!(straight, judged(&history, &timeline, history.as_of));
    });
}

#[test]
fn a_timeline_that_is_kept_up_is_seen_as_a_new_one() {
    let law_of = |histories, history_of: fn(u64) -> History| {
        law_on(histories, history_of, |history, dice| {
            let rules = history.rule_set();
            let says = |timeline: &Timeline| {
                let feeds = history.feeds();
                evaluate(
                    &rules,
                    timeline,
                    &Calendar::national(),
                    &feeds,
                    history.as_of,
                )
            };
            let mut kept = Timeline::default();
            kept.look_again_by(&rules);
            let mut found = None;
            let mut today = plus_days(history.as_of, -200);
            for copy in shuffled(history.copies.clone(), dice) {
                let id = copy.id;
                kept.absorb(copy);
                if dice.once_in(6) {
                    kept.erase(id);
                }
                // Now and then several came since.
                if !dice.once_in(3) {
                    let days = i32::try_from(dice.below(30)).expect("few");
                    today = plus_days(today, if dice.once_in(2) { days } else { 0 });
                    let (calendar, feeds) = (Calendar::national(), history.feeds());
                    let before = found.take();
                    let renewed =
                        Findings::renewed(before, &rules, &kept, &calendar, &feeds, today);
                    let whole = find_matches(&rules, &kept, &calendar, &feeds, today);
                    assert!(renewed.matches().eq(&whole.matches), "found again");
                    assert_eq!(renewed.next_look(), whole.next_look);
                    assert_eq!(renewed.awaits_feeds(), whole.awaits_feeds);
                    found = Some(renewed);
                }
            }
            let anew: Timeline = kept.iter().cloned().collect();
            assert_eq!(says(&kept), says(&anew));
            let debtors = |signal: &Signal| match signal.debtor {
                Some(_) => Standing::Objected,
                None => Standing::Counted,
            };
            assert_eq!(says(&kept.judged(debtors)), says(&anew.judged(debtors)));
        });
    };
    law_of(HISTORIES, History::of);
    law_of(60, History::of_a_crowd);
}

/// What decides on tasks finds what is shown to who wants to read; only the reasons of silent rules are left out.
#[test]
fn matches_alone_are_the_same_matches() {
    law(HISTORIES, |history, _| {
        let (rules, timeline) = (history.rule_set(), history.timeline());
        let (calendar, feeds) = (Calendar::national(), history.feeds());
        let alone = find_matches(&rules, &timeline, &calendar, &feeds, history.as_of);
        let with_reasons = judged(&history, &timeline, history.as_of);
        let verdicts = Vec::new();
        assert_eq!(
            alone,
            Evaluation {
                verdicts,
                ..with_reasons
            }
        );
    });
}

#[test]
fn what_cannot_match_at_a_glance_does_not() {
    use std::cell::Cell;
    let (could, could_not) = (Cell::new(0_u32), Cell::new(0_u32));
    law(HISTORIES, |history, _| {
        let (rules, timeline) = (history.rule_set(), history.timeline());
        let matches = judged(&history, &timeline, history.as_of).matches;
        let mut signals: Vec<Glimpse> = timeline
            .iter()
            .map(|signal| Glimpse {
                day: day_number(signal.event_date),
                partner_type: signal.partner_type,
            })
            .collect();
        signals.sort_unstable_by_key(|one| one.day);
        for rule in rules.rules() {
            let can = rule.condition.can_match(&signals);
            let found = matches.iter().any(|found| found.rule == rule.id);
            assert!(can || !found, "{} {:?}", rule.id, rule.condition);
            let tried = if can { &could } else { &could_not };
            tried.set(tried.get() + 1);
        }
    });
    assert!(0 < could.get() && 0 < could_not.get(), "both were tried");
}

#[test]
fn rules_that_are_left_out_change_nothing_of_the_others() {
    law(HISTORIES, |history, _| {
        let rules = history.rule_set();
        let timeline = history.timeline();
        let says = |rules: &RuleSet| {
            let feeds = history.feeds();
            evaluate(
                rules,
                &timeline,
                &Calendar::national(),
                &feeds,
                history.as_of,
            )
        };
        let whole = says(&rules);
        for rule in rules.rules() {
            let part = says(&rules.limited_to(|one| one.id == rule.id));
            let matches: Vec<&Match> = whole.matches.iter().filter(|m| m.rule == rule.id).collect();
            assert_eq!(part.matches.iter().collect::<Vec<_>>(), matches);
            let verdicts: Vec<&Verdict> = whole
                .verdicts
                .iter()
                .filter(|v| v.rule == rule.id)
                .collect();
            assert_eq!(part.verdicts.iter().collect::<Vec<_>>(), verdicts);
        }
    });
}

#[test]
fn what_is_taken_back_was_never_there() {
    law(HISTORIES, |history, dice| {
        let without = judged(&history, &history.timeline(), history.as_of);
        let signal = another(dice);
        let mut gone = signal.clone();
        if dice.once_in(2) {
            gone.revision = gone.revision.next();
            gone.standing = Standing::Withdrawn;
        } else {
            gone.filing = gone.filing.next();
            gone.presence = Presence::MovedAway;
        }
        let mut timeline = history.timeline();
        timeline.extend(shuffled(vec![signal.clone(), gone], dice));
        assert_eq!(without, judged(&history, &timeline, history.as_of));
        timeline.erase(signal.id);
        assert_eq!(without, judged(&history, &timeline, history.as_of));
    });
}

/// Whether a rule can look at a signal in any way.
fn asks(rule: &Rule, signal: &Signal, settings: &RuleSettings) -> bool {
    let holds = |predicate: &Predicate| predicate.holds(signal, settings);
    rule.sources.cover(signal)
        && match &rule.condition {
            Condition::EachSignal(predicate) => holds(predicate),
            Condition::SingleInMonth { .. }
            | Condition::ConcurrentInMonth { .. }
            | Condition::ConsecutiveMonths { .. } => true,
            Condition::Within(within) => within.test.asks(&holds),
            Condition::Risen { of, .. } => signal.amount.is_some() && holds(of),
            Condition::Absence { after, without, .. } => {
                holds(&without.of)
                    || match after {
                        After::Signal(predicate) => holds(predicate),
                        After::Pattern(within) => within.test.asks(&holds),
                    }
            }
        }
}

#[test]
fn a_signal_that_no_rule_asks_changes_nothing() {
    let unasked = std::cell::Cell::new(0);
    law(HISTORIES, |mut history, dice| {
        let signal = another(dice);
        let settings = history.settings.clone();
        history.rules.retain(|rule| !asks(rule, &signal, &settings));
        unasked.set(unasked.get() + history.rules.len() as u64);
        let without = judged(&history, &history.timeline(), history.as_of);
        let mut timeline = history.timeline();
        timeline.absorb(signal);
        let with = judged(&history, &timeline, history.as_of);
        assert_eq!(without.matches, with.matches);
        assert_eq!(
            (without.next_look, without.awaits_feeds),
            (with.next_look, with.awaits_feeds)
        );
    });
    assert!(
        tried(HISTORIES) / 3 < unasked.get(),
        "hardly any rule did not ask"
    );
}

/// Tests that only grow, in windows of days: what a shorter window leans on, a longer one leans on, too.
#[test]
fn a_shorter_window_never_finds_more() {
    let found = std::cell::Cell::new(0);
    law(HISTORIES, |history, dice| {
        for rule in &history.rules {
            let Condition::Within(within) = &rule.condition else {
                continue;
            };
            let is_plain = !matches!(within.test, Test::Somewhere { .. } | Test::Before { .. });
            if within.window.is_monthly() || !within.test.only_grows(&|_| false) || !is_plain {
                continue;
            }
            let witnesses = |days: u16| -> BTreeSet<SignalId> {
                let mut rule = rule.clone();
                rule.condition = Condition::Within(Within {
                    window: Window::Days(days),
                    counting: Counting::Runs,
                    ..within.clone()
                });
                let alone = History {
                    rules: vec![rule],
                    ..history.clone()
                };
                let matches = judged(&alone, &alone.timeline(), alone.as_of).matches;
                matches.into_iter().flat_map(|m| m.witnesses).collect()
            };
            let shorter = 1 + u16::try_from(dice.below(40)).expect("few");
            let longer = shorter + u16::try_from(dice.below(40)).expect("few");
            let (few, more) = (witnesses(shorter), witnesses(longer));
            assert!(few.is_subset(&more), "{within:?}: {few:?} {more:?}");
            found.set(found.get() + few.len() as u64);
        }
    });
    assert!(
        tried(HISTORIES) / 6 < found.get(),
        "hardly any window was satisfied"
    );
}

#[test]
fn a_signal_past_its_retention_is_as_one_that_never_came() {
    let expired = std::cell::Cell::new(0);
    law(HISTORIES, |mut history, dice| {
        let kind = dice
            .pick(&["rent_arrears", "payment", "concern"])
            .parse()
            .expect("a kind");
        let days = 1 + u16::try_from(dice.below(120)).expect("few");
        history.settings.retention_days.insert(kind, days);
        let as_of = plus_days(history.as_of, dice.days(100));
        let whole = history.timeline();
        let mut kept = whole.clone();
        for signal in whole.signals() {
            let end = history.settings.expires_on(&signal.kind, signal.event_date);
            if end.is_some_and(|end| end <= as_of) {
                kept.erase(signal.id);
                expired.set(expired.get() + 1);
            }
        }
        assert_eq!(
            judged(&history, &whole, as_of),
            judged(&history, &kept, as_of)
        );
    });
    assert!(
        tried(HISTORIES) / 6 < expired.get(),
        "hardly any signal expired"
    );
}

/// The world of a history in which its rules raise tasks, and its records in order of receipt.
fn raising(history: &History, dice: &mut Dice) -> (World, Vec<Signal>) {
    let raises = default_rules()[1].effect.clone();
    let mut rules = history.rules.clone();
    for rule in &mut rules {
        if rule.effect == Effect::Show {
            rule.effect = raises.clone();
        }
        if dice.once_in(2) {
            rule.cooldown = Some(Cooldown {
                days: u16::try_from(dice.below(60)).expect("few"),
                from: CooldownFrom::Raising,
                outcomes: BTreeSet::new(),
            });
        }
        if dice.once_in(4) {
            rule.not_older_than_days = Some(u16::try_from(dice.below(90)).expect("few"));
        }
    }
    let rules = History {
        rules,
        ..history.clone()
    };
    let mut world = World::new(rules.rule_set());
    world.feeds = history.feeds();
    let mut records = history.copies.clone();
    records.sort_by_key(|copy| copy.received_at);
    (world, records)
}

/// Judges on every day on which the household asked to be looked at again, up to and including this one.
fn wake(world: &mut World, until: Date) {
    loop {
        let look = world.evaluate().next_look;
        match look {
            Some(day) if day <= until && world.as_of < day => {
                world.as_of = day;
                world.judge();
            }
            _ => return,
        }
    }
}

/// [`World::judge`] plans twice each time, and asserts that the second plan is empty.
#[test]
fn planning_twice_changes_nothing_and_a_repeated_stream_leaves_no_trace() {
    let raised = std::cell::Cell::new(0);
    law(WORLDS, |history, dice| {
        let (mut once, records) = raising(&history, dice);
        let mut again = once.clone();
        for (index, record) in records.iter().enumerate() {
            for world in [&mut once, &mut again] {
                let day = voorveld_calendar::amsterdam_date(record.received_at);
                wake(world, day);
                world.record(record.clone());
            }
            // A batch is done again from some earlier record.
            let from = dice.below(u32::try_from(index).expect("few") + 1) as usize;
            for repeated in &records[from..=index] {
                again.record(repeated.clone());
            }
            assert_eq!(once.tasks, again.tasks);
        }
        for world in [&mut once, &mut again] {
            wake(world, plus_days(history.as_of, 200));
        }
        assert_eq!(once.tasks, again.tasks);
        raised.set(raised.get() + once.tasks.len() as u64);
    });
    assert!(
        tried(WORLDS) / 6 < raised.get(),
        "hardly any task was raised"
    );
}

#[test]
fn without_human_acts_a_longer_cooldown_never_raises_more() {
    law(WORLDS, |history, dice| {
        let (world, records) = raising(&history, dice);
        let which = dice.below(u32::try_from(history.rules.len()).expect("few")) as usize;
        let raised = |days: u16| {
            let mut rules = world.rules.rules().to_vec();
            rules[which].cooldown = Some(Cooldown {
                days,
                from: CooldownFrom::Raising,
                outcomes: BTreeSet::new(),
            });
            let mut world = world.clone();
            world.rules = RuleSet::new(rules, history.settings.clone(), world.rules.hash())
                .expect("as sound as before");
            for record in &records {
                let day = voorveld_calendar::amsterdam_date(record.received_at);
                wake(&mut world, day);
                world.record(record.clone());
            }
            wake(&mut world, plus_days(history.as_of, 200));
            world.tasks.len()
        };
        let days = u16::try_from(dice.below(40)).expect("few");
        let longer = days + u16::try_from(dice.below(60)).expect("few");
        assert!(raised(longer) <= raised(days));
    });
}
