//! Replay against what live did: matches row for row, tasks by their ids, with colleagues at work and rules that change on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::civil::{Date, date};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;
use voorveld::ops::backtest::only;
use voorveld::ops::backtest::report::{HouseholdReport, Report};
use voorveld_bus::partition_of;
use voorveld_calendar::plus_days;
use voorveld_correlator::backtest::tally::Tally;
use voorveld_correlator::backtest::{
    Activated, Asked, ByClock, Collect, Judges, Replayed, Seen, Side, run,
};
use voorveld_detect::{Condition, Effect, Predicate, RuleSet};
use voorveld_domain::{Cents, HouseholdId, Outcome, TaskId, TaskState, UserId};
use voorveld_policy::Policy;
use voorveld_store::wake_ups::WakeUp;
use voorveld_tests::root;
use voorveld_wire::signal_v1::{RESOLVED_TOPIC, household_key};

use crate::stages::{PARTITIONS, Sent, Stages};

const COLLEAGUE: Uuid = Uuid::from_u128(77);

/// Numbers that look drawn and can be repeated (Knuth's constants).
struct Dice(u64);

impl Dice {
    fn draw(&mut self, most: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.draw(list.len())]
    }
}

/// The shipped rules with these changes: file, what it says, what it is to say.
fn policy(changes: &[(&str, &str, &str)]) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    for entry in std::fs::read_dir(root().join("config/rules")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let mut text = std::fs::read_to_string(&path).unwrap();
        for (file, from, to) in changes {
            if *file == name {
                assert!(text.contains(from), "{name}: {from}");
                text = text.replace(from, to);
            }
        }
        std::fs::write(rules.join(name), text).unwrap();
    }
    Policy::load(folder.path()).unwrap()
}

/// What keeps silent for a while after a result and speaks again by itself.
const WITH_COOLDOWN: (&str, &str, &str) = (
    "debt.high_amount.yaml",
    "retention_days: 1095",
    "cooldown: { days: 6, from: result }\nretention_days: 1095",
);

pub fn side(policy: &Arc<Policy>, judges: Judges) -> Side {
    Side::new(judges, Arc::clone(policy))
}

/// Everything a replay says, household by household.
#[derive(Default)]
struct All(BTreeMap<HouseholdId, Replayed>);

impl Collect for All {
    fn take(&mut self, _: &Asked, seen: &Seen<'_>) {
        self.0.insert(seen.household, seen.draft.clone());
    }
    fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

impl All {
    fn matches(&self) -> BTreeSet<String> {
        let matches = self.0.iter().flat_map(|(household, replayed)| {
            replayed.matches.iter().map(move |(_, found)| {
                let witnesses: Vec<String> =
                    found.witnesses.iter().map(ToString::to_string).collect();
                let evidence: Vec<String> =
                    found.evidence.iter().map(ToString::to_string).collect();
                format!(
                    "{household} {} v{} {} [{}] {}",
                    found.rule,
                    found.version,
                    found.anchor,
                    witnesses.join(","),
                    evidence.join("; ")
                )
            })
        });
        matches.collect()
    }

    fn raised(&self) -> BTreeSet<String> {
        let raised = self.0.iter().flat_map(|(household, replayed)| {
            replayed.raised.iter().map(move |raised| {
                let task = &raised.task;
                format!(
                    "{} {household} {} {} {} {}",
                    task.id, task.purpose, raised.team, raised.area, task.raised_on
                )
            })
        });
        raised.collect()
    }

