//! What was found of a household, kept so that the next record asks again only what it can have changed.

use std::sync::Arc;

use jiff::civil::Date;
use smallvec::SmallVec;
use voorveld_calendar::{Calendar, YearMonth, day_number};
use voorveld_domain::{RuleId, SignalId};

use crate::condition::Condition;
use crate::evaluate::{Found, Judge, asked_of, counted_of, sort};
use crate::lens::{Change, Lens, Seen, Sight};
use crate::matched::{Anchor, Evaluation, Match};
use crate::rule::RuleSet;
use crate::window::{Few, months};
use crate::{Feeds, Timeline};

/// The matches of a household, rule by rule.
pub trait OfRules {
    /// Those of each rule that has any, in order of anchors; rules in order of their ids.
    fn of_rules(&self) -> impl Iterator<Item = Matches<'_>>;

    /// Whether they were found anew, and not taken up from before.
    fn is_anew(&self) -> bool;
}

/// The matches of one rule.
#[derive(Debug, Clone, Copy)]
pub struct Matches<'a> {
    /// All of them; perhaps none.
    pub all: &'a [Match],
    /// The anchors of those that are new, or lean on something that changed, where they were taken up from before.
    pub(crate) news: &'a [Anchor],
    /// Those that went since, and perhaps came back.
    pub(crate) lost: &'a [Match],
}

impl<'a> Matches<'a> {
    /// Which rule, where it has a match or had one.
    pub(crate) fn rule(&self) -> Option<&'a RuleId> {
        self.all
            .first()
            .or(self.lost.first())
            .map(|found| &found.rule)
    }
}

impl OfRules for Evaluation {
    fn of_rules(&self) -> impl Iterator<Item = Matches<'_>> {
        let of_rules = self.matches.chunk_by(|a, b| a.rule == b.rule);
        of_rules.map(|all| Matches {
            all,
            news: &[],
            lost: &[],
        })
    }

    fn is_anew(&self) -> bool {
        true
    }
}

/// The same as [`crate::find_matches`] finds, and what is needed to find it again after more came in.
///
/// A signal that comes, changes or goes can matter only to the rules that ask it (I4: a match follows from the signals that its rule asks). The others keep
/// what they found; of a rule that looks at each signal by itself one match changes.
#[derive(Debug, Clone)]
pub struct Findings {
    as_of: Date,
    of_rules: Vec<OfRule>,
    seen: Option<SeenUntil>,
    is_anew: bool,
}

/// What one rule found.
#[derive(Debug, Clone)]
struct OfRule {
    /// Its place in the set.
    number: usize,
    found: Found,
    /// See [`Matches`].
    news: Vec<Anchor>,
    lost: Vec<Match>,
}

/// Up to where a timeline, as its rules see it, was taken into account.
#[derive(Debug, Clone)]
struct SeenUntil {
    lens: Arc<Lens>,
    changes: usize,
}

impl OfRules for Findings {
    fn of_rules(&self) -> impl Iterator<Item = Matches<'_>> {
        self.of_rules.iter().map(|one| Matches {
            all: &one.found.matches,
            news: &one.news,
            lost: &one.lost,
        })
    }

    fn is_anew(&self) -> bool {
        self.is_anew
    }
}

impl Findings {
    /// What these rules find, taking up what they found before the last records came in.
    ///
    /// `before` is of the same timeline, to which something happened since. What else it depends on is compared here: by other rules, or where something
    /// was registered, all rules are asked. A day that came ends the retention of some signals, and rules that wait for something are asked whatever came, for a term
    /// may be over or a feed complete.
    #[must_use]
    pub fn renewed(
        before: Option<Self>,
        rules: &RuleSet,
        timeline: &Timeline,
        calendar: &Calendar,
        feeds: &Feeds,
        as_of: Date,
    ) -> Self {
        let sight = timeline.sight(rules.lens());
        let asking = Asking {
            rules,
            timeline,
            sight: &sight,
            calendar,
            feeds,
            as_of,
        };
        let seen = sight.changes().map(|changes| SeenUntil {
            lens: Arc::clone(rules.lens()),
            changes: changes.len(),
        });
        let known = before.filter(|known| known.as_of <= as_of);
        let since = known.and_then(|known| {
            let until = known.seen?;
            let noted = sight.changes()?;
            let mut changes: SmallVec<[Change; 2]> = noted.get(until.changes..)?.into();
            changes.extend(sight.ended(known.as_of, as_of));
            Arc::ptr_eq(&until.lens, rules.lens()).then_some((known.of_rules, changes))
        });
        let is_anew = since.is_none();
        let of_rules = match since {
            Some((of_rules, changes)) => asking.again(of_rules, &changes),
            None => asking.all(),
        };
        Self {
            as_of,
            of_rules,
            seen,
            is_anew,
        }
    }

