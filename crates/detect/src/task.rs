//! What `plan` is told of the tasks there are, and what it wants changed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_domain::{
    Cents, DebtorId, HoldReason, Outcome, Purpose, RegistrationReason, RuleId, SignalId, TaskId,
    TaskState, Urgency,
};

use crate::{Anchor, Evidence, Signal};

/// A task of this household as it stands, read under lock in the transaction that will write the changes (K3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownTask {
    /// Its id.
    pub id: TaskId,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it stands.
    pub state: TaskState,
    /// How soon it wants attention.
    pub urgency: Urgency,
    /// The last day of its term.
    pub due_on: Date,
    /// Its step on the ladder of channels (K7).
    pub ladder_step: u8,
    /// The day it was raised.
    pub raised_on: Date,
    /// When and how it ended, when it is closed.
    pub closed: Option<Closure>,
    /// The grounds that still stand: those that went (K10) or were replaced are left out while the task is open. Of a closed task:
    /// all that stood when it was closed.
    pub grounds: Vec<Ground>,
}

impl KnownTask {
    /// Puts a ground in place: there is one of each name. Where grounds are in order of what names them, as the database gives them, they stay so.
    pub fn put(&mut self, ground: Ground) {
        match self.place_of(&ground.rule, ground.anchor) {
            Ok(known) => self.grounds[known] = ground,
            Err(free) => self.grounds.insert(free, ground),
        }
    }

    /// The ground of this name.
    #[must_use]
    pub fn ground(&self, rule: &RuleId, anchor: Anchor) -> Option<&Ground> {
        let place = self.place_of(rule, anchor).ok()?;
        Some(&self.grounds[place])
    }

    /// Where the ground of a name is, or may be put. Quick where they are in order.
    fn place_of(&self, rule: &RuleId, anchor: Anchor) -> Result<usize, usize> {
        let in_order = |known: &Ground| known.name().cmp(&(rule, anchor));
        self.grounds.binary_search_by(in_order).or_else(|free| {
            // Anchors tell most apart, and are compared sooner.
            let is_it = |known: &Ground| known.anchor == anchor && known.rule == *rule;
            self.grounds.iter().position(is_it).ok_or(free)
        })
    }

    /// Takes out the grounds of these names.
    pub fn without(&mut self, gone: &[GroundKey]) {
        if !gone.is_empty() {
            let gone: BTreeSet<(&RuleId, Anchor)> =
                gone.iter().map(|key| (&key.rule, key.anchor)).collect();
            self.grounds.retain(|ground| !gone.contains(&ground.name()));
        }
    }
}

/// When and how a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closure {
    /// The day, in Amsterdam.
    pub on: Date,
    /// The official result.
    pub outcome: Outcome,
}

/// Why a task is there: a copy of the match that brought it (M3). Unique within its task by (rule, anchor).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// Which rule.
    pub rule: RuleId,
    /// In the version that raised it.
    pub version: u32,
    /// Which match of that rule.
    pub anchor: Anchor,
    /// The signals it leans on, sorted by id.
    pub witnesses: Vec<SignalId>,
    /// What was measured, as it was when this ground came or last changed.
    pub evidence: Vec<Evidence>,
    /// The last day of the term it asks for (T5). One that could not have raised by itself asks in vain: it does not make its task
    /// overdue.
    pub due_on: Date,
    /// The day it came to the task.
    pub added_on: Date,
    /// It only repeats what the task, or one closed shortly before, already says (K6).
    pub repeat: bool,
}

impl Ground {
    /// Whether it leans on this signal.
    #[must_use]
    pub fn leans_on(&self, signal: SignalId) -> bool {
        self.witnesses.binary_search(&signal).is_ok()
    }

    /// The same as [`Self::key`], without a copy.
    #[must_use]
    pub const fn name(&self) -> (&RuleId, Anchor) {
        (&self.rule, self.anchor)
    }

    /// What names a ground within its task.
    #[must_use]
    pub fn key(&self) -> GroundKey {
        GroundKey {
            rule: self.rule.clone(),
            anchor: self.anchor,
        }
    }
}

/// What names a ground within its task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct GroundKey {
    /// Which rule.
    pub rule: RuleId,
    /// Which match of that rule.
    pub anchor: Anchor,
}

/// What keeps or changes the raising of tasks besides the tasks themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Guards {
    /// The hold on this household, if there is one. A hold is a mark (S5): tasks are raised under it and wait, so that the safety
    /// desk sees their deadlines (K11); every door to a task checks it.
    pub held: Option<HoldReason>,
    /// A resident here is a client of debt help, or in another programme.
    pub known_client: bool,
    /// Whom nobody is to approach: nothing is raised about them, and what was raised goes like a task without grounds (K10). Never heeded for
    /// safety.
    pub excluded: Exclusions,
    /// Signals of this household that were answered on a closed task elsewhere, before a move (K4).
    pub answered_elsewhere: BTreeSet<(Purpose, SignalId)>,
    /// Where in the log the copies of this household's signals came, for rules that came into force later ([`crate::RuleSet::has_newcomers`]). A
    /// signal that is not named counts as newly come.
    pub came_at: BTreeMap<SignalId, i64>,
}

/// Objections that stand (AVG art. 21): of the household, or of persons in it (S7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Objections {
    /// Somebody objected for the whole household.
    pub household: bool,
    /// Who objected for themselves.
    pub debtors: BTreeSet<DebtorId>,
}

