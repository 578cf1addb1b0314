//! Whose signal is this? Reads `signals.received`, opens the seal, decides the household and writes `signals.resolved`.
//!
//! One of the two rooms that may open an envelope (I9). It decides nothing about a household; it only finds out which one it is.

pub mod database;
mod decide;
mod ends;
mod live;
mod metrics;
mod orders;

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use jiff::civil::Date;
use uuid::Uuid;
use voorveld_bus::Log;
use voorveld_chassis::{Clock, Lifecycle};
use voorveld_domain::{AreaId, MunicipalityCode};
use voorveld_seal::{BlindIndexKey, Opener};
use voorveld_stage::Stage;
use voorveld_store::Store;
use voorveld_store::households::ExcludedAddress;
use voorveld_wire::signal_v1::RECEIVED_TOPIC;

pub use decide::address_key;
pub use live::Resolver;
pub use metrics::Metrics;

/// Name of this stage: its positions and its consumer group.
pub const STAGE: &str = "resolver";

/// Which area a postcode's four digits lie in.
pub type AreaOf = Arc<dyn Fn(&MunicipalityCode, u16) -> AreaId + Send + Sync>;

/// The day on which a signal of a kind and an event date is over because of the age of whom it names, born on the second day; `None`: its retention ends
/// no later.
pub type EndsOn = Arc<dyn Fn(&str, Date, Date) -> Option<Date> + Send + Sync>;

/// Gives an id that was never given before.
pub type FreshId = Arc<dyn Fn() -> Uuid + Send + Sync>;

/// What the resolver is given.
pub struct Parts<D = Store> {
    /// The database.
    pub store: D,
    /// The log.
    pub log: Log,
    /// The private half: opens envelopes.
    pub opener: Opener,
    /// Keyed index of addresses.
    pub address_index: BlindIndexKey,
    /// Keyed index of persons.
    pub person_index: BlindIndexKey,
    /// Where tasks go.
    pub area_of: AreaOf,
    /// When somebody is too old.
    pub ends_on: EndsOn,
    /// Addresses at which nothing is joined across persons (K14), already keyed.
    pub excluded: Vec<ExcludedAddress>,
    /// The time.
    pub clock: Clock,
    /// Where the ids of households and debtors come from that were never seen: random, and nothing else. It is handed in, so that a run can be repeated.
    pub fresh_id: FreshId,
    /// What is counted.
    pub metrics: Metrics,
    /// This process, for people who look at positions.
    pub owner: String,
}

/// Starts reading; ends when the lifecycle drains.
pub async fn start(parts: Parts, lifecycle: &Lifecycle) -> anyhow::Result<()> {
    let mut tx = parts.store.begin("exclude_addresses").await?;
    let (added, removed) = tx
        .exclude_addresses(
            &decide::version(&parts.address_index),
            &parts.excluded,
            parts.clock.now(),
        )
        .await
        .context("writing the excluded addresses failed")?;
    tx.commit().await?;
    if added + removed > 0 {
        tracing::info!(
            listed = parts.excluded.len(),
            added,
            removed,
            "excluded addresses are in force for what comes in from now on"
        );
    }
    let parts = Arc::new(parts);
    let stage = Stage {
        name: STAGE,
        topic: RECEIVED_TOPIC,
        owner: parts.owner.clone(),
        log: parts.log.clone(),
        store: parts.store.clone(),
        clock: parts.clock.clone(),
        metrics: parts.metrics.reading.clone(),
    };
    stage.start(
        || Resolver::new(Arc::clone(&parts), lifecycle.draining()),
        lifecycle,
    );
    Ok(())
}

/// Reads a list of excluded addresses: a CSV with the columns `municipality;postcode;house_number;suffix;reason`.
///
/// # Errors
/// The file cannot be read, or a line is no address; the line number is told, never what stands there.
pub fn read_excluded(path: &Path, index: &BlindIndexKey) -> anyhow::Result<Vec<ExcludedAddress>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading {} failed", path.display()))?;
    let mut found = Vec::new();
    for (number, line) in text
        .lines()
        .enumerate()
        .skip(1)
        .filter(|(_, line)| !line.trim().is_empty())
    {
        let mut cells = line
            .split(';')
            .map(|cell| Some(cell.trim().to_owned()).filter(|cell| !cell.is_empty()));
        let mut next = || cells.next().flatten();
        let municipality = next()
            .and_then(|code| code.parse::<MunicipalityCode>().ok())
            .with_context(|| {
                format!(
                    "{} line {}: expected a municipality code",
                    path.display(),
                    number + 1
                )
            })?;
        let address = voorveld_domain::Address {
            postcode: next(),
            house_number: next(),
            suffix: next(),
            ..voorveld_domain::Address::default()
        };
        let normal = voorveld_linkage::normalise(&address)
            .map_err(|error| anyhow::anyhow!("{} line {}: {error}", path.display(), number + 1))?;
        found.push(ExcludedAddress {
            key: (municipality, address_key(index, &municipality, &normal)),
            reason: next().unwrap_or_else(|| "institution".to_owned()),
        });
    }
    Ok(found)
}
