//! `voorveld bench grow`: what a signal costs when ten times, and a hundred times, as much is stored.
//!
//! As many signals as households in every size, so that a household has as much to judge in a large one as in a small one, and what differs is how much
//! lies around it. What is timed is on the log before the clock runs.

use std::process::ExitCode;
use std::sync::Arc;

use serde::Serialize;
use voorveld_chassis::Clock;
use voorveld_policy::Policy;

use super::alone::{Alone, Taken, count};
use super::house::municipality;
use super::load::{Load, append};
use super::machine::Machine;
use super::policy::policy;
use super::room::{BenchLog, Room};
use crate::cli::BenchGrow;
use crate::config::Settings;
use crate::ops::office::table;

/// What is measured unless something else is asked for: ten times as much, and it is over in a minute or two.
const SIZES: [u32; 2] = [100_000, 1_000_000];

/// One size.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Size {
    /// Households, and as many signals stored before the others are timed.
    households: u32,
    /// The filling itself.
    filling: Taken,
    /// More of the same, by the process that filled it.
    going_on: Taken,
    /// And more, by one that begins with no household at hand.
    cold: Taken,
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
            signals: households + 2 * command.timed,
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
                    "{on}\n{:?}, {:?} rules, {} MiB for households; {} records timed\n",
                    command.profile,
                    command.rules,
                    settings.cached_bytes >> 20,
                    command.timed
                );
            }
            println!(
                "{households} households filled in {:.0} s",
                size.filling.seconds
            );
        }
        machine.get_or_insert(on);
        grown.push(size);
    }
    if command.json {
        let told = serde_json::json!({
            "machine": machine, "profile": format!("{:?}", command.profile), "rules": format!("{:?}", command.rules),
            "cachedBytes": settings.cached_bytes, "timed": command.timed, "sizes": grown,
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
    let known = load.households + command.timed;
    append(&log.log, 0..known, record).await?;
    let (filling, going_on) = alone
        .during(async |progress| {
            let filling = progress.reached(stored).await?;
            Ok((filling, progress.reached(stored + timed).await?))
        })
        .await?;
    append(&log.log, known..load.signals, record).await?;
    let cold = alone.commits(timed).await?;
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
        for (who, taken, begun) in [
            ("going on", size.going_on, String::new()),
            (
                "cold",
                size.cold,
                format!("{:.1}", size.cold.first_commit_seconds),
            ),
        ] {
            rows.push(vec![
                size.households.to_string(),
                who.to_owned(),
                format!("{:.0}", taken.rate()),
                format!("{:.0}", taken.per_million(taken.cpu_seconds)),
                format!("{:.0}", taken.per_million(taken.server_cpu_seconds)),
                format!("{:.0}", taken.found_percent()),
                format!("{:.0}", count(taken.peak_bytes) / 1_048_576.0),
                begun,
            ]);
        }
    }
    table(
        &[
            "households",
            "",
            "signals/s",
            "own processor, s per million",
            "PostgreSQL's",
            "households at hand, %",
            "peak memory, MiB",
            "first commit after, s",
        ],
        &rows,
    )
}
