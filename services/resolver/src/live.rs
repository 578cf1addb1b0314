//! The resolver's protocol: decide and commit, then produce, then mark as produced. Only committed decisions are ever produced.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use voorveld_bus::{Outgoing, Record};
use voorveld_chassis::Stopwatch;
use voorveld_chassis::retry::Backoff;
use voorveld_domain::{DebtorId, HouseholdId, Identity, MunicipalityCode};
use voorveld_linkage::{NormalAddress, Unplaceable, normalise, person_keys};
use voorveld_seal::OpenError;
use voorveld_stage::{StageError, Transaction as _, Work};
use voorveld_store::Store;
use voorveld_store::homes::{Home, NewHome};
use voorveld_store::households::{BlindKey, SealedRow};
use voorveld_store::positions::{Reader, Step};
use voorveld_store::queue::NewDeadLetter;
use voorveld_wire::signal_v1::{
    RECEIVED_TOPIC, RESOLVED_TOPIC, ReadError, Received, SealedIdentity, seal_context,
};

use crate::database::{Database, Decisions, Transaction as _};
use crate::decide::{Case, Outcome, Place, address_key, decide, lone_key, unplaced, version};
use crate::orders::{Orders, left_over, to_log};
use crate::{Parts, STAGE};

/// From so many batches of one partition each what was left over is produced at once.
const LEFTOVERS_PER_TURN: i64 = 16;
pub(crate) const READER: Reader<'static> = Reader {
    stage: STAGE,
    topic: RECEIVED_TOPIC,
};

/// The resolver at work on the partitions it owns.
pub struct Resolver<D = Store> {
    pub(crate) parts: Arc<Parts<D>>,
    draining: CancellationToken,
    /// When it last looked who has become too old.
    pub(crate) looked: Option<Stopwatch>,
    /// Turns of what was produced and acknowledged, to be marked with the next commit.
    produced: Vec<i64>,
}

/// A record that was read and opened.
struct Opened<'a> {
    record: &'a Record,
    received: Received,
    municipality: MunicipalityCode,
    envelope: Option<Vec<u8>>,
    place: Result<NormalAddress, &'static str>,
    address_key: Option<BlindKey>,
    person_keys: Vec<BlindKey>,
    ends_on: Option<Date>,
}

enum Unread {
    Poison(&'static str, bool),
    NotForUs(String),
}

impl<D: Database> Resolver<D> {
    /// A resolver that has read nothing yet.
    #[must_use]
    pub fn new(parts: impl Into<Arc<Parts<D>>>, draining: CancellationToken) -> Self {
        Self {
            parts: parts.into(),
            draining,
            looked: None,
            produced: Vec::new(),
        }
    }

