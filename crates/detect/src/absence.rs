//! What rises, and what should have followed and did not.

use std::cmp::max_by_key;
use std::collections::BTreeSet;

use jiff::civil::Date;
use smallvec::smallvec;
use voorveld_calendar::{Period, Term, day_number, plus_days};
use voorveld_domain::{Cents, KindId, PartnerId, SignalId};

use crate::Signal;
use crate::condition::{After, Follows, Same};
use crate::evaluate::{Found, Judge};
use crate::evidence::{About, Evidence, Measure, Quantity};
use crate::lens::Seen;
use crate::matched::{Anchor, Match, MatchKind};

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
    /// The signal it should follow, among those asked.
    after: usize,
    witnesses: Vec<&'s Seen>,
    brought_by: SignalId,
    period: Period,
}

impl Judge<'_> {
    /// What rose with those of the signals asked to which this applies. `asked` all tell an amount.
    pub(crate) fn risen(
        &self,
        asked: &[&Seen],
        with: impl Fn(&Seen) -> bool,
        days: u16,
        by: Cents,
        into: &mut Vec<Match>,
    ) {
        for (index, seen) in asked.iter().enumerate().filter(|(_, seen)| with(seen)) {
            let Some((before, low, high)) = before(&asked[..index], seen, days) else {
                continue;
            };
            if high - low < i64::from(by.get()) {
                continue;
            }
            let brought = max_by_key(before, *seen, |one| one.receipt_order()).id;
            into.push(Match {
                evidence: smallvec![risen_evidence(seen, low, high)],
                ..self.found(
                    MatchKind::Pattern,
                    Anchor::Signal(seen.id),
                    &[before, seen],
                    brought,
                    Period::numbered(before.day, seen.day + 1),
                )
            });
        }
    }

    /// The last amount that has one before it, or the last amount at all.
    pub(crate) fn nearest_rise(&self, asked: &[&Seen], days: u16, by: Cents) -> Vec<Evidence> {
        let pair = (0..asked.len()).rev().find_map(|index| {
            let seen = asked[index];
            before(&asked[..index], seen, days).map(|(_, low, high)| (seen, low, high))
        });
        match (pair, asked.last()) {
            (Some((seen, low, high)), _) => vec![risen_evidence(seen, low, high)],
            (None, Some(last)) => vec![Evidence {
                measure: Measure::RisenFrom,
                about: About::Signal(last.id),
                threshold: Quantity::Absent,
                value: self
                    .signal(last)
                    .amount
                    .map_or(Quantity::Absent, Quantity::Cents),
            }],
            (None, None) => vec![Evidence {
                measure: Measure::SignalsLookedAt,
                about: About::Household,
                threshold: Quantity::Cents(by),
                value: Quantity::Count(0),
            }],
        }
    }

    pub(crate) fn absent(
        &self,
        asked: &[&Seen],
        after: &After,
        without: &Follows,
        within: Term,
        into: &mut Found,
    ) {
        for wait in self.waits(asked, after) {
            let seen = asked[wait.after];
            let signal = self.signal(seen);
            let end = self.term_over(signal, within);
            match self.followed(seen, &asked[wait.after + 1..], without, end) {
                Followed::By => {}
                Followed::NotYet => {
                    let look = into.next_look.map_or(end, |known| known.min(end));
                    into.next_look = Some(look);
                }
                Followed::PerhapsLate => into.awaits_feeds = true,
                Followed::Not => into.matches.push(Match {
                    evidence: self
                        .absence_evidence(signal, without, end, &Quantity::No)
                        .into(),
                    ..self.found(
                        MatchKind::Absence,
                        Anchor::Signal(seen.id),
                        &wait.witnesses,
                        wait.brought_by,
                        wait.period.hull(&Period::new(signal.event_date, end)),
                    )
                }),
            }
        }
    }

    /// Everything that something should follow, in order of events.
    fn waits<'s>(&self, asked: &[&'s Seen], after: &After) -> Vec<Wait<'s>> {
        match after {
            After::Signal(predicate) => asked
                .iter()
                .enumerate()
                .filter(|(_, seen)| predicate.holds(self.signal(seen), self.settings))
                .map(|(index, seen)| Wait {
                    after: index,
                    witnesses: vec![*seen],
                    brought_by: seen.id,
                    period: Period::day(self.signal(seen).event_date),
                })
                .collect(),
            After::Pattern(within) => {
                let pattern = self.pattern(within);
                let mut waits: Vec<Wait<'s>> = Vec::new();
                pattern.stretches(&pattern.asked(asked), &mut |stretch| {
                    let completed = stretch.completed_by.event_order();
                    let after = asked.binary_search_by_key(&completed, |seen| seen.event_order());
                    if let (Ok(after), Some(brought_by)) = (after, Self::brought(pattern, &stretch))
                    {
                        waits.push(Wait {
                            after,
                            brought_by,
                            period: stretch.period,
                            witnesses: stretch.witnesses.into_owned(),
                        });
                    }
                });
                waits.sort_by_key(|wait| wait.after);
                waits
            }
        }
    }

    /// What is known of the last signal that something should follow.
    pub(crate) fn nearest_absence(
        &self,
        asked: &[&Seen],
        newest: Date,
        after: &After,
        without: &Follows,
        within: Term,
    ) -> Vec<Evidence> {
        let Some(wait) = self.waits(asked, after).pop() else {
            return match after {
                After::Pattern(pattern) => {
                    let pattern = self.pattern(pattern);
                    pattern.nearest(&pattern.asked(asked), newest)
                }
                After::Signal(_) => vec![Evidence {
                    measure: Measure::SignalsLookedAt,
                    about: About::Household,
                    threshold: Quantity::Count(1),
                    value: Quantity::Count(0),
                }],
            };
        };
        let seen = asked[wait.after];
        let signal = self.signal(seen);
        let end = self.term_over(signal, within);
        let came = match self.followed(seen, &asked[wait.after + 1..], without, end) {
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

    fn followed(&self, seen: &Seen, later: &[&Seen], without: &Follows, end: Date) -> Followed {
        let follows = |other: &&&Seen| {
            without.same.iter().all(|same| same.of(other, seen))
                && (!without.lower_amount
                    || matches!((other.cents(), seen.cents()), (Some(now), Some(before)) if now < before))
                && without.of.holds(self.signal(other), self.settings)
        };
        let last = day_number(end);
        if later
            .iter()
            .take_while(|other| other.day < last)
            .any(|other| follows(&other))
        {
            return Followed::By;
        }
        if self.as_of < end {
            return Followed::NotYet;
        }
        match self.complete_through(self.signal(seen), without) {
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
fn before<'s>(earlier: &[&'s Seen], seen: &Seen, days: u16) -> Option<(&'s Seen, i64, i64)> {
    let first = seen.day + 1 - i32::from(days);
    let before = earlier
        .iter()
        .rev()
        .take_while(|other| first <= other.day)
        .find(|other| {
            other.partner == seen.partner && other.kind == seen.kind && other.debtor == seen.debtor
        })?;
    Some((before, before.cents()?, seen.cents()?))
}

fn risen_evidence(seen: &Seen, low: i64, high: i64) -> Evidence {
    Evidence {
        measure: Measure::RisenFrom,
        about: About::Signal(seen.id),
        threshold: Quantity::Money(low),
        value: Quantity::Money(high),
    }
}
