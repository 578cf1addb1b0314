//! Everything that is kept of households, in stretches of their ids, for replay: copies of signals in bulk, and what colleagues did.
//!
//! A year of the whole country is millions of copies. They come as PostgreSQL's own binary rows, cut where one household ends, so that whoever
//! replays can read them on every core; memory holds a few stretches at a time.

mod copies;
mod glanced;
mod invented;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Mutex;

use futures::future::{Either, select};
use futures::{StreamExt as _, TryStreamExt as _, future, stream};
use jiff::{Timestamp, civil::Date};
use tokio::sync::mpsc;
use uuid::Uuid;
use voorveld_domain::{HoldReason, HouseholdId, Outcome, Purpose, SignalId, TaskId};

use crate::held::{Held, Lent};
use crate::{Store, StoreError};

pub use copies::{Copies, Kept, Names};
pub use glanced::Glance;
use glanced::{Gathered, Line, Pages};

/// About as many bytes of rows make a stretch of households.
const STRETCH_BYTES: usize = 512 * 1024;
/// The table is read through and sorted by household: its key is random, and to follow it across the table took twice the processor time (10.1 s against
/// 5.2 s for 1.7 million rows on a busy machine). Compiling a query for one pass costs more than it gives. The memory is a most; a small table uses little.
const READING: &str = "SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL jit = off; SET LOCAL work_mem = '192MB';
    SET LOCAL max_parallel_workers_per_gather = 0";
/// About as many rows are sorted at once. The table is passed through once for each part, which costs a fifth of its sorting.
const ROWS_OF_A_PART: i64 = 425_000;
/// At most so many parts: a table that is larger sorts larger parts, on disk where its memory ends.
const PARTS_MAX: i64 = 16;
/// So many parts are under way at once: while one is read, the next is sorted. One where connections are few.
const PARTS_AT_ONCE: usize = 2;
/// Connections that are needed besides: one that holds the moment, one that asks what colleagues did.
const OTHER_CONNECTIONS: u32 = 2;
/// About as many rows are gathered for a glance at once, of 64 bytes each.
const ROWS_GATHERED: i64 = 2_000_000;
/// Stretches of a part that wait for the part before it.
const STRETCHES_AHEAD: usize = 4;

/// Households whose ids begin within these bounds: `from` to before `until`, in units of 2⁻¹⁶ of all ids.
#[derive(Debug, Clone, Copy)]
struct Part {
    from: u32,
    until: u32,
}

impl Part {
    const WHOLE: u32 = 1 << 16;

    /// Everything, in so many parts.
    fn all(parts: i64) -> Vec<Self> {
        let parts = u32::try_from(parts.max(1)).unwrap_or(Self::WHOLE);
        let bound = |nth: u32| {
            u32::try_from(u64::from(Self::WHOLE) * u64::from(nth) / u64::from(parts))
                .unwrap_or(Self::WHOLE)
        };
        (0..parts)
            .map(|nth| Self {
                from: bound(nth),
                until: bound(nth + 1),
            })
            .collect()
    }

    /// As a condition on a household's id; always true of a part that is everything.
    fn condition(self) -> String {
        let id = |bound: u32| format!("'{bound:04x}0000-0000-0000-0000-000000000000'::uuid");
        let mut conditions = vec!["true".to_owned()];
        if 0 < self.from {
            conditions.push(format!("{} <= household_id", id(self.from)));
        }
        if self.until < Self::WHOLE {
            conditions.push(format!("household_id < {}", id(self.until)));
        }
        conditions.join(" AND ")
    }
}

/// Which copies are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copied {
    /// The greatest copy of each signal that counts and is dated on or before this day, in no order within a household. What only says how and when
    /// it came is left out: it came at noon of its day.
    Counted {
        /// The last event date.
        until: Date,
    },
    /// Every copy that came before this instant, in log order.
    Everything {
        /// Knowledge ends here.
        before: Timestamp,
    },
}

