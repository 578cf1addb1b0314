//! Log to detect to PostgreSQL: what a signal causes, committed with the position it came from (I3).
//!
//! It decides nothing itself: [`voorveld_detect::evaluate`] and [`voorveld_detect::plan`] do, on values this room loads and stores. It knows
//! no name, no address and no BSN; those were sealed at the door and stay with the resolver.

mod apply;
pub mod backtest;
mod bytes;
mod convert;
pub mod database;
mod expiry;
pub mod explain;
pub mod feeds;
mod household;
mod live;
mod memory;
mod metrics;
mod packed;
pub mod preview;
pub mod published;
mod rules;
mod ruling;
mod shadow;

use std::sync::Arc;

use voorveld_bus::Log;
use voorveld_chassis::{Clock, Lifecycle};
use voorveld_policy::Policy;
use voorveld_stage::{READERS, Stage};
use voorveld_store::Store;
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

pub use expiry::Expiry;
pub use live::Correlator;
pub use memory::{DEFAULT_CACHED_BYTES, Memory};
pub use metrics::Metrics;
pub use rules::LOOK_FOR_RULES_EVERY;
pub use voorveld_recall::Retention;

/// Name of this stage: its positions and its consumer group.
pub const STAGE: &str = "correlator";

/// What the correlator is given.
#[derive(Clone)]
pub struct Parts<D = Store> {
    /// The database.
    pub store: D,
    /// The log.
    pub log: Log,
    /// The policy to judge by until something else is published.
    pub policy: Arc<Policy>,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// This process, for people who look at positions.
    pub owner: String,
    /// Most bytes of households that are kept between batches, over all partitions of this process.
    pub cached_bytes: usize,
}

/// Starts reading; ends when the lifecycle drains.
pub fn start(parts: &Parts, lifecycle: &Lifecycle) {
    let expiry = Expiry::new(
        parts.store.clone(),
        Arc::new(Retention::of(parts.policy.rules())),
        parts.clock.clone(),
        parts.metrics.clone(),
    );
    lifecycle.spawn("correlator.expiry", expiry.run(lifecycle.draining()));
    lifecycle.spawn(
        "correlator.feeds",
        feeds::run(
            parts.store.clone(),
            parts.clock.clone(),
            parts.metrics.clone(),
            lifecycle.draining(),
        ),
    );
    let stage = Stage {
        name: STAGE,
        topic: RESOLVED_TOPIC,
        owner: parts.owner.clone(),
        log: parts.log.clone(),
        store: parts.store.clone(),
        clock: parts.clock.clone(),
        metrics: parts.metrics.reading.clone(),
    };
    let share = Parts {
        cached_bytes: parts.cached_bytes / READERS,
        ..parts.clone()
    };
    stage.start(|| Correlator::new(share.clone()), lifecycle);
}
