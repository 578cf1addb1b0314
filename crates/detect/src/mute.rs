//! What keeps a match from raising: threshold, repeat, known client, cooldown, age, activation (K5, K6, K8, K9).

use jiff::civil::Date;
use voorveld_calendar::{amsterdam_date, days_between, plus_days};
use voorveld_domain::{Purpose, SignalId, TaskState};

use crate::predicate::is_unmutable;
use crate::rule::{CooldownFrom, Rule, RuleSettings};
use crate::task::{Guards, KnownTask, SuppressedBy};
use crate::{Match, Signal, Timeline};

/// Everything that can mute a match of one purpose.
pub(crate) struct Mutes<'a> {
    pub(crate) purpose: Purpose,
    pub(crate) timeline: &'a Timeline,
    pub(crate) tasks: &'a [KnownTask],
    pub(crate) guards: &'a Guards,
    pub(crate) settings: &'a RuleSettings,
    pub(crate) as_of: Date,
}

impl Mutes<'_> {
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
    fn last_seen_to(&self, signal: &Signal) -> Option<&Signal> {
        let received_on = amsterdam_date(signal.first_received_at);
        let window = i32::from(self.settings.repeat_window_days);
        self.tasks
            .iter()
            .filter(|task| task.purpose == self.purpose)
            .filter(|task| {
                task.state.is_open()
                    || (task.state == TaskState::Closed
                        && task
                            .closed
                            .is_some_and(|end| days_between(end.on, received_on) <= window))
            })
            .flat_map(|task| &task.grounds)
            .flat_map(|ground| &ground.witnesses)
            .filter(|id| **id != signal.id)
            .filter_map(|id| self.timeline.get(*id))
            .filter(|known| {
                // What no longer counts mutes nothing either (I5).
                known.counts_on(self.settings, self.as_of)
                    && known.partner == signal.partner
                    && known.kind == signal.kind
                    && known.debtor == signal.debtor
            })
            .max_by_key(|known| known.event_order())
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
        rule: &Rule,
        found: &Match,
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
            .or_else(|| self.cooldown(rule, found))
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

    fn cooldown(&self, rule: &Rule, found: &Match) -> Option<SuppressedBy> {
        let cooldown = rule.cooldown.as_ref()?;
        let until = self
            .tasks
            .iter()
            .filter(|task| task.purpose == self.purpose)
            // What was raised by mistake silences nobody.
            .filter(|task| task.state.is_open() || task.state == TaskState::Closed)
            .flat_map(|task| {
                task.grounds
                    .iter()
                    .filter(|ground| ground.rule == found.rule)
                    .filter_map(|ground| match cooldown.from {
                        CooldownFrom::Raising => Some(ground.added_on),
                        CooldownFrom::Result => task
                            .closed
                            .filter(|end| {
                                cooldown.outcomes.is_empty()
                                    || cooldown.outcomes.contains(&end.outcome)
                            })
                            .map(|end| end.on),
                    })
            })
            .max()
            .map(|from| plus_days(from, i32::from(cooldown.days)))?;
        (self.as_of < until).then_some(SuppressedBy::Cooldown { until })
    }

    fn too_old(&self, rule: &Rule, unanswered: &[&Signal]) -> Option<SuppressedBy> {
        let limit_days = rule.not_older_than_days?;
        let newest = unanswered.iter().map(|signal| signal.event_date).max()?;
        (days_between(newest, self.as_of) > i32::from(limit_days))
            .then_some(SuppressedBy::TooOld { newest, limit_days })
    }
}
