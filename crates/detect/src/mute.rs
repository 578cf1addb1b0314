//! What keeps a match from raising: threshold, repeat, known client, cooldown, age, activation (K5, K6, K8, K9).

use std::cell::{OnceCell, RefCell};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::rc::Rc;

use jiff::civil::Date;
use voorveld_calendar::{amsterdam_date, days_between, plus_days};
use voorveld_domain::{DebtorId, KindId, PartnerId, Purpose, RuleId, SignalId, TaskState};

use crate::predicate::is_unmutable;
use crate::rule::{CooldownFrom, Rule, RuleSettings};
use crate::task::{Closure, Ground, Guards, KnownTask, SuppressedBy};
use crate::{Anchor, Match, Signal, Timeline};

/// Everything that can mute a match of one purpose.
pub(crate) struct Mutes<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) timeline: &'a Timeline,
    pub(crate) tasks: &'a [KnownTask],
    pub(crate) guards: &'a Guards,
    pub(crate) settings: &'a RuleSettings,
    pub(crate) as_of: Date,
    pub(crate) found_out: FoundOut<'a>,
}

/// What is found out of the tasks once, and only when something asks: a crowded household has thousands of grounds and as many matches.
#[derive(Default)]
pub(crate) struct FoundOut<'a> {
    /// Of each signal, at its place in the timeline, until when somebody saw to it.
    seeings: OnceCell<Vec<Option<Seeing>>>,
    /// What was seen to last, as the signals were told that asked first.
    told: RefCell<Vec<(SignalId, Option<&'a Signal>)>>,
    seen_to: OnceCell<BTreeMap<Series<'a>, Vec<SeenTo<'a>>>>,
    of_rules: RefCell<BTreeMap<&'a RuleId, Rc<OfRule<'a>>>>,
}

/// For so many signals all that was seen to is looked through; for more it is put in order first.
pub(crate) const FEW_ASKED: usize = 8;

/// Signals of which one can repeat another (K6): of the same debtor, kind and partner. In this order, for debtors tell most apart.
type Series<'a> = (Option<DebtorId>, &'a KindId, &'a PartnerId);

fn series(signal: &Signal) -> Series<'_> {
    (signal.debtor, &signal.kind, &signal.partner)
}

/// A signal that is on a task, and when the last one of those was closed.
#[derive(Clone, Copy)]
struct SeenTo<'a> {
    signal: &'a Signal,
    last: Seeing,
}

/// Until when somebody saw to something.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Seeing {
    /// The task was closed on this day.
    ClosedOn(Date),
    /// It is open.
    Goes,
}

/// The grounds that a rule gave.
#[derive(Default)]
struct OfRule<'a> {
    /// The last day on which a task that stands got one.
    added_on: Option<Date>,
    /// Tasks with one that ended.
    ends: Vec<Closure>,
    /// Those on closed tasks.
    closed: BTreeMap<Anchor, Vec<&'a Ground>>,
}

impl<'a> Mutes<'a> {
    /// The threshold (K5): every unanswered witness tells an amount below it, and none is a crisis, handover or supply end.
    pub(crate) fn threshold(&self, rule: &Rule, unanswered: &[&Signal]) -> Option<SuppressedBy> {
        let threshold = self
            .settings
            .threshold
            .filter(|_| rule.muted_by.threshold)?;
        let mut highest = None;
        for signal in unanswered {
            let low = signal.amount.filter(|amount| *amount < threshold)?;
            if is_unmutable(signal, self.settings) {
                return None;
            }
            highest = highest.max(Some(low));
        }
        highest.map(|highest| SuppressedBy::Threshold { threshold, highest })
    }

    /// The signal that this one repeats (K6): the last one seen to of the same partner, kind and debtor, when this one's amount is not above its
    /// own. An amount that one of the two does not tell cannot be said to be no higher.
    pub(crate) fn repeated_by(&self, signal: &Signal) -> Option<SignalId> {
        if is_unmutable(signal, self.settings) {
            return None;
        }
        let last = self.last_seen_to(signal)?;
        let not_above = match (signal.amount, last.amount) {
            (Some(amount), Some(before)) => amount <= before,
            (None, None) => true,
            _ => false,
        };
        not_above.then_some(last.id)
    }

