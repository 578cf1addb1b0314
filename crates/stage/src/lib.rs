//! Reading the log as the owner of partitions.
//!
//! The protocol that resolver and correlator share: take partitions by bumping their epoch, go on where PostgreSQL says, hand batches to the
//! [`Work`], repeat a batch after a passing fault, let go of everything when somebody else turns out to own it, and stop loudly rather than
//! skip. What a record means is the [`Work`]'s business; that it commits its effects and the given [`Step`]s in one transaction is its promise (I3).

mod database;
mod metrics;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use voorveld_bus::{BusError, Event, Log, Record, Subscription};
use voorveld_chassis::retry::Backoff;
use voorveld_chassis::{Clock, Lifecycle, Stopwatch};
use voorveld_store::positions::{Claimed, Reader, Step};
use voorveld_store::{Store, StoreError};

pub use database::{Database, STILL_AT_WORK_EVERY, Transaction};
pub use metrics::{MetricNames, Metrics, Share};

/// How many readers of a stage a process has, each with partitions, transactions and a memory of its own: while one waits for the database, the other
/// thinks. More of them make smaller sets, which cost more a record; more processes do as well.
pub const READERS: usize = 2;

/// How often the log is asked how far it goes while there is more: it is for people who look at a dashboard.
const LAG_EVERY: Duration = Duration::from_secs(5);

/// How often an owner looks for what has come due while the log is quiet.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Why a stage cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The log.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The positions belong to another log of the same name.
    #[error(
        "stored positions of {topic}/{partition} belong to another log; point to the log they came from, or, when that one is gone for good, \
         empty partition_positions for this stage after reading docs/topics.md"
    )]
    AnotherLog {
        /// The topic.
        topic: &'static str,
        /// The first partition that says so.
        partition: i32,
    },
    /// The log was told of more than the database remembers: the database was put back to an earlier moment.
    #[error(
        "{topic}/{partition}: the database says that this stage is at {position}, and the stage has told the log that it is at {noted}: the database was put \
         back to an earlier moment, and receipts given since then are gone; read *Restoring* in docs/faults.md"
    )]
    DatabaseBehind {
        /// The topic.
        topic: &'static str,
        /// The first partition that says so.
        partition: i32,
        /// Where the database is.
        position: i64,
        /// Where the stage was.
        noted: i64,
    },
    /// What this process was given contradicts what was published; a person must look.
    #[error("{0}")]
    Refused(String),
    /// A record that another release or another key would understand: its partition stops, nothing is skipped.
    #[error(
        "{topic}/{partition} offset {offset}: {what}; the partition stops here until a release or key that knows it is running"
    )]
    NotForUs {
        /// The topic.
        topic: &'static str,
        /// The partition.
        partition: i32,
        /// The offset.
        offset: i64,
        /// What is not known.
        what: String,
    },
}

impl StageError {
    /// Whether repeating may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Store(error) => error.is_transient(),
            Self::Bus(error) => error.is_transient(),
            Self::AnotherLog { .. }
            | Self::DatabaseBehind { .. }
            | Self::Refused(_)
            | Self::NotForUs { .. } => false,
        }
    }

    fn is_fenced(&self) -> bool {
        matches!(self, Self::Store(StoreError::Fenced { .. }))
    }
}

/// What a stage does with what it reads.
#[async_trait]
pub trait Work: Send {
    /// Commits everything these records cause, together with the steps, or nothing. Called again with the same after a passing fault.
    async fn batch(&mut self, steps: &[Step], records: &[Record]) -> Result<(), StageError>;

    /// Called when partitions were claimed, before their first record: what an owner before us left half done comes before anything new.
    /// `held` are steps that only prove ownership.
    async fn claimed(&mut self, held: &[Step]) -> Result<(), StageError>;

    /// Called whenever the log has no more: `held` are steps that only prove ownership. Says whether there is more to do at once.
    async fn quiet(&mut self, held: &[Step]) -> Result<bool, StageError>;

    /// Called after each batch while the log still has more: what somebody waits for and cannot wait until the backlog is worked off. `held` are
    /// steps that only prove ownership.
    async fn between(&mut self, held: &[Step]) -> Result<(), StageError>;

