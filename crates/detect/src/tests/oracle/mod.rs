//! The engine against a second telling of the same semantics: slow, obvious and built otherwise (`judge.rs`), on many invented histories.
//!
//! A history is a number. When the two disagree the number is printed with as few signals as still show it, and
//! `VOORVELD_ORACLE_SEED=<number>` tries that one alone; `VOORVELD_ORACLE_HISTORIES=<many>` tries more of them, or fewer;
//! `VOORVELD_ORACLE_CROWDS` says the same of crowds, `VOORVELD_ORACLE_LAWS` on how many a law is tried at most.

mod almanac;
mod invent;
mod judge;
mod laws;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};

use self::almanac::Almanac;
use self::invent::History;
use self::judge::{Oracle, Said, Verdict};
use crate::{After, Anchor, Condition, Rule, RuleSet, evaluate};

/// How many histories every run of the tests tries.
const HISTORIES: u64 = 100_000;
const CROWDS: u64 = 400;

fn of_the_engine(history: &History, rules: &RuleSet, almanac: &Almanac) -> Verdict {
    let evaluation = evaluate(
        rules,
        &history.timeline(),
        &almanac.calendar,
        &history.feeds(),
        history.as_of,
    );
    let mut verdict = Verdict {
        matches: BTreeSet::new(),
        next_look: evaluation.next_look,
        awaits_feeds: evaluation.awaits_feeds,
    };
    for found in &evaluation.matches {
        assert!(found.witnesses.contains(&found.brought_by), "{found:?}");
        let rule = rules.get(&found.rule).expect("a rule of this set");
        if let Anchor::Signal(id) = found.anchor
            && only_grows(rule)
        {
            assert!(found.witnesses.contains(&id), "{found:?}");
        }
        let is_new = verdict.matches.insert(Said {
            rule: found.rule.to_string(),
            anchor: found.anchor,
            witnesses: found.witnesses.to_vec(),
            window: found.window,
            brought_by: found.brought_by,
        });
        assert!(is_new, "the engine said the same twice");
    }
    for of_rule in &evaluation.verdicts {
        let has_match = evaluation.matches.iter().any(|m| m.rule == of_rule.rule);
        assert_eq!(of_rule.fired, has_match);
        // What a denial denies was not measured; all other rules say why, also when they are silent.
        let rule = rules.get(&of_rule.rule).expect("a rule of this set");
        assert!(
            matches!(rule.condition, Condition::EachSignal(_)) || !of_rule.why.is_empty(),
            "{:?} says nothing",
            rule.condition
        );
    }
    assert_eq!(evaluation.verdicts.len(), rules.rules().len());
    verdict
}

/// Where a signal can make a test false again, the one that completed it can be one that is not leaned on at the end of its day.
fn only_grows(rule: &Rule) -> bool {
    match &rule.condition {
        Condition::Within(within)
        | Condition::Absence {
            after: After::Pattern(within),
            ..
        } => within.test.only_grows(&|_| false),
        _ => true,
    }
}

fn of_the_oracle(history: &History, almanac: &Almanac) -> Verdict {
    Oracle {
        almanac,
        rules: &history.rules,
        settings: &history.settings,
        told: &history.told,
        as_of: history.as_of,
    }
    .says(&history.copies)
}

fn agree(history: &History, almanac: &Almanac) -> bool {
    of_the_engine(history, &history.rule_set(), almanac) == of_the_oracle(history, almanac)
}

/// The same with as few rules and copies as still make the two disagree.
fn smallest(mut history: History, almanac: &Almanac) -> History {
    for rule in history.rules.clone() {
        let alone = History {
            rules: vec![rule],
            ..history.clone()
        };
        if !agree(&alone, almanac) {
            history = alone;
            break;
        }
    }
    let mut at = 0;
    while at < history.copies.len() {
        let mut fewer = history.clone();
        fewer.copies.remove(at);
        if agree(&fewer, almanac) {
            at += 1;
        } else {
            history = fewer;
        }
    }
    history
}

fn tell(history: &History) -> String {
    let conditions: Vec<String> = history
        .rules
        .iter()
        .map(|rule| format!("{}: {:?}\n  {:?}", rule.id, rule.condition, rule.sources))
        .collect();
    let copies: Vec<String> = history
        .copies
        .iter()
        .map(|copy| {
            format!(
                "{} {} {} {} received {} {:?} {:?} {:?} r{:?} f{:?} {:?}/{:?}",
                copy.id,
                copy.event_date,
                copy.partner,
                copy.kind,
                copy.first_received_at,
                copy.amount,
                copy.debtor,
                copy.fields,
                copy.revision,
                copy.filing,
                copy.presence,
                copy.standing
            )
        })
        .collect();
    format!(
        "{}\n{}\nas of {}, {:?}\n{:?}",
        conditions.join("\n"),
        copies.join("\n"),
        history.as_of,
        history.settings,
        history.told
    )
}

fn asked_for(name: &str) -> Option<u64> {
    let raw = std::env::var(name).ok()?;
    Some(raw.parse().expect("a number"))
}

/// Tries these histories on all cores, and panics on the first that the two tell differently.
fn try_all(seeds: std::ops::Range<u64>, history_of: fn(u64) -> History) {
    let almanac = Almanac::new();
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for first in 0..threads {
            let (almanac, is_over, seeds) = (&almanac, &is_over, seeds.clone());
            scope.spawn(move || {
                let mut seed = seeds.start + first;
                while seed < seeds.end && !is_over.load(Ordering::Relaxed) {
                    let history = history_of(seed);
                    if !agree(&history, almanac) {
                        is_over.store(true, Ordering::Relaxed);
                        let history = smallest(history, almanac);
                        panic!(
                            "VOORVELD_ORACLE_SEED={seed}\n{}\noracle: {:#?}\nengine: {:#?}",
                            tell(&history),
                            of_the_oracle(&history, almanac),
                            of_the_engine(&history, &history.rule_set(), almanac)
                        );
                    }
                    seed += threads;
                }
            });
        }
    });
}

#[test]
fn the_engine_says_what_the_oracle_says_of_every_history() {
    if let Some(seed) = asked_for("VOORVELD_ORACLE_SEED") {
        return try_all(seed..seed + 1, History::of);
    }
    let histories = asked_for("VOORVELD_ORACLE_HISTORIES").unwrap_or(HISTORIES);
    try_all(0..histories, History::of);
}

#[test]
fn the_engine_says_what_the_oracle_says_of_a_crowd() {
    let crowds = asked_for("VOORVELD_ORACLE_CROWDS").unwrap_or(CROWDS);
    try_all(0..crowds, History::of_a_crowd);
}
