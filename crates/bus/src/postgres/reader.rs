//! A subscription to the PostgreSQL log: one task reads and shares, another keeps the lease alive while the first waits for a slow
//! reader.
//!
//! ```text
//!  look ──► lease gone? ── yes ──► revoked (all) ──► join anew
//!   ▲            │ no
//!   │            ▼
//!   │       above my share? ──► revoked (excess) ──► given back
//!   │            │
//!   │            ▼
//!   │       something new? ──► assigned ──► positions checked
//!   │            │
//!   └── records ◄┘  (idle, and wait for a notification, when there are none)
//! ```

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::{debug, warn};
use uuid::Uuid;

use super::{APPENDED, Tables};
use crate::BusError;
use crate::contract::{
    Event, IDLE_AFTER, MAX_BATCH, Progress, ProgressSink, Record, Running, SubscribeOptions,
    Subscription,
};
use crate::events::{Teller, events};

/// How often a reader looks at its share and keeps its lease. A few of these fit in a lease.
const BEAT: Duration = Duration::from_secs(1);
/// How long a reader waits after the database failed it.
const BACK_OFF: Duration = Duration::from_millis(250);

pub(super) async fn start(
    tables: Tables,
    options: SubscribeOptions,
) -> Result<Subscription, BusError> {
    let listener = tables.listener().await?;
    let member = Uuid::new_v4();
    tables.join(member).await?;
    let (teller, events) = events();
    let seat = Arc::new(Seat {
        tables,
        state: Mutex::new(SeatState {
            member,
            waiting_since: None,
            noted: BTreeMap::new(),
        }),
    });
    let mut tasks = JoinSet::new();
    tasks.spawn(keep(Arc::clone(&seat), options.stall_after));
    let reader = Reader {
        seat: Arc::clone(&seat),
        teller,
        listener,
        positions: BTreeMap::new(),
        turn: 0,
        told_idle: false,
    };
    tasks.spawn(reader.run());
    let progress = Progress::to(seat.clone());
    let running = Box::new(Tasks { tasks, seat });
    Ok(Subscription::new(events, progress, running))
}

/// A place in the group, shared by the two tasks and the progress sink.
struct Seat {
    tables: Tables,
    state: Mutex<SeatState>,
}

struct SeatState {
    member: Uuid,
    /// Since when the reader has taken no event that waits for it.
    waiting_since: Option<Instant>,
    noted: BTreeMap<i32, i64>,
}

impl Seat {
    fn state(&self) -> MutexGuard<'_, SeatState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ProgressSink for Seat {
    fn note(&self, positions: &[(i32, i64)]) {
        self.state().noted.extend(positions.iter().copied());
    }
}

struct Tasks {
    tasks: JoinSet<()>,
    seat: Arc<Seat>,
}

#[async_trait]
impl Running for Tasks {
    async fn close(mut self: Box<Self>) {
        self.tasks.shutdown().await;
        let (member, noted) = {
            let mut state = self.seat.state();
            (state.member, std::mem::take(&mut state.noted))
        };
        let left = async {
            self.seat.tables.note(&noted).await?;
            self.seat.tables.leave(member).await
        };
        if let Err(error) = left.await {
            debug!(error = %error, log.topic = %self.seat.tables.topic, "left a group without a word");
        }
    }
}

/// Keeps the lease, unless the reader has stalled: then others may take over.
async fn keep(seat: Arc<Seat>, stall_after: Duration) {
    loop {
        sleep(BEAT).await;
        let (member, noted) = {
            let mut state = seat.state();
            if state
                .waiting_since
                .is_some_and(|since| since.elapsed() >= stall_after)
            {
                continue;
            }
            (state.member, std::mem::take(&mut state.noted))
        };
        let kept = async {
            seat.tables.beat(member).await?;
            if noted.is_empty() {
                return Ok(());
            }
            seat.tables.note(&noted).await
        };
        if let Err(error) = kept.await {
            debug!(error = %error, log.topic = %seat.tables.topic, "a lease was not kept this time");
        }
    }
}

/// Why a reader ends.
enum End {
    /// Nobody listens any more.
    GivenUp,
    /// It cannot go on.
    Failed(BusError),
}

impl From<BusError> for End {
    fn from(error: BusError) -> Self {
        Self::Failed(error)
    }
}

struct Reader {
    seat: Arc<Seat>,
    teller: Teller,
    listener: PgListener,
    /// Where to go on, per partition held.
    positions: BTreeMap<i32, i64>,
    /// Which partition goes first this time, so that none starves.
    turn: usize,
    told_idle: bool,
}

impl Reader {
    async fn run(mut self) {
        let mut look_at = Instant::now();
        loop {
            match self.step(&mut look_at).await {
                Ok(()) => {}
                Err(End::Failed(error)) if error.is_transient() => {
                    warn!(error = %error, log.topic = %self.tables().topic, "reading the log failed for now");
                    sleep(BACK_OFF).await;
                }
                Err(End::Failed(error)) => {
                    let _ = self.tell(Event::Failed(error)).await;
                    return;
                }
                Err(End::GivenUp) => return,
            }
        }
    }

