//! How far the feeds were complete at each place.

use std::collections::BTreeMap;

use jiff::Timestamp;
use voorveld_detect::Feeds;
use voorveld_domain::MunicipalityCode;
use voorveld_recall::{feeds_told, named};
use voorveld_store::feeds::FeedState;
use voorveld_store::{Store, StoreError};

use super::inforce::Began;

/// The feeds of every municipality each time that a mark took effect. Who may send what is as it is now.
#[derive(Debug, Default)]
pub(super) struct FeedsThen {
    by_municipality: BTreeMap<MunicipalityCode, Vec<(Began, Feeds)>>,
    nobody: Feeds,
}

impl FeedsThen {
    pub(super) async fn load(store: &Store) -> Result<Self, StoreError> {
        let unsaid = |state: FeedState| FeedState {
            complete_through: None,
            ..state
        };
        let states = store.feeds(None, None).await?;
        let first = Began::of(None, Timestamp::MIN);
        let mut by_municipality: BTreeMap<MunicipalityCode, Vec<(Began, Feeds)>> =
            feeds_told(states.into_iter().map(unsaid).collect())?
                .into_iter()
                .map(|(municipality, feeds)| (municipality, vec![(first, feeds)]))
                .collect();
        for mark in store.effective_marks().await? {
            let (municipality, partner, kind) = named(&mark.feed)?;
            let Some(known) = by_municipality.get_mut(&municipality) else {
                continue;
            };
            let (last, feeds) = known.last().expect("the first is there");
            let mut next = feeds.clone();
            next.mark(&partner, &kind, mark.complete_through);
            if next == *feeds {
                continue;
            }
            let began = Began::of(mark.turn, mark.effective_at);
            // What took effect together was never seen apart.
            if last.at == began.at {
                known.pop();
            }
            known.push((began, next));
        }
        Ok(Self {
            by_municipality,
            nobody: Feeds::default(),
        })
    }

    /// The feeds of a municipality by the last marks that had begun.
    pub(super) fn of(
        &self,
        municipality: MunicipalityCode,
        had_begun: impl Fn(Began) -> bool,
    ) -> &Feeds {
        self.by_municipality
            .get(&municipality)
            .and_then(|known| known.iter().rfind(|(began, _)| had_begun(*began)))
            .map_or(&self.nobody, |(_, feeds)| feeds)
    }
}
