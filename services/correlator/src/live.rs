//! The correlator's protocol: decode, load, judge record by record, write everything in one transaction with the position.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use uuid::Uuid;
use voorveld_bus::Record;
use voorveld_chassis::Stopwatch;
use voorveld_detect::{Signal, Timeline};
use voorveld_domain::{DebtorId, Filing, HouseholdId, MunicipalityCode, SignalId, TaskId};
use voorveld_stage::{STILL_AT_WORK_EVERY, Share, StageError, Transaction as _, Work};
use voorveld_store::Store;
use voorveld_store::judgements::{Hearing, Judged, SuppressionRow};
use voorveld_store::positions::{Reader, Step};
use voorveld_store::queue::NewDeadLetter;
use voorveld_store::timelines::TimelineRow;
use voorveld_store::wake_ups::{BACKLOG, EXPIRY, FEED, NEXT_LOOK, RULES, Taken, WakeUp};
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC, ReadError, Resolved};

use crate::apply::{Cause, Writes, apply};
use crate::database::{Database, Judgements, Transaction};
use crate::feeds::FeedsOf;
use crate::household::{Absorbed, Household, Remembered};
use crate::memory::Memory;
use crate::rules::RulesInForce;
use crate::{Parts, STAGE, convert, shadow};
use voorveld_recall::Registered;

const READER: Reader<'static> = Reader {
    stage: STAGE,
    topic: RESOLVED_TOPIC,
};
/// A day that has waited this long for the stages before us wants somebody to look: meanwhile no cooldown ends and nothing escalates. By the wall, since
/// a demo's clock jumps.
const WAITING_ALARM: Duration = Duration::from_mins(15);
/// The stage before this one: a day is judged when it, too, has read what came in before (T6).
const BEFORE_US: Reader<'static> = Reader {
    stage: "resolver",
    topic: RECEIVED_TOPIC,
};

/// The correlator at work on the partitions it owns.
pub struct Correlator<D = Store> {
    parts: Parts<D>,
    rules: RulesInForce,
    memory: Memory,
    cached_signals: Share,
    cached_bytes: Share,
    /// How far the feeds are complete, as the batch at hand was told; empty while no rule asks.
    feeds: FeedsOf,
    /// Since when a day that came waits for the stages before us, and whether somebody was told.
    waiting: Option<(Stopwatch, bool)>,
}

/// A household that is to be judged.
struct Touched {
    partition: i32,
    municipality: MunicipalityCode,
    /// What records say something about.
    signals: Vec<SignalId>,
    /// It is to let go of what expired.
    expires: bool,
}

impl Touched {
    const fn new(partition: i32, municipality: MunicipalityCode) -> Self {
        Self {
            partition,
            municipality,
            signals: Vec::new(),
            expires: false,
        }
    }

    /// Whether what was kept of it says enough: a copy that is superseded or erased is written as it was stored, so then its rows are read.
    fn does_with(&self, memory: &Remembered) -> bool {
        let is_news = |signal: &SignalId| !memory.has_no_row(*signal);
        !self.expires && self.signals.iter().all(is_news)
    }
}

/// A record that was read.
struct Read<'a> {
    record: &'a Record,
    resolved: Resolved,
    household: HouseholdId,
    municipality: MunicipalityCode,
}

impl<D: Database> Correlator<D> {
    /// A correlator that has read nothing yet.
    #[must_use]
    pub fn new(parts: Parts<D>) -> Self {
        let rules = RulesInForce::new(Arc::clone(&parts.policy));
        Self {
            cached_signals: Share::of(parts.metrics.cached_signals.clone()),
            cached_bytes: Share::of(parts.metrics.cached_bytes.clone()),
            memory: Memory::bounded(&rules.fields_read(), parts.cached_bytes),
            parts,
            rules,
            feeds: FeedsOf::default(),
            waiting: None,
        }
    }

