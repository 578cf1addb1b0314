//! Ends, for as long as a process runs, whose transaction stands in the way of others.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use voorveld_store::Store;

/// How often it looks.
const EVERY: Duration = Duration::from_secs(10);

/// Looks until told to stop. Whether the database answers is told elsewhere.
pub async fn watch(store: Store, leaving: CancellationToken) -> Result<(), Infallible> {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = leaving.cancelled() => return Ok(()),
            _ = beat.tick() => {}
        }
        match store.end_who_stands_in_the_way().await {
            Ok(0) => {}
            Ok(ended) => tracing::warn!(
                ended,
                "somebody stood still in the way of others; its transaction was ended"
            ),
            Err(error) => tracing::debug!(
                error = &error as &dyn std::error::Error,
                "could not look who stands in the way"
            ),
        }
    }
}
