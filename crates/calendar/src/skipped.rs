//! Whole numbers in a row of which some are skipped: counting back over those that stay takes two binary searches, however long the row.

use std::fmt;

/// The numbers that do not count, in order. Weekdays that are holidays, weeks that are school holidays.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    at: Vec<i32>,
    /// For each skipped number how far down the row of counted ones it stands: itself less all skipped up to and including it. Never falls.
    rank: Vec<i32>,
}

impl Skipped {
    pub(crate) fn new(numbers: impl IntoIterator<Item = i32>) -> Self {
        let mut at: Vec<i32> = numbers.into_iter().collect();
        at.sort_unstable();
        at.dedup();
        let rank = (1..).zip(&at).map(|(before, at)| at - before).collect();
        Self { at, rank }
    }

    /// These and more.
    pub(crate) fn with(&self, more: impl IntoIterator<Item = i32>) -> Self {
        Self::new(self.at.iter().copied().chain(more))
    }

    pub(crate) fn contains(&self, number: i32) -> bool {
        self.at.binary_search(&number).is_ok()
    }

    /// The n-th counted number back from `last`, which is the first when it counts itself. `n` is at least 1.
    pub(crate) fn back(&self, last: i32, n: u16) -> i32 {
        let up_to = |numbers: &[i32], bound: i32| {
            i32::try_from(numbers.partition_point(|number| *number < bound))
                .expect("far fewer are skipped than days fit in a calendar")
        };
        let rank = last - up_to(&self.at, last + 1) - i32::from(n) + 1;
        rank + up_to(&self.rank, rank)
    }
}

/// How many, not which: the national holidays of two centuries are in every calendar.
impl fmt::Debug for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Skipped({})", self.at.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn how_many_are_skipped_is_printed_and_not_which() {
        assert_eq!(format!("{:?}", Skipped::new([3, 1, 3])), "Skipped(2)");
    }

    proptest! {
        #[test]
        fn counting_back_is_what_counting_back_one_by_one_is(
            skipped in proptest::collection::vec(-40..40i32, 0..40),
            last in -50..50i32,
            n in 1..30u16,
        ) {
            let row = Skipped::new(skipped.clone());
            let mut counted = (-1000..=last).rev().filter(|number| !skipped.contains(number));
            prop_assert_eq!(Some(row.back(last, n)), counted.nth(usize::from(n) - 1));
            prop_assert_eq!(row.contains(last), skipped.contains(&last));
        }
    }
}
