//! The log, made up: what it holds is never lost, and who reads it is moved about at will, with and without a word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::oneshot;
use voorveld_bus::{
    Backend, BusError, Event, Outgoing, PartitionRange, Progress, ProgressSink, Record, Running,
    SubscribeOptions, Subscription, Teller, TopicSpec, TopicState, events, partition_of,
};
use voorveld_domain::{HouseholdId, SignalId};
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC, Received, Resolved};

use crate::world::{Shared, World, others_turn};

/// What tells this log from another of its name.
const ID: &str = "simulated";
/// Most records in one event; so few that a run has many.
const MAX_BATCH: u32 = 6;

/// Partitions, each with the offset to go on from.
type Positions = Vec<(i32, i64)>;

/// A reader's place in a group.
pub(crate) struct Seat {
    pub process: String,
    pub group: String,
    topic: &'static str,
    events: Option<Teller>,
    /// Where it reads on. Of what went to others without a word it goes on reading, too.
    cursors: BTreeMap<i32, i64>,
    /// What went to others without a word.
    lost: BTreeSet<i32>,
    joining: Option<(Vec<i32>, oneshot::Receiver<Positions>)>,
    leaving: Option<(Vec<i32>, oneshot::Receiver<()>)>,
    told_idle: bool,
}

impl Seat {
    fn is_taken(&self) -> bool {
        self.events
            .as_ref()
            .is_some_and(|events| !events.is_given_up())
    }

    /// Whether it is the one who should read this.
    fn owns(&self, partition: i32) -> bool {
        let joins = self
            .joining
            .as_ref()
            .is_some_and(|(all, _)| all.contains(&partition));
        let leaves = self
            .leaving
            .as_ref()
            .is_some_and(|(all, _)| all.contains(&partition));
        let reads = self.cursors.contains_key(&partition) && !self.lost.contains(&partition);
        self.is_taken() && (joins || leaves || reads)
    }

    fn is_busy(&self) -> bool {
        self.joining.is_some() || self.leaving.is_some()
    }

    fn send(&mut self, event: Event) -> bool {
        let sent = self
            .events
            .as_ref()
            .is_some_and(|events| events.offer(event).is_ok());
        if sent {
            self.told_idle = false;
        }
        sent
    }
}

impl World {
    /// The places in a group that somebody sits in.
    pub fn seats_of(&self, group: &str) -> Vec<usize> {
        let taken = self
            .seats
            .iter()
            .enumerate()
            .filter(|(_, seat)| seat.group == group && seat.is_taken());
        taken.map(|(index, _)| index).collect()
    }

    /// The log does something for one reader. Says whether there was anything to do.
    pub fn serve(&mut self, index: usize) -> bool {
        let seat = &mut self.seats[index];
        if !seat.is_taken() {
            return seat.events.take().is_some();
        }
        if let Some((partitions, mut reply)) = seat.joining.take() {
            match reply.try_recv() {
                Ok(positions) => {
                    seat.cursors.extend(positions);
                    for partition in partitions {
                        seat.lost.remove(&partition);
                    }
                    return true;
                }
                Err(oneshot::error::TryRecvError::Empty) => {
                    seat.joining = Some((partitions, reply));
                    return false;
                }
                // Who gives no answer has left.
                Err(oneshot::error::TryRecvError::Closed) => {
                    seat.events = None;
                    return true;
                }
            }
        }
        if let Some((partitions, mut done)) = seat.leaving.take() {
            if matches!(done.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                seat.leaving = Some((partitions, done));
                return false;
            }
            for partition in partitions {
                seat.cursors.remove(&partition);
                seat.lost.remove(&partition);
            }
            return true;
        }
        let has_room = seat.events.as_ref().is_some_and(Teller::has_room);
        if !has_room || seat.cursors.is_empty() {
            return false;
        }
        let most = 1 + self.dice.below(MAX_BATCH);
        let mut records: Vec<Record> = Vec::new();
        for (partition, cursor) in &mut seat.cursors {
            let place = usize::try_from(*partition).expect("a partition of this log");
            let from = usize::try_from(*cursor).expect("offsets begin at 0");
            let all = &self.topics[seat.topic][place];
            for record in all.get(from..).unwrap_or_default() {
                if most as usize <= records.len() {
                    break;
                }
                records.push(record.clone());
                *cursor = record.offset + 1;
            }
        }
        if records.is_empty() {
            let is_new = !seat.told_idle;
            if is_new {
                seat.send(Event::Idle);
                seat.told_idle = true;
            }
            return is_new;
        }
        seat.send(Event::Records(records));
        true
    }

