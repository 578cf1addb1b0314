//! Working days and the terms counted in them (T4, T5).

use std::collections::BTreeSet;

use jiff::civil::{Date, Weekday};

use crate::{Holiday, plus_days};

/// Which days are working days here: the national rules and the municipality's own days (T4).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    local: BTreeSet<Date>,
}

/// How long somebody has. The day it starts on is day 0 (T5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Term {
    /// Ends with the n-th working day after day 0.
    WorkingDays(u16),
    /// Ends n days after day 0; when that is no working day, on the next working day.
    CalendarDays(u16),
}

/// The longest run of days without work that is believed; past it a calendar is broken and the search stops.
const LONGEST_CLOSURE_DAYS: i32 = 366;

impl Calendar {
    /// The national calendar alone.
    #[must_use]
    pub fn national() -> Self {
        Self::default()
    }

    /// The national calendar and the municipality's own days off.
    pub fn with_local_days(days: impl IntoIterator<Item = Date>) -> Self {
        Self {
            local: days.into_iter().collect(),
        }
    }

    /// The municipality's own days off, in order.
    pub fn local_days(&self) -> impl Iterator<Item = Date> {
        self.local.iter().copied()
    }

    /// The holiday on this day, national or local.
    #[must_use]
    pub fn holiday(&self, day: Date) -> Option<Holiday> {
        Holiday::national(day).or_else(|| self.local.contains(&day).then_some(Holiday::Local))
    }

    /// Whether people work on this day (T4).
    #[must_use]
    pub fn is_working_day(&self, day: Date) -> bool {
        !matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday) && self.holiday(day).is_none()
    }

    /// The n-th working day after `day`, which is day 0. With n = 0 it is `day` itself, working day or not.
    #[must_use]
    pub fn add_working_days(&self, day: Date, n: u16) -> Date {
        (0..n).fold(day, |day, _| self.step(day, 1))
    }

    /// The n-th working day before `day`, which is day 0.
    #[must_use]
    pub fn subtract_working_days(&self, day: Date, n: u16) -> Date {
        (0..n).fold(day, |day, _| self.step(day, -1))
    }

    /// `day` when it is a working day, else the next one.
    #[must_use]
    pub fn working_day_from(&self, day: Date) -> Date {
        if self.is_working_day(day) {
            day
        } else {
            self.step(day, 1)
        }
    }

    /// How many working days `(from, to]` holds: what is left of a term on the day `from`. Negative once `to` is past.
    #[must_use]
    pub fn working_days_until(&self, from: Date, to: Date) -> i32 {
        let (first, last, sign) = if from <= to {
            (from, to, 1)
        } else {
            (to, from, -1)
        };
        let mut count = 0;
        let mut day = first;
        while day < last {
            day = plus_days(day, 1);
            count += i32::from(self.is_working_day(day));
        }
        sign * count
    }

    /// The last day of a term that starts on `day` (T5); it ends at that day's midnight.
    #[must_use]
    pub fn end_of(&self, term: Term, day: Date) -> Date {
        match term {
            Term::WorkingDays(n) => self.add_working_days(day, n),
            Term::CalendarDays(n) => self.working_day_from(plus_days(day, i32::from(n))),
        }
    }

    fn step(&self, day: Date, direction: i32) -> Date {
        (1..=LONGEST_CLOSURE_DAYS)
            .map(|distance| plus_days(day, direction * distance))
            .find(|candidate| self.is_working_day(*candidate))
            .unwrap_or_else(|| plus_days(day, direction * LONGEST_CLOSURE_DAYS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn working_days_step_over_weekends_and_holidays() {
        let calendar = Calendar::national();
        for (from, n, to) in [
            // Thursday 17 April 2025, then Good Friday, Easter, Easter Monday.
            (date(2025, 4, 17), 1, date(2025, 4, 22)),
            (date(2025, 4, 17), 3, date(2025, 4, 24)),
            // A weekend is day 0 like any other day.
            (date(2025, 3, 1), 1, date(2025, 3, 3)),
            (date(2025, 3, 1), 3, date(2025, 3, 5)),
            // Over Christmas and New Year.
            (date(2025, 12, 24), 3, date(2025, 12, 31)),
            (date(2025, 12, 24), 4, date(2026, 1, 2)),
            // King's Day 2026 is a Monday, 5 May a Tuesday, Ascension Thursday the 14th.
            (date(2026, 4, 24), 1, date(2026, 4, 28)),
            (date(2026, 5, 4), 1, date(2026, 5, 6)),
            (date(2026, 5, 13), 1, date(2026, 5, 15)),
            (date(2025, 3, 1), 0, date(2025, 3, 1)),
        ] {
            assert_eq!(calendar.add_working_days(from, n), to, "{from} + {n}");
        }
        assert_eq!(
            calendar.subtract_working_days(date(2025, 4, 22), 1),
            date(2025, 4, 17)
        );
        assert_eq!(
            calendar.subtract_working_days(date(2025, 4, 30), 10),
            date(2025, 4, 14)
        );
    }

    #[test]
    fn a_calendar_term_that_ends_on_a_free_day_moves_on() {
        let calendar = Calendar::national();
        for (from, n, to) in [
            (date(2025, 3, 3), 14, date(2025, 3, 17)),
            (date(2025, 3, 1), 14, date(2025, 3, 17)),
            (date(2025, 4, 4), 14, date(2025, 4, 22)),
            (date(2025, 3, 1), 28, date(2025, 3, 31)),
        ] {
            assert_eq!(
                calendar.end_of(Term::CalendarDays(n), from),
                to,
                "{from} + {n}"
            );
        }
    }

    #[test]
    fn a_local_day_is_no_working_day() {
        let calendar = Calendar::with_local_days([date(2025, 10, 3)]);
        assert!(!calendar.is_working_day(date(2025, 10, 3)));
        assert_eq!(calendar.holiday(date(2025, 10, 3)), Some(Holiday::Local));
        assert_eq!(
            calendar.add_working_days(date(2025, 10, 2), 1),
            date(2025, 10, 6)
        );
        assert!(Calendar::national().is_working_day(date(2025, 10, 3)));
    }

    proptest! {
        #[test]
        fn the_nth_working_day_has_n_working_days_before_it(start in 0..30_000i32, n in 0..60u16) {
            let calendar = Calendar::national();
            let from = plus_days(date(1990, 1, 1), start);
            let to = calendar.add_working_days(from, n);
            prop_assert_eq!(calendar.working_days_until(from, to), i32::from(n));
            prop_assert!(n == 0 || calendar.is_working_day(to));
        }

        #[test]
        fn going_back_undoes_going_forth_from_a_working_day(start in 0..30_000i32, n in 0..60u16) {
            let calendar = Calendar::national();
            let from = calendar.working_day_from(plus_days(date(1990, 1, 1), start));
            let to = calendar.add_working_days(from, n);
            prop_assert_eq!(calendar.subtract_working_days(to, n), from);
        }
    }
}
