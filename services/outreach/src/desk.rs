//! What people do at the desk: look, take, try, finish, open. One function per act; pages and API call the same.

mod registrations;
mod safety;

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;
use voorveld_chassis::{Clock, RequestId};
use voorveld_domain::{HouseholdId, Outcome, Purpose, Role, SignalId, Standing, TaskId, TaskState};
use voorveld_policy::{Current, Policy};
use voorveld_seal::Opener;
use voorveld_store::audit::{About, NewAuditEvent, actor_of};
use voorveld_store::task_changes::{LockedTask, NewContactAttempt, ONE_OPEN_PER_PURPOSE, Recorded};
use voorveld_store::tasks::{
    EvidenceSignal, Slice, Task, TaskFile, WorklistCounts, WorklistFilter,
};
use voorveld_store::users::User;
use voorveld_store::wake_ups::WakeUp;
use voorveld_store::{Store, StoreError, Tx};
use voorveld_wire::signal_v1::{RESOLVED_TOPIC, SealedIdentity, seal_context};

use crate::access::{is_stopped, may_see};
use crate::error::TaskError;
use crate::metrics::Metrics;
use crate::{PartitionOf, Parts};

pub(crate) use registrations::{About as RegisteredAbout, NewRegistrationForm};
pub(crate) use safety::{JudgedMarker, LiftReason};

/// How long a result can be taken back.
pub const UNDO_WINDOW: Duration = Duration::from_mins(10);
/// How far back a contact attempt may lie.
pub const CONTACT_LOOKBACK_DAYS: i64 = 90;
/// How many tasks a page of the worklist holds.
pub(crate) const WORKLIST_PAGE: i64 = 25;
/// How many households are put on top for today.
pub(crate) const TODAY_MAX: i64 = 3;
/// How long a finished task stays on the list of finished ones.
const FINISHED_SHOWN: Duration = Duration::from_hours(14 * 24);
/// The results that fit a task of the safety desk: what became of a report about safety, without anybody having gone there.
const SAFETY_OUTCOMES: &[Outcome] = &[
    Outcome::ReferredWithoutContact,
    Outcome::OtherHelp,
    Outcome::OtherTrack,
    Outcome::RepeatedSignal,
    Outcome::WrongfulSignal,
    Outcome::NotResident,
    Outcome::Deceased,
    Outcome::NotTakenUp,
];
/// Most signals of one person whose envelopes are opened at once.
const OPENED_MAX: usize = 50;

/// Why an identity is opened: a choice, so that no words about a resident get into the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpeningReason {
    /// Calling, writing or mailing.
    Contact,
    /// Going there.
    Visit,
    /// Looking whether name and address are right.
    Check,
    /// Handing over to somebody who helps.
    Handover,
    /// Judging safety: the safety desk.
    Safety,
}

impl OpeningReason {
    /// What a team member can choose.
    pub const FOR_TEAMS: &'static [Self] =
        &[Self::Contact, Self::Visit, Self::Check, Self::Handover];
    /// What the safety desk can choose.
    pub const FOR_THE_DESK: &'static [Self] = &[Self::Safety, Self::Check, Self::Handover];

    /// What is logged.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Contact => "contact",
            Self::Visit => "visit",
            Self::Check => "check",
            Self::Handover => "handover",
            Self::Safety => "safety",
        }
    }

    /// What is read.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Contact => "Bellen of schrijven",
            Self::Visit => "Langsgaan",
            Self::Check => "Gegevens controleren",
            Self::Handover => "Overdragen aan een collega of hulpverlener",
            Self::Safety => "Veiligheid beoordelen",
        }
    }

    /// What can be chosen for a task of this purpose.
    pub(crate) const fn of(purpose: Purpose) -> &'static [Self] {
        match purpose {
            Purpose::Safety => Self::FOR_THE_DESK,
            _ => Self::FOR_TEAMS,
        }
    }

    /// Why this opening is not for that: a reason of the desk in the log of a team's task would tell of a hold that nobody may see.
    fn refuse_unless_of(self, choices: &[Self]) -> Result<(), TaskError> {
        if choices.contains(&self) {
            Ok(())
        } else {
            Err(Self::UNKNOWN)
        }
    }

    const UNKNOWN: TaskError = TaskError::Invalid {
        field: "reason",
        expected: "Kies waarom u de gegevens opent.",
    };

    /// Reads a choice.
    pub(crate) fn parse(raw: &str) -> Result<Self, TaskError> {
        Self::FOR_TEAMS
            .iter()
            .chain(Self::FOR_THE_DESK)
            .copied()
            .find(|known| known.code() == raw)
            .ok_or(Self::UNKNOWN)
    }
}