    /// Reads every record; what cannot be read is put aside, what another release would read stops the partition.
    fn read(records: &[Record]) -> Result<(Vec<Read<'_>>, Vec<NewDeadLetter>), StageError> {
        let mut read = Vec::with_capacity(records.len());
        let mut letters = Vec::new();
        for record in records {
            match Resolved::read(&record.value) {
                Ok(resolved) => match resolved.municipality.parse() {
                    Ok(municipality) => read.push(Read {
                        record,
                        household: HouseholdId::from_uuid(resolved.household),
                        municipality,
                        resolved,
                    }),
                    Err(_) => {
                        letters.push(dead_letter(record, "bad_municipality", resolved.withdrawn));
                    }
                },
                Err(ReadError::Unreadable) => {
                    letters.push(dead_letter(record, "unreadable", false));
                }
                Err(error @ ReadError::UnknownVersion(_)) => {
                    return Err(StageError::NotForUs {
                        topic: RESOLVED_TOPIC,
                        partition: record.partition,
                        offset: record.offset,
                        what: error.to_string(),
                    });
                }
            }
        }
        Ok((read, letters))
    }

    /// Loads the touched households: timelines from memory or one query, the rest under lock from the database (K3).
    async fn load(
        &mut self,
        tx: &mut D::Tx,
        touched: &BTreeMap<HouseholdId, Touched>,
        mut moved: BTreeMap<HouseholdId, BTreeSet<SignalId>>,
        mut debtors: BTreeSet<DebtorId>,
        wake_ups: &[WakeUp],
    ) -> Result<BTreeMap<HouseholdId, Household>, StageError> {
        if self.rules.ask_feeds() {
            self.feeds.refresh(tx).await?;
        }
        let ids: Vec<HouseholdId> = touched.keys().copied().collect();
        let mut memories: HashMap<HouseholdId, Remembered> = HashMap::new();
        let mut crowded = BTreeSet::new();
        let mut missing = Vec::new();
        for (id, one) in touched {
            // Taken out of the cache: it goes back when the commit has succeeded.
            match self.memory.take(*id) {
                Some(memory) if one.does_with(&memory) => {
                    memories.insert(*id, memory);
                }
                found => {
                    missing.push(*id);
                    crowded.extend(found.filter(|memory| memory.crowded_told).map(|_| *id));
                }
            }
        }
        self.parts
            .metrics
            .cache
            .with_label_values(&["found"])
            .inc_by((ids.len() - missing.len()) as u64);
        self.parts
            .metrics
            .cache
            .with_label_values(&["loaded"])
            .inc_by(missing.len() as u64);
        let mut known = tx.known(&ids, &missing, wake_ups).await?;
        for row in known.timelines {
            let partition = touched[&row.household].partition;
            memories
                .entry(row.household)
                // Whose it is says what is stored, not the record at hand.
                .or_insert_with(|| Remembered {
                    crowded_told: crowded.contains(&row.household),
                    ..Remembered::new(partition, row.municipality)
                })
                .absorb(row)?;
        }
        let mut households = BTreeMap::new();
        for (id, one) in touched {
            let (id, memory) = (*id, memories.remove(id));
            let memory = memory.unwrap_or_else(|| Remembered::new(one.partition, one.municipality));
            let is_moved = |signal: &&Signal| Filing::FIRST < signal.filing;
            for signal in memory.timeline.iter().filter(is_moved) {
                moved.entry(id).or_default().insert(signal.id);
            }
            debtors.extend(memory.debtors());
            let stored = known.tasks.remove(&id).unwrap_or_default();
            let as_of = known.judged.get(&id).map(|judged| judged.as_of);
            let held = known.held.get(&id).copied();
            let household = Household::stored(id, memory, as_of, &stored, held)?;
            households.insert(id, household);
        }
        let standing = tx.standing_registrations(&ids, &debtors).await?;
        if !standing.is_empty() {
            let registered: Arc<Registered> = Arc::new(standing.into_iter().collect());
            for household in households.values_mut() {
                household.registered = Arc::clone(&registered);
            }
        }
        hear_of_results(tx, &mut households, &moved).await?;
        Ok(households)
    }

    /// Judges one household as of a day and applies what is planned.
    fn judge(
        &self,
        household: &mut Household,
        as_of: Date,
        cause: &Cause<'_>,
        writes: &mut Writes,
    ) {
        let rules = self.rules.of(household.memory.partition);
        let ruling = self.rules.ruling();
        let feeds = self.feeds.of(household.memory.municipality);
        household.judge(rules, ruling.calendar(), ruling.retention(), feeds, as_of);
        let metrics = &self.parts.metrics;
        for one in &household.plan.suppressed {
            metrics.suppressed.with_label_values(&[one.by.code()]).inc();
        }
        apply(household, cause, ruling, rules, writes, |change| {
            metrics.task_changes.with_label_values(&[change]).inc();
        });
    }

