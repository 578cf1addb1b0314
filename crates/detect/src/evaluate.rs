//! What every rule says of a household. Recomputed whole each time: a late signal then has nothing to repair.

use std::cmp::max_by_key;

use jiff::civil::Date;
use smallvec::{SmallVec, smallvec};
use voorveld_calendar::{Calendar, Period, YearMonth, day_number};
use voorveld_domain::{PartnerType, SignalId};

use crate::condition::{Condition, Predicate, Within};
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::lens::{Seen, Sight};
use crate::matched::{Anchor, Evaluation, Match, MatchKind, Verdict};
use crate::pattern::{Pattern, Stretch};
use crate::reach::{number_of_types, partner_types};
use crate::rule::{Deadline, Rule, RuleSet, RuleSettings};
use crate::window::{Few, Month, brought_by, months};
use crate::{Feeds, Signal, Timeline};

/// What every rule says of this household at `as_of`, fired or not, with the signals it leaned on.
///
/// Matches are a function of the signals that count (M3, I4); `as_of` serves only what needs a today (T2), and `feeds` only what an absence is
/// concluded from.
#[must_use]
pub fn evaluate(
    rules: &RuleSet,
    timeline: &Timeline,
    calendar: &Calendar,
    feeds: &Feeds,
    as_of: Date,
) -> Evaluation {
    judged(rules, timeline, calendar, feeds, as_of, true)
}

/// The same without what each rule measured: matches alone, with their evidence. What decides on tasks; [`evaluate`] is for who wants to read.
#[must_use]
pub fn find_matches(
    rules: &RuleSet,
    timeline: &Timeline,
    calendar: &Calendar,
    feeds: &Feeds,
    as_of: Date,
) -> Evaluation {
    judged(rules, timeline, calendar, feeds, as_of, false)
}

fn judged(
    rules: &RuleSet,
    timeline: &Timeline,
    calendar: &Calendar,
    feeds: &Feeds,
    as_of: Date,
    with_verdicts: bool,
) -> Evaluation {
    let sight = timeline.sight(rules.lens());
    let counted = counted_of(&sight, as_of);
    let asking = counted
        .iter()
        .fold(0, |asking, seen| asking | seen.asked_by);
    let (mut all, mut verdicts) = (Found::default(), Vec::new());
    let mut asked = Few::new();
    for (number, rule) in rules.rules().iter().enumerate() {
        if asking & 1 << number == 0 && !with_verdicts {
            continue;
        }
        asked.clear();
        asked.extend(asked_of(&counted, number));
        let judge = Judge {
            rule,
            settings: rules.settings(),
            timeline,
            calendar,
            feeds,
            as_of,
        };
        let before = all.matches.len();
        judge.matches(&asked, &mut all);
        let matches = &mut all.matches[before..];
        sort(matches);
        if with_verdicts {
            let why = matches
                .iter()
                .max_by_key(|found| (found.window.to_number(), found.anchor))
                .map_or_else(|| judge.nearest(&asked), |found| found.evidence.to_vec());
            verdicts.push(Verdict {
                rule: rule.id.clone(),
                version: rule.version,
                fired: !matches.is_empty(),
                why,
            });
        }
    }
    Evaluation {
        as_of,
        verdicts,
        matches: all.matches,
        next_look: all.next_look,
        awaits_feeds: all.awaits_feeds,
    }
}

/// What was found, and when that may come out differently.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) matches: Vec<Match>,
    /// See [`Evaluation::next_look`].
    pub(crate) next_look: Option<Date>,
    /// See [`Evaluation::awaits_feeds`].
    pub(crate) awaits_feeds: bool,
}

/// The signals that count on a day (S4), in order of events.
pub(crate) fn counted_of(sight: &Sight, as_of: Date) -> Few<'_> {
    let today = day_number(as_of);
    let seen = sight.seen().iter();
    seen.filter(|seen| seen.counts_on(today)).collect()
}

