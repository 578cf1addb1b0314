//! What a partner says, version 1: the claim that comes in at every door, and what can be wrong with it.
//!
//! A [`Claim`] is not yet believed: the gateway judges it against the partner, the signal kinds and the law. Reading collects everything
//! that is wrong at once, says where and what was expected, and never repeats a value: the value may be personal. Unlike the internal
//! topics, intake tolerates no unknown field.

mod flaw;
mod json;

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

pub use flaw::{Flaw, FlawCode, Warning, WarningCode};
pub use json::{CLOUDEVENT_TYPE, ClaimReader, claim_in_cloud_event, claim_in_json, clean_text};

/// Longest reference of a partner, in characters.
pub const REFERENCE_MAX_CHARS: usize = 128;
/// Longest part of a name or address, in characters.
pub const TEXT_MAX_CHARS: usize = 200;
/// Most fields of its own that a signal may carry.
pub const FIELDS_MAX: usize = 32;
/// Longest name of such a field, in bytes; no kind has a longer one.
pub const FIELD_NAME_MAX_BYTES: usize = 64;
/// Most unknown fields of one object that are told one by one.
pub const UNKNOWN_TOLD_MAX: usize = 20;

/// A value of a kind's own field before anybody has looked up its type.
#[derive(Clone, PartialEq, Eq)]
pub enum FieldClaim {
    /// A JSON number, as it was written.
    Number(String),
    /// A JSON boolean.
    Boolean(bool),
    /// A JSON text: a date or a code.
    Text(String),
    /// A cell of a file: any type, as it is written in the Netherlands.
    Cell(String),
    /// A number of a spreadsheet. How it looks on the sheet is not in it: a point is the decimal mark.
    NumberCell(String),
}

/// Whom the signal names, by the partner's word.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PersonClaim {
    /// Eight or nine digits.
    pub bsn: Option<String>,
    /// Initials.
    pub initials: Option<String>,
    /// Prefix of the family name.
    pub prefix: Option<String>,
    /// Family name.
    pub surname: Option<String>,
    /// Birth date.
    pub birth_date: Option<Date>,
}

/// Where that person lives, by the partner's word.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AddressClaim {
    /// Street.
    pub street: Option<String>,
    /// Postcode as written.
    pub postcode: Option<String>,
    /// House number as written.
    pub house_number: Option<String>,
    /// Letter and suffix as written.
    pub suffix: Option<String>,
    /// Town.
    pub town: Option<String>,
}

/// One signal as a partner states it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Claim {
    /// The partner's own reference: with the partner, the identity of the signal (S1).
    pub reference: Option<String>,
    /// The kind of signal.
    pub kind: Option<String>,
    /// CBS code of the municipality.
    pub municipality: Option<String>,
    /// Partner type: our code, or the official label to the letter.
    pub partner_type: Option<String>,
    /// `signaaldatum` (T1).
    pub signalled_on: Option<Date>,
    /// `ontstaansdatum`; serves only the intake age.
    pub arisen_on: Option<Date>,
    /// Whole euro cents, perhaps out of range.
    pub amount_cents: Option<i64>,
    /// A threatening situation.
    pub is_crisis: Option<bool>,
    /// The partner hands over in person.
    pub warm_handover: Option<bool>,
    /// When supply ends.
    pub supply_ends_on: Option<Date>,
    /// The kind's own fields.
    pub fields: BTreeMap<String, FieldClaim>,
    /// Whom it names.
    pub person: PersonClaim,
    /// Where that person lives.
    pub address: AddressClaim,
}

impl Claim {
    /// About how many bytes of memory its texts take.
    #[must_use]
    pub fn text_bytes(&self) -> usize {
        let PersonClaim {
            bsn,
            initials,
            prefix,
            surname,
            birth_date: _,
        } = &self.person;
        let AddressClaim {
            street,
            postcode,
            house_number,
            suffix,
            town,
        } = &self.address;
        let texts: usize = [
            &self.reference,
            &self.kind,
            &self.municipality,
            &self.partner_type,
            bsn,
            initials,
            prefix,
            surname,
            street,
            postcode,
            house_number,
            suffix,
            town,
        ]
        .into_iter()
        .flatten()
        .map(String::len)
        .sum();
        let fields = self.fields.iter().map(|(name, value)| {
            name.len()
                + match value {
                    FieldClaim::Boolean(_) => 0,
                    FieldClaim::Number(text)
                    | FieldClaim::Text(text)
                    | FieldClaim::Cell(text)
                    | FieldClaim::NumberCell(text) => text.len(),
                }
        });
        texts + fields.sum::<usize>()
    }
}