    /// Everything that was judged, to be written.
    fn judgements(
        &self,
        households: &BTreeMap<HouseholdId, Household>,
        writes: Writes,
    ) -> Judgements<'_> {
        let timelines: Vec<TimelineRow> = households
            .values()
            .flat_map(|one| {
                one.touched
                    .iter()
                    .filter_map(|signal| one.memory.rows.get(signal).cloned())
            })
            .collect();
        let mut all = Judgements {
            rule_set: self.rules.hash(),
            superseded: writes.superseded,
            timelines,
            raised: writes.raised,
            grounds: writes.grounds.into_values().collect(),
            gone: writes.gone.into_values().collect(),
            events: writes.events,
            holds: writes.holds,
            erased: writes.erased,
            ..Judgements::default()
        };
        let mut shadow_rows = Vec::new();
        for one in households.values() {
            let Some(findings) = &one.findings else {
                continue;
            };
            let found = findings.matches().map(|found| one.match_row(found));
            all.matches.extend(found);
            let muted = one.plan.suppressed.iter().map(|muted| SuppressionRow {
                household: one.id,
                rule: muted.rule.clone(),
                anchor: muted.anchor.to_string(),
                municipality: one.memory.municipality,
                reason: muted.by.code(),
                as_of: findings.as_of(),
            });
            all.suppressions.extend(muted);
            let next_look = one.next_look();
            debug_assert!(
                next_look.is_none_or(|due| findings.as_of() < due),
                "a day to come"
            );
            if one.is_first {
                all.first.insert(one.id);
            }
            all.judged.push((
                one.id,
                one.memory.municipality,
                one.memory.partition,
                Judged {
                    as_of: findings.as_of(),
                    next_look,
                    awaits_feeds: findings.awaits_feeds(),
                },
            ));
            let mut looks = vec![next_look];
            if let Some(shadow) = self.rules.shadow()
                && let Some((rules, ruling)) = shadow.of(one.memory.partition)
            {
                let feeds = self.feeds.of(one.memory.municipality);
                let (rows, shadow_look) = shadow::judge(one, rules, ruling, feeds);
                shadow_rows.extend(rows);
                looks.push(shadow_look.filter(|_| shadow_look != next_look));
            }
            let looks = looks.into_iter().flatten().map(|due| WakeUp {
                due,
                household: one.id,
                partition: one.memory.partition,
                reason: NEXT_LOOK.to_owned(),
            });
            all.wake_ups.extend(looks);
        }
        let shadow = self.rules.shadow().map(|shadow| shadow.publication);
        all.shadow = shadow.map(|publication| (publication, shadow_rows));
        let fresh: BTreeSet<TaskId> = all.raised.iter().map(|task| task.id).collect();
        all.changed = households
            .values()
            .flat_map(|one| one.becomes.iter().map(|(task, becomes)| (*task, *becomes)))
            .filter(|(task, _)| !fresh.contains(task))
            .collect();
        for task in &mut all.raised {
            task.becomes = households[&task.household].becomes[&task.id];
        }
        all
    }

    fn remember(&mut self, households: BTreeMap<HouseholdId, Household>) {
        for (id, mut household) in households {
            let is_crowded = household.memory.timeline.len() > Timeline::CROWDED_SIGNALS;
            if is_crowded && !std::mem::replace(&mut household.memory.crowded_told, true) {
                self.parts.metrics.crowded.inc();
                tracing::warn!(
                    household = %id,
                    signals = household.memory.timeline.len(),
                    "a household has more signals than a household has: perhaps an institution that belongs on the list of excluded addresses (K14)"
                );
            }
            self.memory.put(id, &household.memory);
        }
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.cached_signals.set(number(self.memory.signals()));
        self.cached_bytes.set(number(self.memory.bytes()));
    }

    /// Whether everything that the gateway took until now was read, placed and judged, as far as it is ours to judge (T6).
    async fn has_read_everything(&self, held: &[Step]) -> Result<bool, StageError> {
        // The order matters: when the stage before us is done, whatever it wrote is in our log before we look how long that is.
        let received = self.parts.log.topic(RECEIVED_TOPIC).await?;
        let until: Vec<(i32, i64)> = received
            .partitions
            .iter()
            .map(|range| (range.partition, range.next))
            .collect();
        if !self.parts.store.has_resolved(BEFORE_US, &until).await? {
            return Ok(false);
        }
        let resolved = self.parts.log.topic(RESOLVED_TOPIC).await?;
        Ok(held.iter().all(|step| {
            resolved
                .partitions
                .iter()
                .any(|range| range.partition == step.partition && range.next <= step.from)
        }))
    }

    async fn due(&self, held: &[Step], apart_from: &[&str]) -> Result<Vec<WakeUp>, StageError> {
        let partitions: Vec<i32> = held.iter().map(|step| step.partition).collect();
        let today = self.parts.clock.today();
        Ok(self
            .parts
            .store
            .due_wake_ups(&partitions, today, apart_from)
            .await?)
    }

    /// Says for how long a day that came has waited for the stages before us, and raises an alarm when that is too long.
    fn tell_waiting(&mut self) {
        let (since, told) = self
            .waiting
            .get_or_insert_with(|| (Stopwatch::start(), false));
        let waited = since.elapsed();
        let seconds = i64::try_from(waited.as_secs()).unwrap_or(i64::MAX);
        self.parts.metrics.waiting_seconds.set(seconds);
        if WAITING_ALARM < waited && !std::mem::replace(told, true) {
            tracing::error!(
                seconds,
                "a day that came waits for the resolver: nothing escalates and no cooldown ends until it has read what came in before"
            );
        }
    }

    fn stop_waiting(&mut self) {
        // What another reader told stands.
        if self.waiting.take().is_some() {
            self.parts.metrics.waiting_seconds.set(0);
        }
    }

    /// Looks whether something was published, outside any transaction.
    async fn pick_up(&mut self) -> Result<(), StageError> {
        let (store, metrics) = (&self.parts.store, &self.parts.metrics);
        self.rules.pick_up(store, metrics).await?;
        self.memory.read(&self.rules.fields_read());
        Ok(())
    }

    /// Puts the rules in force in every partition that does not know them yet.
    async fn settle(&mut self, held: &[Step]) -> Result<(), StageError> {
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin("claim").await?;
        tx.advance_positions(READER, held, now).await?;
        self.rules.prepare(&mut tx, held, now).await?;
        Ok(tx.commit().await?)
    }

    /// Judges the households whose day has come, one transaction for the lot. Says whether there were any.
    async fn wake(&mut self, held: &[Step], due: Vec<WakeUp>) -> Result<bool, StageError> {
        // One day at a time: a later day is judged after what the earlier one did is committed.
        let Some(day) = due.first().map(|wake| wake.due) else {
            return Ok(false);
        };
        let due: Vec<WakeUp> = due.into_iter().filter(|wake| wake.due == day).collect();
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin("wake").await?;
        tx.advance_positions(READER, held, now).await?;
        self.rules.prepare(&mut tx, held, now).await?;
        let ids: Vec<HouseholdId> = due.iter().map(|wake| wake.household).collect();
        let known: HashMap<HouseholdId, MunicipalityCode> =
            tx.municipalities_of(&ids).await?.into_iter().collect();
        let mut touched: BTreeMap<HouseholdId, Touched> = BTreeMap::new();
        for wake in &due {
            if let Some(code) = known.get(&wake.household) {
                touched
                    .entry(wake.household)
                    .or_insert_with(|| Touched::new(wake.partition, *code))
                    .expires |= wake.reason == EXPIRY;
            }
        }
        let mut households = self
            .load(&mut tx, &touched, BTreeMap::new(), BTreeSet::new(), &due)
            .await?;
        let mut writes = Writes::default();
        let mut taken = Vec::new();
        let mut silence = Stopwatch::start();
        for wake in &due {
            break_silence(&mut tx, &mut silence).await?;
            let Some(household) = households.get_mut(&wake.household) else {
                continue;
            };
            let as_of = household.as_of.map_or(day, |last| last.max(day));
            let cause = Cause::wake_up(day, &wake.reason);
            let events = writes.events.len();
            self.judge(household, as_of, &cause, &mut writes);
            if wake.reason == EXPIRY {
                let over = household
                    .memory
                    .erase_expired(self.rules.ruling().retention(), as_of);
                writes.erased.extend(over);
            }
            // A new set of rules wakes everybody, and most for nothing.
            if wake.reason != RULES || events < writes.events.len() {
                taken.push(Taken {
                    wake,
                    came_before: household.memory.came_before(),
                });
            }
        }
        let erased = writes.erased.len() as u64;
        tx.write(&self.judgements(&households, writes), now).await?;
        tx.note_wake_ups(&taken, now).await?;
        tx.commit().await?;
        self.parts.metrics.wake_ups.inc_by(due.len() as u64);
        self.parts.metrics.expired.inc_by(erased);
        tracing::info!(households = due.len(), %day, "households judged without a signal");
        self.remember(households);
        Ok(true)
    }
}

