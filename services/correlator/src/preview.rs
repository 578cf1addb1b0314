//! What a publication, or working off a backlog, would do: judged by the same functions on what is stored (I6), and nothing is written.
//!
//! Households are read page by page, so that memory stays bounded however many there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use uuid::Uuid;
use voorveld_detect::{Feeds, Ground, RuleSet, SuppressedBy, TaskChange, Timeline, find_matches};
use voorveld_domain::{HouseholdId, MunicipalityCode, Purpose, RuleId, TaskId, TeamId};
use voorveld_policy::Policy;
use voorveld_store::judgements::Activation;
use voorveld_store::{Store, StoreError, Tx};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::household::{Household, Remembered};
use crate::rules::active_from;
use voorveld_recall::{Registered, Retention, feeds_told};

/// How many households are read at once.
const PAGE: i64 = 500;
/// A quarter, in days: what was received since then is counted once more.
pub const QUARTER_DAYS: i64 = 91;
/// How many tasks are named as an example of what becomes of them.
pub const EXAMPLES_MAX: usize = 5;

/// What would become of an open task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fate {
    /// Nothing.
    Kept,
    /// It gets a ground it does not have.
    Gains,
    /// Some of its grounds go (K10).
    Loses,
    /// All grounds go and nobody has it: it is withdrawn (K10).
    Withdrawn,
    /// All grounds go while somebody has it, or it is the safety desk's: a person decides (K10).
    Flagged,
}

impl Fate {
    /// Every fate, the quietest first.
    pub const ALL: [Self; 5] = [
        Self::Kept,
        Self::Gains,
        Self::Loses,
        Self::Withdrawn,
        Self::Flagged,
    ];
}

/// What a rule would find among the households of which something was received in the last quarter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quarter {
    /// Matches by what is in force.
    pub live: u64,
    /// Matches by the draft.
    pub draft: u64,
    /// Households that only the draft finds.
    pub gained: u64,
    /// Households that only what is in force finds.
    pub lost: u64,
}

/// What publishing a draft would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// Open tasks by what would become of them.
    pub tasks: BTreeMap<Fate, u64>,
    /// Some of them by id, never those of the safety desk.
    pub examples: BTreeMap<Fate, Vec<TaskId>>,
    /// New tasks at these households beside those that are open.
    pub raised: u64,
    /// How many households were heard of in the last quarter.
    pub households: u64,
    /// By rule, what leans on at least one signal of the last quarter.
    pub quarter: BTreeMap<RuleId, Quarter>,
}

/// What working off a backlog would raise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Households with a match of this version that came before it.
    pub households: u64,
    /// Tasks that would be raised, by team and purpose.
    pub raised: BTreeMap<(TeamId, Purpose), u64>,
    /// Tasks that are open and would change.
    pub joined: u64,
    /// Matches of the rule that would still raise nothing, by the code of the reason.
    pub muted: BTreeMap<&'static str, u64>,
}

impl Backlog {
    /// All tasks that would be raised.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.raised.values().sum()
    }
}

/// Rules with, for each partition, the place from which each version judges.
struct Judges {
    rules: RuleSet,
    by_partition: HashMap<i32, RuleSet>,
}

impl Judges {
    /// As an owner would judge that takes these rules up now: whatever is stored came before a version that never judged.
    async fn now(
        store: &Store,
        policy: &Policy,
        backlogs: &[(RuleId, u32)],
    ) -> Result<Self, StoreError> {
        let activations = store.all_activations(RESOLVED_TOPIC).await?;
        let mut histories: HashMap<i32, Vec<&Activation>> = HashMap::new();
        for one in &activations {
            histories.entry(one.partition).or_default().push(one);
        }
        let rules = policy.rules();
        let by_partition = histories
            .into_iter()
            .map(|(partition, history)| {
                let from = active_from(rules, &history, i64::MAX, backlogs);
                (partition, rules.clone().with_activations(&from))
            })
            .collect();
        Ok(Self {
            rules: rules.clone(),
            by_partition,
        })
    }

    fn of(&self, partition: i32) -> &RuleSet {
        self.by_partition.get(&partition).unwrap_or(&self.rules)
    }
}

/// How far the feeds are complete, as an owner would judge by them now.
struct Marks(BTreeMap<MunicipalityCode, Feeds>);

impl Marks {
    async fn now(store: &Store) -> Result<Self, StoreError> {
        feeds_told(store.feeds(None, None).await?).map(Self)
    }

    /// Where no partner may send anything nothing is complete.
    fn of(&self, household: &Household) -> Feeds {
        let municipality = &household.memory.municipality;
        self.0.get(municipality).cloned().unwrap_or_default()
    }
}