impl Objections {
    /// Whether a signal is under objection. A safety marker never is: unsafety is a compelling ground (AVG art. 21(1)), and whom others must be
    /// protected from would switch it off (I10).
    #[must_use]
    pub fn covers(&self, signal: &Signal) -> bool {
        signal.domain.as_str() != Purpose::Safety.code()
            && (self.household
                || signal
                    .debtor
                    .is_some_and(|debtor| self.debtors.contains(&debtor)))
    }
}

/// Exclusions that stand, each with its reason: of the household, or of persons in it (S7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exclusions {
    /// Why nobody here is to be approached.
    pub household: Option<RegistrationReason>,
    /// Who is not to be approached, and why.
    pub debtors: BTreeMap<DebtorId, RegistrationReason>,
}

impl Exclusions {
    /// Whether nobody is excluded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.household.is_none() && self.debtors.is_empty()
    }

    /// Why these signals ask nothing of anybody: all of them are about somebody excluded.
    #[must_use]
    pub fn of(&self, signals: &[&Signal]) -> Option<RegistrationReason> {
        if self.household.is_some() {
            return self.household;
        }
        let mut reason = None;
        for signal in signals {
            reason = Some(*self.debtors.get(&signal.debtor?)?);
        }
        reason
    }
}

/// What must become of a household's tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be done in this order, in the transaction that read the tasks.
    pub changes: Vec<TaskChange>,
    /// Matches that raise nothing and join nothing, and why: counted and shown, never silent.
    pub suppressed: Vec<Suppression>,
    /// The first day on which this may come out differently without a new signal: a cooldown that ends, a supply end that comes too
    /// near. It wants a wake-up.
    pub look_again_on: Option<Date>,
}

/// One change to a household's tasks. Carries no new id and no clock: the correlator gives those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskChange {
    /// A new task; there is no open one of its purpose (I8).
    Raise {
        /// What for.
        purpose: Purpose,
        /// How soon.
        urgency: Urgency,
        /// The last day of its term.
        due_on: Date,
        /// Where it begins on the ladder.
        ladder_step: u8,
        /// Why; at least one.
        grounds: Vec<Ground>,
    },
    /// New or changed evidence on an open task. The three facts are what the task becomes: never later, never less urgent, never a
    /// lower step.
    Join {
        /// Which task.
        task: TaskId,
        /// Grounds to put in place by their key: new ones, and ones whose witnesses or evidence changed.
        grounds: Vec<Ground>,
        /// Grounds that go on in one of those (K4), e.g. *enkelvoudig* that became *meervoudig*.
        replaced: Vec<GroundKey>,
        /// How soon, from now.
        urgency: Urgency,
        /// The last day of its term, from now.
        due_on: Date,
        /// Its step, from now.
        ladder_step: u8,
    },
    /// Some grounds went, others stand (K10): the team sees which.
    Annotate {
        /// Which task.
        task: TaskId,
        /// The grounds that no longer stand.
        gone: Vec<GroundKey>,
    },
    /// All grounds went and nobody has the task (K10). Its signals are not answered by this.
    Withdraw {
        /// Which task.
        task: TaskId,
        /// The grounds that no longer stand.
        gone: Vec<GroundKey>,
    },
    /// All grounds went while somebody has the task, or it is the safety desk's (K10, K11): a person decides.
    Flag {
        /// Which task.
        task: TaskId,
        /// The grounds that no longer stand.
        gone: Vec<GroundKey>,
    },
    /// Hold all outreach at this household (I10).
    Hold {
        /// Why; for the safety desk only.
        reason: HoldReason,
        /// The signals that say so, not held on before.
        signals: Vec<SignalId>,
    },
    /// Two households became one and so did their tasks (K10): the claimed, else the older one goes on.
    Merge {
        /// The task that ends as *merged*.
        task: TaskId,
        /// The task that goes on; a `Join` for it follows with the grounds.
        into: TaskId,
    },
}

/// A match that raises nothing and joins nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
    /// Which match.
    pub anchor: Anchor,
    /// Why.
    pub by: SuppressedBy,
}

/// What kept a match from raising.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuppressedBy {
    /// Its amounts lie below the threshold (K5).
    Threshold {
        /// The threshold.
        threshold: Cents,
        /// The highest amount it has.
        highest: Cents,
    },
    /// It repeats what was closed shortly before (K6).
    Repeat {
        /// The signal it repeats.
        of: SignalId,
    },
    /// A resident here is a client already.
    KnownClient,
    /// Nobody is to approach whom its unanswered witnesses are about.
    Excluded {
        /// Why: one of the official reasons.
        reason: RegistrationReason,
    },
    /// The rule raised shortly before (K9).
    Cooldown {
        /// The first day on which it may raise again.
        until: Date,
    },
    /// Its newest unanswered witness is too old (K8).
    TooOld {
        /// The event date of that witness.
        newest: Date,
        /// How old it may be.
        limit_days: u16,
    },
    /// All its unanswered witnesses came before this version came into force (adr 16).
    BeforeActivation,
    /// No amount rose since somebody saw to it (`unless_risen`).
    NotRisen,
}

impl SuppressedBy {
    /// The stable codes, for counters.
    pub const CODES: [&'static str; 8] = [
        "threshold",
        "repeat",
        "known_client",
        "excluded",
        "cooldown",
        "too_old",
        "before_activation",
        "not_risen",
    ];

    /// The stable code: what is stored, sent and counted.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Threshold { .. } => "threshold",
            Self::Repeat { .. } => "repeat",
            Self::KnownClient => "known_client",
            Self::Excluded { .. } => "excluded",
            Self::Cooldown { .. } => "cooldown",
            Self::TooOld { .. } => "too_old",
            Self::BeforeActivation => "before_activation",
            Self::NotRisen => "not_risen",
        }
    }
}
