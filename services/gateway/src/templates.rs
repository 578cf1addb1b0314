//! Empty files with the right headings, and in a spreadsheet the lists to choose from.

use rust_xlsxwriter::{DataValidation, Format, Formula, Workbook, XlsxError};
use voorveld_policy::{AmountUse, FieldShape, SUPPLY_ENDS_ON, SignalKind};

use crate::deliveries::TEMPLATE_COLUMNS;

/// Rows of a template that offer a list to choose from.
const PREPARED_ROWS: u32 = 10_000;
const CODES_SHEET: &str = "Lijsten";

/// A column of a template.
struct Heading {
    words: String,
    choices: Vec<Choice>,
    is_date: bool,
}

/// What may stand in a column, and what it means.
struct Choice {
    value: String,
    meaning: String,
}

impl Choice {
    fn new(value: impl Into<String>, meaning: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            meaning: meaning.into(),
        }
    }
}

fn headings(kind: &SignalKind) -> Vec<Heading> {
    let yes_no = || vec![Choice::new("ja", "ja"), Choice::new("nee", "nee")];
    let mut all: Vec<Heading> = TEMPLATE_COLUMNS
        .iter()
        .filter(|column| match column.place {
            "/supplyEndsOn" => kind.is_supply_end(),
            "/amountCents" => kind.amount != AmountUse::Never,
            "/partnerType" => kind.partner_types.len() > 1,
            _ => true,
        })
        .map(|column| Heading {
            words: column.heading.to_owned(),
            choices: match column.place {
                "/kind" => vec![Choice::new(kind.id.as_str(), kind.name.as_str())],
                "/partnerType" => kind
                    .partner_types
                    .iter()
                    .map(|one| Choice::new(one.label(), one.code()))
                    .collect(),
                "/isCrisis" | "/warmHandover" => yes_no(),
                _ => Vec::new(),
            },
            is_date: matches!(
                column.place,
                "/signalledOn" | "/arisenOn" | "/supplyEndsOn" | "/person/birthDate"
            ),
        })
        .collect();
    for field in &kind.fields {
        if field.name.as_str() == SUPPLY_ENDS_ON {
            continue;
        }
        all.push(Heading {
            words: field.label.clone(),
            choices: match &field.shape {
                FieldShape::Boolean => yes_no(),
                FieldShape::Code(codes) => codes
                    .iter()
                    .map(|entry| Choice::new(entry.code.as_str(), entry.label.as_str()))
                    .collect(),
                FieldShape::Number { .. } | FieldShape::Date => Vec::new(),
            },
            is_date: field.shape == FieldShape::Date,
        });
    }
    all
}

/// A heading row, as spreadsheet programs in the Netherlands like it: `;`, and a mark that it is UTF-8.
#[must_use]
pub fn csv_template(kind: &SignalKind) -> Vec<u8> {
    let words: Vec<String> = headings(kind)
        .into_iter()
        .map(|heading| heading.words)
        .collect();
    format!("\u{feff}{}\r\n", words.join(";")).into_bytes()
}

/// What may stand in each column that has a list, for who fills in the text template: that has no room for lists.
#[must_use]
pub fn csv_lists(kind: &SignalKind) -> Vec<u8> {
    let mut text = String::from("\u{feff}Kolom;Waarde;Betekenis\r\n");
    for heading in headings(kind) {
        for choice in &heading.choices {
            let cells = [&heading.words, &choice.value, &choice.meaning];
            text.push_str(&cells.map(|cell| quoted(cell)).join(";"));
            text.push_str("\r\n");
        }
    }
    text.into_bytes()
}

fn quoted(cell: &str) -> String {
    if cell.contains([';', '"']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}

/// A sheet with headings and choices, and a second sheet with the lists they come from.
pub fn xlsx_template(kind: &SignalKind) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let bold = Format::new().set_bold();
    let text = Format::new().set_num_format("@");
    let date = Format::new().set_num_format("dd-mm-yyyy");
    let headings = headings(kind);
    book.add_worksheet().set_name("Signalen")?;
    book.add_worksheet().set_name(CODES_SHEET)?;

    let lists = book.worksheet_from_index(1)?;
    let mut list_at: u16 = 0;
    let mut sources = Vec::with_capacity(headings.len());
    for heading in &headings {
        if heading.choices.is_empty() {
            sources.push(None);
            continue;
        }
        lists.write_string_with_format(0, list_at, &heading.words, &bold)?;
        let mut row = 0;
        for choice in &heading.choices {
            row += 1;
            lists.write_string(row, list_at, &choice.value)?;
        }
        let letter = rust_xlsxwriter::utility::column_number_to_name(list_at);
        sources.push(Some(format!(
            "{CODES_SHEET}!${letter}$2:${letter}${}",
            row + 1
        )));
        list_at += 1;
    }

    let sheet = book.worksheet_from_index(0)?;
    for (at, (heading, source)) in headings.iter().zip(sources).enumerate() {
        let column = u16::try_from(at).expect("a kind has fewer fields than a sheet has columns");
        sheet.set_column_format(column, if heading.is_date { &date } else { &text })?;
        sheet.set_column_width(column, 18)?;
        sheet.write_string_with_format(0, column, &heading.words, &bold)?;
        if let Some(source) = source {
            let choose =
                DataValidation::new().allow_list_formula(Formula::new(format!("={source}")));
            sheet.add_data_validation(1, column, PREPARED_ROWS, column, &choose)?;
        }
    }
    sheet.set_freeze_panes(1, 0)?;
    book.save_to_buffer()
}
