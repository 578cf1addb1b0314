//! What must hold, by its number in ARCHITECTURE.md: after every step, and once everything is at rest.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;
use voorveld_correlator as correlator;
use voorveld_detect::{Feeds, Timeline, find_matches};
use voorveld_domain::{HouseholdId, Presence, Purpose, SignalId, Standing, TaskState};
use voorveld_policy::Policy;
use voorveld_recall::{Registered, Retention, signal};
use voorveld_resolver as resolver;
use voorveld_store::timelines::TimelineRow;
use voorveld_store::wake_ups::RULES;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

use crate::partners::{Door, Said, short};
use crate::people::{POLICIES, RULE_SETS};
use crate::world::World;

/// What must hold after every step.
pub(crate) fn always(world: &mut World) {
    let mut broken = Vec::new();
    filed_with_its_position(world, &mut broken);
    on_a_timeline_with_its_position(world, &mut broken);
    counts_only_what_counts(world, &mut broken);
    one_open_task(world, &mut broken);
    judged_by_what_is_in_force(world, &mut broken);
    for what in broken {
        world.violated(what);
    }
}

/// Of each record that a position is past, what it caused is there, and nothing of any other (I1, I2, I3): at the resolver.
fn filed_with_its_position(world: &World, broken: &mut Vec<String>) {
    let mut decided: BTreeSet<(Uuid, u32)> = BTreeSet::new();
    for (partition, records) in (0..).zip(&world.topics[RECEIVED_TOPIC]) {
        let position = world.tables.next_of(resolver::STAGE, partition);
        for record in records {
            if position <= record.offset {
                continue;
            }
            let place = (resolver::STAGE, partition, record.offset);
            let Some((signal, revision)) = world.received[&(partition, record.offset)] else {
                if !world.tables.dead_letters.contains_key(&place) {
                    broken.push(format!("I2: what cannot be read at {place:?} is nowhere"));
                }
                continue;
            };
            decided.insert((signal, revision));
            let known = world.tables.home(signal);
            if known.is_none_or(|filing| filing.home.revision < revision) {
                broken.push(format!(
                    "I3: the position is past revision {revision} of {}, which is filed nowhere",
                    short(signal)
                ));
            }
        }
    }
    for filing in &world.tables.filings {
        let copy = (filing.signal.uuid(), filing.home.revision);
        if !decided.contains(&copy) {
            broken.push(format!(
                "I3: revision {} of {} is filed, and the position is before it",
                copy.1,
                short(copy.0)
            ));
        }
    }
}

/// The same at the correlator; and what is said to be in the log is there.
fn on_a_timeline_with_its_position(world: &World, broken: &mut Vec<String>) {
    let mut in_log: BTreeSet<(Uuid, u32, u32)> = BTreeSet::new();
    let mut read: BTreeSet<(HouseholdId, SignalId, i64)> = BTreeSet::new();
    for (partition, records) in (0..).zip(&world.topics[RESOLVED_TOPIC]) {
        let position = world.tables.next_of(correlator::STAGE, partition);
        for record in records {
            let Some((household, id, copy)) = world.resolved[&(partition, record.offset)] else {
                broken.push("I2: the resolver writes what cannot be read".to_owned());
                continue;
            };
            in_log.insert((id.uuid(), copy.0, copy.1));
            if position <= record.offset {
                continue;
            }
            read.insert((household, id, record.offset));
            let known = world.tables.signals.get(&(household, id));
            let is_there = known.is_some_and(|row| copy <= (row.revision.get(), row.filing.get()))
                || world.tables.let_go.contains(&(household, id));
            if !is_there {
                broken.push(format!(
                    "I3: the position is past {} at {}, which is not on its timeline",
                    short(id.uuid()),
                    short(household.uuid())
                ));
            }
        }
    }
    for row in world.tables.signals.values() {
        if !read.contains(&(row.household, row.signal, row.came_at)) {
            broken.push(format!(
                "I3: {} is on the timeline of {}, and the position is before it",
                short(row.signal.uuid()),
                short(row.household.uuid())
            ));
        }
    }
    for filing in &world.tables.filings {
        let home = &filing.home;
        let copy = (filing.signal.uuid(), home.revision, home.filing);
        let says_something = home.household.is_some() || filing.before.is_some();
        if says_something && world.tables.is_produced(filing) && !in_log.contains(&copy) {
            broken.push(format!(
                "I1: revision {} of {} is said to be produced, and the log does not have it",
                copy.1,
                short(copy.0)
            ));
        }
    }
}

