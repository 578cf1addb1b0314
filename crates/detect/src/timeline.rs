//! One household's signals. How they came in leaves no trace here (I4).

use std::borrow::Cow;
use std::sync::Arc;

use jiff::civil::Date;
use voorveld_domain::{SignalId, Standing};

use crate::lens::{Lens, Seen, Sight};
use crate::rule::{RuleSet, RuleSettings};
use crate::{Rule, Signal};

/// One household's signals by id; of each the greatest copy.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    by_id: Vec<Kept>,
    /// The same as one set of rules sees them, kept up as signals come in: nothing depends on it but speed.
    sight: Option<Sight>,
}

/// A signal, with its id at hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    id: SignalId,
    pub(crate) signal: Arc<Signal>,
}

impl PartialEq for Timeline {
    fn eq(&self, other: &Self) -> bool {
        self.by_id == other.by_id
    }
}

impl Eq for Timeline {}

impl Timeline {
    /// More signals than a household has: past this it is an institution that nobody excluded (K14), and whoever holds it reports it.
    pub const CROWDED_SIGNALS: usize = 500;
    /// With more than these it is quicker to judge around what changed than whole.
    pub const MANY_SIGNALS: usize = 50;

    /// Keeps the greatest copy of each signal: `max` does not care who came first, or twice. Tells whether anything changed.
    pub fn absorb(&mut self, signal: impl Into<Arc<Signal>>) -> bool {
        let signal: Arc<Signal> = signal.into();
        match self.place_of(signal.id) {
            Ok(index) if self.by_id[index].signal < signal => {
                if let Some(sight) = &mut self.sight {
                    sight.replace(&signal, index);
                }
                self.by_id[index].signal = signal;
                true
            }
            Ok(_) => false,
            Err(index) => {
                if let Some(sight) = &mut self.sight {
                    sight.insert(&signal, index);
                }
                let kept = Kept {
                    id: signal.id,
                    signal,
                };
                self.by_id.insert(index, kept);
                true
            }
        }
    }

    fn place_of(&self, id: SignalId) -> Result<usize, usize> {
        let known = self.sight.as_ref().and_then(|sight| sight.place_of(id));
        known.unwrap_or_else(|| self.by_id.binary_search_by_key(&id, |known| known.id))
    }

    /// Takes a signal out for good: erased, not withdrawn. Tells whether it was there.
    pub fn erase(&mut self, id: SignalId) -> bool {
        match self.by_id.binary_search_by_key(&id, |known| known.id) {
            Ok(index) => {
                if let Some(sight) = &mut self.sight {
                    sight.remove(index);
                }
                self.by_id.remove(index);
                true
            }
            Err(_) => false,
        }
    }

    /// From now on keeps what these rules ask of each signal by itself, so that judging by them does not ask again. Judging by others still can.
    pub fn look_by(&mut self, rules: &RuleSet) {
        if !self.is_kept_up(rules.lens()) {
            self.sight = Some(Sight::of(rules.lens(), &self.by_id));
        }
    }

    /// The same, and notes what changes, so that what was found can be taken up ([`crate::Findings`]). Worth it where there are many.
    pub fn look_again_by(&mut self, rules: &RuleSet) {
        self.look_by(rules);
        if let Some(sight) = &mut self.sight {
            sight.note_changes();
        }
    }

    /// Whether what rules with this lens ask of each signal is kept up as signals come in.
    fn is_kept_up(&self, lens: &Arc<Lens>) -> bool {
        let is_kept = |sight: &Sight| sight.is_through(lens);
        self.sight.as_ref().is_some_and(is_kept)
    }

