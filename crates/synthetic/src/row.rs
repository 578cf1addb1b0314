//! One row of a partner's file before it is written: what it says, and what must become of it.

use jiff::civil::Date;

use crate::partner::Partner;
use crate::place::Household;

/// What a partner says once. Amounts in cents, dates as dates; a format writes them its own way.
#[derive(Clone, PartialEq, Eq)]
pub struct Row {
    /// The partner's reference; empty when it forgot.
    pub reference: String,
    /// Kind of signal.
    pub kind: &'static str,
    /// CBS code.
    pub municipality: String,
    /// `signaaldatum`.
    pub signalled_on: Cell<Date>,
    /// `ontstaansdatum`.
    pub arisen_on: Option<Date>,
    /// Arrears in cents.
    pub amount_cents: Option<Cell<u32>>,
    /// `crisissignaal`.
    pub crisis: bool,
    /// `warme overdracht`.
    pub warm_handover: bool,
    /// When supply ends, in a notice of that.
    pub supply_ends_on: Option<Date>,
    /// Fields of the kind's own.
    pub fields: Vec<(&'static str, FieldValue)>,
    /// Citizen service number, where the partner may use it.
    pub bsn: String,
    /// `A.B.`
    pub initials: String,
    /// `van der`
    pub prefix: String,
    /// Family name as this partner spells it.
    pub surname: String,
    /// Birth date.
    pub birth_date: Option<Date>,
    /// Street.
    pub street: String,
    /// Postcode as this partner writes it.
    pub postcode: String,
    /// House number as this partner writes it.
    pub house_number: String,
    /// Letter or suffix as this partner writes it.
    pub suffix: String,
    /// Town.
    pub town: String,
    /// What must become of it.
    pub fate: Fate,
    /// Which household it is about, by its number.
    pub household: u32,
}

/// A value, or the nonsense that stands in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell<T> {
    /// As it should be.
    Good(T),
    /// Text that is no such value.
    Nonsense(&'static str),
}

/// A kind's own field (S8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldValue {
    /// A whole number.
    Number(u32),
    /// Yes or no.
    Boolean(bool),
    /// A civil date.
    Date(Date),
    /// A code of the field's list.
    Code(&'static str),
}

/// What must become of a row at the door and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// A new signal.
    Accepted,
    /// The next revision of a signal sent before.
    Corrected,
    /// A repetition that changes nothing.
    Unchanged,
    /// Accepted, but no household can be told: it waits for a person. Why, as a code.
    Unplaced(&'static str),
    /// Refused, with this code.
    Refused(&'static str),
}

impl Fate {
    /// What the gateway says of the row.
    #[must_use]
    pub const fn at_the_door(self) -> &'static str {
        match self {
            Self::Accepted | Self::Unplaced(_) => "accepted",
            Self::Corrected => "corrected",
            Self::Unchanged => "unchanged",
            Self::Refused(_) => "refused",
        }
    }

    /// Why it was refused or waits; empty else.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unplaced(code) | Self::Refused(code) => code,
            _ => "",
        }
    }
}

impl Row {
    /// A row about this household, its resident with this number (the last where there are fewer), without amount or mistakes.
    pub(crate) fn about(
        partner: &Partner,
        household: &Household,
        resident: usize,
        municipality: &str,
        kind: &'static str,
        signalled_on: Date,
    ) -> Self {
        let person = &household.residents[resident.min(household.residents.len() - 1)];
        Self {
            reference: String::new(),
            kind,
            municipality: municipality.to_owned(),
            signalled_on: Cell::Good(signalled_on),
            arisen_on: None,
            amount_cents: None,
            crisis: false,
            warm_handover: false,
            supply_ends_on: None,
            fields: Vec::new(),
            bsn: if partner.knows_bsn {
                person.bsn.clone()
            } else {
                String::new()
            },
            initials: person.initials.clone(),
            prefix: person.prefix.clone(),
            surname: person.surname.clone(),
            birth_date: Some(person.birth_date),
            street: household.street.clone(),
            postcode: household.postcode.clone(),
            house_number: household.number.to_string(),
            suffix: household.suffix.to_owned(),
            town: crate::place::TOWN.to_owned(),
            fate: Fate::Accepted,
            household: household.index,
        }
    }
}
