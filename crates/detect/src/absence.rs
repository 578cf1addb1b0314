//! What rises, and what should have followed and did not.

use std::collections::BTreeSet;

use jiff::civil::Date;
use voorveld_calendar::{Period, Term, plus_days};
use voorveld_domain::{Cents, KindId, PartnerId, SignalId};

use crate::Signal;
use crate::condition::{After, Follows, Predicate, Same};
use crate::evaluate::Judge;
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::matched::{Anchor, Evaluation, Match, MatchKind};

/// Whether something followed a signal, as far as can be said.
enum Followed {
    /// This did.
    By,
    /// Nothing did, and its term is not over.
    NotYet,
    /// Nothing did and its term is over, but a feed is not complete: this may still change.
    PerhapsLate,
    /// Nothing did.
    Not,
}

/// Something that something else should follow.
struct Wait<'s> {
    /// The signal it should follow, among those seen.
    after: usize,
    witnesses: Vec<&'s Signal>,
    brought_by: SignalId,
    period: Period,
}

impl Judge<'_> {
    pub(crate) fn risen(
        &self,
        seen: &[&Signal],
        of: &Predicate,
        days: u16,
        by: Cents,
    ) -> Vec<Match> {
        let asked = self.telling(seen, of);
        asked
            .iter()
            .enumerate()
            .filter_map(|(index, signal)| {
                let (before, low, high) = before(&asked[..index], signal, days)?;
                if high - low < i64::from(by.get()) {
                    return None;
                }
                let brought = if before.receipt_order() < signal.receipt_order() {
                    signal.id
                } else {
                    before.id
                };
                Some(Match {
                    evidence: vec![risen_evidence(signal, low, high)],
                    ..self.found(
                        MatchKind::Pattern,
                        Anchor::Signal(signal.id),
                        &[before, signal],
                        brought,
                        Period::day(before.event_date).hull(&Period::day(signal.event_date)),
                    )
                })
            })
            .collect()
    }

    /// The last amount that has one before it, or the last amount at all.
    pub(crate) fn nearest_rise(
        &self,
        seen: &[&Signal],
        of: &Predicate,
        days: u16,
        by: Cents,
    ) -> Vec<Evidence> {
        let asked = self.telling(seen, of);
        let pair = (0..asked.len()).rev().find_map(|index| {
            let signal = asked[index];
            before(&asked[..index], signal, days).map(|(_, low, high)| (signal, low, high))
        });
        match (pair, asked.last()) {
            (Some((signal, low, high)), _) => vec![risen_evidence(signal, low, high)],
            (None, Some(last)) => vec![Evidence {
                measure: Measure::RisenFrom,
                about: About::Signal(last.id),
                threshold: Quantity::Absent,
                value: last.amount.map_or(Quantity::Absent, Quantity::Cents),
            }],
            (None, None) => vec![Evidence {
                measure: Measure::SignalsLookedAt,
                about: About::Household,
                threshold: Quantity::Cents(by),
                value: Quantity::Count(0),
            }],
        }
    }

    fn telling<'s>(&self, seen: &[&'s Signal], of: &Predicate) -> Vec<&'s Signal> {
        seen.iter()
            .copied()
            .filter(|signal| signal.amount.is_some() && of.holds(signal, self.settings))
            .collect()
    }

    pub(crate) fn absent(
        &self,
        seen: &[&Signal],
        after: &After,
        without: &Follows,
        within: Term,
        evaluation: &mut Evaluation,
    ) -> Vec<Match> {
        let mut matches = Vec::new();
        for wait in self.waits(seen, after) {
            let signal = seen[wait.after];
            let end = self.term_over(signal, within);
            match self.followed(signal, &seen[wait.after + 1..], without, end) {
                Followed::By => {}
                Followed::NotYet => {
                    let look = evaluation.next_look.map_or(end, |known| known.min(end));
                    evaluation.next_look = Some(look);
                }
                Followed::PerhapsLate => evaluation.awaits_feeds = true,
                Followed::Not => matches.push(Match {
                    evidence: self.absence_evidence(signal, without, end, &Quantity::No),
                    ..self.found(
                        MatchKind::Absence,
                        Anchor::Signal(signal.id),
                        &wait.witnesses,
                        wait.brought_by,
                        wait.period.hull(&Period::new(signal.event_date, end)),
                    )
                }),
            }
        }
        matches
    }

    /// Everything that something should follow, in order of events.
    fn waits<'s>(&self, seen: &[&'s Signal], after: &After) -> Vec<Wait<'s>> {
        match after {
            After::Signal(predicate) => seen
                .iter()
                .enumerate()
                .filter(|(_, signal)| predicate.holds(signal, self.settings))
                .map(|(index, signal)| Wait {
                    after: index,
                    witnesses: vec![*signal],
                    brought_by: signal.id,
                    period: Period::day(signal.event_date),
                })
                .collect(),
            After::Pattern(within) => {
                let pattern = self.pattern(within);
                let mut waits: Vec<Wait<'s>> = pattern
                    .stretches(&pattern.asked(seen))
                    .into_iter()
                    .filter_map(|stretch| {
                        Some(Wait {
                            after: seen
                                .iter()
                                .position(|signal| signal.id == stretch.completed_by)?,
                            brought_by: Self::brought(pattern, &stretch)?,
                            period: stretch.period,
                            witnesses: stretch.witnesses,
                        })
                    })
                    .collect();
                waits.sort_by_key(|wait| wait.after);
                waits
            }
        }
    }

    /// What is known of the last signal that something should follow.
    pub(crate) fn nearest_absence(
        &self,
        seen: &[&Signal],
        after: &After,
        without: &Follows,
        within: Term,
    ) -> Vec<Evidence> {
        let Some(wait) = self.waits(seen, after).pop() else {
            return match after {
                After::Pattern(pattern) => {
                    let pattern = self.pattern(pattern);
                    let otherwise = seen.last().map_or(self.as_of, |last| last.event_date);
                    pattern.nearest(&pattern.asked(seen), otherwise)
                }
                After::Signal(_) => vec![Evidence {
                    measure: Measure::SignalsLookedAt,
                    about: About::Household,
                    threshold: Quantity::Count(1),
                    value: Quantity::Count(0),
                }],
            };
        };
        let signal = seen[wait.after];
        let end = self.term_over(signal, within);
        let came = match self.followed(signal, &seen[wait.after + 1..], without, end) {
            Followed::By => Quantity::Yes,
            _ => Quantity::No,
        };
        self.absence_evidence(signal, without, end, &came)
    }

    /// The first day after the term that runs from a signal: what is dated on it or later came too late (T3).
    fn term_over(&self, signal: &Signal, within: Term) -> Date {
        match within {
            Term::CalendarDays(days) => plus_days(signal.event_date, i32::from(days)),
            Term::WorkingDays(days) => self.calendar.add_working_days(signal.event_date, days),
        }
    }

    fn followed(
        &self,
        signal: &Signal,
        later: &[&Signal],
        without: &Follows,
        end: Date,
    ) -> Followed {
        let follows = |other: &&&Signal| {
            without.of.holds(other, self.settings)
                && without.same.iter().all(|same| same.of(other, signal))
                && (!without.lower_amount
                    || matches!((other.amount, signal.amount), (Some(now), Some(before)) if now < before))
        };
        if later
            .iter()
            .take_while(|other| other.event_date < end)
            .any(|other| follows(&other))
        {
            return Followed::By;
        }
        if self.as_of < end {
            return Followed::NotYet;
        }
        match self.complete_through(signal, without) {
            Some(through) if plus_days(end, -1) <= through => Followed::Not,
            _ => Followed::PerhapsLate,
        }
    }

    fn complete_through(&self, signal: &Signal, without: &Follows) -> Option<Date> {
        let partner: Option<&PartnerId> = without
            .same
            .contains(&Same::Partner)
            .then_some(&signal.partner);
        if without.same.contains(&Same::Kind) {
            return self.feeds.complete_through([&signal.kind], partner);
        }
        self.feeds
            .complete_through(self.could_follow(without)?, partner)
    }

    /// The kinds of which something could follow, whatever else it says. `None`: any kind of a domain could, and which those are is not known
    /// here.
    fn could_follow<'f>(&'f self, without: &'f Follows) -> Option<BTreeSet<&'f KindId>> {
        let sources = &self.rule.sources;
        let mut kinds: Vec<&KindId> = sources.kinds.iter().collect();
        if !sources.domains.is_empty() {
            if without.of.of_kind(None) != Some(false) {
                return None;
            }
            without.of.kinds(&mut kinds);
        }
        kinds.retain(|kind| without.of.of_kind(Some(kind)) != Some(false));
        Some(kinds.into_iter().collect())
    }

    fn absence_evidence(
        &self,
        signal: &Signal,
        without: &Follows,
        end: Date,
        came: &Quantity,
    ) -> Vec<Evidence> {
        let period = About::Period(Period::new(signal.event_date, end));
        let last = plus_days(end, -1);
        let mut evidence = vec![Evidence {
            measure: Measure::Followed,
            about: period,
            threshold: Quantity::Yes,
            value: came.clone(),
        }];
        if *came == Quantity::Yes {
            return evidence;
        }
        evidence.push(Evidence {
            measure: Measure::TermOver,
            about: About::Signal(signal.id),
            threshold: Quantity::Date(last),
            value: if self.as_of < end {
                Quantity::No
            } else {
                Quantity::Yes
            },
        });
        evidence.push(Evidence {
            measure: Measure::FeedsComplete,
            about: period,
            threshold: Quantity::Date(last),
            value: match self.complete_through(signal, without) {
                Some(through) if last <= through => Quantity::Yes,
                Some(through) => Quantity::Date(through),
                None => Quantity::No,
            },
        });
        evidence
    }
}

/// The one before a signal of the same partner, kind and debtor within so many days, with both amounts in cents. All tell an amount.
fn before<'s>(
    earlier: &[&'s Signal],
    signal: &Signal,
    days: u16,
) -> Option<(&'s Signal, i64, i64)> {
    let window = Period::rolling(days, signal.event_date);
    let before = earlier
        .iter()
        .rev()
        .take_while(|other| window.from() <= other.event_date)
        .find(|other| {
            other.partner == signal.partner
                && other.kind == signal.kind
                && other.debtor == signal.debtor
        })?;
    let cents = |of: &Signal| of.amount.map(|cents| i64::from(cents.get()));
    Some((before, cents(before)?, cents(signal)?))
}

fn risen_evidence(signal: &Signal, low: i64, high: i64) -> Evidence {
    Evidence {
        measure: Measure::RisenFrom,
        about: About::Signal(signal.id),
        threshold: Quantity::Money(low),
        value: Quantity::Money(high),
    }
}
