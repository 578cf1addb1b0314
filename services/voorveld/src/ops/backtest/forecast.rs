//! What teams are asked for against what they can do. Nothing is dropped: what does not fit waits, the most pressing first out.

use voorveld_correlator::backtest::tally::Pressing;

/// Tasks by what comes first, in the order of [`Pressing::ALL`].
pub type ByPressing = [u64; Pressing::ALL.len()];

/// What still waits at the end of each week, when a team does so many tasks a week and begins with the most pressing.
#[must_use]
pub fn waiting(weeks: &[ByPressing], capacity: u64) -> Vec<ByPressing> {
    let mut queue = ByPressing::default();
    weeks
        .iter()
        .map(|week| {
            let mut left = capacity;
            for (waits, comes) in queue.iter_mut().zip(week) {
                *waits += comes;
                let done = left.min(*waits);
                *waits -= done;
                left -= done;
            }
            queue
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_pressing_is_done_first_and_nothing_is_lost() {
        let weeks = [[1, 2, 3, 4], [0, 0, 0, 1], [0, 0, 0, 0]];
        assert_eq!(
            waiting(&weeks, 4),
            [[0, 0, 2, 4], [0, 0, 0, 3], [0, 0, 0, 0]]
        );
        let all: u64 = weeks.iter().flatten().sum();
        assert_eq!(waiting(&weeks, 0)[2].iter().sum::<u64>(), all);
    }
}