    /// Forgets whatever was remembered: the partitions are gone, or a commit failed.
    fn forget(&mut self);
}

/// Who reads what.
#[derive(Clone)]
pub struct Stage<D = Store> {
    /// Name of the stage: its positions and its consumer group.
    pub name: &'static str,
    /// What it reads.
    pub topic: &'static str,
    /// This process, for people who look at positions.
    pub owner: String,
    /// The log.
    pub log: Log,
    /// The database.
    pub store: D,
    /// The time.
    pub clock: Clock,
    /// What is counted of the reading.
    pub metrics: Metrics,
}

#[derive(Clone, Copy)]
struct Held {
    next: i64,
    epoch: i64,
}

/// The partitions of one reader.
#[derive(Default)]
struct Partitions {
    /// Those it reads.
    held: BTreeMap<i32, Held>,
    /// Those that stand still at a record for another release.
    stopped: BTreeSet<i32>,
}

impl Partitions {
    /// Others have them now, also those that stood still here: the next owner sees for itself.
    fn let_go(&mut self, partitions: &[i32]) {
        self.held
            .retain(|partition, _| !partitions.contains(partition));
        self.stopped
            .retain(|partition| !partitions.contains(partition));
    }
}

/// What a stretch of reading ended with.
enum Ended {
    Drained,
    Again,
}

impl Stage {
    /// Starts as many readers as a process has, each with work of its own; they end when the lifecycle drains.
    pub fn start<W: Work + 'static>(&self, work: impl Fn() -> W, lifecycle: &Lifecycle) {
        for _ in 0..READERS {
            let reader = self.clone().run(work(), lifecycle.draining());
            lifecycle.spawn(self.name, reader);
        }
    }
}

impl<D: Database> Stage<D> {
    /// Reads until told to drain. Returns an error only for what repeating cannot mend.
    pub async fn run(
        self,
        mut work: impl Work,
        draining: CancellationToken,
    ) -> Result<(), StageError> {
        let mut backoff = Backoff::default();
        loop {
            let outcome = tokio::select! {
                biased;
                () = draining.cancelled() => return Ok(()),
                joined = self.log.subscribe(self.topic, self.name) => match joined {
                    Ok(subscription) => self.read(subscription, &mut work, &draining, &mut backoff).await,
                    Err(error) => Err(error.into()),
                },
            };
            work.forget();
            self.metrics.let_go_of_all();
            match outcome {
                Ok(Ended::Drained) => return Ok(()),
                Ok(Ended::Again) => {}
                Err(error) if error.is_fenced() => {
                    tracing::warn!(stage = self.name, %error, "another owner took over: letting go of everything and joining anew");
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(
                        stage = self.name,
                        error = &error as &dyn std::error::Error,
                        "reading failed for now"
                    );
                }
                Err(error) => {
                    tracing::error!(
                        stage = self.name,
                        error = &error as &dyn std::error::Error,
                        "the stage stops"
                    );
                    return Err(error);
                }
            }
            tokio::select! {
                biased;
                () = draining.cancelled() => return Ok(()),
                () = tokio::time::sleep(backoff.next_delay()) => {}
            }
        }
    }

