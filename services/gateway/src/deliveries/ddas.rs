//! DDAS vroegsignalering documents, v0.9 and v1.2: each `vroegsignaal` is a signal.
//!
//! A document is one JSON value of any size; it is read as it streams by, one signal at a time. What it tells of another system's work
//! (`status`, `vroegsignaalzaken`) is counted and not imported.

use std::cell::Cell;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::rc::Rc;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::error::Category;
use voorveld_domain::PartnerType;
use voorveld_wire::intake_v1::{
    AddressClaim, Claim, ClaimReader, Flaw, FlawCode, PersonClaim, REFERENCE_MAX_CHARS,
    TEXT_MAX_CHARS,
};

use super::{FileFault, Names, Reading, Row, Sink, Survey};
use crate::config::{MAX_DELIVERY_ROWS, MAX_ROW_BYTES};

/// Most `leveringen` in one document: more than there are municipalities.
const MAX_LEVERINGEN: usize = 1_000;

/// Places of the JSON form and what the documents call them: v0.9, v1.2.
const PLACES: [(&str, &str, &str); 18] = [
    ("/reference", "/ID", "/ID"),
    ("/kind", "/signaalpartner/type", "/signaalpartner/type"),
    (
        "/partnerType",
        "/signaalpartner/type",
        "/signaalpartner/type",
    ),
    ("/municipality", "gemeentecode", "gemeentecode"),
    ("/signalledOn", "/signaaldatum", "/signaaldatum"),
    ("/arisenOn", "/ontstaansdatum", "/ontstaansdatum"),
    ("/amountCents", "/bedrag", "/bedrag"),
    ("/isCrisis", "/crisissignaal", "/crisissignaal"),
    ("/warmHandover", "/warmeOverdracht", "/warmeOverdracht"),
    ("/person", "/client", "/client"),
    (
        "/person/bsn",
        "/client/Burgerservicenummer",
        "/client/burgerservicenummer",
    ),
    ("/person/surname", "/client/Achternaam", "/client"),
    (
        "/person/birthDate",
        "/client/Geboortedatum",
        "/client/geboortedatum",
    ),
    ("/address", "/client", "/client"),
    ("/address/postcode", "/client/Postcode", "/client/postcode"),
    (
        "/address/houseNumber",
        "/client/Huisnummer",
        "/client/huisnummer",
    ),
    (
        "/address/suffix",
        "/client/Huisnummertoevoeging",
        "/client/huisnummertoevoeging",
    ),
    ("/address/town", "/client/Plaatsnaam", "/client"),
];

/// Which version a document keeps to, by the spelling of what only one of them has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V09,
    V12,
}

/// Finds out what a document holds, and that it is one to its last byte.
pub fn survey(file: &mut File) -> Result<Survey, FileFault> {
    let mut pass = Pass::new(None);
    pass.run(file)?;
    let version = pass.version.unwrap_or(Version::V12);
    let mut names = Names::default();
    for (place, v09, v12) in PLACES {
        names.call(place, if version == Version::V09 { v09 } else { v12 });
    }
    let format = match version {
        Version::V09 => "ddas-0.9",
        Version::V12 => "ddas-1.2",
    };
    let mut survey = Survey::of(format, names);
    survey.rows = pass.rows;
    survey.not_imported = pass.not_imported;
    survey.ddas_municipalities = Arc::new(pass.municipalities);
    Ok(survey)
}

/// Reads the signals of a surveyed document.
pub fn read(
    file: &mut File,
    reading: &Reading,
    municipalities: &[Option<String>],
    sink: &mut Sink<'_>,
) -> Result<(), FileFault> {
    Pass::new(Some(Taking {
        reading,
        municipalities,
        sink,
    }))
    .run(file)
}

/// What the second pass does with a signal.
struct Taking<'a, 'b> {
    reading: &'a Reading,
    municipalities: &'a [Option<String>],
    sink: &'a mut Sink<'b>,
}

/// One way through a document.
struct Pass<'a, 'b> {
    taking: Option<Taking<'a, 'b>>,
    budget: Rc<Cell<usize>>,
    rows: u64,
    not_imported: u64,
    municipalities: Vec<Option<String>>,
    version: Option<Version>,
    fault: Option<FileFault>,
    stopped: bool,
}

/// Lets no single part of a document be longer than a row may be.
struct Rationed {
    inner: BufReader<File>,
    budget: Rc<Cell<usize>>,
}

impl Read for Rationed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.get();
        if left == 0 {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let most = buffer.len().min(left);
        let got = self.inner.read(&mut buffer[..most])?;
        self.budget.set(left - got);
        Ok(got)
    }
}

impl<'a, 'b> Pass<'a, 'b> {
    fn new(taking: Option<Taking<'a, 'b>>) -> Self {
        Self {
            taking,
            budget: Rc::new(Cell::new(MAX_ROW_BYTES)),
            rows: 0,
            not_imported: 0,
            municipalities: Vec::new(),
            version: None,
            fault: None,
            stopped: false,
        }
    }

