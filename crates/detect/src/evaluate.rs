//! What every rule says of a household. Recomputed whole each time: a late signal then has nothing to repair.

use jiff::civil::Date;
use voorveld_calendar::{Calendar, Period, YearMonth};
use voorveld_domain::{PartnerType, SignalId};

use crate::condition::{Condition, Predicate, Within};
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::matched::{Anchor, Evaluation, Match, MatchKind, Verdict};
use crate::pattern::{Pattern, Stretch, partner_types};
use crate::rule::{Deadline, Rule, RuleSet, RuleSettings};
use crate::window::{Month, brought_by, months};
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
    let mut counted: Vec<(&Signal, u128)> = timeline
        .iter()
        .filter(|signal| rules.counts(signal, as_of))
        .map(|signal| (signal, rules.looking_at(signal)))
        .collect();
    counted.sort_unstable_by_key(|(signal, _)| signal.event_order());
    let mut evaluation = Evaluation {
        as_of,
        verdicts: Vec::new(),
        matches: Vec::new(),
        next_look: None,
        awaits_feeds: false,
    };
    let mut seen: Vec<&Signal> = Vec::with_capacity(counted.len());
    for (number, rule) in rules.rules().iter().enumerate() {
        seen.clear();
        seen.extend(
            counted
                .iter()
                .filter(|(signal, looking)| {
                    looking >> number & 1 == 1 && rule.in_force.contains(signal.event_date)
                })
                .map(|(signal, _)| *signal),
        );
        let judge = Judge {
            rule,
            settings: rules.settings(),
            calendar,
            feeds,
            as_of,
        };
        let mut matches = judge.matches(&seen, &mut evaluation);
        if with_verdicts {
            let why = matches
                .iter()
                .max_by_key(|found| (found.window.to(), found.anchor))
                .map_or_else(|| judge.nearest(&seen), |found| found.evidence.clone());
            evaluation.verdicts.push(Verdict {
                rule: rule.id.clone(),
                version: rule.version,
                fired: !matches.is_empty(),
                why,
            });
        }
        matches.sort_by_key(|found| found.anchor);
        evaluation.matches.append(&mut matches);
    }
    evaluation
}

/// One rule with what it needs to look at signals.
pub(crate) struct Judge<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) settings: &'a RuleSettings,
    pub(crate) calendar: &'a Calendar,
    pub(crate) feeds: &'a Feeds,
    pub(crate) as_of: Date,
}

