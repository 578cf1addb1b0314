//! Three and a half years day by day: what the oracle knows of time. Windows are sets of days, found by walking; nothing is subtracted.

use std::collections::BTreeMap;

use jiff::civil::{Date, Weekday, date};
use voorveld_calendar::{Calendar, Period, SchoolHoliday, SchoolRegion, SchoolTable, Term};

use crate::Window;

/// The first day, a Monday.
const FIRST: Date = Date::constant(2023, 1, 2);
const WORDS: usize = 21;
const LENGTH: usize = WORDS * 64;

/// A set of days, by number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Days([u64; WORDS]);

impl Days {
    const NONE: Self = Self([0; WORDS]);

    fn add(&mut self, day: usize) {
        self.0[day / 64] |= 1 << (day % 64);
    }

    pub(super) fn has(&self, day: usize) -> bool {
        self.0[day / 64] >> (day % 64) & 1 == 1
    }

    fn both(mut self, other: &Self) -> Self {
        for (word, others) in self.0.iter_mut().zip(&other.0) {
            *word &= others;
        }
        self
    }

    pub(super) fn either(mut self, other: &Self) -> Self {
        for (word, others) in self.0.iter_mut().zip(&other.0) {
            *word |= others;
        }
        self
    }

    pub(super) fn meets(&self, other: &Self) -> bool {
        self.both(other) != Self::NONE
    }

    pub(super) fn with(mut self, day: usize) -> Self {
        self.add(day);
        self
    }
}

struct Facts {
    date: Date,
    month: i32,
    is_working: bool,
    week: usize,
    is_school: bool,
}

/// Every day with what is so on it.
pub(super) struct Almanac {
    pub(super) calendar: Calendar,
    days: Vec<Facts>,
    numbers: BTreeMap<Date, usize>,
    months: Vec<Days>,
}

impl Almanac {
    pub(super) fn new() -> Self {
        let known = Period::new(date(2023, 9, 1), date(2026, 9, 1));
        let holidays = [
            (SchoolHoliday::Autumn, date(2024, 10, 26), date(2024, 11, 4)),
            (
                SchoolHoliday::Christmas,
                date(2024, 12, 21),
                date(2025, 1, 6),
            ),
            (SchoolHoliday::Spring, date(2025, 2, 15), date(2025, 2, 24)),
            (SchoolHoliday::May, date(2025, 4, 26), date(2025, 5, 5)),
        ]
        .map(|(holiday, from, to)| (holiday, Period::new(from, to)));
        let calendar = Calendar::with_local_days([date(2024, 10, 3), date(2024, 10, 4)])
            .with_school_table(SchoolTable::new(SchoolRegion::North, known, holidays));
        let mut days = Vec::new();
        let (mut day, mut month, mut week) = (FIRST, 0, 0);
        while days.len() < LENGTH {
            let facts = Facts {
                date: day,
                month,
                is_working: calendar.is_working_day(day),
                week,
                is_school: calendar.school_week(day).is_some(),
            };
            days.push(facts);
            let next = day.tomorrow().expect("years from the end of time");
            month += i32::from(next.month() != day.month());
            week += usize::from(next.weekday() == Weekday::Monday);
            day = next;
        }
        let numbers = days
            .iter()
            .enumerate()
            .map(|(number, facts)| (facts.date, number))
            .collect();
        let mut months = Vec::new();
        for (number, facts) in days.iter().enumerate() {
            let month = usize::try_from(facts.month).expect("from zero");
            if months.len() == month {
                months.push(Days::NONE);
            }
            months[month].add(number);
        }
        Self {
            calendar,
            days,
            numbers,
            months,
        }
    }

    pub(super) fn number(&self, day: Date) -> usize {
        self.numbers[&day]
    }

    pub(super) fn date(&self, day: usize) -> Date {
        self.days[day].date
    }

    pub(super) fn month(&self, day: usize) -> i32 {
        self.days[day].month
    }

    /// The days of these months, both included.
    pub(super) fn months(&self, first: i32, last: i32) -> Days {
        let mut days = Days::NONE;
        for month in first..=last {
            let month = usize::try_from(month).expect("a month of these years");
            days = days.either(&self.months[month]);
        }
        days
    }

    /// The days of the window that ends with this one (T3, T4).
    pub(super) fn window(&self, window: Window, last: usize) -> Days {
        let mut days = Days::NONE;
        match window {
            Window::Days(many) => {
                for back in 0..usize::from(many) {
                    days.add(last - back);
                }
            }
            Window::WorkingDays(many) => {
                let (mut day, mut worked) = (last, 0);
                loop {
                    days.add(day);
                    worked += u16::from(self.days[day].is_working);
                    if worked == many {
                        break;
                    }
                    day -= 1;
                }
            }
            Window::SchoolWeeks(many) => {
                let (mut day, mut weeks) = (last, 0);
                loop {
                    days.add(day);
                    let is_monday = day == 0 || self.days[day - 1].week != self.days[day].week;
                    weeks += u16::from(is_monday && self.days[day].is_school);
                    if weeks == many {
                        break;
                    }
                    day -= 1;
                }
            }
            Window::CalendarMonths(many) => {
                let month = self.month(last);
                return self.months(month - i32::from(many) + 1, month);
            }
        }
        days
    }

    /// The days of one set that are in the other, too.
    pub(super) fn common(one: &Days, other: &Days) -> Days {
        one.both(other)
    }

    /// The days of a set after this one.
    pub(super) fn after(days: &Days, day: Option<usize>) -> Days {
        let counted = Self::days_between(0, day.map_or(0, |day| day + 1));
        let mut left = *days;
        for (word, gone) in left.0.iter_mut().zip(&counted.0) {
            *word &= !gone;
        }
        left
    }

    pub(super) fn first(days: &Days) -> usize {
        let word = days.0.iter().position(|word| *word != 0);
        let word = word.expect("a window has days");
        word * 64 + days.0[word].trailing_zeros() as usize
    }

    /// From the first of these days to the last.
    pub(super) fn span(&self, days: &Days) -> Period {
        let word = days.0.iter().rposition(|word| *word != 0);
        let word = word.expect("a window has days");
        let last = word * 64 + 63 - days.0[word].leading_zeros() as usize;
        Period::new(self.date(Self::first(days)), self.date(last + 1))
    }

    /// The first day that is no longer within a term (T3).
    pub(super) fn over(&self, term: Term, from: usize) -> usize {
        match term {
            Term::CalendarDays(many) => from + usize::from(many),
            Term::WorkingDays(many) => {
                let (mut day, mut worked) = (from, 0);
                while worked < many {
                    day += 1;
                    worked += u16::from(self.days[day].is_working);
                }
                day
            }
        }
    }

    pub(super) fn days_between(from: usize, to: usize) -> Days {
        let mut days = Days::NONE;
        for day in from..to {
            days.add(day);
        }
        days
    }
}
