//! Waiting for something to be so.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Looks every now and then until it is so; whether it became so in time.
pub async fn comes(patience: Duration, mut is_so: impl AsyncFnMut() -> bool) -> bool {
    let mut tick = interval(LOOK_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let waited = timeout(patience, async {
        loop {
            tick.tick().await;
            if is_so().await {
                return;
            }
        }
    });
    waited.await.is_ok()
}

/// The same, where it must become so.
pub async fn until(what: &str, patience: Duration, is_so: impl AsyncFnMut() -> bool) {
    assert!(
        comes(patience, is_so).await,
        "waited {patience:?} in vain until {what}"
    );
}
