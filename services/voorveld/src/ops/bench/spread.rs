//! How figures of several runs are told: the median, and from least to most.

use voorveld_synthetic::engine::median;

/// A row of the table: what, the median, least to most.
#[must_use]
pub fn spread_row(name: &str, values: &[f64], digits: usize) -> Vec<String> {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    vec![
        name.to_owned(),
        format!("{:.digits$}", median(values)),
        format!("{least:.digits$} to {most:.digits$}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_tells_the_median_and_the_ends() {
        let row = spread_row("speed", &[3.0, 1.0, 2.25], 1);
        assert_eq!(row, ["speed", "2.2", "1.0 to 3.0"]);
    }
}
