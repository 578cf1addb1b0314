//! Half-open periods `[from, to)` and calendar months (T3).

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, date};

use crate::{FIRST, LAST, date_of, day_number};

/// Days from `from` up to and not including `to`. Held by their numbers: windows are compared for every signal of every household.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    from: i32,
    to: i32,
}

impl Period {
    /// The days `[from, to)`; empty when `to` is not after `from`.
    #[must_use]
    pub fn new(from: Date, to: Date) -> Self {
        Self::numbered(day_number(from), day_number(to))
    }

    /// The same of days by their numbers ([`day_number`]); past the ends of the calendar, its first or last day.
    #[must_use]
    pub fn numbered(from: i32, to: i32) -> Self {
        let from = from.clamp(FIRST, LAST);
        Self {
            from,
            to: to.clamp(from, LAST),
        }
    }

    /// One day.
    #[must_use]
    pub fn day(day: Date) -> Self {
        Self::rolling(1, day)
    }

    /// The rolling window of `days` days that ends on `last`: `[last − days + 1, last + 1)` (T3). Dates exactly `days` apart are
    /// never both in it.
    #[must_use]
    pub fn rolling(days: u16, last: Date) -> Self {
        let after = day_number(last) + 1;
        Self::numbered(after - i32::from(days), after)
    }

    /// The first day.
    #[must_use]
    pub fn from(&self) -> Date {
        date_of(self.from)
    }

    /// The day after the last.
    #[must_use]
    pub fn to(&self) -> Date {
        date_of(self.to)
    }

    /// The number of the first day.
    #[must_use]
    pub const fn from_number(&self) -> i32 {
        self.from
    }

    /// The number of the day after the last.
    #[must_use]
    pub const fn to_number(&self) -> i32 {
        self.to
    }

    /// Whether the day is one of these.
    #[must_use]
    pub fn contains(&self, day: Date) -> bool {
        self.contains_number(day_number(day))
    }

    /// Whether the day with this number is one of these.
    #[must_use]
    pub const fn contains_number(&self, day: i32) -> bool {
        self.from <= day && day < self.to
    }

    /// Whether the two have a day in common. An empty one has none, wherever it lies.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.from.max(other.from) < self.to.min(other.to)
    }

    /// How many days.
    #[must_use]
    pub const fn days(&self) -> i32 {
        self.to - self.from
    }

    /// The shortest period that holds both.
    #[must_use]
    pub fn hull(&self, other: &Self) -> Self {
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
        }
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Period({self})")
    }
}

/// `2025-01-01/2025-02-01`, the second day not included; reads back.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.from(), self.to())
    }
}

impl FromStr for Period {
    type Err = MonthError;
    fn from_str(raw: &str) -> Result<Self, MonthError> {
        let (from, to) = raw.split_once('/').ok_or(MonthError)?;
        let day = |text: &str| text.parse::<Date>().map_err(|_| MonthError);
        Ok(Self::new(day(from)?, day(to)?))
    }
}

/// A calendar month, e.g. January 2025.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct YearMonth {
    year: i16,
    month: i8,
}

/// A text that is no calendar month or period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a month such as 2025-01, or a period such as 2025-01-01/2025-02-01")]
pub struct MonthError;

impl YearMonth {
    /// The month a day is in.
    #[must_use]
    pub fn of(day: Date) -> Self {
        Self {
            year: day.year(),
            month: day.month(),
        }
    }

    /// This year's number.
    #[must_use]
    pub const fn year(self) -> i16 {
        self.year
    }

    /// From 1 to 12.
    #[must_use]
    pub const fn month(self) -> i8 {
        self.month
    }

    /// The number of this month: months since the year 0. Compared where dates would be taken apart for every signal.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.year as i32 * 12 + self.month as i32 - 1
    }

    /// The month with a number; stops at the years 1 and 9998, so that every month has a next one.
    #[must_use]
    pub fn numbered(number: i32) -> Self {
        let number = number.clamp(12, 9998 * 12 + 11);
        Self {
            year: i16::try_from(number.div_euclid(12)).expect("clamped to four digits"),
            month: i8::try_from(number.rem_euclid(12) + 1).expect("a remainder of twelve"),
        }
    }

    /// The first day.
    #[must_use]
    pub fn first_day(self) -> Date {
        date(self.year, self.month, 1)
    }

    /// All its days.
    #[must_use]
    pub fn period(self) -> Period {
        Period::new(self.first_day(), self.plus(1).first_day())
    }

    /// The month this many months later, or earlier when negative; stops at the years 1 and 9998, so that every month has a next one.
    #[must_use]
    pub fn plus(self, months: i32) -> Self {
        Self::numbered(self.number().saturating_add(months))
    }

    /// The `months` calendar months before this one, this one not included.
    #[must_use]
    pub fn preceding(self, months: u8) -> Period {
        Period::new(self.plus(-i32::from(months)).first_day(), self.first_day())
    }
}

