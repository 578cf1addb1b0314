//! What the resolver counts. Labels are closed lists; nothing here is about anybody.

use prometheus::{IntCounterVec, Opts, Registry};

/// The resolver's counters.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// `voorveld_resolver_signals_total{outcome}`: placed, moved, withdrawn, unplaced, repeated, dead_lettered.
    pub signals: IntCounterVec,
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
        Ok(Self { signals })
    }

    pub(crate) fn count(&self, outcome: &str, number: usize) {
        if number > 0 {
            self.signals
                .with_label_values(&[outcome])
                .inc_by(u64::try_from(number).unwrap_or(u64::MAX));
        }
    }
}