/// A match leans on nothing that does not count (I5).
fn counts_only_what_counts(world: &World, broken: &mut Vec<String>) {
    for ((household, rule, anchor), (found, _)) in &world.tables.matches {
        for witness in &found.witnesses {
            let row = world.tables.signals.get(&(*household, *witness));
            let counts = row.is_some_and(|row| {
                row.presence == Presence::LivesHere && row.standing == Standing::Counted
            });
            if !counts {
                broken.push(format!(
                    "I5: {rule} {anchor} of {} leans on {}, which does not count there",
                    short(household.uuid()),
                    short(witness.uuid())
                ));
            }
        }
    }
}

fn one_open_task(world: &World, broken: &mut Vec<String>) {
    let mut open: BTreeMap<(HouseholdId, Purpose), u32> = BTreeMap::new();
    for task in world.tables.tasks.values().map(|one| &one.task) {
        if task.state.is_open() {
            *open.entry((task.household, task.purpose)).or_default() += 1;
        }
    }
    for ((household, purpose), many) in open.into_iter().filter(|(_, many)| 1 < *many) {
        broken.push(format!(
            "I8: {} has {many} open tasks for {purpose}",
            short(household.uuid())
        ));
    }
}

/// Who was judged was so by the rules that are in force in its partition, or waits to be (I6); and no other rules ever are (I7).
fn judged_by_what_is_in_force(world: &World, broken: &mut Vec<String>) {
    for ((household, ..), (_, rule_set)) in &world.tables.matches {
        let Some((_, partition, _)) = world.tables.judgements.get(household) else {
            broken.push(format!(
                "I3: {} has matches without a judgement",
                short(household.uuid())
            ));
            continue;
        };
        let in_force = world.in_force_in(*partition);
        let mut waiting = world.tables.wake_ups.iter();
        let waits = waiting.any(|wake| wake.household == *household && wake.reason == RULES);
        if in_force != Some(rule_set.as_str()) && !waits {
            broken.push(format!(
                "I6: {} was judged by rules that are not in force in its partition",
                short(household.uuid())
            ));
        }
    }
    for one in &world.tables.activations {
        if policy_of(&one.rule_set).is_none() {
            broken.push("I7: rules are in force that the law does not allow".to_owned());
        }
    }
}

fn policy_of(rule_set: &str) -> Option<&'static Policy> {
    let place = RULE_SETS.iter().position(|lawful| lawful == rule_set)?;
    Some(&*POLICIES[place])
}

impl World {
    pub fn in_force_in(&self, partition: i32) -> Option<&str> {
        let mut own = self.tables.activations.iter().rev();
        let last = own.find(|one| one.partition == partition);
        last.map(|one| one.rule_set.as_str())
    }

    /// Every partition that judges does so by what was published last and can be read.
    pub fn rules_are_settled(&self, partitions: i32) -> bool {
        let Some(live) = &self.tables.live else {
            return true;
        };
        policy_of(&live.rule_set).is_none()
            || (0..partitions).all(|partition| self.in_force_in(partition) == Some(&live.rule_set))
    }
}

/// What must hold once nothing is on its way any more, by the partners' book.
pub(crate) fn at_rest(world: &mut World, book: &BTreeMap<Uuid, Said>) {
    let mut broken = Vec::new();
    in_one_place(world, book, &mut broken);
    matches_follow_from_signals(world, &mut broken);
    stands_on_matches(world, &mut broken);
    for what in broken {
        world.violated(what);
    }
}

/// Each signal is in exactly one place, and what stands there is what was said last (I1, I2).
fn in_one_place(world: &World, book: &BTreeMap<Uuid, Said>, broken: &mut Vec<String>) {
    let mut households: BTreeMap<Door, HouseholdId> = BTreeMap::new();
    for (signal, said) in book {
        let name = short(*signal);
        let Some(filing) = world.tables.home(*signal) else {
            broken.push(format!("I1: {name} is filed nowhere"));
            continue;
        };
        let home = &filing.home;
        if home.revision != said.last.revision {
            broken.push(format!("I2: {name} is filed in another revision"));
        }
        let living: Vec<&TimelineRow> = world
            .tables
            .signals
            .values()
            .filter(|row| row.signal.uuid() == *signal && row.presence == Presence::LivesHere)
            .collect();
        let is_over = world
            .tables
            .erasures
            .contains(&SignalId::from_uuid(*signal));
        match home.household {
            None if !living.is_empty() => {
                broken.push(format!("I2: {name} has no household and lives in one"));
            }
            None => {
                let has_place = said.last.withdrawn.is_some() || filing.again.is_some();
                if !has_place {
                    broken.push(format!("I2: {name} waits in no queue"));
                }
                if matches!(said.door, Door::Number(_)) && said.last.withdrawn.is_none() {
                    broken.push(format!("I2: {name} has an address and no household"));
                }
            }
            Some(household) => {
                let is_there = living.iter().any(|row| row.household == household);
                if living.len() != 1 && !is_over || is_over && 1 < living.len() {
                    broken.push(format!("I2: {name} lives in {} households", living.len()));
                }
                if !is_there && !is_over {
                    broken.push(format!("I2: {name} does not live where it is filed"));
                }
                for row in living {
                    is_what_was_said(row, said, broken);
                }
                if let (Door::Number(_), None) = (said.door, &said.last.withdrawn) {
                    let known = *households.entry(said.door).or_insert(household);
                    if known != household {
                        broken.push(format!("I2: behind {:?} live two households", said.door));
                    }
                }
            }
        }
    }
    let apart: BTreeSet<HouseholdId> = households.values().copied().collect();
    if apart.len() != households.len() {
        broken.push("I2: two doors have one household".to_owned());
    }
}

