//! Every record comes three times: what the house wrote into its topics is written there twice more, shuffled, while later rounds correct and
//! withdraw (I4).

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, HashSet};
use std::hash::{Hash, Hasher};
use std::time::Duration;

use tokio::time::sleep;
use voorveld_bus::{BusError, Event, Log, Outgoing, Record};
use voorveld_synthetic::Dice;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

use crate::load::shuffle;

const TOPICS: [&str; 2] = [RECEIVED_TOPIC, RESOLVED_TOPIC];
const GROUP: &str = "echo";
/// Copies beside the original.
const COPIES: usize = 2;
/// Copies written in one go.
const TOGETHER: usize = 200;
/// When the log cannot take them.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(250);

/// Who repeats everything.
#[derive(Default)]
pub struct Echo {
    topics: [Heard; 2],
}

#[derive(Default)]
struct Heard {
    /// Where to go on, per partition.
    next: BTreeMap<i32, i64>,
    /// Hashes of what was heard before: an echo has no echo.
    known: HashSet<u64>,
    /// What is to be repeated.
    new: Vec<Outgoing>,
}

impl Echo {
    /// Hears what is in the topics. To be called when the house has settled, since everything waits for it.
    pub async fn listen(&mut self, log: &Log) {
        let [received, resolved] = &mut self.topics;
        tokio::join!(
            received.listen(log, TOPICS[0]),
            resolved.listen(log, TOPICS[1])
        );
    }

    /// Takes what was heard since the last time: copies of each record, in another order and in pieces.
    pub fn pieces(&mut self, dice: &mut Dice) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (heard, topic) in self.topics.iter_mut().zip(TOPICS) {
            let new = std::mem::take(&mut heard.new);
            let mut copies: Vec<Outgoing> = (0..COPIES).flat_map(|_| new.clone()).collect();
            shuffle(&mut copies, dice);
            pieces.extend(copies.chunks(TOGETHER).map(|piece| Piece {
                topic,
                records: piece.to_vec(),
            }));
        }
        shuffle(&mut pieces, dice);
        pieces
    }
}

/// Copies that are written in one go.
pub struct Piece {
    topic: &'static str,
    records: Vec<Outgoing>,
}

impl Piece {
    /// Writes them until the log has them, and says how many.
    pub async fn write(&self, log: &Log) -> usize {
        while log.append(self.topic, self.records.clone()).await.is_err() {
            sleep(TRY_AGAIN_AFTER).await;
        }
        self.records.len()
    }
}

impl Heard {
    async fn listen(&mut self, log: &Log, topic: &'static str) {
        while self.hear(log, topic).await.is_err() {
            sleep(TRY_AGAIN_AFTER).await;
        }
    }

    async fn hear(&mut self, log: &Log, topic: &'static str) -> Result<(), BusError> {
        let mut subscription = log.subscribe(topic, GROUP).await?;
        let mut outcome = Ok(());
        while let Some(event) = subscription.events.recv().await {
            match event {
                Event::Records(records) => self.note(records),
                Event::Assigned { partitions, reply } => {
                    let next = |partition| self.next.get(&partition).copied().unwrap_or(0);
                    let positions = partitions.into_iter().map(|one| (one, next(one)));
                    let _ = reply.send(positions.collect());
                }
                Event::Revoked { done, .. } => {
                    let _ = done.send(());
                }
                Event::Idle => break,
                Event::Failed(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        subscription.close().await;
        outcome
    }

    fn note(&mut self, records: Vec<Record>) {
        for record in records {
            self.next.insert(record.partition, record.offset + 1);
            let mut hasher = DefaultHasher::new();
            record.value.hash(&mut hasher);
            if self.known.insert(hasher.finish()) {
                self.new.push(Outgoing {
                    key: record.key,
                    value: record.value,
                    request_id: record.request_id,
                });
            }
        }
    }
}
