//! The database, made up: statements that give others a turn, locks, and transactions of which everything is kept at the commit, or nothing.
//!
//! What a statement reads is what was committed when it is asked, as PostgreSQL does it (read committed). What it writes is kept for the commit; nothing that
//! is written is read again by the same transaction, apart from what the contracts answer themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use sqlx::error::{DatabaseError, ErrorKind};
use uuid::Uuid;
use voorveld_correlator as correlator;
use voorveld_correlator::database::{Judgements, Known};
use voorveld_correlator::published::PublishError;
use voorveld_domain::{DebtorId, HouseholdId, MunicipalityCode, Purpose, RuleId, SignalId};
use voorveld_policy::Policy;
use voorveld_resolver as resolver;
use voorveld_resolver::database::Decisions;
use voorveld_stage as stage;
use voorveld_store::StoreError;
use voorveld_store::feeds::FeedState;
use voorveld_store::homes::{Home, PastEnd, Unproduced};
use voorveld_store::households::{BlindKey, IndexVersion};
use voorveld_store::judgements::{Activation, Hearing, NewActivation};
use voorveld_store::positions::{Claim, Claimed, Reader, Step};
use voorveld_store::publications::InForce;
use voorveld_store::queue::NewDeadLetter;
use voorveld_store::registrations::StandingRegistration;
use voorveld_store::task_changes::ONE_OPEN_PER_PURPOSE;
use voorveld_store::wake_ups::{Taken, WakeUp};

use crate::Bug;
use crate::partners::short;
use crate::people;
use crate::tables::{Position, Tables};
use crate::world::{Lock, Shared, What, World, others_turn};

/// What PostgreSQL says no with.
#[derive(Debug)]
struct Refusal {
    code: &'static str,
    constraint: Option<&'static str>,
    kind: fn() -> ErrorKind,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the simulated database refuses with {}", self.code)
    }
}

impl Error for Refusal {}

impl DatabaseError for Refusal {
    fn message(&self) -> &str {
        self.code
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some(self.code.into())
    }

    fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
        self
    }

    fn constraint(&self) -> Option<&str> {
        self.constraint
    }

    fn kind(&self) -> ErrorKind {
        (self.kind)()
    }
}

fn refused(code: &'static str) -> StoreError {
    let refusal = Refusal {
        code,
        constraint: None,
        kind: || ErrorKind::Other,
    };
    StoreError::Sql(sqlx::Error::Database(Box::new(refusal)))
}

fn second_open_task() -> StoreError {
    let refusal = Refusal {
        code: "23505",
        constraint: Some(ONE_OPEN_PER_PURPOSE),
        kind: || ErrorKind::UniqueViolation,
    };
    StoreError::Sql(sqlx::Error::Database(Box::new(refusal)))
}

/// The connection is gone.
fn gone() -> StoreError {
    StoreError::Sql(sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into()))
}

/// The database as one process sees it.
#[derive(Clone)]
pub(crate) struct SimDatabase {
    pub shared: Shared,
    /// Whose connection this is.
    pub process: String,
}

type Write = Box<dyn FnOnce(&mut Tables) + Send + Sync>;

/// A transaction. What it writes waits for the commit.
pub(crate) struct SimTx {
    database: SimDatabase,
    id: u64,
    name: &'static str,
    stage: String,
    steps: Vec<Step>,
    taken: Vec<WakeUp>,
    marked: Vec<i64>,
    activated: Option<(Vec<Step>, String)>,
    now: Timestamp,
    writes: Vec<Write>,
}

impl Drop for SimTx {
    fn drop(&mut self) {
        self.database.shared.world().release(self.id);
    }
}

impl SimDatabase {
    /// A statement is on its way; meanwhile others have their turn, and it may get no answer.
    async fn statement(&self) -> Result<(), StoreError> {
        others_turn().await;
        let world = &mut *self.shared.world();
        if world.faults.outage {
            return Err(gone());
        }
        if world.dice.chance(world.faults.statement) {
            world.note(format!("{} loses its connection", self.process));
            return Err(gone());
        }
        Ok(())
    }

    fn look<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        look(&self.shared.world().tables)
    }
}

impl SimTx {
    fn later(&mut self, write: impl FnOnce(&mut Tables) + Send + Sync + 'static) {
        self.writes.push(Box::new(write));
    }

