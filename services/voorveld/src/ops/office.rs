//! What commands for people share: who types them, what they write in the audit log, and how they print a list.

use std::fmt::Write as _;

use anyhow::Context;
use voorveld_policy::Policy;

use jiff::Timestamp;

use crate::config::Settings;

/// The policy in force: the municipality's own files, or those of the release.
pub fn policy(settings: &Settings) -> anyhow::Result<Policy> {
    match &settings.policy_dir {
        Some(folder) => Policy::load(folder)
            .with_context(|| format!("the policy in {} is not valid", folder.display())),
        None => Ok(Policy::shipped()),
    }
}

/// Lays rows out in columns under headings.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings
        .iter()
        .map(|heading| heading.chars().count())
        .collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut written = String::new();
        for (cell, width) in cells.zip(&widths) {
            let _ = write!(written, "{cell:<width$}  ");
        }
        text.push_str(written.trim_end());
        text.push('\n');
    };
    line(&mut headings.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// An instant as a person reads it: in Amsterdam, to the minute.
#[must_use]
pub fn moment(clock: &voorveld_chassis::Clock, instant: Timestamp) -> String {
    clock.local(instant).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_lines_up() {
        let rows = vec![
            vec!["a".to_owned(), "lang".to_owned()],
            vec!["breed".to_owned(), "x".to_owned()],
        ];
        assert_eq!(
            table(&["één", "twee"], &rows),
            "één    twee\na      lang\nbreed  x\n"
        );
    }
}
