//! The partners' doors: HTTP and files to the log.
//!
//! A signal is judged, sealed and given a receipt here; whose household it concerns and what it means is nobody's business at the door, and
//! the door could not find out: it holds a public key only (I9).

pub mod auth;
pub mod config;
pub mod deliveries;
pub mod http;
pub mod intake;
pub mod metrics;
pub mod templates;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use jiff::SignedDuration;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use voorveld_bus::Log;
use voorveld_chassis::http::{bind, serve};
use voorveld_chassis::{Clock, Lifecycle};
use voorveld_policy::Policy;
use voorveld_seal::{BlindIndexKey, Sealer};
use voorveld_store::{Store, StoreError};

use config::{DELIVERY_SILENCE, DELIVERY_SWEEP};
use deliveries::receive::PROCESS_STOPPED;

pub use config::Config;
pub use http::openapi;
use intake::{Intake, IntakeParts};

/// What the gateway is given: never a key that opens.
pub struct Parts {
    /// Partners, receipts and deliveries.
    pub store: Store,
    /// Where accepted signals go; its topics exist.
    pub log: Log,
    /// Kinds and law.
    pub policy: Arc<Policy>,
    /// The public half of the sealing key.
    pub sealer: Sealer,
    /// Key of reference indexes.
    pub references: BlindIndexKey,
    /// Key of digests.
    pub digests: BlindIndexKey,
    /// The time.
    pub clock: Clock,
    /// Where counters are registered.
    pub registry: Registry,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Everything behind the door, without the door itself: for [`start`] and for tests.
pub fn door(config: Config, parts: Parts, lifecycle: &Lifecycle) -> anyhow::Result<http::Door> {
    let metrics = metrics::Metrics::register(&parts.registry)
        .context("registering the gateway's metrics failed")?;
    let partners = Arc::new(auth::Partners::new(
        parts.store.clone(),
        parts.clock.clone(),
    ));
    let intake = Intake::new(IntakeParts {
        store: parts.store,
        log: parts.log,
        policy: parts.policy,
        served: Arc::new(config.municipalities.clone()),
        clock: parts.clock,
        sealer: parts.sealer,
        references: parts.references,
        digests: parts.digests,
        metrics: metrics.clone(),
    });
    Ok(http::Door::new(
        intake,
        partners,
        config,
        lifecycle.clone(),
        metrics,
    ))
}

/// Opens the door and serves until the process drains.
pub async fn start(
    config: Config,
    parts: Parts,
    lifecycle: &Lifecycle,
) -> anyhow::Result<SocketAddr> {
    let listener = bind("gateway", config.listen).await?;
    let address = listener.local_addr()?;
    let sweep = mark_silent_deliveries(
        parts.store.clone(),
        parts.clock.clone(),
        lifecycle.draining(),
    );
    let door = door(config, parts, lifecycle)?;
    let router = http::router(door);
    lifecycle.spawn("gateway", serve(listener, router, lifecycle.draining()));
    lifecycle.spawn("silent deliveries", sweep);
    Ok(address)
}

/// Tells the senders of deliveries whose process is gone that they were interrupted: whoever sends such a file again finishes it.
async fn mark_silent_deliveries(
    store: Store,
    clock: Clock,
    draining: CancellationToken,
) -> Result<(), StoreError> {
    let silence =
        SignedDuration::try_from(DELIVERY_SILENCE).expect("a few minutes fit any duration");
    loop {
        let now = clock.now();
        let marked = store
            .interrupt_silent_deliveries(now - silence, PROCESS_STOPPED, now)
            .await;
        match marked {
            Ok(0) => {}
            Ok(marked) => tracing::info!(marked, "silent deliveries marked as interrupted"),
            Err(error) => tracing::warn!(%error, "looking for silent deliveries failed"),
        }
        tokio::select! {
            () = draining.cancelled() => return Ok(()),
            () = tokio::time::sleep(DELIVERY_SWEEP) => {}
        }
    }
}