fn is_what_was_said(row: &TimelineRow, said: &Said, broken: &mut Vec<String>) {
    let last = &said.last;
    let is_withdrawn = last.withdrawn.is_some();
    let content = last.content.as_ref();
    let same = row.revision.get() == last.revision
        && (row.standing == Standing::Withdrawn) == is_withdrawn
        && row.kind.as_str() == last.kind
        && row.first_received_at == last.first_received_at
        && content.is_none_or(|content| {
            row.event_date == content.event_date
                && row.amount.map(voorveld_domain::Cents::get) == content.amount_cents
                && row.crisis == content.crisis
        });
    if !same {
        broken.push(format!(
            "I2: what stands of {} is not what was said last",
            short(last.signal)
        ));
    }
}

/// The matches of a household are what its signals say, whatever happened on the way (I4, M3), by the function that everybody calls (I6).
fn matches_follow_from_signals(world: &World, broken: &mut Vec<String>) {
    for (household, (_, partition, judged)) in &world.tables.judgements {
        let Some(policy) = world.in_force_in(*partition).and_then(policy_of) else {
            broken.push(format!(
                "I7: {} was judged by no rules",
                short(household.uuid())
            ));
            continue;
        };
        let rows: Vec<&TimelineRow> = world.tables.timeline(*household).collect();
        let timeline: Timeline = rows
            .iter()
            .map(|row| signal(row).expect("what is stored can be judged"))
            .collect();
        let debtors = rows.iter().filter_map(|row| row.debtor).collect();
        let standing = world.tables.standing(&[*household], &debtors);
        let registered: Registered = standing.into_iter().collect();
        let heeded = registered.about(*household, &timeline, judged.as_of);
        let retention = Retention::of(policy.rules());
        let counted = heeded.judged(&timeline, &retention, judged.as_of);
        let feeds = Feeds::default();
        let found = find_matches(
            policy.rules(),
            &counted,
            policy.calendar(),
            &feeds,
            judged.as_of,
        );
        let expected: BTreeSet<(String, String, Vec<SignalId>)> = found
            .matches
            .iter()
            .map(|one| {
                (
                    one.rule.to_string(),
                    one.anchor.to_string(),
                    one.witnesses.to_vec(),
                )
            })
            .collect();
        let stored: BTreeSet<(String, String, Vec<SignalId>)> = world
            .tables
            .matches
            .iter()
            .filter(|((of, ..), _)| of == household)
            .map(|((_, rule, anchor), (one, _))| {
                (rule.to_string(), anchor.clone(), one.witnesses.clone())
            })
            .collect();
        if expected != stored {
            broken.push(format!(
                "I4: the matches of {} do not follow from its signals: missing {:?}, too many {:?}",
                short(household.uuid()),
                expected.difference(&stored).collect::<Vec<_>>(),
                stored.difference(&expected).collect::<Vec<_>>()
            ));
        }
    }
}

/// A task that nobody has yet stands on something that is still so: what lost its ground was taken back (I5, K10).
fn stands_on_matches(world: &World, broken: &mut Vec<String>) {
    for task in world.tables.tasks.values().map(|one| &one.task) {
        if task.state != TaskState::Open {
            continue;
        }
        let mut grounds = world.tables.standing_grounds(task.id).peekable();
        // The safety desk's tasks are never taken back, and told apart when they lost their grounds (K11).
        let is_told = task.purpose == Purpose::Safety && task.flagged;
        if grounds.peek().is_none() && !is_told {
            let task = short(task.id.uuid());
            broken.push(format!("I5: task {task} is open and stands on nothing"));
        }
        for ground in grounds {
            let key = (task.household, ground.rule.clone(), ground.anchor.clone());
            if !world.tables.matches.contains_key(&key) {
                broken.push(format!(
                    "I5: task {} stands on {} {}, which is no match any more",
                    short(task.id.uuid()),
                    ground.rule,
                    ground.anchor
                ));
            }
        }
    }
}
