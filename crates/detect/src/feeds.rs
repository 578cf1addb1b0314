//! How far the feeds are complete: what an absence may be concluded from (docs/rules.md, *When: something did not come*).
//!
//! No watermark decides anything: a partner says in so many words "delivered through June", and until every feed that matters has said so an
//! absence is not concluded.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_domain::{KindId, PartnerId};

/// Who may send which kinds, and through which day each has delivered everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Feeds {
    senders: BTreeMap<KindId, BTreeSet<PartnerId>>,
    complete_through: BTreeMap<(PartnerId, KindId), Date>,
}

impl Feeds {
    /// This partner may send this kind: an absence of it waits for this partner too.
    pub fn expect(&mut self, partner: &PartnerId, kind: &KindId) {
        self.senders
            .entry(kind.clone())
            .or_default()
            .insert(partner.clone());
    }

    /// This partner has delivered every signal of this kind that is dated on this day or before. A mark never goes back.
    pub fn mark(&mut self, partner: &PartnerId, kind: &KindId, through: Date) {
        self.complete_through
            .entry((partner.clone(), kind.clone()))
            .and_modify(|known| *known = through.max(*known))
            .or_insert(through);
    }

    /// The last day through which these kinds are complete: of one partner, or of everybody who may send them. `None`: some feed never said so,
    /// or nobody sends such a kind at all.
    #[must_use]
    pub fn complete_through<'a>(
        &self,
        kinds: impl IntoIterator<Item = &'a KindId>,
        of: Option<&PartnerId>,
    ) -> Option<Date> {
        let mut through = None;
        for kind in kinds {
            let senders = self.senders.get(kind);
            for partner in senders.into_iter().flatten() {
                if of.is_some_and(|one| one != partner) {
                    continue;
                }
                let mark = *self
                    .complete_through
                    .get(&(partner.clone(), kind.clone()))?;
                through = Some(through.map_or(mark, |known: Date| known.min(mark)));
            }
        }
        through
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_kind_is_complete_when_everybody_who_sends_it_said_so() {
        let kind: KindId = "payment".parse().expect("a kind");
        let other: KindId = "rent_arrears".parse().expect("a kind");
        let (a, b): (PartnerId, PartnerId) =
            ("a".parse().expect("a slug"), "b".parse().expect("a slug"));
        let mut feeds = Feeds::default();
        assert_eq!(feeds.complete_through([&kind], None), None);
        feeds.expect(&a, &kind);
        feeds.expect(&b, &kind);
        feeds.mark(&a, &kind, date(2025, 6, 30));
        assert_eq!(feeds.complete_through([&kind], None), None);
        assert_eq!(
            feeds.complete_through([&kind], Some(&a)),
            Some(date(2025, 6, 30))
        );
        feeds.mark(&b, &kind, date(2025, 5, 31));
        assert_eq!(
            feeds.complete_through([&kind], None),
            Some(date(2025, 5, 31))
        );
        // A mark never goes back.
        feeds.mark(&b, &kind, date(2025, 1, 31));
        assert_eq!(
            feeds.complete_through([&kind], None),
            Some(date(2025, 5, 31))
        );
        feeds.expect(&a, &other);
        assert_eq!(feeds.complete_through([&kind, &other], None), None);
    }
}
