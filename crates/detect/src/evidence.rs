//! Why: what a rule measured, about what, against which threshold. Data with one canonical text; `explain` turns it into Dutch.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use uuid::Uuid;
use voorveld_calendar::{Period, YearMonth};
use voorveld_domain::{Cents, FieldName, KindId, PartnerType, SignalId};

use crate::signal::Decimal;

/// One thing a rule measured. `Display` and `FromStr` are its canonical text, for storage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evidence {
    /// What was measured.
    pub measure: Measure,
    /// Of what.
    pub about: About,
    /// What the rule wants.
    pub threshold: Quantity,
    /// What there was.
    pub value: Quantity,
}

/// What can be measured.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// The types of partner that sent a signal in a month.
    PartnerTypes,
    /// The number of signals in a month.
    SignalsInMonth,
    /// The number of signals in the months before.
    SignalsBefore,
    /// The number of signals a rule could look at.
    SignalsLookedAt,
    /// The amount of a signal.
    Amount,
    /// The amount of a signal against so many times one of its fields.
    AmountAgainst(FieldName),
    /// The kind of a signal.
    Kind,
    /// The signal is a crisis.
    Crisis,
    /// The resident is handed over in person.
    WarmHandover,
    /// The day supply ends.
    SupplyEnd,
    /// The last day on which help is in time (M7).
    LastUsefulDay,
    /// A field of the signal.
    Field(FieldName),
    /// The number of signals within a window.
    CountWithin,
    /// The number of kinds within a window.
    KindsWithin,
    /// The number of domains within a window.
    DomainsWithin,
    /// The number of partners within a window.
    PartnersWithin,
    /// The number of partner types within a window.
    PartnerTypesWithin,
    /// The number of debtors who are told apart within a window.
    DebtorsWithin,
    /// The amounts within a window, together.
    SumWithin,
    /// The last amount of each partner, kind and debtor within a window, together.
    OwedWithin,
    /// The last amount within a window.
    LatestWithin,
    /// The highest amount within a window.
    MaximumWithin,
    /// The values of a field within a window, together.
    SumOf(FieldName),
    /// The last value of a field of each partner, kind and debtor within a window, together.
    SumOfLatest(FieldName),
    /// The last value of a field within a window.
    LatestOf(FieldName),
    /// The highest value of a field within a window.
    MaximumOf(FieldName),
    /// How many parts of a condition hold.
    PartsThatHold,
    /// How many steps of a sequence came one after the other.
    StepsInOrder,
    /// The amount of a signal against the one before it.
    RisenFrom,
    /// What should have followed within a period came, or did not.
    Followed,
    /// The last day of a term that must be over.
    TermOver,
    /// The day through which the feeds must be complete.
    FeedsComplete,
}

/// What a measure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The household as a whole.
    Household,
    /// A calendar month.
    Month(YearMonth),
    /// Some days.
    Period(Period),
    /// One signal.
    Signal(SignalId),
}

/// A value with its unit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Nothing was told, or the rule wants nothing in particular.
    Absent,
    /// Yes.
    Yes,
    /// No.
    No,
    /// So many.
    Count(u32),
    /// So much money.
    Cents(Cents),
    /// So much money together, in cents.
    Money(i64),
    /// A number in the unit of its field.
    Number(Decimal),
    /// A day.
    Date(Date),
    /// These types of partner, sorted.
    PartnerTypes(Vec<PartnerType>),
    /// A kind of signal.
    Kind(KindId),
    /// A code from a list.
    Code(Box<str>),
}

/// A text that is no evidence. Carries nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected evidence in its canonical text")]
pub struct EvidenceError;

