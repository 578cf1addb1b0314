//! The engine on one core against a loop written by hand for two rules, and with all the rules that are on by default:
//!
//! ```text
//! cargo bench -p voorveld-synthetic                     # a million signals of two hundred thousand households, five runs
//! cargo bench -p voorveld-synthetic -- 50000 10000 3    # smaller: signals, households, runs
//! cargo bench -p voorveld-synthetic -- crowd 5000       # one household of so many signals, planned too
//! ```
//!
//! `voorveld bench engine` is the same in the program itself, with the machine and versions above the figures.

use std::process::ExitCode;

use voorveld_policy::Policy;
use voorveld_synthetic::engine::{Load, feed_crowd, measure, median};

#[expect(clippy::disallowed_methods, reason = "a bench measures")]
fn seconds(work: &mut dyn FnMut()) -> f64 {
    let begin = std::time::Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

fn line(name: &str, seconds: &[f64]) {
    let least = seconds.iter().copied().fold(f64::INFINITY, f64::min);
    let most = seconds.iter().copied().fold(0.0, f64::max);
    println!(
        "{name:<30} {:.3} s ({least:.3} to {most:.3})",
        median(seconds)
    );
}

fn main() -> ExitCode {
    // cargo adds `--bench` to what it was told to hand on.
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u32>().ok());
    let mut next = |otherwise| numbers.next().unwrap_or(otherwise);
    if std::env::args().any(|argument| argument == "crowd") {
        return crowd(next(5_000), next(5));
    }
    let load = Load {
        seed: 2026,
        signals: next(1_000_000),
        households: next(200_000),
    };
    let times = next(5);
    let policy = Policy::shipped();
    let runs = match measure(&load, policy.rules(), policy.calendar(), times, &seconds) {
        Ok(runs) => runs,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "{} signals of {} households, fed one by one on one core, {times} runs; medians (least to most)",
        load.signals, load.households
    );
    line("loop written by hand", &runs.by_hand);
    line("engine, the same two rules", &runs.two_rules);
    let all = format!("engine, {} default rules", policy.rules().rules().len());
    line(&all, &runs.all_rules);
    let (two, all) = runs.ratios();
    println!(
        "{two:.2} times the loop with the same {} matches and witnesses; {all:.2} times with all default rules",
        runs.matches
    );
    ExitCode::SUCCESS
}

/// One household with so many signals: judged, planned and its tasks kept, at every record.
fn crowd(signals: u32, times: u32) -> ExitCode {
    let load = Load {
        seed: 2026,
        signals,
        households: 1,
    };
    let policy = Policy::shipped();
    let mut runs = Vec::new();
    let mut grounds = 0;
    for _ in 0..times {
        let mut taken = 0.0;
        let mut clock = |work: &mut dyn FnMut()| taken += seconds(work);
        let tasks = feed_crowd(&load, policy.rules(), policy.calendar(), &mut clock);
        grounds = tasks.iter().map(|task| task.grounds.len()).sum();
        runs.push(taken);
    }
    println!(
        "{signals} signals of one household, judged and planned one by one, {times} runs; {grounds} grounds"
    );
    line("all default rules", &runs);
    ExitCode::SUCCESS
}
