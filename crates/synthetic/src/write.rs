//! How each partner writes a file.

mod json;
mod sheet;

use std::io;

use jiff::civil::Date;
use voorveld_domain::PartnerType;

use crate::partner::{Format, Partner};
use crate::row::{Cell, FieldValue, Row};

pub(crate) use sheet::{CsvFile, csv_writer};

/// The whole file.
pub(crate) fn file(partner: &Partner, municipality: &str, day: Date, rows: &[Row]) -> Vec<u8> {
    match partner.format {
        Format::DutchCsvWindows1252 | Format::DutchCsvUtf8 | Format::EnglishCsv => {
            let mut bytes = Vec::new();
            let written = csv_file(partner, rows, &mut bytes);
            written.expect("writing to memory does not fail");
            bytes
        }
        Format::Xlsx => sheet::xlsx(partner, rows),
        Format::Ndjson => json::ndjson(rows),
        Format::Ddas09 => json::ddas_09(partner, municipality, day, rows),
        Format::Ddas12 => json::ddas_12(partner, municipality, day, rows),
    }
}

fn csv_file(partner: &Partner, rows: &[Row], bytes: &mut Vec<u8>) -> io::Result<()> {
    let mut file: CsvFile<'_, _> = csv_writer(partner, bytes)?;
    for row in rows {
        file.row(row)?;
    }
    file.finish()
}

/// The columns of a table, in order: Dutch heading, English heading.
const COLUMNS: [(&str, &str); 20] = [
    ("Kenmerk", "reference"),
    ("Soort", "kind"),
    ("Gemeentecode", "municipality"),
    ("Signaaldatum", "signalledOn"),
    ("Ontstaansdatum", "arisenOn"),
    ("Bedrag", "amount"),
    ("Crisis", "isCrisis"),
    ("Warme overdracht", "warmHandover"),
    ("Einddatum levering", "supplyEndsOn"),
    ("BSN", "bsn"),
    ("Voorletters", "initials"),
    ("Voorvoegsel", "prefix"),
    ("Achternaam", "surname"),
    ("Geboortedatum", "birthDate"),
    ("Straat", "street"),
    ("Postcode", "postcode"),
    ("Huisnummer", "houseNumber"),
    ("Toevoeging", "suffix"),
    ("Plaats", "town"),
    ("Huur per maand", "monthly_rent"),
];

/// The columns of this partner's tables: only landlords know a rent.
fn columns(partner: &Partner) -> &'static [(&'static str, &'static str)] {
    let rent = usize::from(partner.partner_type == PartnerType::Rent);
    &COLUMNS[..COLUMNS.len() - 1 + rent]
}

/// A value of a table before it is written.
enum Value<'a> {
    Text(&'a str),
    Date(Date),
    Cents(u32),
    Flag(bool),
    Empty,
}

/// The values of a row in the order of [`COLUMNS`].
fn values(row: &Row) -> [Value<'_>; 20] {
    fn text(text: &str) -> Value<'_> {
        if text.is_empty() {
            Value::Empty
        } else {
            Value::Text(text)
        }
    }
    let date = |date: Option<Date>| date.map_or(Value::Empty, Value::Date);
    [
        text(&row.reference),
        Value::Text(row.kind),
        text(&row.municipality),
        match row.signalled_on {
            Cell::Good(date) => Value::Date(date),
            Cell::Nonsense(raw) => Value::Text(raw),
        },
        date(row.arisen_on),
        match row.amount_cents {
            Some(Cell::Good(cents)) => Value::Cents(cents),
            Some(Cell::Nonsense(raw)) => Value::Text(raw),
            None => Value::Empty,
        },
        Value::Flag(row.crisis),
        Value::Flag(row.warm_handover),
        date(row.supply_ends_on),
        text(&row.bsn),
        text(&row.initials),
        text(&row.prefix),
        text(&row.surname),
        date(row.birth_date),
        text(&row.street),
        text(&row.postcode),
        text(&row.house_number),
        text(&row.suffix),
        text(&row.town),
        match row.fields.first() {
            Some(("monthly_rent", FieldValue::Number(euros))) => Value::Cents(euros * 100),
            _ => Value::Empty,
        },
    ]
}

fn field_json(value: &FieldValue) -> serde_json::Value {
    match value {
        FieldValue::Number(number) => (*number).into(),
        FieldValue::Boolean(flag) => (*flag).into(),
        FieldValue::Date(date) => date.to_string().into(),
        FieldValue::Code(code) => (*code).into(),
    }
}
