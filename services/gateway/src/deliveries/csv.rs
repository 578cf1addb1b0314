//! Text with a separator, as spreadsheet programs write it: `;` or `,` (or a tab), quotes where needed.
//!
//! A row is a line. A quote that is not closed on its line is that line's own fault and swallows nothing behind it.

use std::fs::File;

use voorveld_wire::intake_v1::FlawCode;

use super::cells::Cell;
use super::columns::{Columns, flawed};
use super::lines::{Line, open};
use super::{FileFault, Reading, Sink, Survey};
use crate::config::{MAX_DELIVERY_ROWS, MAX_ROW_BYTES};

/// Reads a file from its beginning.
pub fn read(file: &mut File, reading: &Reading, sink: &mut Sink<'_>) -> Result<Survey, FileFault> {
    let mut lines = open(file)?;
    let mut separator = None;
    let (headings, separator) = loop {
        let Some((number, line)) = lines.next_line()? else {
            return Err(FileFault::refused("file_empty", "Dit bestand is leeg."));
        };
        let Line::Text(text) = line else {
            return Err(FileFault::refused(
                "heading_row_missing",
                format!("De kopregel is langer dan {MAX_ROW_BYTES} tekens of geen tekst."),
            ));
        };
        if text.trim().is_empty() {
            continue;
        }
        // A line that only spreadsheet programs understand.
        if let (1, Some(declared)) = (number, text.strip_prefix("sep=")) {
            separator = declared.chars().next().filter(|one| ";,\t".contains(*one));
            continue;
        }
        let separator = separator.unwrap_or_else(|| likely_separator(&text));
        let headings = split(&text, separator).map_err(|_| {
            FileFault::refused(
                "heading_row_missing",
                "In de kopregel wordt een aanhalingsteken niet gesloten.",
            )
        })?;
        break (headings, separator);
    };
    let columns = Columns::of_headings(&headings, reading)?;
    let mut rows = 0;
    while let Some((number, line)) = lines.next_line()? {
        let row = match line {
            Line::TooLong => Some(flawed(number, FlawCode::RowTooLong)),
            Line::NotText => Some(flawed(number, FlawCode::RowNotText)),
            Line::Text(text) if text.trim().is_empty() => None,
            Line::Text(text) => match split(&text, separator) {
                Err(code) => Some(flawed(number, code)),
                Ok(cells) => {
                    let cells: Vec<Cell> = cells.iter().map(|cell| Cell::of_text(cell)).collect();
                    columns.row(number, &cells, reading)
                }
            },
        };
        let Some(row) = row else { continue };
        rows += 1;
        if rows > MAX_DELIVERY_ROWS {
            return Err(FileFault::too_large(format!(
                "Een bestand heeft hoogstens {MAX_DELIVERY_ROWS} regels. Knip het in delen."
            )));
        }
        if sink(row).is_break() {
            break;
        }
    }
    Ok(Survey::of("csv", columns.names))
}

/// The separator that the heading row has most of, outside quotes.
fn likely_separator(headings: &str) -> char {
    let mut quoted = false;
    let mut counts = [(';', 0), (',', 0), ('\t', 0)];
    for letter in headings.chars() {
        if letter == '"' {
            quoted = !quoted;
        }
        if !quoted && let Some((_, count)) = counts.iter_mut().find(|(known, _)| *known == letter) {
            *count += 1;
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
    counts
        .iter()
        .find(|(_, count)| *count == most)
        .map_or(';', |(letter, _)| *letter)
}

/// The cells of a line.
fn split(line: &str, separator: char) -> Result<Vec<String>, FlawCode> {
    let mut cells = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        let mut cell = String::new();
        if rest.peek() == Some(&'"') {
            rest.next();
            loop {
                match rest.next() {
                    None => return Err(FlawCode::QuoteUnclosed),
                    Some('"') if rest.peek() == Some(&'"') => {
                        rest.next();
                        cell.push('"');
                    }
                    Some('"') => break,
                    Some(letter) => cell.push(letter),
                }
            }
            match rest.next() {
                None => {
                    cells.push(cell);
                    return Ok(cells);
                }
                Some(letter) if letter == separator => cells.push(cell),
                Some(_) => return Err(FlawCode::QuoteUnclosed),
            }
            continue;
        }
        loop {
            match rest.next() {
                None => {
                    cells.push(cell);
                    return Ok(cells);
                }
                Some(letter) if letter == separator => {
                    cells.push(cell);
                    break;
                }
                Some(letter) => cell.push(letter),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_part_at_the_separator_and_not_within_quotes() {
        for (line, cells) in [
            ("a;b", Ok(vec!["a", "b"])),
            ("a;", Ok(vec!["a", ""])),
            ("", Ok(vec![""])),
            (r#""a;b";"c""d""#, Ok(vec!["a;b", "c\"d"])),
            (r#"a"b;c"#, Ok(vec!["a\"b", "c"])),
            (r#""a;b"#, Err(FlawCode::QuoteUnclosed)),
            (r#""a"b;c"#, Err(FlawCode::QuoteUnclosed)),
        ] {
            let cells = cells.map(|cells| cells.into_iter().map(str::to_owned).collect());
            assert_eq!(split(line, ';'), cells, "{line}");
        }
    }

    #[test]
    fn the_separator_is_the_one_that_is_used() {
        for (line, separator) in [
            ("a;b;c", ';'),
            ("a,b", ','),
            ("a\tb", '\t'),
            (r#""a,b,c";d"#, ';'),
            ("a", ';'),
        ] {
            assert_eq!(likely_separator(line), separator, "{line}");
        }
    }
}
