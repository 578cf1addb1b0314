//! What signals come to together: counted, added up, compared. From scratch, or kept up while a window moves over them.

use std::collections::{BTreeMap, BTreeSet};

use smallvec::SmallVec;
use voorveld_calendar::Period;
use voorveld_domain::{FieldName, PartnerType};

use crate::condition::{Least, Reach};
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::lens::{Number, Seen};
use crate::pattern::Pattern;
use crate::rule::RuleSettings;
use crate::signal::{Decimal, FieldValue};

/// Of what different ones are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    Kind,
    Domain,
    Partner,
    PartnerType { cak_is_zorg: bool },
    Debtor,
}

impl Property {
    const fn of(reach: &Reach, settings: &RuleSettings) -> Option<Self> {
        Some(match reach {
            Reach::Kinds(_) => Self::Kind,
            Reach::Domains(_) => Self::Domain,
            Reach::Partners(_) => Self::Partner,
            Reach::PartnerTypes(_) => Self::PartnerType {
                cak_is_zorg: settings.cak_is_zorg,
            },
            Reach::Debtors(_) => Self::Debtor,
            Reach::Count(_)
            | Reach::Sum(_)
            | Reach::SumOfLatest(_)
            | Reach::Latest(_)
            | Reach::Maximum(_) => return None,
        })
    }

    /// As a small number; `None`: it has none to count.
    fn read(self, seen: &Seen) -> Option<usize> {
        match self {
            Self::Kind => Some(seen.kind.index()),
            Self::Domain => Some(seen.domain.index()),
            Self::Partner => Some(seen.partner.index()),
            Self::PartnerType { cak_is_zorg } => {
                Some(seen.partner_type.counted(cak_is_zorg).index())
            }
            Self::Debtor => seen.debtor.map(Number::index),
        }
    }
}

impl Pattern<'_> {
    /// What these signals come to; `None` where there is nothing to measure.
    pub(crate) fn value<'s>(
        &self,
        reach: &Reach,
        signals: impl DoubleEndedIterator<Item = &'s Seen>,
    ) -> Option<i64> {
        if let Some(property) = Property::of(reach, self.settings) {
            return Some(distinct(signals.filter_map(|seen| property.read(seen))));
        }
        let amount = |seen: &'s Seen| self.amount(reach, seen);
        match reach {
            Reach::Sum(_) => signals
                .filter_map(amount)
                .map(i128::from)
                .reduce(|sum, value| sum + value)
                .map(saturated),
            Reach::SumOfLatest(_) => {
                let mut latest = BTreeMap::new();
                for seen in signals {
                    if let Some(value) = amount(seen) {
                        latest.insert((seen.partner, seen.kind, seen.debtor), i128::from(value));
                    }
                }
                latest
                    .into_values()
                    .reduce(|sum, value| sum + value)
                    .map(saturated)
            }
            Reach::Latest(_) => signals.rev().find_map(amount),
            Reach::Maximum(_) => signals.filter_map(amount).max(),
            _ => Some(whole(signals.count())),
        }
    }

    /// The amount, in cents, or the number, in thousandths, that a signal tells.
    fn amount(&self, reach: &Reach, seen: &Seen) -> Option<i64> {
        match reach.of_what()? {
            Least::Amount(_) => seen.cents(),
            Least::Field { name, .. } => self.number(name, seen),
        }
    }

    /// A number that a signal carries, in thousandths.
    pub(crate) fn number(&self, name: &FieldName, seen: &Seen) -> Option<i64> {
        match self.timeline.signal(seen).fields.get(name)? {
            FieldValue::Number(number) => Some(number.thousandths()),
            _ => None,
        }
    }
}

/// What the signals in a window come to, kept up as the window moves: judging a household takes no longer than it has signals.
pub(crate) enum Tally {
    /// How many.
    Many(i64),
    /// How many different ones.
    Different(Different),
    /// How many tell an amount, and what those are together.
    Sum(i64, i128),
}

/// Different ones of something, and how often each is there.
pub(crate) struct Different {
    property: Property,
    /// By number. A household has few, which need no allocation.
    times: SmallVec<[u32; 16]>,
    number: i64,
}

impl Different {
    fn times(&mut self, index: usize) -> &mut u32 {
        if self.times.len() <= index {
            self.times.resize(index + 1, 0);
        }
        &mut self.times[index]
    }
}

impl Tally {
    /// An empty window; `None` for what is only measured from scratch.
    pub(crate) fn new(reach: &Reach, settings: &RuleSettings) -> Option<Self> {
        if let Some(property) = Property::of(reach, settings) {
            return Some(Self::Different(Different {
                property,
                times: SmallVec::new(),
                number: 0,
            }));
        }
        match reach {
            Reach::Count(_) => Some(Self::Many(0)),
            Reach::Sum(_) => Some(Self::Sum(0, 0)),
            _ => None,
        }
    }

    pub(crate) fn enter(&mut self, seen: &Seen, reach: &Reach, pattern: &Pattern<'_>) {
        match self {
            Self::Many(many) => *many += 1,
            Self::Different(different) => {
                if let Some(index) = different.property.read(seen) {
                    let times = different.times(index);
                    *times += 1;
                    different.number += i64::from(*times == 1);
                }
            }
            Self::Sum(many, sum) => {
                if let Some(value) = pattern.amount(reach, seen) {
                    *many += 1;
                    *sum += i128::from(value);
                }
            }
        }
    }