    fn run(&mut self, file: &mut File) -> Result<(), FileFault> {
        file.seek(SeekFrom::Start(0))?;
        let mut inner = BufReader::with_capacity(MAX_ROW_BYTES, file.try_clone()?);
        skip_mark(&mut inner)?;
        self.refill();
        let source = Rationed {
            inner,
            budget: Rc::clone(&self.budget),
        };
        let mut deserializer = serde_json::Deserializer::from_reader(source);
        let read = Document(self)
            .deserialize(&mut deserializer)
            .and_then(|()| deserializer.end());
        match read {
            Ok(()) => Ok(()),
            Err(_) if self.stopped => Ok(()),
            Err(error) => Err(self.fault.take().unwrap_or_else(|| match error.classify() {
                Category::Io if error.io_error_kind() == Some(io::ErrorKind::FileTooLarge) => {
                    FileFault::refused(
                        "signal_too_long",
                        format!("Bij regel {} staat een deel dat te lang is.", error.line()),
                    )
                }
                Category::Io => FileFault::Io(error.into()),
                Category::Data => FileFault::refused(
                    "document_shape",
                    format!(
                        "Bij regel {}, teken {} staat iets anders dan het DDAS-model voorschrijft.",
                        error.line(),
                        error.column()
                    ),
                ),
                Category::Syntax | Category::Eof => FileFault::refused(
                    "not_json",
                    format!(
                        "Dit is geen (hele) JSON: kijk bij regel {}, teken {}.",
                        error.line(),
                        error.column()
                    ),
                ),
            })),
        }
    }

    fn refill(&self) {
        self.budget.set(MAX_ROW_BYTES);
    }

    fn blame<E: serde::de::Error>(&mut self, fault: FileFault) -> E {
        self.fault = Some(fault);
        E::custom("refused")
    }

    fn unknown_field<E: serde::de::Error>(&mut self, object: &str) -> E {
        self.blame(FileFault::refused(
            "document_field_unknown",
            format!("In {object} staat een veld dat het DDAS-model niet kent."),
        ))
    }

    /// Takes one signal in; breaks off when the reader has had enough.
    fn signal(&mut self, value: &Value) -> ControlFlow<()> {
        self.rows += 1;
        if value.get("status").is_some_and(|status| !status.is_null()) {
            self.not_imported += 1;
        }
        let Some(taking) = &mut self.taking else {
            if let Some(client) = value.get("client").and_then(Value::as_object)
                && self.version.is_none()
            {
                self.version =
                    client
                        .keys()
                        .next()
                        .and_then(|key| key.chars().next())
                        .map(|first| {
                            if first.is_uppercase() {
                                Version::V09
                            } else {
                                Version::V12
                            }
                        });
            }
            return ControlFlow::Continue(());
        };
        let municipality = self
            .municipalities
            .len()
            .checked_sub(1)
            .and_then(|at| taking.municipalities.get(at))
            .cloned()
            .flatten();
        let (claim, flaws) = claim_of(value, municipality, taking.reading);
        (taking.sink)(Row {
            number: self.rows,
            claim,
            flaws,
        })
    }
}

fn skip_mark(reader: &mut BufReader<File>) -> io::Result<()> {
    use std::io::BufRead;
    if reader.fill_buf()?.starts_with(&[0xEF, 0xBB, 0xBF]) {
        reader.consume(3);
    }
    Ok(())
}

/// From an official signal to a claim. Places are translated to those of the JSON form, and back when they are shown.
fn claim_of(value: &Value, municipality: Option<String>, reading: &Reading) -> (Claim, Vec<Flaw>) {
    let Some(object) = value.as_object() else {
        return (Claim::default(), vec![Flaw::new("", FlawCode::NotAnObject)]);
    };
    let mut reader = ClaimReader::new(object, "");
    let mut claim = Claim {
        reference: reader.text("ID", REFERENCE_MAX_CHARS),
        municipality: municipality.or_else(|| reading.defaults.municipality.clone()),
        signalled_on: reader.date("signaaldatum"),
        arisen_on: reader.date("ontstaansdatum"),
        amount_cents: reader
            .number("bedrag")
            .map(|euros| euros.saturating_mul(100)),
        is_crisis: reader.boolean("crisissignaal"),
        warm_handover: reader.boolean("warmeOverdracht"),
        kind: reading.defaults.kind.clone(),
        ..Claim::default()
    };
    let _ = reader.value("status");
    let mut inner_flaws = Vec::new();
    if let Some(mut partner) = reader.object("signaalpartner") {
        claim.partner_type = partner.text("type", TEXT_MAX_CHARS);
        inner_flaws.extend(partner.finish());
    }
    if claim.kind.is_none() {
        let named = claim
            .partner_type
            .as_deref()
            .and_then(PartnerType::from_ddas);
        if let Some(kind) = named.and_then(|named| reading.policy.catalogue().of_ddas(named)) {
            claim.kind = Some(kind.id.as_str().to_owned());
        } else {
            inner_flaws.push(Flaw::new("/kind", FlawCode::PartnerTypeUnknown));
            claim.partner_type = None;
        }
    }
    if let Some(mut client) = reader.object("client") {
        let mut text = |v09, v12| {
            client
                .text(v09, TEXT_MAX_CHARS)
                .or_else(|| client.text(v12, TEXT_MAX_CHARS))
        };
        claim.person = PersonClaim {
            bsn: text("Burgerservicenummer", "burgerservicenummer"),
            initials: text("Voorletters", "voorletters"),
            prefix: text("Voorvoegsel", "voorvoegsel"),
            surname: text("Achternaam", "achternaam"),
            birth_date: None,
        };
        claim.address = AddressClaim {
            street: text("Straatnaam", "straatnaam"),
            postcode: text("Postcode", "postcode"),
            house_number: text("Huisnummer", "huisnummer"),
            suffix: text("Huisnummertoevoeging", "huisnummertoevoeging"),
            town: text("Plaatsnaam", "plaatsnaam"),
        };
        claim.person.birth_date = client
            .date("Geboortedatum")
            .or_else(|| client.date("geboortedatum"));
        // Known to the model; nothing we need.
        let _ = client.value("geslachtsaanduiding");
        inner_flaws.extend(client.finish());
    }
    let mut flaws = reader.finish();
    flaws.extend(inner_flaws);
    for flaw in &mut flaws {
        let known = PLACES
            .iter()
            .find(|(_, v09, v12)| flaw.place == *v09 || flaw.place == *v12);
        if let Some((place, ..)) = known {
            flaw.place = (*place).to_owned();
        }
    }
    (claim, flaws)
}

