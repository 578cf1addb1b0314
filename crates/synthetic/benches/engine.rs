//! The engine on one core against a loop written by hand for two rules, and with all the rules that are on by default:
//!
//! ```text
//! cargo bench -p voorveld-synthetic                     # a million signals of two hundred thousand households, five runs
//! cargo bench -p voorveld-synthetic -- 50000 10000 3    # smaller: signals, households, runs
//! ```
//!
//! `voorveld bench engine` is the same in the program itself, with the machine and versions above the figures.

use std::process::ExitCode;

use voorveld_policy::Policy;
use voorveld_synthetic::engine::{Load, measure, median};

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
