//! Tables: CSV in three dialects, and a workbook.

use std::io::{self, Write};

use jiff::civil::Date;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format as CellFormat, Workbook, XlsxError};

use super::{Value, columns, values};
use crate::partner::{Format, Partner};
use crate::row::Row;

/// A CSV file being written.
pub(crate) struct CsvFile<'w, W: Write> {
    format: Format,
    columns: usize,
    out: csv::Writer<&'w mut W>,
}

/// Begins a CSV file in the partner's dialect: byte order mark and headings.
pub(crate) fn csv_writer<'w, W: Write>(
    partner: &Partner,
    out: &'w mut W,
) -> io::Result<CsvFile<'w, W>> {
    let format = partner.format;
    let english = format == Format::EnglishCsv;
    if format == Format::DutchCsvUtf8 {
        out.write_all("\u{feff}".as_bytes())?;
    }
    let mut out = csv::WriterBuilder::new()
        .delimiter(if english { b',' } else { b';' })
        .terminator(csv::Terminator::CRLF)
        .from_writer(out);
    let headings = columns(partner);
    out.write_record(
        headings
            .iter()
            .map(|(dutch, other)| if english { other } else { dutch }),
    )?;
    Ok(CsvFile {
        format,
        columns: headings.len(),
        out,
    })
}

impl<W: Write> CsvFile<'_, W> {
    /// Writes one row.
    pub(crate) fn row(&mut self, row: &Row) -> io::Result<()> {
        for value in &values(row)[..self.columns] {
            let text = self.text(value);
            if self.format == Format::DutchCsvWindows1252 {
                let (bytes, ..) = encoding_rs::WINDOWS_1252.encode(&text);
                self.out.write_field(bytes)?;
            } else {
                self.out.write_field(&text)?;
            }
        }
        self.out.write_record(None::<&[u8]>)?;
        Ok(())
    }

    fn text(&self, value: &Value<'_>) -> String {
        let english = self.format == Format::EnglishCsv;
        match *value {
            Value::Empty => String::new(),
            Value::Text(text) => text.to_owned(),
            Value::Date(date) if english => date.to_string(),
            Value::Date(date) => format!("{:02}-{:02}-{}", date.day(), date.month(), date.year()),
            Value::Cents(cents) => {
                let point = if english { '.' } else { ',' };
                format!("{}{point}{:02}", cents / 100, cents % 100)
            }
            Value::Flag(flag) => match (english, flag) {
                (true, true) => "true",
                (true, false) => "false",
                (false, true) => "ja",
                (false, false) => "nee",
            }
            .to_owned(),
        }
    }

    /// Writes what is still held back.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A workbook of one sheet with real dates and numbers, as a spreadsheet program keeps them.
pub(super) fn xlsx(partner: &Partner, rows: &[Row]) -> Vec<u8> {
    workbook(columns(partner), rows).expect("a table of short texts fits a workbook")
}

fn workbook(columns: &[(&str, &str)], rows: &[Row]) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    // A fixed moment, or no two files would be equal.
    let made = ExcelDateTime::from_ymd(2020, 1, 1)?;
    book.set_properties(&DocProperties::new().set_creation_datetime(&made));
    let date_format = CellFormat::new().set_num_format("dd-mm-yyyy");
    let euro_format = CellFormat::new().set_num_format("#,##0.00");
    let sheet = book.add_worksheet().set_name("Signalen")?;
    for (column, (heading, _)) in (0u16..).zip(columns) {
        sheet.write_string(0, column, *heading)?;
    }
    for (line, row) in (1u32..).zip(rows) {
        for ((column, (heading, _)), value) in (0u16..).zip(columns).zip(values(row)) {
            match value {
                Value::Empty => {}
                Value::Text(text) => {
                    // A house number is a number to a spreadsheet program.
                    match text.parse::<u32>() {
                        Ok(number) if *heading == "Huisnummer" => {
                            sheet.write_number(line, column, number)?;
                        }
                        _ => {
                            sheet.write_string(line, column, text)?;
                        }
                    }
                }
                Value::Date(date) => {
                    sheet.write_datetime_with_format(
                        line,
                        column,
                        excel_date(date)?,
                        &date_format,
                    )?;
                }
                Value::Cents(cents) => {
                    sheet.write_number_with_format(
                        line,
                        column,
                        f64::from(cents) / 100.0,
                        &euro_format,
                    )?;
                }
                Value::Flag(flag) => {
                    sheet.write_string(line, column, if flag { "ja" } else { "nee" })?;
                }
            }
        }
    }
    book.save_to_buffer()
}

fn excel_date(date: Date) -> Result<ExcelDateTime, XlsxError> {
    let (year, month, day) = (date.year(), date.month(), date.day());
    let narrow = |part: i8| u8::try_from(part).expect("months and days are above zero");
    ExcelDateTime::from_ymd(
        u16::try_from(year).expect("years here are above zero"),
        narrow(month),
        narrow(day),
    )
}