    /// Its signals as rules with this lens see them.
    pub(crate) fn sight(&self, lens: &Arc<Lens>) -> Cow<'_, Sight> {
        match &self.sight {
            Some(sight) if sight.is_through(lens) => Cow::Borrowed(sight),
            _ => Cow::Owned(Sight::of(lens, &self.by_id)),
        }
    }

    /// The signal at a place.
    pub(crate) fn at(&self, place: usize) -> &Signal {
        &self.by_id[place].signal
    }

    /// The signal that is seen.
    pub(crate) fn signal(&self, seen: &Seen) -> &Signal {
        &self.by_id[seen.at as usize].signal
    }

    /// Every id, sorted.
    pub(crate) fn ids(&self) -> impl Iterator<Item = SignalId> {
        self.by_id.iter().map(|kept| kept.id)
    }

    /// The signals of those that count on a day that a rule looks at, in order of events.
    pub(crate) fn looked_at(
        &self,
        rule: &Rule,
        settings: &RuleSettings,
        as_of: Date,
    ) -> Vec<&Signal> {
        let mut signals = self.counted(settings, as_of);
        signals.retain(|signal| rule.sees(signal));
        signals
    }

    /// The copy held of a signal, whether it counts or not.
    #[must_use]
    pub fn get(&self, id: SignalId) -> Option<&Signal> {
        self.by_id
            .binary_search_by_key(&id, |known| known.id)
            .ok()
            .map(|index| &*self.by_id[index].signal)
    }

    /// Looks for ids in it, each from where the last one was.
    pub(crate) const fn finder(&self) -> Finder<'_> {
        Finder {
            signals: self,
            from: 0,
        }
    }

    /// Those of these signals that it holds, each with its place; quicker where `ids` are sorted.
    pub(crate) fn places(&self, ids: &[SignalId]) -> impl Iterator<Item = (usize, &Signal)> {
        let mut finder = self.finder();
        ids.iter().filter_map(move |id| {
            let place = finder.find(*id)?;
            Some((place, &*self.by_id[place].signal))
        })
    }

    /// Every signal in order of id, those that no longer count too.
    pub fn iter(&self) -> impl Iterator<Item = &Signal> {
        self.by_id.iter().map(|kept| &*kept.signal)
    }

    /// Every signal in order of events, those that no longer count too.
    #[must_use]
    pub fn signals(&self) -> Vec<&Signal> {
        let mut signals: Vec<&Signal> = self.iter().collect();
        signals.sort_unstable_by_key(|signal| signal.event_order());
        signals
    }

    /// The signals that count on a day (S4), in order of events.
    #[must_use]
    pub fn counted(&self, settings: &RuleSettings, as_of: Date) -> Vec<&Signal> {
        let mut signals: Vec<&Signal> = self
            .iter()
            .filter(|signal| signal.counts_on(settings, as_of))
            .collect();
        signals.sort_unstable_by_key(|signal| signal.event_order());
        signals
    }

    /// The timeline as it is judged: a signal that counts by its copy and to which `standing` gives another one, under objection or past its
    /// retention, does not count (S4). Nothing of it becomes a copy, so that it counts again when the reason ends.
    #[must_use]
    pub fn judged(&self, standing: impl Fn(&Signal) -> Standing) -> Cow<'_, Self> {
        let is_changed = |signal: &Signal| signal.counts() && standing(signal) != Standing::Counted;
        if !self.iter().any(is_changed) {
            return Cow::Borrowed(self);
        }
        let mut judged = Self {
            by_id: self.by_id.clone(),
            sight: None,
        };
        for kept in judged
            .by_id
            .iter_mut()
            .filter(|kept| is_changed(&kept.signal))
        {
            let standing = standing(&kept.signal);
            Arc::make_mut(&mut kept.signal).standing = standing;
        }
        Cow::Owned(judged)
    }

    /// How many signals it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// Where signals are in a timeline: quick for ids that come in order, and near each other.
pub(crate) struct Finder<'a> {
    signals: &'a Timeline,
    /// Where the last one was, or would be.
    from: usize,
}

impl Finder<'_> {
    pub(crate) fn find(&mut self, id: SignalId) -> Option<usize> {
        let by_id = &self.signals.by_id;
        if by_id.get(self.from).is_none_or(|known| known.id > id) {
            self.from = 0;
        }
        let rest = &by_id[self.from..];
        // Far in steps that double, then back: many ids are near each other, and few are far apart.
        let mut step = 1;
        while step < rest.len() && rest[step].id <= id {
            step *= 2;
        }
        let (low, high) = (step / 2, rest.len().min(step));
        let place = rest[low..high].binary_search_by_key(&id, |known| known.id);
        self.from += low + place.unwrap_or_else(|free| free);
        place.ok().map(|_| self.from)
    }
}

/// Some signals of a timeline that does not change meanwhile, by their places in it: quicker than a set of ids where there are thousands.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    places: Vec<bool>,
}

impl Marked {
    /// Those of these signals that the timeline holds. Quickest where `ids` are mostly in order.
    pub(crate) fn of(timeline: &Timeline, ids: impl Iterator<Item = SignalId>) -> Self {
        let mut marked = Self::default();
        let mut finder = timeline.finder();
        for place in ids.filter_map(|id| finder.find(id)) {
            if marked.places.is_empty() {
                marked.places.resize(timeline.len(), false);
            }
            marked.places[place] = true;
        }
        marked
    }

    /// Whether there is none.
    pub(crate) const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether the signal at this place is one of them.
    pub(crate) fn is_marked(&self, place: usize) -> bool {
        self.places.get(place).is_some_and(|marked| *marked)
    }
}

impl FromIterator<Signal> for Timeline {
    fn from_iter<I: IntoIterator<Item = Signal>>(signals: I) -> Self {
        let mut timeline = Self::default();
        timeline.extend(signals);
        timeline
    }
}

impl Extend<Signal> for Timeline {
    fn extend<I: IntoIterator<Item = Signal>>(&mut self, signals: I) {
        for signal in signals {
            self.absorb(signal);
        }
    }
}