/// A named person in the evidence (K13): the signals of one debtor, or one signal whose person cannot be told.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    /// The debtor's id, or the signal's.
    pub key: Uuid,
    /// Whether the person can be told apart.
    pub known: bool,
    /// What was signalled about them.
    pub signals: Vec<EvidenceSignal>,
}

/// Groups evidence by the person it names. Two signals whose person is unknown may name two people: each stands alone.
pub(crate) fn persons(signals: &[EvidenceSignal]) -> Vec<Person> {
    let mut persons: Vec<Person> = Vec::new();
    for signal in signals {
        let (key, known) = match signal.debtor {
            Some(debtor) => (debtor.uuid(), true),
            None => (signal.id.uuid(), false),
        };
        match persons
            .iter_mut()
            .find(|person| person.key == key && person.known == known)
        {
            Some(person) => person.signals.push(signal.clone()),
            None => persons.push(Person {
                key,
                known,
                signals: vec![signal.clone()],
            }),
        }
    }
    persons.sort_by_key(|person| !person.known);
    persons
}

/// How a task of this purpose can end.
pub(crate) const fn outcomes_of(purpose: Purpose) -> &'static [Outcome] {
    match purpose {
        Purpose::Safety => SAFETY_OUTCOMES,
        _ => Outcome::ALL,
    }
}

/// Identities as they came out of their envelopes, newest signal first.
pub(crate) type Opened = Vec<(SignalId, SealedIdentity)>;

/// What a list shows.
pub(crate) struct Worklist {
    /// The colleague's own at held households: stop (K11).
    pub stopped: Vec<Task>,
    /// The colleague's own that lost their grounds: decide (K10).
    pub flagged: Vec<Task>,
    pub today: Vec<Task>,
    pub tasks: Vec<Task>,
    pub counts: WorklistCounts,
    pub more: bool,
}

/// Which part of the worklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listed {
    Mine,
    Open,
    All,
    Finished,
}

/// The desk: everything people can do.
pub(crate) struct Desk {
    policy: Current,
    pub clock: Clock,
    store: Store,
    opener: Arc<Opener>,
    partition_of: PartitionOf,
    metrics: Metrics,
}

impl Desk {
    pub fn new(parts: Parts) -> anyhow::Result<Self> {
        Ok(Self {
            metrics: Metrics::register(&parts.registry)?,
            policy: parts.policy,
            clock: parts.clock,
            store: parts.store,
            opener: parts.opener,
            partition_of: parts.partition_of,
        })
    }

    /// The policy in force. Who answers something goes by one.
    pub fn policy(&self) -> Arc<Policy> {
        self.policy.now()
    }

    /// The database, for who only reads.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The tasks of a colleague's teams.
    pub async fn worklist(
        &self,
        user: &User,
        listed: Listed,
        page: i64,
    ) -> Result<Worklist, TaskError> {
        let teams: Vec<String> = if user.has_role(Role::TeamMember) {
            user.teams.iter().map(ToString::to_string).collect()
        } else {
            Vec::new()
        };
        let finished_since = self.since(FINISHED_SHOWN);
        let filter = match listed {
            Listed::Mine => WorklistFilter::Mine(user.id),
            Listed::Open => WorklistFilter::Open,
            Listed::All => WorklistFilter::All,
            Listed::Finished => WorklistFilter::Ended(finished_since),
        };
        let municipality = user.municipality;
        let slice = Slice {
            skip: page * WORKLIST_PAGE,
            take: WORKLIST_PAGE + 1,
        };
        let mut tasks = self
            .store
            .worklist(municipality, &teams, filter, slice)
            .await?;
        let shown = usize::try_from(WORKLIST_PAGE).expect("a page is small");
        let more = shown < tasks.len();
        tasks.truncate(shown);
        let top = Slice {
            skip: 0,
            take: TODAY_MAX,
        };
        let today = self
            .store
            .worklist(municipality, &teams, WorklistFilter::Today(user.id), top)
            .await?;
        let (stopped, flagged) = self
            .store
            .interrupted_tasks(municipality, &teams, user.id)
            .await?
            .into_iter()
            .partition(|task| task.held);
        let counts = self
            .store
            .worklist_counts(
                municipality,
                &teams,
                user.id,
                self.clock.today(),
                finished_since,
            )
            .await?;
        Ok(Worklist {
            stopped,
            flagged,
            today,
            tasks,
            counts,
            more,
        })
    }