/// A stretch of households, in order of id.
#[derive(Debug)]
pub struct Stretch {
    /// Their copies.
    pub copies: Copies,
    /// What colleagues did to their tasks, each household's in order.
    pub acts: HashMap<HouseholdId, Vec<Act>>,
    /// For what they were judged without a record, each household's in order; only with [`Copied::Everything`].
    pub woken: HashMap<HouseholdId, Vec<Woken>>,
    /// What they heard of results at other households, each household's in order; only with [`Copied::Everything`].
    pub heard: HashMap<HouseholdId, Vec<Heard>>,
    /// What began and ceased to be registered about them, each household's in order; only with [`Copied::Everything`].
    pub placed: HashMap<HouseholdId, Vec<Placed>>,
    /// In which partition of the log they are; only with [`Copied::Everything`].
    pub partitions: HashMap<HouseholdId, i32>,
}

/// What a colleague did to a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// To which one.
    pub task: TaskId,
    /// What that one is for.
    pub purpose: Purpose,
    /// What.
    pub deed: Deed,
    /// When.
    pub at: Timestamp,
    /// Its turn among the acts and judgements without a record of the household.
    pub turn: i64,
    /// Every record with a lower offset was judged before. `None`: not noted then; the instant must do.
    pub came_before: Option<i64>,
}

/// What can be done to a task that a later judgement minds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A colleague took it.
    Claimed,
    /// It went back to the team.
    Released,
    /// It ended with a result.
    Closed(Outcome),
    /// The result was taken back.
    Reopened,
}

/// A judgement without a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Woken {
    /// For which day.
    pub due: Date,
    /// Why, as a code.
    pub reason: String,
    /// When.
    pub judged_at: Timestamp,
    /// Its turn among the acts and judgements without a record of the household.
    pub turn: i64,
    /// Every record with a lower offset was judged before.
    pub came_before: i64,
}

/// What a judgement came to know of a result at another household (K4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// About which signal, which had moved.
    pub signal: SignalId,
    /// For which purpose.
    pub purpose: Purpose,
    /// A closed task there answered it; no longer, when that was taken back.
    pub answered: bool,
    /// Its turn among the acts and judgements without a record of the household.
    pub turn: i64,
    /// Every record with a lower offset was judged before.
    pub came_before: i64,
}

/// That something registered began or ceased to stand about a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Which registration.
    pub registration: Uuid,
    /// It was written down; if not, revoked.
    pub stands: bool,
    /// Its turn among the acts and judgements without a record of the household.
    pub turn: i64,
    /// Every record with a lower offset was judged before.
    pub came_before: i64,
}

/// A hold that was lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifted {
    /// Whose.
    pub household: HouseholdId,
    /// Why it was held.
    pub reason: HoldReason,
    /// When it was lifted.
    pub at: Timestamp,
}

/// A moment of the database that several connections see.
struct Moment {
    /// Holds it.
    transaction: Held,
    /// What others call it.
    name: String,
}

impl Moment {
    async fn of(store: &Store) -> Result<Self, StoreError> {
        let mut transaction = Held::begin(
            &store.pool,
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        )
        .await?;
        // It only keeps its moment while others read, and nobody waits for it.
        sqlx::query("SET LOCAL idle_in_transaction_session_timeout = 0")
            .execute(&mut *transaction)
            .await?;
        // Nor are its rows put elsewhere meanwhile (`VACUUM FULL`): some are read by their place.
        sqlx::query("LOCK TABLE signals IN ACCESS SHARE MODE")
            .execute(&mut *transaction)
            .await?;
        let name = sqlx::query_scalar!(r#"SELECT pg_export_snapshot() AS "snapshot!""#)
            .fetch_one(&mut *transaction)
            .await?;
        Ok(Self { transaction, name })
    }

    async fn end(self) -> Result<(), StoreError> {
        self.transaction.commit().await
    }
}

fn corrupt(table: &'static str, what: &'static str) -> StoreError {
    StoreError::Corrupt { table, what }
}

impl Store {
    /// Hands over every household that has copies, stretch by stretch; ends early when nobody takes them any more.
    pub async fn read_history(
        &self,
        wanted: Copied,
        stretches: mpsc::Sender<Stretch>,
    ) -> Result<(), StoreError> {
        let parts = (self.signals_about().await? / ROWS_OF_A_PART + 1).min(PARTS_MAX);
        self.read_in_parts(parts, wanted, stretches).await
    }