impl Judge<'_> {
    fn matches(&self, seen: &[&Signal], evaluation: &mut Evaluation) -> Vec<Match> {
        match &self.rule.condition {
            Condition::EachSignal(predicate) => seen
                .iter()
                .filter(|signal| predicate.holds(signal, self.settings))
                .map(|signal| self.lone(signal, predicate))
                .collect(),
            Condition::SingleInMonth {
                partner_types,
                preceding_months,
            } => months(seen)
                .filter_map(|month| self.single(&month, *partner_types, *preceding_months))
                .collect(),
            Condition::ConcurrentInMonth { partner_types } => months(seen)
                .filter_map(|month| self.concurrent(&month, *partner_types))
                .collect(),
            Condition::ConsecutiveMonths { preceding_months } => months(seen)
                .filter_map(|month| self.consecutive(&month, *preceding_months))
                .collect(),
            Condition::Within(within) => self.patterns(seen, self.pattern(within)),
            Condition::Risen { of, days, by } => self.risen(seen, of, *days, *by),
            Condition::Absence {
                after,
                without,
                within,
            } => self.absent(seen, after, without, *within, evaluation),
        }
    }

    fn lone(&self, signal: &Signal, predicate: &Predicate) -> Match {
        let mut evidence = Vec::new();
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
                Anchor::Signal(signal.id),
                &[signal],
                signal.id,
                Period::day(signal.event_date),
            )
        }
    }

    fn single(&self, month: &Month<'_>, partner_types: u8, preceding_months: u8) -> Option<Match> {
        let types = self.types(month.signals);
        let before = month.preceding(preceding_months);
        if types.len() >= usize::from(partner_types) || !before.is_empty() {
            return None;
        }
        Some(Match {
            evidence: vec![
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
        let enough = |signals: &[&Signal]| self.types(signals).len() >= usize::from(partner_types);
        if !enough(month.signals) {
            return None;
        }
        Some(Match {
            evidence: vec![type_evidence(
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
        let witnesses: Vec<&Signal> = before.iter().chain(month.signals).copied().collect();
        // True from the moment there is one on both sides.
        let (earlier, later) = (first_received(before)?, first_received(month.signals)?);
        let brought = if earlier.receipt_order() < later.receipt_order() {
            later.id
        } else {
            earlier.id
        };
        Some(Match {
            evidence: vec![
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
            calendar: self.calendar,
        }
    }

    fn patterns(&self, seen: &[&Signal], pattern: Pattern<'_>) -> Vec<Match> {
        pattern
            .stretches(&pattern.asked(seen))
            .into_iter()
            .filter_map(|stretch| {
                let anchor = if pattern.what.window.is_monthly() {
                    Anchor::Month(stretch.month)
                } else {
                    Anchor::Signal(stretch.completed_by)
                };
                let brought = Self::brought(pattern, &stretch)?;
                let found = self.found(
                    MatchKind::Pattern,
                    anchor,
                    &stretch.witnesses,
                    brought,
                    stretch.period,
                );
                Some(Match {
                    evidence: stretch.evidence,
                    ..found
                })
            })
            .collect()
    }

    /// The witness with whose first receipt a stretch became one.
    pub(crate) fn brought(pattern: Pattern<'_>, stretch: &Stretch<'_>) -> Option<SignalId> {
        let only_grows = pattern.what.test.only_grows();
        let came_in_order = stretch
            .witnesses
            .is_sorted_by_key(|signal| signal.receipt_order());
        if only_grows && came_in_order && !pattern.what.window.is_monthly() {
            // What completed it came last of all that it needs.
            return Some(stretch.completed_by);
        }
        brought_by(&stretch.witnesses, only_grows, |signals| {
            pattern.is_so(stretch, signals)
        })
    }

    pub(crate) fn found(
        &self,
        kind: MatchKind,
        anchor: Anchor,
        witnesses: &[&Signal],
        brought_by: SignalId,
        window: Period,
    ) -> Match {
        let mut witnesses: Vec<SignalId> = witnesses.iter().map(|signal| signal.id).collect();
        witnesses.sort_unstable();
        Match {
            rule: self.rule.id.clone(),
            version: self.rule.version,
            kind,
            anchor,
            witnesses,
            brought_by,
            window,
            evidence: Vec::new(),
        }
    }

    /// What came nearest to a match, when there is none: a rule says why it is silent, too.
    fn nearest(&self, seen: &[&Signal]) -> Vec<Evidence> {
        let Some(newest) = seen.last() else {
            return vec![Evidence {
                measure: Measure::SignalsLookedAt,
                about: About::Household,
                threshold: Quantity::Count(1),
                value: Quantity::Count(0),
            }];
        };
        match &self.rule.condition {
            Condition::EachSignal(predicate) => {
                let mut evidence = Vec::new();
                predicate.measure(newest, self.settings, false, &mut evidence);
                evidence
            }
            Condition::SingleInMonth {
                partner_types,
                preceding_months,
            } => months(seen)
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
            Condition::ConcurrentInMonth { partner_types } => months(seen)
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
            Condition::Within(within) => {
                let pattern = self.pattern(within);
                pattern.nearest(&pattern.asked(seen), newest.event_date)
            }
            Condition::Risen { of, days, by } => self.nearest_rise(seen, of, *days, *by),
            Condition::Absence {
                after,
                without,
                within,
            } => self.nearest_absence(seen, after, without, *within),
        }
    }

    fn types(&self, signals: &[&Signal]) -> Vec<PartnerType> {
        partner_types(signals, self.settings)
    }

    fn last_useful_day(&self, signal: &Signal) -> Option<Date> {
        let deadline = self.rule.raises()?.deadline;
        last_useful_day(deadline, signal, self.calendar)
    }
}

fn first_received<'a>(signals: &[&'a Signal]) -> Option<&'a Signal> {
    signals
        .iter()
        .copied()
        .min_by_key(|signal| signal.receipt_order())
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

fn before_evidence(month: YearMonth, months: u8, before: &[&Signal]) -> Evidence {
    Evidence {
        measure: Measure::SignalsBefore,
        about: About::Period(month.preceding(months)),
        threshold: Quantity::Count(1),
        value: count(before.len()),
    }
}