    /// The day they were found on (T2).
    #[must_use]
    pub const fn as_of(&self) -> Date {
        self.as_of
    }

    /// All of them, in order of rule id and anchor.
    pub fn matches(&self) -> impl Iterator<Item = &Match> {
        self.of_rules.iter().flat_map(|one| &one.found.matches)
    }

    /// The same, to be kept.
    pub fn into_matches(self) -> impl Iterator<Item = Match> {
        self.of_rules.into_iter().flat_map(|one| one.found.matches)
    }

    /// When this may change without a new signal (an absence that may then be concluded). `None`: only a signal changes it.
    #[must_use]
    pub fn next_look(&self) -> Option<Date> {
        self.of_rules
            .iter()
            .filter_map(|one| one.found.next_look)
            .min()
    }

    /// An absence whose term is over waits for a feed to be complete: a mark of completeness may change this, too.
    #[must_use]
    pub fn awaits_feeds(&self) -> bool {
        self.of_rules.iter().any(|one| one.found.awaits_feeds)
    }
}

/// One household under the eyes of some rules.
struct Asking<'a> {
    rules: &'a RuleSet,
    timeline: &'a Timeline,
    sight: &'a Sight,
    calendar: &'a Calendar,
    feeds: &'a Feeds,
    as_of: Date,
}

impl<'a> Asking<'a> {
    fn judge(&self, number: usize) -> Judge<'a> {
        Judge {
            rule: &self.rules.rules()[number],
            settings: self.rules.settings(),
            timeline: self.timeline,
            calendar: self.calendar,
            feeds: self.feeds,
            as_of: self.as_of,
        }
    }

    fn condition(&self, number: usize) -> &'a Condition {
        &self.rules.rules()[number].condition
    }

    fn all(&self) -> Vec<OfRule> {
        let counted = counted_of(self.sight, self.as_of);
        let asking = counted
            .iter()
            .fold(0, |asking, seen| asking | seen.asked_by);
        bits(asking)
            .map(|number| OfRule {
                number,
                found: self.ask(number, &counted),
                news: Vec::new(),
                lost: Vec::new(),
            })
            .collect()
    }

    fn ask(&self, number: usize, counted: &[&Seen]) -> Found {
        let mut found = Found::default();
        let asked: Few<'_> = asked_of(counted, number).collect();
        self.judge(number).matches(&asked, &mut found);
        sort(&mut found.matches);
        found
    }

    /// Asks those rules again to which a change since can matter.
    fn again(&self, mut of_rules: Vec<OfRule>, changes: &[Change]) -> Vec<OfRule> {
        let waiting: u128 = of_rules
            .iter()
            .filter(|one| matches!(self.condition(one.number), Condition::Absence { .. }))
            .map(|one| 1_u128 << one.number)
            .sum();
        let asking = changes
            .iter()
            .fold(waiting, |asking, change| asking | change.asked_by);
        for one in &mut of_rules {
            one.news.clear();
            one.lost.clear();
        }
        for number in bits(asking) {
            let place = of_rules
                .binary_search_by_key(&number, |one| one.number)
                .unwrap_or_else(|free| {
                    let one = OfRule {
                        number,
                        found: Found::default(),
                        news: Vec::new(),
                        lost: Vec::new(),
                    };
                    of_rules.insert(free, one);
                    free
                });
            let asked = |change: &&Change| change.asked_by & 1 << number != 0;
            self.ask_again(&mut of_rules[place], changes.iter().filter(asked));
        }
        of_rules
    }

    /// Asks one rule again around what changed.
    fn ask_again<'c>(&self, one: &mut OfRule, changes: impl Iterator<Item = &'c Change> + Clone) {
        let (number, judge) = (one.number, self.judge(one.number));
        match self.condition(number) {
            Condition::EachSignal(_) => {
                for change in changes {
                    let seen = self.asked_within(number, change.day, change.day);
                    let mut now = Found::default();
                    let itself = seen.into_iter().find(|seen| seen.id == change.signal);
                    judge.matches(itself.as_slice(), &mut now);
                    one.instead([Anchor::Signal(change.signal)], now.matches);
                }
            }
            Condition::SingleInMonth {
                preceding_months, ..
            }
            | Condition::ConsecutiveMonths { preceding_months } => {
                for change in changes {
                    self.months_again(one, change.month, *preceding_months);
                }
            }
            Condition::ConcurrentInMonth { .. } => {
                for change in changes {
                    self.months_again(one, change.month, 0);
                }
            }
            Condition::Risen { days, by, .. } => {
                for change in changes {
                    let around = i32::from(*days);
                    let asked = self.asked_within(number, change.day - around, change.day + around);
                    let with = |seen: &Seen| {
                        seen.id == change.signal
                            || change.day <= seen.day && change.is_of_series_of(seen)
                    };
                    let mut now = Vec::new();
                    judge.risen(&asked, with, *days, *by, &mut now);
                    sort(&mut now);
                    let around = asked.iter().filter(|seen| with(seen));
                    let anchors = around.map(|seen| Anchor::Signal(seen.id));
                    one.instead(anchors.chain([Anchor::Signal(change.signal)]), now);
                }
            }
            Condition::Within(_) | Condition::Absence { .. } => {
                let counted = counted_of(self.sight, self.as_of);
                let before = std::mem::replace(&mut one.found, self.ask(number, &counted));
                let mut signals: Vec<SignalId> = changes.map(|change| change.signal).collect();
                signals.sort_unstable();
                one.compare(before.matches, &signals);
            }
        }
    }

    /// The signals of these days that count and can matter to a rule, in order of events.
    fn asked_within(&self, number: usize, first: i32, last: i32) -> Few<'a> {
        let today = day_number(self.as_of);
        let seen = self.sight.seen();
        let from = seen.partition_point(|seen| seen.day < first);
        let to = seen.partition_point(|seen| seen.day <= last);
        seen[from..to]
            .iter()
            .filter(|seen| seen.counts_on(today) && seen.asked_by & 1 << number != 0)
            .collect()
    }

    /// A month changed: it, and so many months that look back at it.
    fn months_again(&self, one: &mut OfRule, month: i32, preceding: u8) {
        let judge = self.judge(one.number);
        let last = month + i32::from(preceding);
        let days = |number: i32| YearMonth::numbered(number).period();
        // The day after them is of a month that nobody asks for.
        let (first_day, day_after) = (
            days(month - i32::from(preceding)).from_number(),
            days(last).to_number(),
        );
        let asked = self.asked_within(one.number, first_day, day_after);
        let now: Vec<Match> = months(&asked)
            .filter(|one| (month..=last).contains(&one.at.number()))
            .filter_map(|month| judge.monthly(&month))
            .collect();
        let around = (month..=last).map(|number| Anchor::Month(YearMonth::numbered(number)));
        one.instead(around, now);
    }
}

