//! Resolver and correlator in a world that is made up, in which everything goes wrong that may.
//!
//! The state machines are those of production, to the letter: [`voorveld_stage::Stage`] with [`voorveld_resolver::Resolver`] and
//! [`voorveld_correlator::Correlator`]. Made up are what they stand on: the log, the database and the clock. Everything happens in one thread, and a seed
//! decides who has the next turn, what a partner sends, what a colleague does, which commit is refused or goes unanswered, who crashes in the middle of a
//! statement and who reads on although others own what it reads. The same seed gives the same run, so what a run finds can be looked at.
//!
//! After every step the invariants of ARCHITECTURE.md are compared with what was sent; at the end also what only holds at rest.

mod database;
mod faithful;
mod invariants;
mod log;
mod partners;
mod people;
mod replay;
mod run;
mod tables;
mod world;

use std::fmt;

pub use faithful::{COLLEAGUE, Chronicle};
use run::Setting;

/// A mistake that is made on purpose, to see that it is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The position is committed at once, and what the records cause with the rest.
    PositionApart,
    /// Whoever is where the position is may commit, also in an epoch of before.
    EpochUnchecked,
    /// What a process remembers is kept when a commit failed or others own it.
    CacheKept,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which run.
    pub seed: u64,
    /// What happened, in order.
    pub trail: Vec<String>,
    /// What must never be.
    pub violations: Vec<String>,
    /// How many tasks there are at its end.
    pub tasks: usize,
    /// How many matches there are at its end.
    pub matches: usize,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed;
        writeln!(f, "seed {seed}:")?;
        for line in &self.trail {
            writeln!(f, "  {line}")?;
        }
        for violation in &self.violations {
            writeln!(f, "violated: {violation}")?;
        }
        write!(
            f,
            "again: VOORVELD_SIMULATION_SEED={seed} cargo test -p voorveld-simulation every_seed"
        )
    }
}

/// Lives through the run of a seed.
#[must_use]
pub fn live_through(seed: u64, bug: Option<Bug>) -> Report {
    run::live_through(Setting {
        seed,
        bug,
        is_rough: true,
    })
}
