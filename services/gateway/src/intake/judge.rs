//! From claim to signal: everything that can be said against it, at once (S6, S8, I7).
//!
//! Knows the partner, the kinds and the law; knows no database, so it cannot tell a new signal from a repeated one.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use serde::Serialize;
use voorveld_domain::{
    Address, Bsn, Cents, FieldName, Identity, KindId, MunicipalityCode, PartnerType, PersonName,
};
use voorveld_policy::{
    AmountUse, FieldShape, FieldValue as PolicyValue, IntakeRefusal, Policy, SUPPLY_ENDS_ON,
    SignalKind,
};
use voorveld_store::partners::Partner;
use voorveld_wire::intake_v1::{Claim, FieldClaim, Flaw, FlawCode, Warning, WarningCode};
use voorveld_wire::signal_v1::{FieldValue, is_our_day};

use crate::deliveries::dutch_number;

/// A claim that is in order. Whether it may come in depends on whether its signal is known: see [`Bench::admit`].
#[derive(Debug, Clone)]
pub struct Accepted {
    /// The partner's reference; `None` only where the partner's feed has a natural key.
    pub reference: Option<String>,
    /// The municipality.
    pub municipality: MunicipalityCode,
    /// What the partner said about the matter: what a digest is taken of (S2).
    pub said: Said,
    /// Whose debt or situation it is: what is sealed.
    pub identity: Identity,
    /// Official type under which it counts.
    pub partner_type: PartnerType,
    /// Subject area of the kind.
    pub domain: String,
    /// The date it is about, where the partner said one (T1).
    pub event_date: Option<Date>,
    /// S6.
    pub age_unknown: bool,
    /// What is odd.
    pub warnings: Vec<Warning>,
    /// The kind's own fields, as the law asks for them.
    fields: BTreeMap<FieldName, PolicyValue>,
}

/// What was said, as it was understood. Nothing that we conclude ourselves is in it: another setting must not make an old file look new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// The kind.
    pub kind: String,
    /// The partner type, where one was named.
    pub partner_type: Option<&'static str>,
    /// `signaaldatum`.
    pub signalled_on: Option<Date>,
    /// `ontstaansdatum`.
    pub arisen_on: Option<Date>,
    /// The amount.
    pub amount_cents: Option<u32>,
    /// A threatening situation.
    pub crisis: bool,
    /// Handed over in person.
    pub warm_handover: bool,
    /// When supply ends.
    pub supply_ends_on: Option<Date>,
    /// The kind's own fields.
    pub fields: BTreeMap<String, FieldValue>,
}

/// What of a claim decides, with its kind and fields, whether it may come in (S6).
#[derive(Debug, Clone, Copy)]
struct Dates {
    signalled_on: Option<Date>,
    arisen_on: Option<Date>,
    crisis: bool,
    warm_handover: bool,
}

/// T1: what has no date of its own is about the day of its first receipt.
fn asked<'a>(
    kind: &'a SignalKind,
    dates: Dates,
    fields: &'a BTreeMap<FieldName, PolicyValue>,
    first_received_on: Date,
) -> voorveld_policy::Claim<'a> {
    let event_date = kind.dated_by(fields).or(dates.signalled_on);
    voorveld_policy::Claim {
        kind,
        event_date: event_date.unwrap_or(first_received_on),
        arisen_on: dates.arisen_on,
        crisis: dates.crisis,
        warm_handover: dates.warm_handover,
        fields,
    }
}

/// What a claim is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Bench<'a> {
    /// Kinds and law.
    pub policy: &'a Policy,
    /// Who sent it.
    pub partner: &'a Partner,
    /// Municipalities served here.
    pub served: &'a BTreeSet<MunicipalityCode>,
    /// Today in Amsterdam.
    pub today: Date,
}

