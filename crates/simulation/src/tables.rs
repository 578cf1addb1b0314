//! The tables, as far as resolver and correlator know them: what SQL says of them in `voorveld_store`, said once more in memory.
//!
//! Said twice, it may drift apart. A test does the same things here and in PostgreSQL and compares what is in the tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;
use voorveld_domain::{
    DebtorId, HoldReason, HouseholdId, MunicipalityCode, Presence, Purpose, RegistrationReason,
    RuleId, SignalId, TaskId, TaskState,
};
use voorveld_store::feeds::FeedState;
use voorveld_store::homes::{Home, NewHome, ToProduce, Unproduced};
use voorveld_store::households::BlindKey;
use voorveld_store::judgements::{
    Activation, GoneGround, GroundRow, Hearing, Judged, JudgedGround, JudgedTask, MatchRow,
    NewHold, NewTask, SuppressionRow, TaskBecomes,
};
use voorveld_store::publications::{InForce, Standing};
use voorveld_store::queue::NewDeadLetter;
use voorveld_store::registrations::StandingRegistration;
use voorveld_store::timelines::TimelineRow;
use voorveld_store::wake_ups::{RULES, WakeUp};

/// How far a stage has read a partition, and who may read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Which log it belongs to.
    pub topic_id: String,
    /// The first offset that is not committed.
    pub next: i64,
    /// Raised by each claim.
    pub epoch: i64,
}

/// A ground of a task.
#[derive(Debug, Clone)]
pub struct GroundOf {
    /// What it says.
    pub ground: JudgedGround,
    /// By which rules.
    pub rule_set: String,
    /// Since when it stands no more, and whether another took its place.
    pub gone: Option<(Date, bool)>,
}

/// A task.
#[derive(Debug, Clone)]
pub struct TaskOf {
    /// Without its grounds, which are apart.
    pub task: JudgedTask,
    /// When it was raised.
    pub raised_at: Timestamp,
}

/// Something that somebody registered.
#[derive(Debug, Clone)]
pub struct RegistrationOf {
    /// Which one.
    pub id: Uuid,
    /// What stands.
    pub standing: StandingRegistration,
    /// It stands no more.
    pub revoked: bool,
}

/// A hold on a household.
#[derive(Debug, Clone)]
pub struct HoldOf {
    /// Which household.
    pub household: HouseholdId,
    /// Why.
    pub reason: HoldReason,
    /// It is over.
    pub lifted: bool,
}

/// Everything that is committed.
#[derive(Debug, Clone, Default)]
pub struct Tables {
    pub(crate) positions: BTreeMap<(String, i32), Position>,
    pub(crate) addresses: BTreeMap<BlindKey, HouseholdId>,
    pub(crate) debtors: BTreeMap<BlindKey, DebtorId>,
    pub(crate) excluded: BTreeSet<BlindKey>,
    /// In the order in which they were decided.
    pub(crate) filings: Vec<NewHome>,
    /// By turn.
    pub(crate) to_produce: BTreeMap<i64, ToProduce>,
    /// The last turn that was given; one whose transaction is refused is given to nobody else.
    pub(crate) turns: i64,
    pub(crate) dead_letters: BTreeMap<(&'static str, i32, i64), &'static str>,
    pub(crate) signals: BTreeMap<(HouseholdId, SignalId), TimelineRow>,
    pub(crate) superseded: BTreeSet<(HouseholdId, SignalId, u32, u32)>,
    pub(crate) matches: BTreeMap<(HouseholdId, RuleId, String), (MatchRow, String)>,
    pub(crate) suppressions: BTreeMap<(HouseholdId, RuleId, String), SuppressionRow>,
    pub(crate) judgements: BTreeMap<HouseholdId, (MunicipalityCode, i32, Judged)>,
    pub(crate) tasks: BTreeMap<TaskId, TaskOf>,
    pub(crate) grounds: BTreeMap<(TaskId, RuleId, String), GroundOf>,
    pub(crate) holds: Vec<HoldOf>,
    pub(crate) erasures: BTreeSet<SignalId>,
    /// No table: what expired and left a timeline.
    pub(crate) let_go: BTreeSet<(HouseholdId, SignalId)>,
    /// By day, household, partition and reason, as they are taken.
    pub(crate) wake_ups: BTreeSet<WakeUp>,
    /// What households heard last of results elsewhere.
    pub(crate) heard: BTreeSet<(HouseholdId, Purpose, SignalId)>,
    pub(crate) registrations: Vec<RegistrationOf>,
    pub(crate) rule_sets: Vec<(String, serde_json::Value)>,
    pub(crate) live: Option<Standing>,
    pub(crate) activations: Vec<Activation>,
}

impl Tables {
    // What the resolver asks.