    /// Shows what every household's signals that count are at a glance ([`Copied::Counted`]), and hands over those that are wanted.
    pub async fn glance_at_history(
        &self,
        until: Date,
        wants: impl FnMut(HouseholdId, &[Glance<'_>]) -> bool + Send,
        stretches: mpsc::Sender<Stretch>,
    ) -> Result<(), StoreError> {
        let parts = (self.signals_about().await? / ROWS_GATHERED + 1).min(PARTS_MAX);
        self.glance_in_parts(parts, until, wants, stretches).await
    }

    /// About how many signals there are, as the database's statistics say.
    async fn signals_about(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT greatest(0, reltuples)::bigint AS "rows!" FROM pg_class WHERE oid = 'signals'::regclass"#
        )
        .fetch_one(&self.pool)
        .await?)
    }

    fn parts_at_once(&self) -> usize {
        let connections = self.pool.options().get_max_connections();
        let free = connections.saturating_sub(OTHER_CONNECTIONS);
        usize::try_from(free).map_or(1, |free| free.clamp(1, PARTS_AT_ONCE))
    }

    /// The same in so many parts, all of them of one moment.
    async fn read_in_parts(
        &self,
        parts: i64,
        wanted: Copied,
        stretches: mpsc::Sender<Stretch>,
    ) -> Result<(), StoreError> {
        let seen = Moment::of(self).await?;
        let statements = Part::all(parts)
            .into_iter()
            .map(|part| copies::statement(wanted, part));
        self.read_parts(&seen.name, wanted, statements, stretches)
            .await?;
        seen.end().await
    }

