//! What a set of rules asks of each signal by itself, asked once: when the signal comes in, and not at every judgement of its household.

use std::sync::Arc;

use jiff::Timestamp;
use voorveld_calendar::{Period, YearMonth, day_number};
use voorveld_domain::{Cents, DebtorId, KindId, PartnerId, PartnerType, SignalDomain, SignalId};

use crate::Signal;
use crate::condition::{After, Condition};
use crate::rule::{Rule, RuleSettings, Sources};
use crate::timeline::Kept;

/// The questions of a set of rules to one signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lens {
    askers: Vec<Asker>,
    /// Which rules look at a kind, as bits; sorted.
    kinds: Vec<(KindId, u128)>,
    /// Which rules look at a domain; sorted.
    domains: Vec<(SignalDomain, u128)>,
    settings: RuleSettings,
}

/// What one rule asks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asker {
    in_force: Period,
    condition: Condition,
}

/// A signal as rules see it: small, and everything that is asked of it by itself answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// The rules to whose condition it can matter, as bits in order of rule id.
    pub(crate) asked_by: u128,
    pub(crate) id: SignalId,
    pub(crate) first_received_at: Timestamp,
    pub(crate) amount: Option<Cents>,
    /// The number of its event date.
    pub(crate) day: i32,
    /// The number of its month ([`YearMonth::number`]).
    pub(crate) month: i32,
    /// The number of the first day on which its retention is over.
    ends: i32,
    /// Where in its timeline it is.
    pub(crate) at: u32,
    pub(crate) kind: Number,
    pub(crate) domain: Number,
    pub(crate) partner: Number,
    pub(crate) debtor: Option<Number>,
    pub(crate) partner_type: PartnerType,
    counts: bool,
}

/// Stands for a name within one household: equal numbers are equal names. Their order says nothing, for it is that of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Number(u32);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Kind(KindId),
    Domain(SignalDomain),
    Partner(PartnerId),
    Debtor(DebtorId),
}

/// The signals of a timeline through one lens, in order of events.
#[derive(Debug, Clone)]
pub(crate) struct Sight {
    lens: Arc<Lens>,
    seen: Vec<Seen>,
    names: Vec<Name>,
}

impl Seen {
    /// Whether it counts on the day with this number (S4).
    pub(crate) const fn counts_on(&self, day: i32) -> bool {
        self.counts && day < self.ends
    }

    /// The order in which signals came to be known: first receipt, ties by id.
    pub(crate) const fn receipt_order(&self) -> (Timestamp, SignalId) {
        (self.first_received_at, self.id)
    }

    /// The order of events: event date, ties by id (T3).
    pub(crate) const fn event_order(&self) -> (i32, SignalId) {
        (self.day, self.id)
    }

    pub(crate) fn cents(&self) -> Option<i64> {
        self.amount.map(|cents| i64::from(cents.get()))
    }
}

impl Number {
    /// For counting by.
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

impl Lens {
    pub(crate) fn new(rules: &[Rule], settings: &RuleSettings) -> Self {
        let mut lens = Self {
            askers: rules
                .iter()
                .map(|rule| Asker {
                    in_force: rule.in_force,
                    condition: rule.condition.clone(),
                })
                .collect(),
            kinds: Vec::new(),
            domains: Vec::new(),
            settings: settings.clone(),
        };
        for (number, rule) in rules.iter().enumerate() {
            let Sources { kinds, domains } = &rule.sources;
            for kind in kinds {
                *entry(&mut lens.kinds, kind) |= 1 << number;
            }
            for domain in domains {
                *entry(&mut lens.domains, domain) |= 1 << number;
            }
        }
        lens
    }

    /// The rules to whose condition this signal can matter.
    fn asked_by(&self, signal: &Signal, day: i32) -> u128 {
        let mut looking = find(&self.kinds, &signal.kind) | find(&self.domains, &signal.domain);
        let mut asked = 0;
        while looking != 0 {
            let number = looking.trailing_zeros() as usize;
            looking &= looking - 1;
            let asker = &self.askers[number];
            if asker.in_force.contains_number(day) && asker.condition.asks(signal, &self.settings) {
                asked |= 1 << number;
            }
        }
        asked
    }
}

fn entry<'a, T: Ord + Clone>(among: &'a mut Vec<(T, u128)>, what: &T) -> &'a mut u128 {
    let index = among
        .binary_search_by(|(known, _)| known.cmp(what))
        .unwrap_or_else(|free| {
            among.insert(free, (what.clone(), 0));
            free
        });
    &mut among[index].1
}

