//! The engine against the loop written by hand, so many times, and what it took.

use voorveld_calendar::Calendar;
use voorveld_detect::RuleSet;

use super::{Load, feed_engine, feed_hand, first_difference, reference_rules};

/// Runs a piece of work and says how many seconds it took. The clock belongs to whoever measures.
pub type Clock<'a> = &'a dyn Fn(&mut dyn FnMut()) -> f64;

/// Seconds that each run took.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Runs {
    /// The loop written by hand.
    pub by_hand: Vec<f64>,
    /// The engine with the two rules that the loop knows.
    pub two_rules: Vec<f64>,
    /// The engine with all the rules it was given.
    pub all_rules: Vec<f64>,
    /// Matches of the two rules at the end.
    pub matches: usize,
}

/// The two said something different.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the engine and the loop written by hand differ on household {household}")]
pub struct Differ {
    /// The number of the first household on which they do.
    pub household: usize,
}

/// Feeds the load to each in turn, so that a busy machine is busy for all of them, and compares what they say each time.
pub fn measure(
    load: &Load,
    all: &RuleSet,
    calendar: &Calendar,
    times: u32,
    clock: Clock<'_>,
) -> Result<Runs, Differ> {
    let two = reference_rules();
    let mut runs = Runs::default();
    for _ in 0..times {
        let (mut hand, mut engine, mut whole) = (0.0, 0.0, 0.0);
        let by_hand = feed_hand(load, &mut |work: &mut dyn FnMut()| hand += clock(work));
        let found = feed_engine(load, &two, calendar, &mut |work: &mut dyn FnMut()| {
            engine += clock(work);
        });
        if let Some(household) = first_difference(&found, &by_hand) {
            return Err(Differ { household });
        }
        runs.matches = by_hand.iter().map(Vec::len).sum();
        drop((found, by_hand));
        feed_engine(load, all, calendar, &mut |work: &mut dyn FnMut()| {
            whole += clock(work);
        });
        runs.by_hand.push(hand);
        runs.two_rules.push(engine);
        runs.all_rules.push(whole);
    }
    Ok(runs)
}

impl Runs {
    /// How many times as long as the loop the engine takes: with the two rules, and with all. Of the medians.
    #[must_use]
    pub fn ratios(&self) -> (f64, f64) {
        let by_hand = median(&self.by_hand);
        (
            median(&self.two_rules) / by_hand,
            median(&self.all_rules) / by_hand,
        )
    }
}

/// The middle value; of an even number the mean of the two in the middle.
#[must_use]
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        many if many % 2 == 1 => sorted[many / 2],
        many => f64::midpoint(sorted[many / 2 - 1], sorted[many / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
    }

    #[test]
    fn a_ratio_is_of_the_medians() {
        let load = Load {
            seed: 3,
            signals: 500,
            households: 60,
        };
        let ticking = |work: &mut dyn FnMut()| {
            work();
            2.0
        };
        let runs = measure(
            &load,
            &reference_rules(),
            &Calendar::national(),
            2,
            &ticking,
        )
        .expect("they say the same");
        assert_eq!(runs.by_hand, [2.0, 2.0]);
        assert!(0 < runs.matches);
        assert_eq!(runs.ratios(), (1.0, 1.0));
    }
}
