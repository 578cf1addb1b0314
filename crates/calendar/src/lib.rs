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
        .unwrap_or(if day.year().is_negative() {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
}

/// `day` moved by whole days; stops at the ends of the calendar, which no signal gets near.
#[must_use]
pub fn plus_days(day: Date, days: i32) -> Date {
    date_of(day_number(day).saturating_add(days))
}

/// Whole days from `from` to `to`; negative when `to` is the earlier one.
#[must_use]
pub fn days_between(from: Date, to: Date) -> i32 {
    day_number(to) - day_number(from)
}

/// Days of four hundred years, after which the calendar begins anew.
const CYCLE_DAYS: i32 = 146_097;
/// From 1 March of the year 0 to 1 January 1970.
const EPOCH_DAYS: i32 = 719_468;
/// The numbers of the first and the last day of the calendar.
const FIRST: i32 = -4_371_587;
const LAST: i32 = 2_932_896;

/// The number of a day: whole days since 1 January 1970, in the calendar that is used for all time. Windows are compared for every signal of every
/// household, so this is done in a few whole numbers; a year begins in March here, so that the leap day comes last.
#[must_use]
pub fn day_number(day: Date) -> i32 {
    let month = i32::from(day.month());
    let year = i32::from(day.year()) - i32::from(month <= 2);
    let year_of_cycle = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i32::from(day.day()) - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    year.div_euclid(400) * CYCLE_DAYS + day_of_cycle - EPOCH_DAYS
}

/// The day with a number; past the ends of the calendar, its first or last day.
#[must_use]
pub fn date_of(number: i32) -> Date {
    let number = number.clamp(FIRST, LAST) + EPOCH_DAYS;
    let day_of_cycle = number.rem_euclid(CYCLE_DAYS);
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = number.div_euclid(CYCLE_DAYS) * 400 + year_of_cycle + i32::from(month <= 2);
    let small = "within the calendar by its number";
    Date::new(
        i16::try_from(year).expect(small),
        i8::try_from(month).expect(small),
        i8::try_from(day_of_year - (153 * from_march + 2) / 5 + 1).expect(small),
    )
    .expect(small)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::ToSpan;
    use jiff::civil::date;
    use proptest::prelude::*;

    #[test]
    fn the_calendar_ends_where_its_dates_do() {
        assert_eq!(
            (day_number(Date::MIN), day_number(Date::MAX)),
            (FIRST, LAST)
        );
        assert_eq!(
            (date_of(i32::MIN), date_of(i32::MAX)),
            (Date::MIN, Date::MAX)
        );
    }

    /// Some things happen once in four hundred years.
    #[test]
    fn each_day_of_a_whole_cycle_follows_the_one_before() {
        let mut day = date(1970, 1, 1);
        for number in 0..=CYCLE_DAYS {
            assert_eq!((date_of(number), day_number(day)), (day, number));
            day = day.tomorrow().expect("within the calendar");
        }
    }

    proptest! {
        #[test]
        fn numbers_of_days_go_with_the_calendar(number in FIRST..=LAST, days in -800_000..800_000i32) {
            let day = date_of(number);
            prop_assert_eq!(day_number(day), number);
            let epoch = date(1970, 1, 1);
            prop_assert_eq!(epoch.saturating_add(number.days()), day);
            prop_assert_eq!(plus_days(day, days), day.saturating_add(days.days()));
        }
    }

    #[test]
    fn days_stop_at_the_ends_of_the_calendar() {
        assert_eq!(date_of(i32::MAX), Date::MAX);
        assert_eq!(date_of(i32::MIN), Date::MIN);
        assert_eq!(plus_days(Date::MAX, i32::MAX), Date::MAX);
        assert_eq!(plus_days(Date::MIN, -1), Date::MIN);
        assert_eq!(day_number(date(1970, 1, 1)), 0);
        assert_eq!(day_number(date(1969, 12, 31)), -1);
        assert_eq!(
            day_number(date(2000, 3, 1)) - day_number(date(2000, 2, 28)),
            2
        );
    }

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
        // Where the calendar has days of which no instant is told.
        assert_eq!(amsterdam_midnight(Date::MIN), Timestamp::MIN);
        assert_eq!(amsterdam_midnight(Date::MAX), Timestamp::MAX);
    }

    #[test]
    fn days_are_counted_in_both_directions() {
        assert_eq!(days_between(date(2024, 2, 28), date(2024, 3, 1)), 2);
        assert_eq!(days_between(date(2025, 3, 1), date(2025, 2, 28)), -1);
        assert_eq!(days_between(date(2020, 1, 1), date(2025, 1, 1)), 1827);
        assert_eq!(plus_days(date(2025, 2, 28), 1), date(2025, 3, 1));
    }
}
