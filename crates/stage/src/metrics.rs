//! What every stage counts of its reading. The labels are numbers of partitions; nothing here is about anybody.

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

/// The numbers of one stage.
#[derive(Debug, Clone)]
pub struct Metrics {
    pub(crate) batch_records: Histogram,
    pub(crate) commit_seconds: Histogram,
    pub(crate) lag_records: IntGaugeVec,
    pub(crate) partitions: IntGauge,
    pub(crate) stopped_partitions: IntGauge,
}

/// One lane's share of a number that is told for the process as a whole.
#[derive(Debug)]
pub struct Share {
    gauge: IntGauge,
    told: i64,
}

impl Share {
    /// Nothing yet.
    #[must_use]
    pub const fn of(gauge: IntGauge) -> Self {
        Self { gauge, told: 0 }
    }

    /// The share is this much now.
    pub fn set(&mut self, number: i64) {
        self.gauge.add(number - self.told);
        self.told = number;
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
            lag_records,
            partitions,
            stopped_partitions,
        })
    }

    pub(crate) fn lag(&self, partition: i32, records: i64) {
        self.lag_records
            .with_label_values(&[partition.to_string()])
            .set(records);
    }

    /// Another owner has it, and tells.
    pub(crate) fn let_go(&self, partition: i32) {
        // It may never have been told.
        self.lag_records
            .remove_label_values(&[partition.to_string()])
            .ok();
    }
}