    pub(crate) fn leave(&mut self, seen: &Seen, reach: &Reach, pattern: &Pattern<'_>) {
        match self {
            Self::Many(many) => *many -= 1,
            Self::Different(different) => {
                if let Some(index) = different.property.read(seen) {
                    let times = different.times(index);
                    *times -= 1;
                    different.number -= i64::from(*times == 0);
                }
            }
            Self::Sum(many, sum) => {
                if let Some(value) = pattern.amount(reach, seen) {
                    *many -= 1;
                    *sum -= i128::from(value);
                }
            }
        }
    }

    /// The same as [`Pattern::value`] of the signals that are in.
    pub(crate) fn value(&self) -> Option<i64> {
        match self {
            Self::Many(many) => Some(*many),
            Self::Different(different) => Some(different.number),
            Self::Sum(0, _) => None,
            Self::Sum(_, sum) => Some(saturated(*sum)),
        }
    }
}

impl Reach {
    /// What it adds up or compares; `None`: it counts.
    const fn of_what(&self) -> Option<&Least> {
        match self {
            Self::Sum(least)
            | Self::SumOfLatest(least)
            | Self::Latest(least)
            | Self::Maximum(least) => Some(least),
            _ => None,
        }
    }

    /// How much it must be, as [`Pattern::value`] measures it.
    pub(crate) fn threshold(&self) -> i64 {
        self.of_what()
            .map_or_else(|| i64::from(self.least().unwrap_or(0)), Least::raw)
    }

    pub(crate) fn evidence(&self, value: Option<i64>, period: Period) -> Evidence {
        let unit = |raw: i64| match self.of_what() {
            Some(Least::Amount(_)) => Quantity::Money(raw),
            Some(Least::Field { .. }) => Quantity::Number(Decimal::from_thousandths(raw)),
            None => Quantity::Count(u32::try_from(raw).unwrap_or(u32::MAX)),
        };
        Evidence {
            measure: self.measure(),
            about: About::Period(period),
            threshold: unit(self.threshold()),
            value: value.map_or(Quantity::Absent, unit),
        }
    }

    fn measure(&self) -> Measure {
        match self {
            Self::Count(_) => Measure::CountWithin,
            Self::Kinds(_) => Measure::KindsWithin,
            Self::Domains(_) => Measure::DomainsWithin,
            Self::Partners(_) => Measure::PartnersWithin,
            Self::PartnerTypes(_) => Measure::PartnerTypesWithin,
            Self::Debtors(_) => Measure::DebtorsWithin,
            Self::Sum(Least::Amount(_)) => Measure::SumWithin,
            Self::Sum(Least::Field { name, .. }) => Measure::SumOf(name.clone()),
            Self::SumOfLatest(Least::Amount(_)) => Measure::OwedWithin,
            Self::SumOfLatest(Least::Field { name, .. }) => Measure::SumOfLatest(name.clone()),
            Self::Latest(Least::Amount(_)) => Measure::LatestWithin,
            Self::Latest(Least::Field { name, .. }) => Measure::LatestOf(name.clone()),
            Self::Maximum(Least::Amount(_)) => Measure::MaximumWithin,
            Self::Maximum(Least::Field { name, .. }) => Measure::MaximumOf(name.clone()),
        }
    }
}

/// Up to so many different values are looked through one by one.
const FEW: usize = 8;

fn distinct(values: impl Iterator<Item = usize>) -> i64 {
    let mut few: [usize; FEW] = [0; FEW];
    let mut many: BTreeSet<usize> = BTreeSet::new();
    let mut known = 0;
    for value in values {
        if few[..known.min(FEW)].contains(&value) || many.contains(&value) {
            continue;
        }
        if known < FEW {
            few[known] = value;
        } else {
            many.insert(value);
        }
        known += 1;
    }
    whole(known)
}

fn saturated(sum: i128) -> i64 {
    i64::try_from(sum).unwrap_or(if sum.is_negative() {
        i64::MIN
    } else {
        i64::MAX
    })
}

pub(crate) fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// How many types of partner there are, as M1 counts them.
pub(crate) fn number_of_types(signals: &[&Seen], settings: &RuleSettings) -> u32 {
    let bit = |seen: &&Seen| 1_u64 << seen.partner_type.counted(settings.cak_is_zorg).index();
    signals
        .iter()
        .fold(0, |types, seen| types | bit(seen))
        .count_ones()
}

/// The types of partner, as M1 counts them, each under the first of its names.
pub(crate) fn partner_types(signals: &[&Seen], settings: &RuleSettings) -> Vec<PartnerType> {
    let counted = |one: PartnerType| one.counted(settings.cak_is_zorg);
    let mut names: Vec<PartnerType> = Vec::with_capacity(1);
    for seen in signals {
        let name = seen.partner_type;
        match names
            .iter_mut()
            .find(|known| counted(**known) == counted(name))
        {
            Some(known) => *known = name.min(*known),
            None => names.push(name),
        }
    }
    names.sort_unstable();
    names
}