    /// A partition of a group goes to a reader, wherever it was; `told` says whether who had it hears of that.
    pub fn assign(&mut self, partition: i32, to: usize, told: bool) -> bool {
        let group = self.seats[to].group.clone();
        let owner = self
            .seats_of(&group)
            .into_iter()
            .find(|index| self.seats[*index].owns(partition));
        if let Some(owner) = owner {
            let seat = &mut self.seats[owner];
            if owner == to || seat.is_busy() {
                return false;
            }
            if told {
                let (done, answered) = oneshot::channel();
                let partitions = vec![partition];
                if seat.send(Event::Revoked { partitions, done }) {
                    seat.leaving = Some((vec![partition], answered));
                    let process = seat.process.clone();
                    self.note(format!("{process} is to let go of {partition}"));
                }
                // It goes to whoever is chosen when it is free.
                return true;
            }
        }
        let seat = &mut self.seats[to];
        if seat.is_busy() {
            return false;
        }
        let (reply, answered) = oneshot::channel();
        let partitions = vec![partition];
        if !seat.send(Event::Assigned { partitions, reply }) {
            return false;
        }
        seat.cursors.remove(&partition);
        seat.joining = Some((vec![partition], answered));
        let mut told = format!("{} gets {partition}", seat.process);
        if let Some(owner) = owner {
            self.seats[owner].lost.insert(partition);
            told = format!("{told}, and {} is not told", self.seats[owner].process);
        }
        self.note(told);
        true
    }

    /// The first partition that nobody of a group reads.
    pub fn unread_partition(&self, group: &str, partitions: i32) -> Option<i32> {
        let seats = self.seats_of(group);
        (0..partitions)
            .find(|partition| seats.iter().all(|seat| !self.seats[*seat].owns(*partition)))
    }
}

/// The log as one process sees it.
pub(crate) struct SimLog {
    pub shared: Shared,
    pub process: String,
}

fn unavailable(doing: &'static str) -> BusError {
    BusError::Unavailable {
        doing,
        source: Box::new(std::io::Error::from(std::io::ErrorKind::TimedOut)),
    }
}

fn known(topic: &str) -> Result<&'static str, BusError> {
    [RECEIVED_TOPIC, RESOLVED_TOPIC]
        .into_iter()
        .find(|known| *known == topic)
        .ok_or_else(|| BusError::UnknownTopic(topic.to_owned()))
}

impl World {
    pub fn append(&mut self, topic: &'static str, records: &[Outgoing]) -> Vec<(i32, i64)> {
        self.changed = true;
        let all = self.topics.get_mut(topic).expect("one of the two");
        let partitions = i32::try_from(all.len()).expect("few partitions");
        let places: Vec<(i32, i64)> = records
            .iter()
            .map(|record| {
                let partition = partition_of(&record.key, partitions);
                let held = &mut all[usize::try_from(partition).expect("not negative")];
                let offset = i64::try_from(held.len()).expect("few records");
                held.push(Record {
                    partition,
                    offset,
                    key: record.key.clone(),
                    value: record.value.clone(),
                    request_id: record.request_id.clone(),
                    appended_at_ms: 0,
                });
                (partition, offset)
            })
            .collect();
        for (place, record) in places.iter().zip(records) {
            if topic == RECEIVED_TOPIC {
                let read = Received::read(&record.value).ok();
                let read = read.map(|read| (read.signal, read.revision));
                self.received.insert(*place, read);
            } else {
                let read = Resolved::read(&record.value).ok().map(|read| {
                    let household = HouseholdId::from_uuid(read.household);
                    let signal = SignalId::from_uuid(read.signal);
                    (household, signal, (read.revision, read.filing))
                });
                self.resolved.insert(*place, read);
            }
        }
        places
    }
}

#[async_trait]
impl Backend for SimLog {
    async fn ensure_topics(&self, _topics: &[TopicSpec]) -> Result<(), BusError> {
        Ok(())
    }