/// Reads households as an owner would, without a lock on their tasks.
async fn read(tx: &mut Tx, ids: &[HouseholdId]) -> Result<Vec<Household>, StoreError> {
    let partitions: HashMap<HouseholdId, i32> = tx.partitions_of(ids).await?.into_iter().collect();
    let mut memories: BTreeMap<HouseholdId, Remembered> = BTreeMap::new();
    for row in tx.timelines(ids).await? {
        let partition = partitions.get(&row.household).copied().unwrap_or(-1);
        memories
            .entry(row.household)
            .or_insert_with(|| Remembered::new(partition, row.municipality))
            .absorb(row)?;
    }
    let tasks = tx.tasks_of(ids).await?;
    let judged = tx.judged(ids).await?;
    let held = tx.active_holds(ids).await?;
    let came_from_elsewhere: Vec<_> = memories
        .values()
        .flat_map(|memory| memory.rows.values())
        .filter(|row| row.filing.get() > 1)
        .map(|row| row.signal)
        .collect();
    let answered = tx.answered(&came_from_elsewhere).await?;
    let debtors = memories.values().flat_map(Remembered::debtors).collect();
    let registered: Registered = tx
        .standing_registrations(ids, &debtors)
        .await?
        .into_iter()
        .collect();
    let registered = Arc::new(registered);
    memories
        .into_iter()
        .map(|(id, memory)| {
            let as_of = judged.get(&id).map(|judged| judged.as_of);
            let tasks = tasks.get(&id).map_or(&[][..], Vec::as_slice);
            let mut household =
                Household::stored(id, memory, as_of, tasks, held.get(&id).copied())?;
            household.registered = Arc::clone(&registered);
            household.guards.answered_elsewhere = answered
                .iter()
                .filter(|(home, ..)| *home != id)
                .map(|(_, purpose, signal)| (*purpose, *signal))
                .collect();
            Ok(household)
        })
        .collect()
}

/// What would become of each open task of a household that was judged just now.
fn fates(household: &Household) -> Vec<(TaskId, Purpose, Fate)> {
    let open = household.tasks.iter().filter(|task| task.state.is_open());
    open.map(|task| {
        let mut fate = Fate::Kept;
        for change in &household.plan.changes {
            fate = fate.max(match change {
                TaskChange::Join {
                    task: id, grounds, ..
                } if *id == task.id => {
                    let is_new = |ground: &Ground| {
                        let key = ground.key();
                        task.grounds.iter().all(|known| known.key() != key)
                    };
                    if grounds.iter().any(is_new) {
                        Fate::Gains
                    } else {
                        Fate::Kept
                    }
                }
                TaskChange::Annotate { task: id, .. } if *id == task.id => Fate::Loses,
                TaskChange::Withdraw { task: id, .. } if *id == task.id => Fate::Withdrawn,
                TaskChange::Flag { task: id, .. } if *id == task.id => Fate::Flagged,
                _ => Fate::Kept,
            });
        }
        (task.id, task.purpose, fate)
    })
    .collect()
}

fn raises(household: &Household) -> impl Iterator<Item = (Purpose, &[Ground])> {
    household
        .plan
        .changes
        .iter()
        .filter_map(|change| match change {
            TaskChange::Raise {
                purpose, grounds, ..
            } => Some((*purpose, grounds.as_slice())),
            _ => None,
        })
}

/// What publishing `draft` would do to the open tasks today, and what it would have found in the last quarter.
pub async fn publication(
    store: &Store,
    live: &Policy,
    draft: &Policy,
    now: Timestamp,
) -> Result<Preview, StoreError> {
    let mut preview = Preview::default();
    open_tasks(
        store,
        draft,
        voorveld_calendar::amsterdam_date(now),
        &mut preview,
    )
    .await?;
    let since = now
        .checked_sub((QUARTER_DAYS * 24).hours())
        .unwrap_or(Timestamp::MIN);
    last_quarter(store, live, draft, (since, now), &mut preview).await?;
    Ok(preview)
}

async fn open_tasks(
    store: &Store,
    draft: &Policy,
    today: Date,
    preview: &mut Preview,
) -> Result<(), StoreError> {
    let backlogs = store.begin("preview").await?.backlogs().await?;
    let judges = Judges::now(store, draft, &backlogs).await?;
    let marks = Marks::now(store).await?;
    let retention = Retention::of(draft.rules());
    let mut after = HouseholdId::from_uuid(Uuid::nil());
    loop {
        let mut tx = store.begin("preview").await?;
        let ids = tx.households_with_open_tasks(after, PAGE).await?;
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after = *last;
        for mut household in read(&mut tx, &ids).await? {
            let as_of = household.as_of.map_or(today, |last| last.max(today));
            let rules = judges.of(household.memory.partition);
            let feeds = marks.of(&household);
            household.judge(rules, draft.calendar(), &retention, &feeds, as_of);
            for (task, purpose, fate) in fates(&household) {
                *preview.tasks.entry(fate).or_default() += 1;
                let examples = preview.examples.entry(fate).or_default();
                if purpose != Purpose::Safety && examples.len() < EXAMPLES_MAX {
                    examples.push(task);
                }
            }
            preview.raised += raises(&household).count() as u64;
        }
    }
}

