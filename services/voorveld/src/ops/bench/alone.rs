//! A correlator by itself, on a log and a database: what it takes to commit so many records.

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use prometheus::proto::MetricFamily;
use serde::Serialize;
use voorveld_bus::Log;
use voorveld_chassis::{Clock, Lifecycle, Stopwatch};
use voorveld_correlator::{Metrics, Parts};
use voorveld_policy::Policy;

use super::machine::forget_peak;
use super::meter::{Meter, Used};
use super::room::{BenchLog, Room, attended};
use crate::config::Settings;

/// How often it is asked how far it is.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What one correlator took, from the moment it had its partitions, or from where this was last said, to its last commit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Taken {
    /// Records that were read and committed.
    pub records: u64,
    /// What that used.
    #[serde(flatten)]
    pub used: Used,
    /// Transactions.
    pub batches: u64,
    /// From its records at hand to its commit, all batches together; the rest of the time it waited for the log.
    pub batch_seconds: f64,
    /// Households whose signals were at hand, batch by batch, and those that were read from the database.
    pub households_found: u64,
    /// See [`Taken::households_found`].
    pub households_loaded: u64,
    /// From its start to the first commit among these, joining the group and taking the partitions included.
    pub first_commit_seconds: f64,
}

/// What a correlator is started on.
pub struct Alone<'a> {
    /// Its database.
    room: &'a Room,
    /// Its log.
    log: &'a Log,
    /// Its rules.
    policy: &'a Arc<Policy>,
    /// How long it may take to stop.
    grace: Duration,
    /// Most bytes of households that it keeps between batches.
    cached_bytes: usize,
}

impl<'a> Alone<'a> {
    /// As this process is set up.
    pub const fn of(
        settings: &Settings,
        room: &'a Room,
        log: &'a BenchLog,
        policy: &'a Arc<Policy>,
    ) -> Self {
        Self {
            room,
            log: &log.log,
            policy,
            grace: settings.grace,
            cached_bytes: settings.cached_bytes,
        }
    }

    /// Runs it until it has committed so many records.
    pub async fn commits(&self, records: u64) -> anyhow::Result<Taken> {
        self.during(async |progress| progress.reached(records).await)
            .await
    }

    /// Runs it while something is done beside it.
    pub async fn during<T>(
        &self,
        work: impl AsyncFnOnce(&mut Progress<'_>) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let registry = Registry::new();
        let lifecycle = Lifecycle::new();
        let parts = Parts {
            store: self.room.database.store.clone(),
            log: self.log.clone(),
            policy: Arc::clone(self.policy),
            clock: Clock::system(),
            metrics: Metrics::new(&registry)?,
            owner: "bench".to_owned(),
            cached_bytes: self.cached_bytes,
        };
        forget_peak();
        let mut progress = Progress {
            registry,
            room: self.room,
            begin: Stopwatch::start(),
            told: None,
        };
        voorveld_correlator::start(&parts, &lifecycle);
        attended(&lifecycle, self.grace, work(&mut progress)).await
    }
}

/// How far a running correlator is, by its own numbers.
pub struct Progress<'a> {
    registry: Registry,
    room: &'a Room,
    begin: Stopwatch,
    /// As far as has been told.
    told: Option<Told<'a>>,
}

/// Up to where something was told.
struct Told<'a> {
    committed: Committed,
    meter: Meter<'a>,
}

/// What a correlator has committed since its start.
#[derive(Clone, Copy, Default)]
struct Committed {
    batches: u64,
    records: f64,
    seconds: f64,
    found: f64,
    loaded: f64,
}

impl<'a> Progress<'a> {
    /// Waits until so many records are committed since its start, and says what was taken since this was last said: from the moment it had its partitions,
    /// where it never was.
    pub async fn reached(&mut self, records: u64) -> anyhow::Result<Taken> {
        let Told {
            committed: before,
            meter,
        } = match self.told.take() {
            Some(told) => told,
            None => self.at_its_partitions().await?,
        };
        let mut first_commit_seconds = None;
        let now = loop {
            let now = self.committed();
            if before.batches < now.batches && first_commit_seconds.is_none() {
                first_commit_seconds = Some(self.begin.elapsed().as_secs_f64());
            }
            if count(records) <= now.records {
                break now;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        let (used, meter) = meter.lap().await?;
        self.told = Some(Told {
            committed: now,
            meter,
        });
        Ok(Taken {
            records: whole(now.records - before.records),
            used,
            batches: now.batches - before.batches,
            batch_seconds: now.seconds - before.seconds,
            households_found: whole(now.found - before.found),
            households_loaded: whole(now.loaded - before.loaded),
            first_commit_seconds: first_commit_seconds.unwrap_or_default(),
        })
    }

    /// What it commits before somebody looks again is counted.
    async fn at_its_partitions(&self) -> anyhow::Result<Told<'a>> {
        while self.gauge("voorveld_correlator_partitions") == 0.0 {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(Told {
            committed: Committed::default(),
            meter: Meter::begin(&self.room.database.store).await?,
        })
    }

    fn committed(&self) -> Committed {
        let (batches, records) = self.histogram("voorveld_correlator_batch_records");
        Committed {
            batches,
            records,
            seconds: self.histogram("voorveld_correlator_commit_seconds").1,
            found: self.outcome("found"),
            loaded: self.outcome("loaded"),
        }
    }

    fn family(&self, name: &str) -> Option<MetricFamily> {
        let mut families = self.registry.gather().into_iter();
        families.find(|family| family.name() == name)
    }

    fn gauge(&self, name: &str) -> f64 {
        let family = self.family(name);
        family.map_or(0.0, |family| family.get_metric()[0].get_gauge().get_value())
    }

    /// Households that were at hand when they were needed, or were not.
    fn outcome(&self, outcome: &str) -> f64 {
        let family = self.family("voorveld_correlator_cache_total");
        let metrics = family.iter().flat_map(MetricFamily::get_metric);
        let mut ours = metrics.filter(|metric| {
            let mut labels = metric.get_label().iter();
            labels.any(|label| label.value() == outcome)
        });
        ours.next()
            .map_or(0.0, |metric| metric.get_counter().get_value())
    }

    /// How often something was noted, and the sum of it.
    fn histogram(&self, name: &str) -> (u64, f64) {
        self.family(name).map_or((0, 0.0), |family| {
            let histogram = family.get_metric()[0].get_histogram();
            (histogram.get_sample_count(), histogram.get_sample_sum())
        })
    }
}

impl Taken {
    /// Records a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        count(self.records) / self.used.seconds
    }

    /// Per million records.
    #[must_use]
    pub fn per_million(&self, value: f64) -> f64 {
        value * 1e6 / count(self.records)
    }

    /// Records in a batch.
    #[must_use]
    pub fn batch_records(&self) -> f64 {
        count(self.records) / count(self.batches.max(1))
    }

    /// Of the households that were needed, those that were at hand, in hundredths.
    #[must_use]
    pub fn found_percent(&self) -> f64 {
        let needed = self.households_found + self.households_loaded;
        100.0 * count(self.households_found) / count(needed.max(1))
    }

    /// Seconds of a batch.
    #[must_use]
    pub fn seconds_per_batch(&self) -> f64 {
        self.batch_seconds / count(self.batches.max(1))
    }
}

/// A sum of counts as a count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a sum of counts"
)]
const fn whole(sum: f64) -> u64 {
    sum as u64
}

/// A count to calculate with.
#[expect(
    clippy::cast_precision_loss,
    reason = "nothing here is counted up to 2^52"
)]
#[must_use]
pub const fn count(number: u64) -> f64 {
    number as f64
}