/// Those of them that can matter to the rule of this number.
pub(crate) fn asked_of<'v, 's>(
    counted: &'v [&'s Seen],
    number: usize,
) -> impl Iterator<Item = &'s Seen> + use<'v, 's> {
    let is_asked = move |seen: &&Seen| seen.asked_by & 1 << number != 0;
    counted.iter().copied().filter(is_asked)
}

/// Puts the matches of one rule in order.
pub(crate) fn sort(matches: &mut [Match]) {
    if FEW_TO_SORT < matches.len() {
        // Each is moved once.
        matches.sort_by_cached_key(|found| found.anchor);
    } else {
        matches.sort_unstable_by_key(|found| found.anchor);
    }
}

/// One rule with what it needs to look at signals.
pub(crate) struct Judge<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) settings: &'a RuleSettings,
    pub(crate) timeline: &'a Timeline,
    pub(crate) calendar: &'a Calendar,
    pub(crate) feeds: &'a Feeds,
    pub(crate) as_of: Date,
}

impl Judge<'_> {
    /// Adds every match among the signals that can matter to the rule, which are in order of events.
    pub(crate) fn matches(&self, asked: &[&Seen], into: &mut Found) {
        match &self.rule.condition {
            Condition::EachSignal(predicate) => into
                .matches
                .extend(asked.iter().map(|seen| self.lone(seen, predicate))),
            Condition::SingleInMonth { .. }
            | Condition::ConcurrentInMonth { .. }
            | Condition::ConsecutiveMonths { .. } => {
                let matches = months(asked).filter_map(|month| self.monthly(&month));
                into.matches.extend(matches);
            }
            Condition::Within(within) => {
                self.patterns(asked, self.pattern(within), &mut into.matches);
            }
            Condition::Risen { of: _, days, by } => {
                self.risen(asked, |_| true, *days, *by, &mut into.matches);
            }
            Condition::Absence {
                after,
                without,
                within,
            } => self.absent(asked, after, without, *within, into),
        }
    }

    pub(crate) fn signal(&self, seen: &Seen) -> &Signal {
        self.timeline.signal(seen)
    }

    fn lone(&self, seen: &Seen, predicate: &Predicate) -> Match {
        let signal = self.signal(seen);
        let mut evidence = SmallVec::new();
        predicate.measure(signal, self.settings, true, &mut evidence);
        if let Some(last) = self.last_useful_day(signal) {
            evidence.push(Evidence {
                measure: Measure::LastUsefulDay,
                about: About::Signal(signal.id),
                threshold: Quantity::Absent,
                value: Quantity::Date(last),
            });
        }
        Match {
            evidence,
            ..self.found(
                MatchKind::Signal,
                Anchor::Signal(seen.id),
                &[seen],
                seen.id,
                Period::numbered(seen.day, seen.day + 1),
            )
        }
    }

    /// The match of a month, for a rule that looks at calendar months.
    pub(crate) fn monthly(&self, month: &Month<'_>) -> Option<Match> {
        match &self.rule.condition {
            Condition::SingleInMonth {
                partner_types,
                preceding_months,
            } => self.single(month, *partner_types, *preceding_months),
            Condition::ConcurrentInMonth { partner_types } => {
                self.concurrent(month, *partner_types)
            }
            Condition::ConsecutiveMonths { preceding_months } => {
                self.consecutive(month, *preceding_months)
            }
            _ => None,
        }
    }

    fn single(&self, month: &Month<'_>, partner_types: u8, preceding_months: u8) -> Option<Match> {
        let before = month.preceding(preceding_months);
        if !before.is_empty() || self.has_types(month.signals, partner_types) {
            return None;
        }
        let types = self.types(month.signals);
        Some(Match {
            evidence: smallvec![
                type_evidence(month, partner_types, types),
                before_evidence(month.at, preceding_months, before),
            ],
            ..self.found(
                MatchKind::Single,
                Anchor::Month(month.at),
                month.signals,
                first_received(month.signals)?.id,
                month.at.period(),
            )
        })
    }

    fn concurrent(&self, month: &Month<'_>, partner_types: u8) -> Option<Match> {
        let enough = |signals: &[&Seen]| self.has_types(signals, partner_types);
        if !enough(month.signals) {
            return None;
        }
        Some(Match {
            evidence: smallvec![type_evidence(
                month,
                partner_types,
                self.types(month.signals),
            )],
            ..self.found(
                MatchKind::Concurrent,
                Anchor::Month(month.at),
                month.signals,
                brought_by(month.signals, true, enough)?,
                month.at.period(),
            )
        })
    }

    fn consecutive(&self, month: &Month<'_>, preceding_months: u8) -> Option<Match> {
        let before = month.preceding(preceding_months);
        if before.is_empty() {
            return None;
        }
        let witnesses: Few<'_> = before.iter().chain(month.signals).copied().collect();
        // True from the moment there is one on both sides.
        let (earlier, later) = (first_received(before)?, first_received(month.signals)?);
        let brought = max_by_key(earlier, later, |one| one.receipt_order()).id;
        Some(Match {
            evidence: smallvec![
                Evidence {
                    measure: Measure::SignalsInMonth,
                    about: About::Month(month.at),
                    threshold: Quantity::Count(1),
                    value: count(month.signals.len()),
                },
                before_evidence(month.at, preceding_months, before),
            ],
            ..self.found(
                MatchKind::Consecutive,
                Anchor::Month(month.at),
                &witnesses,
                brought,
                month
                    .at
                    .preceding(preceding_months)
                    .hull(&month.at.period()),
            )
        })
    }

    pub(crate) const fn pattern<'p>(&'p self, what: &'p Within) -> Pattern<'p> {
        Pattern {
            what,
            settings: self.settings,
            timeline: self.timeline,
            calendar: self.calendar,
        }
    }

    fn patterns(&self, asked: &[&Seen], pattern: Pattern<'_>, into: &mut Vec<Match>) {
        pattern.stretches(asked, &mut |mut stretch| {
            let anchor = if pattern.what.window.is_monthly() {
                Anchor::Month(stretch.month())
            } else {
                Anchor::Signal(stretch.completed_by.id)
            };
            if let Some(brought) = Self::brought(pattern, &stretch) {
                let evidence = std::mem::take(&mut stretch.evidence);
                let found = self.found(
                    MatchKind::Pattern,
                    anchor,
                    &stretch.witnesses,
                    brought,
                    stretch.period,
                );
                into.push(Match { evidence, ..found });
            }
        });
    }

    /// The witness with whose first receipt a stretch became one.
    pub(crate) fn brought(pattern: Pattern<'_>, stretch: &Stretch<'_, '_>) -> Option<SignalId> {
        let came_in_order = stretch
            .witnesses
            .is_sorted_by_key(|seen| seen.receipt_order());
        let whatever_else = pattern.what.test.only_grows(&|_| false);
        if whatever_else && came_in_order && !pattern.what.window.is_monthly() {
            // What completed it came last of all that it needs.
            return Some(stretch.completed_by.id);
        }
        let only_grows = pattern.only_grows(&stretch.witnesses);
        brought_by(&stretch.witnesses, only_grows, |signals| {
            pattern.is_so(stretch, signals)
        })
    }

    pub(crate) fn found(
        &self,
        kind: MatchKind,
        anchor: Anchor,
        witnesses: &[&Seen],
        brought_by: SignalId,
        window: Period,
    ) -> Match {
        let witnesses = self.by_id(witnesses);
        Match {
            rule: self.rule.id.clone(),
            version: self.rule.version,
            kind,
            anchor,
            witnesses,
            brought_by,
            window,
            evidence: SmallVec::new(),
        }
    }

    /// The ids of these signals, sorted.
    fn by_id(&self, signals: &[&Seen]) -> SmallVec<[SignalId; Match::FEW_WITNESSES]> {
        if signals.len() <= FEW_TO_SORT {
            let mut ids: SmallVec<_> = signals.iter().map(|seen| seen.id).collect();
            ids.sort_unstable();
            return ids;
        }
        let mut are_among = vec![false; self.timeline.len()];
        for seen in signals {
            are_among[seen.at as usize] = true;
        }
        self.timeline
            .ids()
            .zip(are_among)
            .filter_map(|(id, is_among)| is_among.then_some(id))
            .collect()
    }

    /// What came nearest to a match, when there is none: a rule says why it is silent, too. It speaks of every signal that the rule looks at,
    /// also of one that cannot matter to its condition.
    fn nearest(&self, asked: &[&Seen]) -> Vec<Evidence> {
        let looked_at = self
            .timeline
            .looked_at(self.rule, self.settings, self.as_of);
        let Some(newest) = looked_at.last() else {
            return vec![Evidence {
                measure: Measure::SignalsLookedAt,
                about: About::Household,
                threshold: Quantity::Count(1),
                value: Quantity::Count(0),
            }];
        };
        match &self.rule.condition {
            Condition::EachSignal(predicate) => {
                let mut evidence = SmallVec::new();
                predicate.measure(newest, self.settings, false, &mut evidence);
                evidence.into_vec()
            }
            Condition::SingleInMonth {
                partner_types,
                preceding_months,
            } => months(asked)
                .last()
                .map(|month| {
                    vec![
                        type_evidence(&month, *partner_types, self.types(month.signals)),
                        before_evidence(
                            month.at,
                            *preceding_months,
                            month.preceding(*preceding_months),
                        ),
                    ]
                })
                .unwrap_or_default(),
            Condition::ConcurrentInMonth { partner_types } => months(asked)
                .max_by_key(|month| (self.types(month.signals).len(), month.at))
                .map(|month| {
                    let types = self.types(month.signals);
                    vec![type_evidence(&month, *partner_types, types)]
                })
                .unwrap_or_default(),
            Condition::ConsecutiveMonths { preceding_months } => {
                let month = YearMonth::of(newest.event_date);
                vec![before_evidence(month, *preceding_months, &[])]
            }
            Condition::Within(within) => self.pattern(within).nearest(asked, newest.event_date),
            Condition::Risen { of: _, days, by } => self.nearest_rise(asked, *days, *by),
            Condition::Absence {
                after,
                without,
                within,
            } => self.nearest_absence(asked, newest.event_date, after, without, *within),
        }
    }

    fn has_types(&self, signals: &[&Seen], at_least: u8) -> bool {
        number_of_types(signals, self.settings) >= u32::from(at_least)
    }

    fn types(&self, signals: &[&Seen]) -> Vec<PartnerType> {
        partner_types(signals, self.settings)
    }

    fn last_useful_day(&self, signal: &Signal) -> Option<Date> {
        let deadline = self.rule.raises()?.deadline;
        last_useful_day(deadline, signal, self.calendar)
    }
}

