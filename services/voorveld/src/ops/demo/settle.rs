//! Waiting until everything delivered has come to rest: nothing pending, every stage at the end of its log, no wake-up due.

use std::time::Duration;

use voorveld_bus::Log;
use voorveld_chassis::Clock;
use voorveld_store::Store;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

/// How long to wait before looking again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// What one needs to see whether everything has come to rest.
#[derive(Clone)]
pub struct Rest {
    /// The database.
    pub store: Store,
    /// The log.
    pub log: Log,
    /// The time.
    pub clock: Clock,
}

impl Rest {
    /// Waits for it. Nobody else may be sending.
    pub async fn reached(&self) -> anyhow::Result<()> {
        while !self.is_reached().await? {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    /// Whether it has. Looks from the door to the end: what has come to rest upstream adds nothing to what is looked at next. Only where the last stage
    /// has nothing to read, since to count what waits at the door takes the database longer than all other looks.
    pub async fn is_reached(&self) -> anyhow::Result<bool> {
        Ok(self.is_at_the_end("correlator", RESOLVED_TOPIC).await?
            && self.is_resolved().await?
            && self.is_at_the_end("correlator", RESOLVED_TOPIC).await?
            && self
                .store
                .on_the_way(self.clock.today())
                .await?
                .is_nothing())
    }

    /// Whether everything that was taken in has its household, or waits for a person to find it.
    pub async fn is_resolved(&self) -> anyhow::Result<bool> {
        if !self.is_at_the_end("resolver", RECEIVED_TOPIC).await? {
            return Ok(false);
        }
        let today = self.clock.today();
        let way = self.store.on_the_way(today).await?;
        if way.pending_receipts + way.open_deliveries > 0
            || !self.is_at_the_end("resolver", RECEIVED_TOPIC).await?
        {
            return Ok(false);
        }
        Ok(self.store.on_the_way(today).await?.unproduced_filings == 0)
    }

    async fn is_at_the_end(&self, stage: &str, topic: &str) -> anyhow::Result<bool> {
        let ends = self.log.topic(topic).await?.partitions;
        let positions = self.store.positions_of(stage, topic).await?;
        Ok(ends.iter().all(|range| {
            let at = positions
                .iter()
                .find(|(partition, _)| *partition == range.partition);
            at.map_or(range.next == range.first, |(_, next)| *next == range.next)
        }))
    }
}
