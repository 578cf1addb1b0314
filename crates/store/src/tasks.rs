//! Tasks as outreach reads them: cards for a list, a file for one task.
//!
//! Everything is read within one municipality; who may see which task is for the caller to decide.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff_sqlx::ToSqlx;
use sqlx::PgConnection;
use uuid::Uuid;
use voorveld_domain::{
    Cents, ContactChannel, DayPart, DebtorId, HouseholdId, MunicipalityCode, Outcome, PartnerType,
    Purpose, SignalId, Standing, TaskId, TaskState, Urgency, UserId,
};

use crate::holds::{DeskHold, DeskList, holds_of};
use crate::registrations::{Registration, registrations_about};
use crate::{Store, StoreError, Tx};

/// Most tasks on one page of a list.
pub const TASK_PAGE_MAX: i64 = 200;

/// A task with what a list shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Which one.
    pub id: TaskId,
    /// Whose.
    pub municipality: MunicipalityCode,
    /// About which household.
    pub household: HouseholdId,
    /// What it is for.
    pub purpose: Purpose,
    /// Where it stands.
    pub state: TaskState,
    /// How soon it wants attention.
    pub urgency: Urgency,
    /// K7: the step of the channel ladder.
    pub ladder_step: i32,
    /// T5: the earliest deadline of its grounds.
    pub due_on: Date,
    /// Who does it.
    pub team: String,
    /// Where it is.
    pub area: String,
    /// The knowledge date on which it was raised.
    pub raised_as_of: Date,
    /// When it was raised.
    pub raised_at: Timestamp,
    /// Who has it.
    pub claimed_by: Option<UserId>,
    /// What colleagues call who has it.
    pub claimed_by_name: Option<String>,
    /// Since when.
    pub claimed_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// When it ended.
    pub closed_at: Option<Timestamp>,
    /// Who ended it.
    pub closed_by: Option<UserId>,
    /// K10: lost its grounds while somebody had it.
    pub flagged: bool,
    /// K10: some of its grounds are gone.
    pub annotated: bool,
    /// Rises with each change.
    pub version: i32,
    /// K11: no outreach at this household now.
    pub held: bool,
    /// Why, in plain Dutch: the ground that presses most; when none stands any more, the one that pressed most.
    pub why: Option<String>,
    /// How many grounds still stand.
    pub grounds: i64,
    /// The event date of the newest counting signal that one of them leans on.
    pub newest_signal_on: Option<Date>,
    /// What was tried, oldest first.
    pub tried: Vec<Tried>,
}

/// What a list needs of a contact attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tried {
    /// On which day.
    pub on: Date,
    /// How.
    pub channel: ContactChannel,
    /// When on that day.
    pub day_part: DayPart,
    /// Whether somebody was spoken to.
    pub reached: bool,
}

struct TaskRow {
    task_id: Uuid,
    municipality: String,
    household_id: Uuid,
    purpose: String,
    state: String,
    urgency: String,
    ladder_step: i32,
    due_on: jiff_sqlx::Date,
    team_id: String,
    area_id: String,
    raised_as_of: jiff_sqlx::Date,
    raised_at: jiff_sqlx::Timestamp,
    claimed_by: Option<Uuid>,
    claimed_by_name: Option<String>,
    claimed_at: Option<jiff_sqlx::Timestamp>,
    outcome: Option<String>,
    closed_at: Option<jiff_sqlx::Timestamp>,
    closed_by: Option<Uuid>,
    flagged: bool,
    annotated: bool,
    version: i32,
    held: bool,
    why: Option<String>,
    grounds: i64,
    newest_signal_on: Option<jiff_sqlx::Date>,
    tried_on: Vec<jiff_sqlx::Date>,
    tried_by: Vec<String>,
    tried_at: Vec<String>,
    tried_reached: Vec<bool>,
}

