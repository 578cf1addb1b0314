//! How far the feeds are complete, per municipality: read at the start of each batch, told to explanation and replay in the same way (I6), and
//! looked after once in a while.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use voorveld_chassis::Clock;
use voorveld_detect::Feeds;
use voorveld_domain::MunicipalityCode;
use voorveld_recall::feeds_told;
use voorveld_store::feeds::{MarksSettled, Moment};
use voorveld_store::{Store, StoreError};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::Metrics;
use crate::database::Transaction;

/// How often is looked whether a mark may take effect. A partner waits for nothing here; a task that waits for a mark has waited for weeks.
pub const EVERY: Duration = Duration::from_secs(15);
/// How often is looked who is silent, in looks at the marks: silence counts in days.
const SILENCE_EVERY: u32 = 40;

/// The feeds of every municipality.
#[derive(Debug, Default)]
pub(crate) struct FeedsOf {
    by_municipality: BTreeMap<MunicipalityCode, Feeds>,
    nobody: Feeds,
    /// What the store calls them as they are here.
    version: Option<String>,
}

impl FeedsOf {
    /// Makes them what they are now; none takes effect until the transaction ends.
    pub(crate) async fn refresh(&mut self, tx: &mut impl Transaction) -> Result<(), StoreError> {
        if let Some((version, states)) = tx.feeds_to_judge_by(self.version.as_deref()).await? {
            self.by_municipality = feeds_told(states)?;
            self.version = Some(version);
        }
        Ok(())
    }

    pub(crate) fn of(&self, municipality: MunicipalityCode) -> &Feeds {
        self.by_municipality
            .get(&municipality)
            .unwrap_or(&self.nobody)
    }
}

/// The feeds of a municipality by the marks that had taken effect at a moment; without one, by those that have now. A replay by knowledge time asks
/// for the moment it has come to.
pub async fn of(
    store: &Store,
    municipality: MunicipalityCode,
    at: Option<Timestamp>,
) -> Result<Feeds, StoreError> {
    let states = store.feeds(Some(municipality.as_str()), at).await?;
    Ok(feeds_told(states)?
        .remove(&municipality)
        .unwrap_or_default())
}

/// Makes marks effective whose feeds have everything in its place, and wakes who waits for them.
pub async fn settle(store: &Store, clock: &Clock) -> Result<MarksSettled, StoreError> {
    let settled = store
        .settle_marks(Moment {
            topic: RESOLVED_TOPIC,
            today: clock.today(),
            now: clock.now(),
        })
        .await?;
    if settled.effective > 0 || settled.lapsed > 0 {
        tracing::info!(
            effective = settled.effective,
            lapsed = settled.lapsed,
            waiting = settled.waiting,
            households = settled.woken,
            "feeds are complete further than they were"
        );
    }
    Ok(settled)
}

/// Looks after the marks until told to stop. What fails is tried again the next time.
pub(crate) async fn run(
    store: Store,
    clock: Clock,
    metrics: Metrics,
    draining: CancellationToken,
) -> Result<(), Infallible> {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut look = 0_u32;
    loop {
        tokio::select! {
            () = draining.cancelled() => return Ok(()),
            _ = ticks.tick() => {}
        }
        let looked = async {
            let settled = settle(&store, &clock).await?;
            metrics.waiting_marks.set(settled.waiting);
            if look.is_multiple_of(SILENCE_EVERY) {
                let all = store.partner_silences(clock.today()).await?;
                let silent = all.iter().filter(|one| one.is_silent).count();
                metrics
                    .silent_partners
                    .set(i64::try_from(silent).unwrap_or(i64::MAX));
            }
            Ok::<(), StoreError>(())
        };
        match looked.await {
            Ok(()) => look = look.wrapping_add(1),
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "looking how far the feeds are failed for now"
            ),
        }
    }
}