impl Bench<'_> {
    /// Judges a claim whose reading already found `flaws`. Places are those of the JSON form: `/signalledOn`, `/person/bsn`.
    pub fn judge(&self, claim: Claim, flaws: Vec<Flaw>) -> Result<Accepted, Vec<Flaw>> {
        let unread = |flaw: &Flaw| flaw.place.is_empty() && flaw.code.leaves_nothing();
        if flaws.iter().any(unread) {
            return Err(flaws);
        }
        let mut against = Against(flaws);
        if claim.reference.is_none() && !self.partner.natural_key {
            against.unless_told("/reference", FlawCode::ReferenceMissing);
        }
        if claim
            .reference
            .as_ref()
            .is_some_and(|reference| !reference.bytes().all(|b| (b' '..=b'~').contains(&b)))
        {
            against.say(
                Flaw::new("/reference", FlawCode::TextNotAllowed).expecting(
                    "Gebruik in het kenmerk alleen gewone letters, cijfers en leestekens, zonder accenten.",
                ),
            );
        }
        let municipality = self.municipality(claim.municipality.as_deref(), &mut against);
        let kind = self.kind(claim.kind.as_deref(), &mut against);
        let named_type = named_partner_type(claim.partner_type.as_deref(), &mut against);
        let amount_cents = amount(claim.amount_cents, kind, &mut against);
        let (fields, supply_ends_on) = match kind {
            Some(kind) => fields(kind, &claim, &mut against),
            None => (BTreeMap::new(), None),
        };
        let partner_type = kind.and_then(|kind| self.partner_type(kind, named_type, &mut against));
        let (identity, warnings) = identity(&claim, &mut against);
        for (place, day) in [
            ("/signalledOn", claim.signalled_on),
            ("/arisenOn", claim.arisen_on),
            ("/supplyEndsOn", claim.supply_ends_on),
            ("/person/birthDate", claim.person.birth_date),
        ] {
            if day.is_some_and(|day| !is_our_day(day)) {
                against.say(Flaw::new(place, FlawCode::DateRange));
            }
        }

        let mut dates = Dates {
            signalled_on: claim.signalled_on,
            arisen_on: claim.arisen_on,
            crisis: claim.is_crisis.unwrap_or(false),
            warm_handover: claim.warm_handover.unwrap_or(false),
        };
        let (Some(kind), Some(municipality), Some(partner_type), true) =
            (kind, municipality, partner_type, against.0.is_empty())
        else {
            // Everything that is wrong is told at once, also what another date would not mend.
            let event_date = kind
                .and_then(|kind| kind.dated_by(&fields))
                .or(dates.signalled_on);
            let date_is_known = !against.tells("/signalledOn") && event_date.is_none_or(is_our_day);
            if let (Some(kind), true) = (kind, date_is_known) {
                dates.arisen_on = dates.arisen_on.filter(|day| is_our_day(*day));
                against
                    .0
                    .extend(self.objections(kind, dates, &fields, self.today));
            }
            return Err(against.0);
        };
        let asked = asked(kind, dates, &fields, self.today);
        let age_unknown = self.policy.is_age_unknown(&asked);
        let mut warnings = warnings;
        if age_unknown {
            warnings.push(Warning {
                place: "/arisenOn".into(),
                code: WarningCode::AgeUnknown,
            });
        }
        Ok(Accepted {
            reference: claim.reference,
            municipality,
            said: Said {
                kind: kind.id.as_str().to_owned(),
                partner_type: named_type.map(PartnerType::code),
                signalled_on: claim.signalled_on,
                arisen_on: claim.arisen_on,
                amount_cents,
                crisis: dates.crisis,
                warm_handover: dates.warm_handover,
                supply_ends_on,
                fields: fields
                    .iter()
                    .map(|(name, value)| (name.as_str().to_owned(), on_the_wire(value)))
                    .collect(),
            },
            identity,
            partner_type,
            domain: kind.domain.as_str().to_owned(),
            event_date: kind.dated_by(&fields).or(claim.signalled_on),
            age_unknown,
            warnings,
            fields,
        })
    }

    /// What stands in the way of a claim that is in order, when its signal came in on `first_received_on` (S6). A claim that says nothing new
    /// is not asked: it was let in before.
    #[must_use]
    pub fn admit(&self, accepted: &Accepted, first_received_on: Date) -> Vec<Flaw> {
        let kind = self
            .policy
            .catalogue()
            .find(&accepted.said.kind)
            .expect("the kind was found when the claim was judged");
        let dates = Dates {
            signalled_on: accepted.said.signalled_on,
            arisen_on: accepted.said.arisen_on,
            crisis: accepted.said.crisis,
            warm_handover: accepted.said.warm_handover,
        };
        self.objections(kind, dates, &accepted.fields, first_received_on)
    }

    fn objections(
        &self,
        kind: &SignalKind,
        dates: Dates,
        fields: &BTreeMap<FieldName, PolicyValue>,
        first_received_on: Date,
    ) -> Vec<Flaw> {
        let asked = asked(kind, dates, fields, first_received_on);
        match self.policy.admit(&asked, self.today) {
            Ok(_) => Vec::new(),
            Err(refusals) => refusals.iter().map(refused).collect(),
        }
    }

    fn municipality(&self, raw: Option<&str>, against: &mut Against) -> Option<MunicipalityCode> {
        let Some(raw) = raw else {
            against.unless_told("/municipality", FlawCode::Required);
            return None;
        };
        match raw.parse::<MunicipalityCode>() {
            Err(_) => {
                against.say(Flaw::new("/municipality", FlawCode::MunicipalityFormat));
                None
            }
            Ok(code)
                if self.served.contains(&code)
                    && self
                        .partner
                        .municipalities
                        .iter()
                        .any(|own| own == code.as_str()) =>
            {
                Some(code)
            }
            Ok(_) => {
                against.say(Flaw::new("/municipality", FlawCode::MunicipalityNotServed));
                None
            }
        }
    }

    fn kind(&self, raw: Option<&str>, against: &mut Against) -> Option<&SignalKind> {
        let Some(raw) = raw else {
            against.unless_told("/kind", FlawCode::Required);
            return None;
        };
        let found = raw
            .parse::<KindId>()
            .ok()
            .and_then(|id| self.policy.catalogue().get(&id));
        let Some(kind) = found else {
            against.say(Flaw::new("/kind", FlawCode::KindUnknown));
            return None;
        };
        if self.partner.kinds.iter().any(|own| own == kind.id.as_str()) {
            Some(kind)
        } else {
            against.say(Flaw::new("/kind", FlawCode::KindNotAllowed));
            None
        }
    }

    /// The type under which the signal counts: the named one, else the only one that partner and kind share.
    fn partner_type(
        &self,
        kind: &SignalKind,
        named: Option<PartnerType>,
        against: &mut Against,
    ) -> Option<PartnerType> {
        let mut shared = sendable_as(kind, self.partner);
        match named {
            Some(named) if shared.any(|one| one == named) => Some(named),
            Some(_) => {
                against.say(Flaw::new("/partnerType", FlawCode::PartnerTypeNotAllowed));
                None
            }
            None if against.tells("/partnerType") => None,
            None => match (shared.next(), shared.next()) {
                (Some(only), None) => Some(only),
                (None, _) => {
                    against.say(Flaw::new("/partnerType", FlawCode::PartnerTypeNotAllowed));
                    None
                }
                (Some(_), Some(_)) => {
                    against.say(Flaw::new("/partnerType", FlawCode::PartnerTypeNeeded));
                    None
                }
            },
        }
    }
}

