//! What everything in a run shares: the tables, the log, who waits for whom, and the dice that decide what goes wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use jiff::Timestamp;
use uuid::Uuid;
use voorveld_bus::Record;
use voorveld_domain::{HouseholdId, SignalId};
use voorveld_store::positions::Step;
use voorveld_store::wake_ups::WakeUp;
use voorveld_synthetic::Dice;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

use crate::Bug;
use crate::log::Seat;
use crate::people::Act;
use crate::tables::Tables;

/// How often things go wrong, in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// A statement gets no answer, or the log does not take records.
    pub statement: u32,
    /// A commit is refused, and nothing of it is kept.
    pub commit: u32,
    /// A commit is kept, or records are held, and the answer is lost.
    pub answer: u32,
    /// The database is away.
    pub outage: bool,
}

/// What a transaction can hold until it ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lock {
    Position(String, i32),
    /// The tasks and holds of a household.
    Household(HouseholdId),
    WakeUp(WakeUp),
    /// Between judgements, which share it, and what people register.
    Acts,
    /// The indexes of addresses and persons.
    Indexes,
}

#[derive(Debug, Default)]
struct Holders {
    alone: Option<u64>,
    together: BTreeSet<u64>,
}

/// Something that was committed, in order: what an uninterrupted run does again.
#[derive(Debug, Clone)]
pub(crate) struct Happened {
    pub at: Timestamp,
    pub what: What,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    /// A stage committed a batch.
    Batch(String, Vec<Step>),
    /// Rules came into force in partitions, at their positions: which.
    InForce(Vec<Step>, String),
    /// Households were judged without a record.
    Woken(Vec<Step>, Vec<WakeUp>),
    /// Somebody did something.
    Act(Act),
}

/// A copy of a signal at a household: its revision and filing.
pub(crate) type CopyAt = (HouseholdId, SignalId, (u32, u32));

/// The world of a run.
pub(crate) struct World {
    pub tables: Tables,
    pub topics: BTreeMap<&'static str, Vec<Vec<Record>>>,
    /// What readers told the log of how far they are.
    pub noted: BTreeMap<(&'static str, i32), i64>,
    /// What the records of `signals.received` are about, as far as they can be read: signal and revision, by partition and offset.
    pub received: BTreeMap<(i32, i64), Option<(Uuid, u32)>>,
    /// The same of `signals.resolved`: household, signal, and revision with filing.
    pub resolved: BTreeMap<(i32, i64), Option<CopyAt>>,
    /// The ids that households and persons got.
    pub given: Vec<Uuid>,
    pub seats: Vec<Seat>,
    pub dice: Dice,
    pub faults: Faults,
    pub bug: Option<Bug>,
    pub history: Vec<Happened>,
    /// What happened, in words: the same for the same seed.
    pub trail: Vec<String>,
    /// What must never be.
    pub violations: Vec<String>,
    /// Something was committed, appended or done since this was last looked at.
    pub changed: bool,
    /// Only these may be taken now; for a run that repeats another.
    pub only_due: Option<Vec<WakeUp>>,
    /// Nothing else is known of the log but that it was read; for a run that repeats another.
    pub is_read: bool,
    locks: BTreeMap<Lock, Holders>,
    transactions: u64,
    ids: u128,
}

/// A world, for everybody who is in it.
#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<World>>);

impl Shared {
    pub fn new(seed: u64, partitions: usize) -> Self {
        let empty = || (0..partitions).map(|_| Vec::new()).collect();
        Self(Arc::new(Mutex::new(World {
            tables: Tables::default(),
            topics: [(RECEIVED_TOPIC, empty()), (RESOLVED_TOPIC, empty())].into(),
            noted: BTreeMap::new(),
            received: BTreeMap::new(),
            resolved: BTreeMap::new(),
            given: Vec::new(),
            seats: Vec::new(),
            dice: Dice::new(seed, 2),
            faults: Faults::default(),
            bug: None,
            history: Vec::new(),
            trail: Vec::new(),
            violations: Vec::new(),
            changed: false,
            only_due: None,
            is_read: false,
            locks: BTreeMap::new(),
            transactions: 0,
            ids: u128::from(seed) << 32,
        })))
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nobody else holds this.
    pub async fn acquire(&self, lock: Lock, transaction: u64, alone: bool) {
        poll_fn(|context| {
            if self.world().take(&lock, transaction, alone) {
                return Poll::Ready(());
            }
            // Asked again at the next turn: whoever holds it has turns, too.
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

impl World {
    /// An id that was never given before in this world.
    pub fn fresh_id(&mut self) -> Uuid {
        self.ids += 1;
        // Spread as random ones are: partitions and caches go by their bits.
        Uuid::from_u128(
            self.ids
                .wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
        )
    }

    pub fn begin(&mut self) -> u64 {
        self.transactions += 1;
        self.transactions
    }

    fn take(&mut self, lock: &Lock, transaction: u64, alone: bool) -> bool {
        let held = self.locks.entry(lock.clone()).or_default();
        let others_share = held.together.iter().any(|holder| *holder != transaction);
        match held.alone {
            Some(holder) if holder != transaction => false,
            _ if alone && others_share => false,
            _ if alone => {
                held.alone = Some(transaction);
                true
            }
            _ => {
                held.together.insert(transaction);
                true
            }
        }
    }

    /// Whether somebody who comes now need not wait for this.
    pub fn is_free(&self, lock: &Lock) -> bool {
        self.locks
            .get(lock)
            .is_none_or(|held| held.alone.is_none() && held.together.is_empty())
    }

    /// Whether a judgement that takes wake-ups is under way.
    pub fn takes_wake_ups(&self) -> bool {
        let mut held = self.locks.keys();
        held.any(|lock| matches!(lock, Lock::WakeUp(_)))
    }

    /// Lets go of everything that a transaction holds.
    pub fn release(&mut self, transaction: u64) {
        self.locks.retain(|_, held| {
            held.together.remove(&transaction);
            if held.alone == Some(transaction) {
                held.alone = None;
            }
            held.alone.is_some() || !held.together.is_empty()
        });
    }

    pub fn note(&mut self, what: impl Into<String>) {
        self.trail.push(what.into());
    }

    pub fn violated(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.trail.push(format!("VIOLATED {what}"));
        self.violations.push(what);
    }

    pub fn happened(&mut self, at: Timestamp, what: What) {
        self.changed = true;
        self.history.push(Happened { at, what });
    }

    /// The offset that the next record of a partition gets.
    pub fn end_of(&self, topic: &str, partition: i32) -> i64 {
        let partition = usize::try_from(partition).expect("a partition of this log");
        i64::try_from(self.topics[topic][partition].len()).expect("few records")
    }

    pub fn record(&self, topic: &str, partition: i32, offset: i64) -> Option<&Record> {
        let partition = usize::try_from(partition).ok()?;
        self.topics[topic]
            .get(partition)?
            .get(usize::try_from(offset).ok()?)
    }
}

/// Lets others have their turn.
pub(crate) async fn others_turn() {
    let mut had = false;
    poll_fn(|context| {
        if std::mem::replace(&mut had, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
