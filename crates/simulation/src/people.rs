//! What colleagues do, and the jobs that look after the tables: each in one go, under the locks that the real ones take.

use std::sync::{Arc, LazyLock};

use jiff::{Timestamp, ToSpan};
use uuid::Uuid;
use voorveld_bus::partition_of;
use voorveld_calendar::amsterdam_date;
use voorveld_correlator::published::{self, PublishError};
use voorveld_domain::{
    DebtorId, HoldReason, HouseholdId, Outcome, RegistrationReason, TaskId, TaskState,
};
use voorveld_policy::{Bundle, Policy, PolicyErrors};
use voorveld_recall::Retention;
use voorveld_store::publications::Standing;
use voorveld_store::registrations::StandingRegistration;
use voorveld_store::wake_ups::{EXPIRY, WakeUp};
use voorveld_synthetic::Dice;
use voorveld_wire::signal_v1::household_key;

use crate::tables::{HoldOf, RegistrationOf};
use crate::world::{Lock, What, World};

/// What may be published, and judges until something is.
pub(crate) static POLICIES: LazyLock<[Arc<Policy>; 2]> = LazyLock::new(|| {
    let mut files = Bundle::shipped().files().clone();
    let rule = files.get_mut("rules/debt.crisis.yaml").expect("is shipped");
    *rule = rule.replace("version: 1", "version: 2").replace(
        "each_signal: crisis",
        "each_signal: { any_of: [crisis, { amount_at_least: 300 }] }",
    );
    let bundle = Bundle::of_files(files).expect("files of this release");
    let second = Policy::of_bundle(&bundle).expect("a lawful policy");
    [Arc::new(Policy::shipped()), Arc::new(second)]
});

/// A policy that joins what the law does not let it join: whoever published it did so with another release (I7).
static UNLAWFUL: LazyLock<Bundle> = LazyLock::new(|| {
    let mut files = Bundle::shipped().files().clone();
    let rule = files
        .get_mut("rules/debt.multiple.yaml")
        .expect("is shipped");
    *rule = rule.replace("wgs-early-signals", "wgs-fixed-costs");
    Bundle::of_files(files).expect("files of this release")
});

/// A published bundle, read as the correlator reads it: by everybody, but once, since that costs more than anything else in a run.
pub(crate) fn read(bundle: &str) -> Result<Arc<Policy>, PublishError> {
    static NOT_LOADED: LazyLock<PolicyErrors> =
        LazyLock::new(|| Policy::of_bundle(&UNLAWFUL).expect_err("the law does not allow it"));
    static BUNDLES: LazyLock<[String; 2]> =
        LazyLock::new(|| std::array::from_fn(|nth| POLICIES[nth].bundle().hash().to_string()));
    let place = BUNDLES.iter().position(|known| known == bundle);
    let found = place.map(|place| Arc::clone(&POLICIES[place]));
    found.ok_or_else(|| PublishError::Unreadable {
        bundle: bundle.to_owned(),
        errors: NOT_LOADED.clone(),
    })
}

/// What names the rules of each of [`POLICIES`].
pub(crate) static RULE_SETS: LazyLock<[String; 2]> =
    LazyLock::new(|| std::array::from_fn(|nth| POLICIES[nth].rules().hash().to_string()));

/// Something that a person or a job does.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Act {
    Claim(TaskId),
    Release(TaskId),
    Close(TaskId, Outcome),
    Reopen(TaskId),
    Register {
        id: Uuid,
        standing: StandingRegistration,
    },
    Revoke(Uuid),
    Lift(HouseholdId),
    /// One of [`POLICIES`].
    Publish(usize),
    PublishUnlawful,
    /// Whose signals are past their retention is woken.
    WakeExpired,
}

impl World {
    /// What is published, if it can be read.
    pub fn readable_policy(&self) -> Option<Arc<Policy>> {
        let live = self.tables.live.as_ref()?;
        read(&live.bundle).ok()
    }

