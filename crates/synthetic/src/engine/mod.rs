//! Signals as the engine sees them, two rules to measure it with, and a loop written by hand for those two: for `cargo bench` and
//! `voorveld bench engine`, and for the check in SQL.
//!
//! The one part of this crate that knows the engine. The engine knows nothing of it: what is measured is what judges live.

mod crowd;
mod hand;
mod measure;
mod rules;
mod signals;
mod write;

use std::sync::Arc;

use jiff::civil::Date;
use voorveld_calendar::Calendar;
use voorveld_detect::{Anchor, Feeds, Match, RuleSet, Signal, Timeline, find_matches};

pub use crowd::feed_crowd;
pub use hand::{Hand, HandMatch, HandRecord};
pub use measure::{Clock, Differ, Runs, measure, median};
pub use rules::{THREE_OF_ONE_KIND, TWO_KINDS, reference_rules, rules_in_sql};
pub use signals::{Load, Record};
pub use write::{Written, write};

/// Records are made this many at a time, outside of what is timed.
const CHUNK: usize = 4_096;

/// Runs a piece of work, and counts the time it takes if it likes.
pub type Timed<'a> = &'a mut dyn FnMut(&mut dyn FnMut());

/// The next records, as whoever decodes them hands them over: household, day of receipt, signal.
fn next(records: &mut impl Iterator<Item = Record>) -> Vec<(u32, Date, Arc<Signal>)> {
    records
        .take(CHUNK)
        .map(|record| (record.household, record.day, Arc::new(record.signal)))
        .collect()
}

/// Feeds a load to the engine one record at a time: absorb, and judge the household of that record. What is true of each household at the end.
pub fn feed_engine(
    load: &Load,
    rules: &RuleSet,
    calendar: &Calendar,
    timed: Timed<'_>,
) -> Vec<Vec<Match>> {
    let feeds = Feeds::default();
    let households = load.households as usize;
    let mut timelines: Vec<Timeline> = vec![Timeline::default(); households];
    let mut matches: Vec<Vec<Match>> = vec![Vec::new(); households];
    let mut records = load.records();
    loop {
        let mut chunk = next(&mut records);
        if chunk.is_empty() {
            return matches;
        }
        timed(&mut || {
            for (household, as_of, signal) in chunk.drain(..) {
                let household = household as usize;
                let timeline = &mut timelines[household];
                timeline.look_by(rules);
                timeline.absorb(signal);
                matches[household] = find_matches(rules, timeline, calendar, &feeds, as_of).matches;
            }
        });
    }
}

/// Feeds the same load to the loop written by hand.
pub fn feed_hand(load: &Load, timed: Timed<'_>) -> Vec<Vec<HandMatch>> {
    let mut hand = Hand::new(load.households);
    let mut records = load.records();
    loop {
        let chunk = next(&mut records);
        if chunk.is_empty() {
            return hand.matches();
        }
        timed(&mut || {
            for (household, _, signal) in &chunk {
                hand.feed(&HandRecord::of(*household, signal));
            }
        });
    }
}

/// The first household of which the two say something different, of the rules that the loop knows.
#[must_use]
pub fn first_difference(engine: &[Vec<Match>], hand: &[Vec<HandMatch>]) -> Option<usize> {
    (0..engine.len().max(hand.len())).find(|household| {
        let empty = (Vec::new(), Vec::new());
        let said = engine.get(*household).unwrap_or(&empty.0);
        let written = hand.get(*household).unwrap_or(&empty.1);
        let mut said: Vec<HandMatch> = said.iter().map(plain).collect();
        let mut written = written.clone();
        said.sort_unstable();
        written.sort_unstable();
        said != written
    })
}

fn plain(found: &Match) -> HandMatch {
    let number = |id: &voorveld_domain::SignalId| signals::number_of(*id);
    let Anchor::Signal(anchor) = found.anchor else {
        unreachable!("neither rule looks at months");
    };
    HandMatch {
        rule: if found.rule.as_str() == TWO_KINDS {
            TWO_KINDS
        } else {
            THREE_OF_ONE_KIND
        },
        anchor: number(&anchor),
        witnesses: found.witnesses.iter().map(number).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_and_the_loop_written_by_hand_say_the_same() {
        let load = Load {
            seed: 7,
            signals: 6_000,
            households: 600,
        };
        let mut untimed = |work: &mut dyn FnMut()| work();
        let rules = reference_rules();
        let mut engine = feed_engine(&load, &rules, &Calendar::national(), &mut untimed);
        let hand = feed_hand(&load, &mut untimed);
        assert_eq!(first_difference(&engine, &hand), None);
        for rule in [TWO_KINDS, THREE_OF_ONE_KIND] {
            let of_rule = hand.iter().flatten().filter(|found| found.rule == rule);
            assert!(100 < of_rule.count(), "{rule} hardly ever holds");
        }
        // And it would be seen if they did not.
        let found = engine.iter_mut().flatten().next().expect("a match");
        found.witnesses.pop();
        assert!(first_difference(&engine, &hand).is_some());
    }
}
