//! Headings, in Dutch or English, and the rows below them.
//!
//! A heading that nobody knows refuses the whole file: a column that should not be there may hold what we must not have. It is named by its
//! position, since where the heading row is missing a "heading" is somebody's name.

use std::collections::HashMap;

use voorveld_policy::SUPPLY_ENDS_ON;
use voorveld_wire::intake_v1::{
    Claim, FieldClaim, Flaw, FlawCode, REFERENCE_MAX_CHARS, TEXT_MAX_CHARS,
};

use super::cells::{Cell, sheet_number};
use super::{FileFault, Names, Reading, Row};
use crate::config::MAX_COLUMNS;

/// A column of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateColumn {
    /// The place in the JSON form.
    pub place: &'static str,
    /// The Dutch heading.
    pub heading: &'static str,
    /// What else it is called; letters and digits only.
    aliases: &'static [&'static str],
}

const fn column(
    place: &'static str,
    heading: &'static str,
    aliases: &'static [&'static str],
) -> TemplateColumn {
    TemplateColumn {
        place,
        heading,
        aliases,
    }
}

/// Amounts come in euros or, under another heading, in cents.
const EUROS: &str = "/amountCents";
const CENTS: &str = "/amountCents#";
/// Some write the letter of a house number in a column of its own.
const HOUSE_LETTER: &str = "/address/suffix#";

/// Every column, in the order of a template.
pub const TEMPLATE_COLUMNS: [TemplateColumn; 20] = [
    column(
        "/reference",
        "Kenmerk",
        &[
            "reference",
            "referentie",
            "onskenmerk",
            "signaalid",
            "signaalnummer",
            "dossiernummer",
            "id",
        ],
    ),
    column(
        "/kind",
        "Soort",
        &["kind", "soortsignaal", "signaalsoort", "typesignaal"],
    ),
    column(
        "/municipality",
        "Gemeentecode",
        &["municipality", "municipalitycode", "gemeente", "cbscode"],
    ),
    column(
        "/partnerType",
        "Partnersoort",
        &["partnertype", "signaalpartner", "typepartner"],
    ),
    column(
        "/signalledOn",
        "Signaaldatum",
        &["signalledon", "datumsignaal", "datum", "signaldate"],
    ),
    column(
        "/arisenOn",
        "Ontstaansdatum",
        &["arisenon", "ontstaanop", "achterstandsinds"],
    ),
    column(
        EUROS,
        "Bedrag",
        &[
            "amount",
            "bedrageuro",
            "bedragineuro",
            "achterstand",
            "openstaandbedrag",
            "amounteur",
            "amounteuros",
        ],
    ),
    column("/isCrisis", "Crisis", &["iscrisis", "crisissignaal"]),
    column("/warmHandover", "Warme overdracht", &["warmhandover"]),
    column(
        "/supplyEndsOn",
        "Einddatum levering",
        &[
            "supplyendson",
            "datumeindelevering",
            "eindelevering",
            "afsluitdatum",
        ],
    ),
    column("/person/bsn", "BSN", &["burgerservicenummer"]),
    column(
        "/person/initials",
        "Voorletters",
        &["initials", "initialen"],
    ),
    column(
        "/person/prefix",
        "Voorvoegsel",
        &["prefix", "voorvoegsels", "tussenvoegsel", "tussenvoegsels"],
    ),
    column(
        "/person/surname",
        "Achternaam",
        &["surname", "lastname", "naam", "familienaam"],
    ),
    column(
        "/person/birthDate",
        "Geboortedatum",
        &["birthdate", "dateofbirth"],
    ),
    column("/address/street", "Straat", &["street", "straatnaam"]),
    column("/address/postcode", "Postcode", &["postalcode", "zipcode"]),
    column(
        "/address/houseNumber",
        "Huisnummer",
        &["housenumber", "huisnr"],
    ),
    column(
        "/address/suffix",
        "Toevoeging",
        &["suffix", "huisnummertoevoeging", "housenumbersuffix"],
    ),
    column(
        "/address/town",
        "Plaats",
        &["town", "city", "woonplaats", "plaatsnaam"],
    ),
];

/// What a file to correct says beside each row; left aside, so that such a file can be sent as it is once it is right.
const REMARKS: &str = "#";

/// Headings that no template shows.
const OTHER_COLUMNS: [TemplateColumn; 3] = [
    column(REMARKS, "Wat te doen", &[]),
    column(
        CENTS,
        "Bedrag in cent",
        &["amountcents", "bedragcent", "bedragincenten"],
    ),
    column(HOUSE_LETTER, "Huisletter", &["houseletter"]),
];

/// What a column is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    /// A value that any signal may have.
    Place(&'static str),
    /// A kind's own field; different kinds may call different fields alike.
    Field(Vec<String>),
}