    async fn topic(&self, name: &str) -> Result<TopicState, BusError> {
        others_turn().await;
        let topic = known(name)?;
        let world = &mut *self.shared.world();
        if world.dice.chance(world.faults.statement) {
            return Err(unavailable("asking for a topic"));
        }
        let ranges = (0..).zip(&world.topics[topic]).map(|(partition, records)| {
            let end = i64::try_from(records.len()).expect("few records");
            let is_read = world.is_read && topic == RESOLVED_TOPIC;
            let next = if is_read {
                world.tables.next_of(voorveld_correlator::STAGE, partition)
            } else {
                end
            };
            PartitionRange {
                partition,
                first: 0,
                next,
            }
        });
        Ok(TopicState {
            id: ID.to_owned(),
            partitions: ranges.collect(),
        })
    }

    async fn appended_at(
        &self,
        _topic: &str,
        _positions: &[(i32, i64)],
    ) -> Result<Vec<(i32, i64)>, BusError> {
        Ok(Vec::new())
    }

    async fn noted(&self, topic: &str, _group: &str) -> Result<Vec<(i32, i64)>, BusError> {
        others_turn().await;
        let topic = known(topic)?;
        let world = &mut *self.shared.world();
        if world.dice.chance(world.faults.statement) {
            return Err(unavailable("asking how far a group is"));
        }
        let noted = world.noted.iter().filter(|((of, _), _)| *of == topic);
        Ok(noted
            .map(|((_, partition), next)| (*partition, *next))
            .collect())
    }

    async fn append(
        &self,
        topic: &str,
        records: Vec<Outgoing>,
    ) -> Result<Vec<(i32, i64)>, BusError> {
        others_turn().await;
        let topic = known(topic)?;
        let places = {
            let world = &mut *self.shared.world();
            if world.dice.chance(world.faults.statement) {
                // Any of them may be held.
                let many = u32::try_from(records.len()).expect("few records");
                let held = world.dice.below(many + 1) as usize;
                world.append(topic, &records[..held]);
                world.note(format!("{}: the log holds {held} of {many}", self.process));
                return Err(unavailable("appending"));
            }
            let places = world.append(topic, &records);
            world.note(format!("{} appends {places:?}", self.process));
            if world.dice.chance(world.faults.answer) {
                return Err(unavailable("appending"));
            }
            places
        };
        others_turn().await;
        Ok(places)
    }

    async fn subscribe(
        &self,
        topic: &str,
        group: &str,
        _options: SubscribeOptions,
    ) -> Result<Subscription, BusError> {
        others_turn().await;
        let topic = known(topic)?;
        let (teller, events) = events();
        let index = {
            let world = &mut *self.shared.world();
            if world.dice.chance(world.faults.statement) {
                return Err(unavailable("joining"));
            }
            world.seats.push(Seat {
                process: self.process.clone(),
                group: group.to_owned(),
                topic,
                events: Some(teller),
                cursors: BTreeMap::new(),
                lost: BTreeSet::new(),
                joining: None,
                leaving: None,
                told_idle: false,
            });
            world.seats.len() - 1
        };
        let sitting = Sitting {
            shared: self.shared.clone(),
            index,
        };
        let progress = Progress::to(Arc::new(Noting {
            shared: self.shared.clone(),
            topic: known(topic)?,
        }));
        Ok(Subscription::new(events, progress, Box::new(sitting)))
    }

    async fn trim(&self) -> Result<u64, BusError> {
        Ok(0)
    }
}

/// Sits in a seat until it is closed or dropped.
struct Sitting {
    shared: Shared,
    index: usize,
}

impl Drop for Sitting {
    fn drop(&mut self) {
        self.shared.world().seats[self.index].events = None;
    }
}

#[async_trait]
impl Running for Sitting {
    async fn close(self: Box<Self>) {
        others_turn().await;
    }
}

/// What a reader tells the log; each topic has one group of readers.
struct Noting {
    shared: Shared,
    topic: &'static str,
}

impl ProgressSink for Noting {
    fn note(&self, positions: &[(i32, i64)]) {
        let world = &mut *self.shared.world();
        let noted = positions.iter();
        let noted = noted.map(|(partition, next)| ((self.topic, *partition), *next));
        world.noted.extend(noted);
    }
}