    /// A task and all that belongs to it, if this colleague may see it.
    pub async fn file(&self, user: &User, id: TaskId) -> Result<TaskFile, TaskError> {
        let task = self
            .store
            .task(user.municipality, id)
            .await?
            .filter(|task| may_see(user, task.purpose, &task.team))
            .ok_or(TaskError::NotFound)?;
        Ok(self.store.task_file(task).await?)
    }

    /// Takes a task.
    pub async fn claim(&self, user: &User, id: TaskId, version: i32) -> Result<(), TaskError> {
        let (mut tx, task) = self.lock(user, id).await?;
        refuse_if_held(&task)?;
        let moved = tx
            .claim_task(id, version, user.id, self.clock.now())
            .await?;
        self.settle(tx, moved, "claimed").await
    }

    /// Gives a task back to the team. Any member may: colleagues fall ill. Also under a hold.
    pub async fn release(&self, user: &User, id: TaskId, version: i32) -> Result<(), TaskError> {
        let (mut tx, task) = self.lock(user, id).await?;
        let moved = tx
            .release_task(id, version, user.id, self.clock.now())
            .await?;
        if moved && task.flagged {
            // K10: without grounds and with nobody, it is for the system to withdraw.
            self.wake(&mut tx, &[task.household], "released").await?;
        }
        self.settle(tx, moved, "released").await
    }

    /// Writes down that contact was tried.
    pub async fn record_contact(
        &self,
        user: &User,
        id: TaskId,
        attempt: &NewContactAttempt,
    ) -> Result<(), TaskError> {
        let today = self.clock.today();
        let earliest = today.saturating_sub(jiff::Span::new().days(CONTACT_LOOKBACK_DAYS));
        if attempt.tried_on < earliest || today < attempt.tried_on {
            return Err(TaskError::Invalid {
                field: "triedOn",
                expected: "Vul een datum in van vandaag of van de afgelopen 90 dagen.",
            });
        }
        let (mut tx, task) = self.lock(user, id).await?;
        // The desk, too, contacts nobody before it has lifted the hold (I10).
        if task.held {
            return Err(TaskError::Held);
        }
        refuse_unless_own(&task, user)?;
        let recorded = tx
            .record_contact(id, attempt, user.id, self.clock.now())
            .await?;
        match recorded {
            Recorded::New => self.settle(tx, true, "contact").await,
            Recorded::Already => Ok(()),
            // The form of an attempt that is saved was sent once more with something else in it.
            Recorded::Other => self.settle(tx, false, "contact").await,
        }
    }

    /// Ends a task with a result by the official list. Its household is judged again: a result answers signals and starts cooldowns
    /// (K4, K7, K9).
    pub async fn finish(
        &self,
        user: &User,
        id: TaskId,
        version: i32,
        outcome: Outcome,
    ) -> Result<(), TaskError> {
        let (mut tx, task) = self.lock(user, id).await?;
        refuse_if_held(&task)?;
        refuse_unless_own(&task, user)?;
        if !outcomes_of(task.purpose).contains(&outcome) {
            return Err(TaskError::Invalid {
                field: "outcome",
                expected: "Kies een resultaat dat bij deze taak hoort.",
            });
        }
        let (now, today) = (self.clock.now(), self.clock.today());
        let moved = tx
            .close_task(id, version, outcome, user.id, now, today)
            .await?;
        if moved {
            self.wake_homes(&mut tx, &task, "result").await?;
        }
        self.settle(tx, moved, "closed").await
    }

