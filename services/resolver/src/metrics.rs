//! What the resolver counts. Labels are closed lists; nothing here is about anybody.

use prometheus::{IntCounterVec, Opts, Registry};
use voorveld_stage::MetricNames;

/// The resolver's counters.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// `voorveld_resolver_signals_total{outcome}`: placed, moved, withdrawn, unplaced, repeated, dead_lettered.
    pub signals: IntCounterVec,
    /// What it counts of its reading.
    pub reading: voorveld_stage::Metrics,
}

impl Metrics {
    /// Registers the counters.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let signals = IntCounterVec::new(
            Opts::new(
                "voorveld_resolver_signals_total",
                "Records of signals.received by what became of them",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(signals.clone()))?;
        let reading = voorveld_stage::Metrics::new(
            registry,
            MetricNames {
                batch_records: "voorveld_resolver_batch_records",
                commit_seconds: "voorveld_resolver_commit_seconds",
                lag_records: "voorveld_resolver_lag_records",
                partitions: "voorveld_resolver_partitions",
                stopped_partitions: "voorveld_resolver_stopped_partitions",
            },
        )?;
        Ok(Self { signals, reading })
    }

    pub(crate) fn count(&self, outcome: &str, number: usize) {
        if number > 0 {
            self.signals
                .with_label_values(&[outcome])
                .inc_by(u64::try_from(number).unwrap_or(u64::MAX));
        }
    }
}
