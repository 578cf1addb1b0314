//! The refused rows of the sender's own file, in a new file of the same kind, with what to do beside each where the kind has room for it.

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use calamine::{DataRef, Reader, Xlsx};
use serde_json::Value;

use super::letters::{BOM, open};
use super::{RefusedRow, Shape};

/// The heading of the column that the gateway leaves aside, so that the file can be sent as it is once it is right.
pub const REMARKS_HEADING: &str = "Wat te doen";

/// Writes the file to correct.
pub fn write(
    source: &Path,
    shape: Shape,
    refused: &[RefusedRow],
    target: &mut impl Write,
) -> anyhow::Result<()> {
    let rows: BTreeMap<u64, String> = refused.iter().map(|row| (row.row, row.words())).collect();
    match shape {
        Shape::Csv => csv(source, &rows, target)?,
        Shape::Xlsx => xlsx(source, &rows, target)?,
        Shape::Ndjson => lines(source, &rows, target)?,
        Shape::Ddas => ddas(source, &rows, target)?,
    }
    target.flush()?;
    Ok(())
}

/// Writes what to do about each refused row, for files that have no room for it beside the row.
pub fn write_remarks(refused: &[RefusedRow], target: &mut impl Write) -> anyhow::Result<()> {
    target.write_all(BOM)?;
    let mut writer = table(target);
    writer.write_record([
        "regel",
        "kolom",
        "code",
        "wat te doen",
        "regel in het bestand om te verbeteren",
    ])?;
    for (at, row) in (1_u64..).zip(refused) {
        for problem in &row.problems {
            writer.write_record([
                &row.row.to_string(),
                &problem.column,
                &problem.code,
                &problem.what_to_do,
                &at.to_string(),
            ])?;
        }
    }
    writer.flush()?;
    Ok(())
}

/// A table as spreadsheet programs in the Netherlands like it.
pub fn table<W: Write>(target: W) -> ::csv::Writer<W> {
    ::csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(::csv::Terminator::CRLF)
        .from_writer(target)
}