impl TryFrom<TaskRow> for Task {
    type Error = StoreError;
    fn try_from(row: TaskRow) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::Corrupt {
            table: "tasks",
            what,
        };
        let tried = tried(&row)?;
        Ok(Self {
            id: TaskId::from_uuid(row.task_id),
            municipality: row
                .municipality
                .parse()
                .map_err(|_| corrupt("municipality"))?,
            household: HouseholdId::from_uuid(row.household_id),
            purpose: row.purpose.parse().map_err(|_| corrupt("purpose"))?,
            state: row.state.parse().map_err(|_| corrupt("state"))?,
            urgency: row.urgency.parse().map_err(|_| corrupt("urgency"))?,
            ladder_step: row.ladder_step,
            due_on: row.due_on.to_jiff(),
            team: row.team_id,
            area: row.area_id,
            raised_as_of: row.raised_as_of.to_jiff(),
            raised_at: row.raised_at.to_jiff(),
            claimed_by: row.claimed_by.map(UserId::from_uuid),
            claimed_by_name: row.claimed_by_name,
            claimed_at: row.claimed_at.map(jiff_sqlx::Timestamp::to_jiff),
            outcome: row
                .outcome
                .map(|code| code.parse())
                .transpose()
                .map_err(|_| corrupt("outcome"))?,
            closed_at: row.closed_at.map(jiff_sqlx::Timestamp::to_jiff),
            closed_by: row.closed_by.map(UserId::from_uuid),
            flagged: row.flagged,
            annotated: row.annotated,
            version: row.version,
            held: row.held,
            why: row.why,
            grounds: row.grounds,
            newest_signal_on: row.newest_signal_on.map(jiff_sqlx::Date::to_jiff),
            tried,
        })
    }
}

/// The attempts of a row, which come as one list for each column, all in one order.
fn tried(row: &TaskRow) -> Result<Vec<Tried>, StoreError> {
    let corrupt = |what| StoreError::Corrupt {
        table: "contact_attempts",
        what,
    };
    let codes = row.tried_by.iter().zip(&row.tried_at);
    row.tried_on
        .iter()
        .zip(codes)
        .zip(&row.tried_reached)
        .map(|((on, (channel, day_part)), reached)| {
            Ok(Tried {
                on: on.to_jiff(),
                channel: channel.parse().map_err(|_| corrupt("channel"))?,
                day_part: day_part.parse().map_err(|_| corrupt("day_part"))?,
                reached: *reached,
            })
        })
        .collect()
}

/// The columns of a [`TaskRow`]; what follows narrows and sorts.
macro_rules! tasks_where {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            TaskRow,
            r#"SELECT t.task_id, t.municipality, t.household_id, t.purpose, t.state, t.urgency, t.ladder_step, t.due_on,
                      t.team_id, t.area_id, t.raised_as_of, t.raised_at, t.claimed_by,
                      u.display_name AS "claimed_by_name?", t.claimed_at, t.outcome, t.closed_at, t.closed_by, t.flagged,
                      t.annotated, t.version,
                      EXISTS (SELECT 1 FROM holds h
                              WHERE h.household_id = t.household_id AND h.lifted_at IS NULL) AS "held!",
                      g.why, g.grounds AS "grounds!", n.newest AS "newest_signal_on?: jiff_sqlx::Date",
                      a.tried_on AS "tried_on!: Vec<jiff_sqlx::Date>", a.tried_by AS "tried_by!", a.tried_at AS "tried_at!",
                      a.tried_reached AS "tried_reached!"
               FROM tasks t
               LEFT JOIN users u ON u.user_id = t.claimed_by
               CROSS JOIN LATERAL (
                   SELECT (array_agg(words ORDER BY (gone_as_of IS NOT NULL), due_on, added_as_of DESC, rule_id))[1] AS why,
                          count(*) FILTER (WHERE gone_as_of IS NULL) AS grounds
                   FROM task_grounds WHERE task_id = t.task_id) g
               CROSS JOIN LATERAL (
                   SELECT max(s.event_date) AS newest
                   FROM signals s
                   WHERE s.household_id = t.household_id AND s.lives_here AND s.standing = 'counted'
                     AND s.signal_id IN (SELECT UNNEST(witnesses) FROM task_grounds
                                         WHERE task_id = t.task_id AND gone_as_of IS NULL)) n
               CROSS JOIN LATERAL (
                   SELECT coalesce(array_agg(tried_on ORDER BY tried_on, recorded_at, attempt_id), '{}') AS tried_on,
                          coalesce(array_agg(channel ORDER BY tried_on, recorded_at, attempt_id), '{}') AS tried_by,
                          coalesce(array_agg(day_part ORDER BY tried_on, recorded_at, attempt_id), '{}') AS tried_at,
                          coalesce(array_agg(reached ORDER BY tried_on, recorded_at, attempt_id), '{}') AS tried_reached
                   FROM contact_attempts WHERE task_id = t.task_id) a
               WHERE "# + $rest,
            $($argument),+
        )
    };
}

