//! Questions to one signal: the answer, and what was measured to get it.

use smallvec::SmallVec;
use voorveld_domain::{Cents, KindId};

use crate::condition::{FieldTest, Predicate};
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::rule::{RuleSettings, Sources};
use crate::signal::{Decimal, FieldValue, Signal};

impl Sources {
    /// Whether a rule with these sources looks at this signal.
    #[must_use]
    pub fn cover(&self, signal: &Signal) -> bool {
        self.domains.contains(&signal.domain) || self.kinds.contains(&signal.kind)
    }
}

/// Whether the signal is a crisis (M6).
pub(crate) fn is_crisis(signal: &Signal, settings: &RuleSettings) -> bool {
    signal.crisis || signal.supply_ends_on.is_some() || settings.crisis_kinds.contains(&signal.kind)
}

/// Whether nothing may mute this signal: a crisis, a supply end or a warm handover (K5, M6).
pub(crate) fn is_unmutable(signal: &Signal, settings: &RuleSettings) -> bool {
    signal.warm_handover || is_crisis(signal, settings)
}

impl Predicate {
    /// The answer.
    #[must_use]
    pub fn holds(&self, signal: &Signal, settings: &RuleSettings) -> bool {
        match self {
            Self::Any => true,
            Self::All(parts) => parts.iter().all(|part| part.holds(signal, settings)),
            Self::AnyOf(parts) => parts.iter().any(|part| part.holds(signal, settings)),
            Self::Not(part) => !part.holds(signal, settings),
            Self::Kind(kinds) => kinds.contains(&signal.kind),
            Self::Domain(domains) => domains.contains(&signal.domain),
            Self::PartnerType(types) => types.contains(&signal.partner_type),
            Self::Crisis => is_crisis(signal, settings),
            Self::WarmHandover => signal.warm_handover,
            Self::SupplyEnd => signal.supply_ends_on.is_some(),
            Self::AmountAtLeast(least) => signal.amount.is_some_and(|amount| *least <= amount),
            Self::AmountAtLeastTimes { times, field } => {
                match (signal.amount, signal.fields.get(field)) {
                    (Some(amount), Some(FieldValue::Number(unit))) if 0 < unit.thousandths() => {
                        // Cents against thousandths of a euro: ten to one.
                        i128::from(unit.thousandths()) * i128::from(*times)
                            <= i128::from(amount.get()) * 10
                    }
                    _ => false,
                }
            }
            Self::Field { name, test } => signal
                .fields
                .get(name)
                .is_some_and(|value| test.holds(value)),
        }
    }

