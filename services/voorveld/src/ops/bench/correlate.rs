//! `voorveld bench correlate`: from the log of resolved signals to committed matches and tasks, and the bare loop beside it.
//!
//! Each run has a log of its own and two databases that are thrown away, one for the correlator and one for the bare loop. All of it
//! shares the machine, and the figures say so.

use std::process::ExitCode;

use serde::Serialize;
use voorveld_chassis::{Clock, Stopwatch};

use super::alone::{Alone, Taken, count};
use super::house::municipality;
use super::load::Load;
use super::machine::Machine;
use super::policy::policy;
use super::room::{BenchLog, Counted, Room};
use super::spread::spread_row;
use super::{bare, told};
use crate::cli::BenchCorrelate;
use crate::config::Settings;
use crate::ops::office::table;

/// Both of one run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Run {
    correlator: Taken,
    bare: Taken,
    /// Matches that stand at the end, and tasks that were raised.
    matches: u64,
    tasks: u64,
}

/// What PostgreSQL counted of one run.
#[derive(Default)]
struct Work {
    correlator: Counted,
    bare: Counted,
}

/// Runs both as often as asked and prints each run, the medians and what was written.
pub async fn run(command: &BenchCorrelate, settings: &Settings) -> anyhow::Result<ExitCode> {
    let load = Load {
        seed: command.seed,
        signals: command.signals,
        households: command.households.unwrap_or(command.signals / 2).max(1),
        profile: command.profile,
        municipality: municipality(settings),
        until: Clock::system().today(),
    };
    let (mut machine, mut runs, mut work) = (None, Vec::new(), Work::default());
    for _ in 0..command.runs {
        // A log remembers how far its readers were, so that a database of which it was not is refused: each run has both anew.
        let log = BenchLog::open(settings).await?;
        let fill = Stopwatch::start();
        load.append(&log.log).await?;
        let fill = fill.elapsed().as_secs_f64();
        let ended = one_run(command, settings, &load, &log).await;
        log.close().await?;
        let (on, run, done) = ended?;
        if !command.json {
            if runs.is_empty() {
                println!(
                    "{on}\n{} records of at most {} households, {:?}, on the log in {fill:.0} s; {:?} rules\n",
                    load.signals, load.households, load.profile, command.rules
                );
            }
            println!("{}", line(&run));
        }
        machine.get_or_insert(on);
        runs.push(run);
        work = done;
    }
    if command.json {
        let told = serde_json::json!({
            "machine": machine, "signals": load.signals, "households": load.households,
            "profile": format!("{:?}", load.profile), "rules": format!("{:?}", command.rules), "runs": runs,
            "written": told::written_json(&work.correlator.written, &work.bare.written),
            "logBytes": { "correlator": work.correlator.log.bytes, "bare": work.bare.log.bytes },
        });
        println!("{told:#}");
        return Ok(ExitCode::SUCCESS);
    }
    print!("\n{}", medians(&runs));
    print!(
        "\n{}",
        told::written(
            load.signals,
            &work.correlator.written,
            Some(&work.bare.written)
        )
    );
    println!(
        "\nwrite-ahead log, bytes per signal: correlator {:.0}, bare loop {:.0}",
        count(work.correlator.log.bytes) / f64::from(load.signals),
        count(work.bare.log.bytes) / f64::from(load.signals)
    );
    if command.statements {
        print!("{}", told::statements(&work.correlator));
    }
    Ok(ExitCode::SUCCESS)
}

async fn one_run(
    command: &BenchCorrelate,
    settings: &Settings,
    load: &Load,
    log: &BenchLog,
) -> anyhow::Result<(Machine, Run, Work)> {
    let policy = policy(command.rules)?;
    let records = u64::from(load.signals);
    let room = Room::open_counted(settings, command.statements).await?;
    let version = room.database.store.server_version().await?;
    let alone = Alone::of(settings, &room, log, &policy);
    let correlator = alone.commits(records).await?;
    let room = room.again().await?;
    let store = &room.database.store;
    let counted = Counted::read(store, command.statements).await?;
    let rows = store.take_out_judged().await?;
    let left = |table: &str| {
        let found = rows.iter().find(|taken| taken.table == table);
        found.map_or(0, |taken| taken.len() as u64)
    };
    let (matches, tasks) = (left("matches"), left("tasks"));
    room.close().await?;

    let room = Room::open(settings).await?;
    let bare = bare::run(&room, &log.log, &rows, records).await?;
    let room = room.again().await?;
    let work = Work {
        correlator: counted,
        bare: Counted::read(&room.database.store, false).await?,
    };
    room.close().await?;
    let run = Run {
        correlator,
        bare,
        matches,
        tasks,
    };
    Ok((Machine::with_house(version, log.name.clone()), run, work))
}

impl Run {
    fn share(&self) -> f64 {
        100.0 * self.correlator.rate() / self.bare.rate()
    }

    /// The same by processor time, which tells more where others are at work on the machine, and less where something waits.
    fn share_by_processor(&self) -> f64 {
        let used = |taken: Taken| taken.used.cpu_seconds + taken.used.server_cpu_seconds;
        100.0 * used(self.bare) / used(self.correlator)
    }
}

fn line(run: &Run) -> String {
    format!(
        "correlator {:.0} signals/s ({:.1} s), bare loop {:.0} signals/s ({:.1} s): {:.0}%; {} matches, {} tasks",
        run.correlator.rate(),
        run.correlator.used.seconds,
        run.bare.rate(),
        run.bare.used.seconds,
        run.share(),
        run.matches,
        run.tasks
    )
}

fn medians(runs: &[Run]) -> String {
    let row = |name: &str, digits: usize, value: &dyn Fn(&Run) -> f64| {
        spread_row(name, &runs.iter().map(value).collect::<Vec<_>>(), digits)
    };
    let mut rows = vec![
        row("correlator, % of the bare loop", 1, &Run::share),
        row("the same by processor time, %", 1, &Run::share_by_processor),
    ];
    for (name, of) in [
        (
            "correlator",
            (|run: &Run| run.correlator) as fn(&Run) -> Taken,
        ),
        ("bare loop", |run| run.bare),
    ] {
        let mut add = |what: &str, digits: usize, value: &dyn Fn(Taken) -> f64| {
            rows.push(row(&format!("{name}: {what}"), digits, &|run| {
                value(of(run))
            }));
        };
        add("signals/s", 0, &|taken| taken.rate());
        add("own processor, s per million", 2, &|taken| {
            taken.per_million(taken.used.cpu_seconds)
        });
        add("PostgreSQL's processor, s per million", 2, &|taken| {
            taken.per_million(taken.used.server_cpu_seconds)
        });
        add("peak memory, MiB", 0, &|taken| {
            count(taken.used.peak_bytes) / 1_048_576.0
        });
        add("records a batch", 0, &|taken| taken.batch_records());
        add("seconds a batch", 3, &|taken| taken.seconds_per_batch());
        add("batches under way", 1, &|taken| {
            taken.batch_seconds / taken.used.seconds
        });
    }
    rows.push(row("correlator: households at hand, %", 0, &|run| {
        run.correlator.found_percent()
    }));
    table(&["", "median", "least to most"], &rows)
}