    /// The last signal of the same partner, kind and debtor that is on a task, open or closed shortly before this one came (K6).
    ///
    /// "Shortly" counts from the day this signal first came, so the answer does not depend on when it is asked.
    fn last_seen_to(&self, signal: &Signal) -> Option<&'a Signal> {
        let received_on = amsterdam_date(signal.first_received_at);
        let window = i32::from(self.settings.repeat_window_days);
        let is_it = |known: &SeenTo<'_>| {
            known.signal.id != signal.id
                // What no longer counts mutes nothing either (I5).
                && known.signal.counts_on(self.settings, self.as_of)
                && match known.last {
                    Seeing::Goes => true,
                    Seeing::ClosedOn(day) => days_between(day, received_on) <= window,
                }
        };
        let mut told = self.found_out.told.borrow_mut();
        if let Some((_, last)) = told.iter().find(|(id, _)| *id == signal.id) {
            return *last;
        }
        if told.len() < FEW_ASKED {
            let mut of_series: Vec<&'a Signal> = self
                .timeline
                .iter()
                .filter(|known| series(known) == series(signal))
                .collect();
            of_series.sort_unstable_by_key(|known| Reverse(known.event_order()));
            let last = of_series.into_iter().find(|known| {
                let seeing = self.seeing_of(known.id);
                seeing.is_some_and(|last| {
                    is_it(&SeenTo {
                        signal: known,
                        last,
                    })
                })
            });
            told.push((signal.id, last));
            return last;
        }
        let of_series = self.seen_to().get(&series(signal))?;
        let last = of_series.iter().rev().find(|known| is_it(known));
        last.map(|known| known.signal)
    }

    /// What open and closed tasks of this purpose lean on: each signal once, though in a crowd one is on thousands of grounds.
    fn all_seen_to(&self) -> impl Iterator<Item = SeenTo<'a>> {
        let seeings = self.found_out.seeings.get_or_init(|| self.seeings());
        let places = seeings.iter().enumerate();
        places.filter_map(|(place, last)| {
            let signal = self.timeline.at(place);
            last.map(|last| SeenTo { signal, last })
        })
    }

    /// The tasks that somebody sees or saw to, and until when.
    fn seen_tasks(&self) -> impl Iterator<Item = (&'a KnownTask, Seeing)> {
        let of_purpose = self.tasks.iter();
        let of_purpose = of_purpose.filter(|task| task.purpose == self.purpose);
        of_purpose.filter_map(|task| match (task.state.is_open(), task.closed) {
            (true, _) => Some((task, Seeing::Goes)),
            (false, Some(end)) if task.state == TaskState::Closed => {
                Some((task, Seeing::ClosedOn(end.on)))
            }
            _ => None,
        })
    }

    fn seeing_of(&self, id: SignalId) -> Option<Seeing> {
        let leans_on = |task: &KnownTask| task.grounds.iter().any(|ground| ground.leans_on(id));
        let tasks = self.seen_tasks().filter(|(task, _)| leans_on(task));
        tasks.map(|(_, last)| last).max()
    }

    fn seeings(&self) -> Vec<Option<Seeing>> {
        let mut seeings: Vec<Option<Seeing>> = vec![None; self.timeline.len()];
        let mut finder = self.timeline.finder();
        for (task, last) in self.seen_tasks() {
            let witnesses = task.grounds.iter().flat_map(|ground| &ground.witnesses);
            for place in witnesses.filter_map(|id| finder.find(*id)) {
                seeings[place] = seeings[place].max(Some(last));
            }
        }
        seeings
    }

    /// The same by series, each in order of events.
    fn seen_to(&self) -> &BTreeMap<Series<'a>, Vec<SeenTo<'a>>> {
        self.found_out.seen_to.get_or_init(|| {
            let mut all: BTreeMap<Series<'a>, Vec<SeenTo<'a>>> = BTreeMap::new();
            for known in self.all_seen_to() {
                all.entry(series(known.signal)).or_default().push(known);
            }
            for one in all.values_mut() {
                one.sort_by_key(|known| known.signal.event_order());
            }
            all
        })
    }

    fn of_rule(&self, rule: &'a RuleId) -> Rc<OfRule<'a>> {
        let mut of_rules = self.found_out.of_rules.borrow_mut();
        Rc::clone(of_rules.entry(rule).or_insert_with(|| {
            let mut of_rule = OfRule::default();
            // What was raised by mistake silences nobody.
            let stands =
                |task: &&KnownTask| task.state.is_open() || task.state == TaskState::Closed;
            for task in self
                .tasks
                .iter()
                .filter(|task| task.purpose == self.purpose)
                .filter(stands)
            {
                for ground in task.grounds.iter().filter(|ground| ground.rule == *rule) {
                    of_rule.added_on = of_rule.added_on.max(Some(ground.added_on));
                    if !task
                        .closed
                        .is_none_or(|end| of_rule.ends.last() == Some(&end))
                    {
                        of_rule.ends.extend(task.closed);
                    }
                    if task.state == TaskState::Closed {
                        of_rule
                            .closed
                            .entry(ground.anchor)
                            .or_default()
                            .push(ground);
                    }
                }
            }
            Rc::new(of_rule)
        }))
    }

    /// The grounds that this match gave to tasks that are closed.
    pub(crate) fn closed_grounds(&self, found: &'a Match) -> Vec<&'a Ground> {
        let closed = &self.of_rule(&found.rule).closed;
        closed.get(&found.anchor).cloned().unwrap_or_default()
    }

    /// Whether none of these signals tells more than the last one that somebody saw to (`unless_risen`).
    fn not_risen(&self, rule: &Rule, signals: &[&Signal]) -> bool {
        let has_risen = |signal: &Signal| {
            let before = self.last_seen_to(signal).and_then(|last| last.amount);
            before.is_some_and(|before| signal.amount.is_some_and(|amount| before < amount))
        };
        rule.muted_by.unless_risen && !signals.iter().any(|signal| has_risen(signal))
    }

    /// All of these signals repeat what is known (K6): the signal that the last of them repeats.
    pub(crate) fn repeat(&self, rule: &Rule, signals: &[&Signal]) -> Option<SignalId> {
        if !rule.muted_by.repeat {
            return None;
        }
        let mut of = None;
        for signal in signals {
            of = Some(self.repeated_by(signal)?);
        }
        of
    }

    /// What keeps this match from raising by itself, if anything; `unanswered` are its unanswered witnesses in order of events.
    pub(crate) fn suppressed(
        &self,
        rule: &'a Rule,
        unanswered: &[&Signal],
    ) -> Option<SuppressedBy> {
        self.threshold(rule, unanswered)
            .or_else(|| {
                self.repeat(rule, unanswered)
                    .map(|of| SuppressedBy::Repeat { of })
            })
            .or_else(|| {
                (rule.muted_by.known_client && self.guards.known_client)
                    .then_some(SuppressedBy::KnownClient)
            })
            .or_else(|| {
                self.not_risen(rule, unanswered)
                    .then_some(SuppressedBy::NotRisen)
            })
            .or_else(|| self.cooldown(rule))
            .or_else(|| self.too_old(rule, unanswered))
            .or_else(|| {
                let from = rule.active_from?;
                unanswered
                    .iter()
                    .all(|signal| {
                        let came_at = self.guards.came_at.get(&signal.id);
                        came_at.is_some_and(|came_at| *came_at < from)
                    })
                    .then_some(SuppressedBy::BeforeActivation)
            })
    }

    fn cooldown(&self, rule: &'a Rule) -> Option<SuppressedBy> {
        let cooldown = rule.cooldown.as_ref()?;
        let of_rule = self.of_rule(&rule.id);
        let from = match cooldown.from {
            CooldownFrom::Raising => of_rule.added_on,
            CooldownFrom::Result => of_rule
                .ends
                .iter()
                .filter(|end| {
                    cooldown.outcomes.is_empty() || cooldown.outcomes.contains(&end.outcome)
                })
                .map(|end| end.on)
                .max(),
        };
        let until = plus_days(from?, i32::from(cooldown.days));
        (self.as_of < until).then_some(SuppressedBy::Cooldown { until })
    }

    fn too_old(&self, rule: &Rule, unanswered: &[&Signal]) -> Option<SuppressedBy> {
        let limit_days = rule.not_older_than_days?;
        let newest = unanswered.iter().map(|signal| signal.event_date).max()?;
        (days_between(newest, self.as_of) > i32::from(limit_days))
            .then_some(SuppressedBy::TooOld { newest, limit_days })
    }
}