    async fn statement(&self) -> Result<(), StoreError> {
        self.database.statement().await
    }

    fn look<T>(&self, look: impl FnOnce(&Tables) -> T) -> T {
        self.database.look(look)
    }

    async fn lock(&self, lock: Lock, alone: bool) {
        self.database.shared.acquire(lock, self.id, alone).await;
    }

    /// Everything that was written is so from here on, and noted for who does it again.
    fn happen(&mut self, world: &mut World) {
        for step in &self.steps {
            let key = (self.stage.clone(), step.partition);
            let owner = world.tables.positions.get(&key).map(|one| one.epoch);
            if owner != Some(step.epoch) {
                let stage = &self.stage;
                world.violated(format!(
                    "I3: {} committed in partition {} of the {stage} in epoch {}, which is {owner:?} by now",
                    self.database.process, step.partition, step.epoch
                ));
            }
        }
        for write in self.writes.drain(..) {
            write(&mut world.tables);
        }
        let (moved, held): (Vec<Step>, Vec<Step>) =
            self.steps.iter().partition(|step| step.from < step.to);
        if let Some((at, rule_set)) = self.activated.take() {
            world.happened(self.now, What::InForce(at, rule_set));
        }
        if !self.taken.is_empty() {
            let taken = std::mem::take(&mut self.taken);
            world.happened(self.now, What::Woken(held, taken));
        }
        if !moved.is_empty() {
            world.happened(self.now, What::Batch(self.stage.clone(), moved));
        }
        world.changed = true;
    }
}

#[async_trait]
impl stage::Database for SimDatabase {
    type Tx = SimTx;

    async fn begin(&self, name: &'static str) -> Result<SimTx, StoreError> {
        self.statement().await?;
        let id = self.shared.world().begin();
        Ok(SimTx {
            database: self.clone(),
            id,
            name,
            stage: String::new(),
            steps: Vec::new(),
            taken: Vec::new(),
            marked: Vec::new(),
            activated: None,
            now: Timestamp::UNIX_EPOCH,
            writes: Vec::new(),
        })
    }

    async fn claim_partitions(
        &self,
        reader: Reader<'_>,
        topic_id: &str,
        first: &[(i32, i64)],
        _owner: &str,
        _now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        let tx = stage::Database::begin(self, "claim_partitions").await?;
        for (partition, _) in first {
            tx.lock(Lock::Position(reader.stage.to_owned(), *partition), true)
                .await;
        }
        tx.statement().await?;
        let world = &mut *self.shared.world();
        let mut claims = Vec::new();
        for (partition, first) in first {
            let key = (reader.stage.to_owned(), *partition);
            let fresh = || Position {
                topic_id: topic_id.to_owned(),
                next: *first,
                epoch: 0,
            };
            let position = world.tables.positions.entry(key).or_insert_with(fresh);
            if position.topic_id != topic_id {
                return Ok(Claimed::AnotherLog {
                    partition: *partition,
                });
            }
            position.epoch += 1;
            claims.push(Claim {
                partition: *partition,
                next_offset: position.next,
                epoch: position.epoch,
            });
        }
        world.note(format!("{} claims {claims:?}", self.process));
        world.release(tx.id);
        if world.dice.chance(world.faults.answer) {
            return Err(gone());
        }
        Ok(Claimed::Ours(claims))
    }
}

#[async_trait]
impl stage::Transaction for SimTx {
    async fn advance_positions(
        &mut self,
        reader: Reader<'_>,
        steps: &[Step],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.statement().await?;
        for step in steps {
            self.lock(
                Lock::Position(reader.stage.to_owned(), step.partition),
                true,
            )
            .await;
        }
        let bug = self.database.shared.world().bug;
        for step in steps {
            let key = (reader.stage.to_owned(), step.partition);
            let is_ours = self.look(|tables| {
                tables.positions.get(&key).is_some_and(|at| {
                    at.next == step.from
                        && (at.epoch == step.epoch || bug == Some(Bug::EpochUnchecked))
                })
            });
            if !is_ours {
                return Err(StoreError::Fenced {
                    topic: reader.topic.to_owned(),
                    partition: step.partition,
                });
            }
        }
        reader.stage.clone_into(&mut self.stage);
        self.steps = steps.to_vec();
        self.now = now;
        let (stage, steps) = (reader.stage.to_owned(), steps.to_vec());
        let advance = move |tables: &mut Tables| {
            for step in &steps {
                if let Some(at) = tables.positions.get_mut(&(stage.clone(), step.partition)) {
                    at.next = step.to;
                }
            }
        };
        if bug == Some(Bug::PositionApart) {
            let world = &mut *self.database.shared.world();
            advance(&mut world.tables);
            world.changed = true;
        } else {
            self.later(advance);
        }
        Ok(())
    }

