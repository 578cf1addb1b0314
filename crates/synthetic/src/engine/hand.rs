//! The two reference rules written by hand, for nothing but them: what a programmer would write who had no engine.
//!
//! It is fed what the engine is fed, and after each record it has the matches of that household, with their witnesses.

use voorveld_calendar::day_number;
use voorveld_detect::Signal;
use voorveld_domain::{Filing, Presence, Revision, Standing};

use super::rules::{THREE_OF_ONE_KIND, TWO_KINDS};
use super::signals::number_of;

const TWO_KINDS_DAYS: i32 = 60;
const THREE_OF_ONE_KIND_DAYS: i32 = 90;
/// Kinds are small numbers here.
const KINDS: [&str; 8] = [
    "cak_health_insurance_arrears",
    "energy_arrears",
    "eviction_notice",
    "health_insurance_arrears",
    "health_insurance_end",
    "rent_arrears",
    "supply_end_notice",
    "water_arrears",
];

/// What it needs to know of a record.
#[derive(Debug, Clone, Copy)]
pub struct HandRecord {
    household: u32,
    entry: Entry,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    day: i32,
    number: u32,
    kind: u8,
    copy: (Revision, Filing),
    counts: bool,
}

/// One match.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HandMatch {
    /// Of which rule.
    pub rule: &'static str,
    /// The number of the signal that completes its first window.
    pub anchor: u32,
    /// The numbers of its witnesses, sorted.
    pub witnesses: Vec<u32>,
}

/// All households.
pub struct Hand {
    households: Vec<Household>,
}

#[derive(Clone, Default)]
struct Household {
    /// In order of day and number.
    entries: Vec<Entry>,
    matches: Vec<HandMatch>,
}

impl HandRecord {
    /// The same record in small.
    #[must_use]
    pub fn of(household: u32, signal: &Signal) -> Self {
        let kind = KINDS
            .binary_search(&signal.kind.as_str())
            .expect("a kind of the load");
        Self {
            household,
            entry: Entry {
                day: day_number(signal.event_date),
                number: number_of(signal.id),
                kind: u8::try_from(kind).expect("eight kinds"),
                copy: (signal.revision, signal.filing),
                counts: signal.presence == Presence::LivesHere
                    && signal.standing == Standing::Counted,
            },
        }
    }
}

impl Hand {
    /// So many empty households.
    #[must_use]
    pub fn new(households: u32) -> Self {
        Self {
            households: vec![Household::default(); households as usize],
        }
    }

    /// Takes one record in and judges its household.
    pub fn feed(&mut self, record: &HandRecord) {
        let household = &mut self.households[record.household as usize];
        household.take_in(record.entry);
        household.judge();
    }

    /// What is true of each household.
    #[must_use]
    pub fn matches(self) -> Vec<Vec<HandMatch>> {
        let mut matches = Vec::with_capacity(self.households.len());
        matches.extend(self.households.into_iter().map(|one| one.matches));
        matches
    }
}

impl Household {
    fn take_in(&mut self, entry: Entry) {
        // A later copy of a signal takes its place; this load never moves one to another day.
        let place = (entry.day, entry.number);
        match self
            .entries
            .binary_search_by_key(&place, |known| (known.day, known.number))
        {
            Ok(index) if self.entries[index].copy < entry.copy => self.entries[index] = entry,
            Ok(_) => {}
            Err(index) => self.entries.insert(index, entry),
        }
    }

    fn judge(&mut self) {
        self.matches.clear();
        self.two_kinds();
        for kind in 0..KINDS.len() {
            self.three_of(u8::try_from(kind).expect("eight kinds"));
        }
    }

    fn two_kinds(&mut self) {
        let mut run: Option<Run> = None;
        let (mut begin, mut next) = (0, 0);
        while next < self.entries.len() {
            let (first, day) = (next, self.entries[next].day);
            while next < self.entries.len() && self.entries[next].day == day {
                next += 1;
            }
            while self.entries[begin].day <= day - TWO_KINDS_DAYS {
                begin += 1;
            }
            let (mut seen, mut anchor) = (0_u8, None);
            for (index, entry) in self.entries[begin..next].iter().enumerate() {
                if entry.counts {
                    seen |= 1 << entry.kind;
                    if first <= begin + index && 2 <= seen.count_ones() && anchor.is_none() {
                        anchor = Some(entry.number);
                    }
                }
            }
            if let Some(anchor) = anchor {
                let window = Run {
                    anchor,
                    begin,
                    end: next,
                    day,
                };
                self.go_on(&mut run, window, TWO_KINDS_DAYS, TWO_KINDS, None);
            }
        }
        self.close(run, TWO_KINDS, None);
    }

    fn three_of(&mut self, kind: u8) {
        let mut run: Option<Run> = None;
        let (mut begin, mut next) = (0, 0);
        while next < self.entries.len() {
            let (first, day) = (next, self.entries[next].day);
            while next < self.entries.len() && self.entries[next].day == day {
                next += 1;
            }
            while self.entries[begin].day <= day - THREE_OF_ONE_KIND_DAYS {
                begin += 1;
            }
            let (mut many, mut anchor) = (0, None);
            for (index, entry) in self.entries[begin..next].iter().enumerate() {
                if entry.counts && entry.kind == kind {
                    many += 1;
                    if first <= begin + index && 3 <= many && anchor.is_none() {
                        anchor = Some(entry.number);
                    }
                }
            }
            if let Some(anchor) = anchor {
                let window = Run {
                    anchor,
                    begin,
                    end: next,
                    day,
                };
                self.go_on(
                    &mut run,
                    window,
                    THREE_OF_ONE_KIND_DAYS,
                    THREE_OF_ONE_KIND,
                    Some(kind),
                );
            }
        }
        self.close(run, THREE_OF_ONE_KIND, Some(kind));
    }

    /// A satisfied window lengthens the run, when the two overlap, or begins another.
    fn go_on(
        &mut self,
        run: &mut Option<Run>,
        window: Run,
        days: i32,
        rule: &'static str,
        kind: Option<u8>,
    ) {
        match run {
            Some(known) if window.day - days < known.day => {
                known.end = window.end;
                known.day = window.day;
            }
            _ => {
                let before = run.replace(window);
                self.close(before, rule, kind);
            }
        }
    }

    fn close(&mut self, run: Option<Run>, rule: &'static str, kind: Option<u8>) {
        let Some(run) = run else { return };
        let mut witnesses: Vec<u32> = self.entries[run.begin..run.end]
            .iter()
            .filter(|entry| entry.counts && kind.is_none_or(|kind| kind == entry.kind))
            .map(|entry| entry.number)
            .collect();
        witnesses.sort_unstable();
        self.matches.push(HandMatch {
            rule,
            anchor: run.anchor,
            witnesses,
        });
    }
}

/// Satisfied windows that overlap: from where to where in the entries, and the last day.
struct Run {
    anchor: u32,
    begin: usize,
    end: usize,
    day: i32,
}