fn lines(
    source: &Path,
    rows: &BTreeMap<u64, String>,
    target: &mut impl Write,
) -> anyhow::Result<()> {
    for line in open(source)?.lines() {
        let (number, line) = line?;
        if rows.contains_key(&number) {
            target.write_all(&line)?;
            target.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// Keeps the bytes of the sender's own lines, whatever their letters are, and puts a column of plain ASCII behind them; or into the column
/// that an earlier file to correct has for it.
fn csv(source: &Path, rows: &BTreeMap<u64, String>, target: &mut impl Write) -> anyhow::Result<()> {
    let source = open(source)?;
    if source.are_utf8 {
        target.write_all(BOM)?;
    }
    let mut declared = None;
    let mut remarks = None;
    for line in source.lines() {
        let (number, line) = line?;
        if let Some(remarks) = &remarks {
            if let Some(words) = rows.get(&number) {
                let line = Remarks::with(remarks, &line, words);
                target.write_all(&line)?;
            }
            continue;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // A line that only spreadsheet programs understand.
        if let (1, Some(rest)) = (number, line.strip_prefix(b"sep=")) {
            declared = rest.first().copied().filter(|one| b";,\t".contains(one));
            continue;
        }
        let likely = likely_separator(&line);
        let separator = declared.unwrap_or(likely);
        if separator != likely {
            target.write_all(&[b"sep=", &[separator][..], b"\r\n"].concat())?;
        }
        let found = Remarks::of_headings(&line, separator);
        target.write_all(&found.with(&line, REMARKS_HEADING))?;
        remarks = Some(found);
    }
    Ok(())
}

/// The separator that a line has most of, outside quotes.
fn likely_separator(line: &[u8]) -> u8 {
    let count = |separator: u8| {
        let mut quoted = false;
        line.iter()
            .filter(|byte| {
                quoted ^= **byte == b'"';
                !quoted && **byte == separator
            })
            .count()
    };
    // Of equals the last is taken.
    [b'\t', b',', b';']
        .into_iter()
        .max_by_key(|separator| count(*separator))
        .unwrap_or(b';')
}

/// The cells of a line as the gateway parts them; `None` when a quote is never closed.
fn cells(line: &[u8], separator: u8) -> Option<Vec<Range<usize>>> {
    let mut cells = Vec::new();
    let mut start = 0;
    loop {
        let mut end = start;
        if line.get(start) == Some(&b'"') {
            end += 1;
            loop {
                end += line[end..].iter().position(|byte| *byte == b'"')? + 1;
                if line.get(end) != Some(&b'"') {
                    break;
                }
                end += 1;
            }
            if line.get(end).is_some_and(|byte| *byte != separator) {
                return None;
            }
        } else {
            let rest = line[start..].iter();
            end += rest.take_while(|byte| **byte != separator).count();
        }
        cells.push(start..end);
        if end == line.len() {
            return Some(cells);
        }
        start = end + 1;
    }
}

/// Whether a heading is that of the remarks, read as freely as the gateway reads it.
fn is_remarks(heading: &str) -> bool {
    let squeezed = |text: &str| -> String {
        text.chars()
            .filter(|letter| letter.is_alphanumeric())
            .flat_map(char::to_lowercase)
            .collect()
    };
    squeezed(heading) == squeezed(REMARKS_HEADING)
}

/// Where the remarks stand in the lines of a file.
struct Remarks {
    separator: u8,
    /// The cell that is theirs, if a line has it; else they come behind the last.
    at: usize,
}

impl Remarks {
    /// The column that is theirs already, or the first behind the last heading: some programs end every line with empty cells.
    fn of_headings(line: &[u8], separator: u8) -> Self {
        let cells = cells(line, separator).unwrap_or_default();
        let words = |cell: &Range<usize>| String::from_utf8_lossy(&line[cell.clone()]);
        let own = cells.iter().position(|cell| is_remarks(&words(cell)));
        let used = cells
            .iter()
            .rposition(|cell| words(cell).chars().any(char::is_alphanumeric));
        Self {
            separator,
            at: own.unwrap_or_else(|| used.map_or(cells.len(), |last| last + 1)),
        }
    }

    fn with(&self, line: &[u8], words: &str) -> Vec<u8> {
        let plain: String = words.chars().filter_map(plain_letter).collect();
        let plain = format!("\"{plain}\"");
        let place = cells(line, self.separator).and_then(|cells| cells.get(self.at).cloned());
        let mut line = line.to_vec();
        if let Some(place) = place {
            line.splice(place, plain.into_bytes());
        } else {
            line.push(self.separator);
            line.extend_from_slice(plain.as_bytes());
        }
        line.extend_from_slice(b"\r\n");
        line
    }
}

/// ASCII is the same in every encoding a file may have.
fn plain_letter(letter: char) -> Option<char> {
    match letter {
        '"' => Some('\''),
        'é' | 'ë' | 'è' => Some('e'),
        'ï' => Some('i'),
        'ó' | 'ö' => Some('o'),
        letter if letter.is_ascii() => Some(letter),
        _ => None,
    }
}

/// A sheet comes back as text, which every spreadsheet program opens. Read cell by cell, so that one cell far away costs nothing.
fn xlsx(
    source: &Path,
    rows: &BTreeMap<u64, String>,
    target: &mut impl Write,
) -> anyhow::Result<()> {
    let mut book: Xlsx<_> = calamine::open_workbook(source).context("opening the sheet failed")?;
    let sheet = book.sheet_names().first().cloned();
    let sheet = sheet.context("there is no sheet")?;
    let mut cells = book
        .worksheet_cells_reader(&sheet)
        .context("reading the sheet failed")?;
    target.write_all(BOM)?;
    let mut writer = table(target);
    let mut remarks: Option<usize> = None;
    let mut row: BTreeMap<usize, String> = BTreeMap::new();
    let mut at = None;
    loop {
        let cell = cells.next_cell().context("reading the sheet failed")?;
        let next = cell.as_ref().map(|cell| cell.get_position().0);
        if let Some(number) = at
            && next != Some(number)
            && !row.is_empty()
        {
            let mut whole = std::mem::take(&mut row);
            let words = match remarks {
                None => Some(REMARKS_HEADING.to_owned()),
                Some(_) => rows.get(&(u64::from(number) + 1)).cloned(),
            };
            let place = *remarks.get_or_insert_with(|| {
                let own = whole.iter().find(|(_, words)| is_remarks(words));
                let behind = whole.keys().next_back().map_or(0, |last| last + 1);
                own.map_or(behind, |(place, _)| *place)
            });
            if let Some(words) = words {
                whole.insert(place, words);
                let width = whole.keys().next_back().map_or(0, |last| last + 1);
                let texts = (0..width).map(|column| whole.get(&column).map_or("", String::as_str));
                writer.write_record(texts)?;
            }
        }
        let Some(cell) = cell else { break };
        at = next;
        let text = cell_text(cell.get_value());
        if !text.is_empty() {
            row.insert(cell.get_position().1 as usize, text);
        }
    }
    writer.flush()?;
    Ok(())
}

fn cell_text(cell: &DataRef<'_>) -> String {
    let text = match cell {
        DataRef::Empty => String::new(),
        DataRef::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            format!("{day:02}-{month:02}-{year:04}")
        }
        DataRef::DateTime(moment) => moment.as_f64().to_string(),
        DataRef::Float(number) => {
            // What a program counts in halves is shown as it was typed.
            let thousandths = (number * 1_000.0).round();
            let is_close = (number * 1_000.0 - thousandths).abs() < 1e-6;
            let shown = if is_close {
                thousandths / 1_000.0
            } else {
                *number
            };
            shown.to_string().replace('.', ",")
        }
        DataRef::Int(number) => number.to_string(),
        DataRef::Bool(answer) => if *answer { "ja" } else { "nee" }.to_owned(),
        DataRef::DateTimeIso(text) => text.get(..10).unwrap_or(text).to_owned(),
        DataRef::String(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Error(error) => error.to_string(),
    };
    // A row of the text is a line.
    text.replace(['\r', '\n'], " ").trim().to_owned()
}

/// The same document with the refused signals alone.
fn ddas(
    source: &Path,
    rows: &BTreeMap<u64, String>,
    target: &mut impl Write,
) -> anyhow::Result<()> {
    let mut document: Value =
        serde_json::from_reader(open(source)?.bytes).context("reading your document failed")?;
    let mut number = 0;
    if let Some(leveringen) = document["leveringen"].as_array_mut() {
        for levering in leveringen.iter_mut() {
            if let Some(signals) = levering["vroegsignalen"].as_array_mut() {
                signals.retain(|_| {
                    number += 1;
                    rows.contains_key(&number)
                });
            }
            if let Some(levering) = levering.as_object_mut() {
                levering.remove("vroegsignaalzaken");
            }
        }
        leveringen.retain(|levering| {
            levering["vroegsignalen"]
                .as_array()
                .is_some_and(|signals| !signals.is_empty())
        });
    }
    serde_json::to_writer_pretty(target, &document)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::push::Remark;

    fn refused(row: u64) -> RefusedRow {
        RefusedRow {
            row,
            problems: vec![Remark {
                column: "Bedrag".into(),
                code: "amount_format".into(),
                what_to_do: "Schrijf één \"bedrag\".".into(),
            }],
        }
    }

    fn corrected(bytes: &[u8], shape: Shape, rows: &[u64]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("file");
        std::fs::write(&source, bytes).unwrap();
        let refused: Vec<RefusedRow> = rows.iter().map(|row| refused(*row)).collect();
        let mut out = Vec::new();
        write(&source, shape, &refused, &mut out).unwrap();
        out
    }

    fn wide(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let marked = format!("\u{feff}{text}");
        marked.encode_utf16().flat_map(order).collect()
    }

    const WORDS: &str = "\"Bedrag: Schrijf een 'bedrag'.\"";

    #[test]
    fn refused_lines_keep_their_bytes_and_get_what_to_do() {
        let file = b"Kenmerk;Bedrag;Achternaam\r\nA-1;1;B\r\nA-2;veel;Br\xFBl\xE9e\r\n";
        assert_eq!(
            corrected(file, Shape::Csv, &[3]),
            b"Kenmerk;Bedrag;Achternaam;\"Wat te doen\"\r\nA-2;veel;Br\xFBl\xE9e;\"Bedrag: Schrijf een 'bedrag'.\"\r\n"
        );
    }

    #[test]
    fn what_to_do_stands_in_one_column_however_often_a_file_comes_back() {
        for (what, file, rows, expected) in [
            (
                "a second round",
                "Kenmerk;\"Wat te doen\";Bedrag\nA-1;\"Bedrag: x; y\";veel\n",
                [2],
                format!("Kenmerk;\"Wat te doen\";Bedrag\r\nA-1;{WORDS};veel\r\n"),
            ),
            (
                "empty cells at the end",
                "Kenmerk;Bedrag;;\nA-1;veel;;\n",
                [2],
                format!("Kenmerk;Bedrag;\"Wat te doen\";\r\nA-1;veel;{WORDS};\r\n"),
            ),
            (
                "too few cells: it stays wrong",
                "Kenmerk;Bedrag;Plaats\nA-1;veel\n",
                [2],
                format!("Kenmerk;Bedrag;Plaats;\"Wat te doen\"\r\nA-1;veel;{WORDS}\r\n"),
            ),
            (
                "a quote that is never closed",
                "Kenmerk;Bedrag\n\"A-1;veel\n",
                [2],
                format!("Kenmerk;Bedrag;\"Wat te doen\"\r\n\"A-1;veel;{WORDS}\r\n"),
            ),
            (
                "a declared separator",
                "\u{feff}sep=;\n\nKenmerk;Bedrag\nA-1;veel\n",
                [4],
                format!("\u{feff}Kenmerk;Bedrag;\"Wat te doen\"\r\nA-1;veel;{WORDS}\r\n"),
            ),
            (
                "a declared separator that nobody would guess",
                "sep=,\nKenmerk;x,Bedrag;y;z\nA-1,veel\n",
                [3],
                format!("sep=,\r\nKenmerk;x,Bedrag;y;z,\"Wat te doen\"\r\nA-1,veel,{WORDS}\r\n"),
            ),
        ] {
            let out = corrected(file.as_bytes(), Shape::Csv, &rows);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{what}");
        }
    }

    #[test]
    fn two_bytes_a_letter_and_a_mark_are_read_as_the_gateway_reads_them() {
        for order in [u16::to_le_bytes, u16::to_be_bytes] {
            let out = corrected(
                &wide("Naam\tBedrag\r\né\tveel\r\n", order),
                Shape::Csv,
                &[2],
            );
            assert_eq!(
                String::from_utf8(out).unwrap(),
                format!("\u{feff}Naam\tBedrag\t\"Wat te doen\"\r\né\tveel\t{WORDS}\r\n")
            );
            let out = corrected(
                &wide("{\"a\":1}\n{\"b\":\"é\"}\n", order),
                Shape::Ndjson,
                &[2],
            );
            assert_eq!(String::from_utf8(out).unwrap(), "{\"b\":\"é\"}\n");
        }
        let document = "\u{feff}{\"leveringen\":[{\"vroegsignalen\":[{\"ID\":\"1\"}]}]}";
        let out = corrected(document.as_bytes(), Shape::Ddas, &[1]);
        assert!(serde_json::from_slice::<Value>(&out).is_ok());
    }

    #[test]
    fn a_sheet_comes_back_as_text_that_says_what_its_letters_are() {
        let mut book = rust_xlsxwriter::Workbook::new();
        let sheet = book.add_worksheet();
        for (at, words) in (0..).zip(["Kenmerk", "Gemeentecode", "Wat te doen", "Huur"]) {
            sheet.write_string(1, at, words).unwrap();
        }
        for row in [2, 5] {
            sheet.write_string(row, 0, "Brûlée\nA").unwrap();
            sheet.write_number(row, 1, 518).unwrap();
            sheet.write_number(row, 3, 650.1 + 0.2).unwrap();
        }
        // One cell at the far end must not make room for all that lie between.
        sheet.write_string(1_048_575, 16_383, "x").unwrap();
        let out = corrected(&book.save_to_buffer().unwrap(), Shape::Xlsx, &[6]);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\u{feff}Kenmerk;Gemeentecode;Wat te doen;Huur\r\nBrûlée A;518;\"Bedrag: Schrijf één \"\"bedrag\"\".\";650,3\r\n"
        );
    }

    #[test]
    fn refused_lines_of_json_stay_as_they_were_and_what_to_do_stands_beside_them() {
        let file = b"{\"a\":1}\n\n{\"b\":2}\n";
        assert_eq!(corrected(file, Shape::Ndjson, &[3]), b"{\"b\":2}\n");
        let mut out = Vec::new();
        write_remarks(&[refused(3)], &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "\u{feff}regel;kolom;code;wat te doen;regel in het bestand om te verbeteren\r\n\
             3;Bedrag;amount_format;\"Schrijf één \"\"bedrag\"\".\";1\r\n"
        );
    }

    #[test]
    fn a_document_keeps_only_its_refused_signals() {
        let document = serde_json::json!({"leveringen": [
            {"vroegsignalen": [{"ID": "1"}, {"ID": "2"}], "vroegsignaalzaken": [{}]},
            {"vroegsignalen": [{"ID": "3"}]},
        ]});
        let out = corrected(document.to_string().as_bytes(), Shape::Ddas, &[2]);
        let kept: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            kept,
            serde_json::json!({"leveringen": [{"vroegsignalen": [{"ID": "2"}]}]})
        );
    }
}
