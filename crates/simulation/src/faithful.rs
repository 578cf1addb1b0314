//! Whether the tables here are those of PostgreSQL: a run without faults is done again there, and what is in the tables is told in the same words.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use jiff::civil::Date;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use voorveld_bus::{Log, Record, partition_of};
use voorveld_calendar::amsterdam_date;
use voorveld_chassis::Clock;
use voorveld_correlator as correlator;
use voorveld_correlator::published::{self, PublishError};
use voorveld_correlator::{Correlator, database};
use voorveld_domain::{HouseholdId, RevocationReason, TaskId, UserId};
use voorveld_linkage::NORMALISER_VERSION;
use voorveld_policy::Policy;
use voorveld_recall::Retention;
use voorveld_resolver as resolver;
use voorveld_resolver::Resolver;
use voorveld_seal::IndexLabel;
use voorveld_stage as stage;
use voorveld_stage::Work as _;
use voorveld_store::households::{ExcludedAddress, IndexVersion};
use voorveld_store::positions::{Claimed, Reader, Step};
use voorveld_store::publications::InForce;
use voorveld_store::registrations::{NewRegistration, Registered, Revoked};
use voorveld_store::task_changes::LockedTask;
use voorveld_store::wake_ups::WakeUp;
use voorveld_store::{Store, StoreError, Tx};
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC, household_key};

use crate::log::SimLog;
use crate::partners::{indexes, institution, municipality};
use crate::people::{Act, POLICIES};
use crate::run::{BEGIN, PARTITIONS, Setting, live_with, metrics, resolver_of};
use crate::tables::Tables;
use crate::world::{Happened, Shared, What};

/// Who does everything that people do.
pub const COLLEAGUE: UserId = UserId::from_uuid(Uuid::from_u128(7));

/// A run without faults, to be done again.
pub struct Chronicle {
    history: Vec<Happened>,
    shared: Shared,
    given: Vec<Uuid>,
}

/// PostgreSQL, of which only those wake-ups are due that were taken.
#[derive(Clone)]
struct Relived {
    store: Store,
    due: Arc<Mutex<Vec<WakeUp>>>,
}

#[async_trait]
impl stage::Database for Relived {
    type Tx = Tx;

    async fn begin(&self, name: &'static str) -> Result<Tx, StoreError> {
        self.store.begin_by_key(name).await
    }

    async fn claim_partitions(
        &self,
        reader: Reader<'_>,
        topic_id: &str,
        first: &[(i32, i64)],
        owner: &str,
        now: Timestamp,
    ) -> Result<Claimed, StoreError> {
        self.store
            .claim_partitions(reader, topic_id, first, owner, now)
            .await
    }
}

#[async_trait]
impl database::Database for Relived {
    async fn in_force(&self) -> Result<InForce, StoreError> {
        self.store.in_force().await
    }

    async fn policy(&self, bundle: &str) -> Result<Arc<Policy>, PublishError> {
        database::Database::policy(&self.store, bundle).await
    }

    async fn due_wake_ups(
        &self,
        partitions: &[i32],
        today: Date,
        apart_from: &[&str],
    ) -> Result<Vec<WakeUp>, StoreError> {
        let due = self
            .due
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let known = self
            .store
            .due_wake_ups(RESOLVED_TOPIC, partitions, today, apart_from);
        let known = known.await?;
        Ok(due
            .into_iter()
            .filter(|wake| known.contains(wake))
            .collect())
    }

    async fn has_resolved(
        &self,
        _reader: Reader<'_>,
        _until: &[(i32, i64)],
    ) -> Result<bool, StoreError> {
        Ok(true)
    }
}

