//! What the correlator asks of a database, and what it is promised: [`voorveld_stage::Database`] says why the contract stands apart.
//!
//! What is read of households is read in one go and what is written of them is written in one go, since neither means anything without the rest.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use voorveld_domain::{
    DebtorId, HoldReason, HouseholdId, MunicipalityCode, Purpose, RuleId, SignalId, TaskId,
};
use voorveld_policy::Policy;
use voorveld_stage as stage;
use voorveld_store::feeds::FeedState;
use voorveld_store::judgements::{
    Activation, GoneGround, GroundRow, Hearing, Judged, JudgedTask, MatchRow, NewActivation,
    NewHold, NewTask, ShadowRow, SuppressionRow, SystemEvent, TaskBecomes,
};
use voorveld_store::positions::{Reader, Step};
use voorveld_store::publications::InForce;
use voorveld_store::queue::NewDeadLetter;
use voorveld_store::registrations::StandingRegistration;
use voorveld_store::timelines::TimelineRow;
use voorveld_store::wake_ups::{Taken, WakeUp};
use voorveld_store::{Store, StoreError, Tx};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::published::{self, PublishError};

/// What is stored of households that are about to be judged.
#[derive(Debug, Default)]
pub struct Known {
    /// Their tasks with the grounds that stand, ended ones too.
    pub tasks: HashMap<HouseholdId, Vec<JudgedTask>>,
    /// The timelines that were asked for, by household and signal.
    pub timelines: Vec<TimelineRow>,
    /// How far each was judged.
    pub judged: HashMap<HouseholdId, Judged>,
    /// Why outreach is held, where it is.
    pub held: HashMap<HouseholdId, HoldReason>,
}

/// Everything that comes of judging households, each list in the order in which it came about.
#[derive(Debug, Default)]
pub struct Judgements<'a> {
    /// By which rules.
    pub rule_set: &'a str,
    /// Copies that a greater one superseded.
    pub superseded: Vec<TimelineRow>,
    /// Copies that are the greatest now; each (household, signal) once.
    pub timelines: Vec<TimelineRow>,
    /// Who was judged, where and how far.
    pub judged: Vec<(HouseholdId, MunicipalityCode, i32, Judged)>,
    /// Who of them was never judged before: of these nothing is stored that came of judging.
    pub first: BTreeSet<HouseholdId>,
    /// All matches of who was judged.
    pub matches: Vec<MatchRow>,
    /// All matches of who was judged that raise nothing.
    pub suppressions: Vec<SuppressionRow>,
    /// What a shadow found of who was judged, and which one that is.
    pub shadow: Option<(i64, Vec<ShadowRow>)>,
    /// What becomes of tasks that were known.
    pub changed: Vec<(TaskId, TaskBecomes)>,
    /// New tasks.
    pub raised: Vec<NewTask>,
    /// Grounds in their place.
    pub grounds: Vec<GroundRow>,
    /// Grounds that stand no more.
    pub gone: Vec<GoneGround>,
    /// Lines of histories.
    pub events: Vec<SystemEvent>,
    /// Households that are held from here on.
    pub holds: Vec<NewHold>,
    /// Copies whose retention is over.
    pub erased: Vec<TimelineRow>,
    /// Who is to be looked at on another day.
    pub wake_ups: Vec<WakeUp>,
}

/// A database that the correlator can work on. What is asked here is seen as it was committed last.
#[async_trait]
pub trait Database: stage::Database<Tx: Transaction> {
    /// What was published and counts now.
    async fn in_force(&self) -> Result<InForce, StoreError>;

    /// What the files of a published bundle say, with the checks of this release.
    async fn policy(&self, bundle: &str) -> Result<Arc<Policy>, PublishError>;

    /// The first wake-ups due by `today` in these partitions, oldest day first, but for those with a reason of `apart_from`.
    async fn due_wake_ups(
        &self,
        partitions: &[i32],
        today: Date,
        apart_from: &[&str],
    ) -> Result<Vec<WakeUp>, StoreError>;

    /// Whether a stage has read each of these partitions up to there, and everything that it decided is in the log.
    async fn has_resolved(
        &self,
        reader: Reader<'_>,
        until: &[(i32, i64)],
    ) -> Result<bool, StoreError>;
}

/// An open transaction on such a database.
#[async_trait]
pub trait Transaction: stage::Transaction {
    /// Every rule set that judged these partitions, in order of activation.
    async fn activations(&mut self, partitions: &[i32]) -> Result<Vec<Activation>, StoreError>;

    /// The content of every rule set that was published or judged anything.
    async fn rule_sets(&mut self) -> Result<Vec<serde_json::Value>, StoreError>;

