//! Reading a claim from JSON, with everything that is wrong at once and a JSON Pointer for each.

use jiff::civil::Date;
use serde_json::{Map, Value};

use super::{
    AddressClaim, Claim, FIELD_NAME_MAX_BYTES, FIELDS_MAX, FieldClaim, Flaw, FlawCode, PersonClaim,
    REFERENCE_MAX_CHARS, TEXT_MAX_CHARS, UNKNOWN_TOLD_MAX,
};

/// The `type` a CloudEvent with a signal carries: reverse DNS of the subject, one version, no organisation's name.
pub const CLOUDEVENT_TYPE: &str = "nl.vroegsignalering.signaal-aangeleverd.v1";

/// The attributes of a CloudEvent (1.0, NL GOV profile) and the extensions that profile names.
const CLOUDEVENT_ATTRIBUTES: [&str; 12] = [
    "specversion",
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "data",
    "dataref",
    "sequence",
    "sequencetype",
];

/// Takes values out of one JSON object and notes what is wrong with them.
pub struct ClaimReader<'a> {
    object: &'a Map<String, Value>,
    pointer: String,
    known: Vec<&'static str>,
    /// What is wrong so far.
    pub flaws: Vec<Flaw>,
}

impl<'a> ClaimReader<'a> {
    /// Reads from this object, which stands at `pointer`.
    #[must_use]
    pub fn new(object: &'a Map<String, Value>, pointer: impl Into<String>) -> Self {
        Self {
            object,
            pointer: pointer.into(),
            known: Vec::new(),
            flaws: Vec::new(),
        }
    }

    /// The pointer of one of its fields.
    #[must_use]
    pub fn place(&self, name: &str) -> String {
        format!(
            "{}/{}",
            self.pointer,
            name.replace('~', "~0").replace('/', "~1")
        )
    }

    fn flaw(&mut self, name: &str, code: FlawCode, expected: Option<&'static str>) {
        let flaw = Flaw::new(self.place(name), code);
        self.flaws.push(match expected {
            Some(expected) => flaw.expecting(expected),
            None => flaw,
        });
    }