    /// The kinds it names.
    pub(crate) fn kinds<'a>(&'a self, into: &mut Vec<&'a KindId>) {
        match self {
            Self::Kind(kinds) => into.extend(kinds),
            Self::All(parts) | Self::AnyOf(parts) => {
                for part in parts {
                    part.kinds(into);
                }
            }
            Self::Not(part) => part.kinds(into),
            _ => {}
        }
    }

    /// The answer to a signal of which only the kind is known, `None` being one that is named nowhere. `None`: it depends on the rest.
    pub(crate) fn of_kind(&self, kind: Option<&KindId>) -> Option<bool> {
        match self {
            Self::Any => Some(true),
            Self::Kind(kinds) => Some(kind.is_some_and(|kind| kinds.contains(kind))),
            Self::Not(part) => part.of_kind(kind).map(|answer| !answer),
            // One certain no decides of all, one certain yes of any.
            Self::All(parts) => decided(parts, kind, false),
            Self::AnyOf(parts) => decided(parts, kind, true),
            _ => None,
        }
    }

    /// What this question measures on a signal. With `holding_only`, of alternatives only those that hold: the reasons of a yes.
    pub(crate) fn measure(
        &self,
        signal: &Signal,
        settings: &RuleSettings,
        holding_only: bool,
        into: &mut SmallVec<[Evidence; 1]>,
    ) {
        let mut push = |measure, threshold, value| {
            let evidence = Evidence {
                measure,
                about: About::Signal(signal.id),
                threshold,
                value,
            };
            if !into.contains(&evidence) {
                into.push(evidence);
            }
        };
        let amount = signal.amount.map_or(Quantity::Absent, Quantity::Cents);
        match self {
            Self::All(parts) => {
                for part in parts {
                    part.measure(signal, settings, holding_only, into);
                }
            }
            Self::AnyOf(parts) => {
                for part in parts {
                    if !holding_only || part.holds(signal, settings) {
                        part.measure(signal, settings, holding_only, into);
                    }
                }
            }
            // What is not there was not measured.
            Self::Not(_) => {}
            Self::Any | Self::Kind(_) | Self::Domain(_) | Self::PartnerType(_) => push(
                Measure::Kind,
                Quantity::Absent,
                Quantity::Kind(signal.kind.clone()),
            ),
            Self::Crisis => {
                let why = if signal.crisis {
                    Quantity::Yes
                } else if settings.crisis_kinds.contains(&signal.kind) {
                    Quantity::Kind(signal.kind.clone())
                } else {
                    signal.supply_ends_on.map_or(Quantity::No, Quantity::Date)
                };
                push(Measure::Crisis, Quantity::Yes, why);
            }
            Self::WarmHandover => push(
                Measure::WarmHandover,
                Quantity::Yes,
                yes_or_no(signal.warm_handover),
            ),
            Self::SupplyEnd => push(
                Measure::SupplyEnd,
                Quantity::Absent,
                signal
                    .supply_ends_on
                    .map_or(Quantity::Absent, Quantity::Date),
            ),
            Self::AmountAtLeast(least) => push(Measure::Amount, Quantity::Cents(*least), amount),
            Self::AmountAtLeastTimes { times, field } => push(
                Measure::AmountAgainst(field.clone()),
                times_field(*times, signal.fields.get(field)),
                amount,
            ),
            Self::Field { name, test } => push(
                Measure::Field(name.clone()),
                test.threshold(),
                signal.fields.get(name).map_or(Quantity::Absent, quantity),
            ),
        }
    }
}

impl FieldTest {
    fn holds(&self, value: &FieldValue) -> bool {
        match (self, value) {
            (Self::Present, _) => true,
            (Self::Is(wanted), FieldValue::Bool(found)) => wanted == found,
            (Self::AtLeast(least), FieldValue::Number(found)) => least <= found,
            (Self::Below(limit), FieldValue::Number(found)) => found < limit,
            (Self::CodeIn(codes), FieldValue::Code(found)) => codes.contains(found),
            _ => false,
        }
    }

    fn threshold(&self) -> Quantity {
        match self {
            Self::Present | Self::CodeIn(_) => Quantity::Absent,
            Self::Is(wanted) => yes_or_no(*wanted),
            Self::AtLeast(number) | Self::Below(number) => Quantity::Number(*number),
        }
    }
}

fn decided(parts: &[Predicate], kind: Option<&KindId>, decides: bool) -> Option<bool> {
    let mut open = false;
    for part in parts {
        match part.of_kind(kind) {
            Some(answer) if answer == decides => return Some(decides),
            Some(_) => {}
            None => open = true,
        }
    }
    (!open).then_some(!decides)
}

fn yes_or_no(answer: bool) -> Quantity {
    if answer { Quantity::Yes } else { Quantity::No }
}

fn quantity(value: &FieldValue) -> Quantity {
    match value {
        FieldValue::Number(number) => Quantity::Number(*number),
        FieldValue::Date(day) => Quantity::Date(*day),
        FieldValue::Bool(answer) => yes_or_no(*answer),
        FieldValue::Code(code) => Quantity::Code(code.clone()),
    }
}

/// So many times a field in euros, as an amount; rounded up to whole cents, so that reaching it is reaching the threshold.
fn times_field(times: u8, field: Option<&FieldValue>) -> Quantity {
    let Some(FieldValue::Number(unit)) = field else {
        return Quantity::Absent;
    };
    times_cents(times, *unit).map_or(Quantity::Absent, Quantity::Cents)
}

fn times_cents(times: u8, unit: Decimal) -> Option<Cents> {
    let thousandths = unit.thousandths().checked_mul(i64::from(times))?;
    Cents::try_from(thousandths.checked_add(9)?.div_euclid(10)).ok()
}
