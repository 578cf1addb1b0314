//! Working days and the terms counted in them (T4, T5).

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use jiff::civil::{Date, Weekday, date};

use crate::skipped::Skipped;
use crate::{Holiday, Period, SchoolTable, days_between, plus_days, school};

/// Which days are working days here: the national rules and the municipality's own days (T4); and which weeks are school weeks, where the
/// holidays of a region are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    local: BTreeSet<Date>,
    /// Weekdays on which nobody works, by number, within [`COUNTED_YEARS`].
    closed: Arc<Skipped>,
    school: Option<Arc<SchoolTable>>,
}

/// The years whose holidays are laid out beforehand; outside them working days are found one by one.
const COUNTED_YEARS: std::ops::RangeInclusive<i16> = 1990..=2099;
/// A Monday before all counted years: weekdays are numbered from it.
const FIRST_MONDAY: Date = Date::constant(1989, 12, 25);

static NATIONAL: LazyLock<Arc<Skipped>> = LazyLock::new(|| {
    let first = date(*COUNTED_YEARS.start(), 1, 1);
    let last = date(*COUNTED_YEARS.end(), 12, 31);
    let holidays = (0..=days_between(first, last))
        .map(|offset| plus_days(first, offset))
        .filter(|day| !is_weekend(*day) && Holiday::national(*day).is_some());
    Arc::new(Skipped::new(holidays.map(weekday_number)))
});

/// The number of the last weekday up to and including `day`.
fn weekday_number(day: Date) -> i32 {
    let days = days_between(FIRST_MONDAY, day);
    days.div_euclid(7) * 5 + days.rem_euclid(7).min(4)
}