#[async_trait]
impl<D: Database> Work for Correlator<D> {
    async fn batch(&mut self, steps: &[Step], records: &[Record]) -> Result<(), StageError> {
        let (read, mut letters) = Self::read(records)?;
        let mut touched: BTreeMap<HouseholdId, Touched> = BTreeMap::new();
        let mut moved: BTreeMap<HouseholdId, BTreeSet<SignalId>> = BTreeMap::new();
        let mut debtors = BTreeSet::new();
        for one in &read {
            debtors.extend(one.resolved.debtor.map(DebtorId::from_uuid));
            let signal = SignalId::from_uuid(one.resolved.signal);
            touched
                .entry(one.household)
                .or_insert_with(|| Touched::new(one.record.partition, one.municipality))
                .signals
                .push(signal);
            if one.resolved.filing > 1 {
                moved.entry(one.household).or_default().insert(signal);
            }
        }
        self.pick_up().await?;
        let now = self.parts.clock.now();
        let mut tx = self.parts.store.begin("correlate").await?;
        tx.advance_positions(READER, steps, now).await?;
        self.rules.prepare(&mut tx, steps, now).await?;
        let mut households = self.load(&mut tx, &touched, moved, debtors, &[]).await?;
        let mut writes = Writes::default();
        let (mut absorbed, mut repeated) = (0_u64, 0_u64);
        let mut silence = Stopwatch::start();
        for one in &read {
            break_silence(&mut tx, &mut silence).await?;
            let household = households
                .get_mut(&one.household)
                .expect("every touched household was loaded");
            if household.memory.municipality != one.municipality {
                letters.push(dead_letter(
                    one.record,
                    "foreign_municipality",
                    one.resolved.withdrawn,
                ));
                continue;
            }
            let signal = SignalId::from_uuid(one.resolved.signal);
            let known = household.memory.rows.get(&signal);
            let row = match convert::row(
                &one.resolved,
                known,
                one.record.request_id.as_deref(),
                one.record.offset,
            ) {
                Ok(row) => row,
                Err(reason) => {
                    letters.push(dead_letter(one.record, reason, one.resolved.withdrawn));
                    continue;
                }
            };
            if convert::signal(&row).is_err() {
                letters.push(dead_letter(
                    one.record,
                    "bad_fields",
                    one.resolved.withdrawn,
                ));
                continue;
            }
            let cause = Cause::record(&row, one.record.request_id.as_deref());
            match household.absorb(row)? {
                Absorbed::Repeat => {
                    repeated += 1;
                    continue;
                }
                Absorbed::New => {}
                // What was known until now is still asked for by a replay (T2).
                Absorbed::Instead(before) => writes.superseded.push(*before),
            }
            absorbed += 1;
            let as_of = convert::as_of(one.resolved.received_at, household.as_of);
            self.judge(household, as_of, &cause, &mut writes);
        }
        tx.write(&self.judgements(&households, writes), now).await?;
        tx.put_aside(&letters, now).await?;
        tx.commit().await?;
        let metrics = &self.parts.metrics;
        metrics
            .records
            .with_label_values(&["absorbed"])
            .inc_by(absorbed);
        metrics
            .records
            .with_label_values(&["repeated"])
            .inc_by(repeated);
        metrics
            .records
            .with_label_values(&["dead_lettered"])
            .inc_by(letters.len() as u64);
        for letter in letters.iter().filter(|letter| letter.withdrawal) {
            tracing::error!(
                partition = letter.partition,
                offset = letter.offset,
                reason = letter.reason,
                "a withdrawal could not be read: it must be seen to by hand"
            );
        }
        self.remember(households);
        Ok(())
    }