    /// What somebody could do now.
    pub fn think_of_act(&mut self, dice: &mut Dice, now: Timestamp) -> Option<Act> {
        let tasks: Vec<(TaskId, TaskState)> = self
            .tables
            .tasks
            .values()
            .map(|one| (one.task.id, one.task.state))
            .collect();
        if !tasks.is_empty() && dice.chance(700) {
            let (task, state) = *dice.pick(&tasks);
            return match state {
                TaskState::Open => Some(Act::Claim(task)),
                TaskState::Claimed if dice.chance(250) => Some(Act::Release(task)),
                TaskState::Claimed => Some(Act::Close(task, *dice.pick(Outcome::ALL))),
                TaskState::Closed => Some(Act::Reopen(task)),
                _ => None,
            };
        }
        let standing: Vec<Uuid> = self
            .tables
            .registrations
            .iter()
            .filter(|one| !one.revoked && !one.standing.reason.is_hold())
            .map(|one| one.id)
            .collect();
        if !standing.is_empty() && dice.chance(400) {
            return Some(Act::Revoke(*dice.pick(&standing)));
        }
        let held: Vec<HouseholdId> = self
            .tables
            .holds
            .iter()
            .filter(|hold| !hold.lifted)
            .map(|hold| hold.household)
            .collect();
        if !held.is_empty() && dice.chance(200) {
            return Some(Act::Lift(*dice.pick(&held)));
        }
        let homes: Vec<(HouseholdId, Option<DebtorId>)> = self
            .tables
            .signals
            .values()
            .map(|row| (row.household, row.debtor))
            .collect();
        if homes.is_empty() {
            return None;
        }
        let (household, debtor) = *dice.pick(&homes);
        let reason = *dice.pick(RegistrationReason::ALL);
        let debtor = debtor.filter(|_| !reason.is_hold() && dice.chance(500));
        let until = (reason.may_end() && dice.chance(500))
            .then(|| amsterdam_date(now).saturating_add(i64::from(dice.below(60)).days()));
        Some(Act::Register {
            id: self.fresh_id(),
            standing: StandingRegistration {
                household,
                debtor,
                reason,
                until,
            },
        })
    }

    /// Does it, where nobody is in the way and it can still be done. Says whether it was.
    pub fn act(&mut self, act: &Act, now: Timestamp) -> bool {
        // Whether a wake-up is in the way shows only when it is asked for.
        let before = self.takes_wake_ups().then(|| self.tables.clone());
        let is_done = self.try_act(act, now);
        if is_done {
            self.happened(now, What::Act(act.clone()));
        } else if let Some(before) = before {
            self.tables = before;
        }
        is_done
    }

    fn try_act(&mut self, act: &Act, now: Timestamp) -> bool {
        let today = amsterdam_date(now);
        match act {
            Act::Claim(task) => self.change(*task, TaskState::Open, |world, household| {
                if world.tables.held(household).is_some() {
                    return false;
                }
                world.set(*task, TaskState::Claimed);
                true
            }),
            Act::Release(task) => self.change(*task, TaskState::Claimed, |world, household| {
                world.set(*task, TaskState::Open);
                world.wake(&[household], "released", now)
            }),
            Act::Close(task, outcome) => {
                self.change(*task, TaskState::Claimed, |world, household| {
                    world.set(*task, TaskState::Closed);
                    if let Some(one) = world.tables.tasks.get_mut(task) {
                        one.task.closed = Some((today, *outcome));
                    }
                    world.wake_homes(*task, household, "result", now)
                })
            }
            Act::Reopen(task) => self.change(*task, TaskState::Closed, |world, household| {
                let purpose = world.tables.tasks[task].task.purpose;
                // A constraint says no (I8).
                if world.tables.open_for(household, purpose).next().is_some() {
                    return false;
                }
                world.set(*task, TaskState::Claimed);
                if let Some(one) = world.tables.tasks.get_mut(task) {
                    one.task.closed = None;
                }
                world.wake_homes(*task, household, "reopened", now)
            }),
            Act::Register { id, standing } => self.register(*id, *standing, now),
            Act::Revoke(id) => {
                let place = self
                    .tables
                    .registrations
                    .iter()
                    .position(|one| one.id == *id);
                let Some(place) = place.filter(|_| self.is_free(&Lock::Acts)) else {
                    return false;
                };
                let one = &mut self.tables.registrations[place];
                if std::mem::replace(&mut one.revoked, true) {
                    return false;
                }
                let about = one.standing;
                let touched = self.tables.touched(about.household, about.debtor);
                let touched: Vec<HouseholdId> = touched.into_iter().collect();
                self.wake(&touched, "registration_revoked", now)
            }
            Act::Lift(household) => {
                let active = self
                    .tables
                    .holds
                    .iter_mut()
                    .find(|hold| hold.household == *household && !hold.lifted);
                let Some(hold) = active else { return false };
                let reason = hold.reason;
                if !self.is_free(&Lock::Household(*household)) {
                    return false;
                }
                self.lift(*household, reason);
                self.wake(&[*household], "hold_lifted", now)
            }
            Act::Publish(number) => {
                let policy = &POLICIES[*number];
                self.publish(policy.bundle(), &RULE_SETS[*number]);
                let content = published::content(policy.rules());
                self.tables.keep_rule_set(&RULE_SETS[*number], &content);
                true
            }
            Act::PublishUnlawful => {
                self.publish(&UNLAWFUL, "unlawful");
                true
            }
            Act::WakeExpired => self.wake_expired(now),
        }
    }