    async fn still_at_work(&mut self) -> Result<(), StoreError> {
        self.statement().await
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        self.statement().await?;
        let shared = self.database.shared.clone();
        let is_lost = {
            let world = &mut *shared.world();
            let (name, process) = (self.name, self.database.process.clone());
            if world.dice.chance(world.faults.commit) {
                world.note(format!("{process}: {name} is refused"));
                return Err(refused("40001"));
            }
            self.happen(world);
            world.release(self.id);
            let is_lost = world.dice.chance(world.faults.answer);
            let told = if is_lost { ", unanswered" } else { "" };
            let steps: Vec<String> = self
                .steps
                .iter()
                .map(|step| format!("{}:{}..{}", step.partition, step.from, step.to))
                .collect();
            world.note(format!(
                "{process}: {name} {} committed{told}",
                steps.join(" ")
            ));
            is_lost
        };
        others_turn().await;
        if is_lost { Err(gone()) } else { Ok(()) }
    }
}

#[async_trait]
impl resolver::database::Database for SimDatabase {
    async fn is_unproduced(&self, partitions: &[i32]) -> Result<bool, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| !tables.unproduced(Some(partitions)).is_empty()))
    }
}

#[async_trait]
impl resolver::database::Transaction for SimTx {
    async fn homes(&mut self, signals: &[Uuid]) -> Result<HashMap<Uuid, Home>, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| tables.homes(signals)))
    }

    async fn known_debtors(
        &mut self,
        _version: &IndexVersion,
        persons: &[BlindKey],
    ) -> Result<HashMap<BlindKey, DebtorId>, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| {
            let known = persons
                .iter()
                .filter_map(|key| Some((*key, *tables.debtors.get(key)?)));
            known.collect()
        }))
    }

    async fn new_debtors(
        &mut self,
        _version: &IndexVersion,
        proposed: &[(BlindKey, DebtorId)],
    ) -> Result<HashMap<BlindKey, DebtorId>, StoreError> {
        if proposed.is_empty() {
            return Ok(HashMap::new());
        }
        self.statement().await?;
        self.lock(Lock::Indexes, true).await;
        let settled: HashMap<BlindKey, DebtorId> = self.look(|tables| {
            let settled = proposed
                .iter()
                .map(|(key, new)| (*key, tables.debtors.get(key).copied().unwrap_or(*new)));
            settled.collect()
        });
        let kept = settled.clone();
        self.later(move |tables| tables.debtors.extend(kept));
        Ok(settled)
    }

    async fn excluded_among(
        &mut self,
        _version: &IndexVersion,
        addresses: &[BlindKey],
    ) -> Result<Vec<BlindKey>, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| {
            let excluded = addresses.iter().filter(|key| tables.excluded.contains(key));
            excluded.copied().collect()
        }))
    }

    async fn households_of(
        &mut self,
        _version: &IndexVersion,
        proposed: &[(BlindKey, HouseholdId)],
        _now: Timestamp,
    ) -> Result<HashMap<BlindKey, HouseholdId>, StoreError> {
        if proposed.is_empty() {
            return Ok(HashMap::new());
        }
        self.statement().await?;
        let is_new = |tables: &Tables| {
            let mut keys = proposed.iter().map(|(key, _)| key);
            keys.any(|key| !tables.addresses.contains_key(key))
        };
        if self.look(is_new) {
            self.lock(Lock::Indexes, true).await;
        }
        let settled: HashMap<BlindKey, HouseholdId> = self.look(|tables| {
            let settled = proposed
                .iter()
                .map(|(key, new)| (*key, tables.addresses.get(key).copied().unwrap_or(*new)));
            settled.collect()
        });
        let kept = settled.clone();
        self.later(move |tables| tables.addresses.extend(kept));
        Ok(settled)
    }

    async fn write(
        &mut self,
        decisions: &Decisions<'_>,
        _now: Timestamp,
    ) -> Result<Vec<i64>, StoreError> {
        self.statement().await?;
        let turns: Vec<i64> = {
            let tables = &mut self.database.shared.world().tables;
            let orders = decisions.to_produce.iter();
            let give = orders.map(|_| {
                tables.turns += 1;
                tables.turns
            });
            give.collect()
        };
        let filed = decisions.filed.clone();
        let letters = decisions.put_aside.to_vec();
        let orders: Vec<_> = turns
            .iter()
            .copied()
            .zip(decisions.to_produce.clone())
            .collect();
        self.later(move |tables| {
            tables.filings.extend(filed);
            tables.to_produce.extend(orders);
            tables.put_aside(&letters);
        });
        Ok(turns)
    }

    async fn mark_produced(&mut self, turns: &[i64]) -> Result<(), StoreError> {
        if turns.is_empty() {
            return Ok(());
        }
        self.statement().await?;
        let turns = turns.to_vec();
        self.marked.extend(&turns);
        self.later(move |tables| tables.to_produce.retain(|turn, _| !turns.contains(turn)));
        Ok(())
    }

    async fn unproduced(
        &mut self,
        partitions: &[i32],
        _most: i64,
    ) -> Result<Vec<Unproduced>, StoreError> {
        self.statement().await?;
        let mut left = self.look(|tables| tables.unproduced(Some(partitions)));
        // What this transaction has just marked is read by it, too.
        left.retain(|one| !self.marked.contains(&one.turn));
        Ok(left)
    }

    async fn past_their_end(
        &mut self,
        _partitions: &[i32],
        _today: Date,
        _most: i64,
    ) -> Result<Vec<PastEnd>, StoreError> {
        self.statement().await?;
        // Nobody here is named with a birth date.
        Ok(Vec::new())
    }

    async fn note_past_their_end(
        &mut self,
        _today: Date,
        _now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.statement().await?;
        Ok(0)
    }
}