const PLAIN_MEASURES: [(Measure, &str); 26] = [
    (Measure::PartnerTypes, "partner_types"),
    (Measure::SignalsInMonth, "signals_in_month"),
    (Measure::SignalsBefore, "signals_before"),
    (Measure::SignalsLookedAt, "signals_looked_at"),
    (Measure::Amount, "amount"),
    (Measure::Kind, "kind"),
    (Measure::Crisis, "crisis"),
    (Measure::WarmHandover, "warm_handover"),
    (Measure::SupplyEnd, "supply_end"),
    (Measure::LastUsefulDay, "last_useful_day"),
    (Measure::CountWithin, "count_within"),
    (Measure::KindsWithin, "kinds_within"),
    (Measure::DomainsWithin, "domains_within"),
    (Measure::PartnersWithin, "partners_within"),
    (Measure::PartnerTypesWithin, "partner_types_within"),
    (Measure::DebtorsWithin, "debtors_within"),
    (Measure::SumWithin, "sum_within"),
    (Measure::OwedWithin, "owed_within"),
    (Measure::LatestWithin, "latest_within"),
    (Measure::MaximumWithin, "maximum_within"),
    (Measure::PartsThatHold, "parts_that_hold"),
    (Measure::StepsInOrder, "steps_in_order"),
    (Measure::RisenFrom, "risen_from"),
    (Measure::Followed, "followed"),
    (Measure::TermOver, "term_over"),
    (Measure::FeedsComplete, "feeds_complete"),
];

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "field.{name}"),
            Self::AmountAgainst(name) => write!(f, "amount_against.{name}"),
            Self::SumOf(name) => write!(f, "sum_of.{name}"),
            Self::SumOfLatest(name) => write!(f, "sum_of_latest.{name}"),
            Self::LatestOf(name) => write!(f, "latest_of.{name}"),
            Self::MaximumOf(name) => write!(f, "maximum_of.{name}"),
            plain => f.write_str(
                PLAIN_MEASURES
                    .iter()
                    .find_map(|(known, code)| (known == plain).then_some(*code))
                    .expect("every measure without a field is in the table"),
            ),
        }
    }
}

impl FromStr for Measure {
    type Err = EvidenceError;
    fn from_str(raw: &str) -> Result<Self, EvidenceError> {
        if let Some((what, name)) = raw.split_once('.') {
            let name = name.parse().map_err(|_| EvidenceError)?;
            return match what {
                "field" => Ok(Self::Field(name)),
                "amount_against" => Ok(Self::AmountAgainst(name)),
                "sum_of" => Ok(Self::SumOf(name)),
                "sum_of_latest" => Ok(Self::SumOfLatest(name)),
                "latest_of" => Ok(Self::LatestOf(name)),
                "maximum_of" => Ok(Self::MaximumOf(name)),
                _ => Err(EvidenceError),
            };
        }
        PLAIN_MEASURES
            .iter()
            .find_map(|(known, code)| (*code == raw).then(|| known.clone()))
            .ok_or(EvidenceError)
    }
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Household => f.write_str("household"),
            Self::Month(month) => write!(f, "month:{month}"),
            Self::Period(period) => write!(f, "period:{period}"),
            Self::Signal(id) => write!(f, "signal:{id}"),
        }
    }
}

impl FromStr for About {
    type Err = EvidenceError;
    fn from_str(raw: &str) -> Result<Self, EvidenceError> {
        match raw.split_once(':') {
            None if raw == "household" => Ok(Self::Household),
            Some(("month", month)) => month.parse().map(Self::Month).map_err(|_| EvidenceError),
            Some(("period", period)) => period.parse().map(Self::Period).map_err(|_| EvidenceError),
            Some(("signal", id)) => id
                .parse::<Uuid>()
                .map(|id| Self::Signal(SignalId::from_uuid(id)))
                .map_err(|_| EvidenceError),
            _ => Err(EvidenceError),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::Yes => f.write_str("yes"),
            Self::No => f.write_str("no"),
            Self::Count(count) => write!(f, "count:{count}"),
            Self::Cents(cents) => write!(f, "cents:{}", cents.get()),
            Self::Money(cents) => write!(f, "money:{cents}"),
            Self::Number(number) => write!(f, "number:{number}"),
            Self::Date(day) => write!(f, "date:{day}"),
            Self::PartnerTypes(types) => {
                let codes: Vec<&str> = types.iter().map(|known| known.code()).collect();
                write!(f, "partner_types:{}", codes.join(","))
            }
            Self::Kind(kind) => write!(f, "kind:{kind}"),
            Self::Code(code) => write!(f, "code:{code}"),
        }
    }
}