/// Which tasks of a team's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorklistFilter {
    /// What this colleague has.
    Mine(UserId),
    /// What nobody has.
    Open,
    /// Everything that still asks for something.
    All,
    /// What ended since this instant: with a result, or because its grounds went or it went on in another (I5).
    Ended(Timestamp),
    /// What this colleague could do today: nobody's or the colleague's own, with grounds that stand, and no hold.
    Today(UserId),
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// How many to pass over.
    pub skip: i64,
    /// How many to give, at most [`TASK_PAGE_MAX`].
    pub take: i64,
}

/// How many tasks there are behind each filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorklistCounts {
    /// What this colleague has.
    pub mine: i64,
    /// What nobody has.
    pub open: i64,
    /// Everything that still asks for something.
    pub all: i64,
    /// What of that is past its deadline.
    pub overdue: i64,
    /// What ended since the asked instant.
    pub ended: i64,
}

/// Why a task was raised, as it was copied then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// By which rule.
    pub rule: String,
    /// Which version of it.
    pub rule_version: i32,
    /// In plain Dutch.
    pub words: String,
    /// The signals it leaned on.
    pub witnesses: Vec<Uuid>,
    /// Its deadline.
    pub due_on: Date,
    /// Since which knowledge date.
    pub added_as_of: Date,
    /// Until which knowledge date, when it is no longer true (I5).
    pub gone_as_of: Option<Date>,
    /// Whether it went on in another ground of the task (K4) instead of falling away.
    pub replaced: bool,
}

/// A signal behind a ground, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a row's independent marks, as the table has them"
)]
pub struct EvidenceSignal {
    /// Which one.
    pub id: SignalId,
    /// Its current revision.
    pub revision: i32,
    /// False: it was filed at another household since.
    pub lives_here: bool,
    /// Whether it counts.
    pub standing: Standing,
    /// What the partner is called.
    pub partner_name: Option<String>,
    /// What sort of organisation it is.
    pub partner_type: PartnerType,
    /// What kind of signal.
    pub kind: String,
    /// T1.
    pub event_date: Date,
    /// When it came in first.
    pub first_received_at: Timestamp,
    /// How much.
    pub amount: Option<Cents>,
    /// A threatening situation by the partner's word.
    pub crisis: bool,
    /// The partner hands over in person.
    pub warm_handover: bool,
    /// When supply ends.
    pub supply_ends_on: Option<Date>,
    /// S6: accepted although the age could not be checked.
    pub age_unknown: bool,
    /// S7: whom it names, as far as people can be told apart.
    pub debtor: Option<DebtorId>,
    /// The kind's own fields.
    pub fields: Option<serde_json::Value>,
}

/// A line of a task's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskEvent {
    /// When.
    pub happened_at: Timestamp,
    /// Who; none is the system.
    pub actor_name: Option<String>,
    /// What.
    pub event: String,
    /// The codes that belong to it.
    pub detail: serde_json::Value,
}

