//! What the correlator counts. Labels are closed lists or rule ids; nothing here is about anybody.

use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use voorveld_stage::MetricNames;

/// The correlator's numbers.
#[derive(Debug, Clone)]
pub struct Metrics {
    /// `voorveld_correlator_records_total{outcome}`: absorbed, repeated, dead_lettered.
    pub records: IntCounterVec,
    /// `voorveld_correlator_task_changes_total{change}`: raised, joined, annotated, flagged, withdrawn, merged, held.
    pub task_changes: IntCounterVec,
    /// `voorveld_correlator_suppressed_total{reason}`: judgements in which a match raised nothing.
    pub suppressed: IntCounterVec,
    /// `voorveld_correlator_wake_ups_total`: households judged without a signal.
    pub wake_ups: IntCounter,
    /// `voorveld_correlator_expired_total`: copies of signals that left their timeline because their retention was over.
    pub expired: IntCounter,
    /// `voorveld_correlator_erased_total`: signals of which nothing is left but a tombstone.
    pub erased: IntCounter,
    /// What it counts of its reading.
    pub reading: voorveld_stage::Metrics,
    /// `voorveld_correlator_cached_signals`: signals of owned households kept in memory.
    pub cached_signals: IntGauge,
    /// `voorveld_correlator_cached_bytes`: how much memory they take.
    pub cached_bytes: IntGauge,
    /// `voorveld_correlator_crowded_households_total`: households found to have more signals than a household has (K14).
    pub crowded: IntCounter,
    /// `voorveld_correlator_waiting_seconds`: for how long a day that came has waited for the stages before.
    pub waiting_seconds: IntGauge,
    /// `voorveld_correlator_unreadable_publications`: publications in force that this release cannot read; the rules stay as they were.
    pub unreadable_publications: IntGauge,
    /// `voorveld_correlator_waiting_marks`: marks of completeness that wait until everything before them is in its place.
    pub waiting_marks: IntGauge,
    /// `voorveld_correlator_silent_partners`: partners of whom nothing was heard for one and a half times what was agreed on.
    pub silent_partners: IntGauge,
    /// `voorveld_correlator_cache_total{outcome}`: households found or loaded.
    pub cache: IntCounterVec,
}

impl Metrics {
    /// Registers the numbers.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters =
            |name: &str, help: &str, label: &str| -> Result<IntCounterVec, prometheus::Error> {
                let counters = IntCounterVec::new(Opts::new(name, help), &[label])?;
                registry.register(Box::new(counters.clone()))?;
                Ok(counters)
            };
        let wake_ups = IntCounter::new(
            "voorveld_correlator_wake_ups_total",
            "Households judged without a signal",
        )?;
        registry.register(Box::new(wake_ups.clone()))?;
        let expired = IntCounter::new(
            "voorveld_correlator_expired_total",
            "Signals that left their timeline because their retention was over",
        )?;
        registry.register(Box::new(expired.clone()))?;
        let erased = IntCounter::new(
            "voorveld_correlator_erased_total",
            "Signals of which nothing is left but a tombstone",
        )?;
        registry.register(Box::new(erased.clone()))?;
        let reading = voorveld_stage::Metrics::new(
            registry,
            MetricNames {
                batch_records: "voorveld_correlator_batch_records",
                commit_seconds: "voorveld_correlator_commit_seconds",
                lag_records: "voorveld_correlator_lag_records",
                partitions: "voorveld_correlator_partitions",
                stopped_partitions: "voorveld_correlator_stopped_partitions",
            },
        )?;
        let waiting_seconds = IntGauge::new(
            "voorveld_correlator_waiting_seconds",
            "Seconds that a day that came has waited for the stages before",
        )?;
        registry.register(Box::new(waiting_seconds.clone()))?;
        let crowded = IntCounter::new(
            "voorveld_correlator_crowded_households_total",
            "Households found to have more signals than a household has",
        )?;
        registry.register(Box::new(crowded.clone()))?;
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        Ok(Self {
            unreadable_publications: gauge(
                "voorveld_correlator_unreadable_publications",
                "Publications in force that this release cannot read",
            )?,
            waiting_marks: gauge(
                "voorveld_correlator_waiting_marks",
                "Marks of completeness that wait until everything before them is in its place",
            )?,
            silent_partners: gauge(
                "voorveld_correlator_silent_partners",
                "Partners silent for more than one and a half times what was agreed on",
            )?,
            waiting_seconds,
            crowded,
            records: counters(
                "voorveld_correlator_records_total",
                "Records of signals.resolved by what became of them",
                "outcome",
            )?,
            task_changes: counters(
                "voorveld_correlator_task_changes_total",
                "Changes to tasks by the system",
                "change",
            )?,
            suppressed: counters(
                "voorveld_correlator_suppressed_total",
                "Judgements in which a match raised nothing, by reason",
                "reason",
            )?,
            cache: counters(
                "voorveld_correlator_cache_total",
                "Households by whether they were in memory",
                "outcome",
            )?,
            wake_ups,
            expired,
            erased,
            reading,
            cached_signals: gauge(
                "voorveld_correlator_cached_signals",
                "Signals of owned households kept in memory",
            )?,
            cached_bytes: gauge(
                "voorveld_correlator_cached_bytes",
                "Bytes in which signals of owned households are kept in memory",
            )?,
        })
    }
}