    async fn step(&mut self, look_at: &mut Instant) -> Result<(), End> {
        if *look_at <= Instant::now() {
            self.look().await?;
            *look_at = Instant::now() + BEAT;
        }
        let records = self.read().await?;
        if !records.is_empty() {
            self.told_idle = false;
            return self.tell(Event::Records(records)).await;
        }
        if !self.told_idle && !self.positions.is_empty() {
            self.told_idle = true;
            self.tell(Event::Idle).await?;
        }
        let wait_until = (*look_at).min(Instant::now() + IDLE_AFTER);
        tokio::select! {
            () = sleep_until(wait_until) => {}
            () = self.teller.given_up() => return Err(End::GivenUp),
            heard = self.listener.recv() => match heard {
                Ok(heard) if heard.payload() != self.seat.tables.topic => {}
                Ok(heard) if heard.channel() == APPENDED => {}
                Ok(_) => *look_at = Instant::now(),
                Err(_) => sleep(BACK_OFF).await,
            }
        }
        Ok(())
    }

    fn tables(&self) -> &Tables {
        &self.seat.tables
    }

    /// Looks how the partitions stand, lets go of what is another's, takes what is free.
    async fn look(&mut self) -> Result<(), End> {
        let member = self.seat.state().member;
        let share = self.tables().take_share(member).await?;
        if !share.alive {
            let all: Vec<i32> = self.positions.keys().copied().collect();
            warn!(log.topic = %self.tables().topic, log.partitions = all.len(), "this reader was taken for dead; joining anew");
            self.revoke(all).await?;
            let member = Uuid::new_v4();
            self.tables().join(member).await?;
            self.seat.state().member = member;
            // Look again at once: there is no reason to wait for the next beat.
            return Box::pin(self.look()).await;
        }
        if !share.excess.is_empty() {
            self.revoke(share.excess.clone()).await?;
            self.tables().give_back(member, &share.excess).await?;
        }
        let new: Vec<i32> = share
            .kept
            .into_iter()
            .filter(|partition| !self.positions.contains_key(partition))
            .collect();
        self.assign(new).await?;
        self.check_positions().await
    }

    async fn revoke(&mut self, partitions: Vec<i32>) -> Result<(), End> {
        let partitions: Vec<i32> = partitions
            .into_iter()
            .filter(|partition| self.positions.remove(partition).is_some())
            .collect();
        if partitions.is_empty() {
            return Ok(());
        }
        let (done, let_go) = oneshot::channel();
        self.tell(Event::Revoked { partitions, done }).await?;
        // A reader that drops the answer has let go as well.
        let _ = self.wait_for(let_go).await;
        Ok(())
    }

    async fn assign(&mut self, partitions: Vec<i32>) -> Result<(), End> {
        if partitions.is_empty() {
            return Ok(());
        }
        let (reply, answer) = oneshot::channel();
        self.tell(Event::Assigned {
            partitions: partitions.clone(),
            reply,
        })
        .await?;
        let answer: BTreeMap<i32, i64> = self
            .wait_for(answer)
            .await
            .map_err(|_| End::GivenUp)?
            .into_iter()
            .collect();
        for partition in partitions {
            let position = *answer
                .get(&partition)
                .ok_or_else(|| BusError::PositionMissing {
                    topic: self.tables().topic.clone(),
                    partition,
                })?;
            self.positions.insert(partition, position);
        }
        self.told_idle = false;
        Ok(())
    }

    /// No position may lie outside the log: not one that was given, nor one that retention overtook.
    async fn check_positions(&self) -> Result<(), End> {
        if self.positions.is_empty() {
            return Ok(());
        }
        let partitions: Vec<i32> = self.positions.keys().copied().collect();
        let ranges = self.tables().ranges(&partitions).await?;
        if ranges.len() != partitions.len() {
            return Err(BusError::UnknownTopic(self.tables().topic.clone()).into());
        }
        for range in ranges {
            let position = self.positions[&range.partition];
            if !range.admits(position) {
                return Err(BusError::PositionOutsideLog {
                    topic: self.tables().topic.clone(),
                    partition: range.partition,
                    position,
                    first: range.first,
                    next: range.next,
                }
                .into());
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Vec<Record>, End> {
        if self.positions.is_empty() {
            return Ok(Vec::new());
        }
        self.turn = (self.turn + 1) % self.positions.len();
        let (mut partitions, mut offsets): (Vec<i32>, Vec<i64>) = self.positions.iter().unzip();
        partitions.rotate_left(self.turn);
        offsets.rotate_left(self.turn);
        let mut records = self.tables().read(&partitions, &offsets).await?;
        debug_assert!(records.len() <= MAX_BATCH);
        records.sort_by_key(|record| (record.partition, record.offset));
        let mut ahead = self.positions.clone();
        for record in &records {
            let expected = ahead
                .get_mut(&record.partition)
                .expect("only held partitions are read");
            if record.offset != *expected {
                // Retention overtook the reader between two looks. Never skip.
                self.check_positions().await?;
                return Ok(Vec::new());
            }
            *expected += 1;
        }
        self.positions = ahead;
        Ok(records)
    }

    /// Hands an event over; while it waits the lease runs only for as long as a reader may stall.
    async fn tell(&self, event: Event) -> Result<(), End> {
        self.seat.state().waiting_since = Some(Instant::now());
        let is_told = self.teller.tell(event).await;
        self.seat.state().waiting_since = None;
        if is_told { Ok(()) } else { Err(End::GivenUp) }
    }

    async fn wait_for<T>(
        &self,
        answer: oneshot::Receiver<T>,
    ) -> Result<T, oneshot::error::RecvError> {
        self.seat.state().waiting_since = Some(Instant::now());
        let answer = answer.await;
        self.seat.state().waiting_since = None;
        answer
    }
}
