//! Log to detect to PostgreSQL: what a signal causes, committed with the position it came from (I3).
//!
//! It decides nothing itself: [`voorveld_detect::evaluate`] and [`voorveld_detect::plan`] do, on values this room loads and stores. It knows
//! no name, no address and no BSN; those were sealed at the door and stay with the resolver.

mod apply;
mod convert;
pub mod explain;
mod household;
mod live;
mod memory;
mod metrics;
mod rules;

use std::sync::Arc;

use voorveld_bus::Log;
use voorveld_calendar::Calendar;
use voorveld_chassis::{Clock, Lifecycle};
use voorveld_detect::RuleSet;
use voorveld_detect::explain::Words;
use voorveld_domain::{AreaId, MunicipalityCode, Purpose, TeamId};
use voorveld_stage::Stage;
use voorveld_store::Store;
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

pub use live::Correlator;
pub use memory::MAX_CACHED_SIGNALS;
pub use metrics::Metrics;

/// Name of this stage: its positions and its consumer group.
pub const STAGE: &str = "correlator";

/// Which area and team a task of a purpose goes to, by municipality and the area the resolver found.
pub type TeamOf =
    Arc<dyn Fn(&MunicipalityCode, Option<&AreaId>, Purpose) -> (AreaId, TeamId) + Send + Sync>;

/// What the correlator is given.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The log.
    pub log: Log,
    /// The rules in force.
    pub rules: RuleSet,
    /// Dutch time with the municipality's own days.
    pub calendar: Calendar,
    /// What kinds of signals and their fields are called.
    pub words: Words,
    /// Where tasks go.
    pub team_of: TeamOf,
    /// The time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// This process, for people who look at positions.
    pub owner: String,
}

/// Starts reading; ends when the lifecycle drains.
pub fn start(parts: Parts, lifecycle: &Lifecycle) {
    let stage = Stage {
        name: STAGE,
        topic: RESOLVED_TOPIC,
        owner: parts.owner.clone(),
        log: parts.log.clone(),
        store: parts.store.clone(),
        clock: parts.clock.clone(),
    };
    lifecycle.spawn(
        "correlator",
        stage.run(Correlator::new(parts), lifecycle.draining()),
    );
}
