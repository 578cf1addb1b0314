//! What outreach counts.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// Counters of what people do.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    /// Changes to tasks, by change: claimed, released, contact, closed, reopened, hold_lifted, marker_judged, registered, revoked.
    pub changes: IntCounterVec,
    /// Changes that came too late: somebody else was first.
    pub conflicts: IntCounter,
    /// Identities opened.
    pub identities: IntCounter,
}

impl Metrics {
    /// Registers them.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let changes = IntCounterVec::new(
            Opts::new(
                "voorveld_outreach_task_changes_total",
                "Changes to tasks by people, by change",
            ),
            &["change"],
        )?;
        let conflicts = IntCounter::new(
            "voorveld_outreach_task_conflicts_total",
            "Changes to tasks that came too late",
        )?;
        let identities = IntCounter::new(
            "voorveld_outreach_identities_opened_total",
            "Sealed identities opened for a colleague",
        )?;
        registry.register(Box::new(changes.clone()))?;
        registry.register(Box::new(conflicts.clone()))?;
        registry.register(Box::new(identities.clone()))?;
        Ok(Self {
            changes,
            conflicts,
            identities,
        })
    }
}