/// The types under which this partner may send this kind. A kind of one type needs no word of the partner's: who may send rent arrears acts as
/// a landlord.
pub fn sendable_as(kind: &SignalKind, partner: &Partner) -> impl Iterator<Item = PartnerType> {
    let is_plain = kind.partner_types.len() == 1;
    kind.partner_types
        .iter()
        .copied()
        .filter(move |one| is_plain || partner.partner_types.iter().any(|own| own == one.code()))
}

/// What is said against a claim.
struct Against(Vec<Flaw>);

impl Against {
    fn say(&mut self, flaw: Flaw) {
        self.0.push(flaw);
    }

    fn tells(&self, place: &str) -> bool {
        self.0.iter().any(|flaw| flaw.place == place)
    }

    /// A value that is missing because it could not be read was told already.
    fn unless_told(&mut self, place: &str, code: FlawCode) {
        if !self.tells(place) {
            self.say(Flaw::new(place, code));
        }
    }
}

fn refused(refusal: &IntakeRefusal) -> Flaw {
    let (place, code) = match refusal {
        IntakeRefusal::NoLegalGround { .. } => ("/kind", FlawCode::NoLegalGround),
        IntakeRefusal::TooYoung { .. } => ("/arisenOn", FlawCode::ArrearsTooYoung),
        IntakeRefusal::TooOld { .. } => ("/arisenOn", FlawCode::ArrearsTooOld),
        IntakeRefusal::OlderThanRetention { .. } => ("/signalledOn", FlawCode::OlderThanRetention),
        IntakeRefusal::InFuture { .. } => ("/signalledOn", FlawCode::InFuture),
    };
    Flaw::new(place, code).expecting(refusal.words())
}