    async fn glance_in_parts(
        &self,
        parts: i64,
        until: Date,
        mut wants: impl FnMut(HouseholdId, &[Glance<'_>]) -> bool + Send,
        stretches: mpsc::Sender<Stretch>,
    ) -> Result<(), StoreError> {
        let seen = Moment::of(self).await?;
        for part in Part::all(parts) {
            let gathered = self.gather(&seen.name, until, part).await?;
            let statements = gathered.shown_to(&mut wants);
            let wanted = Copied::Counted { until };
            self.read_parts(&seen.name, wanted, statements, stretches.clone())
                .await?;
        }
        seen.end().await
    }

    /// Gathers what a glance at these households wants, the table in as many stretches as are read at once.
    async fn gather(
        &self,
        snapshot: &str,
        until: Date,
        part: Part,
    ) -> Result<Gathered, StoreError> {
        let pages = sqlx::query_scalar!(
            r#"SELECT pg_relation_size('signals') / current_setting('block_size')::bigint AS "pages!""#
        )
        .fetch_one(&self.pool)
        .await?;
        let at_once = i64::try_from(self.parts_at_once()).unwrap_or(1);
        let gathered = Mutex::new(Gathered::default());
        let gathering = Pages::all(pages, at_once).map(|pages| {
            let statement = glanced::statement(until, part, pages);
            let gathered = &gathered;
            async move {
                let mut line = Line::default();
                self.copy_out(snapshot, &statement, async |bytes| {
                    let mut gathered = gathered.lock().expect("nobody panics while it gathers");
                    gathered.add(&mut line, bytes).map(|()| true)
                })
                .await?;
                line.finish()
            }
        });
        future::try_join_all(gathering).await?;
        Ok(gathered
            .into_inner()
            .expect("nobody panicked while it gathered"))
    }

    /// Hands over, part after part, what these statements copy out of what this snapshot sees.
    async fn read_parts(
        &self,
        snapshot: &str,
        wanted: Copied,
        statements: impl Iterator<Item = String>,
        stretches: mpsc::Sender<Stretch>,
    ) -> Result<(), StoreError> {
        let (announce, mut announced) = mpsc::unbounded_channel();
        let reading = stream::iter(statements)
            .map(move |statement| {
                let (send, receive) = mpsc::channel(STRETCHES_AHEAD);
                // Who hands over is there until everything is read, or wants nothing more.
                announce.send(receive).ok();
                async move { self.read_part(snapshot, &statement, send).await }
            })
            .buffered(self.parts_at_once())
            .try_for_each(async |()| Ok(()));
        let handing_over = async {
            while let Some(mut part) = announced.recv().await {
                while let Some(copies) = part.recv().await {
                    if !self.hand_over(wanted, copies, &stretches).await? {
                        return Ok(());
                    }
                }
            }
            Ok(())
        };
        // Who takes nothing more ends the reading; a part that could not be read ends everything. The reading is let go of when it is done: then
        // nothing more is announced.
        match select(pin!(handing_over), Box::pin(reading)).await {
            Either::Left((handed, reading)) => {
                handed?;
                if stretches.is_closed() {
                    return Ok(());
                }
                reading.await
            }
            Either::Right((read, handing_over)) => {
                read?;
                handing_over.await
            }
        }
    }

    async fn read_part(
        &self,
        snapshot: &str,
        statement: &str,
        send: mpsc::Sender<Copies>,
    ) -> Result<(), StoreError> {
        let mut cutter = copies::Cutter::default();
        let is_whole = self
            .copy_out(snapshot, statement, async |bytes| {
                cutter.add(bytes)?;
                if STRETCH_BYTES <= cutter.len()
                    && let Some(copies) = cutter.cut()
                {
                    return Ok(send.send(copies).await.is_ok());
                }
                Ok(true)
            })
            .await?;
        if is_whole && let Some(copies) = cutter.finish()? {
            // Nobody takes it any more: then nobody misses it.
            send.send(copies).await.ok();
        }
        Ok(())
    }

    /// What this statement copies out of what this snapshot sees, message by message, until somebody has enough. Says whether that was everything.
    async fn copy_out(
        &self,
        snapshot: &str,
        statement: &str,
        mut take: impl AsyncFnMut(&[u8]) -> Result<bool, StoreError>,
    ) -> Result<bool, StoreError> {
        let mut connection = Lent::of(&self.pool).await?;
        // What PostgreSQL named itself a moment ago, and it takes no parameter here.
        let same = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT '{snapshot}'; {READING}"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(same))
            .execute(&mut *connection)
            .await?;
        let mut rows = connection.copy_out(statement).await?;
        while let Some(bytes) = rows.try_next().await? {
            if !take(&bytes).await? {
                return Ok(false);
            }
        }
        drop(rows);
        sqlx::raw_sql("COMMIT").execute(&mut *connection).await?;
        connection.heard();
        Ok(true)
    }

    async fn hand_over(
        &self,
        wanted: Copied,
        copies: Copies,
        stretches: &mpsc::Sender<Stretch>,
    ) -> Result<bool, StoreError> {
        let (first, last) = copies.ends();
        let mut stretch = Stretch {
            copies,
            acts: self.acts_between(first, last).await?,
            woken: HashMap::new(),
            heard: HashMap::new(),
            placed: HashMap::new(),
            partitions: HashMap::new(),
        };
        if matches!(wanted, Copied::Everything { .. }) {
            stretch.woken = self.woken_between(first, last).await?;
            stretch.heard = self.heard_between(first, last).await?;
            stretch.placed = self.placed_between(first, last).await?;
            stretch.partitions = self.partitions_between(first, last).await?;
        }
        Ok(stretches.send(stretch).await.is_ok())
    }

    async fn acts_between(
        &self,
        first: HouseholdId,
        last: HouseholdId,
    ) -> Result<HashMap<HouseholdId, Vec<Act>>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT t.household_id, t.task_id, t.purpose, e.event, e.detail ->> 'outcome' AS outcome, e.happened_at, e.event_id, e.came_before
               FROM tasks t JOIN task_events e USING (task_id)
               WHERE t.household_id BETWEEN $1 AND $2 AND e.event IN ('claimed', 'released', 'closed', 'reopened')
               ORDER BY t.household_id, e.event_id"#,
            first.uuid(),
            last.uuid(),
        )
        .fetch_all(&self.pool)
        .await?;
        let mut acts: HashMap<HouseholdId, Vec<Act>> = HashMap::new();
        for row in rows {
            let deed = match row.event.as_str() {
                "claimed" => Deed::Claimed,
                "released" => Deed::Released,
                "reopened" => Deed::Reopened,
                _ => Deed::Closed(
                    row.outcome
                        .and_then(|code| code.parse().ok())
                        .ok_or_else(|| corrupt("task_events", "outcome"))?,
                ),
            };
            let act = Act {
                task: TaskId::from_uuid(row.task_id),
                purpose: row
                    .purpose
                    .parse()
                    .map_err(|_| corrupt("tasks", "purpose"))?,
                deed,
                at: row.happened_at.to_jiff(),
                turn: row.event_id,
                came_before: row.came_before,
            };
            acts.entry(HouseholdId::from_uuid(row.household_id))
                .or_default()
                .push(act);
        }
        Ok(acts)
    }

