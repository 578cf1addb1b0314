//! What signals come to within a window: satisfied windows, what becomes of them (M2), and which signals they lean on.

use std::borrow::Cow;
use std::collections::BTreeMap;

use jiff::civil::Date;
use smallvec::SmallVec;
use voorveld_calendar::{Calendar, Period, YearMonth, day_number};
use voorveld_domain::SignalId;

use crate::Timeline;
use crate::condition::{Counting, Predicate, Reach, Same, Test, Window, Within};
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::lens::{Number, Seen};
use crate::reach::{Tally, whole};
use crate::rule::RuleSettings;
use crate::window::{Few, within};

/// A windowed condition with what it needs to look at signals.
#[derive(Clone, Copy)]
pub(crate) struct Pattern<'a> {
    pub(crate) what: &'a Within,
    pub(crate) settings: &'a RuleSettings,
    pub(crate) timeline: &'a Timeline,
    pub(crate) calendar: &'a Calendar,
}

/// What signals that are judged apart have in common.
type Apart = (Option<Number>, Option<Number>, Option<Number>);

/// One match of it.
pub(crate) struct Stretch<'v, 's> {
    /// The signals it leans on, in order of events.
    pub(crate) witnesses: Cow<'v, [&'s Seen]>,
    /// The signal that completes its first window.
    pub(crate) completed_by: &'s Seen,
    /// All days of its windows.
    pub(crate) period: Period,
    /// What its fullest window comes to, the first one among equals.
    pub(crate) evidence: SmallVec<[Evidence; 1]>,
}

impl Stretch<'_, '_> {
    /// The month of its window, when windows are months.
    pub(crate) fn month(&self) -> YearMonth {
        YearMonth::numbered(self.completed_by.month)
    }
}

/// A window that is satisfied: where it begins and ends in the list of signals asked, where its last day or month begins there, and its days.
#[derive(Clone, Copy)]
struct Satisfied {
    begin: usize,
    last: usize,
    end: usize,
    period: Period,
    fullness: i64,
}

/// Satisfied windows that are one match.
struct Run {
    first: Satisfied,
    last: Satisfied,
    fullest: Satisfied,
    period: Period,
    /// All of them, where it is to be found out which signals they lean on.
    all: Vec<Satisfied>,
}

impl Run {
    const fn of(window: Satisfied) -> Self {
        Self {
            first: window,
            last: window,
            fullest: window,
            period: window.period,
            all: Vec::new(),
        }
    }

    fn go_on(&mut self, window: Satisfied) {
        self.last = window;
        if self.fullest.fullness < window.fullness {
            self.fullest = window;
        }
        self.period = self.period.hull(&window.period);
    }
}

/// A window that moves over signals.
struct Windows<'p, 's, 'v> {
    pattern: &'v Pattern<'p>,
    asked: &'v [&'s Seen],
    begin: usize,
    next: usize,
    /// The first day that is not counted yet.
    anew_from: i32,
    tally: Option<(&'p Reach, Tally)>,
}

impl<'p, 's, 'v> Windows<'p, 's, 'v> {
    fn over(pattern: &'v Pattern<'p>, asked: &'v [&'s Seen]) -> Self {
        Self {
            pattern,
            asked,
            begin: 0,
            next: 0,
            anew_from: i32::MIN,
            tally: pattern.tally(),
        }
    }

    /// What was counted up to here is gone, whatever looks back.
    fn begin_anew(&mut self, window: &Satisfied) {
        self.asked = &self.asked[window.end..];
        self.anew_from = window.period.to_number();
        (self.begin, self.next) = (0, 0);
        self.tally = self.pattern.tally();
    }

    /// The next window that is satisfied.
    fn satisfied(&mut self) -> Option<Satisfied> {
        let Pattern { what, calendar, .. } = self.pattern;
        while self.next < self.asked.len() {
            let last = self.next;
            let day = self.asked[last].day;
            self.next = self.pattern.same_end(self.asked, last);
            let window = what.window.ending_on(day, calendar);
            let first_day = window.from_number().max(self.anew_from);
            let before = self.begin;
            while self.asked[self.begin].day < first_day {
                self.begin += 1;
            }
            let fullness = if let Some((reach, tally)) = &mut self.tally {
                for seen in &self.asked[last..self.next] {
                    tally.enter(seen, reach, self.pattern);
                }
                for seen in &self.asked[before..self.begin] {
                    tally.leave(seen, reach, self.pattern);
                }
                tally.value().filter(|value| reach.threshold() <= *value)
            } else {
                let period = Period::numbered(first_day, window.to_number());
                let signals = &self.asked[self.begin..self.next];
                self.pattern.holds(&what.test, signals, period, self.asked)
            };
            if let Some(fullness) = fullness {
                return Some(Satisfied {
                    begin: self.begin,
                    last,
                    end: self.next,
                    period: Period::numbered(first_day, window.to_number()),
                    fullness,
                });
            }
        }
        None
    }
}