fn find<T: Ord>(among: &[(T, u128)], what: &T) -> u128 {
    among
        .binary_search_by(|(known, _)| known.cmp(what))
        .map_or(0, |index| among[index].1)
}

impl Condition {
    /// Whether this signal can matter to it at all.
    fn asks(&self, signal: &Signal, settings: &RuleSettings) -> bool {
        let holds = |predicate: &crate::Predicate| predicate.holds(signal, settings);
        match self {
            Self::EachSignal(predicate) => holds(predicate),
            Self::SingleInMonth { .. }
            | Self::ConcurrentInMonth { .. }
            | Self::ConsecutiveMonths { .. } => true,
            Self::Within(within) => within.test.asks(&holds),
            Self::Risen { of, .. } => signal.amount.is_some() && holds(of),
            Self::Absence { after, without, .. } => {
                holds(&without.of)
                    || match after {
                        After::Signal(predicate) => holds(predicate),
                        After::Pattern(within) => within.test.asks(&holds),
                    }
            }
        }
    }
}

impl Sight {
    pub(crate) fn of(lens: &Arc<Lens>, signals: &[Kept]) -> Self {
        let mut sight = Self {
            lens: Arc::clone(lens),
            seen: Vec::with_capacity(signals.len()),
            names: Vec::new(),
        };
        for (at, kept) in signals.iter().enumerate() {
            let seen = sight.look(&kept.signal, at);
            sight.seen.push(seen);
        }
        sight.seen.sort_unstable_by_key(Seen::event_order);
        sight
    }

    pub(crate) fn is_through(&self, lens: &Arc<Lens>) -> bool {
        Arc::ptr_eq(&self.lens, lens)
    }

    /// Every signal, those that do not count too, in order of events.
    pub(crate) fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// A signal was put in at this place of the timeline.
    pub(crate) fn insert(&mut self, signal: &Signal, at: usize) {
        let at_number = place(at);
        if at < self.seen.len() {
            for seen in self.seen.iter_mut().filter(|seen| at_number <= seen.at) {
                seen.at += 1;
            }
        }
        self.put(signal, at);
    }

    /// Another copy took the place of the one that was there.
    pub(crate) fn replace(&mut self, signal: &Signal, at: usize) {
        self.seen.retain(|seen| seen.at != place(at));
        self.put(signal, at);
    }

    /// The signal at this place was taken out.
    pub(crate) fn remove(&mut self, at: usize) {
        let at = place(at);
        self.seen.retain(|seen| seen.at != at);
        for seen in self.seen.iter_mut().filter(|seen| at < seen.at) {
            seen.at -= 1;
        }
    }

    fn put(&mut self, signal: &Signal, at: usize) {
        let seen = self.look(signal, at);
        let order = seen.event_order();
        // Most come in order.
        let index = match self.seen.last() {
            Some(last) if order < last.event_order() => self
                .seen
                .partition_point(|known| known.event_order() < order),
            _ => self.seen.len(),
        };
        self.seen.insert(index, seen);
    }

    fn look(&mut self, signal: &Signal, at: usize) -> Seen {
        let day = day_number(signal.event_date);
        let ends = self
            .lens
            .settings
            .retention_days
            .get(&signal.kind)
            .map_or(i32::MAX, |days| day.saturating_add(i32::from(*days)));
        Seen {
            asked_by: self.lens.asked_by(signal, day),
            id: signal.id,
            first_received_at: signal.first_received_at,
            amount: signal.amount,
            day,
            month: YearMonth::of(signal.event_date).number(),
            ends,
            at: place(at),
            kind: self.number(
                |name| matches!(name, Name::Kind(kind) if *kind == signal.kind),
                || Name::Kind(signal.kind.clone()),
            ),
            domain: self.number(
                |name| matches!(name, Name::Domain(domain) if *domain == signal.domain),
                || Name::Domain(signal.domain.clone()),
            ),
            partner: self.number(
                |name| matches!(name, Name::Partner(partner) if *partner == signal.partner),
                || Name::Partner(signal.partner.clone()),
            ),
            debtor: signal.debtor.map(|debtor| {
                self.number(
                    |name| matches!(name, Name::Debtor(known) if *known == debtor),
                    || Name::Debtor(debtor),
                )
            }),
            partner_type: signal.partner_type,
            counts: signal.counts(),
        }
    }

    fn number(&mut self, is_it: impl Fn(&Name) -> bool, name: impl FnOnce() -> Name) -> Number {
        let index = self.names.iter().position(is_it).unwrap_or_else(|| {
            self.names.push(name());
            self.names.len() - 1
        });
        Number(place(index))
    }
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("a household has fewer signals than there are numbers")
}