/// A partner type by our code or by its official label.
fn named_partner_type(raw: Option<&str>, against: &mut Against) -> Option<PartnerType> {
    let raw = raw?;
    let found = raw
        .parse()
        .ok()
        .or_else(|| PartnerType::from_ddas(raw))
        .or_else(|| {
            PartnerType::ALL
                .iter()
                .copied()
                .find(|known| known.label().eq_ignore_ascii_case(raw))
        });
    if found.is_none() {
        against.say(Flaw::new("/partnerType", FlawCode::PartnerTypeUnknown));
    }
    found
}

/// Zero reads as absent.
fn amount(raw: Option<i64>, kind: Option<&SignalKind>, against: &mut Against) -> Option<u32> {
    let amount_use = kind.map_or(AmountUse::Optional, |kind| kind.amount);
    let said = raw.filter(|cents| *cents != 0);
    match (said, amount_use) {
        (Some(_), AmountUse::Never) => {
            against.say(Flaw::new("/amountCents", FlawCode::AmountNotAllowed));
            None
        }
        (None, AmountUse::Required) => {
            against.unless_told("/amountCents", FlawCode::Required);
            None
        }
        (None, _) => None,
        (Some(cents), _) => {
            let cents = Cents::try_from(cents).ok();
            if cents.is_none() {
                against.say(Flaw::new("/amountCents", FlawCode::AmountRange));
            }
            cents.map(Cents::get)
        }
    }
}

/// The kind's own fields, typed. The end of supply may stand among them or by itself.
fn fields(
    kind: &SignalKind,
    claim: &Claim,
    against: &mut Against,
) -> (BTreeMap<FieldName, PolicyValue>, Option<Date>) {
    let mut found = BTreeMap::new();
    let mut unknown = 0;
    for (name, value) in &claim.fields {
        let Some(field) = kind.field(name) else {
            unknown += 1;
            continue;
        };
        let place = format!("/fields/{}", field.name.as_str());
        let (fits, raw) = match (value, &field.shape) {
            // A text of a file is read as people here write it: the point of 1.250 parts thousands, as in an amount.
            (FieldClaim::Cell(raw), FieldShape::Number { .. }) => {
                (true, dutch_number(raw).unwrap_or_default().into())
            }
            (FieldClaim::Number(raw), FieldShape::Number { .. })
            | (FieldClaim::Text(raw), FieldShape::Date | FieldShape::Code(_))
            | (FieldClaim::Cell(raw) | FieldClaim::NumberCell(raw), _) => {
                (true, Cow::Borrowed(raw.as_str()))
            }
            (FieldClaim::Boolean(true), FieldShape::Boolean) => (true, "true".into()),
            (FieldClaim::Boolean(false), FieldShape::Boolean) => (true, "false".into()),
            _ => (false, Cow::default()),
        };
        let code = match &field.shape {
            _ if !fits => FlawCode::WrongType,
            FieldShape::Number { .. } => FlawCode::NumberFormat,
            FieldShape::Date => FlawCode::DateFormat,
            FieldShape::Boolean => FlawCode::BooleanFormat,
            FieldShape::Code(_) => FlawCode::CodeUnknown,
        };
        let parsed = if fits { field.parse(&raw).ok() } else { None };
        if let Some(value) = parsed {
            if matches!(value, PolicyValue::Date(day) if !is_our_day(day)) {
                against.say(Flaw::new(place, FlawCode::DateRange));
            }
            found.insert(field.name.clone(), value);
        } else {
            let expected = format!("Wij verwachten hier {}.", field.expected());
            against.say(Flaw::new(place, code).expecting(expected));
        }
    }
    if unknown > 0 {
        against.say(Flaw::new("/fields", FlawCode::FieldUnknown).expecting(format!(
            "Dit soort signaal kent {unknown} van deze velden niet. Haal ze weg of verbeter de naam."
        )));
    }
    if let Some(ends_on) = claim.supply_ends_on {
        match kind.field(SUPPLY_ENDS_ON) {
            Some(field) => {
                found.insert(field.name.clone(), PolicyValue::Date(ends_on));
            }
            None => against.say(
                Flaw::new("/supplyEndsOn", FlawCode::FieldUnknown)
                    .expecting("Dit soort signaal heeft geen datum waarop de levering stopt."),
            ),
        }
    }
    for field in kind.missing_fields(&found) {
        let place = if field.name.as_str() == SUPPLY_ENDS_ON {
            "/supplyEndsOn".to_owned()
        } else {
            format!("/fields/{}", field.name.as_str())
        };
        if !against.tells(&place) {
            against.0.push(
                Flaw::new(place, FlawCode::Required)
                    .expecting(format!("Vul dit veld in: {}.", field.expected())),
            );
        }
    }
    let ends_on = found
        .iter()
        .find(|(name, _)| name.as_str() == SUPPLY_ENDS_ON)
        .and_then(|(_, value)| match value {
            PolicyValue::Date(date) => Some(*date),
            _ => None,
        });
    (found, ends_on)
}