    async fn woken_between(
        &self,
        first: HouseholdId,
        last: HouseholdId,
    ) -> Result<HashMap<HouseholdId, Vec<Woken>>, StoreError> {
        let rows = sqlx::query!(
            "SELECT household_id, due, reason, judged_at, turn, came_before FROM wake_ups_taken
             WHERE household_id BETWEEN $1 AND $2 ORDER BY household_id, turn",
            first.uuid(),
            last.uuid(),
        )
        .fetch_all(&self.pool)
        .await?;
        let mut woken: HashMap<HouseholdId, Vec<Woken>> = HashMap::new();
        for row in rows {
            woken
                .entry(HouseholdId::from_uuid(row.household_id))
                .or_default()
                .push(Woken {
                    due: row.due.to_jiff(),
                    reason: row.reason,
                    judged_at: row.judged_at.to_jiff(),
                    turn: row.turn,
                    came_before: row.came_before,
                });
        }
        Ok(woken)
    }

    async fn heard_between(
        &self,
        first: HouseholdId,
        last: HouseholdId,
    ) -> Result<HashMap<HouseholdId, Vec<Heard>>, StoreError> {
        let rows = sqlx::query!(
            "SELECT household_id, signal_id, purpose, answered, turn, came_before FROM answered_elsewhere
             WHERE household_id BETWEEN $1 AND $2 ORDER BY household_id, turn",
            first.uuid(),
            last.uuid(),
        )
        .fetch_all(&self.pool)
        .await?;
        let mut heard: HashMap<HouseholdId, Vec<Heard>> = HashMap::new();
        for row in rows {
            let one = Heard {
                signal: SignalId::from_uuid(row.signal_id),
                purpose: row
                    .purpose
                    .parse()
                    .map_err(|_| corrupt("answered_elsewhere", "purpose"))?,
                answered: row.answered,
                turn: row.turn,
                came_before: row.came_before,
            };
            heard
                .entry(HouseholdId::from_uuid(row.household_id))
                .or_default()
                .push(one);
        }
        Ok(heard)
    }

