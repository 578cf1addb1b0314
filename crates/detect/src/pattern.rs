//! What signals come to within a window: satisfied windows, what becomes of them (M2), and which signals they lean on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_calendar::{Calendar, Period, YearMonth, plus_days};
use voorveld_domain::{CountedType, DebtorId, KindId, PartnerId, PartnerType, SignalId};

use crate::Signal;
use crate::condition::{Counting, Least, Predicate, Reach, Same, Test, Window, Within};
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::rule::RuleSettings;
use crate::signal::FieldValue;

/// A windowed condition with what it needs to look at signals.
#[derive(Clone, Copy)]
pub(crate) struct Pattern<'a> {
    pub(crate) what: &'a Within,
    pub(crate) settings: &'a RuleSettings,
    pub(crate) calendar: &'a Calendar,
}

/// What signals that are judged apart have in common.
type Apart<'s> = (Option<&'s PartnerId>, Option<&'s KindId>, Option<DebtorId>);

/// One match of it.
pub(crate) struct Stretch<'a> {
    /// The signals it leans on, in order of events.
    pub(crate) witnesses: Vec<&'a Signal>,
    /// The signal that completes its first window.
    pub(crate) completed_by: SignalId,
    /// The month of its window, when windows are months.
    pub(crate) month: YearMonth,
    /// All days of its windows.
    pub(crate) period: Period,
    /// What its fullest window comes to, the first one among equals.
    pub(crate) evidence: Vec<Evidence>,
}

/// A window that is satisfied: where it ends in the list of signals asked, and its days.
struct Satisfied {
    begin: usize,
    end: usize,
    completed_by: usize,
    period: Period,
    fullness: i64,
}

