//! The decision told a second time, from docs/semantics.md and from what `condition.rs` promises: for every day anew, with sets, slow and plain.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_calendar::{Period, YearMonth};
use voorveld_domain::{KindId, PartnerId, PartnerType, Presence, SignalId, Standing};

use super::almanac::{Almanac, Days};
use crate::*;

/// What the oracle says of one match, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    pub(super) rule: String,
    pub(super) anchor: Anchor,
    pub(super) witnesses: Vec<SignalId>,
    pub(super) window: Period,
    pub(super) brought_by: SignalId,
}

/// What it says of a household.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) matches: BTreeSet<Said>,
    pub(super) next_look: Option<Date>,
    pub(super) awaits_feeds: bool,
}

/// Who may send what, and who said through when it was all there: as it was told, unsorted.
#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    pub(super) senders: Vec<(PartnerId, KindId)>,
    pub(super) marks: Vec<(PartnerId, KindId, Date)>,
}

/// A signal that counts, with the number of its day.
#[derive(Clone, Copy)]
struct Seen<'a> {
    of: &'a Signal,
    day: usize,
}

impl PartialEq for Seen<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.of.id == other.of.id
    }
}

pub(super) struct Oracle<'a> {
    pub(super) almanac: &'a Almanac,
    pub(super) rules: &'a [Rule],
    pub(super) settings: &'a RuleSettings,
    pub(super) told: &'a Told,
    pub(super) as_of: Date,
}

/// A match before it has a rule.
struct Found<'a> {
    anchor: Anchor,
    completed_by: Option<Seen<'a>>,
    witnesses: Vec<Seen<'a>>,
    days: Days,
    brought_by: SignalId,
}

impl<'a> Oracle<'a> {
    pub(super) fn says(&self, copies: &'a [Signal]) -> Verdict {
        let mut verdict = Verdict::default();
        let counted = self.counted(copies);
        for rule in self.rules {
            let seen: Vec<Seen<'a>> = counted
                .iter()
                .copied()
                .filter(|seen| {
                    rule.sources.domains.contains(&seen.of.domain)
                        || rule.sources.kinds.contains(&seen.of.kind)
                })
                .collect();
            for found in self.rule(rule, &seen, &mut verdict) {
                let mut witnesses: Vec<SignalId> =
                    found.witnesses.iter().map(|seen| seen.of.id).collect();
                witnesses.sort();
                let mut days = found.days;
                for seen in &found.witnesses {
                    days = days.with(seen.day);
                }
                let is_new = verdict.matches.insert(Said {
                    rule: rule.id.to_string(),
                    anchor: found.anchor,
                    witnesses,
                    window: self.almanac.span(&days),
                    brought_by: found.brought_by,
                });
                assert!(is_new, "the oracle said the same twice");
            }
        }
        verdict
    }

