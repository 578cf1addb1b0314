//! `voorveld rules list`

use std::collections::BTreeMap;
use std::process::ExitCode;

use voorveld_chassis::Clock;
use voorveld_correlator::published::short;
use voorveld_store::Store;
use voorveld_store::publications::{InForce, Mode, Publication, Running};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::ops::office::{moment, table};

/// Prints everything that was published, newest first, and which partitions run it.
pub async fn run(store: &Store, clock: &Clock, json: bool) -> anyhow::Result<ExitCode> {
    let publications = store.publications().await?;
    let in_force = store.in_force().await?;
    let running = store.running(RESOLVED_TOPIC).await?;
    if json {
        for one in &publications {
            let line = serde_json::json!({
                "publication": one.publication, "mode": one.mode.code(), "state": state(one, &in_force),
                "by": one.by, "at": one.at, "reason": one.reason, "bundle": one.bundle, "ruleSet": one.rule_set,
                "partitions": partitions(one, &publications, &running),
            });
            println!("{line}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    if publications.is_empty() {
        println!(
            "Nothing was published yet: the first process that judges publishes its own files."
        );
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = publications
        .iter()
        .map(|one| {
            vec![
                one.publication.to_string(),
                state(one, &in_force).to_owned(),
                moment(clock, one.at),
                one.by.clone(),
                short(&one.bundle).to_owned(),
                short(&one.rule_set).to_owned(),
                ranges(&partitions(one, &publications, &running)),
                one.reason.clone(),
            ]
        })
        .collect();
    let headings = [
        "NO",
        "STATE",
        "WHEN",
        "BY",
        "BUNDLE",
        "RULES",
        "PARTITIONS",
        "WHY",
    ];
    print!("{}", table(&headings, &rows));
    Ok(ExitCode::SUCCESS)
}

fn state(one: &Publication, in_force: &InForce) -> &'static str {
    let stands = match one.mode {
        Mode::Live => &in_force.live,
        Mode::Shadow => &in_force.shadow,
    };
    let is_standing = stands
        .as_ref()
        .is_some_and(|standing| standing.publication == one.publication);
    match (one.mode, is_standing) {
        (Mode::Live, true) => "live",
        (Mode::Shadow, true) => "shadow",
        (Mode::Live, false) => "retired",
        (Mode::Shadow, false) => "shadow, ended",
    }
}

/// The partitions that run a bundle, told at the last live publication of it.
fn partitions(one: &Publication, all: &[Publication], running: &[Running]) -> Vec<i32> {
    // `all` is newest first.
    let last = all
        .iter()
        .find(|other| other.mode == Mode::Live && other.bundle == one.bundle);
    if last.is_none_or(|last| last.publication != one.publication) {
        return Vec::new();
    }
    running
        .iter()
        .filter(|here| here.bundle.as_ref() == Some(&one.bundle))
        .map(|here| here.partition)
        .collect()
}

/// Numbers as a person writes them: `0-3, 7`.
fn ranges(numbers: &[i32]) -> String {
    let mut runs: BTreeMap<i32, i32> = BTreeMap::new();
    for number in numbers {
        match runs.last_entry() {
            Some(mut run) if *run.get() + 1 == *number => {
                run.insert(*number);
            }
            _ => {
                runs.insert(*number, *number);
            }
        }
    }
    let texts: Vec<String> = runs
        .into_iter()
        .map(|(from, to)| {
            if from == to {
                from.to_string()
            } else {
                format!("{from}-{to}")
            }
        })
        .collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_in_a_row_are_written_as_a_range() {
        assert_eq!(ranges(&[0, 1, 2, 3, 7, 9, 10]), "0-3, 7, 9-10");
        assert_eq!(ranges(&[]), "");
    }
}