    pub(crate) fn home(&self, signal: Uuid) -> Option<&NewHome> {
        let of_signal = self
            .filings
            .iter()
            .filter(|filing| filing.signal.uuid() == signal);
        of_signal.max_by_key(|filing| (filing.home.revision, filing.home.filing))
    }

    pub(crate) fn homes(&self, signals: &[Uuid]) -> HashMap<Uuid, Home> {
        let known = signals
            .iter()
            .filter_map(|signal| Some((*signal, self.home(*signal)?.home.clone())));
        known.collect()
    }

    pub(crate) fn unproduced(&self, partitions: Option<&[i32]>) -> Vec<Unproduced> {
        self.to_produce
            .iter()
            .filter(|(_, order)| partitions.is_none_or(|all| all.contains(&order.partition)))
            .map(|(turn, order)| Unproduced {
                turn: *turn,
                records: order.records.clone(),
            })
            .collect()
    }

    /// Whether it has nothing to produce, or the log is known to hold it.
    pub(crate) fn is_produced(&self, filing: &NewHome) -> bool {
        let id = filing.id();
        let mut orders = self.to_produce.values();
        !orders.any(|order| order.filings.contains(&id))
    }

    // What both ask.

    pub(crate) fn put_aside(&mut self, letters: &[NewDeadLetter]) {
        for letter in letters {
            self.dead_letters
                .entry((letter.stage, letter.partition, letter.offset))
                .or_insert(letter.reason);
        }
    }

    pub(crate) fn next_of(&self, stage: &str, partition: i32) -> i64 {
        self.positions
            .get(&(stage.to_owned(), partition))
            .map_or(0, |position| position.next)
    }

    // What the correlator asks.

    pub(crate) fn in_force(&self) -> InForce {
        InForce {
            live: self.live.clone(),
            ..InForce::default()
        }
    }

    pub(crate) fn keep_rule_set(&mut self, hash: &str, content: &serde_json::Value) {
        if self.rule_sets.iter().all(|(known, _)| known != hash) {
            self.rule_sets.push((hash.to_owned(), content.clone()));
        }
    }

    pub(crate) fn due(&self, partitions: &[i32], today: Date, apart: &[&str]) -> Vec<WakeUp> {
        self.wake_ups
            .iter()
            .filter(|wake| wake.due <= today && partitions.contains(&wake.partition))
            .filter(|wake| !apart.contains(&wake.reason.as_str()))
            .cloned()
            .collect()
    }

    pub(crate) fn judged_in(&self, partitions: &[i32]) -> impl Iterator<Item = (HouseholdId, i32)> {
        self.judgements
            .iter()
            .map(|(household, (_, partition, _))| (*household, *partition))
            .filter(|(_, partition)| partitions.contains(partition))
    }

    pub(crate) fn wake_everybody(&mut self, partitions: &[i32], due: Date) {
        let woken = self
            .judged_in(partitions)
            .map(|(household, partition)| WakeUp {
                due,
                household,
                partition,
                reason: RULES.to_owned(),
            });
        let woken: Vec<WakeUp> = woken.collect();
        self.wake_ups.extend(woken);
    }

    pub(crate) fn feeds() -> Vec<FeedState> {
        Vec::new()
    }

