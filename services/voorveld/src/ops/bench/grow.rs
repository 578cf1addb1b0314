//! `voorveld bench grow`: what a signal costs when ten times, and a hundred times, as much is stored.
//!
//! As many signals as households in every size, so that a household has as much to judge in a large one as in a small one, and what differs is how much
//! lies around it. What is timed is on the log before the clock runs.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use voorveld_chassis::Clock;
use voorveld_policy::Policy;
use voorveld_synthetic::engine::median;

use super::alone::{Alone, Taken, count};
use super::house::municipality;
use super::load::{Load, append};
use super::machine::Machine;
use super::policy::policy;
use super::room::{BenchLog, Room};
use super::spread::spread_row;
use crate::cli::BenchGrow;
use crate::config::Settings;
use crate::ops::office::table;

/// What is measured unless something else is asked for: ten times as much, and it is over in a minute or two.
const SIZES: [u32; 2] = [100_000, 1_000_000];

/// One size.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    /// Households, and as many signals stored before the others are timed.
    households: u32,
    /// The filling itself.
    filling: Taken,
    /// More of the same, by the process that filled it, run by run.
    going_on: Vec<Taken>,
    /// And more, each time by one that begins with no household at hand.
    cold: Vec<Taken>,
}

/// Fills and times each size and prints a row for it.
pub async fn run(command: &BenchGrow, settings: &Settings) -> anyhow::Result<ExitCode> {
    let policy = policy(command.rules)?;
    let sizes = if command.households.is_empty() {
        &SIZES[..]
    } else {
        &command.households
    };
    let (mut machine, mut grown) = (None, Vec::new());
    for households in sizes {
        let load = Load {
            seed: command.seed,
            signals: households + 2 * command.runs * command.timed,
            households: *households,
            profile: command.profile,
            municipality: municipality(settings),
            until: Clock::system().today(),
        };
        let log = BenchLog::open(settings).await?;
        let room = Room::open(settings).await?;
        let version = room.database.store.server_version().await?;
        let ended = one_size(command, settings, &load, &log, &room, &policy).await;
        let on = Machine::with_house(version, log.name.clone());
        room.close().await?;
        log.close().await?;
        let size = ended?;
        if !command.json {
            if grown.is_empty() {
                println!(
                    "{on}\n{:?}, {:?} rules, {} MiB for households; {} runs of {} records timed\n",
                    command.profile,
                    command.rules,
                    settings.cached_bytes >> 20,
                    command.runs,
                    command.timed
                );
            }
            println!(
                "{households} households filled in {:.0} s",
                size.filling.used.seconds
            );
        }
        machine.get_or_insert(on);
        grown.push(size);
    }
    if command.json {
        let told = serde_json::json!({
            "machine": machine, "profile": format!("{:?}", command.profile), "rules": format!("{:?}", command.rules),
            "cachedBytes": settings.cached_bytes, "timed": command.timed, "runs": command.runs, "sizes": grown,
        });
        println!("{told:#}");
    } else {
        print!("\n{}", told(&grown));
    }
    Ok(ExitCode::SUCCESS)
}

async fn one_size(
    command: &BenchGrow,
    settings: &Settings,
    load: &Load,
    log: &BenchLog,
    room: &Room,
    policy: &Arc<Policy>,
) -> anyhow::Result<Size> {
    let alone = Alone::of(settings, room, log, policy);
    let (stored, timed) = (u64::from(load.households), u64::from(command.timed));
    let record = |number| load.record(number);
    let known = load.households + command.runs * command.timed;
    append(&log.log, 0..known, record).await?;
    let (filling, going_on) = alone
        .during(async |progress| {
            let filling = progress.reached(stored).await?;
            let mut runs = Vec::new();
            for run in 1..=u64::from(command.runs) {
                runs.push(progress.reached(stored + run * timed).await?);
            }
            Ok((filling, runs))
        })
        .await?;
    let mut cold = Vec::new();
    for run in 0..command.runs {
        // Not before: a process takes more than is timed, where there is more.
        let from = known + run * command.timed;
        append(&log.log, from..from + command.timed, record).await?;
        cold.push(alone.commits(timed).await?);
    }
    Ok(Size {
        households: load.households,
        filling,
        going_on,
        cold,
    })
}

fn told(grown: &[Size]) -> String {
    let mut rows = Vec::new();
    for size in grown {
        let begun = median_of(&size.cold, |taken| taken.first_commit_seconds);
        for (who, runs, begun) in [
            ("going on", &size.going_on, String::new()),
            ("cold", &size.cold, format!("{begun:.1}")),
        ] {
            let mut row = vec![size.households.to_string()];
            row.extend(spread_row(who, &values(runs, Taken::rate), 0));
            let million = |of: fn(&Taken) -> f64| {
                median_of(runs, |taken: &Taken| taken.per_million(of(taken)))
            };
            row.extend([
                format!("{:.0}", million(|taken| taken.used.cpu_seconds)),
                format!("{:.0}", million(|taken| taken.used.server_cpu_seconds)),
                format!("{:.0}", million(|taken| count(taken.used.log_bytes)) / 1e6),
                format!("{:.1}", million(|taken| count(taken.used.log_pages)) / 1e6),
                format!("{:.0}", median_of(runs, Taken::found_percent)),
                format!(
                    "{:.0}",
                    median_of(runs, |taken| count(taken.used.peak_bytes)) / 1_048_576.0
                ),
                begun,
            ]);
            rows.push(row);
        }
    }
    table(
        &[
            "households",
            "",
            "signals/s",
            "least to most",
            "own processor, s per million",
            "PostgreSQL's",
            "write-ahead log, bytes a signal",
            "whole pages a signal",
            "households at hand, %",
            "peak memory, MiB",
            "first commit after, s",
        ],
        &rows,
    )
}

fn values(runs: &[Taken], of: impl Fn(&Taken) -> f64) -> Vec<f64> {
    runs.iter().map(of).collect()
}

fn median_of(runs: &[Taken], of: impl Fn(&Taken) -> f64) -> f64 {
    median(&values(runs, of))
}
