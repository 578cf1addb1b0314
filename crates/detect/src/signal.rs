//! A signal as the decision sees it: when, what and how much. Who it is about is sealed elsewhere (I9).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::{Timestamp, civil::Date};
use voorveld_domain::{
    Cents, DebtorId, FieldName, Filing, KindId, PartnerId, PartnerType, Presence, Revision,
    SignalDomain, SignalId, Standing,
};

use crate::rule::RuleSettings;

/// One copy of a signal. Copies of the same signal order by (revision, filing, presence, standing): the greatest one is what is
/// true (S3, S4). The rest of the order only makes two different copies that claim the same place in it a settled matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signal {
    /// How often the partner said something new.
    pub revision: Revision,
    /// How often the household was decided anew.
    pub filing: Filing,
    /// Whether it lives in this household or has left it.
    pub presence: Presence,
    /// Whether it counts, and if not why.
    pub standing: Standing,
    /// Which signal this is a copy of.
    pub id: SignalId,
    /// Who sent it.
    pub partner: PartnerId,
    /// What sort of organisation that is.
    pub partner_type: PartnerType,
    /// The kind from `config/signals.yaml`.
    pub kind: KindId,
    /// The field of life that kind is about.
    pub domain: SignalDomain,
    /// The event date (T1).
    pub event_date: Date,
    /// When the first revision came in: deadlines count from here (T5).
    pub first_received_at: Timestamp,
    /// When this revision came in: knowledge time (T1).
    pub received_at: Timestamp,
    /// The arrears, when told.
    pub amount: Option<Cents>,
    /// The partner calls it a crisis.
    pub crisis: bool,
    /// The partner hands the resident over in person.
    pub warm_handover: bool,
    /// When supply ends, if this says so.
    pub supply_ends_on: Option<Date>,
    /// The person it names, as far as people are told apart (S7).
    pub debtor: Option<DebtorId>,
    /// What else its kind carries (S8).
    pub fields: BTreeMap<FieldName, FieldValue>,
}

impl Signal {
    /// Whether it counts (S4), as far as its copy says; [`Signal::counts_on`] asks for its retention besides.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.presence == Presence::LivesHere && self.standing == Standing::Counted
    }

    /// Whether it counts on a day: its retention is not over then either (S4, T2).
    #[must_use]
    pub fn counts_on(&self, settings: &RuleSettings, as_of: Date) -> bool {
        self.counts()
            && settings
                .expires_on(&self.kind, self.event_date)
                .is_none_or(|end| as_of < end)
    }

    /// The order in which signals of a household came to be known: first receipt, ties by id.
    #[must_use]
    pub fn receipt_order(&self) -> (Timestamp, SignalId) {
        (self.first_received_at, self.id)
    }

    /// The order of events: event date, ties by id (T3).
    #[must_use]
    pub fn event_order(&self) -> (Date, SignalId) {
        (self.event_date, self.id)
    }
}

/// What a field of a signal holds (S8): never free text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum FieldValue {
    /// A number in the unit of its field.
    Number(Decimal),
    /// A day.
    Date(Date),
    /// Yes or no.
    Bool(bool),
    /// A code from the list of its field.
    Code(Box<str>),
}

/// A number with three decimals, held in thousandths: exact, ordered, never a float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Decimal(i64);

/// Why a text is no [`Decimal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a number with at most three decimals")]
pub struct DecimalError;

impl Decimal {
    const SCALE: i64 = 1_000;

    /// A whole number.
    #[must_use]
    pub fn whole(raw: i32) -> Self {
        Self(i64::from(raw) * Self::SCALE)
    }

    /// A number of thousandths.
    #[must_use]
    pub const fn from_thousandths(raw: i64) -> Self {
        Self(raw)
    }

    /// The number of thousandths.
    #[must_use]
    pub const fn thousandths(self) -> i64 {
        self.0
    }
}

/// `16`, `16.5`, `-0.125`: a point for storage and files; screens put a comma there.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0.is_negative() { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1_000, self.0.unsigned_abs() % 1_000);
        if rest == 0 {
            return write!(f, "{sign}{whole}");
        }
        let decimals = format!("{rest:03}");
        write!(f, "{sign}{whole}.{}", decimals.trim_end_matches('0'))
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;
    fn from_str(raw: &str) -> Result<Self, DecimalError> {
        let (negative, digits) = match raw.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, raw),
        };
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
        let numeric = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !numeric(whole) || !numeric(decimals) || decimals.len() > 3 {
            return Err(DecimalError);
        }
        let number = format!("{whole}{decimals:0<3}")
            .parse::<i64>()
            .map_err(|_| DecimalError)?;
        Ok(Self(if negative { -number } else { number }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_reads_back_exactly() {
        for (raw, thousandths) in [
            ("0", 0),
            ("16", 16_000),
            ("16.5", 16_500),
            ("-0.125", -125),
            ("9007199254740993", 9_007_199_254_740_993_000),
        ] {
            let number: Decimal = raw.parse().expect(raw);
            assert_eq!(number.thousandths(), thousandths);
            assert_eq!(number.to_string(), raw);
        }
        for raw in [
            "",
            "1,5",
            "1.2345",
            "1.",
            ".5",
            "1e3",
            "--1",
            "99999999999999999999",
        ] {
            assert_eq!(raw.parse::<Decimal>(), Err(DecimalError), "{raw}");
        }
    }
}
