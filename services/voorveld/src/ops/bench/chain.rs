//! `voorveld bench chain`: one partner's file, over HTTP, through every role, to committed tasks.
//!
//! Each run has a house of its own: a private PostgreSQL in a folder that is thrown away, and topics of its own where a broker is
//! configured. Sender, roles and, on the embedded default, the database share the machine, and the figures say so.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use voorveld_chassis::telemetry::LogFilter;
use voorveld_chassis::{Clock, Secret, Stopwatch};
use voorveld_synthetic::{BULK_PARTNER, Plan, bulk_csv};

use super::house::{BenchHouse, municipality};
use super::machine::{Machine, Usage};
use super::room::{Counted, attended, server_cpu_seconds};
use super::spread::spread_row;
use super::told;
use crate::cli::BenchChain;
use crate::config::Settings;
use crate::ops::demo::settle::Rest;
use crate::ops::office::table;
use crate::ops::simulate::send::GatewayDoor;

/// How often it looks whether a stage is at the end of its log: the figures are this coarse. A look counts what is pending, which is no small thing.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// In thousandths: inhabitants per signal, so that a household that has signals has about two, as in a Dutch year.
const INHABITANTS_PER_THOUSAND_SIGNALS: u64 = 1_075;

/// What one run took. Seconds count from the first byte of the request.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// Until every row had its receipt: the log holds it (I1).
    door_seconds: f64,
    /// Until every signal had its household and was on the second topic.
    resolver_seconds: f64,
    /// Until every household was judged and its tasks were committed.
    tasks_seconds: f64,
    /// Signals accepted.
    signals: u64,
    /// Matches that stand at the end.
    matches: u64,
    /// Tasks that were raised.
    tasks: u64,
    /// Processor time of this process: sender and all roles, without the database and the broker.
    cpu_seconds: f64,
    /// Processor time of PostgreSQL, what it does behind its writers' backs included.
    server_cpu_seconds: f64,
    /// Most memory that this process has held at once so far.
    peak_bytes: u64,
}

/// Runs it as often as asked and prints each run and the medians.
pub async fn run(
    command: &BenchChain,
    settings: &Settings,
    log_filter: LogFilter,
) -> anyhow::Result<ExitCode> {
    let plan = Plan {
        seed: command.seed,
        municipality: municipality(settings),
        inhabitants: u32::try_from(
            u64::from(command.signals) * INHABITANTS_PER_THOUSAND_SIGNALS / 1_000,
        )
        .unwrap_or(u32::MAX),
        months: 12,
        until: Clock::system().today(),
    };
    let mut csv = Vec::new();
    bulk_csv(&plan, command.signals, command.crowd, &mut csv)?;
    let csv = Bytes::from(csv);
    let (mut machine, mut runs) = (None, Vec::new());
    let mut counted = None;
    for _ in 0..command.runs {
        let (on, figures, of_run) = one_run(command, settings, &csv, log_filter.clone()).await?;
        counted = of_run;
        if !command.json {
            if runs.is_empty() {
                println!("{on}\n{} rows, {} bytes\n", command.signals, csv.len());
            }
            println!("{}", line(&figures));
        }
        machine.get_or_insert(on);
        runs.push(figures);
    }
    if command.json {
        let told = serde_json::json!({ "machine": machine, "rows": command.signals, "crowd": command.crowd, "runs": runs });
        println!("{told:#}");
    } else {
        print!("\n{}", medians(&runs));
        if let Some(counted) = counted {
            print!(
                "\n{}",
                told::written(command.signals, &counted.written, None)
            );
            print!("\n{}", told::statements(&counted));
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn one_run(
    command: &BenchChain,
    settings: &Settings,
    csv: &Bytes,
    log_filter: LogFilter,
) -> anyhow::Result<(Machine, Figures, Option<Counted>)> {
    let house = BenchHouse::open(settings, log_filter, command.statements).await?;
    let rest = Rest {
        store: house.house.database.store.clone(),
        log: house.house.log.clone(),
        clock: house.clock.clone(),
    };
    let working = measure(&house.door, &house.key, csv.clone(), &rest);
    let figures = attended(&house.lifecycle, settings.grace, working).await;
    let machine = house.machine.clone();
    let counted = house.close_counted(command.statements).await?;
    Ok((machine, figures?, counted))
}

async fn measure(
    door: &GatewayDoor,
    key: &Secret,
    csv: Bytes,
    rest: &Rest,
) -> anyhow::Result<Figures> {
    let before = Usage::now();
    let server_before = server_cpu_seconds(&rest.store).await?;
    let begin = Stopwatch::start();
    door.deliver(key, BULK_PARTNER.format.content_type(), csv)
        .await?;
    let door_seconds = begin.elapsed().as_secs_f64();
    while !rest.is_resolved().await? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let resolver_seconds = begin.elapsed().as_secs_f64();
    while !rest.is_reached().await? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let tasks_seconds = begin.elapsed().as_secs_f64();
    let after = Usage::now();
    let server_after = server_cpu_seconds(&rest.store).await?;
    let summary = rest.store.summary().await?;
    let sum = |counts: &[voorveld_store::summary::Count]| counts.iter().map(|one| one.count).sum();
    Ok(Figures {
        door_seconds,
        resolver_seconds,
        tasks_seconds,
        signals: sum(&summary.on_timelines),
        matches: sum(&summary.matches),
        tasks: sum(&summary.tasks_by_state),
        cpu_seconds: after.cpu_seconds - before.cpu_seconds,
        server_cpu_seconds: server_after - server_before,
        peak_bytes: after.peak_bytes,
    })
}

#[expect(clippy::cast_precision_loss, reason = "no file has 2^52 rows")]
fn rate(signals: u64, seconds: f64) -> f64 {
    signals as f64 / seconds
}

fn line(run: &Figures) -> String {
    format!(
        "on the log after {:.1} s, with its household after {:.1} s, tasks after {:.1} s ({:.0} signals/s); {} signals, {} matches, {} tasks",
        run.door_seconds,
        run.resolver_seconds,
        run.tasks_seconds,
        rate(run.signals, run.tasks_seconds),
        run.signals,
        run.matches,
        run.tasks
    )
}

fn medians(runs: &[Figures]) -> String {
    let row = |name: &str, value: &dyn Fn(&Figures) -> f64, digits: usize| {
        let values: Vec<f64> = runs.iter().map(value).collect();
        spread_row(name, &values, digits)
    };
    let mut text = String::new();
    let rows = [
        row(
            "on the log, signals/s",
            &|run| rate(run.signals, run.door_seconds),
            0,
        ),
        row(
            "to committed tasks, signals/s",
            &|run| rate(run.signals, run.tasks_seconds),
            0,
        ),
        row("to committed tasks, s", &|run| run.tasks_seconds, 1),
        row(
            "processor time of sender and roles, s",
            &|run| run.cpu_seconds,
            1,
        ),
        row(
            "processor time of PostgreSQL, s",
            &|run| run.server_cpu_seconds,
            1,
        ),
        row(
            "peak memory of sender and roles, MiB",
            &|run| rate(run.peak_bytes, 1_048_576.0),
            0,
        ),
    ];
    let _ = write!(text, "{}", table(&["", "median", "least to most"], &rows));
    text
}