fn weekday_of(number: i32) -> Date {
    let days = number.div_euclid(5) * 7 + number.rem_euclid(5);
    plus_days(FIRST_MONDAY, days)
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

impl Default for Calendar {
    fn default() -> Self {
        Self::national()
    }
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
        Self {
            local: BTreeSet::new(),
            closed: Arc::clone(&NATIONAL),
            school: None,
        }
    }

    /// The national calendar and the municipality's own days off.
    pub fn with_local_days(days: impl IntoIterator<Item = Date>) -> Self {
        let local: BTreeSet<Date> = days.into_iter().collect();
        let closed = local.iter().copied().filter(|day| !is_weekend(*day));
        Self {
            closed: Arc::new(NATIONAL.with(closed.map(weekday_number))),
            local,
            school: None,
        }
    }

    /// The same with the school holidays of the municipality's region.
    #[must_use]
    pub fn with_school_table(mut self, table: SchoolTable) -> Self {
        self.school = Some(Arc::new(table));
        self
    }

    /// The school holidays, when they were handed in.
    #[must_use]
    pub fn school_table(&self) -> Option<&SchoolTable> {
        self.school.as_deref()
    }

    /// Whether there is a table of school holidays. A rule that counts in school weeks needs one.
    #[must_use]
    pub const fn has_school_weeks(&self) -> bool {
        self.school.is_some()
    }

    /// The days for which school weeks are known; `None`: there is no table.
    #[must_use]
    pub fn school_weeks_known(&self) -> Option<Period> {
        self.school_table().map(SchoolTable::known)
    }

    /// The school week, Monday to Sunday, that `day` is in; `None` in a holiday week: one of which each of Monday to Friday is in a holiday
    /// of the region or is a public one. A week of which nothing is known counts as a school week: then four school weeks are at most too
    /// short, never longer than the law's. Who must be sure asks [`Self::school_weeks_known`].
    #[must_use]
    pub fn school_week(&self, day: Date) -> Option<Period> {
        school::school_week(self.school_table(), day)
    }

    /// The shortest period that ends with `day` and holds the last `n` school weeks up to and including the week of `day`, which is there up
    /// to `day` only. It begins on a Monday. Holiday weeks in between are in it and not counted; on a day in a holiday week that week is not
    /// counted either. With n = 0 it is empty.
    ///
    /// With the autumn holiday from 14 to 22 October 2023, four weeks that end on Friday 10 November begin on Monday 9 October; four that end
    /// on 18 October, in the holiday, begin on 18 September.
    #[must_use]
    pub fn school_weeks_ending(&self, day: Date, n: u16) -> Period {
        school::school_weeks_ending(self.school_table(), day, n)
    }

    /// The holiday on this day, national or local.
    #[must_use]
    pub fn holiday(&self, day: Date) -> Option<Holiday> {
        Holiday::national(day).or_else(|| self.local.contains(&day).then_some(Holiday::Local))
    }

    /// Whether people work on this day (T4).
    #[must_use]
    pub fn is_working_day(&self, day: Date) -> bool {
        !is_weekend(day) && self.holiday(day).is_none()
    }

    /// The shortest period that ends with `day` and holds exactly `n` working days, `day` among them when it is one. It begins on the
    /// earliest of them, so days off before that one are not in it; days off at its end are. With n = 0 it is empty.
    ///
    /// Five working days that end on Monday 13 January 2025 begin on Tuesday the 7th; that end on Sunday the 12th, on Monday the 6th.
    #[must_use]
    pub fn working_days_ending(&self, day: Date, n: u16) -> Period {
        let after = plus_days(day, 1);
        if n == 0 {
            return Period::new(after, after);
        }
        let counted = COUNTED_YEARS.contains(&day.year()).then(|| {
            let number = self.closed.back(weekday_number(day), n);
            weekday_of(number)
        });
        let from = counted
            .filter(|from| COUNTED_YEARS.contains(&from.year()))
            .unwrap_or_else(|| self.subtract_working_days(after, n));
        Period::new(from, after)
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

    #[test]
    fn a_window_of_working_days_begins_on_the_earliest_of_them() {
        let calendar = Calendar::national();
        for (day, n, from) in [
            // A Monday, its Sunday before, its Saturday, and the Friday.
            (date(2025, 1, 13), 5, date(2025, 1, 7)),
            (date(2025, 1, 12), 5, date(2025, 1, 6)),
            (date(2025, 1, 11), 5, date(2025, 1, 6)),
            (date(2025, 1, 10), 5, date(2025, 1, 6)),
            (date(2025, 1, 13), 1, date(2025, 1, 13)),
            (date(2025, 1, 12), 1, date(2025, 1, 10)),
            // Good Friday to Easter Monday, then New Year between two Christmas days.
            (date(2025, 4, 22), 2, date(2025, 4, 17)),
            (date(2025, 4, 21), 1, date(2025, 4, 17)),
            (date(2026, 1, 2), 4, date(2025, 12, 29)),
            (date(2026, 1, 2), 5, date(2025, 12, 24)),
        ] {
            let window = calendar.working_days_ending(day, n);
            assert_eq!(
                (window.from(), window.to()),
                (from, plus_days(day, 1)),
                "{n} up to {day}"
            );
        }
        assert_eq!(calendar.working_days_ending(date(2025, 1, 13), 0).days(), 0);
        let local = Calendar::with_local_days([date(2025, 1, 10), date(2025, 1, 11)]);
        assert_eq!(
            local.working_days_ending(date(2025, 1, 13), 2).from(),
            date(2025, 1, 9)
        );
    }

    #[test]
    fn outside_the_years_laid_out_beforehand_windows_are_found_too() {
        let calendar = Calendar::national();
        for (day, n) in [
            (date(1990, 1, 5), 10),
            (date(1985, 6, 3), 3),
            (date(2100, 1, 8), 7),
            (date(2099, 12, 31), 300),
        ] {
            let window = calendar.working_days_ending(day, n);
            let found = calendar.working_days_until(plus_days(window.from(), -1), day);
            assert_eq!(found, i32::from(n), "{n} up to {day}");
            assert!(calendar.is_working_day(window.from()), "{n} up to {day}");
        }
    }

    #[test]
    fn what_is_left_of_a_term_is_below_zero_once_it_is_over() {
        let calendar = Calendar::national();
        let (friday, wednesday) = (date(2025, 1, 10), date(2025, 1, 15));
        assert_eq!(calendar.working_days_until(friday, wednesday), 3);
        assert_eq!(calendar.working_days_until(wednesday, friday), -3);
        assert_eq!(calendar.working_days_until(friday, friday), 0);
    }

    #[test]
    fn a_calendar_that_is_closed_for_more_than_a_year_is_not_searched_to_its_end() {
        let first = date(2025, 1, 1);
        let closed = Calendar::with_local_days((0..800).map(|days| plus_days(first, days)));
        assert_eq!(closed.add_working_days(first, 1), plus_days(first, 366));
        let last = plus_days(first, 799);
        assert_eq!(closed.subtract_working_days(last, 1), plus_days(last, -366));
    }

    /// Were they not, windows would still be found, one by one.
    #[test]
    fn weekdays_are_numbered_one_after_the_other_and_a_weekend_goes_with_its_friday() {
        for (day, number) in [
            (date(1989, 12, 22), -1),
            (date(1989, 12, 24), -1),
            (date(1989, 12, 25), 0),
            (date(1989, 12, 29), 4),
            (date(1989, 12, 30), 4),
            (date(1989, 12, 31), 4),
            (date(1990, 1, 1), 5),
            (date(2025, 1, 13), 9_145),
        ] {
            assert_eq!(weekday_number(day), number, "{day}");
            if !is_weekend(day) {
                assert_eq!(weekday_of(number), day);
            }
        }
    }

    #[test]
    fn two_calendars_with_the_same_days_are_equal() {
        assert_eq!(Calendar::national(), Calendar::default());
        assert_eq!(Calendar::national(), Calendar::with_local_days([]));
        let local = Calendar::with_local_days([date(2025, 10, 3)]);
        assert_ne!(local, Calendar::national());
        assert_eq!(local, local.clone());
    }

    proptest! {
        #[test]
        fn a_window_of_working_days_is_what_walking_back_day_by_day_finds(
            start in 0..30_000i32,
            n in 0..60u16,
            local in proptest::collection::btree_set(0..400i32, 0..20),
        ) {
            let day = plus_days(date(1989, 6, 1), start);
            let calendar = Calendar::with_local_days(local.iter().map(|back| plus_days(day, -back)));
            let mut from = plus_days(day, 1);
            let (mut left, mut walked) = (n, day);
            while left > 0 {
                if calendar.is_working_day(walked) {
                    left -= 1;
                    from = walked;
                }
                walked = plus_days(walked, -1);
            }
            prop_assert_eq!(calendar.working_days_ending(day, n), Period::new(from, plus_days(day, 1)));
        }

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
