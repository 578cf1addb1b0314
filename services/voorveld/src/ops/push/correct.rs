//! The refused rows of the sender's own file, in a new file of the same kind, with what to do beside each where the kind has room for it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use calamine::{Data, Reader, Xlsx};
use serde_json::Value;

use super::{RefusedRow, Shape};

/// The heading of the column that the gateway leaves aside, so that the file can be sent as it is once it is right.
pub const REMARKS_HEADING: &str = "Wat te doen";

/// Writes the file to correct. Never overwrites, and only its owner can read it: it holds personal data.
pub fn write(
    source: &Path,
    shape: Shape,
    refused: &[RefusedRow],
    out: &Path,
) -> anyhow::Result<()> {
    let rows: BTreeMap<u64, String> = refused.iter().map(|row| (row.row, row.words())).collect();
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)?;
    let mut target = BufWriter::new(file);
    match shape {
        Shape::Csv => csv(source, &rows, &mut target)?,
        Shape::Xlsx => xlsx(source, &rows, &mut target)?,
        Shape::Ndjson => lines(source, &rows, &mut target)?,
        Shape::Ddas => ddas(source, &rows, &mut target)?,
    }
    target.flush()?;
    Ok(())
}

/// The lines of a file as bytes, without their ends, with their numbers.
fn numbered(source: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<(u64, Vec<u8>)>>> {
    let reader = BufReader::new(File::open(source)?);
    let lines = reader.split(b'\n').map(|line| {
        let mut line = line.context("reading your file failed")?;
        if line.ends_with(b"\r") {
            line.pop();
        }
        Ok(line)
    });
    let numbered = (1..).zip(lines);
    Ok(numbered.map(|(number, line): (u64, anyhow::Result<Vec<u8>>)| Ok((number, line?))))
}

fn lines(
    source: &Path,
    rows: &BTreeMap<u64, String>,
    target: &mut impl Write,
) -> anyhow::Result<()> {
    for line in numbered(source)? {
        let (number, line) = line?;
        if rows.contains_key(&number) {
            target.write_all(&line)?;
            target.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// Keeps the bytes of the sender's own lines, whatever their letters are, and puts a column of plain ASCII behind them.
fn csv(source: &Path, rows: &BTreeMap<u64, String>, target: &mut impl Write) -> anyhow::Result<()> {
    if File::open(source)
        .map(BufReader::new)?
        .fill_buf()?
        .starts_with(&[0xFF, 0xFE])
    {
        bail!("the file is in UTF-16; save it as UTF-8 to get a file to correct");
    }
    let mut separator = None;
    for line in numbered(source)? {
        let (number, line) = line?;
        let blank = line.iter().all(u8::is_ascii_whitespace);
        let Some(between) = separator else {
            if blank || line.starts_with(b"sep=") {
                continue;
            }
            let most = [b';', b',', b'\t']
                .into_iter()
                .rev()
                .max_by_key(|one| line.split(|byte| byte == one).count())
                .unwrap_or(b';');
            separator = Some(most);
            write_line(target, &line, most, REMARKS_HEADING)?;
            continue;
        };
        if let Some(words) = rows.get(&number) {
            write_line(target, &line, between, words)?;
        }
    }
    Ok(())
}

fn write_line(
    target: &mut impl Write,
    line: &[u8],
    separator: u8,
    words: &str,
) -> anyhow::Result<()> {
    target.write_all(line)?;
    target.write_all(&[separator])?;
    let plain: String = words.chars().filter_map(plain_letter).collect();
    write!(target, "\"{plain}\"\r\n")?;
    Ok(())
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

fn xlsx(
    source: &Path,
    rows: &BTreeMap<u64, String>,
    target: &mut impl Write,
) -> anyhow::Result<()> {
    let mut book: Xlsx<_> = calamine::open_workbook(source).context("opening the sheet failed")?;
    let sheet = book
        .worksheet_range_at(0)
        .context("there is no sheet")?
        .context("reading the sheet failed")?;
    let first = u64::from(sheet.start().map_or(0, |(row, _)| row)) + 1;
    let mut writer = csv::WriterBuilder::new()
        .delimiter(b';')
        .terminator(csv::Terminator::CRLF)
        .from_writer(target);
    let mut is_heading = true;
    for (number, row) in (first..).zip(sheet.rows()) {
        let empty = row.iter().all(|cell| *cell == Data::Empty);
        if is_heading && !empty {
            let cells = row.iter().map(cell_text);
            writer.write_record(cells.chain([REMARKS_HEADING.to_owned()]))?;
            is_heading = false;
        } else if let Some(words) = rows.get(&number) {
            let cells = row.iter().map(cell_text);
            writer.write_record(cells.chain([words.clone()]))?;
        }
    }
    writer.flush()?;
    Ok(())
}

fn cell_text(cell: &Data) -> String {
    match cell {
        Data::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            format!("{day:02}-{month:02}-{year:04}")
        }
        Data::Float(number) => number.to_string().replace('.', ","),
        Data::Bool(answer) => if *answer { "ja" } else { "nee" }.to_owned(),
        other => other.to_string(),
    }
}

/// The same document with the refused signals alone.
fn ddas(
    source: &Path,
    rows: &BTreeMap<u64, String>,
    target: &mut impl Write,
) -> anyhow::Result<()> {
    let mut document: Value = serde_json::from_reader(BufReader::new(File::open(source)?))
        .context("reading your document failed")?;
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

    fn corrected(name: &str, bytes: &[u8], shape: Shape, rows: &[u64]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join(name);
        std::fs::write(&source, bytes).unwrap();
        let refused: Vec<RefusedRow> = rows.iter().map(|row| refused(*row)).collect();
        let out = folder.path().join("out");
        write(&source, shape, &refused, &out).unwrap();
        assert!(
            write(&source, shape, &refused, &out).is_err(),
            "never overwrites"
        );
        std::fs::read(&out).unwrap()
    }

    #[test]
    fn refused_lines_keep_their_bytes_and_get_what_to_do() {
        let file = b"Kenmerk;Bedrag;Achternaam\r\nA-1;1;B\r\nA-2;veel;Br\xFBl\xE9e\r\n";
        assert_eq!(
            corrected("a.csv", file, Shape::Csv, &[3]),
            b"Kenmerk;Bedrag;Achternaam;\"Wat te doen\"\r\nA-2;veel;Br\xFBl\xE9e;\"Bedrag: Schrijf een 'bedrag'.\"\r\n"
        );
    }

    #[test]
    fn refused_lines_of_json_stay_as_they_were() {
        let file = b"{\"a\":1}\n\n{\"b\":2}\n";
        assert_eq!(
            corrected("a.ndjson", file, Shape::Ndjson, &[3]),
            b"{\"b\":2}\n"
        );
    }

    #[test]
    fn a_document_keeps_only_its_refused_signals() {
        let document = serde_json::json!({"leveringen": [
            {"vroegsignalen": [{"ID": "1"}, {"ID": "2"}], "vroegsignaalzaken": [{}]},
            {"vroegsignalen": [{"ID": "3"}]},
        ]});
        let out = corrected("a.json", document.to_string().as_bytes(), Shape::Ddas, &[2]);
        let kept: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(
            kept,
            serde_json::json!({"leveringen": [{"vroegsignalen": [{"ID": "2"}]}]})
        );
    }
}