/// The columns of a file.
#[derive(Debug)]
pub struct Columns {
    columns: Vec<Column>,
    /// What the sender calls them.
    pub names: Names,
}

fn squeezed(heading: &str) -> String {
    heading
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn known_place(squeezed_heading: &str) -> Option<&'static str> {
    TEMPLATE_COLUMNS
        .iter()
        .chain(&OTHER_COLUMNS)
        .find(|column| {
            squeezed(column.heading) == squeezed_heading
                || column.aliases.contains(&squeezed_heading)
        })
        .map(|column| column.place)
}

/// The fields of all kinds by their heading.
fn known_fields(reading: &Reading) -> HashMap<String, Vec<String>> {
    let mut fields: HashMap<String, Vec<String>> = HashMap::new();
    for kind in reading.policy.catalogue().iter() {
        for field in &kind.fields {
            let name = field.name.as_str();
            if name == SUPPLY_ENDS_ON {
                continue;
            }
            for heading in [name, field.label.as_str()] {
                let names = fields.entry(squeezed(heading)).or_default();
                if !names.iter().any(|known| known == name) {
                    names.push(name.to_owned());
                }
            }
        }
    }
    fields
}

impl Columns {
    /// Reads the heading row.
    pub fn of_headings(headings: &[String], reading: &Reading) -> Result<Self, FileFault> {
        let used = headings
            .iter()
            .rposition(|heading| !heading.trim().is_empty())
            .map_or(0, |last| last + 1);
        if used > MAX_COLUMNS {
            return Err(FileFault::refused(
                "too_many_columns",
                format!("Dit bestand heeft meer dan {MAX_COLUMNS} kolommen. Gebruik ons sjabloon."),
            ));
        }
        let fields = known_fields(reading);
        let mut columns = Vec::new();
        let mut names = Names::default();
        for template in TEMPLATE_COLUMNS {
            names.call(template.place, template.heading);
        }
        let mut unknown = Vec::new();
        for (at, heading) in headings[..used].iter().enumerate() {
            let key = squeezed(heading);
            if let Some(place) = known_place(&key) {
                if columns.contains(&Column::Place(place)) {
                    return Err(FileFault::refused(
                        "column_twice",
                        format!(
                            "Kolom {} heeft hetzelfde opschrift als een kolom ervoor.",
                            at + 1
                        ),
                    ));
                }
                if place != REMARKS {
                    names.call(place.trim_end_matches('#'), heading.trim());
                }
                columns.push(Column::Place(place));
            } else if let Some(fields) = fields.get(&key) {
                for field in fields {
                    names.call(&format!("/fields/{field}"), heading.trim());
                }
                columns.push(Column::Field(fields.clone()));
            } else {
                unknown.push((at + 1).to_string());
                columns.push(Column::Field(Vec::new()));
            }
        }
        if unknown.len() * 2 > used || used == 0 {
            return Err(FileFault::refused(
                "heading_row_missing",
                "De eerste regel moet de namen van de kolommen bevatten, zoals Kenmerk;Soort;Gemeentecode. Gebruik ons sjabloon.",
            ));
        }
        if !unknown.is_empty() {
            return Err(FileFault::refused(
                "column_unknown",
                format!(
                    "Het opschrift van kolom {} kennen wij niet. Verbeter het of haal de kolom weg: stuur niet meer dan nodig is.",
                    unknown.join(", ")
                ),
            ));
        }
        let columns = Self { columns, names };
        columns.check_complete(reading)?;
        Ok(columns)
    }