impl FromStr for Quantity {
    type Err = EvidenceError;
    fn from_str(raw: &str) -> Result<Self, EvidenceError> {
        let Some((unit, value)) = raw.split_once(':') else {
            return match raw {
                "absent" => Ok(Self::Absent),
                "yes" => Ok(Self::Yes),
                "no" => Ok(Self::No),
                _ => Err(EvidenceError),
            };
        };
        let parsed = match unit {
            "count" => value.parse().ok().map(Self::Count),
            "cents" => value
                .parse::<i64>()
                .ok()
                .and_then(|cents| Cents::try_from(cents).ok())
                .map(Self::Cents),
            "money" => value.parse().ok().map(Self::Money),
            "number" => value.parse().ok().map(Self::Number),
            "date" => value.parse().ok().map(Self::Date),
            "partner_types" => value
                .split(',')
                .filter(|code| !code.is_empty())
                .map(|code| code.parse().ok())
                .collect::<Option<Vec<PartnerType>>>()
                .map(Self::PartnerTypes),
            "kind" => value.parse().ok().map(Self::Kind),
            "code" => Some(Self::Code(value.into())),
            _ => None,
        };
        parsed.ok_or(EvidenceError)
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{};{};{};{}",
            self.measure, self.about, self.threshold, self.value
        )
    }
}

impl FromStr for Evidence {
    type Err = EvidenceError;
    fn from_str(raw: &str) -> Result<Self, EvidenceError> {
        // The value comes last and takes the rest: a code may hold anything.
        let mut parts = raw.splitn(4, ';');
        let mut next = || parts.next().ok_or(EvidenceError);
        Ok(Self {
            measure: next()?.parse()?,
            about: next()?.parse()?,
            threshold: next()?.parse()?,
            value: next()?.parse()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn evidence_reads_back_from_its_text() {
        let signal = About::Signal(SignalId::from_uuid(Uuid::from_u128(7)));
        let month = About::Month("2025-01".parse().expect("a month"));
        let period = About::Period(Period::rolling(30, date(2025, 1, 31)));
        let cents = |raw| Quantity::Cents(Cents::try_from(raw).expect("in range"));
        let types = Quantity::PartnerTypes(vec![PartnerType::Energy, PartnerType::Rent]);
        let name = || "monthly_rent".parse().expect("a name");
        for (measure, about, threshold, value) in [
            (Measure::PartnerTypes, month, Quantity::Count(2), types),
            (
                Measure::PartnerTypes,
                month,
                Quantity::Count(2),
                Quantity::PartnerTypes(vec![]),
            ),
            (Measure::Amount, signal, cents(7_500), cents(45_000)),
            (Measure::Amount, signal, cents(7_500), Quantity::Absent),
            (
                Measure::SupplyEnd,
                signal,
                Quantity::Absent,
                Quantity::Date(date(2025, 3, 1)),
            ),
            (
                Measure::Field(name()),
                signal,
                Quantity::Number(Decimal::whole(16)),
                Quantity::Number(Decimal::from_thousandths(16_500)),
            ),
            (
                Measure::Field(name()),
                signal,
                Quantity::Yes,
                Quantity::Code("a;b:c".into()),
            ),
            (
                Measure::AmountAgainst(name()),
                signal,
                Quantity::Count(2),
                cents(1),
            ),
            (
                Measure::CountWithin,
                period,
                Quantity::Count(3),
                Quantity::Count(4),
            ),
            (
                Measure::Kind,
                About::Household,
                Quantity::Absent,
                Quantity::Kind("rent_arrears".parse().expect("a kind")),
            ),
        ] {
            let evidence = Evidence {
                measure,
                about,
                threshold,
                value,
            };
            assert_eq!(
                evidence.to_string().parse(),
                Ok(evidence.clone()),
                "{evidence}"
            );
        }
        for (measure, code) in PLAIN_MEASURES {
            assert_eq!(code.parse(), Ok(measure));
        }
        assert_eq!(
            "amount;month:2025-01;count:2".parse::<Evidence>(),
            Err(EvidenceError)
        );
    }

    #[test]
    fn each_measure_of_a_field_has_a_name_of_its_own() {
        for raw in [
            "field.rent",
            "amount_against.rent",
            "sum_of.rent",
            "sum_of_latest.rent",
            "latest_of.rent",
            "maximum_of.rent",
        ] {
            let measure: Measure = raw.parse().expect(raw);
            assert_eq!(measure.to_string(), raw);
        }
        for raw in ["no", "money:-5"] {
            let quantity: Quantity = raw.parse().expect(raw);
            assert_eq!(quantity.to_string(), raw);
        }
        assert_eq!("least_of.rent".parse::<Measure>(), Err(EvidenceError));
        assert_eq!("house".parse::<About>(), Err(EvidenceError));
    }
}