/// A contact attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactAttempt {
    /// Which one.
    pub id: Uuid,
    /// On which day.
    pub tried_on: Date,
    /// By the official list.
    pub channel: String,
    /// By the official list.
    pub day_part: String,
    /// Whether somebody was spoken to.
    pub reached: bool,
    /// By whom.
    pub recorded_by_name: Option<String>,
}

/// Everything about one task, but not who it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFile {
    /// The task.
    pub task: Task,
    /// Why; those that stand first.
    pub grounds: Vec<Ground>,
    /// The signals behind its grounds (K1: no others), oldest first.
    pub signals: Vec<EvidenceSignal>,
    /// What happened, oldest first.
    pub events: Vec<TaskEvent>,
    /// What was tried, oldest first.
    pub attempts: Vec<ContactAttempt>,
    /// What was registered about the household, or about a person in the evidence (K13), and not revoked; on a task of the safety desk none (K1).
    pub registrations: Vec<Registration>,
    /// The active holds of the household, on a task of the safety desk; on any other none, whether there are any or not (I10).
    pub holds: Vec<DeskHold>,
}

impl Store {
    /// Tasks of these teams by urgency and then deadline, held ones last, so that their place tells nothing; those of the safety desk
    /// are never among them (I10).
    pub async fn worklist(
        &self,
        municipality: MunicipalityCode,
        teams: &[String],
        filter: WorklistFilter,
        slice: Slice,
    ) -> Result<Vec<Task>, StoreError> {
        let take = slice.take.clamp(0, TASK_PAGE_MAX);
        let municipality = municipality.to_string();
        let rows = match filter {
            WorklistFilter::Ended(since) => {
                tasks_where!(
                    "t.municipality = $1 AND t.team_id = ANY($2) AND t.purpose <> 'safety'
                       AND t.state IN ('closed', 'withdrawn', 'merged') AND t.closed_at > $3
                     ORDER BY t.closed_at DESC, t.task_id OFFSET $4 LIMIT $5",
                    municipality,
                    teams,
                    since.to_sqlx() as _,
                    slice.skip,
                    take,
                )
                .fetch_all(&self.pool)
                .await?
            }
            WorklistFilter::Today(me) => {
                tasks_where!(
                    "t.municipality = $1 AND t.team_id = ANY($2) AND t.purpose <> 'safety'
                       AND t.state IN ('open', 'claimed')
                       AND (t.claimed_by IS NULL OR t.claimed_by = $3) AND NOT t.flagged
                       AND NOT EXISTS (SELECT 1 FROM holds h
                                       WHERE h.household_id = t.household_id AND h.lifted_at IS NULL)
                     ORDER BY array_position(ARRAY['escalated', 'crisis', 'raised', 'routine'], t.urgency), t.due_on,
                              t.raised_at, t.task_id
                     OFFSET $4 LIMIT $5",
                    municipality,
                    teams,
                    me.uuid(),
                    slice.skip,
                    take,
                )
                .fetch_all(&self.pool)
                .await?
            }
            WorklistFilter::Mine(_) | WorklistFilter::Open | WorklistFilter::All => {
                let mine = match filter {
                    WorklistFilter::Mine(me) => Some(me.uuid()),
                    _ => None,
                };
                let states: &[String] = match filter {
                    WorklistFilter::Open => &["open".to_owned()],
                    _ => &["open".to_owned(), "claimed".to_owned()],
                };
                tasks_where!(
                    r#"t.municipality = $1 AND t.team_id = ANY($2) AND t.purpose <> 'safety'
                       AND t.state IN ('open', 'claimed') AND t.state = ANY($3)
                       AND ($4::uuid IS NULL OR t.claimed_by = $4)
                     ORDER BY "held!", array_position(ARRAY['escalated', 'crisis', 'raised', 'routine'], t.urgency), t.due_on,
                              t.raised_at, t.task_id
                     OFFSET $5 LIMIT $6"#,
                    municipality,
                    teams,
                    states,
                    mine,
                    slice.skip,
                    take,
                )
                .fetch_all(&self.pool)
                .await?
            }
        };
        rows.into_iter().map(Task::try_from).collect()
    }

