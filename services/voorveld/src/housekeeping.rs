//! Erasing what is past its retention, once in a while.

use std::time::Duration;

use jiff::tz::TimeZone;
use tokio_util::sync::CancellationToken;
use voorveld_bus::Log;
use voorveld_chassis::Clock;
use voorveld_chassis::clock::CIVIL_ZONE;
use voorveld_correlator::Retention;
use voorveld_policy::Current;
use voorveld_store::Store;

/// How often.
const EVERY: Duration = Duration::from_hours(1);

/// Sweeps the tables, and the log where it lives in the database, every hour until told to stop. By the policy goes for how long the kind of signal is
/// kept that is kept longest. A sweep that fails is tried again the next time.
pub async fn run(
    store: Store,
    log: Log,
    clock: Clock,
    policy: Current,
    draining: CancellationToken,
) -> anyhow::Result<()> {
    let zone = TimeZone::get(CIVIL_ZONE)?;
    let mut hours = tokio::time::interval(EVERY);
    hours.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = draining.cancelled() => return Ok(()),
            _ = hours.tick() => {}
        }
        let longest_days = Retention::of(policy.now().rules()).longest();
        match store
            .sweep(&clock.now().to_zoned(zone.clone()), longest_days)
            .await
        {
            Ok(swept) if swept.total() > 0 => {
                tracing::info!(
                    rows = swept.total(),
                    "rows past their retention were erased"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "erasing failed for now"
            ),
        }
        // Kafka does it by itself.
        match log.trim().await {
            Ok(0) => {}
            Ok(records) => tracing::info!(records, "the log was trimmed"),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "trimming the log failed for now"
            ),
        }
    }
}
