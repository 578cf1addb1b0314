//! Ends, for as long as a process runs, whose transaction stands in the way of others.

use std::convert::Infallible;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, timeout};
use tokio_util::sync::CancellationToken;
use voorveld_store::Store;

/// How often it looks, and for how long at most: a road that went silent is not waited for.
const EVERY: Duration = Duration::from_secs(10);

/// Looks until told to stop. Whether the database answers is told elsewhere.
pub async fn watch(store: Store, leaving: CancellationToken) -> Result<(), Infallible> {
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let looking = async {
        loop {
            beat.tick().await;
            look(&store).await;
        }
    };
    tokio::select! {
        () = leaving.cancelled() => Ok(()),
        () = looking => Ok(()),
    }
}

async fn look(store: &Store) {
    match timeout(EVERY, store.end_who_stands_in_the_way()).await {
        Ok(Ok(0)) => {}
        Ok(Ok(ended)) => tracing::warn!(
            ended,
            "somebody stood still in the way of others; its transaction was ended"
        ),
        Ok(Err(error)) => tracing::debug!(
            error = &error as &dyn std::error::Error,
            "could not look who stands in the way"
        ),
        Err(_) => tracing::debug!("the database did not say who stands in the way"),
    }
}