    async fn placed_between(
        &self,
        first: HouseholdId,
        last: HouseholdId,
    ) -> Result<HashMap<HouseholdId, Vec<Placed>>, StoreError> {
        let rows = sqlx::query!(
            "SELECT household_id, registration_id, stands, turn, came_before FROM registration_places
             WHERE household_id BETWEEN $1 AND $2 ORDER BY household_id, turn",
            first.uuid(),
            last.uuid(),
        )
        .fetch_all(&self.pool)
        .await?;
        let mut placed: HashMap<HouseholdId, Vec<Placed>> = HashMap::new();
        for row in rows {
            placed
                .entry(HouseholdId::from_uuid(row.household_id))
                .or_default()
                .push(Placed {
                    registration: row.registration_id,
                    stands: row.stands,
                    turn: row.turn,
                    came_before: row.came_before,
                });
        }
        Ok(placed)
    }

    async fn partitions_between(
        &self,
        first: HouseholdId,
        last: HouseholdId,
    ) -> Result<HashMap<HouseholdId, i32>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT household_id, partition AS "partition!" FROM household_judgements
               WHERE household_id BETWEEN $1 AND $2 AND partition IS NOT NULL"#,
            first.uuid(),
            last.uuid(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| (HouseholdId::from_uuid(row.household_id), row.partition))
            .collect())
    }

    /// Every hold that was lifted, in order of lifting.
    pub async fn lifted_holds(&self) -> Result<Vec<Lifted>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT household_id, reason, lifted_at AS "lifted_at!" FROM holds WHERE lifted_at IS NOT NULL ORDER BY lifted_at, hold_id"#,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Lifted {
                    household: HouseholdId::from_uuid(row.household_id),
                    reason: row.reason.parse().map_err(|_| corrupt("holds", "reason"))?,
                    at: row.lifted_at.to_jiff(),
                })
            })
            .collect()
    }
}

fn household(raw: &[u8]) -> Result<HouseholdId, StoreError> {
    Uuid::from_slice(raw)
        .map(HouseholdId::from_uuid)
        .map_err(|_| corrupt("signals", "household_id"))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use voorveld_domain::{Cents, DebtorId, Filing, PartnerType, Presence, Revision, Standing};

    use super::*;
    use crate::timelines::TimelineRow;

    /// A copy with everything in it that a copy can have.
    pub fn copy(household: u128, signal: u128, revision: i64) -> TimelineRow {
        let moment: Timestamp = "2025-03-30T23:30:00.123456Z".parse().unwrap();
        TimelineRow {
            household: HouseholdId::from_uuid(Uuid::from_u128(household)),
            signal: SignalId::from_uuid(Uuid::from_u128(signal)),
            municipality: "0518".parse().unwrap(),
            revision: Revision::from_number(revision).unwrap(),
            filing: Filing::from_number(2).unwrap(),
            presence: Presence::MovedAway,
            standing: Standing::Withdrawn,
            partner: "woonstede".parse().unwrap(),
            partner_type: PartnerType::Rent,
            kind: "rent_arrears".parse().unwrap(),
            domain: "debt".parse().unwrap(),
            event_date: date(1999, 12, 31),
            first_received_at: moment,
            received_at: moment,
            amount: Some(Cents::try_from(45_000).unwrap()),
            crisis: true,
            warm_handover: true,
            supply_ends_on: Some(date(2025, 4, 1)),
            age_unknown: true,
            debtor: Some(DebtorId::from_uuid(Uuid::from_u128(9))),
            area: Some("noord".parse().unwrap()),
            fields: Some(serde_json::json!({ "monthly_rent": { "number": 5 } })),
            request_id: None,
            came_at: revision,
        }
    }

    /// One that counts.
    pub fn counted(household: u128, signal: u128) -> TimelineRow {
        TimelineRow {
            presence: Presence::LivesHere,
            standing: Standing::Counted,
            ..copy(household, signal, 1)
        }
    }
}
