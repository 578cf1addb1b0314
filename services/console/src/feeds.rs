//! How far each partner has delivered, what its word waits for, and who is silent for too long (ops.partner_silence).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_domain::KindId;
use voorveld_policy::Policy;
use voorveld_store::feeds::{FeedFacts, PartnerSilence};

use crate::page::day_words;

/// Kinds of one partner of which the same was said.
pub(crate) struct FeedRow {
    pub partner: String,
    /// The last day on which it sent or said anything.
    pub heard: String,
    /// Within how many days it means to deliver; empty when nothing was agreed on.
    pub every: String,
    pub is_silent: bool,
    /// What the kinds are called.
    pub kinds: String,
    /// Through which day the rules take them as complete.
    pub through: String,
    /// What was said besides and does not hold yet, and for what it waits.
    pub waiting: String,
}

/// How many partners of this municipality are silent.
pub(crate) fn silent(feeds: &[FeedFacts], silences: &[PartnerSilence]) -> usize {
    let ours: BTreeSet<&str> = feeds.iter().map(|feed| &*feed.partner).collect();
    silences
        .iter()
        .filter(|one| one.is_silent && ours.contains(&*one.partner))
        .count()
}

pub(crate) fn rows(
    feeds: Vec<FeedFacts>,
    silences: &[PartnerSilence],
    policy: &Policy,
    today: Date,
) -> Vec<FeedRow> {
    // By partner in the order of the list, and within it by what was said, furthest first; what was never said comes last.
    let mut alike: Vec<(FeedFacts, BTreeMap<String, i64>)> = Vec::new();
    for feed in feeds {
        let name = kind_name(policy, &feed.kind);
        let unplaced = feed.unplaced;
        let same = alike.iter_mut().find(|(first, _)| {
            first.partner == feed.partner
                && first.complete_through == feed.complete_through
                && first.waiting_through == feed.waiting_through
        });
        if let Some((_, kinds)) = same {
            kinds.insert(name, unplaced);
        } else {
            alike.push((feed, BTreeMap::from([(name, unplaced)])));
        }
    }
    alike.sort_by(|(a, _), (b, _)| {
        let order = |feed: &FeedFacts| (feed.partner_name.clone(), feed.partner.clone());
        order(a)
            .cmp(&order(b))
            .then(b.complete_through.cmp(&a.complete_through))
            .then(b.waiting_through.cmp(&a.waiting_through))
    });
    alike
        .into_iter()
        .map(|(feed, kinds)| {
            let silence = silences.iter().find(|one| one.partner == feed.partner);
            let unplaced: i64 = kinds.values().sum();
            FeedRow {
                partner: feed.partner_name,
                heard: silence.map_or_else(String::new, |one| day_words(one.heard_on, today)),
                every: silence
                    .and_then(|one| one.every_days)
                    .map_or_else(String::new, |days| format!("verwacht elke {days} dagen")),
                is_silent: silence.is_some_and(|one| one.is_silent),
                kinds: kinds.into_keys().collect::<Vec<_>>().join(", "),
                through: feed
                    .complete_through
                    .map_or_else(|| "niet gezegd".to_owned(), |day| day_words(day, today)),
                waiting: feed.waiting_through.map_or_else(String::new, |day| {
                    let what = match unplaced {
                        0 => "signalen die nog onderweg zijn".to_owned(),
                        1 => "1 signaal zonder huishouden".to_owned(),
                        many => format!("{many} signalen zonder huishouden"),
                    };
                    format!("{}, wacht op {what}", day_words(day, today))
                }),
            }
        })
        .collect()
}

fn kind_name(policy: &Policy, id: &str) -> String {
    id.parse::<KindId>()
        .ok()
        .and_then(|kind| policy.catalogue().get(&kind).map(|kind| kind.name.clone()))
        .unwrap_or_else(|| id.to_owned())
}
