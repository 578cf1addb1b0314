//! Whether what a process leans on still answers, for `/health/ready`.

use std::convert::Infallible;
use std::fmt::Display;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use voorveld_bus::Log;
use voorveld_chassis::admin::HealthCheck;
use voorveld_store::Store;
use voorveld_wire::signal_v1::RECEIVED_TOPIC;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);

/// Asks the database, and the log where the role leans on one, until told to stop.
pub async fn watch(
    store: Store,
    database: HealthCheck,
    log: Option<(Log, HealthCheck)>,
    draining: CancellationToken,
) -> Result<(), Infallible> {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = draining.cancelled() => return Ok(()),
            _ = beat.tick() => {}
        }
        tell(&database, store.ping().await.err());
        if let Some((log, check)) = &log {
            tell(check, log.topic(RECEIVED_TOPIC).await.err());
        }
    }
}

fn tell(check: &HealthCheck, trouble: Option<impl Display>) {
    match trouble {
        None => check.ok(),
        Some(error) => check.failing(error.to_string()),
    }
}