impl<'p> Pattern<'p> {
    /// The signals that matter to it, in order of events.
    pub(crate) fn asked<'s>(&self, seen: &[&'s Seen]) -> Vec<&'s Seen> {
        seen.iter()
            .copied()
            .filter(|seen| self.what.test.asks(&|predicate| self.is(predicate, seen)))
            .collect()
    }

    fn is(&self, predicate: &Predicate, seen: &Seen) -> bool {
        predicate.holds(self.timeline.signal(seen), self.settings)
    }

    /// What is kept up as a window moves. All signals that are asked are looked at then, for there is no other question.
    fn tally(&self) -> Option<(&'p Reach, Tally)> {
        match &self.what.test {
            Test::Reaches { reach, .. } => {
                Tally::new(reach, self.settings).map(|tally| (reach, tally))
            }
            _ => None,
        }
    }

    /// Tells every match among these signals, which all matter to it and are in order of events.
    pub(crate) fn stretches<'s>(&self, asked: &[&'s Seen], tell: &mut dyn FnMut(Stretch<'_, 's>)) {
        self.each_apart(asked, &mut |asked| {
            self.stretches_of(asked, tell);
            false
        });
    }

    /// Whether there is a match among them.
    fn is_matched(&self, asked: &[&Seen]) -> bool {
        self.each_apart(asked, &mut |asked| {
            Windows::over(self, asked).satisfied().is_some()
        })
    }

    /// Those that are judged apart, until one of them is enough; those of whom too few are there to match are passed over.
    fn each_apart<'s>(
        &self,
        asked: &[&'s Seen],
        enough: &mut dyn FnMut(&[&'s Seen]) -> bool,
    ) -> bool {
        let fewest = self.what.test.fewest();
        if asked.len() < fewest {
            return false;
        }
        if self.what.per.is_empty() {
            return enough(asked);
        }
        self.groups(asked)
            .chunk_by(|a, b| self.apart(a) == self.apart(b))
            .filter(|group| fewest <= group.len())
            .any(enough)
    }

    /// What a signal has in common with those that it is judged with.
    fn apart(&self, seen: &Seen) -> Apart {
        let per = |same| self.what.per.contains(&same);
        (
            per(Same::Partner).then_some(seen.partner),
            per(Same::Kind).then_some(seen.kind),
            seen.debtor.filter(|_| per(Same::Debtor)),
        )
    }

    /// The signals that are judged apart, one group after the other, each in order of events.
    fn groups<'s>(&self, asked: &[&'s Seen]) -> Few<'s> {
        let must_be_known = self.what.per.contains(&Same::Debtor);
        let mut groups: Few<'s> = asked
            .iter()
            .filter(|seen| !must_be_known || seen.debtor.is_some())
            .copied()
            .collect();
        // Stable, so that each group stays in order; and quick, for there are few groups.
        groups.sort_by_key(|seen| self.apart(seen));
        groups
    }

    fn stretches_of<'s>(&self, asked: &[&'s Seen], tell: &mut dyn FnMut(Stretch<'_, 's>)) {
        let leans_on_all = matches!(self.what.test, Test::Reaches { .. });
        let mut windows = Windows::over(self, asked);
        let mut run: Option<Run> = None;
        while let Some(window) = windows.satisfied() {
            if self.what.counting == Counting::Anew || self.what.window.is_monthly() {
                tell(self.stretch(windows.asked, &Run::of(window)));
                if self.what.counting == Counting::Anew {
                    windows.begin_anew(&window);
                }
                continue;
            }
            match &mut run {
                Some(run) if window.period.overlaps(&run.last.period) => run.go_on(window),
                _ => {
                    if let Some(ended) = run.replace(Run::of(window)) {
                        tell(self.stretch(asked, &ended));
                    }
                }
            }
            if !leans_on_all && let Some(run) = &mut run {
                run.all.push(window);
            }
        }
        if let Some(ended) = run {
            tell(self.stretch(asked, &ended));
        }
    }

    /// Whether some of the witnesses of a stretch are enough for it. A month is judged by itself: an earlier one may be satisfied with less.
    pub(crate) fn is_so(&self, stretch: &Stretch<'_, '_>, known: &[&Seen]) -> bool {
        if !self.what.window.is_monthly() {
            return self.is_matched(known);
        }
        let month = stretch.month().period();
        // A window of months ends with a signal; where nothing in that month is leaned on, one that is not told here.
        let ends_with_one = |signals: &[&Seen]| !within(signals, month).is_empty();
        let period = self.what.window.ending(month.from(), self.calendar);
        (ends_with_one(known) || !ends_with_one(&stretch.witnesses))
            && self
                .holds(&self.what.test, within(known, period), period, known)
                .is_some()
    }

    /// Whether it can only turn true, and never false again, when one of these signals is added.
    pub(crate) fn only_grows(&self, signals: &[&Seen]) -> bool {
        self.what.test.only_grows(&|name| {
            let number = |seen: &&Seen| self.number(name, seen);
            signals.iter().filter_map(number).all(|number| 0 <= number)
        })
    }

    /// Where the signals with which one window ends do: those of one day, or of one month.
    fn same_end(&self, asked: &[&Seen], first: usize) -> usize {
        let (day, month) = (asked[first].day, asked[first].month);
        let same: &dyn Fn(&&&Seen) -> bool = if self.what.window.is_monthly() {
            &|seen| seen.month == month
        } else {
            &|seen| seen.day == day
        };
        first + asked[first..].iter().take_while(same).count()
    }

    /// The signal of the window's last day with which the test became true, and stayed so to the end of that day (ties by id, T3).
    fn completed_by<'s>(&self, asked: &[&'s Seen], window: &Satisfied) -> &'s Seen {
        let enough = (window.last + 1..window.end)
            .rev()
            .take_while(|&shorter| {
                let signals = &asked[window.begin..shorter];
                self.holds(&self.what.test, signals, window.period, asked)
                    .is_some()
            })
            .last();
        asked[enough.unwrap_or(window.end) - 1]
    }

    fn stretch<'v, 's>(&self, asked: &'v [&'s Seen], run: &Run) -> Stretch<'v, 's> {
        let mut evidence = SmallVec::new();
        self.measure(
            &self.what.test,
            &asked[run.fullest.begin..run.fullest.end],
            run.fullest.period,
            asked,
            &mut evidence,
        );
        let completed_by = self.completed_by(asked, &run.first);
        if let Test::Reaches { .. } = &self.what.test {
            return Stretch {
                completed_by,
                // Whatever is asked is looked at, and windows that overlap leave nothing out between them.
                witnesses: Cow::Borrowed(&asked[run.first.begin..run.last.end]),
                period: run.period,
                evidence,
            };
        }
        let mut leaned_on: BTreeMap<(i32, SignalId), &'s Seen> = BTreeMap::new();
        let all = if run.all.is_empty() {
            std::slice::from_ref(&run.first)
        } else {
            &run.all
        };
        for one in all {
            let slice = &asked[one.begin..one.end];
            self.lean(&self.what.test, slice, one.period, asked, &mut |seen| {
                leaned_on.insert(seen.event_order(), seen);
            });
        }
        let witnesses: Vec<&Seen> = leaned_on.into_values().collect();
        Stretch {
            completed_by,
            // It may lean on what was before its windows, never on what came after them.
            period: witnesses.first().map_or(run.period, |first| {
                let from = first.day.min(run.period.from_number());
                Period::numbered(from, run.period.to_number())
            }),
            witnesses: Cow::Owned(witnesses),
            evidence,
        }
    }

    /// What the signals of which the predicate holds come to; `None` where there is nothing to measure.
    fn reached(&self, of: &Predicate, reach: &Reach, signals: &[&Seen]) -> Option<i64> {
        // A test that asks nothing else was asked of each of them when it came in.
        if matches!(self.what.test, Test::Reaches { .. }) {
            return self.value(reach, signals.iter().copied());
        }
        let looked_at = signals.iter().copied().filter(|seen| self.is(of, seen));
        self.value(reach, looked_at)
    }

    /// Whether a test holds of the signals in a window; if so how full it is: of one number the number, of more tests how many hold.
    fn holds(&self, test: &Test, signals: &[&Seen], period: Period, all: &[&Seen]) -> Option<i64> {
        match test {
            Test::Reaches { of, reach } => {
                let value = self.reached(of, reach, signals);
                value.filter(|value| reach.threshold() <= *value)
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

    fn holding(&self, tests: &[Test], signals: &[&Seen], period: Period, all: &[&Seen]) -> usize {
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
        signals: &'v [&'s Seen],
        period: Period,
    ) -> impl Iterator<Item = (&'v [&'s Seen], Period)> {
        signals
            .chunk_by(|a, b| a.day == b.day)
            .filter(|day| {
                day.iter()
                    .any(|seen| test.asks(&|predicate| self.is(predicate, seen)))
            })
            .map(move |day| {
                let inner = window.ending_on(day[0].day, self.calendar);
                let inner = Period::numbered(
                    inner.from_number().max(period.from_number()),
                    inner.to_number().min(period.to_number()),
                );
                (within(signals, inner), inner)
            })
    }

    /// How many steps of a sequence were taken, taking each as early as it goes.
    fn steps_taken(&self, steps: &[Predicate], signals: &[&Seen]) -> usize {
        let mut taken = 0;
        for signal in signals {
            if taken < steps.len() && self.is(&steps[taken], signal) {
                taken += 1;
            }
        }
        taken
    }

    /// Tells every signal that makes a test hold.
    fn lean<'s>(
        &self,
        test: &Test,
        signals: &[&'s Seen],
        period: Period,
        all: &[&'s Seen],
        tell: &mut dyn FnMut(&'s Seen),
    ) {
        if self.holds(test, signals, period, all).is_none() {
            return;
        }
        match test {
            Test::Reaches { of, .. } => signals
                .iter()
                .filter(|signal| self.is(of, signal))
                .for_each(|signal| tell(signal)),
            Test::All(tests) | Test::AnyOf(tests) | Test::AtLeast { of: tests, .. } => {
                for test in tests {
                    self.lean(test, signals, period, all, tell);
                }
            }
            Test::Sequence(steps) => {
                // One that is a step with all earlier steps before it and all later ones after it.
                for index in 0..signals.len() {
                    let (earlier, rest) = signals.split_at(index);
                    let Some((signal, later)) = rest.split_first() else {
                        break;
                    };
                    let is_part = steps.iter().enumerate().any(|(step, predicate)| {
                        self.is(predicate, signal)
                            && self.steps_taken(&steps[..step], earlier) == step
                            && self.steps_taken(&steps[step + 1..], later) == steps.len() - step - 1
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
        signals: &[&Seen],
        period: Period,
        all: &[&Seen],
        into: &mut SmallVec<[Evidence; 1]>,
    ) {
        match test {
            Test::Reaches { of, reach } => {
                let value = self.reached(of, reach, signals);
                into.push(reach.evidence(value, period));
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
    fn nearness(&self, test: &Test, signals: &[&Seen], period: Period, all: &[&Seen]) -> i64 {
        match test {
            Test::Reaches { of, reach } => self.reached(of, reach, signals).unwrap_or(i64::MIN),
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
    pub(crate) fn nearest(&self, asked: &[&Seen], otherwise: Date) -> Vec<Evidence> {
        if self.what.per.is_empty() {
            return self.nearest_of(asked, otherwise).1;
        }
        self.groups(asked)
            .chunk_by(|a, b| self.apart(a) == self.apart(b))
            .map(|asked| {
                // Numbers stand for names in the order in which those came; of equals the last by name counts.
                let first = self.timeline.signal(asked[0]);
                let (nearness, evidence) = self.nearest_of(asked, otherwise);
                let per = |same| self.what.per.contains(&same);
                let name = (
                    per(Same::Partner).then_some(&first.partner),
                    per(Same::Kind).then_some(&first.kind),
                    first.debtor.filter(|_| per(Same::Debtor)),
                );
                ((nearness, name), evidence)
            })
            .max_by(|a, b| a.0.cmp(&b.0))
            .map_or_else(
                || self.nearest_of(&[], otherwise).1,
                |(_, evidence)| evidence,
            )
    }

    fn nearest_of(&self, asked: &[&Seen], otherwise: Date) -> (i64, Vec<Evidence>) {
        let mut begin = 0;
        let mut next = 0;
        let mut best: Option<(i64, usize, usize, Period)> = None;
        while next < asked.len() {
            let day = asked[next].day;
            let end = self.same_end(asked, next);
            next = end;
            let period = self.what.window.ending_on(day, self.calendar);
            while asked[begin].day < period.from_number() {
                begin += 1;
            }
            let nearness = self.nearness(&self.what.test, &asked[begin..end], period, asked);
            if best.is_none_or(|(known, ..)| known <= nearness) {
                best = Some((nearness, begin, end, period));
            }
        }
        let (signals, period) = best.map_or_else(
            || {
                let otherwise = day_number(otherwise);
                let period = self.what.window.ending_on(otherwise, self.calendar);
                (&asked[..0], period)
            },
            |(_, begin, end, period)| (&asked[begin..end], period),
        );
        let mut evidence = SmallVec::new();
        self.measure(&self.what.test, signals, period, asked, &mut evidence);
        let nearness = best.map_or(i64::MIN, |(nearness, ..)| nearness);
        (nearness, evidence.into_vec())
    }
}

fn count(number: usize) -> Quantity {
    Quantity::Count(u32::try_from(number).unwrap_or(u32::MAX))
}