    async fn claimed(&mut self, held: &[Step]) -> Result<(), StageError> {
        // Which rules judge is settled before the first record; a day that came waits for the records before it (T6). The owner before us may have
        // put in force what was published a moment ago.
        self.rules.look_at_once();
        self.pick_up().await?;
        self.settle(held).await
    }

    async fn quiet(&mut self, held: &[Step]) -> Result<bool, StageError> {
        self.pick_up().await?;
        if self.rules.must_prepare(held) {
            self.settle(held).await?;
        }
        // A day waits for the records before it (T6), and so does a feed that is complete; what a person did and what the rules say do not.
        let due = self.due(held, &[NEXT_LOOK, FEED, EXPIRY]).await?;
        if !due.is_empty() {
            return self.wake(held, due).await;
        }
        let due = self.due(held, &[]).await?;
        if due.is_empty() || self.has_read_everything(held).await? {
            self.stop_waiting();
            return self.wake(held, due).await;
        }
        self.tell_waiting();
        Ok(false)
    }

    async fn between(&mut self, held: &[Step]) -> Result<(), StageError> {
        // Somebody waits at a screen for what they did; rules and days can wait until the backlog is worked off.
        let due = self
            .due(held, &[NEXT_LOOK, FEED, RULES, BACKLOG, EXPIRY])
            .await?;
        self.wake(held, due).await.map(drop)
    }