impl fmt::Display for YearMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl FromStr for YearMonth {
    type Err = MonthError;
    fn from_str(raw: &str) -> Result<Self, MonthError> {
        let well_formed = raw.len() == 7
            && raw.char_indices().all(|(index, c)| {
                if index == 4 {
                    c == '-'
                } else {
                    c.is_ascii_digit()
                }
            });
        if !well_formed {
            return Err(MonthError);
        }
        let year: i16 = raw[..4].parse().map_err(|_| MonthError)?;
        let month: i8 = raw[5..].parse().map_err(|_| MonthError)?;
        if (1..=9998).contains(&year) && (1..=12).contains(&month) {
            Ok(Self { year, month })
        } else {
            Err(MonthError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plus_days;
    use proptest::prelude::*;

    #[test]
    fn dates_exactly_n_apart_are_not_within_n_days() {
        let window = Period::rolling(30, date(2025, 3, 31));
        assert_eq!(window.days(), 30);
        assert!(window.contains(date(2025, 3, 31)));
        assert!(window.contains(date(2025, 3, 2)));
        assert!(!window.contains(date(2025, 3, 1)));
        assert!(!window.contains(date(2025, 4, 1)));
    }

    #[test]
    fn months_step_over_the_new_year() {
        let january: YearMonth = "2025-01".parse().expect("a month");
        assert_eq!(january.plus(-1).to_string(), "2024-12");
        assert_eq!(january.plus(12).to_string(), "2026-01");
        assert_eq!(
            january.preceding(6),
            Period::new(date(2024, 7, 1), date(2025, 1, 1))
        );
        assert_eq!(
            january.plus(1).period(),
            Period::new(date(2025, 2, 1), date(2025, 3, 1))
        );
    }

    #[test]
    fn months_are_numbered_from_the_year_0_and_stop_before_the_ends_of_the_calendar() {
        let february: YearMonth = "2025-02".parse().expect("a month");
        assert_eq!((february.year(), february.month()), (2025, 2));
        assert_eq!(february.number(), 2025 * 12 + 1);
        assert_eq!(YearMonth::numbered(february.number()), february);
        for (number, month) in [
            (i32::MIN, "0001-01"),
            (12, "0001-01"),
            (13, "0001-02"),
            (9998 * 12 + 11, "9998-12"),
            (i32::MAX, "9998-12"),
        ] {
            assert_eq!(YearMonth::numbered(number).to_string(), month, "{number}");
        }
    }

    #[test]
    fn only_months_parse_as_months() {
        for (raw, fits) in [
            ("2025-01", true),
            ("2025-12", true),
            ("2025-13", false),
            ("2025-00", false),
            ("2025-1", false),
            ("+025-01", false),
            ("25-01", false),
            ("202é-1", false),
            ("2025/01", false),
            ("2025-01-01", false),
            ("0000-12", false),
            ("0001-01", true),
            ("9998-12", true),
            ("9999-01", false),
        ] {
            assert_eq!(raw.parse::<YearMonth>().is_ok(), fits, "{raw}");
        }
    }

    #[test]
    fn an_empty_period_holds_nothing_and_meets_nobody() {
        let empty = Period::new(date(2025, 2, 1), date(2025, 1, 1));
        assert_eq!(empty.days(), 0);
        assert!(!empty.contains(date(2025, 2, 1)));
        assert!(!empty.overlaps(&Period::day(date(2025, 2, 1))));
        let around = Period::new(date(2025, 1, 1), date(2025, 3, 1));
        assert!(!empty.overlaps(&around) && !around.overlaps(&empty));
    }

    #[test]
    fn a_period_begins_with_its_first_day_and_ends_before_the_day_after_its_last() {
        let january = Period::new(date(2025, 1, 1), date(2025, 2, 1));
        assert_eq!(
            (january.from_number(), january.to_number()),
            (day_number(january.from()), day_number(january.to()))
        );
        assert_eq!(format!("{january:?}"), "Period(2025-01-01/2025-02-01)");
        assert_eq!(
            january.hull(&Period::day(date(2024, 12, 31))).to_string(),
            "2024-12-31/2025-02-01"
        );
    }

    proptest! {
        #[test]
        fn two_periods_overlap_when_some_day_is_in_both(
            (from, length) in (0..12i32, 0..6i32),
            (other_from, other_length) in (0..12i32, 0..6i32),
        ) {
            let one = Period::numbered(from, from + length);
            let other = Period::numbered(other_from, other_from + other_length);
            let in_both = (0..20).any(|day| one.contains_number(day) && other.contains_number(day));
            prop_assert_eq!(one.overlaps(&other), in_both);
        }

        #[test]
        fn a_month_holds_exactly_its_own_days(offset in 0..40_000i32) {
            let day = plus_days(date(1950, 1, 1), offset);
            let month = YearMonth::of(day);
            prop_assert!(month.period().contains(day));
            prop_assert!(!month.plus(1).period().contains(day));
            prop_assert!(!month.preceding(6).contains(day));
            prop_assert!(month.plus(3).preceding(3).contains(day));
            prop_assert_eq!(month.to_string().parse(), Ok(month));
            prop_assert_eq!(month.period().to_string().parse(), Ok(month.period()));
        }
    }
}