    async fn read(
        &self,
        mut subscription: Subscription,
        work: &mut impl Work,
        draining: &CancellationToken,
        backoff: &mut Backoff,
    ) -> Result<Ended, StageError> {
        let mut share = Partitions::default();
        let mut busy = false; // records were handed over since the last lull
        let mut more = false; // the work asked to be called again
        let mut asked = Stopwatch::start(); // how far the log goes
        let ended = loop {
            let event = tokio::select! {
                biased;
                () = draining.cancelled() => break Ok(Ended::Drained),
                event = subscription.events.recv() => event,
                () = tokio::time::sleep(if more { Duration::ZERO } else { LOOK_EVERY }), if !busy && !share.held.is_empty() => {
                    match work.quiet(&proofs(&share.held)).await {
                        Ok(again) => more = again,
                        Err(error) => break Err(error),
                    }
                    backoff.reset();
                    continue;
                }
            };
            match event {
                None => break Ok(Ended::Again),
                Some(Event::Failed(error)) => break Err(error.into()),
                Some(Event::Idle) => {
                    busy = false;
                    for partition in share.held.keys() {
                        self.metrics.lag(*partition, 0);
                    }
                    match work.quiet(&proofs(&share.held)).await {
                        Ok(again) => more = again,
                        Err(error) => break Err(error),
                    }
                    backoff.reset();
                }
                Some(Event::Assigned { partitions, reply }) => {
                    match self.assigned(&partitions, reply, &mut share.held).await {
                        Ok(()) => {
                            // Whoever claims a partition anew reads it anew.
                            share
                                .stopped
                                .retain(|partition| !partitions.contains(partition));
                            self.tell(&share).await;
                            // Whatever the log still has comes before what is done in a lull (T6).
                            (busy, more) = (true, false);
                            if let Err(error) = work.claimed(&proofs(&share.held)).await {
                                break Err(error);
                            }
                        }
                        Err(error) => break Err(error),
                    }
                }
                Some(Event::Revoked { partitions, done }) => {
                    work.forget();
                    share.let_go(&partitions);
                    for partition in &partitions {
                        self.metrics.let_go(*partition);
                    }
                    self.count(&share);
                    tracing::info!(
                        stage = self.name,
                        count = partitions.len(),
                        "partitions went to another owner"
                    );
                    let _ = done.send(());
                }
                Some(Event::Records(records)) => {
                    busy = true;
                    if let Err(error) = self
                        .batch(records, &mut share, work, draining, backoff, &subscription)
                        .await
                    {
                        break Err(error);
                    }
                    if let Err(error) = work.between(&proofs(&share.held)).await {
                        break Err(error);
                    }
                    if LAG_EVERY < asked.elapsed() {
                        self.tell(&share).await;
                        asked = Stopwatch::start();
                    }
                }
            }
        };
        subscription.close().await;
        ended
    }

    /// Tells how far the partitions held are behind the log. Who cannot ask the log finds that out by reading it.
    async fn tell(&self, share: &Partitions) {
        self.count(share);
        let Ok(state) = self.log.topic(self.topic).await else {
            return;
        };
        for range in &state.partitions {
            if let Some(at) = share.held.get(&range.partition) {
                self.metrics.lag(range.partition, range.next - at.next);
            }
        }
    }

    /// Tells how many partitions there are here, and how many of them stand still.
    fn count(&self, share: &Partitions) {
        self.metrics.partitions.set(number(share.held.len()));
        self.metrics
            .stopped_partitions
            .set(number(share.stopped.len()));
    }

    async fn assigned(
        &self,
        partitions: &[i32],
        reply: oneshot::Sender<Vec<(i32, i64)>>,
        held: &mut BTreeMap<i32, Held>,
    ) -> Result<(), StageError> {
        let state = self.log.topic(self.topic).await?;
        let first: Vec<(i32, i64)> = state
            .partitions
            .iter()
            .filter(|range| partitions.contains(&range.partition))
            .map(|range| (range.partition, range.first))
            .collect();
        let reader = Reader {
            stage: self.name,
            topic: self.topic,
        };
        let claims = match self
            .store
            .claim_partitions(reader, &state.id, &first, &self.owner, self.clock.now())
            .await?
        {
            Claimed::Ours(claims) => claims,
            Claimed::AnotherLog { partition } => {
                return Err(StageError::AnotherLog {
                    topic: self.topic,
                    partition,
                });
            }
        };
        for (partition, noted) in self.log.noted(self.topic, self.name).await? {
            let claim = claims.iter().find(|claim| claim.partition == partition);
            if let Some(claim) = claim.filter(|claim| claim.next_offset < noted) {
                return Err(StageError::DatabaseBehind {
                    topic: self.topic,
                    partition,
                    position: claim.next_offset,
                    noted,
                });
            }
        }
        for claim in &claims {
            held.insert(
                claim.partition,
                Held {
                    next: claim.next_offset,
                    epoch: claim.epoch,
                },
            );
        }
        tracing::info!(
            stage = self.name,
            count = claims.len(),
            "partitions assigned"
        );
        let _ = reply.send(
            claims
                .iter()
                .map(|claim| (claim.partition, claim.next_offset))
                .collect(),
        );
        Ok(())
    }