impl Pattern<'_> {
    /// The signals that matter to it, in order of events.
    pub(crate) fn asked<'s>(&self, seen: &[&'s Signal]) -> Vec<&'s Signal> {
        seen.iter()
            .copied()
            .filter(|signal| {
                self.what
                    .test
                    .asks(&|predicate| predicate.holds(signal, self.settings))
            })
            .collect()
    }

    /// Every match among these signals, which all matter to it and are in order of events.
    pub(crate) fn stretches<'s>(&self, asked: &[&'s Signal]) -> Vec<Stretch<'s>> {
        if asked.len() < self.what.test.fewest() {
            return Vec::new();
        }
        if self.what.per.is_empty() {
            return self.stretches_of(asked);
        }
        let groups = self.groups(asked);
        groups
            .values()
            .flat_map(|group| self.stretches_of(group))
            .collect()
    }

    /// The signals that are judged apart.
    fn groups<'s>(&self, asked: &[&'s Signal]) -> BTreeMap<Apart<'s>, Vec<&'s Signal>> {
        let mut groups: BTreeMap<Apart<'s>, Vec<&'s Signal>> = BTreeMap::new();
        let per = |same| self.what.per.contains(&same);
        for signal in asked {
            if per(Same::Debtor) && signal.debtor.is_none() {
                continue;
            }
            let apart = (
                per(Same::Partner).then_some(&signal.partner),
                per(Same::Kind).then_some(&signal.kind),
                signal.debtor.filter(|_| per(Same::Debtor)),
            );
            groups.entry(apart).or_default().push(signal);
        }
        groups
    }

    fn stretches_of<'s>(&self, mut asked: &[&'s Signal]) -> Vec<Stretch<'s>> {
        let mut stretches = Vec::new();
        let mut run: Vec<Satisfied> = Vec::new();
        let mut anew_from = Date::MIN;
        let mut begin = 0;
        let mut next = 0;
        while next < asked.len() {
            let (first, end) = self.group(asked, next);
            next = end;
            let day = asked[first].event_date;
            let period = self.what.window.ending(day, self.calendar);
            let period = Period::new(period.from().max(anew_from), period.to());
            while asked[begin].event_date < period.from() {
                begin += 1;
            }
            let Some(fullness) = self.holds(&self.what.test, &asked[begin..end], period, asked)
            else {
                continue;
            };
            let satisfied = Satisfied {
                begin,
                end,
                completed_by: self.completed_by(asked, begin, first, end, period),
                period,
                fullness,
            };
            match self.what.counting {
                Counting::Anew => {
                    stretches.push(self.stretch(asked, &[satisfied]));
                    // What was counted is gone, whatever looks back.
                    asked = &asked[end..];
                    anew_from = plus_days(day, 1);
                    (begin, next) = (0, 0);
                }
                Counting::Runs if self.what.window.is_monthly() => {
                    stretches.push(self.stretch(asked, &[satisfied]));
                }
                Counting::Runs => {
                    let goes_on = run
                        .last()
                        .is_some_and(|before| period.overlaps(&before.period));
                    if !goes_on && !run.is_empty() {
                        stretches.push(self.stretch(asked, &run));
                        run.clear();
                    }
                    run.push(satisfied);
                }
            }
        }
        if !run.is_empty() {
            stretches.push(self.stretch(asked, &run));
        }
        stretches
    }

    /// Whether some of the witnesses of a stretch are enough for it. A month is judged by itself: an earlier one may be satisfied with less.
    pub(crate) fn is_so(&self, stretch: &Stretch<'_>, known: &[&Signal]) -> bool {
        if !self.what.window.is_monthly() {
            return !self.stretches(known).is_empty();
        }
        let month = stretch.month.period();
        // A window of months ends with a signal; where nothing in that month is leaned on, one that is not told here.
        let ends_with_one = |signals: &[&Signal]| !within(signals, month).is_empty();
        let period = self.what.window.ending(month.from(), self.calendar);
        (ends_with_one(known) || !ends_with_one(&stretch.witnesses))
            && self
                .holds(&self.what.test, within(known, period), period, known)
                .is_some()
    }

    /// The signals with which one window ends: those of one day, or of one month.
    fn group(&self, asked: &[&Signal], first: usize) -> (usize, usize) {
        let day = asked[first].event_date;
        let same: &dyn Fn(Date) -> bool = if self.what.window.is_monthly() {
            &|other| YearMonth::of(other) == YearMonth::of(day)
        } else {
            &|other| other == day
        };
        let more = asked[first..]
            .iter()
            .take_while(|signal| same(signal.event_date))
            .count();
        (first, first + more)
    }

    /// The signal of the window's last day with which the test became true, and stayed so to the end of that day (ties by id, T3).
    fn completed_by(
        &self,
        asked: &[&Signal],
        from: usize,
        first: usize,
        end: usize,
        period: Period,
    ) -> usize {
        (first + 1..end)
            .rev()
            .take_while(|&shorter| {
                self.holds(&self.what.test, &asked[from..shorter], period, asked)
                    .is_some()
            })
            .last()
            .unwrap_or(end)
            - 1
    }

    fn stretch<'s>(&self, asked: &[&'s Signal], run: &[Satisfied]) -> Stretch<'s> {
        let (first, last) = (&run[0], &run[run.len() - 1]);
        let fullest = run
            .iter()
            .rev()
            .max_by_key(|one| one.fullness)
            .expect("a run holds a window");
        let mut evidence = Vec::new();
        self.measure(
            &self.what.test,
            &asked[fullest.begin..fullest.end],
            fullest.period,
            asked,
            &mut evidence,
        );
        let witnesses = if let Test::Reaches { .. } = &self.what.test {
            // Whatever is asked is looked at, and windows that overlap leave nothing out between them.
            asked[first.begin..last.end].to_vec()
        } else {
            let mut leaned_on: BTreeMap<(Date, SignalId), &'s Signal> = BTreeMap::new();
            for one in run {
                let slice = &asked[one.begin..one.end];
                self.lean(&self.what.test, slice, one.period, asked, &mut |signal| {
                    leaned_on.insert(signal.event_order(), signal);
                });
            }
            leaned_on.into_values().collect()
        };
        let period = run
            .iter()
            .fold(first.period, |hull, one| hull.hull(&one.period));
        Stretch {
            completed_by: asked[first.completed_by].id,
            month: YearMonth::of(asked[first.completed_by].event_date),
            period: witnesses.iter().fold(period, |hull, signal| {
                hull.hull(&Period::day(signal.event_date))
            }),
            witnesses,
            evidence,
        }
    }

    /// Whether a test holds of the signals in a window; if so how full it is: of one number the number, of more tests how many hold.
    fn holds(
        &self,
        test: &Test,
        signals: &[&Signal],
        period: Period,
        all: &[&Signal],
    ) -> Option<i64> {
        match test {
            Test::Reaches { of, reach } => {
                let value = self.value(reach, of, signals);
                value.filter(|value| least(reach) <= *value)
            }
            Test::All(tests) => {
                let hold = self.holding(tests, signals, period, all);
                (hold == tests.len()).then(|| whole(hold))
            }
            Test::AnyOf(tests) => {
                let hold = self.holding(tests, signals, period, all);
                (0 < hold).then(|| whole(hold))
            }
            Test::AtLeast { count, of } => {
                let hold = self.holding(of, signals, period, all);
                (usize::from(*count) <= hold).then(|| whole(hold))
            }
            Test::Sequence(steps) => {
                (self.steps_taken(steps, signals) == steps.len()).then(|| whole(steps.len()))
            }
            Test::Somewhere { window, test } => self
                .inner(*window, test, signals, period)
                .filter_map(|(inner, period)| self.holds(test, inner, period, all))
                .max(),
            Test::Before { months, test } => {
                let before = YearMonth::of(period.from()).preceding(*months);
                self.holds(test, within(all, before), before, all)
            }
        }
    }

    fn holding(
        &self,
        tests: &[Test],
        signals: &[&Signal],
        period: Period,
        all: &[&Signal],
    ) -> usize {
        tests
            .iter()
            .filter(|test| self.holds(test, signals, period, all).is_some())
            .count()
    }

    /// The shorter windows in a window, each ending with a signal that their test asks, as far as they lie in it.
    fn inner<'v, 's>(
        &'v self,
        window: Window,
        test: &'v Test,
        signals: &'v [&'s Signal],
        period: Period,
    ) -> impl Iterator<Item = (&'v [&'s Signal], Period)> {
        signals
            .chunk_by(|a, b| a.event_date == b.event_date)
            .filter(|day| {
                day.iter()
                    .any(|signal| test.asks(&|predicate| predicate.holds(signal, self.settings)))
            })
            .map(move |day| {
                let inner = window.ending(day[0].event_date, self.calendar);
                let inner =
                    Period::new(inner.from().max(period.from()), inner.to().min(period.to()));
                (within(signals, inner), inner)
            })
    }

    /// How many steps of a sequence were taken, taking each as early as it goes.
    fn steps_taken(&self, steps: &[Predicate], signals: &[&Signal]) -> usize {
        let mut taken = 0;
        for signal in signals {
            if taken < steps.len() && steps[taken].holds(signal, self.settings) {
                taken += 1;
            }
        }
        taken
    }

    /// Tells every signal that makes a test hold.
    fn lean<'s>(
        &self,
        test: &Test,
        signals: &[&'s Signal],
        period: Period,
        all: &[&'s Signal],
        tell: &mut dyn FnMut(&'s Signal),
    ) {
        if self.holds(test, signals, period, all).is_none() {
            return;
        }
        match test {
            Test::Reaches { of, .. } => signals
                .iter()
                .filter(|signal| of.holds(signal, self.settings))
                .for_each(|signal| tell(signal)),
            Test::All(tests) | Test::AnyOf(tests) | Test::AtLeast { of: tests, .. } => {
                for test in tests {
                    self.lean(test, signals, period, all, tell);
                }
            }
            Test::Sequence(steps) => {
                // One that is a step with all earlier steps before it and all later ones after it.
                for (index, signal) in signals.iter().enumerate() {
                    let is_part = steps.iter().enumerate().any(|(step, predicate)| {
                        predicate.holds(signal, self.settings)
                            && self.steps_taken(&steps[..step], &signals[..index]) == step
                            && self.steps_taken(&steps[step + 1..], &signals[index + 1..])
                                == steps.len() - step - 1
                    });
                    if is_part {
                        tell(signal);
                    }
                }
            }
            Test::Somewhere { window, test } => {
                for (inner, period) in self.inner(*window, test, signals, period) {
                    self.lean(test, inner, period, all, tell);
                }
            }
            Test::Before { months, test } => {
                let before = YearMonth::of(period.from()).preceding(*months);
                self.lean(test, within(all, before), before, all, tell);
            }
        }
    }

    /// What a test measures on the signals in a window, whether it holds or not.
    pub(crate) fn measure(
        &self,
        test: &Test,
        signals: &[&Signal],
        period: Period,
        all: &[&Signal],
        into: &mut Vec<Evidence>,
    ) {
        match test {
            Test::Reaches { of, reach } => {
                into.push(self.reach_evidence(reach, of, signals, period));
            }
            Test::All(tests) | Test::AnyOf(tests) | Test::AtLeast { of: tests, .. } => {
                let wanted = match test {
                    Test::AtLeast { count, .. } => u32::from(*count),
                    Test::AnyOf(_) => 1,
                    _ => u32::try_from(tests.len()).unwrap_or(u32::MAX),
                };
                into.push(Evidence {
                    measure: Measure::PartsThatHold,
                    about: About::Period(period),
                    threshold: Quantity::Count(wanted),
                    value: count(self.holding(tests, signals, period, all)),
                });
                for test in tests {
                    self.measure(test, signals, period, all, into);
                }
            }
            Test::Sequence(steps) => into.push(Evidence {
                measure: Measure::StepsInOrder,
                about: About::Period(period),
                threshold: count(steps.len()),
                value: count(self.steps_taken(steps, signals)),
            }),
            Test::Somewhere { window, test } => {
                // The shorter window that holds best; the window itself when there is no signal in it.
                let best =
                    self.inner(*window, test, signals, period)
                        .max_by_key(|(inner, period)| {
                            (self.nearness(test, inner, *period, all), *period)
                        });
                let (inner, inner_period) = best.unwrap_or((signals, period));
                self.measure(test, inner, inner_period, all, into);
            }
            Test::Before { months, test } => {
                let before = YearMonth::of(period.from()).preceding(*months);
                self.measure(test, within(all, before), before, all, into);
            }
        }
    }

    /// How near the signals in a window come to a test: of tests put together, how many hold; of a number, the number.
    fn nearness(&self, test: &Test, signals: &[&Signal], period: Period, all: &[&Signal]) -> i64 {
        match test {
            Test::Reaches { of, reach } => self.value(reach, of, signals).unwrap_or(i64::MIN),
            Test::All(tests) | Test::AnyOf(tests) | Test::AtLeast { of: tests, .. } => {
                whole(self.holding(tests, signals, period, all))
            }
            Test::Sequence(steps) => whole(self.steps_taken(steps, signals)),
            Test::Somewhere { window, test } => self
                .inner(*window, test, signals, period)
                .map(|(inner, period)| self.nearness(test, inner, period, all))
                .max()
                .unwrap_or(i64::MIN),
            Test::Before { months, test } => {
                let before = YearMonth::of(period.from()).preceding(*months);
                self.nearness(test, within(all, before), before, all)
            }
        }
    }

    /// The window that comes nearest to a match, the latest one among equals, and what it comes to.
    pub(crate) fn nearest(&self, asked: &[&Signal], otherwise: Date) -> Vec<Evidence> {
        if self.what.per.is_empty() {
            return self.nearest_of(asked, otherwise).1;
        }
        self.groups(asked)
            .values()
            .map(|group| self.nearest_of(group, otherwise))
            .max_by_key(|(nearness, _)| *nearness)
            .unwrap_or_else(|| self.nearest_of(&[], otherwise))
            .1
    }

    fn nearest_of(&self, asked: &[&Signal], otherwise: Date) -> (i64, Vec<Evidence>) {
        let mut begin = 0;
        let mut next = 0;
        let mut best: Option<(i64, usize, usize, Period)> = None;
        while next < asked.len() {
            let (first, end) = self.group(asked, next);
            next = end;
            let period = self
                .what
                .window
                .ending(asked[first].event_date, self.calendar);
            while asked[begin].event_date < period.from() {
                begin += 1;
            }
            let nearness = self.nearness(&self.what.test, &asked[begin..end], period, asked);
            if best.is_none_or(|(known, ..)| known <= nearness) {
                best = Some((nearness, begin, end, period));
            }
        }
        let (signals, period) = best.map_or_else(
            || {
                (
                    &asked[..0],
                    self.what.window.ending(otherwise, self.calendar),
                )
            },
            |(_, begin, end, period)| (&asked[begin..end], period),
        );
        let mut evidence = Vec::new();
        self.measure(&self.what.test, signals, period, asked, &mut evidence);
        (best.map_or(i64::MIN, |(nearness, ..)| nearness), evidence)
    }

    /// What the signals of which the predicate holds come to; `None` where there is nothing to measure.
    fn value(&self, reach: &Reach, of: &Predicate, signals: &[&Signal]) -> Option<i64> {
        let looked_at = || {
            signals
                .iter()
                .copied()
                .filter(|signal| of.holds(signal, self.settings))
        };
        Some(match reach {
            Reach::Count(_) => whole(looked_at().count()),
            Reach::Kinds(_) => distinct(looked_at().map(|signal| &signal.kind)),
            Reach::Domains(_) => distinct(looked_at().map(|signal| &signal.domain)),
            Reach::Partners(_) => distinct(looked_at().map(|signal| &signal.partner)),
            Reach::PartnerTypes(_) => distinct(
                looked_at().map(|signal| signal.partner_type.counted(self.settings.cak_is_zorg)),
            ),
            Reach::Debtors(_) => distinct(looked_at().filter_map(|signal| signal.debtor)),
            Reach::Sum(least) => looked_at()
                .filter_map(|signal| amount(least, signal))
                .reduce(i64::saturating_add)?,
            Reach::SumOfLatest(least) => {
                let mut latest: BTreeMap<(&PartnerId, &KindId, Option<DebtorId>), i64> =
                    BTreeMap::new();
                for signal in looked_at() {
                    if let Some(value) = amount(least, signal) {
                        latest.insert((&signal.partner, &signal.kind, signal.debtor), value);
                    }
                }
                latest.into_values().reduce(i64::saturating_add)?
            }
            Reach::Latest(least) => looked_at()
                .filter_map(|signal| amount(least, signal))
                .next_back()?,
            Reach::Maximum(least) => looked_at()
                .filter_map(|signal| amount(least, signal))
                .max()?,
        })
    }

    fn reach_evidence(
        &self,
        reach: &Reach,
        of: &Predicate,
        signals: &[&Signal],
        period: Period,
    ) -> Evidence {
        let value = self.value(reach, of, signals);
        let unit = |raw: i64| match reach {
            Reach::Sum(least)
            | Reach::SumOfLatest(least)
            | Reach::Latest(least)
            | Reach::Maximum(least) => quantity(least, raw),
            _ => Quantity::Count(u32::try_from(raw).unwrap_or(u32::MAX)),
        };
        Evidence {
            measure: reach.measure(),
            about: About::Period(period),
            threshold: unit(least(reach)),
            value: value.map_or(Quantity::Absent, unit),
        }
    }
}

impl Reach {
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

fn least(reach: &Reach) -> i64 {
    match reach {
        Reach::Sum(least)
        | Reach::SumOfLatest(least)
        | Reach::Latest(least)
        | Reach::Maximum(least) => least.raw(),
        counted => i64::from(counted.least().unwrap_or(0)),
    }
}

fn amount(least: &Least, signal: &Signal) -> Option<i64> {
    match least {
        Least::Amount(_) => signal.amount.map(|cents| i64::from(cents.get())),
        Least::Field { name, .. } => match signal.fields.get(name)? {
            FieldValue::Number(number) => Some(number.thousandths()),
            _ => None,
        },
    }
}

fn quantity(least: &Least, raw: i64) -> Quantity {
    match least {
        Least::Amount(_) => Quantity::Money(raw),
        Least::Field { .. } => Quantity::Number(crate::Decimal::from_thousandths(raw)),
    }
}

/// Up to so many different values are looked through one by one; a household has few.
const FEW: usize = 8;

fn distinct<T: Ord + Copy>(values: impl Iterator<Item = T>) -> i64 {
    let mut few: [Option<T>; FEW] = [None; FEW];
    let mut many: BTreeSet<T> = BTreeSet::new();
    let mut known = 0;
    for value in values {
        if few[..known.min(FEW)].contains(&Some(value)) || many.contains(&value) {
            continue;
        }
        if known < FEW {
            few[known] = Some(value);
        } else {
            many.insert(value);
        }
        known += 1;
    }
    whole(known)
}

fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: usize) -> Quantity {
    Quantity::Count(u32::try_from(number).unwrap_or(u32::MAX))
}

/// The signals within a period, of signals in order of events.
pub(crate) fn within<'v, 's>(signals: &'v [&'s Signal], period: Period) -> &'v [&'s Signal] {
    let from = signals.partition_point(|signal| signal.event_date < period.from());
    let to = signals.partition_point(|signal| signal.event_date < period.to());
    &signals[from..to.max(from)]
}

/// The types of partner, as M1 counts them, each under the first of its names.
pub(crate) fn partner_types(signals: &[&Signal], settings: &RuleSettings) -> Vec<PartnerType> {
    let mut types: BTreeMap<CountedType, PartnerType> = BTreeMap::new();
    for signal in signals {
        let counted = signal.partner_type.counted(settings.cak_is_zorg);
        let name = types.entry(counted).or_insert(signal.partner_type);
        *name = signal.partner_type.min(*name);
    }
    let mut names: Vec<PartnerType> = types.into_values().collect();
    names.sort_unstable();
    names
}
