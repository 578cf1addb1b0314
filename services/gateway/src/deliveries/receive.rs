//! Taking a surveyed file in, chunk by chunk, until its last row or until something stops it.

use std::collections::HashSet;
use std::fs::File;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use voorveld_chassis::Clock;
use voorveld_chassis::clock::Stopwatch;
use voorveld_chassis::retry::Backoff;
use voorveld_store::deliveries::RowResult;
use voorveld_store::partners::Partner;
use voorveld_store::{Store, StoreError};
use voorveld_wire::intake_v1::{Flaw, Warning};

use super::{FileFault, Format, Names, Reading, Row, Survey, read_rows};
use crate::config::{
    CHUNK_BYTES, CHUNK_ROWS, CHUNKS_AHEAD, DELIVERY_PATIENCE, DELIVERY_TOUCH, KEY_BELIEVED,
};
use crate::http::Door;
use crate::intake::{Judged, Offer, Origin, Outcome, Promised, RowsOf, TakeError};

/// Why a delivery stopped before its last row, as its sender reads it.
pub const PROCESS_STOPPED: &str = "process_stopped";
/// The database or the log was down for longer than [`DELIVERY_PATIENCE`].
pub const UNAVAILABLE: &str = "unavailable";
/// The key it came with, or its partner, may not send any more.
pub const ACCESS_ENDED: &str = "access_ended";
/// Something went wrong on our side.
pub const INTERNAL: &str = "internal";

/// A delivery that is ready to be taken in.
pub struct Received {
    /// Its id.
    pub id: Uuid,
    /// Its format.
    pub format: Format,
    /// Its bytes.
    pub file: File,
    /// Partner, kinds, defaults.
    pub reading: Reading,
    /// What was found out about it.
    pub survey: Survey,
    /// The key it came with.
    pub key_prefix: Arc<str>,
    /// The request that brought it.
    pub request_id: String,
    /// Its place among the partner's deliveries.
    pub place: OwnedSemaphorePermit,
}

enum Stop {
    Draining,
    Unavailable,
    AccessEnded,
    Take(TakeError),
    File(FileFault),
}

/// Takes all rows in and writes down how it ended. Only a database that is gone for good makes it fail silently; the sweep of silent deliveries
/// then tells its sender.
pub async fn receive(door: Door, received: Received) -> Result<(), StoreError> {
    let watch = Stopwatch::start();
    let Received {
        id,
        format,
        file,
        reading,
        survey,
        key_prefix,
        request_id,
        place,
    } = received;
    door.metrics.deliveries_open.inc();
    let code = survey.format;
    let taking = Taking {
        door: &door,
        id,
        names: Arc::new(survey.names.clone()),
        key_prefix: &key_prefix,
        request_id: &request_id,
    };
    let all = taking.take_all(format, file, &reading, survey);
    let (store, clock) = (door.intake.store(), door.intake.clock());
    let end = shown_alive(store, clock, id, DELIVERY_TOUCH, all).await;
    door.metrics.deliveries_open.dec();
    drop(place);
    let now = clock.now();
    let (word, written) = match &end {
        Ok(()) => match store.complete_delivery(id, now).await {
            Ok(true) => ("complete", Ok(())),
            Ok(false) => {
                tracing::warn!(delivery.id = %id, "a delivery was called interrupted before its end");
                ("interrupted", Ok(()))
            }
            Err(error) => ("complete", Err(error)),
        },
        Err(stop) => {
            let problem = match stop {
                Stop::Draining => PROCESS_STOPPED,
                Stop::Unavailable => UNAVAILABLE,
                Stop::AccessEnded => ACCESS_ENDED,
                Stop::Take(error) => {
                    tracing::error!(%error, delivery.id = %id, "a delivery failed");
                    INTERNAL
                }
                Stop::File(error) => {
                    tracing::error!(%error, delivery.id = %id, "a delivery failed");
                    INTERNAL
                }
            };
            (
                "interrupted",
                store.interrupt_delivery(id, problem, now).await,
            )
        }
    };
    if let Err(error) = &written {
        tracing::warn!(%error, delivery.id = %id, "writing down how a delivery ended failed");
    }
    door.metrics
        .deliveries
        .with_label_values(&[code, word])
        .inc();
    tracing::info!(
        partner.id = %reading.partner.id,
        delivery.id = %id,
        request.id = request_id,
        millis = watch.millis(),
        "delivery {word}"
    );
    Ok(())
}

