//! How far the feeds are complete, as `detect` asks it.

use std::collections::BTreeMap;

use voorveld_detect::Feeds;
use voorveld_domain::{KindId, MunicipalityCode, PartnerId};
use voorveld_store::StoreError;
use voorveld_store::feeds::{FeedId, FeedState};

/// The feeds of each municipality, as the store tells them.
pub fn feeds_told(states: Vec<FeedState>) -> Result<BTreeMap<MunicipalityCode, Feeds>, StoreError> {
    let mut all: BTreeMap<MunicipalityCode, Feeds> = BTreeMap::new();
    for state in states {
        let (municipality, partner, kind) = named(&state.feed)?;
        let feeds = all.entry(municipality).or_default();
        feeds.expect(&partner, &kind);
        if let Some(through) = state.complete_through {
            feeds.mark(&partner, &kind, through);
        }
    }
    Ok(all)
}

/// Whose feed of what it is, where.
pub fn named(feed: &FeedId) -> Result<(MunicipalityCode, PartnerId, KindId), StoreError> {
    let corrupt = |what| StoreError::Corrupt {
        table: "partners",
        what,
    };
    Ok((
        feed.municipality
            .parse()
            .map_err(|_| corrupt("municipalities"))?,
        feed.partner.parse().map_err(|_| corrupt("partner_id"))?,
        feed.kind.parse().map_err(|_| corrupt("kinds"))?,
    ))
}