impl Chronicle {
    /// The run of a seed, lived through without faults. Not to be called within a runtime: it has its own.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let setting = Setting {
            seed,
            bug: None,
            is_rough: false,
        };
        let shared = live_with(setting).0;
        let (history, given) = {
            let world = &mut *shared.world();
            assert_eq!(world.violations, Vec::<String>::new(), "seed {seed}");
            (world.history.clone(), world.given.clone())
        };
        Self {
            history,
            shared,
            given,
        }
    }

    /// Does the same in PostgreSQL.
    pub async fn relive(&self, store: &Store) -> Result<(), Box<dyn Error>> {
        let begin: Timestamp = BEGIN.parse()?;
        let clock = Clock::manual(begin);
        published::install(store, &POLICIES[0], begin, |_| Vec::new()).await?;
        let mut tx = store.begin("exclude").await?;
        let version = IndexVersion {
            key_id: indexes().key(IndexLabel::Addresses).id().to_string(),
            normaliser: i32::from(NORMALISER_VERSION),
        };
        let excluded = ExcludedAddress {
            key: institution(),
            reason: "institution".to_owned(),
        };
        tx.exclude_addresses(&version, &[excluded], begin).await?;
        tx.commit().await?;
        let all: Vec<(i32, i64)> = (0..PARTITIONS).map(|partition| (partition, 0)).collect();
        for (name, topic) in [
            (resolver::STAGE, RECEIVED_TOPIC),
            (correlator::STAGE, RESOLVED_TOPIC),
        ] {
            let reader = Reader { stage: name, topic };
            store
                .claim_partitions(reader, "again", &all, "again", begin)
                .await?;
        }
        let scratch = Shared::new(0, usize::try_from(PARTITIONS)?);
        scratch.world().is_read = true;
        let log = || {
            Log::of(Arc::new(SimLog {
                shared: scratch.clone(),
                process: "again".to_owned(),
            }))
        };
        let given = Mutex::new(VecDeque::from(self.given.clone()));
        let fresh_id = Arc::new(move || {
            let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
            given.pop_front().expect("as many ids as were given")
        });
        let parts = resolver_of(store.clone(), log(), &clock, fresh_id);
        let mut resolver = Resolver::new(parts, CancellationToken::new());
        let relived = Relived {
            store: store.clone(),
            due: Arc::default(),
        };
        let owner = |_| {
            Correlator::new(correlator::Parts {
                store: relived.clone(),
                log: log(),
                policy: Arc::clone(&POLICIES[0]),
                clock: clock.clone(),
                metrics: metrics().0.clone(),
                owner: "again".to_owned(),
                cached_bytes: correlator::DEFAULT_CACHED_BYTES,
            })
        };
        let mut owners: Vec<Correlator<Relived>> = (0..PARTITIONS).map(owner).collect();
        for happened in &self.history {
            clock.set(happened.at);
            match &happened.what {
                What::Batch(name, steps) if name == resolver::STAGE => {
                    let (steps, records) = self.batch(RECEIVED_TOPIC, steps);
                    resolver.batch(&steps, &records).await?;
                }
                What::Batch(_, steps) => {
                    for step in steps {
                        let (steps, records) = self.batch(RESOLVED_TOPIC, &[*step]);
                        let owner = &mut owners[usize::try_from(step.partition)?];
                        owner.batch(&steps, &records).await?;
                    }
                }
                What::InForce(steps, ..) => {
                    for step in steps {
                        let owner = &mut owners[usize::try_from(step.partition)?];
                        owner.claimed(&[held(step)]).await?;
                    }
                }
                What::Woken(steps, wake_ups) => {
                    for step in steps {
                        let own = wake_ups
                            .iter()
                            .filter(|wake| wake.partition == step.partition);
                        let own: Vec<WakeUp> = own.cloned().collect();
                        *relived.due.lock().unwrap_or_else(PoisonError::into_inner) = own;
                        let owner = &mut owners[usize::try_from(step.partition)?];
                        owner.quiet(&[held(step)]).await?;
                    }
                    relived
                        .due
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .clear();
                }
                What::Act(act) => do_again(store, act, happened.at).await?,
            }
        }
        let all: Vec<Step> = (0..PARTITIONS)
            .map(|partition| {
                let next = self.shared.world().end_of(RECEIVED_TOPIC, partition);
                Step {
                    partition,
                    from: next,
                    to: next,
                    epoch: 1,
                }
            })
            .collect();
        resolver.quiet(&all).await?;
        Ok(())
    }

    fn batch(&self, topic: &str, steps: &[Step]) -> (Vec<Step>, Vec<Record>) {
        let world = self.shared.world();
        let records = steps.iter().flat_map(|step| {
            let offsets = step.from..step.to;
            offsets.filter_map(|offset| world.record(topic, step.partition, offset).cloned())
        });
        let records = records.collect();
        let first = |step: &Step| Step { epoch: 1, ..*step };
        (steps.iter().map(first).collect(), records)
    }

    /// What is in the tables, told as the test tells what is in those of PostgreSQL.
    #[must_use]
    pub fn tables(&self) -> BTreeMap<&'static str, BTreeSet<String>> {
        told(&self.shared.world().tables)
    }
}

fn held(step: &Step) -> Step {
    Step {
        to: step.from,
        epoch: 1,
        ..*step
    }
}

