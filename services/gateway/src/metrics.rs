//! What the gateway counts. Labels come from closed lists; no partner, reference or person is one.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use voorveld_chassis::http::HttpMetrics;

/// Counters of the gateway.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// Requests.
    pub http: HttpMetrics,
    /// Signals by what became of them.
    pub signals: IntCounterVec,
    /// Refusals by code.
    pub refusals: IntCounterVec,
    /// Deliveries by format and how they ended.
    pub deliveries: IntCounterVec,
    /// Deliveries being read now.
    pub deliveries_open: IntGauge,
    /// Requests turned away because the database or the log was down.
    pub unavailable: IntCounter,
}

impl Metrics {
    /// Registers everything.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let family = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels)
        };
        let metrics = Self {
            http: HttpMetrics::register(registry, "gateway")?,
            signals: family(
                "voorveld_gateway_signals_total",
                "Signals by what became of them at the door",
                &["outcome"],
            )?,
            refusals: family(
                "voorveld_gateway_refusals_total",
                "Things wrong with refused signals, by code",
                &["code"],
            )?,
            deliveries: family(
                "voorveld_gateway_deliveries_total",
                "Delivered files by format and how they ended",
                &["format", "end"],
            )?,
            deliveries_open: IntGauge::new(
                "voorveld_gateway_deliveries_open",
                "Delivered files being read now",
            )?,
            unavailable: IntCounter::new(
                "voorveld_gateway_unavailable_total",
                "Requests turned away because the database or the log was down",
            )?,
        };
        registry.register(Box::new(metrics.signals.clone()))?;
        registry.register(Box::new(metrics.refusals.clone()))?;
        registry.register(Box::new(metrics.deliveries.clone()))?;
        registry.register(Box::new(metrics.deliveries_open.clone()))?;
        registry.register(Box::new(metrics.unavailable.clone()))?;
        Ok(metrics)
    }
}
