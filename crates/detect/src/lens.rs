//! What a set of rules asks of each signal by itself, asked once: when the signal comes in, and not at every judgement of its household.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Date;
use voorveld_calendar::{Period, YearMonth, day_number};
use voorveld_domain::{DebtorId, KindId, PartnerId, PartnerType, SignalDomain, SignalId};

use crate::Signal;
use crate::condition::{After, Condition, Reach, Same, Test, Within};
use crate::rule::{Rule, RuleSettings, Sources};
use crate::timeline::Kept;

/// The questions of a set of rules to one signal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lens {
    rules: Vec<Looking>,
    /// The kinds that rules or settings name, sorted.
    kinds: Vec<Named<KindId>>,
    /// The domains that rules look at, sorted.
    domains: Vec<Named<SignalDomain>>,
    compared: Compared,
    settings: RuleSettings,
}

/// Which names of signals the rules compare with each other: only these are numbered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a property, and any of them go together"
)]
struct Compared {
    kind: bool,
    domain: bool,
    partner: bool,
    debtor: bool,
}

impl Compared {
    fn all(&mut self, same: &BTreeSet<Same>) {
        self.partner |= same.contains(&Same::Partner);
        self.kind |= same.contains(&Same::Kind);
        self.debtor |= same.contains(&Same::Debtor);
    }

    fn condition(&mut self, condition: &Condition) {
        match condition {
            Condition::EachSignal(_)
            | Condition::SingleInMonth { .. }
            | Condition::ConcurrentInMonth { .. }
            | Condition::ConsecutiveMonths { .. } => {}
            Condition::Within(within) => self.within(within),
            Condition::Risen { .. } => self.series(),
            Condition::Absence { after, without, .. } => {
                self.all(&without.same);
                if let After::Pattern(within) = after {
                    self.within(within);
                }
            }
        }
    }

    fn within(&mut self, within: &Within) {
        self.all(&within.per);
        self.test(&within.test);
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::Reaches { reach, .. } => match reach {
                Reach::Kinds(_) => self.kind = true,
                Reach::Domains(_) => self.domain = true,
                Reach::Partners(_) => self.partner = true,
                Reach::Debtors(_) => self.debtor = true,
                Reach::SumOfLatest(_) => self.series(),
                Reach::Count(_)
                | Reach::PartnerTypes(_)
                | Reach::Sum(_)
                | Reach::Latest(_)
                | Reach::Maximum(_) => {}
            },
            Test::All(tests) | Test::AnyOf(tests) | Test::AtLeast { of: tests, .. } => {
                for test in tests {
                    self.test(test);
                }
            }
            Test::Sequence(_) => {}
            Test::Somewhere { test, .. } | Test::Before { test, .. } => self.test(test),
        }
    }

    /// Amounts of the same partner, kind and debtor that follow each other.
    const fn series(&mut self) {
        (self.partner, self.kind, self.debtor) = (true, true, true);
    }
}

/// What is known of a kind or domain before any signal comes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named<T> {
    name: T,
    /// Which rules look at it, as bits.
    looking: u128,
    /// For how many days its signals count, if not for ever (S4).
    retention_days: Option<u16>,
}

/// What one rule asks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Looking {
    in_force: Period,
    condition: Condition,
}

/// A signal as rules see it: small, and everything that is asked of it by itself answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// The rules to whose condition it can matter, as bits in order of rule id.
    pub(crate) asked_by: u128,
    pub(crate) id: SignalId,
    /// In nanoseconds since 1970.
    first_received_at: i64,
    cents: Option<NonZeroU32>,
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
pub(crate) struct Number(NonZeroU32);

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
    /// Those that the lens does not name, in order of arrival.
    names: Vec<Name>,
    /// What came or went since somebody wanted to know.
    changes: Option<Vec<Change>>,
}

/// A signal that came or went; one that changed did both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) signal: SignalId,
    /// The rules to whose condition it can matter.
    pub(crate) asked_by: u128,
    pub(crate) day: i32,
    pub(crate) month: i32,
    series: (Number, Number, Option<Number>),
}

impl Change {
    fn of(seen: &Seen) -> Self {
        Self {
            signal: seen.id,
            asked_by: seen.asked_by,
            day: seen.day,
            month: seen.month,
            series: seen.series(),
        }
    }