    fn forget(&mut self) {
        self.memory.forget();
        self.rules.forget();
        // Whose day waits is the next owner's to say.
        self.stop_waiting();
    }
}

/// Says now and then that somebody is at work, lest the server takes it for gone.
async fn break_silence(
    tx: &mut impl Transaction,
    silence: &mut Stopwatch,
) -> Result<(), StageError> {
    if STILL_AT_WORK_EVERY < silence.elapsed() {
        tx.still_at_work().await?;
        *silence = Stopwatch::start();
    }
    Ok(())
}

/// Tells households what became of their signals on tasks elsewhere (K4), and notes it where it is news.
async fn hear_of_results(
    tx: &mut impl Transaction,
    households: &mut BTreeMap<HouseholdId, Household>,
    moved: &BTreeMap<HouseholdId, BTreeSet<SignalId>>,
) -> Result<(), StageError> {
    let signals: BTreeSet<SignalId> = moved.values().flatten().copied().collect();
    if signals.is_empty() {
        return Ok(());
    }
    let signals: Vec<SignalId> = signals.into_iter().collect();
    for (home, purpose, signal) in tx.answered(&signals).await? {
        for (id, own) in moved {
            if *id != home
                && own.contains(&signal)
                && let Some(household) = households.get_mut(id)
            {
                let answered = &mut household.guards.answered_elsewhere;
                answered.insert((purpose, signal));
            }
        }
    }
    let hearings: Vec<Hearing<'_>> = moved
        .keys()
        .filter_map(|id| households.get(id))
        .map(|household| Hearing {
            household: household.id,
            came_before: household.memory.came_before(),
            answered: &household.guards.answered_elsewhere,
        })
        .collect();
    Ok(tx.note_answered_elsewhere(&hearings).await?)
}

fn dead_letter(record: &Record, reason: &'static str, withdrawal: bool) -> NewDeadLetter {
    NewDeadLetter {
        id: Uuid::new_v4(),
        stage: STAGE,
        topic: RESOLVED_TOPIC,
        partition: record.partition,
        offset: record.offset,
        key: record.key.to_vec(),
        payload: record.value.to_vec(),
        request_id: record.request_id.clone(),
        reason,
        withdrawal,
    }
}

#[cfg(test)]
mod tests;
