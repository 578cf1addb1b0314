//! JSON: intake claims line by line, and DDAS vroegsignalering documents of two versions.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::field_json;
use crate::partner::Partner;
use crate::row::{Cell, Row};

/// One intake claim per line.
pub(super) fn ndjson(rows: &[Row]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend(claim(row).to_string().into_bytes());
        bytes.push(b'\n');
    }
    bytes
}

/// The claim as `POST /v1/signals` takes it; what is empty is left out.
fn claim(row: &Row) -> Value {
    let mut claim = Map::new();
    let mut put = |name: &str, value: Value| {
        if value != json!("") && value != json!({}) {
            claim.insert(name.to_owned(), value);
        }
    };
    put("reference", json!(row.reference));
    put("kind", json!(row.kind));
    put("municipality", json!(row.municipality));
    put("signalledOn", json!(date_text(&row.signalled_on)));
    if let Some(date) = row.arisen_on {
        put("arisenOn", json!(date.to_string()));
    }
    match row.amount_cents {
        Some(Cell::Good(cents)) => put("amountCents", json!(cents)),
        Some(Cell::Nonsense(raw)) => put("amountCents", json!(raw)),
        None => {}
    }
    if row.crisis {
        put("isCrisis", json!(true));
    }
    if row.warm_handover {
        put("warmHandover", json!(true));
    }
    if let Some(date) = row.supply_ends_on {
        put("supplyEndsOn", json!(date.to_string()));
    }
    let fields: Map<String, Value> = row
        .fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), field_json(value)))
        .collect();
    put("fields", Value::Object(fields));
    put(
        "person",
        present([
            ("bsn", row.bsn.as_str()),
            ("initials", &row.initials),
            ("prefix", &row.prefix),
            ("surname", &row.surname),
            (
                "birthDate",
                &row.birth_date
                    .map(|date| date.to_string())
                    .unwrap_or_default(),
            ),
        ]),
    );
    put(
        "address",
        present([
            ("street", row.street.as_str()),
            ("postcode", &row.postcode),
            ("houseNumber", &row.house_number),
            ("suffix", &row.suffix),
            ("town", &row.town),
        ]),
    );
    Value::Object(claim)
}

/// A DDAS v0.9 document: the client with name and address.
pub(super) fn ddas_09(partner: &Partner, municipality: &str, day: Date, rows: &[Row]) -> Vec<u8> {
    let signals = rows.iter().map(|row| {
        ddas_signal(
            partner,
            row,
            present([
                ("Burgerservicenummer", row.bsn.as_str()),
                ("Voorletters", &row.initials),
                ("Voorvoegsel", &row.prefix),
                ("Achternaam", &row.surname),
                (
                    "Geboortedatum",
                    &row.birth_date
                        .map(|date| date.to_string())
                        .unwrap_or_default(),
                ),
                ("Straatnaam", &row.street),
                ("Postcode", &row.postcode),
                ("Huisnummer", &row.house_number),
                ("Huisnummertoevoeging", &row.suffix),
                ("Plaatsnaam", &row.town),
            ]),
        )
    });
    document(
        day,
        &json!({
            "teller": 1,
            "gemeentecode": municipality,
            "aanleverende_organisatie": {
                "naam": partner.name,
                "kvk-nummer": "00000000",
                "contactpersoonen": [contact()],
            },
            "vroegsignalen": signals.collect::<Vec<_>>(),
            "vroegsignaalzaken": [],
        }),
    )
}

/// A DDAS v1.2 document: the client by citizen service number alone.
pub(super) fn ddas_12(partner: &Partner, municipality: &str, day: Date, rows: &[Row]) -> Vec<u8> {
    let signals = rows.iter().map(|row| {
        ddas_signal(
            partner,
            row,
            present([("burgerservicenummer", row.bsn.as_str())]),
        )
    });
    document(
        day,
        &json!({
            "teller": 1,
            "gemeentecode": municipality,
            "vroegsignalen": signals.collect::<Vec<_>>(),
            "vroegsignaalzaken": [],
            "aanleverendeOrganisatie": {
                "naam": partner.name,
                "kvk-nummer": "00000000",
                "contactpersonen": [contact()],
            },
        }),
    )
}

fn ddas_signal(partner: &Partner, row: &Row, client: Value) -> Value {
    let mut signal = Map::new();
    let mut put = |name: &str, value: Value| {
        signal.insert(name.to_owned(), value);
    };
    put("ID", json!(row.reference));
    put("crisissignaal", json!(row.crisis));
    put("warmeOverdracht", json!(row.warm_handover));
    if let Some(Cell::Good(cents)) = row.amount_cents {
        put("bedrag", json!(cents / 100));
    }
    if let Some(date) = row.arisen_on {
        put("ontstaansdatum", json!(date.to_string()));
    }
    put("signaaldatum", json!(date_text(&row.signalled_on)));
    put("status", json!("Nog niet opgepakt"));
    put(
        "signaalpartner",
        json!({ "type": partner.partner_type.label() }),
    );
    put("client", client);
    Value::Object(signal)
}

fn document(day: Date, delivery: &Value) -> Vec<u8> {
    let document = json!({
        "codeGegevensleverancier": "NAGEBOOTST",
        "startdatumLevering": day.first_of_month().to_string(),
        "einddatumLevering": day.last_of_month().to_string(),
        "aanleverdatumEnTijd": format!("{day}T06:00:00Z"),
        "leveringen": [delivery],
    });
    let mut bytes = serde_json::to_vec_pretty(&document).expect("a value of ours becomes text");
    bytes.push(b'\n');
    bytes
}

fn contact() -> Value {
    json!({
        "naam": "Nagebootst",
        "telefoonnummer": "000-0000000",
        "email": "nagebootst@voorveld.example",
        "functietitel": "Bestaat niet",
    })
}

fn date_text(date: &Cell<Date>) -> String {
    match date {
        Cell::Good(date) => date.to_string(),
        Cell::Nonsense(raw) => (*raw).to_owned(),
    }
}

/// An object of what is not empty.
fn present<const N: usize>(pairs: [(&str, &str); N]) -> Value {
    pairs
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name.to_owned(), json!(text)))
        .collect::<Map<_, _>>()
        .into()
}