    /// What this colleague has and must not go on with as before, all of it: at held households (K11), in an order that tells nothing, and
    /// what lost its grounds (K10), by deadline.
    pub async fn interrupted_tasks(
        &self,
        municipality: MunicipalityCode,
        teams: &[String],
        me: UserId,
    ) -> Result<Vec<Task>, StoreError> {
        tasks_where!(
            r#"t.municipality = $1 AND t.team_id = ANY($2) AND t.purpose <> 'safety'
               AND t.state = 'claimed' AND t.claimed_by = $3
               AND (t.flagged OR EXISTS (SELECT 1 FROM holds h
                                         WHERE h.household_id = t.household_id AND h.lifted_at IS NULL))
             ORDER BY "held!" DESC, CASE WHEN t.flagged AND NOT EXISTS (
                          SELECT 1 FROM holds h WHERE h.household_id = t.household_id AND h.lifted_at IS NULL)
                      THEN t.due_on END, t.task_id"#,
            municipality.as_str(),
            teams,
            me.uuid(),
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Task::try_from)
        .collect()
    }

    /// How many tasks these teams have behind each filter.
    pub async fn worklist_counts(
        &self,
        municipality: MunicipalityCode,
        teams: &[String],
        me: UserId,
        today: Date,
        ended_since: Timestamp,
    ) -> Result<WorklistCounts, StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE state = 'claimed' AND claimed_by = $3) AS "mine!",
                      count(*) FILTER (WHERE state = 'open') AS "open!",
                      count(*) FILTER (WHERE state IN ('open', 'claimed')) AS "all!",
                      count(*) FILTER (WHERE state IN ('open', 'claimed') AND due_on < $4) AS "overdue!",
                      count(*) FILTER (WHERE state IN ('closed', 'withdrawn', 'merged') AND closed_at > $5) AS "ended!"
               FROM tasks
               WHERE municipality = $1 AND team_id = ANY($2) AND purpose <> 'safety'
                 AND (state IN ('open', 'claimed') OR closed_at > $5)"#,
            municipality.as_str(),
            teams,
            me.uuid(),
            today.to_sqlx() as _,
            ended_since.to_sqlx() as _,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(WorklistCounts {
            mine: row.mine,
            open: row.open,
            all: row.all,
            overdue: row.overdue,
            ended: row.ended,
        })
    }

    /// The tasks of the safety desk, by deadline: open ones, and with `closed_since` also those that ended after it.
    pub async fn safety_tasks(
        &self,
        municipality: MunicipalityCode,
        closed_since: Timestamp,
    ) -> Result<DeskList<Task>, StoreError> {
        let total = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM tasks
               WHERE municipality = $1 AND purpose = 'safety'
                 AND (state IN ('open', 'claimed') OR (state = 'closed' AND closed_at > $2))"#,
            municipality.as_str(),
            closed_since.to_sqlx() as _,
        )
        .fetch_one(&self.pool)
        .await?;
        let rows = tasks_where!(
            "t.municipality = $1 AND t.purpose = 'safety'
               AND (t.state IN ('open', 'claimed') OR (t.state = 'closed' AND t.closed_at > $2))
             ORDER BY (t.state = 'closed'), t.due_on, t.raised_at, t.task_id LIMIT $3",
            municipality.as_str(),
            closed_since.to_sqlx() as _,
            TASK_PAGE_MAX,
        )
        .fetch_all(&self.pool)
        .await?
        .into_iter()
        .map(Task::try_from)
        .collect::<Result<Vec<_>, _>>()?;
        Ok(DeskList {
            rows,
            more: (total - TASK_PAGE_MAX).max(0),
        })
    }

    /// One task of this municipality.
    pub async fn task(
        &self,
        municipality: MunicipalityCode,
        id: TaskId,
    ) -> Result<Option<Task>, StoreError> {
        let mut connection = self.pool.acquire().await?;
        read_task(&mut connection, municipality, id).await
    }

    /// Everything that belongs to a task.
    pub async fn task_file(&self, task: Task) -> Result<TaskFile, StoreError> {
        let mut connection = self.pool.acquire().await?;
        read_file(&mut connection, task).await
    }
}