    pub(crate) fn tasks_of(&self, household: HouseholdId) -> Vec<JudgedTask> {
        let mut tasks: Vec<&TaskOf> = self
            .tasks
            .values()
            .filter(|one| one.task.household == household)
            .collect();
        tasks.sort_by_key(|one| (one.raised_at, one.task.id));
        tasks
            .into_iter()
            .map(|one| JudgedTask {
                grounds: self.standing_grounds(one.task.id).cloned().collect(),
                ..one.task.clone()
            })
            .collect()
    }

    pub(crate) fn standing_grounds(&self, task: TaskId) -> impl Iterator<Item = &JudgedGround> {
        self.grounds
            .iter()
            .filter(move |((of, ..), ground)| *of == task && ground.gone.is_none())
            .map(|(_, ground)| &ground.ground)
    }

    pub(crate) fn timeline(&self, household: HouseholdId) -> impl Iterator<Item = &TimelineRow> {
        let nobody = SignalId::from_uuid(Uuid::nil());
        self.signals
            .range((household, nobody)..)
            .take_while(move |((of, _), _)| *of == household)
            .map(|(_, row)| row)
    }

    pub(crate) fn held(&self, household: HouseholdId) -> Option<HoldReason> {
        let active = self
            .holds
            .iter()
            .filter(|hold| hold.household == household && !hold.lifted);
        // Unsafety before anything else.
        active
            .map(|hold| hold.reason)
            .max_by_key(|reason| reason.code() == "safety")
    }

    pub(crate) fn standing(
        &self,
        households: &[HouseholdId],
        debtors: &BTreeSet<DebtorId>,
    ) -> Vec<StandingRegistration> {
        self.registrations
            .iter()
            .filter(|one| !one.revoked)
            .map(|one| one.standing)
            .filter(|one| match one.debtor {
                None => households.contains(&one.household),
                Some(debtor) => debtors.contains(&debtor),
            })
            .collect()
    }

    pub(crate) fn answered(&self, signals: &[SignalId]) -> Vec<(HouseholdId, Purpose, SignalId)> {
        let mut answered = Vec::new();
        for one in self.tasks.values().map(|one| &one.task) {
            if one.state != TaskState::Closed {
                continue;
            }
            for ground in self.standing_grounds(one.id) {
                for signal in &ground.witnesses {
                    if signals.contains(signal) {
                        answered.push((one.household, one.purpose, *signal));
                    }
                }
            }
        }
        answered
    }

