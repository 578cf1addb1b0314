//! The whole house, tested: what needs two roles to be true at once, and what the house asks of itself.
#![expect(
    clippy::unwrap_used,
    reason = "everything here is a test, and an unwrap that fails is a test that fails"
)]

mod backtest;
mod backtest_report;
mod benches;
mod duckdb;
mod feeds;
mod house;
mod kills;
mod pipeline;
mod poison;
mod process;
mod published;
mod registrations;
mod retention;
mod samples;
mod shutdown;
mod stages;
mod tidy;
mod trouble;
mod year;