impl Tx {
    /// A task and everything that belongs to it, as this transaction sees it.
    pub async fn task_file(
        &mut self,
        municipality: MunicipalityCode,
        id: TaskId,
    ) -> Result<Option<TaskFile>, StoreError> {
        match read_task(&mut self.inner, municipality, id).await? {
            Some(task) => read_file(&mut self.inner, task).await.map(Some),
            None => Ok(None),
        }
    }

    /// Of each of these signals the newest envelope that is not newer than the revision named with it: signal, revision it was sealed
    /// for, envelope. A correction that the evidence does not show yet may name somebody else (K13).
    pub async fn envelopes(
        &mut self,
        signals: &[(SignalId, i32)],
    ) -> Result<Vec<(SignalId, u32, Vec<u8>)>, StoreError> {
        let ids: Vec<Uuid> = signals.iter().map(|(signal, _)| signal.uuid()).collect();
        let revisions: Vec<i32> = signals.iter().map(|(_, revision)| *revision).collect();
        sqlx::query!(
            "SELECT DISTINCT ON (i.signal_id) i.signal_id, i.revision, i.envelope
             FROM sealed_identities i
             JOIN UNNEST($1::uuid[], $2::int[]) AS shown (signal_id, revision)
               ON i.signal_id = shown.signal_id AND i.revision <= shown.revision
             ORDER BY i.signal_id, i.revision DESC",
            &ids,
            &revisions,
        )
        .fetch_all(&mut *self.inner)
        .await?
        .into_iter()
        .map(|row| {
            let revision = u32::try_from(row.revision).map_err(|_| StoreError::Corrupt {
                table: "sealed_identities",
                what: "revision",
            })?;
            Ok((SignalId::from_uuid(row.signal_id), revision, row.envelope))
        })
        .collect()
    }
}

async fn read_task(
    connection: &mut PgConnection,
    municipality: MunicipalityCode,
    id: TaskId,
) -> Result<Option<Task>, StoreError> {
    tasks_where!(
        "t.municipality = $1 AND t.task_id = $2",
        municipality.as_str(),
        id.uuid(),
    )
    .fetch_optional(connection)
    .await?
    .map(Task::try_from)
    .transpose()
}

async fn read_file(connection: &mut PgConnection, task: Task) -> Result<TaskFile, StoreError> {
    // First what is sent back when a hold is lifted: a marker that comes in while the rest is read was then not seen.
    let holds = if task.purpose == Purpose::Safety {
        holds_of(connection, task.household).await?
    } else {
        Vec::new()
    };
    let grounds: Vec<Ground> = sqlx::query!(
        "SELECT rule_id, rule_version, words, witnesses, due_on, added_as_of, gone_as_of, replaced
             FROM task_grounds WHERE task_id = $1
             ORDER BY (gone_as_of IS NOT NULL), due_on, added_as_of DESC, rule_id, anchor",
        task.id.uuid(),
    )
    .fetch_all(&mut *connection)
    .await?
    .into_iter()
    .map(|row| Ground {
        rule: row.rule_id,
        rule_version: row.rule_version,
        words: row.words,
        witnesses: row.witnesses,
        due_on: row.due_on.to_jiff(),
        added_as_of: row.added_as_of.to_jiff(),
        gone_as_of: row.gone_as_of.map(jiff_sqlx::Date::to_jiff),
        replaced: row.replaced,
    })
    .collect();
    let mut witnesses: Vec<Uuid> = grounds
        .iter()
        .flat_map(|ground| ground.witnesses.iter().copied())
        .collect();
    witnesses.sort_unstable();
    witnesses.dedup();
    let signals = evidence(connection, task.household, &witnesses).await?;
    let registrations = if task.purpose == Purpose::Safety {
        Vec::new()
    } else {
        let debtors: Vec<DebtorId> = signals.iter().filter_map(|signal| signal.debtor).collect();
        registrations_about(connection, task.household, &debtors).await?
    };
    let events = sqlx::query!(
        r#"SELECT e.happened_at, u.display_name AS "actor_name?", e.event, e.detail
               FROM task_events e LEFT JOIN users u ON u.user_id = e.actor
               WHERE e.task_id = $1 ORDER BY e.event_id"#,
        task.id.uuid(),
    )
    .fetch_all(&mut *connection)
    .await?
    .into_iter()
    .map(|row| TaskEvent {
        happened_at: row.happened_at.to_jiff(),
        actor_name: row.actor_name,
        event: row.event,
        detail: row.detail,
    })
    .collect();
    let attempts = sqlx::query!(
            r#"SELECT a.attempt_id, a.tried_on, a.channel, a.day_part, a.reached, u.display_name AS "name?"
               FROM contact_attempts a LEFT JOIN users u ON u.user_id = a.recorded_by
               WHERE a.task_id = $1 ORDER BY a.tried_on, a.recorded_at"#,
            task.id.uuid(),
        )
        .fetch_all(&mut *connection)
        .await?
        .into_iter()
        .map(|row| ContactAttempt {
            id: row.attempt_id,
            tried_on: row.tried_on.to_jiff(),
            channel: row.channel,
            day_part: row.day_part,
            reached: row.reached,
            recorded_by_name: row.name,
        })
        .collect();
    Ok(TaskFile {
        task,
        grounds,
        signals,
        events,
        attempts,
        registrations,
        holds,
    })
}