    /// A change to a task that is in this state, under the lock of its household.
    fn change(
        &mut self,
        task: TaskId,
        from: TaskState,
        change: impl FnOnce(&mut Self, HouseholdId) -> bool,
    ) -> bool {
        let Some(one) = self.tables.tasks.get(&task) else {
            return false;
        };
        let household = one.task.household;
        if one.task.state != from || !self.is_free(&Lock::Household(household)) {
            return false;
        }
        change(self, household)
    }

    fn set(&mut self, task: TaskId, state: TaskState) {
        if let Some(one) = self.tables.tasks.get_mut(&task) {
            one.task.state = state;
        }
    }

    fn lift(&mut self, household: HouseholdId, reason: HoldReason) {
        for hold in &mut self.tables.holds {
            if hold.household == household && hold.reason == reason {
                hold.lifted = true;
            }
        }
        for one in &mut self.tables.registrations {
            let about = one.standing;
            if about.household == household
                && about.debtor.is_none()
                && about.reason.code() == reason.code()
            {
                one.revoked = true;
            }
        }
    }

    fn register(&mut self, id: Uuid, standing: StandingRegistration, now: Timestamp) -> bool {
        let household = standing.household;
        let has_open = self
            .tables
            .tasks
            .values()
            .any(|one| one.task.household == household && one.task.state.is_open());
        let waits = has_open && !self.is_free(&Lock::Household(household));
        if waits || !self.is_free(&Lock::Acts) {
            return false;
        }
        let today = amsterdam_date(now);
        for one in &mut self.tables.registrations {
            let same = one.standing.reason == standing.reason
                && one.standing.debtor == standing.debtor
                && (one.standing.debtor.is_some() || one.standing.household == household);
            if same && one.standing.until.is_some_and(|last| last < today) {
                one.revoked = true;
            }
        }
        if self
            .tables
            .stands(household, standing.debtor, standing.reason)
        {
            return false;
        }
        self.tables.registrations.push(RegistrationOf {
            id,
            standing,
            revoked: false,
        });
        if standing.reason.is_hold() {
            let reason = HoldReason::UnsafeToVisit;
            let is_held =
                self.tables.holds.iter().any(|hold| {
                    hold.household == household && hold.reason == reason && !hold.lifted
                });
            if !is_held {
                self.tables.holds.push(HoldOf {
                    household,
                    reason,
                    lifted: false,
                });
            }
        }
        let touched = self.tables.touched(household, standing.debtor);
        let touched: Vec<HouseholdId> = touched.into_iter().collect();
        self.wake(&touched, "registration", now)
    }

    /// Publishes the policy that has these rules.
    pub fn publish_rules(&mut self, rule_set: &str) {
        if let Some(place) = RULE_SETS.iter().position(|known| known == rule_set) {
            self.publish(POLICIES[place].bundle(), rule_set);
        }
    }

    fn publish(&mut self, bundle: &Bundle, rule_set: &str) {
        let publication = self.tables.live.as_ref().map_or(0, |one| one.publication) + 1;
        let hash = bundle.hash().to_string();
        self.tables.live = Some(Standing {
            publication,
            bundle: hash,
            rule_set: rule_set.to_owned(),
        });
    }

    fn wake_expired(&mut self, now: Timestamp) -> bool {
        let today = amsterdam_date(now);
        let retention = Retention::of(POLICIES[0].rules());
        let over = self
            .tables
            .signals
            .values()
            .filter(|row| retention.is_over(&row.kind, row.event_date, today));
        let mut over: Vec<HouseholdId> = over.map(|row| row.household).collect();
        over.dedup();
        over.retain(|household| {
            let mut waiting = self.tables.wake_ups.iter();
            !waiting.any(|wake| wake.household == *household && wake.reason == EXPIRY)
        });
        !over.is_empty() && self.wake(&over, EXPIRY, now)
    }

    fn wake_homes(
        &mut self,
        task: TaskId,
        household: HouseholdId,
        reason: &str,
        now: Timestamp,
    ) -> bool {
        let mut homes: Vec<HouseholdId> = self.tables.other_homes_of(task).into_iter().collect();
        homes.push(household);
        self.wake(&homes, reason, now)
    }

    fn wake(&mut self, households: &[HouseholdId], reason: &str, now: Timestamp) -> bool {
        let partitions = self.topics[voorveld_wire::signal_v1::RESOLVED_TOPIC].len();
        let partitions = i32::try_from(partitions).expect("few");
        let wake_ups = households.iter().map(|household| WakeUp {
            due: amsterdam_date(now),
            household: *household,
            partition: partition_of(&household_key(household.uuid()), partitions),
            reason: reason.to_owned(),
        });
        let wake_ups: Vec<WakeUp> = wake_ups.collect();
        // A judgement that takes one is waited for: it may not have seen what is done here.
        let mut asked = wake_ups.iter();
        let is_free = asked.all(|wake| self.is_free(&Lock::WakeUp(wake.clone())));
        self.tables.wake_ups.extend(wake_ups);
        is_free
    }
}
