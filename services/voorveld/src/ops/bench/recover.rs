//! `voorveld bench retraction` and `voorveld bench start`: how long until what was taken back counts nowhere, and how long until a correlator that
//! starts on a stored history has judged its first batch.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::ensure;
use serde::Serialize;
use voorveld_chassis::{Clock, Stopwatch};
use voorveld_policy::Policy;

use super::alone::{Alone, Taken, count};
use super::house::municipality;
use super::load::{Load, append};
use super::machine::Machine;
use super::policy::policy;
use super::room::{BenchLog, Room};
use super::spread::spread_row;
use crate::cli::{BenchProfile, BenchRecover, BenchRules};
use crate::config::Settings;
use crate::ops::office::table;

/// Records that a correlator that starts finds on the log: one full batch.
const FIRST_BATCH: u32 = 5_000;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// What was taken back counts nowhere.
    Retraction,
    /// A start on a stored history.
    Start,
}

/// What one run took.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// From the first append, or from the start of the correlator, to the last or first commit.
    seconds: f64,
    /// Processor time of this process.
    cpu_seconds: f64,
    /// Most memory that this process held meanwhile.
    peak_bytes: u64,
}

/// Runs it as often as asked and prints the medians.
pub async fn run(
    what: Recovery,
    command: &BenchRecover,
    settings: &Settings,
) -> anyhow::Result<ExitCode> {
    let policy = policy(BenchRules::Default)?;
    let (mut machine, mut runs) = (None, Vec::new());
    for _ in 0..command.runs {
        let log = BenchLog::open(settings).await?;
        let room = Room::open(settings).await?;
        let version = room.database.store.server_version().await?;
        let ended = one_run(what, command, settings, &log, &room, &policy).await;
        let on = Machine::with_house(version, log.name.clone());
        room.close().await?;
        log.close().await?;
        let figures = ended?;
        if !command.json {
            if runs.is_empty() {
                println!("{on}\n{} signals stored\n", command.signals);
            }
            println!("{:.2} s", figures.seconds);
        }
        machine.get_or_insert(on);
        runs.push(figures);
    }
    if command.json {
        let told =
            serde_json::json!({ "machine": machine, "signals": command.signals, "runs": runs });
        println!("{told:#}");
        return Ok(ExitCode::SUCCESS);
    }
    let name = match what {
        Recovery::Retraction => format!(
            "{} taken back until they count nowhere, s",
            taken_back(command)
        ),
        Recovery::Start => "start to the first batch judged, s".to_owned(),
    };
    let row = |name: &str, digits: usize, value: &dyn Fn(&Figures) -> f64| {
        spread_row(name, &runs.iter().map(value).collect::<Vec<_>>(), digits)
    };
    let rows = [
        row(&name, 2, &|run| run.seconds),
        row("own processor, s", 2, &|run| run.cpu_seconds),
        row("peak memory, MiB", 0, &|run| {
            count(run.peak_bytes) / 1_048_576.0
        }),
    ];
    print!("\n{}", table(&["", "median", "least to most"], &rows));
    Ok(ExitCode::SUCCESS)
}

/// One in so many of what is stored, at most all of it.
fn taken_back(command: &BenchRecover) -> u32 {
    command.withdrawn.min(command.signals)
}

async fn one_run(
    what: Recovery,
    command: &BenchRecover,
    settings: &Settings,
    log: &BenchLog,
    room: &Room,
    policy: &Arc<Policy>,
) -> anyhow::Result<Figures> {
    let load = Load {
        seed: command.seed,
        signals: command.signals + FIRST_BATCH,
        households: (command.signals / 2).max(1),
        profile: BenchProfile::InOrder,
        municipality: municipality(settings),
        until: Clock::system().today(),
    };
    let alone = Alone::of(settings, room, log, policy);
    append(&log.log, 0..command.signals, |number| load.record(number)).await?;
    let stored = u64::from(command.signals);
    match what {
        Recovery::Retraction => {
            let count = taken_back(command);
            let spread = |number: u32| {
                let place = u64::from(number) * stored / u64::from(count);
                u32::try_from(place).expect("below the signals")
            };
            let (seconds, taken) = alone
                .during(async |progress| {
                    progress.reached(stored).await?;
                    let watch = Stopwatch::start();
                    let records = |number| load.withdrawal(spread(number));
                    append(&log.log, 0..count, records).await?;
                    let taken = progress.reached(stored + u64::from(count)).await?;
                    Ok((watch.elapsed().as_secs_f64(), taken))
                })
                .await?;
            let left = room.database.store.leaning_on_withdrawn().await?;
            ensure!(
                left == 0,
                "{left} matches or grounds lean on what was taken back"
            );
            Ok(Figures::of(seconds, &taken))
        }
        Recovery::Start => {
            alone.commits(stored).await?;
            let news = |number| load.record(number);
            append(&log.log, command.signals..load.signals, news).await?;
            let taken = alone.commits(1).await?;
            Ok(Figures::of(taken.first_commit_seconds, &taken))
        }
    }
}

impl Figures {
    const fn of(seconds: f64, taken: &Taken) -> Self {
        Self {
            seconds,
            cpu_seconds: taken.used.cpu_seconds,
            peak_bytes: taken.used.peak_bytes,
        }
    }
}