    /// Takes a result back within [`UNDO_WINDOW`].
    pub async fn undo(&self, user: &User, id: TaskId, version: i32) -> Result<(), TaskError> {
        let (mut tx, task) = self.lock(user, id).await?;
        refuse_if_held(&task)?;
        if task.state != TaskState::Closed {
            return Err(TaskError::NotNow);
        }
        if task.closed_by != Some(user.id) {
            return Err(TaskError::NotYours);
        }
        if task.closed_at.is_none_or(|at| at < self.since(UNDO_WINDOW)) {
            return Err(TaskError::TooLate);
        }
        let moved = match tx.reopen_task(id, version, user.id, self.clock.now()).await {
            Err(error) if error.is_unique_violation_of(ONE_OPEN_PER_PURPOSE) => {
                return Err(TaskError::Succeeded);
            }
            other => other?,
        };
        if moved {
            self.wake_homes(&mut tx, &task, "reopened").await?;
        }
        self.settle(tx, moved, "reopened").await
    }

    /// Opens who one person in the evidence is. Logged and committed before anything is opened (I9); refused under a hold (K11). What is
    /// shown and what is opened are read under one lock, so that the name belongs to the evidence beside it (K13).
    pub async fn open_person(
        &self,
        user: &User,
        id: TaskId,
        person: Uuid,
        reason: OpeningReason,
    ) -> Result<(TaskFile, Opened), TaskError> {
        let (mut tx, task) = self.lock(user, id).await?;
        refuse_if_held(&task)?;
        reason.refuse_unless_of(OpeningReason::of(task.purpose))?;
        if !may_open(task.purpose, task.state, task.held) {
            return Err(TaskError::NotNow);
        }
        let file = tx
            .task_file(user.municipality, id)
            .await?
            .ok_or(TaskError::NotFound)?;
        let person = persons(&file.signals)
            .into_iter()
            .find(|known| known.key == person)
            .ok_or(TaskError::NotFound)?;
        let mut signals: Vec<&EvidenceSignal> = person
            .signals
            .iter()
            .filter(|signal| {
                signal.lives_here
                    && matches!(signal.standing, Standing::Counted | Standing::Withdrawn)
            })
            .collect();
        signals.sort_by_key(|signal| std::cmp::Reverse((signal.event_date, signal.id)));
        signals.truncate(OPENED_MAX);
        if signals.is_empty() {
            return Err(TaskError::Objected);
        }
        let signals: Vec<(SignalId, i32)> = signals
            .iter()
            .map(|signal| (signal.id, signal.revision))
            .collect();
        let about = About {
            task: Some(id),
            household: Some(task.household),
        };
        let opened = self.open_logged(user, tx, &signals, about, reason).await?;
        Ok((file, opened))
    }

    /// Until when a closed task can be taken back by this colleague.
    pub fn undo_until(&self, user: &User, task: &Task) -> Option<Timestamp> {
        let until = task
            .closed_at
            .filter(|_| task.state == TaskState::Closed && task.closed_by == Some(user.id))?
            .checked_add(SignedDuration::try_from(UNDO_WINDOW).ok()?)
            .ok()?;
        (self.clock.now() <= until).then_some(until)
    }

    fn since(&self, period: Duration) -> Timestamp {
        SignedDuration::try_from(period)
            .ok()
            .and_then(|period| self.clock.now().checked_sub(period).ok())
            .unwrap_or(Timestamp::MIN)
    }

    /// The lock under which everything about a task happens, if this colleague may see the task.
    async fn lock(&self, user: &User, id: TaskId) -> Result<(Tx, LockedTask), TaskError> {
        let mut tx = self.store.begin("change a task").await?;
        let task = tx
            .lock_task(user.municipality, id)
            .await?
            .filter(|task| may_see(user, task.purpose, &task.team))
            .ok_or(TaskError::NotFound)?;
        Ok((tx, task))
    }

    async fn settle(&self, tx: Tx, moved: bool, change: &str) -> Result<(), TaskError> {
        if !moved {
            self.metrics.conflicts.inc();
            return Err(TaskError::Changed);
        }
        tx.commit().await?;
        self.metrics.changes.with_label_values(&[change]).inc();
        Ok(())
    }