/// More matches than this are put in order by their anchors alone; more signals, by their place in the timeline, which is in that order.
const FEW_TO_SORT: usize = 32;

fn first_received<'a>(signals: &[&'a Seen]) -> Option<&'a Seen> {
    signals
        .iter()
        .copied()
        .min_by_key(|seen| seen.receipt_order())
}

/// The last day on which help is in time when supply ends (M7).
pub(crate) fn last_useful_day(
    deadline: Deadline,
    signal: &Signal,
    calendar: &Calendar,
) -> Option<Date> {
    match deadline {
        Deadline::SupplyEnd {
            before_end_working_days,
            ..
        } => signal
            .supply_ends_on
            .map(|end| calendar.subtract_working_days(end, before_end_working_days)),
        Deadline::Term(_) => None,
    }
}

fn count(number: usize) -> Quantity {
    Quantity::Count(u32::try_from(number).unwrap_or(u32::MAX))
}

fn type_evidence(month: &Month<'_>, at_least: u8, types: Vec<PartnerType>) -> Evidence {
    Evidence {
        measure: Measure::PartnerTypes,
        about: About::Month(month.at),
        threshold: Quantity::Count(u32::from(at_least)),
        value: Quantity::PartnerTypes(types),
    }
}

fn before_evidence(month: YearMonth, months: u8, before: &[&Seen]) -> Evidence {
    Evidence {
        measure: Measure::SignalsBefore,
        about: About::Period(month.preceding(months)),
        threshold: Quantity::Count(1),
        value: count(before.len()),
    }
}