    /// The value of a field; JSON `null` reads as absent.
    pub fn value(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.push(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A text without control characters, trimmed, at most `max` characters. Empty reads as absent.
    pub fn text(&mut self, name: &'static str, max: usize) -> Option<String> {
        let Some(raw) = self.value(name)?.as_str() else {
            self.flaw(
                name,
                FlawCode::WrongType,
                Some("Zet hier een tekst, tussen aanhalingstekens."),
            );
            return None;
        };
        match clean_text(raw, max) {
            Ok(text) => text,
            Err(code) => {
                self.flaw(name, code, None);
                None
            }
        }
    }

    /// A date as JSON writes it.
    pub fn date(&mut self, name: &'static str) -> Option<Date> {
        let value = self.value(name)?;
        let date = value.as_str().and_then(iso_date);
        if date.is_none() {
            self.flaw(
                name,
                FlawCode::DateFormat,
                Some("Schrijf de datum als 2026-12-31."),
            );
        }
        date
    }

    /// Yes or no.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let value = self.value(name)?;
        let answer = value.as_bool();
        if answer.is_none() {
            self.flaw(
                name,
                FlawCode::WrongType,
                Some("Zet hier true of false, zonder aanhalingstekens."),
            );
        }
        answer
    }

    /// A whole number.
    pub fn number(&mut self, name: &'static str) -> Option<i64> {
        let value = self.value(name)?;
        let number = value.as_i64();
        if number.is_none() {
            self.flaw(
                name,
                FlawCode::WrongType,
                Some("Zet hier een heel getal, zonder aanhalingstekens."),
            );
        }
        number
    }

    /// An object within this one.
    pub fn object(&mut self, name: &'static str) -> Option<ClaimReader<'a>> {
        let value = self.value(name)?;
        let inner = value.as_object();
        if inner.is_none() {
            self.flaw(name, FlawCode::NotAnObject, None);
        }
        inner.map(|inner| ClaimReader::new(inner, self.place(name)))
    }

    /// Notes every field that nobody asked for. A name that could be anything is not repeated: only its place in the object is told.
    #[must_use]
    pub fn finish(mut self) -> Vec<Flaw> {
        let mut unknown = 0;
        for (position, name) in self.object.keys().enumerate() {
            if self.known.contains(&name.as_str()) {
                continue;
            }
            unknown += 1;
            if unknown <= UNKNOWN_TOLD_MAX {
                let flaw = Flaw::new(self.pointer.clone(), FlawCode::FieldUnknown)
                    .expecting(format!(
                        "Het {}e veld van dit object kennen wij niet. Haal het weg of verbeter de naam.",
                        position + 1
                    ));
                self.flaws.push(flaw);
            }
        }
        if unknown > UNKNOWN_TOLD_MAX {
            let flaw = Flaw::new(self.pointer, FlawCode::FieldUnknown).expecting(format!(
                "Nog {} velden van dit object kennen wij niet. Haal ze weg of verbeter de namen.",
                unknown - UNKNOWN_TOLD_MAX
            ));
            self.flaws.push(flaw);
        }
        self.flaws
    }
}

/// Trims a text and checks that it is one. `Ok(None)`: nothing was said.
pub fn clean_text(raw: &str, max: usize) -> Result<Option<String>, FlawCode> {
    let text = raw.trim();
    if text.is_empty() {
        Ok(None)
    } else if text.chars().any(char::is_control) {
        Err(FlawCode::TextNotAllowed)
    } else if text.chars().count() > max {
        Err(FlawCode::TooLong)
    } else {
        Ok(Some(text.to_owned()))
    }
}

/// `2026-12-31` and nothing else: jiff alone would also take a week date or a date with a time.
pub(crate) fn iso_date(raw: &str) -> Option<Date> {
    let bytes = raw.as_bytes();
    let shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if shaped { raw.parse().ok() } else { None }
}

/// Reads a claim from a JSON object that stands at `pointer`. What could not be read is absent from the claim and among the flaws.
#[must_use]
pub fn claim_in_json(value: &Value, pointer: &str) -> (Claim, Vec<Flaw>) {
    let Some(object) = value.as_object() else {
        return (
            Claim::default(),
            vec![Flaw::new(pointer, FlawCode::NotAnObject)],
        );
    };
    let mut reader = ClaimReader::new(object, pointer);
    let mut claim = Claim {
        reference: reader.text("reference", REFERENCE_MAX_CHARS),
        kind: reader.text("kind", TEXT_MAX_CHARS),
        municipality: reader.text("municipality", TEXT_MAX_CHARS),
        partner_type: reader.text("partnerType", TEXT_MAX_CHARS),
        signalled_on: reader.date("signalledOn"),
        arisen_on: reader.date("arisenOn"),
        amount_cents: reader.number("amountCents"),
        is_crisis: reader.boolean("isCrisis"),
        warm_handover: reader.boolean("warmHandover"),
        supply_ends_on: reader.date("supplyEndsOn"),
        ..Claim::default()
    };
    let mut inner_flaws = Vec::new();
    if let Some(mut person) = reader.object("person") {
        claim.person = PersonClaim {
            bsn: person.text("bsn", TEXT_MAX_CHARS),
            initials: person.text("initials", TEXT_MAX_CHARS),
            prefix: person.text("prefix", TEXT_MAX_CHARS),
            surname: person.text("surname", TEXT_MAX_CHARS),
            birth_date: person.date("birthDate"),
        };
        inner_flaws.extend(person.finish());
    }
    if let Some(mut address) = reader.object("address") {
        claim.address = AddressClaim {
            street: address.text("street", TEXT_MAX_CHARS),
            postcode: address.text("postcode", TEXT_MAX_CHARS),
            house_number: address.text("houseNumber", TEXT_MAX_CHARS),
            suffix: address.text("suffix", TEXT_MAX_CHARS),
            town: address.text("town", TEXT_MAX_CHARS),
        };
        inner_flaws.extend(address.finish());
    }
    if let Some(fields) = reader.object("fields") {
        let place = fields.pointer.clone();
        if fields.object.len() > FIELDS_MAX {
            inner_flaws.push(
                Flaw::new(place, FlawCode::TooLong)
                    .expecting("Een signaal heeft hoogstens 32 eigen velden."),
            );
        } else {
            for (name, value) in fields.object {
                if name.len() > FIELD_NAME_MAX_BYTES {
                    inner_flaws.push(
                        Flaw::new(place.clone(), FlawCode::FieldUnknown)
                            .expecting("Een naam in dit object is te lang om van ons te zijn."),
                    );
                    continue;
                }
                let claimed = match value {
                    Value::String(text) if text.chars().count() > TEXT_MAX_CHARS => {
                        inner_flaws.push(Flaw::new(place.clone(), FlawCode::TooLong));
                        continue;
                    }
                    Value::Null => continue,
                    Value::Bool(answer) => Some(FieldClaim::Boolean(*answer)),
                    Value::Number(number) => Some(FieldClaim::Number(number.to_string())),
                    Value::String(text) => Some(FieldClaim::Text(text.clone())),
                    Value::Array(_) | Value::Object(_) => None,
                };
                match claimed {
                    Some(claimed) => {
                        claim.fields.insert(name.clone(), claimed);
                    }
                    None => inner_flaws.push(Flaw::new(place.clone(), FlawCode::WrongType).expecting(
                        "Een eigen veld is een getal, een datum, ja of nee (true, false) of een code.",
                    )),
                }
            }
        }
    }
    let mut flaws = reader.finish();
    flaws.extend(inner_flaws);
    (claim, flaws)
}

/// Takes the signal out of a CloudEvent (NL GOV profile) that stands at `pointer`.
#[must_use]
pub fn claim_in_cloud_event(value: &Value, pointer: &str) -> (Claim, Vec<Flaw>) {
    let Some(object) = value.as_object() else {
        return (
            Claim::default(),
            vec![Flaw::new(pointer, FlawCode::NotAnObject)],
        );
    };
    let mut reader = ClaimReader::new(object, pointer);
    for (name, expected) in [
        ("specversion", Some("1.0")),
        ("type", Some(CLOUDEVENT_TYPE)),
        ("id", None),
        ("source", None),
    ] {
        match (reader.text(name, 2_048), expected) {
            (None, _) => {
                let place = reader.place(name);
                if !reader.flaws.iter().any(|flaw| flaw.place == place) {
                    reader.flaw(name, FlawCode::Required, None);
                }
            }
            (Some(said), Some(wanted)) if said != wanted => {
                let place = reader.place(name);
                reader.flaws.push(
                    Flaw::new(place, FlawCode::CodeUnknown)
                        .expecting(format!("Zet hier {wanted}.")),
                );
            }
            _ => {}
        }
    }
    for name in CLOUDEVENT_ATTRIBUTES {
        let _ = reader.value(name);
    }
    let (claim, inner) = match object.get("data") {
        Some(data) => claim_in_json(data, &reader.place("data")),
        None => (
            Claim::default(),
            vec![Flaw::new(reader.place("data"), FlawCode::Required)],
        ),
    };
    let mut flaws = reader.finish();
    flaws.extend(inner);
    (claim, flaws)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(flaws: &[Flaw]) -> Vec<(&str, &str)> {
        flaws
            .iter()
            .map(|flaw| (flaw.place.as_str(), flaw.code.code()))
            .collect()
    }

    #[test]
    fn a_whole_claim_reads_without_a_flaw() {
        let (claim, flaws) = claim_in_json(
            &json!({
                "reference": " A-1 ", "kind": "rent_arrears", "municipality": "0518", "signalledOn": "2026-02-02",
                "arisenOn": "2025-12-01", "amountCents": 45_000, "isCrisis": false, "fields": {"monthly_rent_cents": 70_000},
                "person": {"surname": "Voorbeeld", "birthDate": "1985-06-15"},
                "address": {"postcode": "1234AB", "houseNumber": "10"}
            }),
            "",
        );
        assert_eq!(flaws, []);
        assert_eq!(claim.reference.as_deref(), Some("A-1"));
        assert_eq!(claim.amount_cents, Some(45_000));
        assert_eq!(format!("{claim:?}"), "Claim(…)");
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_in_place_without_a_value() {
        let (_, flaws) = claim_in_json(
            &json!({
                "reference": 7, "signalledOn": "02-02-2026", "amountCents": 12.5, "isCrisis": "ja", "GEHEIM": 1,
                "person": {"surname": "GEHEIM\u{7}", "GEHEIM": 1}, "address": [], "fields": {"GEHEIM": []}
            }),
            "/3",
        );
        assert_eq!(
            places(&flaws),
            [
                ("/3/reference", "wrong_type"),
                ("/3/signalledOn", "date_format"),
                ("/3/amountCents", "wrong_type"),
                ("/3/isCrisis", "wrong_type"),
                ("/3/address", "not_an_object"),
                ("/3", "field_unknown"),
                ("/3/person/surname", "text_not_allowed"),
                ("/3/person", "field_unknown"),
                ("/3/fields", "wrong_type"),
            ]
        );
        assert!(!format!("{flaws:?}").contains("GEHEIM"));
    }

    #[test]
    fn what_a_claim_holds_on_to_is_small_however_long_it_was() {
        let long = "x".repeat(60_000);
        let (claim, flaws) = claim_in_json(
            &json!({"fields": {"a": long, long.clone(): 1, "b": "x".repeat(200), "c": 1}}),
            "",
        );
        assert_eq!(
            places(&flaws),
            [("/fields", "too_long"), ("/fields", "field_unknown")]
        );
        assert_eq!(claim.text_bytes(), 203);
        let many: Map<String, Value> = (0..10_000).map(|n| (n.to_string(), json!(1))).collect();
        let (_, flaws) = claim_in_json(&Value::Object(many), "");
        assert_eq!(flaws.len(), UNKNOWN_TOLD_MAX + 1);
        assert!(flaws.last().unwrap().expected.starts_with("Nog 9980 "));
    }

    #[test]
    fn only_a_calendar_date_is_a_date() {
        for (raw, fits) in [
            ("2026-02-28", true),
            ("2026-02-30", false),
            ("2026-W05-1", false),
            ("2026-02-28T00:00:00", false),
            ("20260228", false),
            ("-00026-2-2", false),
        ] {
            assert_eq!(iso_date(raw).is_some(), fits, "{raw}");
        }
    }

    #[test]
    fn an_envelope_is_checked_and_opened() {
        let (claim, flaws) = claim_in_cloud_event(
            &json!({"specversion": "1.0", "id": "1", "source": "urn:nld:oin:00000001234567890000",
                    "type": CLOUDEVENT_TYPE, "time": "2026-02-02T10:00:00Z", "data": {"reference": "A-1"}}),
            "",
        );
        assert_eq!((claim.reference.as_deref(), flaws), (Some("A-1"), vec![]));
        let (_, flaws) = claim_in_cloud_event(
            &json!({"specversion": "0.3", "source": 1, "type": CLOUDEVENT_TYPE, "GEHEIM": 1}),
            "",
        );
        assert_eq!(
            places(&flaws),
            [
                ("/specversion", "code_unknown"),
                ("/id", "required"),
                ("/source", "wrong_type"),
                ("", "field_unknown"),
                ("/data", "required"),
            ]
        );
    }
}