macro_rules! prints_nothing {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )+};
}
prints_nothing!(Claim, PersonClaim, AddressClaim, FieldClaim);

/// A signal. What is not needed must not be sent: a name that is not here is refused.
//
// Reading is done by [`claim_in_json`], which knows the same names; this shape is for the API document.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Signal)]
pub struct SignalV1 {
    /// Your own reference. With you as sender it is the identity of the signal: the same reference later is the same signal.
    #[schema(
        min_length = 1,
        max_length = 128,
        pattern = r"^[!-~]([ -~]*[!-~])?$",
        example = "HA-2026-000123"
    )]
    pub reference: String,
    /// The kind of signal, from the list you agreed on.
    #[schema(
        min_length = 1,
        max_length = 64,
        pattern = "^[a-z0-9][a-z0-9_]*$",
        example = "rent_arrears"
    )]
    pub kind: String,
    /// CBS code of the municipality.
    #[schema(pattern = "^[0-9]{4}$", example = "0518")]
    pub municipality: String,
    /// Partner type, only where you act as more than one: a code of ours or the official label.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, required = false, example = "rent")]
    pub partner_type: Option<String>,
    /// The date the signal is about (`signaaldatum`). Absent: the day we receive it.
    #[schema(value_type = String, format = Date, nullable = false, required = false, example = "2026-02-02")]
    pub signalled_on: Option<Date>,
    /// Since when there are arrears (`ontstaansdatum`).
    #[schema(value_type = String, format = Date, nullable = false, required = false, example = "2025-12-20")]
    pub arisen_on: Option<Date>,
    /// The amount in whole euro cents. Zero reads as absent.
    #[schema(
        nullable = false,
        required = false,
        minimum = 0,
        maximum = 1_000_000_000,
        example = 45_000
    )]
    pub amount_cents: Option<i64>,
    /// A threatening situation (`crisissignaal`).
    #[schema(nullable = false, required = false)]
    pub is_crisis: Option<bool>,
    /// You hand this person over in person (`warmeOverdracht`).
    #[schema(nullable = false, required = false)]
    pub warm_handover: Option<bool>,
    /// When supply ends, for an end-of-supply notice.
    #[schema(value_type = String, format = Date, nullable = false, required = false)]
    pub supply_ends_on: Option<Date>,
    /// The kind's own fields: numbers, dates, booleans and codes, never free text.
    #[schema(value_type = Object, nullable = false, required = false)]
    pub fields: Option<BTreeMap<String, serde_json::Value>>,
    /// Whom it names.
    #[schema(nullable = false, required = false)]
    pub person: Option<PersonV1>,
    /// Where that person lives.
    #[schema(nullable = false, required = false)]
    pub address: Option<AddressV1>,
}

/// Whom a signal names. Sealed at the door.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Person)]
pub struct PersonV1 {
    /// Citizen service number, where you may use it.
    #[schema(nullable = false, required = false, pattern = "^[0-9]{8,9}$")]
    pub bsn: Option<String>,
    /// Initials.
    #[schema(nullable = false, required = false, max_length = 200, example = "A.B.")]
    pub initials: Option<String>,
    /// Prefix of the family name.
    #[schema(
        nullable = false,
        required = false,
        max_length = 200,
        example = "van der"
    )]
    pub prefix: Option<String>,
    /// Family name.
    #[schema(
        nullable = false,
        required = false,
        max_length = 200,
        example = "Voorbeeld"
    )]
    pub surname: Option<String>,
    /// Birth date.
    #[schema(value_type = String, format = Date, nullable = false, required = false, example = "1985-06-15")]
    pub birth_date: Option<Date>,
}

/// Where a person lives. Sealed at the door.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Address)]
pub struct AddressV1 {
    /// Street.
    #[schema(
        nullable = false,
        required = false,
        max_length = 200,
        example = "Voorbeeldstraat"
    )]
    pub street: Option<String>,
    /// Postcode.
    #[schema(
        nullable = false,
        required = false,
        max_length = 200,
        example = "1234AB"
    )]
    pub postcode: Option<String>,
    /// House number.
    #[schema(nullable = false, required = false, max_length = 200, example = "10")]
    pub house_number: Option<String>,
    /// Letter and suffix.
    #[schema(nullable = false, required = false, max_length = 200, example = "A")]
    pub suffix: Option<String>,
    /// Town.
    #[schema(
        nullable = false,
        required = false,
        max_length = 200,
        example = "Voorbeeldstad"
    )]
    pub town: Option<String>,
}