async fn evidence(
    connection: &mut PgConnection,
    household: HouseholdId,
    witnesses: &[Uuid],
) -> Result<Vec<EvidenceSignal>, StoreError> {
    let corrupt = |what| StoreError::Corrupt {
        table: "signals",
        what,
    };
    sqlx::query!(
            r#"SELECT s.signal_id, s.revision, s.lives_here,
                      CASE WHEN s.standing = 'counted' AND s.domain <> 'safety' AND EXISTS (
                               SELECT 1 FROM registrations r WHERE r.kind = 'objection' AND r.revoked_at IS NULL
                                 AND ((r.debtor_id IS NULL AND r.household_id = s.household_id) OR r.debtor_id = s.debtor_id))
                           THEN 'objected' ELSE s.standing END AS "standing!",
                      p.name AS "partner_name?", s.partner_type, s.kind,
                      s.event_date, s.first_received_at, s.amount_cents, s.crisis, s.warm_handover, s.supply_ends_on,
                      s.age_unknown, s.debtor_id, s.fields
               FROM signals s LEFT JOIN partners p ON p.partner_id = s.partner_id
               WHERE s.household_id = $1 AND s.signal_id = ANY($2)
               ORDER BY s.event_date, s.signal_id"#,
            household.uuid(),
            witnesses,
        )
        .fetch_all(connection)
        .await?
        .into_iter()
        .map(|row| {
            Ok(EvidenceSignal {
                id: SignalId::from_uuid(row.signal_id),
                revision: row.revision,
                lives_here: row.lives_here,
                standing: row.standing.parse().map_err(|_| corrupt("standing"))?,
                partner_name: row.partner_name,
                partner_type: row
                    .partner_type
                    .parse()
                    .map_err(|_| corrupt("partner_type"))?,
                kind: row.kind,
                event_date: row.event_date.to_jiff(),
                first_received_at: row.first_received_at.to_jiff(),
                amount: row
                    .amount_cents
                    .map(|cents| Cents::try_from(i64::from(cents)))
                    .transpose()
                    .map_err(|_| corrupt("amount_cents"))?,
                crisis: row.crisis,
                warm_handover: row.warm_handover,
                supply_ends_on: row.supply_ends_on.map(jiff_sqlx::Date::to_jiff),
                age_unknown: row.age_unknown,
                debtor: row.debtor_id.map(DebtorId::from_uuid),
                fields: row.fields,
            })
        })
        .collect()
}
