//! `voorveld bench backtest`: one rule over a stored year of the whole country, from the first question to the last count.
//!
//! On a private PostgreSQL that is thrown away, filled by the database itself with signals that nobody sent: as many, of as many households, in the
//! mix and in the order of arrival of a Dutch year. The database and the replay share the machine, and the figures say so.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::bail;
use jiff::civil::date;
use serde::Serialize;
use voorveld_chassis::Stopwatch;
use voorveld_correlator::backtest::tally::Tally;
use voorveld_correlator::backtest::{self, Asked, ByClock, Judges, Side};
use voorveld_policy::Policy;
use voorveld_synthetic::engine::median;

use super::machine::{Machine, Usage};
use super::room::Room;
use crate::cli::BenchBacktest;
use crate::config::Settings;
use crate::database::Database;
use crate::ops::backtest::only;

/// What one run took and found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// From the first question to the last count.
    seconds: f64,
    /// Processor time of this process, without the database.
    cpu_seconds: f64,
    /// Most memory that this process has held at once so far.
    peak_bytes: u64,
    /// Signals that were read.
    signals: u64,
    /// Matches that were found.
    matches: u64,
    /// Tasks that were raised.
    tasks: u64,
}

/// Runs it as often as asked and prints each run and the median.
pub async fn run(command: &BenchBacktest, settings: &Settings) -> anyhow::Result<ExitCode> {
    let room = Room::open(settings).await?;
    let ended = measured(command, &room.database).await;
    room.close().await?;
    ended
}

async fn measured(command: &BenchBacktest, database: &Database) -> anyhow::Result<ExitCode> {
    let store = &database.store;
    let policy = Arc::new(Policy::shipped());
    let rules = only(policy.rules(), std::slice::from_ref(&command.rule));
    if rules.rules().is_empty() {
        bail!("there is no rule {}", command.rule);
    }
    let fill = Stopwatch::start();
    store
        .invent_a_year(command.signals, command.households)
        .await?;
    let machine = Machine::with_house(store.server_version().await?, "no log".to_owned());
    if !command.json {
        println!(
            "{machine}\n{} signals drawn over {} households, stored in {:.0} s; rule {}\n",
            command.signals,
            command.households,
            fill.elapsed().as_secs_f64(),
            command.rule
        );
    }
    let mut runs = Vec::new();
    for _ in 0..command.runs {
        let asked = Asked {
            clock: ByClock::Event,
            from: date(2025, 1, 1),
            to: date(2025, 12, 31),
            draft: Side::new(Judges::Always(rules.clone()), Arc::clone(&policy)),
            published: None,
        };
        let (before, begin) = (Usage::now(), Stopwatch::start());
        let tally: Tally = backtest::run(store, Arc::new(asked)).await?;
        let (seconds, after) = (begin.elapsed().as_secs_f64(), Usage::now());
        let figures = Figures {
            seconds,
            cpu_seconds: after.cpu_seconds - before.cpu_seconds,
            peak_bytes: after.peak_bytes,
            signals: tally.signals,
            matches: tally.draft.rules.values().map(|rule| rule.matches).sum(),
            tasks: tally.draft.tasks,
        };
        if !command.json {
            println!(
                "{:.2} s, of which processor of this process {:.2} s, peak memory {} MiB; {} signals, {} matches, {} tasks",
                figures.seconds,
                figures.cpu_seconds,
                figures.peak_bytes >> 20,
                figures.signals,
                figures.matches,
                figures.tasks
            );
        }
        runs.push(figures);
    }
    if command.json {
        let told = serde_json::json!({ "machine": machine, "signals": command.signals, "households": command.households, "runs": runs });
        println!("{told:#}");
    } else {
        let all = || runs.iter().map(|run| run.seconds);
        println!(
            "\nmedian {:.2} s ({:.2} to {:.2})",
            median(&all().collect::<Vec<f64>>()),
            all().fold(f64::INFINITY, f64::min),
            all().fold(f64::NEG_INFINITY, f64::max)
        );
    }
    Ok(ExitCode::SUCCESS)
}
