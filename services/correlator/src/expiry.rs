//! The job that ends signals: at each new day it wakes the households with signals that expired (S4), and erases what was judged so.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use tokio_util::sync::CancellationToken;
use voorveld_chassis::Clock;
use voorveld_store::erasures::{ERASED_MAX_PER_BATCH, Erased};
use voorveld_store::{Store, StoreError};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::published::{self, PublishError};
use crate::{Metrics, Retention};

/// How often it looks whether a new day came and whether something that was judged is left to erase.
const EVERY: Duration = Duration::from_mins(1);

/// What the job is given. Its log lines and metrics hold numbers only.
pub struct Expiry {
    pub(crate) store: Store,
    retention: Arc<Retention>,
    /// The published bundle that it is of; none: of the files this process began with.
    bundle: Option<String>,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    /// The day whose expired signals were all found.
    done: Option<Date>,
}

impl Expiry {
    /// A job that has done nothing yet. This retention holds until something is published.
    #[must_use]
    pub fn new(store: Store, retention: Arc<Retention>, clock: Clock, metrics: Metrics) -> Self {
        Self {
            store,
            retention,
            bundle: None,
            clock,
            metrics,
            done: None,
        }
    }

    /// Takes its turns until told to stop. One that fails is taken again at the next.
    pub async fn run(mut self, draining: CancellationToken) -> anyhow::Result<()> {
        let mut turns = tokio::time::interval(EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = draining.cancelled() => return Ok(()),
                _ = turns.tick() => {}
            }
            if let Err(error) = self.turn(&draining).await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "erasing what expired failed for now"
                );
            }
        }
    }

    /// Wakes whom the day concerns, once a day, and erases what was judged. Several processes may do so at once: each step skips what another has
    /// done.
    pub async fn turn(&mut self, draining: &CancellationToken) -> Result<Erased, StoreError> {
        let is_new = self.pick_up().await?;
        let today = self.clock.today();
        if self.done != Some(today) {
            let woken = self.wake(today, draining).await?;
            let noted = self.note_elsewhere(today, draining).await?;
            if woken + noted > 0 {
                tracing::info!(households = woken, signals = noted, %today, "signals are past their retention");
            }
            // Who judges may not have picked up what is published yet and find nothing over: at the next turn they are woken once more.
            self.done = Some(today).filter(|_| !is_new && !draining.is_cancelled());
        }
        let mut all = Erased::default();
        while !draining.is_cancelled() {
            let erased = self.store.erase_signals(self.clock.now()).await?;
            all.signals += erased.signals;
            all.identities += erased.identities;
            all.households += erased.households;
            all.persons += erased.persons;
            if erased.signals < ERASED_MAX_PER_BATCH.unsigned_abs() {
                break;
            }
        }
        if all.signals > 0 {
            self.metrics.erased.inc_by(all.signals);
            tracing::info!(
                signals = all.signals,
                identities = all.identities,
                households = all.households,
                persons = all.persons,
                "signals past their retention were erased"
            );
        }
        Ok(all)
    }

    /// Signals are kept as long as what is published says; says whether that is something new. What this release cannot read changes nothing; who
    /// judges raises the alarm.
    async fn pick_up(&mut self) -> Result<bool, StoreError> {
        let Some(live) = self.store.in_force().await?.live else {
            return Ok(false);
        };
        if self.bundle.as_ref() == Some(&live.bundle) {
            return Ok(false);
        }
        match published::read(&self.store, &live.bundle).await {
            Ok(policy) => {
                self.retention = Arc::new(Retention::of(policy.rules()));
                // Of this day, too, something else may be over now.
                self.done = None;
            }
            Err(PublishError::Store(error)) => return Err(error),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "signals are kept as long as before"
            ),
        }
        self.bundle = Some(live.bundle);
        Ok(true)
    }

    async fn wake(&self, today: Date, draining: &CancellationToken) -> Result<u64, StoreError> {
        let expired = self.retention.over_on(today);
        let mut all = 0;
        while !draining.is_cancelled() {
            let woken = self
                .store
                .wake_expired(RESOLVED_TOPIC, &expired, today)
                .await?;
            all += woken;
            if woken < ERASED_MAX_PER_BATCH.unsigned_abs() {
                break;
            }
        }
        Ok(all)
    }

    async fn note_elsewhere(
        &self,
        today: Date,
        draining: &CancellationToken,
    ) -> Result<u64, StoreError> {
        let expired = self.retention.over_on(today);
        let mut all = 0;
        while !draining.is_cancelled() {
            let noted = self
                .store
                .note_expired_elsewhere(&expired, self.clock.now())
                .await?;
            all += noted;
            if noted < ERASED_MAX_PER_BATCH.unsigned_abs() {
                break;
            }
        }
        Ok(all)
    }
}