fn identity(claim: &Claim, against: &mut Against) -> (Identity, Vec<Warning>) {
    let mut warnings = Vec::new();
    let bsn = match claim.person.bsn.as_deref().map(Bsn::parse) {
        None => None,
        Some(Err(_)) => {
            against.say(Flaw::new("/person/bsn", FlawCode::BsnFormat));
            None
        }
        Some(Ok(bsn)) => {
            if !bsn.passes_eleven_test() {
                warnings.push(Warning {
                    place: "/person/bsn".into(),
                    code: WarningCode::BsnElevenTest,
                });
            }
            Some(bsn)
        }
    };
    let identity = Identity {
        bsn,
        name: PersonName {
            initials: claim.person.initials.clone(),
            prefix: claim.person.prefix.clone(),
            surname: claim.person.surname.clone(),
        },
        birth_date: claim.person.birth_date,
        address: Address {
            street: claim.address.street.clone(),
            postcode: claim.address.postcode.clone(),
            house_number: claim.address.house_number.clone(),
            suffix: claim.address.suffix.clone(),
            town: claim.address.town.clone(),
        },
    };
    let somebody = claim.person.bsn.is_some()
        || identity.name.surname.is_some()
        || identity.address.is_placeable();
    let told = ["/person", "/address"]
        .iter()
        .any(|part| against.0.iter().any(|flaw| flaw.place.starts_with(part)));
    if !somebody && !told {
        against.say(Flaw::new("/person", FlawCode::PersonMissing));
    }
    if !identity.address.is_placeable() {
        warnings.push(Warning {
            place: "/address".into(),
            code: WarningCode::AddressIncomplete,
        });
    }
    (identity, warnings)
}