    async fn batch(
        &self,
        records: Vec<Record>,
        share: &mut Partitions,
        work: &mut impl Work,
        draining: &CancellationToken,
        backoff: &mut Backoff,
        subscription: &Subscription,
    ) -> Result<(), StageError> {
        let held = &mut share.held;
        // A partition that was revoked between the poll and now has no row here; its records are the next owner's.
        let mut records: Vec<Record> = records
            .into_iter()
            .filter(|record| {
                held.get(&record.partition)
                    .is_some_and(|at| at.next <= record.offset)
            })
            .collect();
        let mut steps = steps_of(&records, held);
        let watch = Stopwatch::start();
        while !steps.is_empty() {
            match work.batch(&steps, &records).await {
                Ok(()) => break,
                Err(StageError::NotForUs {
                    topic,
                    partition,
                    offset,
                    what,
                }) => {
                    tracing::error!(
                        stage = self.name,
                        topic,
                        partition,
                        offset,
                        what,
                        "a partition stops until a release or key that knows this record is running; the others go on"
                    );
                    work.forget();
                    records
                        .retain(|record| record.partition != partition || record.offset < offset);
                    steps = steps_of(&records, held);
                    share.stopped.insert(partition);
                }
                Err(error) if error.is_transient() && !draining.is_cancelled() => {
                    work.forget();
                    let pause = backoff.next_delay();
                    tracing::warn!(
                        stage = self.name,
                        error = &error as &dyn std::error::Error,
                        pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
                        "a batch failed for now and is repeated"
                    );
                    tokio::select! {
                        biased;
                        () = draining.cancelled() => return Err(error),
                        () = tokio::time::sleep(pause) => {}
                    }
                }
                Err(error) => return Err(error),
            }
        }
        // What is not held is not read on: the log keeps handing records over, and they are dropped until somebody claims anew.
        held.retain(|partition, _| !share.stopped.contains(partition));
        self.count(share);
        let held = &mut share.held;
        if steps.is_empty() {
            return Ok(());
        }
        backoff.reset();
        for step in &steps {
            if let Some(at) = held.get_mut(&step.partition) {
                at.next = step.to;
            }
        }
        let positions: Vec<(i32, i64)> =
            steps.iter().map(|step| (step.partition, step.to)).collect();
        subscription.progress.note(&positions);
        self.metrics
            .commit_seconds
            .observe(watch.elapsed().as_secs_f64());
        self.metrics
            .batch_records
            .observe(f64::from(u32::try_from(records.len()).unwrap_or(u32::MAX)));
        tracing::info!(
            stage = self.name,
            batch.records = records.len(),
            batch.partitions = steps.len(),
            batch.ms = watch.millis(),
            "batch committed"
        );
        Ok(())
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// How far these records take each partition.
fn steps_of(records: &[Record], held: &BTreeMap<i32, Held>) -> Vec<Step> {
    let mut steps: BTreeMap<i32, Step> = BTreeMap::new();
    for record in records {
        let at = held[&record.partition];
        steps
            .entry(record.partition)
            .or_insert(Step {
                partition: record.partition,
                from: at.next,
                to: at.next,
                epoch: at.epoch,
            })
            .to = record.offset + 1;
    }
    steps.into_values().collect()
}

/// Steps that go nowhere: they only prove that the partitions are still ours.
fn proofs(held: &BTreeMap<i32, Held>) -> Vec<Step> {
    held.iter()
        .map(|(partition, at)| Step {
            partition: *partition,
            from: at.next,
            to: at.next,
            epoch: at.epoch,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_stood_still_here_is_the_next_owners_to_tell_of() {
        let at = Held { next: 0, epoch: 1 };
        let mut share = Partitions {
            held: BTreeMap::from([(0, at), (1, at)]),
            stopped: BTreeSet::from([2, 3]),
        };
        share.let_go(&[1, 2]);
        let held: Vec<i32> = share.held.into_keys().collect();
        assert_eq!((held, share.stopped), (vec![0], BTreeSet::from([3])));
    }
}
