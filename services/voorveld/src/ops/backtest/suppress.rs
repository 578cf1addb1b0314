//! Small counts about people are not shown, and cannot be found by subtraction.

/// Counts below this are not shown. †
pub const SMALLEST_SHOWN: u64 = 10;

/// Which rows of a table with a known total per column are shown.
///
/// A row with a small count is hidden whole: its columns hang together (who is gained is not lost, so one could be told from the others). What is
/// hidden together must be no small count either, or the total tells it: until then the next smallest row is hidden too. Nothing (0) is no small
/// count: it is about nobody.
#[must_use]
pub fn shown(rows: &[Vec<u64>]) -> Vec<bool> {
    let is_small = |count: u64| 0 < count && count < SMALLEST_SHOWN;
    let mut shown: Vec<bool> = rows
        .iter()
        .map(|row| !row.iter().copied().any(is_small))
        .collect();
    while shown.contains(&false) && tells(rows, &shown) {
        let next = rows
            .iter()
            .enumerate()
            .filter(|(index, row)| shown[*index] && row.iter().any(|count| 0 < *count))
            .min_by_key(|(index, row)| (row.iter().sum::<u64>(), *index));
        match next {
            Some((index, _)) => shown[index] = false,
            // Everything that could hide it is hidden.
            None => break,
        }
    }
    shown
}

/// Whether the hidden rows can be told from the totals: there is one that says something, or together they are a small count in a column.
fn tells(rows: &[Vec<u64>], shown: &[bool]) -> bool {
    let hidden: Vec<&Vec<u64>> = rows
        .iter()
        .zip(shown)
        .filter(|(_, shown)| !**shown)
        .map(|(row, _)| row)
        .collect();
    if hidden.len() == 1 {
        return true;
    }
    let columns = hidden.first().map_or(0, |row| row.len());
    (0..columns).any(|column| {
        let sum: u64 = hidden.iter().map(|row| row[column]).sum();
        0 < sum && sum < SMALLEST_SHOWN
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody who knows the totals and the rows that are shown can work out about the others: their sum, column by column.
    fn hidden_sums(rows: &[Vec<u64>], shown: &[bool]) -> Vec<u64> {
        let total = |column: usize| rows.iter().map(|row| row[column]).sum::<u64>();
        let seen = |column: usize| {
            rows.iter()
                .zip(shown)
                .filter(|(_, shown)| **shown)
                .map(|(row, _)| row[column])
                .sum::<u64>()
        };
        (0..rows[0].len())
            .map(|column| total(column) - seen(column))
            .collect()
    }

    #[test]
    fn a_small_count_cannot_be_found_by_subtraction() {
        let mut state = 7_u64;
        let mut draw = |most: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % most
        };
        let (mut hidden_somewhere, mut shown_somewhere) = (0, 0);
        for _ in 0..20_000 {
            let many = 1 + usize::try_from(draw(6)).unwrap();
            let most = [5, 15, 60, 1_000][usize::try_from(draw(4)).unwrap()];
            let rows: Vec<Vec<u64>> = (0..many)
                .map(|_| {
                    let (kept, gained, lost) = (draw(most), draw(most) / 4, draw(most) / 4);
                    let none = draw(most);
                    vec![
                        kept + gained + lost + none,
                        kept + gained,
                        kept + lost,
                        gained,
                        lost,
                    ]
                })
                .collect();
            let seen = shown(&rows);
            for (row, seen) in rows.iter().zip(&seen) {
                let small = row.iter().any(|count| (1..SMALLEST_SHOWN).contains(count));
                assert!(!(*seen && small), "a small count is shown: {rows:?}");
            }
            let hidden = seen.iter().filter(|seen| !**seen).count();
            let shown_rows = seen.len() - hidden;
            shown_somewhere += shown_rows;
            if hidden == 0 {
                continue;
            }
            hidden_somewhere += 1;
            let says_something_and_is_shown = rows
                .iter()
                .zip(&seen)
                .any(|(row, seen)| *seen && row.iter().any(|count| 0 < *count));
            if says_something_and_is_shown {
                assert!(
                    1 < hidden,
                    "one row alone is the total less the others: {rows:?}"
                );
                for sum in hidden_sums(&rows, &seen) {
                    assert!(
                        sum == 0 || SMALLEST_SHOWN <= sum,
                        "what is hidden together is small: {rows:?} {seen:?}"
                    );
                }
            }
        }
        assert!(1_000 < hidden_somewhere && 1_000 < shown_somewhere);
    }

    #[test]
    fn the_next_smallest_goes_with_a_lone_small_one() {
        let rows = [vec![120], vec![3], vec![40], vec![0]];
        assert_eq!(shown(&rows), [true, false, false, true]);
        assert_eq!(shown(&[vec![120], vec![40]]), [true, true]);
        assert_eq!(shown(&[vec![4]]), [false]);
    }
}