/// Does the work, and shows now and then that somebody is at it: a delivery that nobody is at is called interrupted.
async fn shown_alive<T>(
    store: &Store,
    clock: &Clock,
    id: Uuid,
    every: Duration,
    work: impl Future<Output = T>,
) -> T {
    let heartbeat = async {
        loop {
            tokio::time::sleep(every).await;
            if let Err(error) = store.touch_delivery(id, clock.now()).await {
                tracing::warn!(%error, delivery.id = %id, "showing that a delivery goes on failed");
            }
        }
    };
    tokio::select! {
        done = work => done,
        () = heartbeat => unreachable!("a heart that beats for ever"),
    }
}

/// Rows that are to be taken in together.
#[derive(Default)]
struct Chunk {
    rows: Vec<Row>,
    bytes: usize,
}

impl Chunk {
    /// Adds a row, and gives all of them away when there are enough: in number or in bytes.
    fn add(&mut self, row: Row) -> Option<Vec<Row>> {
        self.bytes += row.bytes();
        self.rows.push(row);
        (self.rows.len() >= CHUNK_ROWS || self.bytes >= CHUNK_BYTES).then(|| {
            self.bytes = 0;
            std::mem::take(&mut self.rows)
        })
    }
}

/// A chunk that was promised its signals.
struct Chunked {
    /// Of its rows, as their sender counts.
    numbers: Vec<u64>,
    judged: Judged,
    promised: Promised,
}

/// One delivery on its way in.
struct Taking<'a> {
    door: &'a Door,
    id: Uuid,
    names: Arc<Names>,
    key_prefix: &'a str,
    request_id: &'a str,
}