struct Document<'p, 'a, 'b>(&'p mut Pass<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Document<'_, '_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, '_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a DDAS document")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut has_any = false;
        while let Some(key) = map.next_key::<String>()? {
            self.0.refill();
            match key.as_str() {
                "leveringen" => {
                    has_any = true;
                    map.next_value_seed(Leveringen(self.0))?;
                }
                "codeGegevensleverancier"
                | "startdatumLevering"
                | "einddatumLevering"
                | "aanleverdatumEnTijd" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => return Err(self.0.unknown_field("het document")),
            }
            self.0.refill();
        }
        if has_any {
            Ok(())
        } else {
            Err(self.0.blame(FileFault::refused(
                "document_shape",
                "Dit document heeft geen leveringen.",
            )))
        }
    }
}

struct Leveringen<'p, 'a, 'b>(&'p mut Pass<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Leveringen<'_, '_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Leveringen<'_, '_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of leveringen")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Levering(self.0))?.is_some() {
            self.0.refill();
        }
        Ok(())
    }
}

struct Levering<'p, 'a, 'b>(&'p mut Pass<'a, 'b>);

impl<'de> DeserializeSeed<'de> for Levering<'_, '_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Levering<'_, '_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a levering")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let pass = self.0;
        if pass.municipalities.len() >= MAX_LEVERINGEN {
            return Err(pass.blame(FileFault::too_large(format!(
                "Een document heeft hoogstens {MAX_LEVERINGEN} leveringen."
            ))));
        }
        pass.municipalities.push(None);
        let at = pass.municipalities.len() - 1;
        while let Some(key) = map.next_key::<String>()? {
            pass.refill();
            match key.as_str() {
                "gemeentecode" => pass.municipalities[at] = Some(map.next_value::<String>()?),
                "vroegsignalen" => map.next_value_seed(Items(pass, Item::Signal))?,
                "vroegsignaalzaken" => map.next_value_seed(Items(pass, Item::Case))?,
                "aanleverende_organisatie" => {
                    pass.version = Some(Version::V09);
                    map.next_value::<IgnoredAny>()?;
                }
                "aanleverendeOrganisatie" => {
                    pass.version = Some(Version::V12);
                    map.next_value::<IgnoredAny>()?;
                }
                "teller" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => return Err(pass.unknown_field("een levering")),
            }
            pass.refill();
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Item {
    Signal,
    Case,
}

struct Items<'p, 'a, 'b>(&'p mut Pass<'a, 'b>, Item);

impl<'de> DeserializeSeed<'de> for Items<'_, '_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Items(pass, item) = self;
        loop {
            pass.refill();
            match item {
                Item::Case => {
                    if seq.next_element::<IgnoredAny>()?.is_none() {
                        return Ok(());
                    }
                    pass.not_imported += 1;
                }
                Item::Signal => {
                    let Some(Held(value)) = seq.next_element::<Held>()? else {
                        return Ok(());
                    };
                    if pass.rows >= MAX_DELIVERY_ROWS {
                        return Err(pass.blame(FileFault::too_large(format!(
                            "Een document heeft hoogstens {MAX_DELIVERY_ROWS} signalen. Knip het in delen."
                        ))));
                    }
                    if pass.signal(&value).is_break() {
                        pass.stopped = true;
                        return Err(A::Error::custom("enough"));
                    }
                }
            }
        }
    }
}

/// One signal, held in memory.
#[derive(Deserialize)]
struct Held(Value);
