//! What every rule says of a household. Recomputed whole each time: a late signal then has nothing to repair.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_calendar::{Calendar, Period, YearMonth};
use voorveld_domain::{CountedType, PartnerType, SignalId};

use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::matched::{Anchor, Evaluation, Match, MatchKind, Verdict};
use crate::rule::{Condition, Deadline, Predicate, Reach, Rule, RuleSet, RuleSettings};
use crate::window::{Month, brought_by, months, runs};
use crate::{Signal, Timeline};

/// What every rule says of this household at `as_of`, fired or not, with the signals it leaned on.
///
/// Matches are a function of the signals that count (M3, I4); `as_of` serves only what needs a today (T2).
#[must_use]
pub fn evaluate(
    rules: &RuleSet,
    timeline: &Timeline,
    calendar: &Calendar,
    as_of: Date,
) -> Evaluation {
    let counted = timeline.counted();
    let mut evaluation = Evaluation {
        as_of,
        verdicts: Vec::with_capacity(rules.rules().len()),
        matches: Vec::new(),
        next_look: None,
    };
    for rule in rules.rules() {
        let seen: Vec<&Signal> = counted
            .iter()
            .copied()
            .filter(|signal| rule.sources.cover(signal))
            .collect();
        let judge = Judge {
            rule,
            settings: rules.settings(),
            calendar,
        };
        let mut matches = judge.matches(&seen);
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
        matches.sort_by_key(|found| found.anchor);
        evaluation.matches.append(&mut matches);
    }
    evaluation
}

/// One rule with what it needs to look at signals.
struct Judge<'a> {
    rule: &'a Rule,
    settings: &'a RuleSettings,
    calendar: &'a Calendar,
}

impl Judge<'_> {
    fn matches(&self, seen: &[&Signal]) -> Vec<Match> {
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
            Condition::WithinDays { days, of, reaches } => self.patterns(seen, *days, of, *reaches),
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
                brought_by(month.signals, enough)?,
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

    fn patterns(&self, seen: &[&Signal], days: u16, of: &Predicate, reaches: Reach) -> Vec<Match> {
        let asked: Vec<&Signal> = seen
            .iter()
            .copied()
            .filter(|signal| of.holds(signal, self.settings))
            .collect();
        let value_of = |signals: &[&Signal]| self.reached(reaches, signals);
        let least = reaches.least();
        runs(&asked, days, least, value_of)
            .into_iter()
            .filter_map(|run| {
                let (fullest, value) = run.fullest;
                let brought = brought_by(run.signals, |signals| {
                    !runs(signals, days, least, value_of).is_empty()
                })?;
                Some(Match {
                    evidence: vec![Evidence {
                        measure: reaches.measure(),
                        about: About::Period(fullest),
                        threshold: Quantity::Count(u32::from(least)),
                        value: Quantity::Count(value),
                    }],
                    ..self.found(
                        MatchKind::Pattern,
                        Anchor::Signal(run.completed_by),
                        run.signals,
                        brought,
                        run.period,
                    )
                })
            })
            .collect()
    }

    fn found(
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
            Condition::WithinDays { days, of, reaches } => {
                let asked: Vec<&Signal> = seen
                    .iter()
                    .copied()
                    .filter(|signal| of.holds(signal, self.settings))
                    .collect();
                let (window, value) =
                    runs(&asked, *days, 1, |signals| self.reached(*reaches, signals))
                        .into_iter()
                        .map(|run| run.fullest)
                        .max_by_key(|(window, value)| (*value, window.to()))
                        .unwrap_or((Period::rolling(*days, newest.event_date), 0));
                vec![Evidence {
                    measure: reaches.measure(),
                    about: About::Period(window),
                    threshold: Quantity::Count(u32::from(reaches.least())),
                    value: Quantity::Count(value),
                }]
            }
        }
    }

    /// The types of partner, as M1 counts them, each under the first of its names.
    fn types(&self, signals: &[&Signal]) -> Vec<PartnerType> {
        let mut types: BTreeMap<CountedType, PartnerType> = BTreeMap::new();
        for signal in signals {
            let counted = signal.partner_type.counted(self.settings.cak_is_zorg);
            let name = types.entry(counted).or_insert(signal.partner_type);
            *name = signal.partner_type.min(*name);
        }
        let mut names: Vec<PartnerType> = types.into_values().collect();
        names.sort_unstable();
        names
    }

    fn reached(&self, reaches: Reach, signals: &[&Signal]) -> u32 {
        fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> usize {
            values.collect::<BTreeSet<T>>().len()
        }
        let number = match reaches {
            Reach::Count(_) => signals.len(),
            Reach::Kinds(_) => distinct(signals.iter().map(|signal| &signal.kind)),
            Reach::Domains(_) => distinct(signals.iter().map(|signal| &signal.domain)),
            Reach::Partners(_) => distinct(signals.iter().map(|signal| &signal.partner)),
            Reach::PartnerTypes(_) => self.types(signals).len(),
        };
        u32::try_from(number).unwrap_or(u32::MAX)
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

impl Reach {
    /// The number to reach.
    #[must_use]
    pub const fn least(self) -> u16 {
        match self {
            Self::Count(n)
            | Self::Kinds(n)
            | Self::Domains(n)
            | Self::Partners(n)
            | Self::PartnerTypes(n) => n,
        }
    }

    const fn measure(self) -> Measure {
        match self {
            Self::Count(_) => Measure::CountWithin,
            Self::Kinds(_) => Measure::KindsWithin,
            Self::Domains(_) => Measure::DomainsWithin,
            Self::Partners(_) => Measure::PartnersWithin,
            Self::PartnerTypes(_) => Measure::PartnerTypesWithin,
        }
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