impl Taking<'_> {
    async fn take_all(
        &self,
        format: Format,
        mut file: File,
        reading: &Reading,
        survey: Survey,
    ) -> Result<(), Stop> {
        let (chunks, mut to_take) = mpsc::channel::<Vec<Row>>(CHUNKS_AHEAD);
        let reader = {
            let reading = reading.clone();
            tokio::task::spawn_blocking(move || {
                let mut chunk = Chunk::default();
                let mut sink = |row: Row| match chunk.add(row) {
                    None => ControlFlow::Continue(()),
                    Some(full) => match chunks.blocking_send(full) {
                        Ok(()) => ControlFlow::Continue(()),
                        Err(_nobody_takes) => ControlFlow::Break(()),
                    },
                };
                read_rows(format, &mut file, &reading, &survey, &mut sink)?;
                if !chunk.rows.is_empty() {
                    let _ = chunks.blocking_send(chunk.rows);
                }
                Ok::<(), FileFault>(())
            })
        };
        let mut before: Option<Chunked> = None;
        loop {
            // A chunk is promised its signals while the log takes the one before it.
            let (kept, broken) = (Notify::new(), CancellationToken::new());
            let next = async {
                match to_take.recv().await {
                    Some(rows) => {
                        let at_first = &reading.partner;
                        let promised = self.promise(at_first, rows, before.as_ref(), &kept);
                        Box::pin(promised).await.map(Some)
                    }
                    None => Ok(None),
                }
            };
            let next = async {
                tokio::select! {
                    next = next => next,
                    () = broken.cancelled() => Ok(None),
                }
            };
            let keep = async {
                let ended = match &before {
                    Some(chunk) => Box::pin(self.keep(chunk)).await,
                    None => Ok(()),
                };
                match &ended {
                    Ok(()) => kept.notify_one(),
                    Err(_) => broken.cancel(),
                }
                ended
            };
            let (next, ended) = tokio::join!(next, keep);
            ended?;
            before = next?;
            if before.is_none() {
                break;
            }
        }
        match reader.await {
            Ok(read) => read.map_err(Stop::File),
            Err(panic) => Err(Stop::File(FileFault::Io(std::io::Error::other(panic)))),
        }
    }

    /// The first half of taking a chunk in. What it says of a signal that the chunk before it speaks of too is decided once that one is kept.
    async fn promise(
        &self,
        at_first: &Partner,
        rows: Vec<Row>,
        before: Option<&Chunked>,
        kept: &Notify,
    ) -> Result<Chunked, Stop> {
        self.wait_turn(at_first, rows.len()).await?;
        // Asked anew each time: a file may take hours, and an agreement may end in between.
        let mut patience = self.patience();
        let partner = loop {
            match self.partner().await {
                Ok(partner) => break partner,
                Err(stop) => patience.after(stop).await?,
            }
        };
        let numbers: Vec<u64> = rows.iter().map(|row| row.number).collect();
        let request_id: Arc<str> = self.request_id.into();
        let offers: Vec<Offer> = rows
            .into_iter()
            .map(|row| Offer {
                claim: row.claim,
                flaws: row.flaws,
                request_id: Arc::clone(&request_id),
            })
            .collect();
        let judged = self.door.intake.judge_all(self.origin(&partner), offers);
        if let Some(before) = before {
            let known: HashSet<_> = before.judged.references().collect();
            if judged
                .references()
                .any(|reference| known.contains(reference))
            {
                kept.notified().await;
            }
        }
        let mut patience = self.patience();
        let promised = loop {
            match self.try_to_promise(&judged).await {
                Ok(promised) => break promised,
                Err(stop) => patience.after(stop).await?,
            }
        };
        Ok(Chunked {
            numbers,
            judged,
            promised,
        })
    }

    /// The second half.
    async fn keep(&self, chunk: &Chunked) -> Result<(), Stop> {
        let (numbers, names) = (chunk.numbers.clone(), Arc::clone(&self.names));
        let rows = move |outcomes: &[Outcome]| {
            numbers
                .iter()
                .zip(outcomes)
                .map(|(number, outcome)| row_result(*number, outcome, &names))
                .collect()
        };
        let mut patience = self.patience();
        loop {
            match self.try_to_keep(chunk, &rows).await {
                Ok(()) => return Ok(()),
                Err(stop) => patience.after(stop).await?,
            }
        }
    }

    async fn try_to_keep(&self, chunk: &Chunked, rows: &RowsOf) -> Result<(), Stop> {
        let partner = self.partner().await?;
        let intake = &self.door.intake;
        let kept = intake.keep(
            self.origin(&partner),
            &chunk.judged,
            &chunk.promised,
            Some(rows),
        );
        kept.await.map_err(Stop::Take)
    }

    async fn try_to_promise(&self, judged: &Judged) -> Result<Promised, Stop> {
        let partner = self.partner().await?;
        let promised = self.door.intake.promise(self.origin(&partner), judged);
        promised.await.map_err(Stop::Take)
    }

    const fn origin<'b>(&self, partner: &'b Partner) -> Origin<'b> {
        Origin {
            partner,
            delivery: Some(self.id),
        }
    }

    fn patience(&self) -> Patience {
        Patience {
            delivery: self.id,
            draining: self.door.lifecycle.draining(),
            watch: Stopwatch::start(),
            backoff: Backoff::default(),
        }
    }

    /// The partner as it is now, while it may send.
    async fn partner(&self) -> Result<Arc<Partner>, Stop> {
        let found = self.door.partners.still_good(self.key_prefix).await;
        found
            .map_err(|error| Stop::Take(error.into()))?
            .ok_or(Stop::AccessEnded)
    }

    /// Waits until the partner may send so many rows more; no longer than it may send at all.
    async fn wait_turn(&self, at_first: &Partner, rows: usize) -> Result<(), Stop> {
        let draining = self.door.lifecycle.draining();
        let mut turn = pin!(self.door.partners.pace(at_first, rows));
        loop {
            tokio::select! {
                () = draining.cancelled() => return Err(Stop::Draining),
                () = &mut turn => return Ok(()),
                () = tokio::time::sleep(KEY_BELIEVED) => {
                    if let Err(Stop::AccessEnded) = self.partner().await {
                        return Err(Stop::AccessEnded);
                    }
                }
            }
        }
    }
}

/// What a chunk has while the database or the log is down.
struct Patience {
    delivery: Uuid,
    draining: CancellationToken,
    watch: Stopwatch,
    backoff: Backoff,
}

