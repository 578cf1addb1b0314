//! Taking a surveyed file in, chunk by chunk, until its last row or until something stops it.

use std::fs::File;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc};
use uuid::Uuid;
use voorveld_chassis::clock::Stopwatch;
use voorveld_chassis::retry::Backoff;
use voorveld_store::StoreError;
use voorveld_store::deliveries::RowResult;
use voorveld_wire::intake_v1::{Flaw, Warning};

use super::{FileFault, Format, Names, Reading, Row, Survey, read_rows};
use crate::config::{CHUNK_ROWS, CHUNKS_AHEAD, DELIVERY_PATIENCE};
use crate::http::Door;
use crate::intake::{Origin, Outcome, TakeError};

/// Why a delivery stopped before its last row, as its sender reads it.
pub const PROCESS_STOPPED: &str = "process_stopped";
/// The database or the log was down for longer than [`DELIVERY_PATIENCE`].
pub const UNAVAILABLE: &str = "unavailable";
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
    /// The request that brought it.
    pub request_id: String,
    /// Its place among the partner's deliveries.
    pub place: OwnedSemaphorePermit,
}

enum Stop {
    Draining,
    Unavailable,
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
        request_id,
        place,
    } = received;
    door.metrics.deliveries_open.inc();
    let code = survey.format;
    let end = take_all(&door, id, format, file, &reading, survey, &request_id).await;
    door.metrics.deliveries_open.dec();
    drop(place);
    let now = door.intake.clock().now();
    let store = door.intake.store();
    let (word, written) = match &end {
        Ok(()) => ("complete", store.complete_delivery(id, now).await),
        Err(stop) => {
            let problem = match stop {
                Stop::Draining => PROCESS_STOPPED,
                Stop::Unavailable => UNAVAILABLE,
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

async fn take_all(
    door: &Door,
    id: Uuid,
    format: Format,
    mut file: File,
    reading: &Reading,
    survey: Survey,
    request_id: &str,
) -> Result<(), Stop> {
    let (chunks, mut to_take) = mpsc::channel::<Vec<Row>>(CHUNKS_AHEAD);
    let names = Arc::new(survey.names.clone());
    let reader = {
        let reading = reading.clone();
        tokio::task::spawn_blocking(move || {
            let mut chunk = Vec::with_capacity(CHUNK_ROWS);
            let mut sink = |row: Row| {
                chunk.push(row);
                if chunk.len() < CHUNK_ROWS {
                    return ControlFlow::Continue(());
                }
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK_ROWS));
                match chunks.blocking_send(full) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_nobody_takes) => ControlFlow::Break(()),
                }
            };
            read_rows(format, &mut file, &reading, &survey, &mut sink)?;
            if !chunk.is_empty() {
                let _ = chunks.blocking_send(chunk);
            }
            Ok::<(), FileFault>(())
        })
    };
    while let Some(chunk) = to_take.recv().await {
        take_chunk(door, id, reading, &names, request_id, chunk).await?;
    }
    match reader.await {
        Ok(read) => read.map_err(Stop::File),
        Err(panic) => Err(Stop::File(FileFault::Io(std::io::Error::other(panic)))),
    }
}

async fn take_chunk(
    door: &Door,
    id: Uuid,
    reading: &Reading,
    names: &Arc<Names>,
    request_id: &str,
    chunk: Vec<Row>,
) -> Result<(), Stop> {
    let draining = door.lifecycle.draining();
    tokio::select! {
        () = draining.cancelled() => return Err(Stop::Draining),
        () = door.partners.pace(&reading.partner, chunk.len()) => {}
    }
    let numbers: Vec<u64> = chunk.iter().map(|row| row.number).collect();
    let claims: Vec<_> = chunk
        .into_iter()
        .map(|row| (row.claim, row.flaws))
        .collect();
    let names = Arc::clone(names);
    let rows = move |outcomes: &[Outcome]| {
        numbers
            .iter()
            .zip(outcomes)
            .map(|(number, outcome)| row_result(*number, outcome, &names))
            .collect()
    };
    let origin = Origin {
        partner: &reading.partner,
        delivery: Some(id),
        request_id,
    };
    let watch = Stopwatch::start();
    let mut backoff = Backoff::default();
    loop {
        match door.intake.take(origin, claims.clone(), Some(&rows)).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_transient() => {
                if watch.elapsed() > DELIVERY_PATIENCE {
                    return Err(Stop::Unavailable);
                }
                tracing::warn!(%error, delivery.id = %id, "taking in a chunk failed, trying again");
                if !backoff.pause(&draining).await {
                    return Err(Stop::Draining);
                }
            }
            Err(error) => return Err(Stop::Take(error)),
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
