//! The decision: which rules are true of a household, and what must become of its tasks.
//!
//! A function of values: same rules, same timeline, same day, same answer, for ever. No IO, no clock, no floats, no async. It does
//! not know where signals come from, who lives in a household, or how a task is stored.
//!
//! - [`Timeline`] holds one household's signals; absorbing is a `max`, so arrival order and repeats leave no trace (I4).
//! - [`evaluate`] says what is true now: verdicts with their reasons, and matches (M1–M7).
//! - [`plan`] says what must become of the tasks: raise, join, annotate, withdraw, flag, hold (K1–K11).
//! - [`explain`] says all that in plain Dutch or English, [`trail`] all of it for one household, silent rules too.

mod absence;
pub mod condition;
mod evaluate;
pub mod evidence;
pub mod explain;
mod feeds;
mod findings;
mod glimpse;
mod lens;
pub mod matched;
mod mute;
mod pattern;
mod plan;
mod predicate;
mod reach;
mod reads;
pub mod rule;
pub mod signal;
pub mod task;
mod timeline;
pub mod trail;
mod window;

pub use condition::{
    After, Condition, Counting, FieldTest, Follows, Least, Predicate, Reach, Same, Test, Window,
    Within,
};
pub use evaluate::{evaluate, find_matches};
pub use evidence::{About, Evidence, EvidenceError, Measure, Quantity};
pub use feeds::Feeds;
pub use findings::{Findings, Matches, OfRules};
pub use glimpse::Glimpse;
pub use matched::{Anchor, AnchorError, Evaluation, Match, MatchKind, Verdict};
pub use plan::{Planned, Settled, plan, plan_again};
pub use rule::{
    Cooldown, CooldownFrom, Deadline, Effect, Ladder, MutedBy, Raises, Rule, RuleSet, RuleSetError,
    RuleSetHash, RuleSettings, Sources,
};
pub use signal::{Decimal, FieldValue, Signal};
pub use task::{
    Closure, Exclusions, Ground, GroundKey, Guards, KnownTask, Objections, Plan, SuppressedBy,
    Suppression, TaskChange,
};
pub use timeline::Timeline;

#[cfg(test)]
mod tests;