    /// A result, and taking it back, is news wherever the task's signals live by now (K4).
    async fn wake_homes(
        &self,
        tx: &mut Tx,
        task: &LockedTask,
        reason: &str,
    ) -> Result<(), StoreError> {
        let mut homes = tx.other_homes_of(task.id, task.household).await?;
        homes.push(task.household);
        self.wake(tx, &homes, reason).await
    }

    async fn wake(
        &self,
        tx: &mut Tx,
        households: &[HouseholdId],
        reason: &str,
    ) -> Result<(), StoreError> {
        let wake_ups: Vec<WakeUp> = households
            .iter()
            .map(|household| WakeUp {
                due: self.clock.today(),
                household: *household,
                partition: (self.partition_of)(*household),
                reason: reason.to_owned(),
            })
            .collect();
        tx.ask_for_judgements(RESOLVED_TOPIC, &wake_ups).await
    }

    fn audit(
        &self,
        user: &User,
        action: &'static str,
        subject_kind: &'static str,
        subject_id: String,
        about: About,
        reason: String,
    ) -> NewAuditEvent {
        NewAuditEvent {
            happened_at: self.clock.now(),
            municipality: Some(user.municipality),
            actor: actor_of(user.id),
            action,
            subject_kind,
            subject_id,
            about,
            reason,
            request_id: RequestId::current().map(|id| id.to_string()),
        }
    }

    fn openings(
        &self,
        user: &User,
        signals: &[(SignalId, i32)],
        about: About,
        reason: OpeningReason,
    ) -> Vec<NewAuditEvent> {
        signals
            .iter()
            .map(|(signal, _)| {
                self.audit(
                    user,
                    "identity.opened",
                    "signal",
                    signal.to_string(),
                    about,
                    reason.code().to_owned(),
                )
            })
            .collect()
    }

    /// Writes down who opens these signals and why, commits that, and only then opens their envelopes, in their order (I9).
    async fn open_logged(
        &self,
        user: &User,
        mut tx: Tx,
        signals: &[(SignalId, i32)],
        about: About,
        reason: OpeningReason,
    ) -> Result<Opened, TaskError> {
        tx.record_audit(&self.openings(user, signals, about, reason))
            .await?;
        let envelopes = tx.envelopes(signals).await?;
        tx.commit().await?;
        let mut opened = Opened::new();
        for (signal, _) in signals {
            let Some((_, revision, envelope)) =
                envelopes.iter().find(|(known, _, _)| known == signal)
            else {
                continue;
            };
            let read = self
                .opener
                .open(envelope, &seal_context(signal.uuid(), *revision))
                .map_err(|error| error.to_string())
                .and_then(|plain| {
                    serde_json::from_slice::<SealedIdentity>(&plain)
                        .map_err(|_| "what came out is no identity".to_owned())
                });
            match read {
                Ok(identity) => opened.push((*signal, identity)),
                Err(error) => {
                    tracing::error!(signal.id = %signal, error, "an envelope does not open");
                }
            }
        }
        if opened.is_empty() {
            return Err(TaskError::Sealed);
        }
        let count = u64::try_from(opened.len()).unwrap_or(u64::MAX);
        self.metrics.identities.inc_by(count);
        Ok(opened)
    }
}

fn refuse_if_held(task: &LockedTask) -> Result<(), TaskError> {
    if is_stopped(task.purpose, task.held) {
        Err(TaskError::Held)
    } else {
        Ok(())
    }
}

/// Whether one can open who a task is about: while it asks for something; and the desk as long as the household is held, for until then
/// somebody still has to decide about it.
pub(crate) fn may_open(purpose: Purpose, state: TaskState, held: bool) -> bool {
    state.is_open() || (purpose == Purpose::Safety && held)
}

fn refuse_unless_own(task: &LockedTask, user: &User) -> Result<(), TaskError> {
    if task.state != TaskState::Claimed {
        Err(TaskError::NotNow)
    } else if task.claimed_by == Some(user.id) {
        Ok(())
    } else {
        Err(TaskError::NotYours)
    }
}

/// Reads a day as a form or a program sends it.
pub(crate) fn parse_day(raw: &str) -> Result<Date, TaskError> {
    raw.parse().map_err(|_| TaskError::Invalid {
        field: "triedOn",
        expected: "Vul een datum in, bijvoorbeeld 2026-01-31.",
    })
}