async fn do_again(store: &Store, act: &Act, now: Timestamp) -> Result<(), Box<dyn Error>> {
    let today = amsterdam_date(now);
    let code = municipality();
    let mut tx = store.begin("act").await?;
    match act {
        Act::Claim(task) => {
            let locked = locked(&mut tx, *task).await?;
            tx.claim_task(*task, locked.version, COLLEAGUE, now).await?;
        }
        Act::Release(task) => {
            let locked = locked(&mut tx, *task).await?;
            tx.release_task(*task, locked.version, COLLEAGUE, now)
                .await?;
            wake(&mut tx, &[locked.household], "released", today).await?;
        }
        Act::Close(task, outcome) => {
            let locked = locked(&mut tx, *task).await?;
            tx.close_task(*task, locked.version, *outcome, COLLEAGUE, now, today)
                .await?;
            wake_homes(&mut tx, &locked, "result", today).await?;
        }
        Act::Reopen(task) => {
            let locked = locked(&mut tx, *task).await?;
            tx.reopen_task(*task, locked.version, COLLEAGUE, now)
                .await?;
            wake_homes(&mut tx, &locked, "reopened", today).await?;
        }
        Act::Register { id, standing } => {
            tx.lock_tasks_of(standing.household).await?;
            let registered = tx
                .register(&NewRegistration {
                    id: *id,
                    municipality: code,
                    household: standing.household,
                    debtor: standing.debtor,
                    reason: standing.reason,
                    file_code: None,
                    since: today,
                    until: standing.until,
                    by: "again".to_owned(),
                    at: now,
                })
                .await?;
            if let Registered::New(touched) = registered {
                wake(&mut tx, &touched, "registration", today).await?;
            }
        }
        Act::Revoke(id) => {
            let why = RevocationReason::Ended;
            let revoked = tx.revoke_registration(code, *id, "again", why, now).await?;
            if let Revoked::Done(_, touched) = revoked {
                wake(&mut tx, &touched, "registration_revoked", today).await?;
            }
        }
        Act::WakeExpired => {
            let over = Retention::of(POLICIES[0].rules()).over_on(today);
            store.wake_expired(RESOLVED_TOPIC, &over, today).await?;
        }
        // What the desk has seen is not known here, and another policy costs too much to read.
        Act::Lift(_) | Act::Publish(_) | Act::PublishUnlawful => {}
    }
    Ok(tx.commit().await?)
}

async fn locked(tx: &mut Tx, task: TaskId) -> Result<LockedTask, Box<dyn Error>> {
    let locked = tx.lock_task(municipality(), task).await?;
    Ok(locked.ok_or("a task is not there")?)
}

async fn wake_homes(
    tx: &mut Tx,
    task: &LockedTask,
    reason: &str,
    today: Date,
) -> Result<(), Box<dyn Error>> {
    let mut homes = tx.other_homes_of(task.id, task.household).await?;
    homes.push(task.household);
    wake(tx, &homes, reason, today).await
}

async fn wake(
    tx: &mut Tx,
    households: &[HouseholdId],
    reason: &str,
    today: Date,
) -> Result<(), Box<dyn Error>> {
    let wake_ups = households.iter().map(|household| WakeUp {
        due: today,
        household: *household,
        partition: partition_of(&household_key(household.uuid()), PARTITIONS),
        reason: reason.to_owned(),
    });
    let wake_ups: Vec<WakeUp> = wake_ups.collect();
    Ok(tx.ask_for_judgements(RESOLVED_TOPIC, &wake_ups).await?)
}

fn or_none<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn listed<T: ToString>(values: &[T]) -> String {
    let all: Vec<String> = values.iter().map(ToString::to_string).collect();
    all.join(",")
}