    /// Whether it is of the same partner, kind and debtor, as far as rules compare these.
    pub(crate) fn is_of_series_of(&self, seen: &Seen) -> bool {
        self.series == seen.series()
    }
}

impl Seen {
    /// Whether it counts on the day with this number (S4).
    pub(crate) const fn counts_on(&self, day: i32) -> bool {
        self.counts && day < self.ends
    }

    /// The order in which signals came to be known: first receipt, ties by id.
    pub(crate) const fn receipt_order(&self) -> (i64, SignalId) {
        (self.first_received_at, self.id)
    }

    /// The order of events: event date, ties by id (T3).
    pub(crate) const fn event_order(&self) -> (i32, SignalId) {
        (self.day, self.id)
    }

    const fn series(&self) -> (Number, Number, Option<Number>) {
        (self.partner, self.kind, self.debtor)
    }

    /// The amount it tells, in cents.
    pub(crate) fn cents(&self) -> Option<i64> {
        self.cents.map(|cents| i64::from(cents.get()))
    }
}

impl Number {
    fn nth(index: usize) -> Self {
        Self(NonZeroU32::MIN.saturating_add(place(index)))
    }

    /// For counting by.
    pub(crate) const fn index(self) -> usize {
        self.0.get() as usize
    }
}

impl Lens {
    pub(crate) fn new(rules: &[Rule], settings: &RuleSettings) -> Self {
        let mut lens = Self {
            rules: rules
                .iter()
                .map(|rule| Looking {
                    in_force: rule.in_force,
                    condition: rule.condition.clone(),
                })
                .collect(),
            kinds: Vec::new(),
            domains: Vec::new(),
            compared: Compared::default(),
            settings: settings.clone(),
        };
        for (number, rule) in rules.iter().enumerate() {
            lens.compared.condition(&rule.condition);
            let Sources { kinds, domains } = &rule.sources;
            for kind in kinds {
                entry(&mut lens.kinds, kind).looking |= 1 << number;
            }
            for domain in domains {
                entry(&mut lens.domains, domain).looking |= 1 << number;
            }
        }
        for (kind, days) in &settings.retention_days {
            entry(&mut lens.kinds, kind).retention_days = Some(*days);
        }
        lens
    }

    /// Which of these rules have a condition to which this signal can matter.
    fn asked_by(&self, mut looking: u128, signal: &Signal, day: i32) -> u128 {
        let mut asked = 0;
        while looking != 0 {
            let number = looking.trailing_zeros() as usize;
            looking &= looking - 1;
            let rule = &self.rules[number];
            if rule.in_force.contains_number(day) && rule.condition.asks(signal, &self.settings) {
                asked |= 1 << number;
            }
        }
        asked
    }
}

fn entry<'a, T: Ord + Clone>(among: &'a mut Vec<Named<T>>, name: &T) -> &'a mut Named<T> {
    let index = among
        .binary_search_by(|known| known.name.cmp(name))
        .unwrap_or_else(|free| {
            let named = Named {
                name: name.clone(),
                looking: 0,
                retention_days: None,
            };
            among.insert(free, named);
            free
        });
    &mut among[index]
}