    fn check_complete(&self, reading: &Reading) -> Result<(), FileFault> {
        let has = |place| self.columns.contains(&Column::Place(place));
        let missing: Vec<&str> = [
            ("/reference", "Kenmerk", reading.partner.natural_key),
            ("/kind", "Soort", reading.defaults.kind.is_some()),
            (
                "/municipality",
                "Gemeentecode",
                reading.defaults.municipality.is_some(),
            ),
        ]
        .into_iter()
        .filter(|(place, _, may_miss)| !may_miss && !has(place))
        .map(|(_, heading, _)| heading)
        .collect();
        if missing.is_empty() {
            Ok(())
        } else {
            Err(FileFault::refused(
                "column_missing",
                format!("Voeg deze kolom toe: {}.", missing.join(", ")),
            ))
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.columns.len()
    }

    /// Reads a row below the headings; `None` when nothing stands in it.
    pub fn row(&self, number: u64, cells: &[Cell], reading: &Reading) -> Option<Row> {
        if cells.iter().all(Cell::is_empty) {
            return None;
        }
        let mut reader = RowReader::default();
        let fits = cells.len() >= self.columns.len()
            && cells[self.columns.len()..].iter().all(Cell::is_empty);
        if !fits {
            reader.flaws.push(Flaw::new("", FlawCode::CellCount));
            return Some(reader.row(number, reading));
        }
        let mut fields = Vec::new();
        for (column, cell) in self.columns.iter().zip(cells) {
            match column {
                Column::Place(place) => reader.take(place, cell),
                Column::Field(names) if !cell.is_empty() => fields.push((names, cell)),
                Column::Field(_) => {}
            }
        }
        // A person with a sheet writes what the kind is called, as the templates and lists do.
        if let Some(kind) = &mut reader.claim.kind
            && let Some(named) = reading.policy.catalogue().named(kind)
        {
            named.id.as_str().clone_into(kind);
        }
        let kind = reader
            .claim
            .kind
            .as_deref()
            .or(reading.defaults.kind.as_deref())
            .and_then(|kind| reading.policy.catalogue().find(kind));
        for (names, cell) in fields {
            let name = names
                .iter()
                .find(|name| kind.is_some_and(|kind| kind.field(name).is_some()))
                .or_else(|| names.first());
            if let Some(name) = name {
                reader.take_field(name, cell);
            }
        }
        Some(reader.row(number, reading))
    }
}

/// A row that is only a flaw.
pub fn flawed(number: u64, code: FlawCode) -> Row {
    Row {
        number,
        claim: Claim::default(),
        flaws: vec![Flaw::new("", code)],
    }
}

#[derive(Default)]
struct RowReader {
    claim: Claim,
    flaws: Vec<Flaw>,
    house_letter: Option<String>,
}

impl RowReader {
    fn row(mut self, number: u64, reading: &Reading) -> Row {
        if self.claim.kind.is_none() && !self.tells("/kind") {
            self.claim.kind.clone_from(&reading.defaults.kind);
        }
        if self.claim.municipality.is_none() && !self.tells("/municipality") {
            self.claim
                .municipality
                .clone_from(&reading.defaults.municipality);
        }
        if let Some(letter) = self.house_letter {
            self.claim.address.suffix = Some(match self.claim.address.suffix.take() {
                Some(suffix) => format!("{letter} {suffix}"),
                None => letter,
            });
        }
        Row {
            number,
            claim: self.claim,
            flaws: self.flaws,
        }
    }

    fn tells(&self, place: &str) -> bool {
        self.flaws.iter().any(|flaw| flaw.place == place)
    }

    fn sift<T>(&mut self, place: &str, read: Result<Option<T>, FlawCode>) -> Option<T> {
        match read {
            Ok(value) => value,
            Err(code) => {
                self.flaws
                    .push(Flaw::new(place.trim_end_matches('#'), code));
                None
            }
        }
    }

    fn take(&mut self, place: &'static str, cell: &Cell) {
        match place {
            REMARKS => {}
            "/signalledOn" | "/arisenOn" | "/supplyEndsOn" | "/person/birthDate" => {
                let date = self.sift(place, cell.date());
                match place {
                    "/signalledOn" => self.claim.signalled_on = date,
                    "/arisenOn" => self.claim.arisen_on = date,
                    "/supplyEndsOn" => self.claim.supply_ends_on = date,
                    _ => self.claim.person.birth_date = date,
                }
            }
            EUROS => self.claim.amount_cents = self.sift(place, cell.euros()),
            CENTS => self.claim.amount_cents = self.sift(place, cell.number()),
            "/isCrisis" => self.claim.is_crisis = self.sift(place, cell.boolean()),
            "/warmHandover" => self.claim.warm_handover = self.sift(place, cell.boolean()),
            _ => {
                let max = if place == "/reference" {
                    REFERENCE_MAX_CHARS
                } else {
                    TEXT_MAX_CHARS
                };
                let text = self.sift(place, cell.text(max));
                let claim = &mut self.claim;
                let slot = match place {
                    "/reference" => &mut claim.reference,
                    "/kind" => &mut claim.kind,
                    "/municipality" => &mut claim.municipality,
                    "/partnerType" => &mut claim.partner_type,
                    "/person/bsn" => &mut claim.person.bsn,
                    "/person/initials" => &mut claim.person.initials,
                    "/person/prefix" => &mut claim.person.prefix,
                    "/person/surname" => &mut claim.person.surname,
                    "/address/street" => &mut claim.address.street,
                    "/address/postcode" => &mut claim.address.postcode,
                    "/address/houseNumber" => &mut claim.address.house_number,
                    "/address/suffix" => &mut claim.address.suffix,
                    "/address/town" => &mut claim.address.town,
                    _ => &mut self.house_letter,
                };
                *slot = text;
                // Spreadsheets eat leading zeros, and what comes out of them as text has none either.
                if place == "/municipality"
                    && let Some(code) = &mut claim.municipality
                    && code.bytes().all(|byte| byte.is_ascii_digit())
                {
                    *code = format!("{code:0>4}");
                }
            }
        }
    }

