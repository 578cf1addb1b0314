//! `voorveld bench`: figures that anyone can repeat on their own machine. Everything runs in a house of its own that is thrown away.

pub mod alone;
pub mod backtest;
pub mod bare;
pub mod chain;
pub mod correlate;
pub mod engine;
pub mod grow;
pub mod house;
pub mod latency;
pub mod load;
pub mod machine;
pub mod meter;
pub mod policy;
pub mod recover;
pub mod room;
pub mod spread;
pub mod told;

use std::process::ExitCode;

use self::recover::Recovery;
use crate::cli::Bench;
use crate::config::Settings;
use voorveld_chassis::telemetry::LogFilter;

/// Measures what was asked for.
pub async fn run(
    command: Bench,
    settings: Settings,
    log_filter: LogFilter,
) -> anyhow::Result<ExitCode> {
    match command {
        Bench::Chain(asked) => chain::run(&asked, &settings, log_filter).await,
        Bench::Correlate(asked) => correlate::run(&asked, &settings).await,
        Bench::Grow(asked) => grow::run(&asked, &settings).await,
        Bench::Engine(asked) => engine::run(&asked),
        Bench::Latency(asked) => latency::run(&asked, &settings, log_filter).await,
        Bench::Retraction(asked) => recover::run(Recovery::Retraction, &asked, &settings).await,
        Bench::Start(asked) => recover::run(Recovery::Start, &asked, &settings).await,
        Bench::Backtest(asked) => backtest::run(&asked, &settings).await,
    }
}