impl OfRule {
    /// Puts these matches, which are in order, in the place of those with such anchors.
    fn instead(&mut self, anchors: impl IntoIterator<Item = Anchor>, now: Vec<Match>) {
        let matches = &mut self.found.matches;
        let place_of = |among: &[Match], anchor: Anchor| {
            among.binary_search_by_key(&anchor, |found| found.anchor)
        };
        for anchor in anchors {
            if place_of(&now, anchor).is_err()
                && let Ok(place) = place_of(matches, anchor)
            {
                self.lost.push(matches.remove(place));
                self.news.retain(|one| *one != anchor);
            }
        }
        for found in now {
            let anchor = found.anchor;
            match place_of(matches, anchor) {
                Ok(place) => matches[place] = found,
                Err(place) => matches.insert(place, found),
            }
            if !self.news.contains(&anchor) {
                self.news.push(anchor);
            }
        }
    }

    /// What is news beside what was found before; `changed` are the signals that came, changed or went, sorted.
    fn compare(&mut self, before: Vec<Match>, changed: &[SignalId]) {
        let mut known = before.into_iter().peekable();
        for found in &self.found.matches {
            while let Some(gone) = known.next_if(|one| one.anchor < found.anchor) {
                self.lost.push(gone);
            }
            let same = known.next_if(|one| one.anchor == found.anchor);
            let leans_on_changed = || {
                let leans_on = |id: &SignalId| found.witnesses.binary_search(id).is_ok();
                changed.iter().any(leans_on)
            };
            if same.is_none_or(|same| same != *found || leans_on_changed()) {
                self.news.push(found.anchor);
            }
        }
        self.lost.extend(known);
    }
}

/// The numbers of the bits that are set, in order.
fn bits(mut set: u128) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (set != 0).then(|| {
            let number = set.trailing_zeros() as usize;
            set &= set - 1;
            number
        })
    })
}