    /// Notes that a rule set judges these partitions from here on.
    async fn activate(
        &mut self,
        at: &[Step],
        new: NewActivation<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Asks for a judgement of every household that was judged in these partitions, and says how many.
    async fn wake_everybody(&mut self, partitions: &[i32], due: Date) -> Result<u64, StoreError>;

    /// Takes up in these partitions every backlog that was asked for and not taken up yet, and wakes whom it concerns. Gives how many are woken, and the
    /// versions of rules whose backlog is worked off.
    async fn take_up_backlogs(
        &mut self,
        at: &[Step],
        due: Date,
        now: Timestamp,
    ) -> Result<(u64, Vec<(RuleId, u32)>), StoreError>;

    /// Notes that a shadow runs in these partitions from here on, where it did not yet; gives the partitions in which it is new, and from which offset on
    /// it runs in each.
    async fn run_shadow(
        &mut self,
        at: &[Step],
        publication: i64,
        now: Timestamp,
    ) -> Result<(Vec<i32>, BTreeMap<i32, i64>), StoreError>;

    /// The feeds, with what to name them by next time; nothing when they are those that were `known` by that name. Until this transaction ends no mark
    /// takes effect.
    async fn feeds_to_judge_by(
        &mut self,
        known: Option<&str>,
    ) -> Result<Option<(String, Vec<FeedState>)>, StoreError>;

    /// The municipality of each of these households that was ever judged.
    async fn municipalities_of(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<Vec<(HouseholdId, MunicipalityCode)>, StoreError>;

    /// Locks what people may change of these households and reads it, with the timelines of those in `unread`; then takes the wake-ups. So what somebody
    /// does afterwards has to wait, and who does something that has no lock asks anew for a judgement that sees it (K3).
    async fn known(
        &mut self,
        households: &[HouseholdId],
        unread: &[HouseholdId],
        wake_ups: &[WakeUp],
    ) -> Result<Known, StoreError>;

    /// What stands about these households and these persons. Until this transaction ends nobody writes down or revokes anything.
    async fn standing_registrations(
        &mut self,
        households: &[HouseholdId],
        debtors: &BTreeSet<DebtorId>,
    ) -> Result<Vec<StandingRegistration>, StoreError>;

    /// Of these signals, those that were answered on a closed task, with that task's household and purpose.
    async fn answered(
        &mut self,
        signals: &[SignalId],
    ) -> Result<Vec<(HouseholdId, Purpose, SignalId)>, StoreError>;

    /// Notes what households hear of results at others, where it is not what they heard last.
    async fn note_answered_elsewhere(&mut self, hearings: &[Hearing<'_>])
    -> Result<(), StoreError>;

    /// Writes what came of judging. A second open task of a household for one purpose is refused (I8).
    async fn write(
        &mut self,
        judgements: &Judgements<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Notes judgements without a signal, each household's in the order given.
    async fn note_wake_ups(
        &mut self,
        taken: &[Taken<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Puts records aside; the same one twice is put aside once.
    async fn put_aside(
        &mut self,
        letters: &[NewDeadLetter],
        now: Timestamp,
    ) -> Result<(), StoreError>;
}

#[async_trait]
impl Database for Store {
    async fn in_force(&self) -> Result<InForce, StoreError> {
        Store::in_force(self).await
    }

    async fn policy(&self, bundle: &str) -> Result<Arc<Policy>, PublishError> {
        Ok(Arc::new(published::read(self, bundle).await?))
    }

    async fn due_wake_ups(
        &self,
        partitions: &[i32],
        today: Date,
        apart_from: &[&str],
    ) -> Result<Vec<WakeUp>, StoreError> {
        Store::due_wake_ups(self, RESOLVED_TOPIC, partitions, today, apart_from).await
    }

    async fn has_resolved(
        &self,
        reader: Reader<'_>,
        until: &[(i32, i64)],
    ) -> Result<bool, StoreError> {
        let positions: HashMap<i32, i64> = self
            .positions_of(reader.stage, reader.topic)
            .await?
            .into_iter()
            .collect();
        let is_read = until
            .iter()
            .all(|(partition, next)| *next <= positions.get(partition).copied().unwrap_or(0));
        Ok(is_read && !self.is_unproduced(None).await?)
    }
}

#[async_trait]
impl Transaction for Tx {
    async fn activations(&mut self, partitions: &[i32]) -> Result<Vec<Activation>, StoreError> {
        Tx::activations(self, RESOLVED_TOPIC, Some(partitions)).await
    }

    async fn rule_sets(&mut self) -> Result<Vec<serde_json::Value>, StoreError> {
        Tx::rule_sets(self).await
    }

    async fn activate(
        &mut self,
        at: &[Step],
        new: NewActivation<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        Tx::activate(self, RESOLVED_TOPIC, at, new, now).await
    }

    async fn wake_everybody(&mut self, partitions: &[i32], due: Date) -> Result<u64, StoreError> {
        Tx::wake_everybody(self, RESOLVED_TOPIC, partitions, due).await
    }

    async fn take_up_backlogs(
        &mut self,
        at: &[Step],
        due: Date,
        now: Timestamp,
    ) -> Result<(u64, Vec<(RuleId, u32)>), StoreError> {
        let woken = Tx::take_up_backlogs(self, RESOLVED_TOPIC, at, due, now).await?;
        Ok((woken, self.backlogs().await?))
    }

    async fn run_shadow(
        &mut self,
        at: &[Step],
        publication: i64,
        now: Timestamp,
    ) -> Result<(Vec<i32>, BTreeMap<i32, i64>), StoreError> {
        let begun = self
            .activate_shadow(RESOLVED_TOPIC, at, publication, now)
            .await?;
        let partitions: Vec<i32> = at.iter().map(|step| step.partition).collect();
        let since = self
            .shadow_activations(RESOLVED_TOPIC, &partitions, publication)
            .await?;
        Ok((begun, since))
    }

    async fn feeds_to_judge_by(
        &mut self,
        known: Option<&str>,
    ) -> Result<Option<(String, Vec<FeedState>)>, StoreError> {
        Tx::feeds_to_judge_by(self, known).await
    }

    async fn municipalities_of(
        &mut self,
        households: &[HouseholdId],
    ) -> Result<Vec<(HouseholdId, MunicipalityCode)>, StoreError> {
        Tx::municipalities_of(self, households).await
    }

    async fn known(
        &mut self,
        households: &[HouseholdId],
        unread: &[HouseholdId],
        wake_ups: &[WakeUp],
    ) -> Result<Known, StoreError> {
        let known = Known {
            tasks: self.lock_and_read_tasks(households).await?,
            timelines: self.timelines(unread).await?,
            judged: self.judged(households).await?,
            held: self.active_holds(households).await?,
        };
        // After the locks that whoever asks takes first, and before what is registered and answered, which has none.
        self.take_wake_ups(RESOLVED_TOPIC, wake_ups).await?;
        Ok(known)
    }

    async fn standing_registrations(
        &mut self,
        households: &[HouseholdId],
        debtors: &BTreeSet<DebtorId>,
    ) -> Result<Vec<StandingRegistration>, StoreError> {
        Tx::standing_registrations(self, households, debtors).await
    }

    async fn answered(
        &mut self,
        signals: &[SignalId],
    ) -> Result<Vec<(HouseholdId, Purpose, SignalId)>, StoreError> {
        Tx::answered(self, signals).await
    }

    async fn note_answered_elsewhere(
        &mut self,
        hearings: &[Hearing<'_>],
    ) -> Result<(), StoreError> {
        Tx::note_answered_elsewhere(self, hearings).await
    }

    async fn write(
        &mut self,
        judgements: &Judgements<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let it = judgements;
        self.keep_superseded(&it.superseded).await?;
        let known: HashSet<(HouseholdId, SignalId)> = it
            .superseded
            .iter()
            .map(|row| (row.household, row.signal))
            .collect();
        let (changed, new): (Vec<&TimelineRow>, Vec<&TimelineRow>) = it
            .timelines
            .iter()
            .partition(|row| known.contains(&(row.household, row.signal)));
        self.add_timelines(&new).await?;
        let changed: Vec<TimelineRow> = changed.into_iter().cloned().collect();
        self.write_timelines(&changed).await?;
        if !it.judged.is_empty() {
            let ids: Vec<HouseholdId> = it.judged.iter().map(|one| one.0).collect();
            self.replace_matches(&ids, &it.first, &it.matches, it.rule_set)
                .await?;
            self.replace_suppressions(&ids, &it.suppressions).await?;
            self.write_judged(&it.judged).await?;
            if let Some((publication, rows)) = &it.shadow {
                self.replace_shadow_matches(*publication, &ids, rows)
                    .await?;
            }
        }
        // A task that ends makes room before another of its purpose is raised (I8).
        self.change_tasks(&it.changed, now).await?;
        self.raise_tasks(&it.raised, now).await?;
        let fresh: BTreeSet<TaskId> = it.raised.iter().map(|task| task.id).collect();
        self.put_grounds(&fresh, &it.grounds, it.rule_set).await?;
        self.lose_grounds(&it.gone).await?;
        self.write_system_events(&it.events, now).await?;
        self.hold(&it.holds, now).await?;
        self.erase_timelines(&it.erased, now).await?;
        self.add_wake_ups(RESOLVED_TOPIC, &it.wake_ups).await
    }

    async fn note_wake_ups(
        &mut self,
        taken: &[Taken<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        Tx::note_wake_ups(self, taken, now).await
    }

    async fn put_aside(
        &mut self,
        letters: &[NewDeadLetter],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        Tx::put_aside(self, letters, now).await
    }
}
