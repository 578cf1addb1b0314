//! Spreadsheets: the first sheet, headings in its first row. Checked before anything is unpacked, and while it is.

use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};

use calamine::{DataRef, Reader, Xlsx};
use jiff::civil::Date;

use super::archive::{check_archive, unreadable};
use super::cells::Cell;
use super::columns::Columns;
use super::{FileFault, Reading, Sink, Survey};
use crate::config::{MAX_COLUMNS, MAX_XLSX_ROWS};

/// Reads a file from its beginning.
pub fn read(file: &mut File, reading: &Reading, sink: &mut Sink<'_>) -> Result<Survey, FileFault> {
    check_archive(file)?;
    file.seek(SeekFrom::Start(0))?;
    let source = BufReader::new(file.try_clone()?);
    let mut book: Xlsx<_> = Xlsx::new(source).map_err(|_| unreadable())?;
    let sheet = book.sheet_names().first().cloned().ok_or_else(unreadable)?;
    let mut cells = book
        .worksheet_cells_reader(&sheet)
        .map_err(|_| unreadable())?;

    let mut columns: Option<Columns> = None;
    let mut rows = 0;
    let mut row: Vec<Cell> = Vec::new();
    let mut row_at: Option<u32> = None;
    loop {
        let next = cells
            .next_cell_with_formula_metadata()
            .map_err(|_| unreadable())?;
        let at = next.as_ref().map(|cell| cell.pos.0);
        if let Some(number) = row_at
            && at != Some(number)
        {
            let whole = std::mem::take(&mut row);
            if take(&mut columns, number, whole, reading, &mut rows, sink)?.is_break() {
                break;
            }
        }
        let Some(cell) = next else { break };
        row_at = at;
        let position = cell.pos.1 as usize;
        let value = if cell.formula.is_some() {
            Cell::Formula
        } else {
            of_sheet(&cell.value)
        };
        if value.is_empty() {
            continue;
        }
        if position >= MAX_COLUMNS {
            return Err(FileFault::refused(
                "too_many_columns",
                format!("Dit bestand heeft meer dan {MAX_COLUMNS} kolommen. Gebruik ons sjabloon."),
            ));
        }
        if row.len() <= position {
            row.resize(position + 1, Cell::Empty);
        }
        row[position] = value;
    }
    match columns {
        Some(columns) => Ok(Survey::of("xlsx", columns.names)),
        None => Err(FileFault::refused(
            "file_empty",
            "Het eerste werkblad is leeg.",
        )),
    }
}

/// Takes a whole row: the first with anything in it is the heading row.
fn take(
    columns: &mut Option<Columns>,
    at: u32,
    mut cells: Vec<Cell>,
    reading: &Reading,
    rows: &mut u64,
    sink: &mut Sink<'_>,
) -> Result<std::ops::ControlFlow<()>, FileFault> {
    let go_on = Ok(std::ops::ControlFlow::Continue(()));
    if cells.iter().all(Cell::is_empty) {
        return go_on;
    }
    let Some(columns) = columns else {
        let headings: Vec<String> = cells
            .iter()
            .map(|cell| match cell {
                Cell::Text(text) => text.clone(),
                _ => String::new(),
            })
            .collect();
        *columns = Some(Columns::of_headings(&headings, reading)?);
        return go_on;
    };
    // A sheet leaves out the empty cells behind the last one.
    if cells.len() < columns.len() {
        cells.resize(columns.len(), Cell::Empty);
    }
    let Some(row) = columns.row(u64::from(at) + 1, &cells, reading) else {
        return go_on;
    };
    *rows += 1;
    if *rows > MAX_XLSX_ROWS {
        return Err(FileFault::too_large(format!(
            "Een Excel-bestand heeft hoogstens {MAX_XLSX_ROWS} regels. Knip het in delen of stuur CSV."
        )));
    }
    Ok(sink(row))
}

fn of_sheet(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::String(text) | DataRef::DurationIso(text) => Cell::of_text(text),
        DataRef::SharedString(text) => Cell::of_text(text),
        DataRef::Int(number) => Cell::of_text(&number.to_string()),
        DataRef::Float(number) => Cell::Number(*number),
        DataRef::Bool(answer) => Cell::Bool(*answer),
        DataRef::DateTime(moment) if moment.is_datetime() => {
            let (year, month, day, ..) = moment.to_ymd_hms_milli();
            let date = || {
                Date::new(
                    i16::try_from(year).ok()?,
                    i8::try_from(month).ok()?,
                    i8::try_from(day).ok()?,
                )
                .ok()
            };
            date().map_or_else(|| Cell::Text("?".to_owned()), Cell::Date)
        }
        DataRef::DateTime(moment) => Cell::Number(moment.as_f64()),
        DataRef::DateTimeIso(text) => Cell::of_text(text.get(..10).unwrap_or(text)),
        DataRef::Error(_) => Cell::Formula,
    }
}
