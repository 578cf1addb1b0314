//! Dutch time: working days and public holidays (T4), terms and deadlines (T5), half-open periods and calendar months (T3), school weeks.
//!
//! No clock: every day is an argument. This is the one place that owns the arithmetic of windows and terms; it knows nothing of
//! signals, rules or households.

mod holiday;
mod period;
mod school;
mod skipped;
mod working;

pub use holiday::{Holiday, easter_sunday};
pub use period::{MonthError, Period, YearMonth};
pub use school::{SchoolHoliday, SchoolRegion, SchoolTable};
pub use working::{Calendar, Term};

use std::sync::LazyLock;

use jiff::{Timestamp, civil::Date, tz::TimeZone};

static AMSTERDAM: LazyLock<TimeZone> = LazyLock::new(|| {
    TimeZone::get("Europe/Amsterdam").expect("the time zone database is compiled in")
});

/// The civil date in the Netherlands at an instant: what people there call that day (T1).
#[must_use]
pub fn amsterdam_date(at: Timestamp) -> Date {
    AMSTERDAM.to_datetime(at).date()
}

/// The first instant of a day in the Netherlands: a deadline that ends on `day` is passed at the start of the day after it (T5).
#[must_use]
pub fn amsterdam_midnight(day: Date) -> Timestamp {
    AMSTERDAM
        .to_timestamp(day.at(0, 0, 0, 0))
        .unwrap_or(if day.year() < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
}

/// `day` moved by whole days; stops at the ends of the calendar, which no signal gets near.
#[must_use]
pub fn plus_days(day: Date, days: i32) -> Date {
    day.saturating_add(jiff::Span::new().days(days))
}

/// Whole days from `from` to `to`; negative when `to` is the earlier one.
#[must_use]
pub fn days_between(from: Date, to: Date) -> i32 {
    from.until(to)
        .expect("two dates are always some number of days apart")
        .get_days()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_day_begins_at_midnight_in_amsterdam() {
        for (instant, day) in [
            ("2025-01-31T22:59:59Z", date(2025, 1, 31)),
            ("2025-01-31T23:00:00Z", date(2025, 2, 1)),
            ("2025-06-30T21:59:59Z", date(2025, 6, 30)),
            ("2025-06-30T22:00:00Z", date(2025, 7, 1)),
        ] {
            let instant: Timestamp = instant.parse().expect("an instant");
            assert_eq!(amsterdam_date(instant), day, "{instant}");
        }
        assert_eq!(
            amsterdam_midnight(date(2025, 7, 1)).to_string(),
            "2025-06-30T22:00:00Z"
        );
    }

    #[test]
    fn days_are_counted_in_both_directions() {
        assert_eq!(days_between(date(2024, 2, 28), date(2024, 3, 1)), 2);
        assert_eq!(days_between(date(2025, 3, 1), date(2025, 2, 28)), -1);
        assert_eq!(days_between(date(2020, 1, 1), date(2025, 1, 1)), 1827);
        assert_eq!(plus_days(date(2025, 2, 28), 1), date(2025, 3, 1));
    }
}