    fn open<'a>(&self, record: &'a Record) -> Result<Opened<'a>, Unread> {
        let received = Received::read(&record.value).map_err(|error| match error {
            ReadError::UnknownVersion(_) => Unread::NotForUs(error.to_string()),
            ReadError::Unreadable => Unread::Poison("unreadable", false),
        })?;
        let withdrawal = received.withdrawn.is_some();
        let municipality: MunicipalityCode = received
            .municipality
            .parse()
            .map_err(|_| Unread::Poison("bad_municipality", withdrawal))?;
        let mut opened = Opened {
            record,
            municipality,
            envelope: None,
            place: Err(unplaced::NO_ADDRESS),
            address_key: None,
            person_keys: Vec::new(),
            ends_on: None,
            received,
        };
        if let Some(sealed) = &opened.received.sealed {
            let envelope = STANDARD
                .decode(sealed)
                .map_err(|_| Unread::Poison("envelope_unreadable", withdrawal))?;
            let identity = self.identity(&opened.received, &envelope)?;
            opened.place = normalise(&identity.address).map_err(|error| match error {
                Unplaceable::NoPostcode | Unplaceable::NoHouseNumber => unplaced::NO_ADDRESS,
                _ => unplaced::BAD_ADDRESS,
            });
            opened.ends_on = identity
                .birth_date
                .zip(opened.received.content.as_ref())
                .and_then(|(born_on, content)| {
                    (self.parts.ends_on)(&opened.received.kind, content.event_date, born_on)
                });
            opened.address_key = opened.place.as_ref().ok().map(|address| {
                (
                    municipality,
                    address_key(&self.parts.address_index, &municipality, address),
                )
            });
            opened.person_keys = person_keys(&identity)
                .iter()
                .map(|key| {
                    let parts = [municipality.as_str().as_bytes(), key.expose().as_bytes()];
                    (municipality, self.parts.person_index.index(&parts))
                })
                .collect();
            opened.envelope = Some(envelope);
        }
        Ok(opened)
    }

    fn identity(&self, received: &Received, envelope: &[u8]) -> Result<Identity, Unread> {
        let context = seal_context(received.signal, received.revision);
        let plain = self
            .parts
            .opener
            .open(envelope, &context)
            .map_err(|error| match error {
                OpenError::UnknownKey(_) => Unread::NotForUs(error.to_string()),
                _ => Unread::Poison("envelope_refused", false),
            })?;
        serde_json::from_slice::<SealedIdentity>(&plain)
            .map(|sealed| sealed.identity())
            .map_err(|_| Unread::Poison("identity_unreadable", false))
    }

    /// Opens every record; what cannot be read is put aside with a reason, what another release would read stops the partition.
    fn read<'a>(
        &self,
        records: &'a [Record],
    ) -> Result<(Vec<Opened<'a>>, Vec<NewDeadLetter>), StageError> {
        let mut opened = Vec::with_capacity(records.len());
        let mut letters = Vec::new();
        for record in records {
            match self.open(record) {
                Ok(one) => opened.push(one),
                Err(Unread::Poison(reason, withdrawal)) => {
                    if withdrawal {
                        tracing::error!(
                            partition = record.partition,
                            offset = record.offset,
                            reason,
                            "a withdrawal could not be read: it must be seen to by hand"
                        );
                    }
                    letters.push(NewDeadLetter {
                        id: Uuid::new_v4(),
                        stage: STAGE,
                        topic: RECEIVED_TOPIC,
                        partition: record.partition,
                        offset: record.offset,
                        key: record.key.to_vec(),
                        payload: record.value.to_vec(),
                        request_id: record.request_id.clone(),
                        reason,
                        withdrawal,
                    });
                }
                Err(Unread::NotForUs(what)) => {
                    return Err(StageError::NotForUs {
                        topic: RECEIVED_TOPIC,
                        partition: record.partition,
                        offset: record.offset,
                        what,
                    });
                }
            }
        }
        Ok((opened, letters))
    }

    /// The debtor of each record: by BSN, else by name, else somebody new; unknown stays unknown (S7).
    async fn debtors(
        &self,
        tx: &mut D::Tx,
        opened: &[Opened<'_>],
    ) -> Result<Vec<Option<DebtorId>>, StageError> {
        let version = version(&self.parts.person_index);
        let keys: BTreeSet<BlindKey> = opened
            .iter()
            .flat_map(|one| one.person_keys.iter().copied())
            .collect();
        let mut known = tx
            .known_debtors(&version, &keys.iter().copied().collect::<Vec<_>>())
            .await?;
        let mut fresh: Vec<(BlindKey, DebtorId)> = Vec::new();
        for one in opened {
            let found = one
                .person_keys
                .iter()
                .find_map(|key| known.get(key).copied());
            let debtor = found.unwrap_or_else(|| DebtorId::from_uuid((self.parts.fresh_id)()));
            for key in &one.person_keys {
                known.entry(*key).or_insert_with(|| {
                    fresh.push((*key, debtor));
                    debtor
                });
            }
        }
        known.extend(tx.new_debtors(&version, &fresh).await?);
        Ok(opened
            .iter()
            .map(|one| {
                one.person_keys
                    .first()
                    .and_then(|key| known.get(key).copied())
            })
            .collect())
    }

    /// Where each record's identity points.
    async fn places(
        &self,
        tx: &mut D::Tx,
        opened: &[Opened<'_>],
        debtors: &[Option<DebtorId>],
    ) -> Result<Vec<Place>, StageError> {
        let version = version(&self.parts.address_index);
        let addresses: BTreeSet<BlindKey> =
            opened.iter().filter_map(|one| one.address_key).collect();
        let addresses: Vec<BlindKey> = addresses.into_iter().collect();
        let excluded: BTreeSet<BlindKey> = tx
            .excluded_among(&version, &addresses)
            .await?
            .into_iter()
            .collect();
        let keys: Vec<Result<BlindKey, &'static str>> = opened
            .iter()
            .zip(debtors)
            .map(|(one, debtor)| match (one.address_key, &one.place) {
                (None, Err(reason)) => Err(*reason),
                (None, Ok(_)) => Err(unplaced::NO_ADDRESS),
                (Some(key), _) if excluded.contains(&key) => debtor
                    .map(|debtor| (key.0, lone_key(&self.parts.address_index, &key.1, debtor)))
                    .ok_or(unplaced::EXCLUDED_ADDRESS),
                (Some(key), _) => Ok(key),
            })
            .collect();
        let wanted: BTreeSet<BlindKey> = keys.iter().filter_map(|key| key.ok()).collect();
        let proposed: Vec<(BlindKey, HouseholdId)> = wanted
            .into_iter()
            .map(|key| (key, HouseholdId::from_uuid((self.parts.fresh_id)())))
            .collect();
        let households = tx
            .households_of(&version, &proposed, self.parts.clock.now())
            .await?;
        Ok(keys
            .into_iter()
            .map(|key| match key {
                Ok(key) => Place::Household(households[&key]),
                Err(reason) => Place::Nowhere(reason),
            })
            .collect())
    }

    /// Step 0: who and where, in a transaction of its own. Two owners that meet the same new person or address wait for each other until the one commits:
    /// so that is soon. What is known without a signal, because we stop here, is what the next owner of the same records finds.
    async fn recognise(
        &self,
        opened: &[Opened<'_>],
    ) -> Result<(Vec<Option<DebtorId>>, Vec<Place>), StageError> {
        if opened.is_empty() {
            return Ok((Vec::new(), Vec::new()));
        }
        let mut tx = self.parts.store.begin("recognise").await?;
        let debtors = self.debtors(&mut tx, opened).await?;
        let places = self.places(&mut tx, opened, &debtors).await?;
        tx.commit().await?;
        Ok((debtors, places))
    }

    /// Step 1: everything that is decided, in one transaction with the position.
    async fn commit(
        &mut self,
        steps: &[Step],
        opened: &[Opened<'_>],
        letters: &[NewDeadLetter],
    ) -> Result<(Vec<i64>, Vec<Outgoing>), StageError> {
        let (debtors, places) = self.recognise(opened).await?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin("resolve").await?;
        tx.advance_positions(READER, steps, now).await?;
        tx.mark_produced(&self.produced).await?;
        let signals: Vec<Uuid> = opened.iter().map(|one| one.received.signal).collect();
        let mut homes: HashMap<Uuid, Home> = tx.homes(&signals).await?;
        let today = self.parts.clock.today();
        let mut filed: Vec<NewHome> = Vec::new();
        let mut sealed: HashMap<(Uuid, u32), SealedRow> = HashMap::new();
        let mut orders = Orders::default();
        let mut outgoing = Vec::new();
        let mut outcomes: HashMap<&'static str, usize> = HashMap::new();
        for ((one, place), debtor) in opened.iter().zip(places).zip(debtors) {
            let area =
                one.place.as_ref().ok().map(|address| {
                    (self.parts.area_of)(&one.municipality, address.postcode_digits())
                });
            let case = Case {
                received: &one.received,
                partition: one.record.partition,
                request_id: one.record.request_id.as_deref(),
                place: if one.ends_on.is_some_and(|end| end <= today) {
                    Place::Nowhere(unplaced::PAST_AGE)
                } else {
                    place
                },
                debtor,
                area,
                ends_on: one.ends_on,
            };
            let (outcome, decided) = decide(&case, homes.get(&one.received.signal));
            *outcomes.entry(outcome.code()).or_default() += 1;
            debug_assert!(decided.is_some() || outcome == Outcome::Repeated);
            let Some((home, records)) = decided else {
                continue;
            };
            if let Some(envelope) = &one.envelope {
                sealed.insert(
                    (one.received.signal, one.received.revision),
                    SealedRow {
                        signal: one.received.signal,
                        revision: one.received.revision,
                        envelope: envelope.clone(),
                        received_at: one.received.received_at,
                    },
                );
            }
            homes.insert(one.received.signal, home.home.clone());
            orders.add(&home, case.request_id, &records);
            outgoing.extend(
                records
                    .iter()
                    .map(|record| to_log(record, one.record.request_id.clone())),
            );
            filed.push(home);
        }
        let mut sealed: Vec<SealedRow> = sealed.into_values().collect();
        sealed.sort_unstable_by_key(|row| (row.signal, row.revision));
        let decisions = Decisions {
            sealed,
            filed,
            to_produce: orders.finish(),
            put_aside: letters,
        };
        let turns = tx.write(&decisions, now).await?;
        tx.commit().await?;
        self.produced.clear();
        for (outcome, number) in outcomes {
            self.parts.metrics.count(outcome, number);
        }
        self.parts.metrics.count("dead_lettered", letters.len());
        Ok((turns, outgoing))
    }

    /// Step 2: produce what was committed. Repeats until the log has it; when we are asked to stop first, the rows stay and the next
    /// owner produces them.
    async fn produce(
        &mut self,
        turns: Vec<i64>,
        outgoing: Vec<Outgoing>,
    ) -> Result<(), StageError> {
        let mut backoff = Backoff::default();
        loop {
            match self
                .parts
                .log
                .append(RESOLVED_TOPIC, outgoing.clone())
                .await
            {
                Ok(_) => {
                    self.produced.extend(turns);
                    return Ok(());
                }
                Err(error) if error.is_transient() => {
                    tracing::warn!(
                        error = &error as &dyn Error,
                        records = outgoing.len(),
                        "producing failed for now and is repeated"
                    );
                    if !backoff.pause(&self.draining).await {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[async_trait]
impl<D: Database> Work for Resolver<D> {
    async fn batch(&mut self, steps: &[Step], records: &[Record]) -> Result<(), StageError> {
        let (opened, letters) = self.read(records)?;
        let (turns, outgoing) = self.commit(steps, &opened, &letters).await?;
        self.produce(turns, outgoing).await
    }

    async fn claimed(&mut self, held: &[Step]) -> Result<(), StageError> {
        // Nobody looked in what came just now.
        self.looked = None;
        self.quiet(held).await.map(drop)
    }

    async fn quiet(&mut self, held: &[Step]) -> Result<bool, StageError> {
        self.end_past_age(held).await?;
        let partitions: Vec<i32> = held.iter().map(|step| step.partition).collect();
        // Nothing to do is the rule: then nothing is written either.
        let nothing =
            self.produced.is_empty() && !self.parts.store.is_unproduced(&partitions).await?;
        if nothing {
            return Ok(false);
        }
        loop {
            let mut tx = self.parts.store.begin("produce").await?;
            tx.advance_positions(READER, held, self.parts.clock.now())
                .await?;
            tx.mark_produced(&self.produced).await?;
            let left = tx.unproduced(&partitions, LEFTOVERS_PER_TURN).await?;
            tx.commit().await?;
            self.produced.clear();
            if left.is_empty() {
                return Ok(false);
            }
            let turns = left.iter().map(|one| one.turn).collect();
            let outgoing: Vec<Vec<Outgoing>> =
                left.iter().map(left_over).collect::<Result<_, _>>()?;
            let outgoing = outgoing.concat();
            tracing::info!(
                records = outgoing.len(),
                "producing what an owner before us had decided"
            );
            self.produce(turns, outgoing).await?;
            if self.draining.is_cancelled() {
                return Ok(false);
            }
        }
    }

    async fn between(&mut self, _held: &[Step]) -> Result<(), StageError> {
        Ok(())
    }

    fn forget(&mut self) {
        // What was produced but not marked is produced once more by whoever comes: a repeat changes nothing.
        self.produced.clear();
    }
}