impl Patience {
    /// Waits before the next attempt; says why there is none.
    async fn after(&mut self, stop: Stop) -> Result<(), Stop> {
        let Stop::Take(error) = stop else {
            return Err(stop);
        };
        if !error.is_transient() {
            return Err(Stop::Take(error));
        }
        if self.watch.elapsed() > DELIVERY_PATIENCE {
            return Err(Stop::Unavailable);
        }
        tracing::warn!(%error, delivery.id = %self.delivery, "taking in a chunk failed, trying again");
        if self.backoff.pause(&self.draining).await {
            Ok(())
        } else {
            Err(Stop::Draining)
        }
    }
}

fn row_result(number: u64, outcome: &Outcome, names: &Names) -> RowResult {
    match outcome {
        Outcome::Taken {
            decision,
            signal,
            revision,
            warnings,
            ..
        } => RowResult {
            row: number,
            outcome: decision.code().to_owned(),
            signal: Some(*signal),
            revision: Some(*revision),
            problems: None,
            warnings: (!warnings.is_empty()).then(|| {
                warnings
                    .iter()
                    .map(|one| told_warning(one, names))
                    .collect()
            }),
        },
        Outcome::Refused(flaws) => RowResult {
            row: number,
            outcome: "refused".to_owned(),
            signal: None,
            revision: None,
            problems: Some(flaws.iter().map(|flaw| told_flaw(flaw, names)).collect()),
            warnings: None,
        },
    }
}

fn told_flaw(flaw: &Flaw, names: &Names) -> serde_json::Value {
    serde_json::json!({
        "column": names.shown(&flaw.place),
        "code": flaw.code.code(),
        "whatToDo": flaw.expected,
    })
}

fn told_warning(warning: &Warning, names: &Names) -> serde_json::Value {
    serde_json::json!({
        "column": names.shown(&warning.place),
        "code": warning.code.code(),
        "whatToDo": warning.code.expected(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use sqlx::PgPool;
    use voorveld_store::deliveries::NewDelivery;

    #[test]
    fn a_chunk_is_full_by_its_rows_or_by_its_bytes() {
        let row = |letters: usize| Row {
            number: 1,
            claim: voorveld_wire::intake_v1::Claim {
                reference: Some("x".repeat(letters)),
                ..Default::default()
            },
            flaws: Vec::new(),
        };
        let mut chunk = Chunk::default();
        let sizes = |chunk: &mut Chunk, letters: usize| -> Vec<usize> {
            (0..2 * CHUNK_ROWS)
                .filter_map(|_| chunk.add(row(letters)))
                .map(|full| full.len())
                .collect()
        };
        assert_eq!(sizes(&mut chunk, 10), [CHUNK_ROWS, CHUNK_ROWS]);
        let most = CHUNK_BYTES / 30_000;
        let many = sizes(&mut chunk, 30_000);
        assert!(
            many.len() > 2 && many.iter().all(|rows| *rows <= most + 1),
            "{many:?}"
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn a_delivery_that_goes_on_slowly_is_not_called_interrupted(pool: PgPool) {
        sqlx::query(
            "INSERT INTO partners VALUES ('a', 'A', '{0518}', '{}', '{}', 10, false, now(), NULL)",
        )
        .execute(&pool)
        .await
        .unwrap();
        let store = Store::from_pool(pool);
        let clock = Clock::manual("2026-02-03T10:00:00Z".parse().unwrap());
        let new = NewDelivery {
            id: Uuid::now_v7(),
            partner: "a".into(),
            format: "csv",
            file_digest: [1; 32],
            rows_total: 2,
            not_imported: 0,
            received_at: clock.now(),
        };
        store.add_delivery(&new, &[]).await.unwrap();
        clock.advance(Duration::from_hours(1));
        let now = clock.now();
        let until_seen = async {
            loop {
                let delivery = store.delivery("a", new.id).await.unwrap().unwrap();
                if delivery.updated_at == now {
                    break;
                }
                tokio::task::yield_now().await;
            }
        };
        shown_alive(&store, &clock, new.id, Duration::from_millis(1), until_seen).await;
        let marked = store
            .interrupt_silent_deliveries(now - 2.minutes(), PROCESS_STOPPED, now)
            .await
            .unwrap();
        assert_eq!(marked, 0);
    }
}