    fn tasks_at_the_end(&self) -> BTreeSet<String> {
        let tasks = self.0.values().flat_map(|replayed| {
            replayed.raised.iter().map(|raised| {
                let task = &raised.task;
                let mut grounds: Vec<String> = task
                    .grounds
                    .iter()
                    .map(|ground| {
                        let witnesses: Vec<String> =
                            ground.witnesses.iter().map(ToString::to_string).collect();
                        let evidence: Vec<String> =
                            ground.evidence.iter().map(ToString::to_string).collect();
                        format!(
                            "{}@{} v{} {} {} {} [{}] {}",
                            ground.rule,
                            ground.anchor,
                            ground.version,
                            ground.repeat,
                            ground.added_on,
                            ground.due_on,
                            witnesses.join(","),
                            evidence.join("; ")
                        )
                    })
                    .collect();
                grounds.sort();
                let result = task.closed.map_or_else(String::new, |end| {
                    format!("{} {}", end.on, end.outcome.code())
                });
                format!(
                    "{} {} {} {} {} {result} {}",
                    task.id,
                    task.state,
                    task.urgency,
                    task.due_on,
                    task.ladder_step,
                    grounds.join(", ")
                )
            })
        });
        tasks.collect()
    }
}

const LIVE_MATCHES: &str = "SELECT household_id || ' ' || rule_id || ' v' || rule_version || ' ' || anchor || ' [' || array_to_string(witnesses, ',') || '] '
    || (SELECT string_agg(e, '; ' ORDER BY n) FROM jsonb_array_elements_text(evidence) WITH ORDINALITY AS x (e, n)) FROM matches";
const LIVE_RAISED: &str = "SELECT concat_ws(' ', task_id, household_id, purpose, team_id, area_id, raised_as_of) FROM tasks";
const LIVE_TASKS: &str = "SELECT concat_ws(' ', task_id, state, urgency, due_on, ladder_step) || ' '
    || coalesce(closed_as_of || ' ' || outcome, '') || ' ' || coalesce(
        (SELECT string_agg(ground, ', ' ORDER BY ground COLLATE \"C\")
         FROM task_grounds g CROSS JOIN LATERAL (
             SELECT rule_id || '@' || anchor || ' v' || rule_version || ' ' || repeat || ' ' || added_as_of || ' ' || g.due_on
                 || ' [' || array_to_string(witnesses, ',') || '] '
                 || coalesce((SELECT string_agg(e, '; ' ORDER BY n)
                              FROM jsonb_array_elements_text(evidence) WITH ORDINALITY AS x (e, n)), '')) AS said (ground)
         WHERE g.task_id = t.task_id AND gone_as_of IS NULL), '') FROM tasks t";

/// A year of some front doors in which everything happens that can: partners correct, move and take back; colleagues take, give back, finish and take
/// back; days come; a rule changes.
struct Street {
    stages: Stages,
    dice: Dice,
    sent: Vec<Sent>,
    known: Vec<RuleSet>,
}

impl Street {
    async fn new(pool: PgPool, seed: u64) -> Self {
        let mut stages = Stages::new(pool, "2025-01-06").await;
        stages.policy = Arc::new(policy(&[WITH_COOLDOWN]));
        let known = vec![stages.policy.rules().clone()];
        stages.start().await;
        Self {
            stages,
            dice: Dice(seed),
            sent: Vec::new(),
            known,
        }
    }

    /// Another set of rules comes into force: one rule says something else, and old matches become its.
    async fn change_rules(&mut self) {
        self.stages.stop(true).await;
        self.stages.policy = Arc::new(policy(&[
            WITH_COOLDOWN,
            ("debt.high_amount.yaml", "version: 1", "version: 2"),
            (
                "debt.high_amount.yaml",
                "amount_at_least: 500",
                "amount_at_least: 350",
            ),
        ]));
        self.known.push(self.stages.policy.rules().clone());
        self.stages.start().await;
    }

    async fn partners_send(&mut self) {
        const HOUSES: [&str; 7] = ["2", "4", "6", "8", "10", "12", "14"];
        const KINDS: [&str; 3] = ["rent_arrears", "energy_arrears", "water_arrears"];
        let today = self.stages.clock.today();
        let mut batch = Vec::new();
        for _ in 0..self.dice.draw(5) {
            let again = !self.sent.is_empty() && self.dice.draw(3) == 0;
            let next = if again {
                let index = self.dice.draw(self.sent.len());
                let before = self.sent[index].clone();
                let mut next = Sent {
                    revision: before.revision + 1,
                    withdrawn: false,
                    ..before
                };
                match self.dice.draw(3) {
                    0 => next.withdrawn = true,
                    1 => next.house = Some(self.dice.pick(&HOUSES)),
                    _ => next.cents = Some(u32::try_from(self.dice.draw(100_000) + 1).unwrap()),
                }
                self.sent[index] = next.clone();
                next
            } else {
                let is_marker = self.dice.draw(25) == 0;
                let next = Sent {
                    signal: self.sent.len() as u128 + 1,
                    revision: 1,
                    kind: if is_marker {
                        "reporting_code_report"
                    } else {
                        self.dice.pick(&KINDS)
                    },
                    day: plus_days(today, -i32::try_from(self.dice.draw(70)).unwrap()),
                    cents: (!is_marker).then(|| u32::try_from(self.dice.draw(80_000) + 1).unwrap()),
                    house: Some(self.dice.pick(&HOUSES)),
                    withdrawn: false,
                    bsn: None,
                };
                self.sent.push(next.clone());
                next
            };
            batch.push(next);
        }
        self.stages.send(&batch).await;
    }

    /// A colleague does something to a task, as outreach does: under its lock, with the wake-up that belongs to it.
    async fn a_colleague_acts(&mut self) {
        let tasks: Vec<(Uuid, Uuid, String, i32)> = sqlx::query_as(
            "SELECT task_id, household_id, state, version FROM tasks
             WHERE state IN ('open', 'claimed') OR (state = 'closed' AND closed_at > $1::timestamptz) ORDER BY raised_as_of, task_id",
        )
        .bind(
            self.stages
                .clock
                .now()
                .saturating_sub(jiff::SignedDuration::from_mins(10))
                .unwrap()
                .to_string(),
        )
        .fetch_all(&self.stages.pool)
        .await
        .unwrap();
        if tasks.is_empty() {
            return;
        }
        let (task, household, state, version) = tasks[self.dice.draw(tasks.len())].clone();
        let (task, household) = (TaskId::from_uuid(task), HouseholdId::from_uuid(household));
        let by = UserId::from_uuid(COLLEAGUE);
        let (now, today) = (self.stages.clock.now(), self.stages.clock.today());
        let mut tx = self.stages.store.begin("a colleague").await.unwrap();
        let locked = tx
            .lock_task("0518".parse().unwrap(), task)
            .await
            .unwrap()
            .unwrap();
        if locked.version != version {
            return;
        }
        let releases = self.dice.draw(4) == 0;
        let (moved, reason) = match state.parse().unwrap() {
            TaskState::Open => (tx.claim_task(task, version, by, now).await.unwrap(), None),
            TaskState::Claimed if releases => {
                let moved = tx.release_task(task, version, by, now).await.unwrap();
                (moved, locked.flagged.then_some("released"))
            }
            TaskState::Claimed => {
                let outcome = self.dice.pick(&[
                    Outcome::NoContact,
                    Outcome::NeedsNoHelp,
                    Outcome::FinancialHelp,
                ]);
                let moved = tx.close_task(task, version, outcome, by, now, today);
                (moved.await.unwrap(), Some("result"))
            }
            _ => match tx.reopen_task(task, version, by, now).await {
                Ok(moved) => (moved, Some("reopened")),
                // Another one was raised meanwhile.
                Err(_) => return,
            },
        };
        assert!(moved);
        if let Some(reason) = reason {
            let mut homes = tx.other_homes_of(task, household).await.unwrap();
            homes.push(household);
            let mut wakes = Vec::new();
            for home in homes {
                wakes.push(WakeUp {
                    due: today,
                    household: home,
                    partition: partition_of(&household_key(home.uuid()), PARTITIONS),
                    reason: reason.to_owned(),
                });
            }
            tx.add_wake_ups(RESOLVED_TOPIC, &wakes).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    async fn a_hold_is_lifted(&mut self) {
        sqlx::query("UPDATE holds SET lifted_at = $1::timestamptz WHERE lifted_at IS NULL")
            .bind(self.stages.clock.now().to_string())
            .execute(&self.stages.pool)
            .await
            .unwrap();
    }

    async fn rest(&self) {
        self.stages.settle().await;
        let due = format!(
            "SELECT count(*) FROM wake_ups WHERE due <= '{}'",
            self.stages.clock.today()
        );
        self.stages.until_none(&due).await;
    }

    async fn live(&mut self, days: usize, colleagues: bool) {
        for day in 0..days {
            if day == days / 2 {
                self.rest().await;
                self.change_rules().await;
            }
            for _ in 0..3 {
                self.stages.clock.advance(Duration::from_mins(3));
                self.partners_send().await;
                // Sometimes a colleague is faster than the stages are.
                if self.dice.draw(2) == 0 {
                    self.rest().await;
                }
                self.stages.clock.advance(Duration::from_mins(3));
                if colleagues {
                    self.a_colleague_acts().await;
                    self.a_colleague_acts().await;
                }
            }
            self.rest().await;
            if self.dice.draw(5) == 0 {
                self.stages.clock.advance(Duration::from_mins(3));
                self.a_hold_is_lifted().await;
            }
            let pause = 1 + self.dice.draw(5) as u64;
            self.stages
                .clock
                .advance(Duration::from_hours(24 * pause - 1));
            self.rest().await;
        }
    }

    async fn replayed(&self, to: Date) -> All {
        replayed(&self.stages, &self.known, to).await
    }
}

/// A replay by knowledge time, as published.
async fn replayed(stages: &Stages, known: &[RuleSet], to: Date) -> All {
    let store = &stages.store;
    let activated = Activated::load(store, stages.policy.rules(), known)
        .await
        .unwrap();
    assert!(activated.unknown.is_empty());
    let asked = Asked {
        clock: ByClock::Knowledge,
        from: date(2024, 1, 1),
        to,
        draft: side(&stages.policy, Judges::AsActivated(activated)),
        published: None,
    };
    run(store, Arc::new(asked)).await.unwrap()
}

/// What a replay until now makes otherwise than live did, by the one set of rules that judged.
pub async fn replayed_otherwise(stages: &Stages) -> Vec<String> {
    let whole = replayed(stages, &[], stages.clock.today()).await;
    let live = stages.texts(LIVE_RAISED).await;
    let mut differ = difference(&whole.raised(), &live, "raised");
    let live = stages.texts(LIVE_TASKS).await;
    differ.extend(difference(&whole.tasks_at_the_end(), &live, "tasks"));
    differ
}

/// What is on one side only: a report of thousands of equal lines helps nobody.
fn difference(replayed: &BTreeSet<String>, live: &BTreeSet<String>, what: &str) -> Vec<String> {
    let more = replayed
        .difference(live)
        .map(|one| format!("{what}: only replayed {one}"));
    let fewer = live
        .difference(replayed)
        .map(|one| format!("{what}: only live {one}"));
    more.take(5).chain(fewer.take(5)).collect()
}

/// A street with colleagues at work, replayed on its last day and on every third before it: what differs from live.
async fn differences(pool: PgPool, seed: u64) -> Vec<String> {
    let mut street = Street::new(pool, seed).await;
    street.live(24, true).await;
    let last = street.stages.clock.today();
    street.stages.stop(true).await;

    let stages = &street.stages;
    let superseded: i64 = sqlx::query_scalar("SELECT count(*) FROM signal_history")
        .fetch_one(&stages.pool)
        .await
        .unwrap();
    let acts = stages
        .texts("SELECT event FROM task_events WHERE actor IS NOT NULL GROUP BY event")
        .await;
    let whole = street.replayed(last).await;
    assert!(
        5 < superseded && 10 < whole.raised().len() && 3 < acts.len(),
        "something happened: {superseded} superseded, {acts:?}"
    );
    let mut differ = Vec::new();
    let live = stages.texts(LIVE_RAISED).await;
    differ.extend(difference(&whole.raised(), &live, "raised"));
    let live = stages.texts(LIVE_MATCHES).await;
    differ.extend(difference(&whole.matches(), &live, "matches"));
    let live = stages.texts(LIVE_TASKS).await;
    differ.extend(difference(
        &whole.tasks_at_the_end(),
        &live,
        "tasks at the end",
    ));
    let mut day = date(2025, 1, 6);
    while day <= last {
        let by_then: BTreeSet<String> = whole
            .raised()
            .into_iter()
            .filter(|raised| raised.rsplit(' ').next().unwrap().parse::<Date>().unwrap() <= day)
            .collect();
        let replayed = street.replayed(day).await.raised();
        differ.extend(difference(&replayed, &by_then, &format!("by {day}")));
        day = plus_days(day, 3);
    }
    assert!(plus_days(date(2025, 1, 6), 30) < last);
    differ
}

async fn a_replay_raises_what_live_raised(pool: PgPool, seed: u64) {
    let differ = differences(pool, seed).await;
    assert!(differ.is_empty(), "{differ:#?}");
}

#[sqlx::test(migrations = "../migrations")]
async fn a_replay_raises_what_live_raised_in_the_first_street(pool: PgPool) {
    a_replay_raises_what_live_raised(pool, 11).await;
}

#[sqlx::test(migrations = "../migrations")]
async fn a_replay_raises_what_live_raised_in_another_street(pool: PgPool) {
    a_replay_raises_what_live_raised(pool, 2_026).await;
}

/// In this one a signal moves to a task whose first result was taken back.
#[sqlx::test(migrations = "../migrations")]
async fn a_replay_raises_what_live_raised_where_a_result_was_taken_back(pool: PgPool) {
    a_replay_raises_what_live_raised(pool, 6).await;
}

/// One more street, or as many as one has patience for, some ten seconds each:
/// `VOORVELD_STREETS=0..100 cargo test -p voorveld-tests --test it in_any_street -- --nocapture`
#[sqlx::test(migrations = "../migrations")]
async fn a_replay_raises_what_live_raised_in_any_street(pool: PgPool) {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long to look is for whoever runs it"
    )]
    let streets = std::env::var("VOORVELD_STREETS").unwrap_or_else(|_| "407..408".to_owned());
    let (from, to) = streets.split_once("..").unwrap();
    let seeds = from.parse::<u64>().unwrap()..to.parse().unwrap();
    let live = async |seed: u64| {
        // A street needs a database of its own.
        let name = format!("voorveld_street_{}_{seed}", std::process::id());
        let sql = |what: &str| sqlx::AssertSqlSafe(format!("{what} DATABASE {name}"));
        sqlx::raw_sql(sql("CREATE")).execute(&pool).await.unwrap();
        let options = PgConnectOptions::clone(&pool.connect_options()).database(&name);
        let own = PgPool::connect_with(options).await.unwrap();
        sqlx::migrate!("../migrations").run(&own).await.unwrap();
        let differ = differences(own.clone(), seed).await;
        own.close().await;
        sqlx::raw_sql(sql("DROP")).execute(&pool).await.unwrap();
        eprintln!("street {seed}: {differ:#?}");
        !differ.is_empty()
    };
    let differ: Vec<bool> = futures::stream::iter(seeds)
        .map(live)
        .buffered(3)
        .collect()
        .await;
    let wrong = differ.iter().filter(|differs| **differs).count();
    eprintln!("{wrong} of {} streets differ", differ.len());
    assert_eq!(wrong, 0);
}

/// Rules whose matches stand whatever comes need only be looked at at the end. A rule beside them that never matches, and that might have
/// ceased to, takes that shortcut away: what is said must be the same.
#[sqlx::test(migrations = "../migrations")]
async fn a_household_that_is_not_replayed_had_nothing_to_say(pool: PgPool) {
    let mut street = Street::new(pool, 11).await;
    street.live(12, true).await;
    let (from, to) = (date(2024, 1, 1), street.stages.clock.today());
    street.stages.stop(true).await;
    let stages = &street.stages;
    let shipped = stages.policy.rules();
    for id in ["debt.multiple", "debt.consecutive", "debt.high_amount"] {
        let alone = only(shipped, &[id.parse().unwrap()]);
        let mut never = alone.rules()[0].clone();
        never.id = "debt.never".parse().unwrap();
        never.effect = Effect::Show;
        never.condition = Condition::Risen {
            of: Predicate::Any,
            days: 2,
            by: Cents::MAX,
        };
        let rules = vec![alone.rules()[0].clone(), never];
        let both = RuleSet::new(rules, shipped.settings().clone(), shipped.hash()).unwrap();
        let mut said = Vec::new();
        for rules in [alone, both] {
            let asked = Asked {
                clock: ByClock::Event,
                from,
                to,
                draft: side(&stages.policy, Judges::Always(rules)),
                published: None,
            };
            let all: All = run(&stages.store, Arc::new(asked)).await.unwrap();
            said.push((all.matches(), all.raised(), all.tasks_at_the_end()));
        }
        assert!(!said[0].0.is_empty(), "{id} matches somewhere");
        assert_eq!(said[0], said[1]);
    }
}

/// Both sides of the street counted: the published one must be what the tables say, and the difference a difference of sets.
#[sqlx::test(migrations = "../migrations")]
async fn the_numbers_of_a_report_by_knowledge_time_are_those_of_plain_sql(pool: PgPool) {
    let mut street = Street::new(pool, 5).await;
    street.live(18, true).await;
    let (from, to) = (date(2025, 1, 20), street.stages.clock.today());
    street.stages.stop(true).await;
    let stages = &street.stages;
    let activated = Activated::load(&stages.store, stages.policy.rules(), &street.known)
        .await
        .unwrap();
    let asked = Arc::new(Asked {
        clock: ByClock::Knowledge,
        from,
        to,
        draft: side(
            &stages.policy,
            Judges::Always(only(
                stages.policy.rules(),
                &["debt.high_amount".parse().unwrap()],
            )),
        ),
        published: Some(side(&stages.policy, Judges::AsActivated(activated))),
    });
    let tally: Tally = run(&stages.store, Arc::clone(&asked)).await.unwrap();
    let report = Report::of(&asked, &tally, &stages.policy);
    let drafts: All = run(&stages.store, Arc::clone(&asked)).await.unwrap();
    let sql = |what: &str| {
        format!(
            "SELECT {what} FROM tasks WHERE purpose <> 'safety' AND raised_as_of BETWEEN '{from}' AND '{to}'"
        )
    };
    let texts = async |sql: String| -> BTreeSet<String> {
        let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_all(&stages.pool)
            .await
            .unwrap();
        rows.into_iter().collect()
    };

    let weeks = texts(format!(
        "{} GROUP BY team_id, to_char(raised_as_of, 'IYYY-\"W\"IW')",
        sql("concat_ws(' ', team_id, to_char(raised_as_of, 'IYYY-\"W\"IW'), count(*))")
    ))
    .await;
    let told: BTreeSet<String> = report
        .teams
        .iter()
        .flat_map(|team| {
            team.weeks
                .iter()
                .map(move |week| (team, week, week.published.unwrap()))
        })
        .filter(|(_, _, tasks)| 0 < *tasks)
        .map(|(team, week, tasks)| format!("{} {} {tasks}", team.team, week.week))
        .collect();
    assert_eq!(told, weeks);

    let live = texts(sql("DISTINCT household_id::text")).await;
    let draft: BTreeSet<String> = drafts
        .0
        .iter()
        .filter(|(_, replayed)| {
            replayed
                .raised
                .iter()
                .any(|raised| from <= raised.task.raised_on && raised.task.raised_on <= to)
        })
        .map(|(household, _)| household.to_string())
        .collect();
    let difference = report.difference.as_ref().unwrap();
    let ids = |list: &[HouseholdReport]| -> BTreeSet<String> {
        list.iter().map(|one| one.household.clone()).collect()
    };
    assert_eq!(
        ids(&difference.gained_households),
        draft.difference(&live).cloned().collect()
    );
    assert_eq!(
        ids(&difference.lost_households),
        live.difference(&draft).cloned().collect()
    );
    assert_eq!(difference.kept + difference.lost, live.len() as u64);

    let outcomes = texts(format!(
        "{} GROUP BY 1",
        sql("coalesce(outcome, CASE WHEN state IN ('open', 'claimed') THEN 'still_open' ELSE 'without_result' END)")
            .replace(" FROM", " AS became, count(*) FROM")
    )
    .replacen("SELECT ", "SELECT became || ' ' || count FROM (SELECT ", 1)
        + ") AS c")
    .await;
    let mut told: BTreeMap<&str, u64> = BTreeMap::new();
    for one in difference
        .shared_outcomes
        .iter()
        .chain(&difference.lost_outcomes)
    {
        *told.entry(one.outcome).or_default() += one.tasks;
    }
    let told: BTreeSet<String> = told
        .into_iter()
        .map(|(outcome, tasks)| format!("{outcome} {tasks}"))
        .collect();
    assert_eq!(told, outcomes);
    assert!(2 < outcomes.len(), "{outcomes:?}");

    let matches = texts(format!(
        "SELECT concat_ws(' ', rule_id, count(*), count(DISTINCT household_id)) FROM matches m
         WHERE rule_id LIKE 'debt.%' AND (SELECT max(event_date) FROM signals s WHERE s.household_id = m.household_id AND s.signal_id = ANY(m.witnesses))
           BETWEEN '{from}' AND '{to}' GROUP BY rule_id"
    ))
    .await;
    let told: BTreeSet<String> = report
        .published
        .iter()
        .flat_map(|side| &side.rules)
        .filter(|rule| 0 < rule.matches)
        .map(|rule| format!("{} {} {}", rule.rule, rule.matches, rule.households))
        .collect();
    assert_eq!(told, matches);
}