    fn take_field(&mut self, name: &str, cell: &Cell) {
        let place = format!("/fields/{name}");
        let claimed = match cell {
            Cell::Number(number) => Some(FieldClaim::NumberCell(sheet_number(*number))),
            cell => self
                .sift(&place, cell.text(TEXT_MAX_CHARS))
                .map(FieldClaim::Cell),
        };
        if let Some(claimed) = claimed {
            self.claim.fields.insert(name.to_owned(), claimed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::sync::Arc;
    use voorveld_policy::Policy;

    use crate::deliveries::Defaults;

    pub(crate) fn reading() -> Reading {
        Reading {
            policy: Arc::new(Policy::shipped()),
            partner: Arc::new(voorveld_store::partners::Partner {
                id: "a".into(),
                name: "A".into(),
                municipalities: vec!["0518".into()],
                kinds: vec!["rent_arrears".into()],
                partner_types: vec!["rent".into()],
                rows_per_minute: 1,
                natural_key: false,
                disabled_at: None,
            }),
            defaults: Defaults::default(),
        }
    }

    fn headings(words: &str) -> Result<Columns, &'static str> {
        let words: Vec<String> = words.split(';').map(str::to_owned).collect();
        Columns::of_headings(&words, &reading()).map_err(|fault| match fault {
            FileFault::Refused { code, detail } => {
                assert!(!detail.contains("GEHEIM"));
                code
            }
            _ => "other",
        })
    }

    #[test]
    fn no_two_columns_answer_to_one_name() {
        let mut seen = BTreeSet::new();
        for column in TEMPLATE_COLUMNS.iter().chain(&OTHER_COLUMNS) {
            assert!(seen.insert(squeezed(column.heading)), "{}", column.heading);
            for alias in column.aliases {
                assert!(seen.insert((*alias).to_owned()), "{alias}");
                assert_eq!(squeezed(alias), *alias);
            }
        }
    }

    #[test]
    fn headings_read_in_dutch_and_english_and_are_checked_whole() {
        assert!(headings("Kenmerk;Soort;Gemeentecode;Huur per maand").is_ok());
        assert!(headings("reference;kind;municipality;isCrisis;house_number;monthly_rent").is_ok());
        for (words, code) in [
            ("", "heading_row_missing"),
            ("A-1;rent_arrears;0518;GEHEIM", "heading_row_missing"),
            ("Kenmerk;Soort;Gemeentecode;GEHEIM", "column_unknown"),
            ("Kenmerk;Soort;Gemeentecode;;Bedrag", "column_unknown"),
            ("Kenmerk;Soort;Gemeentecode;Soort", "column_twice"),
            ("Kenmerk;Bedrag", "column_missing"),
        ] {
            assert_eq!(headings(words).err(), Some(code), "{words}");
        }
    }

    #[test]
    fn a_row_reads_by_its_headings_and_says_what_it_could_not() {
        let columns = headings(
            "Kenmerk;Soort;Gemeentecode;Bedrag;Signaaldatum;Huisletter;Toevoeging;Huur per maand",
        )
        .unwrap();
        let cells: Vec<Cell> = [
            "A-1",
            "rent_arrears",
            "0518",
            "veel",
            "1-2-2026",
            "A",
            "II",
            "650,50",
        ]
        .into_iter()
        .map(Cell::of_text)
        .collect();
        let row = columns.row(2, &cells, &reading()).unwrap();
        assert_eq!(
            row.flaws,
            [Flaw::new("/amountCents", FlawCode::AmountFormat)]
        );
        assert_eq!(columns.names.shown("/amountCents"), "Bedrag");
        assert_eq!(row.claim.address.suffix.as_deref(), Some("A II"));
        assert!(row.claim.fields.contains_key("monthly_rent"));
        for (written, code) in [
            ("518", "0518"),
            ("7", "0007"),
            ("0518", "0518"),
            ("x18", "x18"),
        ] {
            let mut cells = cells.clone();
            cells[2] = Cell::of_text(written);
            let row = columns.row(2, &cells, &reading()).unwrap();
            assert_eq!(row.claim.municipality.as_deref(), Some(code));
        }
        for (written, kind) in [
            ("Huurachterstand", "rent_arrears"),
            (" huurachterstand ", "rent_arrears"),
            ("Huurachterstanden", "Huurachterstanden"),
        ] {
            let mut cells = cells.clone();
            cells[1] = Cell::of_text(written);
            let row = columns.row(2, &cells, &reading()).unwrap();
            assert_eq!(row.claim.kind.as_deref(), Some(kind));
        }
        let short = columns.row(3, &cells[..3], &reading()).unwrap();
        assert_eq!(short.flaws, [Flaw::new("", FlawCode::CellCount)]);
        assert!(
            columns
                .row(4, &[Cell::Empty, Cell::Empty], &reading())
                .is_none()
        );
    }
}