    /// S3 and S4: of every signal the copy that wins, and of those the ones that count. In order of date and id (T3).
    fn counted(&self, copies: &'a [Signal]) -> Vec<Seen<'a>> {
        let mut counted: Vec<Seen<'a>> = Vec::new();
        for copy in copies {
            let beaten = copies.iter().any(|other| {
                let newer = (other.revision, other.filing) > (copy.revision, copy.filing);
                let stayed = (other.revision, other.filing) == (copy.revision, copy.filing)
                    && other.presence == Presence::LivesHere
                    && copy.presence == Presence::MovedAway;
                other.id == copy.id && (newer || stayed)
            });
            let day = self.almanac.number(copy.event_date);
            let is_kept = self
                .settings
                .retention_days
                .get(&copy.kind)
                .is_none_or(|days| self.almanac.number(self.as_of) < day + usize::from(*days));
            let seen = Seen { of: copy, day };
            if !beaten
                && copy.presence == Presence::LivesHere
                && copy.standing == Standing::Counted
                && is_kept
                && !counted.contains(&seen)
            {
                counted.push(seen);
            }
        }
        counted.sort_by_key(|seen| (seen.day, seen.of.id));
        counted
    }

    fn rule(&self, rule: &Rule, seen: &[Seen<'a>], verdict: &mut Verdict) -> Vec<Found<'a>> {
        match &rule.condition {
            Condition::EachSignal(predicate) => seen
                .iter()
                .filter(|one| self.answers(predicate, one.of))
                .map(|one| Found {
                    anchor: Anchor::Signal(one.of.id),
                    completed_by: None,
                    witnesses: vec![*one],
                    days: Almanac::days_between(one.day, one.day + 1),
                    brought_by: one.of.id,
                })
                .collect(),
            Condition::SingleInMonth {
                partner_types,
                preceding_months,
            } => self.monthly(
                seen,
                0,
                |month, before| {
                    self.types(month) < usize::from(*partner_types) && before.is_empty()
                },
                *preceding_months,
            ),
            Condition::ConcurrentInMonth { partner_types } => self.monthly(
                seen,
                0,
                |month, _| self.types(month) >= usize::from(*partner_types),
                0,
            ),
            Condition::ConsecutiveMonths { preceding_months } => self.monthly(
                seen,
                *preceding_months,
                |month, before| !month.is_empty() && !before.is_empty(),
                *preceding_months,
            ),
            Condition::Within(within) => self.within(within, seen),
            Condition::Risen { of, days, by } => {
                let telling: Vec<Seen<'a>> = seen
                    .iter()
                    .copied()
                    .filter(|one| one.of.amount.is_some() && self.answers(of, one.of))
                    .collect();
                let mut found = Vec::new();
                for one in &telling {
                    // The one before it: the latest of all that are earlier and alike.
                    let before = telling
                        .iter()
                        .filter(|other| {
                            (other.day, other.of.id) < (one.day, one.of.id)
                                && other.of.partner == one.of.partner
                                && other.of.kind == one.of.kind
                                && other.of.debtor == one.of.debtor
                        })
                        .max_by_key(|other| (other.day, other.of.id));
                    let Some(before) = before else { continue };
                    let cents = |seen: &Seen<'_>| {
                        i64::from(seen.of.amount.expect("it tells an amount").get())
                    };
                    let is_near = self
                        .almanac
                        .window(Window::Days(*days), one.day)
                        .has(before.day);
                    if is_near && cents(one) - cents(before) >= i64::from(by.get()) {
                        found.push(Found {
                            anchor: Anchor::Signal(one.of.id),
                            completed_by: None,
                            witnesses: vec![*before, *one],
                            days: Almanac::days_between(before.day, one.day + 1),
                            brought_by: last_received(&[*before, *one]),
                        });
                    }
                }
                found
            }
            Condition::Absence {
                after,
                without,
                within,
            } => self.absence(rule, after, without, *within, seen, verdict),
        }
    }

    /// M1: each month with a signal; whether it is so of the signals in it and of those in the months before.
    fn monthly(
        &self,
        seen: &[Seen<'a>],
        lean_on_months: u8,
        is_so: impl Fn(&[Seen<'a>], &[Seen<'a>]) -> bool,
        months_before: u8,
    ) -> Vec<Found<'a>> {
        let months: BTreeSet<i32> = seen.iter().map(|s| self.almanac.month(s.day)).collect();
        let mut found = Vec::new();
        for month in months {
            let of = |signals: &[Seen<'a>], first: i32, last: i32| -> Vec<Seen<'a>> {
                let days = self.almanac.months(first, last);
                signals
                    .iter()
                    .copied()
                    .filter(|s| days.has(s.day))
                    .collect()
            };
            let first = month - i32::from(months_before);
            let judge = |signals: &[Seen<'a>]| {
                let in_month = of(signals, month, month);
                !in_month.is_empty() && is_so(&in_month, &of(signals, first, month - 1))
            };
            if judge(seen) {
                let witnesses = of(seen, month - i32::from(lean_on_months), month);
                found.push(Found {
                    anchor: self.month_anchor(month),
                    completed_by: None,
                    days: self
                        .almanac
                        .months(month - i32::from(lean_on_months), month),
                    brought_by: brought_by(&witnesses, judge),
                    witnesses,
                });
            }
        }
        found
    }

    fn month_anchor(&self, month: i32) -> Anchor {
        let first = Almanac::first(&self.almanac.months(month, month));
        Anchor::Month(YearMonth::of(self.almanac.date(first)))
    }

    fn types(&self, signals: &[Seen<'_>]) -> usize {
        let mut names: Vec<&str> = signals
            .iter()
            .map(|one| match one.of.partner_type {
                PartnerType::CakHealthInsurance if self.settings.cak_is_zorg => {
                    PartnerType::HealthInsurance.code()
                }
                other => other.code(),
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    }

    fn within(&self, within: &Within, seen: &[Seen<'a>]) -> Vec<Found<'a>> {
        let asked: Vec<Seen<'a>> = seen
            .iter()
            .copied()
            .filter(|one| self.asks(&within.test, one.of))
            .collect();
        let mut groups: BTreeMap<Vec<String>, Vec<Seen<'a>>> = BTreeMap::new();
        for one in asked {
            let mut name = Vec::new();
            for same in &within.per {
                name.push(match same {
                    Same::Partner => Some(one.of.partner.to_string()),
                    Same::Kind => Some(one.of.kind.to_string()),
                    Same::Debtor => one.of.debtor.map(|debtor| debtor.uuid().to_string()),
                });
            }
            // Of somebody unknown nobody can say that it is the same one (S7).
            if let Some(name) = name.into_iter().collect() {
                groups.entry(name).or_default().push(one);
            }
        }
        groups
            .values()
            .flat_map(|group| match (within.window, within.counting) {
                (Window::CalendarMonths(_), _) => self.in_months(within, group),
                (_, Counting::Runs) => self.runs(within, group),
                (_, Counting::Anew) => self.anew(within, group),
            })
            .collect()
    }

    fn in_months(&self, within: &Within, group: &[Seen<'a>]) -> Vec<Found<'a>> {
        let months: BTreeSet<i32> = group.iter().map(|s| self.almanac.month(s.day)).collect();
        let mut found = Vec::new();
        for month in months {
            let last = group
                .iter()
                .rfind(|s| self.almanac.month(s.day) == month)
                .expect("a month has a signal")
                .day;
            let days = self.almanac.window(within.window, last);
            if !self.holds(&within.test, group, &days, group) {
                continue;
            }
            let witnesses = self.leaned_on(&within.test, group, &days, group);
            let in_month =
                |signals: &[Seen<'a>]| signals.iter().any(|s| self.almanac.month(s.day) == month);
            let needs_one_in_month = in_month(&witnesses);
            found.push(Found {
                anchor: self.month_anchor(month),
                completed_by: None,
                days,
                // A month is judged when there is a signal in it.
                brought_by: brought_by(&witnesses, |known| {
                    (!needs_one_in_month || in_month(known))
                        && self.holds(&within.test, known, &days, known)
                }),
                witnesses,
            });
        }
        found
    }

    fn runs(&self, within: &Within, group: &[Seen<'a>]) -> Vec<Found<'a>> {
        // Every satisfied window is a run of its own, until no two runs overlap any more.
        let mut runs: Vec<Vec<(usize, Days)>> = self
            .satisfied(within, group)
            .into_iter()
            .map(|one| vec![one])
            .collect();
        while let Some((one, other)) = overlapping(&runs) {
            let more = runs.remove(other);
            runs[one].extend(more);
        }
        runs.iter()
            .map(|run| {
                let (first, days) = *run.iter().min_by_key(|(day, _)| *day).expect("not empty");
                let mut witnesses: Vec<Seen<'a>> = Vec::new();
                for (_, days) in run {
                    for one in self.leaned_on(&within.test, group, days, group) {
                        if !witnesses.contains(&one) {
                            witnesses.push(one);
                        }
                    }
                }
                let all_days = run.iter().fold(days, |all, (_, days)| all.either(days));
                self.found(within, group, first, &days, witnesses, all_days)
            })
            .collect()
    }

    /// The days on which a window ends that is satisfied, with that window.
    fn satisfied(&self, within: &Within, group: &[Seen<'a>]) -> Vec<(usize, Days)> {
        let ends: BTreeSet<usize> = group.iter().map(|one| one.day).collect();
        ends.into_iter()
            .map(|day| (day, self.almanac.window(within.window, day)))
            .filter(|(_, days)| self.holds(&within.test, group, days, group))
            .collect()
    }

    fn anew(&self, within: &Within, group: &[Seen<'a>]) -> Vec<Found<'a>> {
        let mut found = Vec::new();
        let mut left = group.to_vec();
        let mut counted_through = None;
        loop {
            let first = left
                .iter()
                .map(|one| one.day)
                .map(|day| {
                    let days = self.almanac.window(within.window, day);
                    (day, Almanac::after(&days, counted_through))
                })
                .find(|(_, days)| self.holds(&within.test, &left, days, &left));
            let Some((day, days)) = first else {
                return found;
            };
            let witnesses = self.leaned_on(&within.test, &left, &days, &left);
            found.push(self.found(within, &left, day, &days, witnesses, days));
            left.retain(|one| one.day > day);
            counted_through = Some(day);
        }
    }

    fn found(
        &self,
        within: &Within,
        group: &[Seen<'a>],
        first: usize,
        window: &Days,
        witnesses: Vec<Seen<'a>>,
        days: Days,
    ) -> Found<'a> {
        // With which signal of that day is it so, and with all that come after it on that day still?
        let that_day: Vec<Seen<'a>> = group.iter().copied().filter(|s| s.day == first).collect();
        let so_with = |last: &Seen<'a>| {
            let known: Vec<Seen<'a>> = group
                .iter()
                .copied()
                .filter(|s| s.day < first || (s.day == first && s.of.id <= last.of.id))
                .collect();
            self.holds(&within.test, &known, window, &known)
        };
        let completing = that_day
            .iter()
            .enumerate()
            .find(|(index, _)| that_day[*index..].iter().all(so_with))
            .map(|(_, one)| *one)
            .expect("a window is satisfied with all signals of its last day");
        let brought_by = brought_by(&witnesses, |known| {
            !self.satisfied(within, known).is_empty()
        });
        Found {
            anchor: Anchor::Signal(completing.of.id),
            completed_by: Some(completing),
            witnesses,
            days,
            brought_by,
        }
    }

    /// Whether a test can look at a signal at all.
    fn asks(&self, test: &Test, signal: &Signal) -> bool {
        match test {
            Test::Reaches { of, .. } => self.answers(of, signal),
            Test::Sequence(steps) => steps.iter().any(|step| self.answers(step, signal)),
            Test::All(parts) | Test::AnyOf(parts) | Test::AtLeast { of: parts, .. } => {
                parts.iter().any(|part| self.asks(part, signal))
            }
            Test::Somewhere { test, .. } | Test::Before { test, .. } => self.asks(test, signal),
        }
    }

    /// Whether a test holds on these days, when these signals are known.
    fn holds(&self, test: &Test, known: &[Seen<'a>], days: &Days, everything: &[Seen<'a>]) -> bool {
        match test {
            Test::Reaches { of, reach } => {
                let looked_at: Vec<&Signal> = known
                    .iter()
                    .filter(|one| days.has(one.day) && self.answers(of, one.of))
                    .map(|one| one.of)
                    .collect();
                self.reaches(reach, &looked_at)
            }
            Test::All(parts) => parts
                .iter()
                .all(|part| self.holds(part, known, days, everything)),
            Test::AnyOf(parts) => parts
                .iter()
                .any(|part| self.holds(part, known, days, everything)),
            Test::AtLeast { count, of } => {
                let mut hold = 0;
                for part in of {
                    hold += u8::from(self.holds(part, known, days, everything));
                }
                hold >= *count
            }
            Test::Sequence(steps) => {
                let inside: Vec<Seen<'a>> =
                    known.iter().copied().filter(|s| days.has(s.day)).collect();
                !self.chains(steps, &inside).is_empty()
            }
            Test::Somewhere { window, test } => self
                .shorter(*window, test, known, days)
                .iter()
                .any(|days| self.holds(test, known, days, everything)),
            Test::Before { months, test } => {
                let days = self.before(*months, days);
                self.holds(test, everything, &days, everything)
            }
        }
    }

    /// The windows inside these days that end with a signal the test looks at.
    fn shorter(&self, window: Window, test: &Test, known: &[Seen<'a>], days: &Days) -> Vec<Days> {
        let ends: BTreeSet<usize> = known
            .iter()
            .filter(|one| days.has(one.day) && self.asks(test, one.of))
            .map(|one| one.day)
            .collect();
        ends.iter()
            .map(|end| Almanac::common(&self.almanac.window(window, *end), days))
            .collect()
    }

    fn before(&self, months: u8, days: &Days) -> Days {
        let month = self.almanac.month(Almanac::first(days));
        self.almanac.months(month - i32::from(months), month - 1)
    }

    /// All ways to take these steps, one signal after the other.
    fn chains(&self, steps: &[Predicate], signals: &[Seen<'a>]) -> Vec<Vec<Seen<'a>>> {
        let Some((step, rest)) = steps.split_first() else {
            return vec![Vec::new()];
        };
        let mut chains = Vec::new();
        for (index, one) in signals.iter().enumerate() {
            if self.answers(step, one.of) {
                for mut chain in self.chains(rest, &signals[index + 1..]) {
                    chain.push(*one);
                    chains.push(chain);
                }
            }
        }
        chains
    }

    /// The signals that make a test hold, if it does.
    fn leaned_on(
        &self,
        test: &Test,
        known: &[Seen<'a>],
        days: &Days,
        everything: &[Seen<'a>],
    ) -> Vec<Seen<'a>> {
        if !self.holds(test, known, days, everything) {
            return Vec::new();
        }
        let mut leaned_on: Vec<Seen<'a>> = match test {
            Test::Reaches { of, .. } => known
                .iter()
                .copied()
                .filter(|one| days.has(one.day) && self.answers(of, one.of))
                .collect(),
            Test::All(parts) | Test::AnyOf(parts) | Test::AtLeast { of: parts, .. } => parts
                .iter()
                .flat_map(|part| self.leaned_on(part, known, days, everything))
                .collect(),
            Test::Sequence(steps) => {
                let inside: Vec<Seen<'a>> =
                    known.iter().copied().filter(|s| days.has(s.day)).collect();
                self.chains(steps, &inside).concat()
            }
            Test::Somewhere { window, test } => self
                .shorter(*window, test, known, days)
                .iter()
                .flat_map(|days| self.leaned_on(test, known, days, everything))
                .collect(),
            Test::Before { months, test } => {
                let days = self.before(*months, days);
                self.leaned_on(test, everything, &days, everything)
            }
        };
        leaned_on.sort_by_key(|one| (one.day, one.of.id));
        leaned_on.dedup();
        leaned_on
    }

    fn reaches(&self, reach: &Reach, signals: &[&Signal]) -> bool {
        let enough = |many: usize, least: u16| many >= usize::from(least);
        let names = |name: &dyn Fn(&Signal) -> Option<String>| {
            let names: BTreeSet<String> = signals.iter().filter_map(|s| name(s)).collect();
            names.len()
        };
        match reach {
            Reach::Count(least) => enough(signals.len(), *least),
            Reach::Kinds(least) => enough(names(&|s| Some(s.kind.to_string())), *least),
            Reach::Domains(least) => enough(names(&|s| Some(s.domain.to_string())), *least),
            Reach::Partners(least) => enough(names(&|s| Some(s.partner.to_string())), *least),
            Reach::PartnerTypes(least) => {
                let seen: Vec<Seen<'_>> = signals.iter().map(|of| Seen { of, day: 0 }).collect();
                enough(self.types(&seen), *least)
            }
            Reach::Debtors(least) => enough(
                names(&|s| s.debtor.map(|debtor| debtor.uuid().to_string())),
                *least,
            ),
            Reach::Sum(least) => {
                let values: Vec<i64> = signals.iter().filter_map(|s| value(least, s)).collect();
                !values.is_empty() && values.iter().sum::<i64>() >= bound(least)
            }
            Reach::Maximum(least) => signals
                .iter()
                .any(|s| value(least, s).is_some_and(|value| value >= bound(least))),
            Reach::Latest(least) => signals
                .iter()
                .filter(|s| value(least, s).is_some())
                .max_by_key(|s| (s.event_date, s.id))
                .and_then(|s| value(least, s))
                .is_some_and(|value| value >= bound(least)),
            Reach::SumOfLatest(least) => {
                // A signal is the last of its partner, kind and debtor when none that tells an amount comes after it.
                let telling: Vec<&&Signal> = signals
                    .iter()
                    .filter(|s| value(least, s).is_some())
                    .collect();
                let values: Vec<i64> = telling
                    .iter()
                    .filter(|one| {
                        !telling.iter().any(|other| {
                            other.partner == one.partner
                                && other.kind == one.kind
                                && other.debtor == one.debtor
                                && (other.event_date, other.id) > (one.event_date, one.id)
                        })
                    })
                    .filter_map(|one| value(least, one))
                    .collect();
                !values.is_empty() && values.iter().sum::<i64>() >= bound(least)
            }
        }
    }

    fn answers(&self, predicate: &Predicate, signal: &Signal) -> bool {
        let amount = signal.amount.map(|cents| i64::from(cents.get()));
        match predicate {
            Predicate::Any => true,
            Predicate::All(parts) => !parts.iter().any(|part| !self.answers(part, signal)),
            Predicate::AnyOf(parts) => !parts.iter().all(|part| !self.answers(part, signal)),
            Predicate::Not(part) => !self.answers(part, signal),
            Predicate::Kind(kinds) => kinds.iter().any(|kind| *kind == signal.kind),
            Predicate::Domain(domains) => domains.iter().any(|domain| *domain == signal.domain),
            Predicate::PartnerType(types) => types.iter().any(|one| *one == signal.partner_type),
            Predicate::Crisis => {
                signal.crisis
                    || signal.supply_ends_on.is_some()
                    || self.settings.crisis_kinds.contains(&signal.kind)
            }
            Predicate::WarmHandover => signal.warm_handover,
            Predicate::SupplyEnd => signal.supply_ends_on.is_some(),
            Predicate::AmountAtLeast(least) => {
                amount.is_some_and(|cents| cents >= i64::from(least.get()))
            }
            Predicate::AmountAtLeastTimes { times, field } => {
                let Some(FieldValue::Number(euros)) = signal.fields.get(field) else {
                    return false;
                };
                // Thousandths of a euro on both sides; a field of nothing says nothing.
                euros.thousandths() > 0
                    && amount
                        .is_some_and(|cents| cents * 10 >= i64::from(*times) * euros.thousandths())
            }
            Predicate::Field { name, test } => match (signal.fields.get(name), test) {
                (Some(_), FieldTest::Present) => true,
                (Some(FieldValue::Bool(told)), FieldTest::Is(wanted)) => told == wanted,
                (Some(FieldValue::Number(told)), FieldTest::AtLeast(least)) => {
                    told.thousandths() >= least.thousandths()
                }
                (Some(FieldValue::Number(told)), FieldTest::Below(limit)) => {
                    told.thousandths() < limit.thousandths()
                }
                (Some(FieldValue::Code(told)), FieldTest::CodeIn(codes)) => {
                    codes.iter().any(|code| code == told)
                }
                _ => false,
            },
        }
    }

    fn absence(
        &self,
        rule: &Rule,
        after: &After,
        without: &Follows,
        within: voorveld_calendar::Term,
        seen: &[Seen<'a>],
        verdict: &mut Verdict,
    ) -> Vec<Found<'a>> {
        let waits: Vec<Found<'a>> = match after {
            After::Signal(predicate) => seen
                .iter()
                .filter(|one| self.answers(predicate, one.of))
                .map(|one| Found {
                    anchor: Anchor::Signal(one.of.id),
                    completed_by: Some(*one),
                    witnesses: vec![*one],
                    days: Almanac::days_between(one.day, one.day + 1),
                    brought_by: one.of.id,
                })
                .collect(),
            After::Pattern(pattern) => self.within(pattern, seen),
        };
        let today = self.almanac.number(self.as_of);
        let mut found = Vec::new();
        for wait in waits {
            let Seen { of: signal, day } = wait.completed_by.expect("no month is waited after");
            let end = self.almanac.over(within, day);
            let came = seen.iter().any(|other| {
                let same = |same: &Same| match same {
                    Same::Partner => other.of.partner == signal.partner,
                    Same::Kind => other.of.kind == signal.kind,
                    Same::Debtor => other.of.debtor == signal.debtor,
                };
                (day, signal.id) < (other.day, other.of.id)
                    && other.day < end
                    && self.answers(&without.of, other.of)
                    && without.same.iter().all(same)
                    && (!without.lower_amount
                        || (other.of.amount.is_some()
                            && signal.amount.is_some()
                            && other.of.amount < signal.amount))
            });
            if came {
                continue;
            }
            if today < end {
                let end = self.almanac.date(end);
                verdict.next_look = Some(verdict.next_look.map_or(end, |look| look.min(end)));
                continue;
            }
            if self.is_all_there(rule, without, signal, end - 1) {
                found.push(Found {
                    days: wait.days.either(&Almanac::days_between(day, end)),
                    ..wait
                });
            } else {
                verdict.awaits_feeds = true;
            }
        }
        found
    }

    /// Whether everybody by whom it could have come has said that all is there through this day.
    fn is_all_there(&self, rule: &Rule, without: &Follows, signal: &Signal, day: usize) -> bool {
        let whole_domains = !rule.sources.domains.is_empty();
        if whole_domains && !without.same.contains(&Same::Kind) {
            // Which other kinds a domain has is not known: only when none of them could come can all be there.
            let other = "another_kind".parse().expect("a kind");
            if may_be(&without.of, &other) != Some(false) {
                return false;
            }
        }
        let could_come = |partner: &PartnerId, kind: &KindId| {
            let by_name = if without.same.contains(&Same::Kind) {
                *kind == signal.kind
            } else {
                may_be(&without.of, kind) != Some(false)
                    && (whole_domains || rule.sources.kinds.contains(kind))
            };
            by_name && (!without.same.contains(&Same::Partner) || *partner == signal.partner)
        };
        let mut awaited = self
            .told
            .senders
            .iter()
            .filter(|(partner, kind)| could_come(partner, kind))
            .peekable();
        awaited.peek().is_some()
            && awaited.all(|(partner, kind)| {
                self.told.marks.iter().any(|(by, of, through)| {
                    by == partner && of == kind && self.almanac.number(*through) >= day
                })
            })
    }
}

/// What a predicate says of a signal of which only the kind is known.
fn may_be(predicate: &Predicate, kind: &KindId) -> Option<bool> {
    match predicate {
        Predicate::Any => Some(true),
        Predicate::Kind(kinds) => Some(kinds.contains(kind)),
        Predicate::Not(part) => may_be(part, kind).map(|so| !so),
        Predicate::All(parts) => {
            let said: Vec<Option<bool>> = parts.iter().map(|part| may_be(part, kind)).collect();
            if said.contains(&Some(false)) {
                Some(false)
            } else if said.contains(&None) {
                None
            } else {
                Some(true)
            }
        }
        Predicate::AnyOf(parts) => {
            let said: Vec<Option<bool>> = parts.iter().map(|part| may_be(part, kind)).collect();
            if said.contains(&Some(true)) {
                Some(true)
            } else if said.contains(&None) {
                None
            } else {
                Some(false)
            }
        }
        _ => None,
    }
}

fn value(least: &Least, signal: &Signal) -> Option<i64> {
    match least {
        Least::Amount(_) => signal.amount.map(|cents| i64::from(cents.get())),
        Least::Field { name, .. } => match signal.fields.get(name) {
            Some(FieldValue::Number(number)) => Some(number.thousandths()),
            _ => None,
        },
    }
}

fn bound(least: &Least) -> i64 {
    match least {
        Least::Amount(cents) => i64::from(cents.get()),
        Least::Field { least, .. } => least.thousandths(),
    }
}

fn overlapping(runs: &[Vec<(usize, Days)>]) -> Option<(usize, usize)> {
    for one in 0..runs.len() {
        for other in one + 1..runs.len() {
            for (_, days) in &runs[one] {
                if runs[other].iter().any(|(_, more)| days.meets(more)) {
                    return Some((one, other));
                }
            }
        }
    }
    None
}

fn last_received(signals: &[Seen<'_>]) -> SignalId {
    let key = |one: &&Seen<'_>| (one.of.first_received_at, one.of.id);
    signals.iter().max_by_key(key).expect("some").of.id
}

/// The witness with whose first receipt it became true and stayed so, when witnesses come in one by one.
fn brought_by<'a>(witnesses: &[Seen<'a>], is_so: impl Fn(&[Seen<'a>]) -> bool) -> SignalId {
    let mut received = witnesses.to_vec();
    received.sort_by_key(|one| (one.of.first_received_at, one.of.id));
    let mut so: Vec<bool> = Vec::new();
    for many in 1..=received.len() {
        let mut known = received[..many].to_vec();
        known.sort_by_key(|one| (one.day, one.of.id));
        so.push(is_so(&known));
    }
    let since = so.iter().rposition(|so| !so).map_or(0, |last| last + 1);
    received[since.min(received.len() - 1)].of.id
}