async fn last_quarter(
    store: &Store,
    live: &Policy,
    draft: &Policy,
    (since, now): (Timestamp, Timestamp),
    preview: &mut Preview,
) -> Result<(), StoreError> {
    let today = voorveld_calendar::amsterdam_date(now);
    let (live_retention, draft_retention) =
        (Retention::of(live.rules()), Retention::of(draft.rules()));
    let marks = Marks::now(store).await?;
    let every_rule = [live, draft].map(|policy| policy.rules().rules());
    for rule in every_rule.into_iter().flatten() {
        preview.quarter.entry(rule.id.clone()).or_default();
    }
    let mut after = HouseholdId::from_uuid(Uuid::nil());
    loop {
        let mut tx = store.begin("preview").await?;
        let ids = tx.households_heard_since(since, after, PAGE).await?;
        let Some(last) = ids.last() else {
            return Ok(());
        };
        after = *last;
        for household in read(&mut tx, &ids).await? {
            preview.households += 1;
            let feeds = marks.of(&household);
            let found = |policy: &Policy, retention| {
                let timeline = household.heeded(retention, today);
                recent(policy, &timeline, &feeds, today, since)
            };
            let (live, draft) = (found(live, &live_retention), found(draft, &draft_retention));
            let rules: BTreeSet<&RuleId> = live.keys().chain(draft.keys()).collect();
            for rule in rules {
                let count = preview.quarter.entry(rule.clone()).or_default();
                let of = |found: &BTreeMap<RuleId, u64>| found.get(rule).copied().unwrap_or(0);
                let (live, draft) = (of(&live), of(&draft));
                count.live += live;
                count.draft += draft;
                count.gained += u64::from(live == 0 && 0 < draft);
                count.lost += u64::from(0 < live && draft == 0);
            }
        }
    }
}

/// Matches by rule that lean on a signal received since.
fn recent(
    policy: &Policy,
    timeline: &Timeline,
    feeds: &Feeds,
    today: Date,
    since: Timestamp,
) -> BTreeMap<RuleId, u64> {
    let evaluation = find_matches(policy.rules(), timeline, policy.calendar(), feeds, today);
    let mut counts = BTreeMap::new();
    for found in &evaluation.matches {
        let is_recent = |id| {
            let signal = timeline.get(id);
            signal.is_some_and(|signal| since <= signal.received_at)
        };
        if found.witnesses.iter().copied().any(is_recent) {
            *counts.entry(found.rule.clone()).or_default() += 1;
        }
    }
    counts
}

/// What working off the backlog of a rule's version would do today.
pub async fn backlog(
    store: &Store,
    policy: &Policy,
    (rule, version): (&RuleId, u32),
    today: Date,
) -> Result<Backlog, StoreError> {
    let mut backlogs = store.begin("preview").await?.backlogs().await?;
    backlogs.push((rule.clone(), version));
    let judges = Judges::now(store, policy, &backlogs).await?;
    let marks = Marks::now(store).await?;
    let retention = Retention::of(policy.rules());
    let mut told = Backlog::default();
    let mut after = HouseholdId::from_uuid(Uuid::nil());
    loop {
        let mut tx = store.begin("preview").await?;
        let ids = tx.households_before_activation(rule, after, PAGE).await?;
        let Some(last) = ids.last() else {
            return Ok(told);
        };
        after = *last;
        for mut household in read(&mut tx, &ids).await? {
            told.households += 1;
            let as_of = household.as_of.map_or(today, |last| last.max(today));
            let rules = judges.of(household.memory.partition);
            let feeds = marks.of(&household);
            household.judge(rules, policy.calendar(), &retention, &feeds, as_of);
            for (purpose, _) in raises(&household) {
                let routing = policy.routing();
                let area = household.memory.area();
                let area = area.unwrap_or_else(|| routing.area(None));
                let team = routing.team(area, purpose).clone();
                *told.raised.entry((team, purpose)).or_default() += 1;
            }
            let joins = |change: &&TaskChange| matches!(change, TaskChange::Join { .. });
            told.joined += household.plan.changes.iter().filter(joins).count() as u64;
            for muted in &household.plan.suppressed {
                if muted.rule == *rule && muted.by != SuppressedBy::BeforeActivation {
                    *told.muted.entry(muted.by.code()).or_default() += 1;
                }
            }
        }
    }
}