fn on_the_wire(value: &PolicyValue) -> FieldValue {
    match value {
        PolicyValue::Number(number) => FieldValue::Number(number.thousandths()),
        PolicyValue::Date(date) => FieldValue::Date(*date),
        PolicyValue::Bool(answer) => FieldValue::Boolean(*answer),
        PolicyValue::Code(code) => FieldValue::Code(code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use serde_json::{Value, json};
    use voorveld_wire::intake_v1::claim_in_json;

    fn partner() -> Partner {
        Partner {
            id: "woonstede".into(),
            name: "Woonstede".into(),
            municipalities: vec!["0518".into(), "0307".into()],
            kinds: [
                "rent_arrears",
                "supply_end_notice",
                "school_absence_16h",
                "reporting_code_report",
            ]
            .map(String::from)
            .to_vec(),
            partner_types: vec![
                "rent".into(),
                "energy".into(),
                "water".into(),
                "school".into(),
                "care".into(),
            ],
            rows_per_minute: 1,
            natural_key: false,
            disabled_at: None,
        }
    }

    fn judge(changes: &Value) -> Result<Accepted, Vec<(String, &'static str)>> {
        let mut whole = json!({
            "reference": "A-1", "kind": "rent_arrears", "municipality": "0518", "signalledOn": "2026-02-02",
            "arisenOn": "2025-12-01", "amountCents": 45_000,
            "person": {"surname": "Voorbeeld"}, "address": {"postcode": "1234AB", "houseNumber": "10"}
        });
        for (name, value) in changes.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let (claim, flaws) = claim_in_json(&whole, "");
        let policy = Policy::shipped();
        let bench = Bench {
            policy: &policy,
            partner: &partner(),
            served: &BTreeSet::from(["0518".parse().unwrap()]),
            today: date(2026, 2, 3),
        };
        let judged = bench.judge(claim, flaws).and_then(|accepted| {
            let flaws = bench.admit(&accepted, bench.today);
            if flaws.is_empty() {
                Ok(accepted)
            } else {
                Err(flaws)
            }
        });
        judged.map_err(|flaws| {
            flaws
                .into_iter()
                .map(|flaw| (flaw.place, flaw.code.code()))
                .collect()
        })
    }

    #[test]
    fn every_refusal_of_the_law_has_a_code_at_the_door() {
        for code in IntakeRefusal::CODES {
            assert!(
                FlawCode::ALL.iter().any(|known| known.code() == code),
                "{code}"
            );
        }
    }

    #[test]
    fn a_good_claim_becomes_a_signal_with_its_type() {
        let accepted = judge(&json!({"fields": {"monthly_rent": 650.5}})).unwrap();
        assert_eq!(accepted.partner_type, PartnerType::Rent);
        assert_eq!(accepted.event_date, Some(date(2026, 2, 2)));
        assert_eq!(
            accepted.said.fields["monthly_rent"],
            FieldValue::Number(650_500)
        );
        assert!(accepted.warnings.is_empty() && !accepted.age_unknown);
    }

    #[test]
    fn each_refusal_says_where_and_what() {
        for (changes, expected) in [
            (
                json!({"reference": null}),
                vec![("/reference", "reference_missing")],
            ),
            (
                json!({"reference": "é"}),
                vec![("/reference", "text_not_allowed")],
            ),
            (json!({"kind": null}), vec![("/kind", "required")]),
            (json!({"kind": "made_up"}), vec![("/kind", "kind_unknown")]),
            (
                json!({"kind": "water_arrears"}),
                vec![("/kind", "kind_not_allowed")],
            ),
            (
                json!({"municipality": "518"}),
                vec![("/municipality", "municipality_format")],
            ),
            (
                json!({"municipality": "0307"}),
                vec![("/municipality", "municipality_not_served")],
            ),
            (
                json!({"municipality": "0363"}),
                vec![("/municipality", "municipality_not_served")],
            ),
            (
                json!({"partnerType": "Huren"}),
                vec![("/partnerType", "partner_type_unknown")],
            ),
            (
                json!({"partnerType": "Water"}),
                vec![("/partnerType", "partner_type_not_allowed")],
            ),
            (
                json!({"signalledOn": "2026-02-05"}),
                vec![("/signalledOn", "in_future")],
            ),
            (
                json!({"arisenOn": "2026-01-20"}),
                vec![("/arisenOn", "arrears_too_young")],
            ),
            (
                json!({"amountCents": -5}),
                vec![("/amountCents", "amount_range")],
            ),
            (
                json!({"amountCents": 1_000_000_001}),
                vec![("/amountCents", "amount_range")],
            ),
            (
                json!({"person": null, "address": null}),
                vec![("/person", "person_missing")],
            ),
            (
                json!({"person": {"bsn": "12"}}),
                vec![("/person/bsn", "bsn_format")],
            ),
            (
                json!({"fields": {"monthly_rent": "650"}}),
                vec![("/fields/monthly_rent", "wrong_type")],
            ),
            (
                json!({"fields": {"monthly_rent": 0}}),
                vec![("/fields/monthly_rent", "number_format")],
            ),
            (
                json!({"fields": {"GEHEIM": 1}}),
                vec![("/fields", "field_unknown")],
            ),
            (
                json!({"supplyEndsOn": "2026-03-01"}),
                vec![("/supplyEndsOn", "field_unknown")],
            ),
            (
                json!({"kind": "supply_end_notice", "partnerType": "energy"}),
                vec![("/supplyEndsOn", "required")],
            ),
            (
                json!({"kind": "supply_end_notice", "supplyEndsOn": "2026-03-01"}),
                vec![("/partnerType", "partner_type_needed")],
            ),
            (
                json!({"reference": null, "kind": "made_up", "signalledOn": "x", "amountCents": "x"}),
                vec![
                    ("/signalledOn", "date_format"),
                    ("/amountCents", "wrong_type"),
                    ("/reference", "reference_missing"),
                    ("/kind", "kind_unknown"),
                ],
            ),
        ] {
            let found = judge(&changes).expect_err(&changes.to_string());
            let found: Vec<_> = found
                .iter()
                .map(|(place, code)| (place.as_str(), *code))
                .collect();
            assert_eq!(found, expected, "{changes}");
        }
    }

    #[test]
    fn a_date_in_a_year_that_is_not_ours_is_refused_where_it_stands() {
        let supply_end = json!({"kind": "supply_end_notice", "partnerType": "energy"});
        for (mut changes, place, name) in [
            (json!({}), "/signalledOn", "signalledOn"),
            (json!({}), "/arisenOn", "arisenOn"),
            (supply_end.clone(), "/supplyEndsOn", "supplyEndsOn"),
            (supply_end, "/fields/supply_ends_on", "supply_ends_on"),
            (json!({}), "/person/birthDate", "birthDate"),
        ] {
            for year in ["0001", "1899", "2200", "9999"] {
                let day = json!(format!("{year}-02-03"));
                match name {
                    "supply_ends_on" => changes["fields"] = json!({"supply_ends_on": day}),
                    "birthDate" => {
                        changes["person"] = json!({"surname": "Voorbeeld", "birthDate": day});
                    }
                    name => changes[name] = day,
                }
                assert_eq!(
                    judge(&changes).err(),
                    Some(vec![(place.to_owned(), "date_range")]),
                    "{changes}"
                );
            }
        }
    }

    #[test]
    fn a_kind_without_a_ground_is_refused_with_that_reason() {
        let found = judge(&json!({"kind": "school_absence_16h", "amountCents": null})).unwrap_err();
        assert!(
            found.contains(&("/kind".into(), "no_legal_ground")),
            "{found:?}"
        );
    }

    #[test]
    fn what_is_odd_is_told_but_comes_in() {
        let accepted = judge(&json!({
            "arisenOn": null, "amountCents": 0, "person": {"bsn": "123456789"}, "address": null
        }))
        .unwrap();
        let codes: Vec<_> = accepted
            .warnings
            .iter()
            .map(|warning| warning.code.code())
            .collect();
        assert_eq!(
            codes,
            ["bsn_eleven_test", "address_incomplete", "age_unknown"]
        );
        assert_eq!(accepted.said.amount_cents, None);
    }

    #[test]
    fn an_end_of_supply_stands_by_itself_or_among_the_fields() {
        for changes in [
            json!({"kind": "supply_end_notice", "partnerType": "energy", "supplyEndsOn": "2026-03-01"}),
            json!({"kind": "supply_end_notice", "partnerType": "Energie", "fields": {"supply_ends_on": "2026-03-01"}}),
        ] {
            let accepted = judge(&changes).unwrap();
            assert_eq!(accepted.said.supply_ends_on, Some(date(2026, 3, 1)));
            assert_eq!(
                accepted.said.fields["supply_ends_on"],
                FieldValue::Date(date(2026, 3, 1))
            );
        }
    }
}