    pub(crate) fn hear(&mut self, hearings: &[Hearing<'_>]) {
        for one in hearings {
            self.heard
                .retain(|(household, ..)| *household != one.household);
            let now = one
                .answered
                .iter()
                .map(|(purpose, signal)| (one.household, *purpose, *signal));
            self.heard.extend(now);
        }
    }

    pub(crate) fn replace_matches(
        &mut self,
        households: &BTreeSet<HouseholdId>,
        rows: &[MatchRow],
        rule_set: &str,
    ) {
        self.matches
            .retain(|(household, ..), _| !households.contains(household));
        for row in rows {
            let key = (row.household, row.rule.clone(), row.anchor.clone());
            self.matches.insert(key, (row.clone(), rule_set.to_owned()));
        }
    }

    pub(crate) fn replace_suppressions(
        &mut self,
        households: &BTreeSet<HouseholdId>,
        rows: &[SuppressionRow],
    ) {
        self.suppressions
            .retain(|(household, ..), _| !households.contains(household));
        for row in rows {
            let key = (row.household, row.rule.clone(), row.anchor.clone());
            self.suppressions.insert(key, row.clone());
        }
    }

    /// Open tasks of a household for a purpose (I8).
    pub(crate) fn open_for(
        &self,
        household: HouseholdId,
        purpose: Purpose,
    ) -> impl Iterator<Item = TaskId> {
        self.tasks
            .values()
            .map(|one| &one.task)
            .filter(move |task| {
                task.household == household && task.purpose == purpose && task.state.is_open()
            })
            .map(|task| task.id)
    }

    pub(crate) fn change_task(&mut self, task: TaskId, becomes: &TaskBecomes) {
        if let Some(one) = self.tasks.get_mut(&task) {
            turn_into(&mut one.task, becomes);
        }
    }

    pub(crate) fn raise(&mut self, new: &NewTask, now: Timestamp) {
        let mut task = JudgedTask {
            id: new.id,
            household: new.household,
            purpose: new.purpose,
            state: new.becomes.state,
            urgency: new.becomes.urgency,
            due_on: new.becomes.due_on,
            ladder_step: new.becomes.ladder_step,
            raised_as_of: new.raised_as_of,
            closed: None,
            flagged: new.becomes.flagged,
            annotated: new.becomes.annotated,
            grounds: Vec::new(),
        };
        turn_into(&mut task, &new.becomes);
        let raised = TaskOf {
            task,
            raised_at: now,
        };
        self.tasks.insert(new.id, raised);
    }

    pub(crate) fn put_grounds(&mut self, rows: &[GroundRow], rule_set: &str) {
        for row in rows {
            let key = (row.task, row.ground.rule.clone(), row.ground.anchor.clone());
            let ground = GroundOf {
                ground: row.ground.clone(),
                rule_set: rule_set.to_owned(),
                gone: None,
            };
            self.grounds.insert(key, ground);
        }
    }

    pub(crate) fn lose_grounds(&mut self, rows: &[GoneGround]) {
        for row in rows {
            let key = (row.task, row.rule.clone(), row.anchor.clone());
            if let Some(ground) = self.grounds.get_mut(&key) {
                ground.gone = Some((row.gone_as_of, row.replaced));
            }
        }
    }

    pub(crate) fn hold(&mut self, rows: &[NewHold]) {
        for row in rows {
            let is_held = self.holds.iter().any(|hold| {
                hold.household == row.household && hold.reason == row.reason && !hold.lifted
            });
            if !is_held {
                self.holds.push(HoldOf {
                    household: row.household,
                    reason: row.reason,
                    lifted: false,
                });
            }
        }
    }

    pub(crate) fn erase(&mut self, rows: &[TimelineRow]) {
        for row in rows {
            self.signals.remove(&(row.household, row.signal));
            self.let_go.insert((row.household, row.signal));
            self.superseded.retain(|(household, signal, ..)| {
                (*household, *signal) != (row.household, row.signal)
            });
            if row.presence == Presence::LivesHere {
                self.erasures.insert(row.signal);
            }
        }
    }

    /// Households that a registration touches: its own, and wherever signals of the person live.
    pub(crate) fn touched(
        &self,
        household: HouseholdId,
        debtor: Option<DebtorId>,
    ) -> BTreeSet<HouseholdId> {
        let of_person = self
            .signals
            .values()
            .filter(|row| debtor.is_some() && row.debtor == debtor)
            .map(|row| row.household);
        of_person.chain([household]).collect()
    }

    /// Whether the same stands already about the same: a constraint keeps that from being said twice.
    pub(crate) fn stands(
        &self,
        household: HouseholdId,
        debtor: Option<DebtorId>,
        reason: RegistrationReason,
    ) -> bool {
        self.registrations.iter().any(|one| {
            let known = one.standing;
            let is_about = match debtor {
                None => known.debtor.is_none() && known.household == household,
                Some(_) => known.debtor == debtor,
            };
            !one.revoked && known.reason == reason && is_about
        })
    }

    /// Where signals of this task live by now, besides its household.
    pub(crate) fn other_homes_of(&self, task: TaskId) -> BTreeSet<HouseholdId> {
        let own = self.tasks[&task].task.household;
        self.grounds
            .iter()
            .filter(|((of, ..), _)| *of == task)
            .flat_map(|(_, ground)| &ground.ground.witnesses)
            .filter_map(|signal| self.home(signal.uuid())?.home.household)
            .filter(|household| *household != own)
            .collect()
    }
}

fn turn_into(task: &mut JudgedTask, becomes: &TaskBecomes) {
    task.state = becomes.state;
    task.urgency = becomes.urgency;
    task.due_on = becomes.due_on;
    task.ladder_step = becomes.ladder_step;
    task.flagged = becomes.flagged;
    task.annotated = becomes.annotated;
}
