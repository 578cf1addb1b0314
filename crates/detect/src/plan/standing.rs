//! What a task stands on while a plan is made: its grounds in order, and which signals they lean on.

use std::cell::{Cell, OnceCell};
use std::collections::BTreeMap;

use voorveld_domain::RuleId;

use super::Candidate;
use super::settled::Facts;
use crate::mute::FEW_ASKED;
use crate::task::{Ground, KnownTask, Suppression};
use crate::timeline::Marked;
use crate::{Anchor, Timeline};

/// What names a match and the ground it gives, without a copy of the rule's name.
pub(super) type Key<'a> = (&'a RuleId, Anchor);

/// The grounds of a task in order of what names them.
pub(super) struct Standing<'a>(pub(super) Vec<(Key<'a>, &'a Ground)>);

impl<'a> Standing<'a> {
    pub(super) fn of(task: &'a KnownTask) -> Self {
        let mut grounds: Vec<(Key<'a>, &'a Ground)> = task
            .grounds
            .iter()
            .map(|ground| ((&ground.rule, ground.anchor), ground))
            .collect();
        // Most are in order already, which this sort makes use of.
        grounds.sort_by_key(|(key, _)| *key);
        Self(grounds)
    }

    /// Beside each candidate its ground, if it has one, and the grounds that have no match; both are walked once, in order.
    pub(super) fn beside(
        &self,
        candidates: &[Candidate<'a>],
    ) -> (Vec<Option<&'a Ground>>, Vec<&'a Ground>) {
        let (mut beside, mut lost) = (Vec::with_capacity(candidates.len()), Vec::new());
        let mut grounds = self.0.iter().peekable();
        for candidate in candidates {
            let key = candidate.key();
            while let Some((_, before)) = grounds.next_if(|(known, _)| *known < key) {
                lost.push(*before);
            }
            let own = grounds.next_if(|(known, _)| *known == key);
            beside.push(own.map(|(_, ground)| *ground));
        }
        lost.extend(grounds.map(|(_, ground)| *ground));
        (beside, lost)
    }

    /// Puts a ground in where there is none of that name. Says whether it did.
    pub(super) fn put(&mut self, ground: &'a Ground) -> bool {
        let key = (&ground.rule, ground.anchor);
        let place = self.0.binary_search_by(|(known, _)| known.cmp(&key));
        let free = place.err();
        if let Some(free) = free {
            self.0.insert(free, (key, ground));
        }
        free.is_some()
    }

    pub(super) fn grounds(&self) -> impl Iterator<Item = &'a Ground> {
        self.0.iter().map(|(_, ground)| *ground)
    }
}

/// An open task that is looked after.
pub(super) struct Tended<'a> {
    pub(super) task: &'a KnownTask,
    /// What it asks for before anything presses.
    pub(super) base: Facts,
    /// Its grounds that are looked at again.
    pub(super) on: Standing<'a>,
    /// How many it has besides; they are where they belong.
    pub(super) rest: usize,
    /// What comes to it already.
    pub(super) joining: BTreeMap<Key<'a>, Ground>,
    /// What raised nothing and joined nothing, of what is not looked at again.
    pub(super) suppressed: Vec<Suppression>,
}

impl<'a> Tended<'a> {
    pub(super) fn of(task: &'a KnownTask, on: Standing<'a>) -> Self {
        Self {
            task,
            base: Facts::of(task),
            on,
            rest: 0,
            joining: BTreeMap::new(),
            suppressed: Vec::new(),
        }
    }
}

/// Which signals grounds lean on already.
pub(super) struct OnTask<'a> {
    timeline: &'a Timeline,
    grounds: Vec<&'a Ground>,
    /// How often it was asked.
    asked: Cell<usize>,
    marked: OnceCell<Marked>,
}

impl<'a> OnTask<'a> {
    pub(super) const fn of(timeline: &'a Timeline, grounds: Vec<&'a Ground>) -> Self {
        Self {
            timeline,
            grounds,
            asked: Cell::new(0),
            marked: OnceCell::new(),
        }
    }

    /// Whether the signal at this place of the timeline is one of them.
    pub(super) fn has(&self, place: usize) -> bool {
        let asked = self.asked.get();
        if asked < FEW_ASKED {
            self.asked.set(asked + 1);
            let id = self.timeline.at(place).id;
            return self.grounds.iter().any(|ground| ground.leans_on(id));
        }
        let witnesses = || self.grounds.iter().flat_map(|ground| &ground.witnesses);
        self.marked
            .get_or_init(|| Marked::of(self.timeline, witnesses().copied()))
            .is_marked(place)
    }
}
