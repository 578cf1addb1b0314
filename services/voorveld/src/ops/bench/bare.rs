//! The bare loop: reads the same topic and copies the same rows into the same tables with the same indexes, with no logic. What is left of a
//! second when nothing is decided; whoever decides is held against it.
//!
//! The rows are those that a correlator left behind, in the order in which it left them; each batch copies the share of them that its records are
//! of all records, and its position, in one transaction (I3). Rows that were written and written again are copied once: in that the loop has it
//! easier than anybody who judges while signals come in.

use voorveld_bus::{Event, Log, Record, Subscription};
use voorveld_chassis::{Clock, Stopwatch};
use voorveld_store::Store;
use voorveld_store::measured::{PLACES, TakenOut};
use voorveld_store::positions::{Claim, Claimed, Reader, Step};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use anyhow::{Context, bail};

use super::alone::Taken;
use super::machine::forget_peak;
use super::meter::Meter;
use super::room::Room;

const READER: Reader<'static> = Reader {
    stage: "bare",
    topic: RESOLVED_TOPIC,
};

/// Copies these rows while it reads so many records.
pub async fn run(room: &Room, log: &Log, rows: &[TakenOut], records: u64) -> anyhow::Result<Taken> {
    let (store, clock) = (&room.database.store, Clock::system());
    forget_peak();
    let start = Stopwatch::start();
    let mut subscription = log.subscribe(READER.topic, READER.stage).await?;
    let mut claims = joined(&mut subscription, log, store, &clock).await?;
    let meter = Meter::begin(store).await?;
    let (mut done, mut batches, mut batch_seconds, mut first) = (0_u64, 0, 0.0, None);
    while done < records {
        match subscription.events.recv().await {
            Some(Event::Records(batch)) => {
                let working = Stopwatch::start();
                let from = place(done, records);
                done += batch.len() as u64;
                let to = place(done, records);
                let steps = steps(&batch, &mut claims);
                let mut tx = store.begin("bare").await?;
                tx.advance_positions(READER, &steps, clock.now()).await?;
                for table in rows {
                    tx.copy_in(table.table, table.between(from, to)).await?;
                }
                tx.commit().await?;
                batches += 1;
                batch_seconds += working.elapsed().as_secs_f64();
                first.get_or_insert_with(|| start.elapsed().as_secs_f64());
            }
            Some(Event::Idle) => {}
            Some(Event::Failed(error)) => return Err(error.into()),
            Some(Event::Assigned { .. } | Event::Revoked { .. }) | None => {
                bail!("the bare loop lost its partitions")
            }
        }
    }
    let used = meter.read().await?;
    subscription.close().await;
    Ok(Taken {
        records,
        used,
        batches,
        batch_seconds,
        households_found: 0,
        households_loaded: 0,
        first_commit_seconds: first.unwrap_or_default(),
    })
}

/// Waits for the partitions and claims them, from their first record on.
async fn joined(
    subscription: &mut Subscription,
    log: &Log,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<Vec<Claim>> {
    let topic = log.topic(READER.topic).await?;
    loop {
        let event = subscription.events.recv().await;
        match event.context("the log ended")? {
            Event::Assigned { reply, .. } => {
                let first: Vec<(i32, i64)> = topic
                    .partitions
                    .iter()
                    .map(|range| (range.partition, range.first))
                    .collect();
                let claimed = store
                    .claim_partitions(READER, &topic.id, &first, "bench", clock.now())
                    .await?;
                let Claimed::Ours(claims) = claimed else {
                    bail!("the database knows another log");
                };
                let _ = reply.send(first);
                return Ok(claims);
            }
            Event::Failed(error) => return Err(error.into()),
            Event::Idle | Event::Records(_) | Event::Revoked { .. } => {}
        }
    }
}

fn place(done: u64, records: u64) -> u32 {
    u32::try_from(done * u64::from(PLACES) / records).expect("at most all of them")
}

fn steps(batch: &[Record], claims: &mut [Claim]) -> Vec<Step> {
    let mut steps = Vec::new();
    for claim in claims {
        let own = batch
            .iter()
            .filter(|record| record.partition == claim.partition);
        if let Some(last) = own.last() {
            steps.push(Step {
                partition: claim.partition,
                from: claim.next_offset,
                to: last.offset + 1,
                epoch: claim.epoch,
            });
            claim.next_offset = last.offset + 1;
        }
    }
    steps
}