fn find<T: Ord>(among: &[Named<T>], name: &T) -> Option<usize> {
    among.binary_search_by(|known| known.name.cmp(name)).ok()
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
    /// Up to so many signals are looked through one by one.
    const LOOKED_THROUGH: usize = 24;

    pub(crate) fn of(lens: &Arc<Lens>, signals: &[Kept]) -> Self {
        let mut sight = Self {
            lens: Arc::clone(lens),
            seen: Vec::with_capacity(signals.len()),
            names: Vec::new(),
            changes: None,
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

    /// What came or went since it was to be noted, in that order.
    pub(crate) fn changes(&self) -> Option<&[Change]> {
        self.changes.as_deref()
    }

    /// From now on notes what comes and goes.
    pub(crate) fn note_changes(&mut self) {
        self.changes.get_or_insert_default();
    }

    /// What counted on one day and does so no more on a later one, as its retention ended.
    pub(crate) fn ended(&self, before: Date, now: Date) -> impl Iterator<Item = Change> {
        let (before, now) = (day_number(before), day_number(now));
        let ended = move |seen: &&Seen| seen.counts_on(before) && !seen.counts_on(now);
        self.seen.iter().filter(ended).map(Change::of)
    }

    /// Where in its timeline a signal is, or would be: quicker than to look there, for these are read anyway.
    pub(crate) fn place_of(&self, id: SignalId) -> Option<Result<usize, usize>> {
        if self.seen.len() > Self::LOOKED_THROUGH {
            return None;
        }
        let mut is_last = true;
        for seen in &self.seen {
            if seen.id == id {
                return Some(Ok(seen.at as usize));
            }
            is_last &= seen.id < id;
        }
        is_last.then_some(Err(self.seen.len()))
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
        self.take(at);
        self.put(signal, at);
    }

    /// The signal at this place was taken out.
    pub(crate) fn remove(&mut self, at: usize) {
        self.take(at);
        let at = place(at);
        for seen in self.seen.iter_mut().filter(|seen| at < seen.at) {
            seen.at -= 1;
        }
    }

    fn take(&mut self, at: usize) {
        let at = place(at);
        if let Some(index) = self.seen.iter().position(|seen| seen.at == at) {
            let gone = self.seen.remove(index);
            self.note(&gone);
        }
    }

    fn note(&mut self, seen: &Seen) {
        if let Some(changes) = &mut self.changes {
            changes.push(Change::of(seen));
        }
    }

    fn put(&mut self, signal: &Signal, at: usize) {
        let seen = self.look(signal, at);
        self.note(&seen);
        let order = seen.event_order();
        // Most come in order.
        let index = match self.seen.last() {
            Some(last) if order < last.event_order() => self
                .seen
                .binary_search_by_key(&order, Seen::event_order)
                .unwrap_or_else(|free| free),
            _ => self.seen.len(),
        };
        self.seen.insert(index, seen);
    }

    fn look(&mut self, signal: &Signal, at: usize) -> Seen {
        let day = day_number(signal.event_date);
        let lens = Arc::clone(&self.lens);
        let compared = lens.compared;
        let of_kind = find(&lens.kinds, &signal.kind);
        let of_domain = find(&lens.domains, &signal.domain);
        let looking = of_kind.map_or(0, |index| lens.kinds[index].looking)
            | of_domain.map_or(0, |index| lens.domains[index].looking);
        let retention_days = of_kind.and_then(|index| lens.kinds[index].retention_days);
        Seen {
            asked_by: lens.asked_by(looking, signal, day),
            id: signal.id,
            first_received_at: nanoseconds(signal.first_received_at),
            cents: signal.amount.and_then(|cents| NonZeroU32::new(cents.get())),
            day,
            month: YearMonth::of(signal.event_date).number(),
            ends: retention_days.map_or(i32::MAX, |days| day.saturating_add(i32::from(days))),
            at: place(at),
            kind: of_kind.map_or_else(
                || {
                    self.number(
                        compared.kind,
                        |name| matches!(name, Name::Kind(kind) if *kind == signal.kind),
                        || Name::Kind(signal.kind.clone()),
                    )
                },
                Number::nth,
            ),
            domain: self.number(
                compared.domain,
                |name| matches!(name, Name::Domain(domain) if *domain == signal.domain),
                || Name::Domain(signal.domain.clone()),
            ),
            partner: self.number(
                compared.partner,
                |name| matches!(name, Name::Partner(partner) if *partner == signal.partner),
                || Name::Partner(signal.partner.clone()),
            ),
            debtor: signal.debtor.map(|debtor| {
                self.number(
                    compared.debtor,
                    |name| matches!(name, Name::Debtor(known) if *known == debtor),
                    || Name::Debtor(debtor),
                )
            }),
            partner_type: signal.partner_type,
            counts: signal.counts(),
        }
    }

    fn number(
        &mut self,
        is_compared: bool,
        is_it: impl Fn(&Name) -> bool,
        name: impl FnOnce() -> Name,
    ) -> Number {
        if !is_compared {
            return Number(NonZeroU32::MIN);
        }
        let index = self.names.iter().position(is_it).unwrap_or_else(|| {
            self.names.push(name());
            self.names.len() - 1
        });
        Number::nth(self.lens.kinds.len() + index)
    }
}

/// Instants of these centuries in half the room.
fn nanoseconds(at: Timestamp) -> i64 {
    let nanoseconds = at.as_nanosecond();
    i64::try_from(nanoseconds).unwrap_or(if nanoseconds.is_negative() {
        i64::MIN
    } else {
        i64::MAX
    })
}

fn place(index: usize) -> u32 {
    u32::try_from(index).expect("a household has fewer signals than there are numbers")
}
