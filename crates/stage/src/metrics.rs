//! What every stage counts of its reading. The labels are numbers of partitions; nothing here is about anybody.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus::{Histogram, HistogramOpts, IntGauge, IntGaugeVec, Opts, Registry};

/// What the numbers of one stage are called.
#[derive(Debug, Clone, Copy)]
pub struct MetricNames {
    /// Histogram: records in a batch that was committed.
    pub batch_records: &'static str,
    /// Histogram: seconds from the first read to the commit of a batch.
    pub commit_seconds: &'static str,
    /// Gauge by `partition`: records of the log that are not committed yet.
    pub lag_records: &'static str,
    /// Gauge: partitions that this process reads.
    pub partitions: &'static str,
    /// Gauge: partitions that wait for a release or key that knows their next record.
    pub stopped_partitions: &'static str,
}

/// The numbers of one stage, told by one reader; a clone is for another reader, whose partitions are counted with them.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) batch_records: Histogram,
    pub(crate) commit_seconds: Histogram,
    lag_records: Lag,
    pub(crate) partitions: Share,
    pub(crate) stopped_partitions: Share,
}

/// One reader's share of a number that is told for the process as a whole. A clone has a share of its own, which is nothing yet.
#[derive(Debug)]
pub struct Share {
    gauge: IntGauge,
    told: AtomicI64,
}

impl Share {
    /// Nothing yet.
    #[must_use]
    pub const fn of(gauge: IntGauge) -> Self {
        let told = AtomicI64::new(0);
        Self { gauge, told }
    }

    /// The share is this much now.
    pub fn set(&self, number: i64) {
        self.gauge
            .add(number - self.told.swap(number, Ordering::Relaxed));
    }
}

impl Clone for Share {
    fn clone(&self) -> Self {
        Self::of(self.gauge.clone())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// How far one reader is behind, by partition. A clone has told nothing yet.
#[derive(Debug)]
struct Lag {
    gauges: IntGaugeVec,
    told: Mutex<BTreeSet<i32>>,
}

impl Lag {
    const fn of(gauges: IntGaugeVec) -> Self {
        let told = Mutex::new(BTreeSet::new());
        Self { gauges, told }
    }

    fn set(&self, partition: i32, records: i64) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.insert(partition);
        self.gauges
            .with_label_values(&[partition.to_string()])
            .set(records);
    }

    fn let_go(&self, is_gone: impl Fn(i32) -> bool) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|partition| {
            let stays = !is_gone(*partition);
            if !stays {
                // Another reader of this process may have told its own since.
                let _ = self.gauges.remove_label_values(&[partition.to_string()]);
            }
            stays
        });
    }
}

impl Clone for Lag {
    fn clone(&self) -> Self {
        Self::of(self.gauges.clone())
    }
}

/// From one record to a full batch (5,000).
const RECORDS: [f64; 9] = [
    1.0, 10.0, 50.0, 100.0, 500.0, 1_000.0, 2_000.0, 3_000.0, 5_000.0,
];

impl Metrics {
    /// Registers the numbers.
    pub fn new(registry: &Registry, names: MetricNames) -> Result<Self, prometheus::Error> {
        let batch_records = Histogram::with_opts(
            HistogramOpts::new(names.batch_records, "Records in a batch that was committed")
                .buckets(RECORDS.to_vec()),
        )?;
        registry.register(Box::new(batch_records.clone()))?;
        let commit_seconds = Histogram::with_opts(HistogramOpts::new(
            names.commit_seconds,
            "Seconds from the first read to the commit of a batch",
        ))?;
        registry.register(Box::new(commit_seconds.clone()))?;
        let lag_records = IntGaugeVec::new(
            Opts::new(
                names.lag_records,
                "Records of the log that are not committed yet",
            ),
            &["partition"],
        )?;
        registry.register(Box::new(lag_records.clone()))?;
        let partitions = IntGauge::new(names.partitions, "Partitions that this process reads")?;
        registry.register(Box::new(partitions.clone()))?;
        let stopped_partitions = IntGauge::new(
            names.stopped_partitions,
            "Partitions that wait for a release or key that knows their next record",
        )?;
        registry.register(Box::new(stopped_partitions.clone()))?;
        Ok(Self {
            batch_records,
            commit_seconds,
            lag_records: Lag::of(lag_records),
            partitions: Share::of(partitions),
            stopped_partitions: Share::of(stopped_partitions),
        })
    }

    pub(crate) fn lag(&self, partition: i32, records: i64) {
        self.lag_records.set(partition, records);
    }

    /// Another owner has it, and tells.
    pub(crate) fn let_go(&self, partition: i32) {
        self.lag_records.let_go(|told| told == partition);
    }

    /// This reader holds nothing any more.
    pub(crate) fn let_go_of_all(&self) {
        self.lag_records.let_go(|_| true);
        self.partitions.set(0);
        self.stopped_partitions.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: MetricNames = MetricNames {
        batch_records: "batch_records",
        commit_seconds: "commit_seconds",
        lag_records: "lag_records",
        partitions: "partitions",
        stopped_partitions: "stopped_partitions",
    };

    fn told(registry: &Registry) -> Vec<(String, Option<String>, f64)> {
        let families = registry.gather();
        let gauges = families
            .iter()
            .filter(|one| !one.name().contains('_') || one.name() == "lag_records");
        gauges
            .flat_map(|family| {
                family.get_metric().iter().map(|one| {
                    let label = one
                        .get_label()
                        .first()
                        .map(|label| label.value().to_owned());
                    (family.name().to_owned(), label, one.get_gauge().get_value())
                })
            })
            .collect()
    }

    #[test]
    fn readers_of_one_process_are_told_together() {
        let registry = Registry::new();
        let one = Metrics::new(&registry, NAMES).unwrap();
        let other = one.clone();
        one.partitions.set(4);
        other.partitions.set(3);
        one.lag(0, 7);
        other.lag(1, 9);
        let lag = |partition: &str, records| {
            (
                "lag_records".to_owned(),
                Some(partition.to_owned()),
                records,
            )
        };
        let partitions = |count| ("partitions".to_owned(), None, count);
        assert_eq!(
            told(&registry),
            [lag("0", 7.0), lag("1", 9.0), partitions(7.0)]
        );
        one.let_go(1);
        assert_eq!(told(&registry).len(), 3, "it is not its own");
        one.let_go_of_all();
        assert_eq!(told(&registry), [lag("1", 9.0), partitions(3.0)]);
        drop(other);
        assert_eq!(told(&registry).last(), Some(&partitions(0.0)));
    }
}