#[async_trait]
impl correlator::database::Database for SimDatabase {
    async fn in_force(&self) -> Result<InForce, StoreError> {
        self.statement().await?;
        Ok(self.look(Tables::in_force))
    }

    async fn policy(&self, bundle: &str) -> Result<Arc<Policy>, PublishError> {
        self.statement().await?;
        people::read(bundle)
    }

    async fn due_wake_ups(
        &self,
        partitions: &[i32],
        today: Date,
        apart_from: &[&str],
    ) -> Result<Vec<WakeUp>, StoreError> {
        self.statement().await?;
        let world = self.shared.world();
        if let Some(only) = &world.only_due {
            return Ok(only.clone());
        }
        Ok(world.tables.due(partitions, today, apart_from))
    }

    async fn has_resolved(
        &self,
        reader: Reader<'_>,
        until: &[(i32, i64)],
    ) -> Result<bool, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| {
            let is_read =
                |(partition, next): &(i32, i64)| *next <= tables.next_of(reader.stage, *partition);
            until.iter().all(is_read) && tables.unproduced(None).is_empty()
        }))
    }
}

#[async_trait]
impl correlator::database::Transaction for SimTx {
    async fn activations(&mut self, partitions: &[i32]) -> Result<Vec<Activation>, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| {
            let mut past: Vec<Activation> = tables
                .activations
                .iter()
                .filter(|one| partitions.contains(&one.partition))
                .cloned()
                .collect();
            past.sort_by_key(|one| one.partition);
            past
        }))
    }

    async fn rule_sets(&mut self) -> Result<Vec<serde_json::Value>, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| {
            let contents = tables.rule_sets.iter().map(|(_, content)| content.clone());
            contents.collect()
        }))
    }

    async fn activate(
        &mut self,
        at: &[Step],
        new: NewActivation<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.statement().await?;
        let fresh: Vec<Activation> = at
            .iter()
            .map(|step| Activation {
                partition: step.partition,
                rule_set: new.rule_set.to_owned(),
                bundle: new.bundle.map(str::to_owned),
                content: new.content.clone(),
                from_offset: step.from,
                turn: None,
                activated_at: now,
            })
            .collect();
        let (hash, content) = (new.rule_set.to_owned(), new.content.clone());
        self.activated = Some((at.to_vec(), hash.clone()));
        self.later(move |tables| {
            tables.keep_rule_set(&hash, &content);
            tables.activations.extend(fresh);
        });
        Ok(())
    }

    async fn wake_everybody(&mut self, partitions: &[i32], due: Date) -> Result<u64, StoreError> {
        self.statement().await?;
        let many = self.look(|tables| tables.judged_in(partitions).count() as u64);
        let partitions = partitions.to_vec();
        self.later(move |tables| {
            tables.wake_everybody(&partitions, due);
        });
        Ok(many)
    }

    async fn take_up_backlogs(
        &mut self,
        _at: &[Step],
        _due: Date,
        _now: Timestamp,
    ) -> Result<(u64, Vec<(RuleId, u32)>), StoreError> {
        self.statement().await?;
        // Nobody here asks for one.
        Ok((0, Vec::new()))
    }

    async fn run_shadow(
        &mut self,
        _at: &[Step],
        _publication: i64,
        _now: Timestamp,
    ) -> Result<(Vec<i32>, BTreeMap<i32, i64>), StoreError> {
        self.statement().await?;
        // Nobody here publishes one.
        Ok((Vec::new(), BTreeMap::new()))
    }

    async fn feeds_to_judge_by(
        &mut self,
        known: Option<&str>,
    ) -> Result<Option<(String, Vec<FeedState>)>, StoreError> {
        self.statement().await?;
        // Nobody here says how far a feed is complete.
        Ok(known.is_none().then(|| (String::new(), Tables::feeds())))
    }

    async fn municipalities_of(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<Vec<(HouseholdId, MunicipalityCode)>, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| {
            let judged = households
                .iter()
                .filter_map(|household| Some((*household, tables.judgements.get(household)?.0)));
            judged.collect()
        }))
    }

    async fn known(
        &mut self,
        households: &[HouseholdId],
        unread: &[HouseholdId],
        wake_ups: &[WakeUp],
    ) -> Result<Known, StoreError> {
        self.statement().await?;
        for household in households {
            self.lock(Lock::Household(*household), true).await;
        }
        let mut known = self.look(|tables| Known {
            tasks: households
                .iter()
                .map(|household| (*household, tables.tasks_of(*household)))
                .collect(),
            ..Known::default()
        });
        self.statement().await?;
        self.look(|tables| {
            let mut unread: Vec<HouseholdId> = unread.to_vec();
            unread.sort_unstable();
            let rows = unread.iter().flat_map(|one| tables.timeline(*one));
            known.timelines = rows.cloned().collect();
        });
        self.statement().await?;
        self.look(|tables| {
            for household in households {
                if let Some((.., judged)) = tables.judgements.get(household) {
                    known.judged.insert(*household, *judged);
                }
                if let Some(reason) = tables.held(*household) {
                    known.held.insert(*household, reason);
                }
            }
        });
        for wake in wake_ups {
            self.lock(Lock::WakeUp(wake.clone()), true).await;
        }
        self.taken = wake_ups.to_vec();
        let taken = wake_ups.to_vec();
        self.later(move |tables| {
            for wake in &taken {
                tables.wake_ups.remove(wake);
            }
        });
        Ok(known)
    }

    async fn standing_registrations(
        &mut self,
        households: &[HouseholdId],
        debtors: &BTreeSet<DebtorId>,
    ) -> Result<Vec<StandingRegistration>, StoreError> {
        self.statement().await?;
        self.lock(Lock::Acts, false).await;
        Ok(self.look(|tables| tables.standing(households, debtors)))
    }

    async fn answered(
        &mut self,
        signals: &[SignalId],
    ) -> Result<Vec<(HouseholdId, Purpose, SignalId)>, StoreError> {
        self.statement().await?;
        Ok(self.look(|tables| tables.answered(signals)))
    }

    async fn note_answered_elsewhere(
        &mut self,
        hearings: &[Hearing<'_>],
    ) -> Result<(), StoreError> {
        self.statement().await?;
        let heard: Vec<(HouseholdId, i64, BTreeSet<(Purpose, SignalId)>)> = hearings
            .iter()
            .map(|one| (one.household, one.came_before, one.answered.clone()))
            .collect();
        self.later(move |tables| {
            let hearings: Vec<Hearing<'_>> = heard
                .iter()
                .map(|(household, came_before, answered)| Hearing {
                    household: *household,
                    came_before: *came_before,
                    answered,
                })
                .collect();
            tables.hear(&hearings);
        });
        Ok(())
    }

    async fn write(
        &mut self,
        judgements: &Judgements<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.statement().await?;
        let is_changeable = self.look(|tables| {
            let mut changed = judgements.changed.iter();
            changed.all(|(task, _)| {
                let known = tables.tasks.get(task);
                known.is_some_and(|one| one.task.state.is_open())
            })
        });
        if !is_changeable {
            return Err(StoreError::Corrupt {
                table: "tasks",
                what: "a locked task is open",
            });
        }
        self.statement().await?;
        let is_second = self.look(|tables| {
            let ended = |task| {
                let mut changed = judgements.changed.iter();
                changed.any(|(id, becomes)| *id == task && !becomes.state.is_open())
            };
            judgements
                .raised
                .iter()
                .filter(|new| new.becomes.state.is_open())
                .any(|new| {
                    let open = tables.open_for(new.household, new.purpose);
                    let known = open.filter(|task| !ended(*task)).count();
                    let same = judgements.raised.iter().filter(|one| {
                        one.becomes.state.is_open()
                            && (one.household, one.purpose) == (new.household, new.purpose)
                    });
                    known + same.count() > 1
                })
        });
        if is_second {
            return Err(second_open_task());
        }
        let process = &self.database.process;
        for row in &judgements.grounds {
            let ground = &row.ground;
            let (task, since) = (short(row.task.uuid()), ground.added_as_of);
            let told = format!(
                "{process} puts {} {} on {task}, since {since}",
                ground.rule, ground.anchor
            );
            self.database.shared.world().note(told);
        }
        for row in &judgements.gone {
            let task = short(row.task.uuid());
            let told = format!("{process} takes {} {} off {task}", row.rule, row.anchor);
            self.database.shared.world().note(told);
        }
        let superseded: Vec<_> = judgements
            .superseded
            .iter()
            .map(|row| {
                (
                    row.household,
                    row.signal,
                    row.revision.get(),
                    row.filing.get(),
                )
            })
            .collect();
        let rule_set = judgements.rule_set.to_owned();
        let timelines = judgements.timelines.clone();
        let judged = judgements.judged.clone();
        let (matches, muted) = (judgements.matches.clone(), judgements.suppressions.clone());
        let (changed, raised) = (judgements.changed.clone(), judgements.raised.clone());
        let (grounds, lost) = (judgements.grounds.clone(), judgements.gone.clone());
        let (holds, erased) = (judgements.holds.clone(), judgements.erased.clone());
        let wake_ups = judgements.wake_ups.clone();
        self.later(move |tables| {
            tables.superseded.extend(superseded);
            for row in timelines {
                tables.signals.insert((row.household, row.signal), row);
            }
            let households: BTreeSet<HouseholdId> = judged.iter().map(|one| one.0).collect();
            tables.replace_matches(&households, &matches, &rule_set);
            tables.replace_suppressions(&households, &muted);
            for (household, municipality, partition, judged) in judged {
                let row = (municipality, partition, judged);
                tables.judgements.insert(household, row);
            }
            for (task, becomes) in &changed {
                tables.change_task(*task, becomes);
            }
            for new in &raised {
                tables.raise(new, now);
            }
            tables.put_grounds(&grounds, &rule_set);
            tables.lose_grounds(&lost);
            tables.hold(&holds);
            tables.erase(&erased);
            tables.wake_ups.extend(wake_ups);
        });
        Ok(())
    }

    async fn note_wake_ups(
        &mut self,
        _taken: &[Taken<'_>],
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        self.statement().await
    }

    async fn put_aside(
        &mut self,
        letters: &[NewDeadLetter],
        _now: Timestamp,
    ) -> Result<(), StoreError> {
        if letters.is_empty() {
            return Ok(());
        }
        self.statement().await?;
        let letters = letters.to_vec();
        self.later(move |tables| tables.put_aside(&letters));
        Ok(())
    }
}