fn told(tables: &Tables) -> BTreeMap<&'static str, BTreeSet<String>> {
    let flag = u8::from;
    let moved = tables.positions.iter().filter(|(_, at)| 0 < at.next);
    let filings = tables.filings.iter().map(|filing| {
        let home = &filing.home;
        format!(
            "{} {} {} {} {} {} {} {} {}",
            filing.signal,
            home.revision,
            home.filing,
            or_none(home.household),
            or_none(filing.before),
            or_none(filing.unplaced_reason),
            flag(home.withdrawn),
            flag(tables.is_produced(filing)),
            filing.partition
        )
    });
    let signals = tables.signals.values().map(|row| {
        format!(
            "{} {} {} {} {} {} {} {} {} {} {} {} {} {} {}",
            row.household,
            row.signal,
            row.revision.get(),
            row.filing.get(),
            flag(row.presence == voorveld_domain::Presence::LivesHere),
            row.standing.code(),
            row.partner,
            row.kind,
            row.event_date,
            or_none(row.amount.map(voorveld_domain::Cents::get)),
            flag(row.crisis),
            or_none(row.debtor),
            or_none(row.area.as_ref()),
            or_none(row.request_id.as_ref()),
            row.came_at
        )
    });
    let matches = tables.matches.values().map(|(row, rule_set)| {
        format!(
            "{} {} {} {} {rule_set} {} {}",
            row.household,
            row.rule,
            row.anchor,
            row.version,
            listed(&row.witnesses),
            listed(&row.evidence)
        )
    });
    let muted = tables.suppressions.values().map(|row| {
        format!(
            "{} {} {} {}",
            row.household, row.rule, row.anchor, row.reason
        )
    });
    let judged = tables
        .judgements
        .iter()
        .map(|(household, (_, partition, judged))| {
            format!(
                "{household} {partition} {} {} {}",
                judged.as_of,
                or_none(judged.next_look),
                flag(judged.awaits_feeds)
            )
        });
    let tasks = tables.tasks.values().map(|one| {
        let task = &one.task;
        format!(
            "{} {} {} {} {} {} {} {} {} {} {} {}",
            task.id,
            task.household,
            task.purpose,
            task.state,
            task.urgency,
            task.due_on,
            task.ladder_step,
            task.raised_as_of,
            or_none(task.closed.map(|(day, _)| day)),
            or_none(task.closed.map(|(_, outcome)| outcome)),
            flag(task.flagged),
            flag(task.annotated)
        )
    });
    let grounds = tables.grounds.iter().map(|((task, rule, anchor), one)| {
        let ground = &one.ground;
        format!(
            "{task} {rule} {anchor} {} {} {} {} {} {} {} {} {}",
            ground.version,
            one.rule_set,
            ground.due_on,
            ground.added_as_of,
            or_none(one.gone.map(|(day, _)| day)),
            flag(one.gone.is_some_and(|(_, replaced)| replaced)),
            flag(ground.repeat),
            listed(&ground.witnesses),
            listed(&ground.evidence)
        )
    });
    let holds = tables.holds.iter().map(|one| {
        format!(
            "{} {} {}",
            one.household,
            one.reason.code(),
            flag(one.lifted)
        )
    });
    let wake_ups = tables.wake_ups.iter().map(|one| {
        format!(
            "{} {} {} {}",
            one.partition, one.household, one.due, one.reason
        )
    });
    let registrations = tables.registrations.iter().map(|one| {
        let about = one.standing;
        format!(
            "{} {} {} {} {} {}",
            one.id,
            about.household,
            or_none(about.debtor),
            about.reason.code(),
            or_none(about.until),
            flag(one.revoked)
        )
    });
    let superseded = tables
        .superseded
        .iter()
        .map(|(household, signal, revision, filing)| {
            format!("{household} {signal} {revision} {filing}")
        });
    let dead_letters = tables
        .dead_letters
        .iter()
        .map(|((stage, partition, offset), reason)| {
            format!("{stage} {partition} {offset} {reason}")
        });
    let heard = tables
        .heard
        .iter()
        .map(|(household, purpose, signal)| format!("{household} {purpose} {signal}"));
    let activations = tables
        .activations
        .iter()
        .map(|one| format!("{} {} {}", one.partition, one.from_offset, one.rule_set));
    let erasures = tables.erasures.iter().map(ToString::to_string);
    let positions =
        moved.map(|((stage, partition), at)| format!("{stage} {partition} {}", at.next));
    [
        ("partition_positions", positions.collect()),
        ("signal_homes", filings.collect()),
        ("signals", signals.collect()),
        ("matches", matches.collect()),
        ("suppressions", muted.collect()),
        ("household_judgements", judged.collect()),
        ("tasks", tasks.collect()),
        ("task_grounds", grounds.collect()),
        ("holds", holds.collect()),
        ("wake_ups", wake_ups.collect()),
        ("registrations", registrations.collect()),
        ("signal_history", superseded.collect()),
        ("dead_letters", dead_letters.collect()),
        ("answered_elsewhere", heard.collect()),
        ("rule_activations", activations.collect()),
        ("erasures", erasures.collect()),
    ]
    .into()
}
