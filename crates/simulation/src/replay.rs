//! The same once more without interruption: every record by itself, in the order of the log, with what people did and the days that came at their places
//! among them. Batches, repetition and crashes leave no trace, so the same comes of it (I4, K2).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;
use voorveld_chassis::Clock;
use voorveld_correlator as correlator;
use voorveld_correlator::Correlator;
use voorveld_domain::{Filing, HoldReason, HouseholdId};
use voorveld_stage::Work as _;
use voorveld_store::judgements::JudgedTask;
use voorveld_store::positions::Step;
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::database::SimDatabase;
use crate::partners::short;
use crate::people::{Act, POLICIES};
use crate::run::{PARTITIONS, correlator_of};
use crate::tables::{Position, Tables};
use crate::world::{Happened, Shared, What};

/// What is compared of a household.
#[derive(Debug, PartialEq)]
struct Outcome {
    judged: Option<(Date, Option<Date>)>,
    tasks: Vec<JudgedTask>,
    matches: Vec<(String, String, Vec<String>)>,
    muted: Vec<(String, String, &'static str)>,
    held: Option<HoldReason>,
}

fn outcome(tables: &Tables, household: HouseholdId) -> Outcome {
    let matches = tables
        .matches
        .iter()
        .filter(|((of, ..), _)| *of == household);
    let muted = tables
        .suppressions
        .iter()
        .filter(|((of, ..), _)| *of == household);
    Outcome {
        judged: tables
            .judgements
            .get(&household)
            .map(|(.., judged)| (judged.as_of, judged.next_look)),
        tasks: tables.tasks_of(household),
        matches: matches
            .map(|((_, rule, anchor), (found, _))| {
                let witnesses = found.witnesses.iter().map(ToString::to_string);
                (rule.to_string(), anchor.clone(), witnesses.collect())
            })
            .collect(),
        muted: muted
            .map(|((_, rule, anchor), one)| (rule.to_string(), anchor.clone(), one.reason))
            .collect(),
        held: tables.held(household),
    }
}

/// Does it once more and tells the world where something else came of it.
pub(crate) async fn compare(rough: &Shared, clock: &Clock) {
    let (history, calm, end) = {
        let world = rough.world();
        let partitions = world.topics[RESOLVED_TOPIC].len();
        let calm = Shared::new(0, partitions);
        {
            let new = &mut *calm.world();
            new.topics.clone_from(&world.topics);
            (new.is_read, new.only_due) = (true, Some(Vec::new()));
            for partition in 0..PARTITIONS {
                let key = (correlator::STAGE.to_owned(), partition);
                let position = Position {
                    topic_id: String::new(),
                    next: 0,
                    epoch: 1,
                };
                new.tables.positions.insert(key, position);
            }
        }
        (world.history.clone(), calm, clock.now())
    };
    let owner = |partition: i32| {
        let database = SimDatabase {
            shared: calm.clone(),
            process: format!("calm {partition}"),
        };
        Correlator::new(correlator_of(&database, clock, Arc::clone(&POLICIES[0])))
    };
    // Each partition goes by rules of its own; where they never change, one owner does for all.
    let sets = history.iter().filter_map(|happened| match &happened.what {
        What::InForce(_, rule_set) => Some(rule_set),
        _ => None,
    });
    let sets: BTreeSet<&String> = sets.collect();
    let many = if sets.len() < 2 { 1 } else { PARTITIONS };
    let mut owners: Vec<Correlator<SimDatabase>> = (0..many).map(owner).collect();
    for happened in &history {
        clock.set(happened.at);
        if let Err(what) = again(&calm, &mut owners, happened).await {
            rough.world().violated(format!("I4: done again, {what}"));
            return;
        }
    }
    clock.set(end);
    let differences = differences(&rough.world().tables, &calm.world().tables, &history);
    if differences.is_empty() {
        return;
    }
    let world = &mut *rough.world();
    world.note("without interruption:");
    world.trail.append(&mut calm.world().trail);
    for what in differences {
        world.violated(what);
    }
}

fn of(owners: &mut [Correlator<SimDatabase>], partition: i32) -> &mut Correlator<SimDatabase> {
    let place = usize::try_from(partition).expect("a partition");
    let many = owners.len();
    &mut owners[place % many]
}

async fn again(
    calm: &Shared,
    owners: &mut [Correlator<SimDatabase>],
    happened: &Happened,
) -> Result<(), String> {
    match &happened.what {
        What::Batch(stage, _) if stage != correlator::STAGE => {}
        What::Batch(_, steps) => {
            for step in steps {
                for from in step.from..step.to {
                    let record = calm
                        .world()
                        .record(RESOLVED_TOPIC, step.partition, from)
                        .cloned();
                    let record = record.ok_or("a record is not there")?;
                    let step = Step {
                        from,
                        to: from + 1,
                        epoch: 1,
                        ..*step
                    };
                    of(owners, step.partition)
                        .batch(&[step], &[record])
                        .await
                        .map_err(|error| error.to_string())?;
                }
            }
        }
        What::InForce(steps, rule_set) => {
            for step in steps {
                calm.world().publish_rules(rule_set);
                of(owners, step.partition)
                    .claimed(&[held(step)])
                    .await
                    .map_err(|error| error.to_string())?;
            }
        }
        What::Woken(steps, wake_ups) => {
            for step in steps {
                let own = wake_ups
                    .iter()
                    .filter(|wake| wake.partition == step.partition);
                let own = own.cloned().collect();
                calm.world().only_due = Some(own);
                of(owners, step.partition)
                    .quiet(&[held(step)])
                    .await
                    .map_err(|error| error.to_string())?;
            }
            calm.world().only_due = Some(Vec::new());
        }
        What::Act(Act::Publish(_) | Act::PublishUnlawful) => {}
        What::Act(act) => {
            if !calm.world().act(act, happened.at) {
                return Err(format!("somebody cannot: {act:?}"));
            }
        }
    }
    Ok(())
}

fn held(step: &Step) -> Step {
    Step {
        to: step.from,
        epoch: 1,
        ..*step
    }
}

fn differences(rough: &Tables, calm: &Tables, history: &[Happened]) -> Vec<String> {
    // What a household hears of results elsewhere it hears when it is judged, and not when it happens (K4): with a result and a move in one run the order of
    // the two is not that of the commits.
    let has_results = history
        .iter()
        .any(|one| matches!(one.what, What::Act(Act::Close(..) | Act::Reopen(_))));
    let moved: BTreeSet<HouseholdId> = rough
        .signals
        .values()
        .filter(|row| has_results && Filing::FIRST < row.filing)
        .map(|row| row.household)
        .collect();
    let households: BTreeSet<HouseholdId> = rough
        .judgements
        .keys()
        .chain(calm.judgements.keys())
        .copied()
        .collect();
    let mut differences = Vec::new();
    for household in households.difference(&moved) {
        let (ours, theirs) = (outcome(rough, *household), outcome(calm, *household));
        if ours != theirs {
            differences.push(format!(
                "I4: at {} something else comes of the same\n{ours:#?}\nwithout interruption\n{theirs:#?}",
                short(household.uuid())
            ));
        }
    }
    differences
}
