//! Days, months and numbers as one says them in English.

use jiff::civil::{Date, Weekday};
use voorveld_calendar::{Period, YearMonth, plus_days};

use crate::explain::{numeral, whole_months};

/// `3 January 2025`
pub(crate) fn date_in_words(day: Date) -> String {
    format!("{} {} {}", day.day(), month_name(day.month()), day.year())
}

/// `Thursday 24 April 2025`
pub(crate) fn day_in_words(day: Date) -> String {
    let weekday = match day.weekday() {
        Weekday::Monday => "Monday",
        Weekday::Tuesday => "Tuesday",
        Weekday::Wednesday => "Wednesday",
        Weekday::Thursday => "Thursday",
        Weekday::Friday => "Friday",
        Weekday::Saturday => "Saturday",
        Weekday::Sunday => "Sunday",
    };
    format!("{weekday} {}", date_in_words(day))
}

/// `January 2025`
pub(crate) fn month_in_words(month: YearMonth) -> String {
    format!("{} {}", month_name(month.month()), month.year())
}

/// `July to December 2024` for whole months, else `2 March 2025 to 31 March 2025`; both ends are part of it.
pub(crate) fn period_in_words(period: Period) -> String {
    let last = plus_days(period.to(), -1);
    if last <= period.from() {
        return date_in_words(period.from());
    }
    match whole_months(period) {
        None => format!(
            "{} to {}",
            date_in_words(period.from()),
            date_in_words(last)
        ),
        Some((first, last)) if first == last => month_in_words(first),
        Some((first, last)) if first.year() == last.year() => {
            format!("{} to {}", month_name(first.month()), month_in_words(last))
        }
        Some((first, last)) => format!("{} to {}", month_in_words(first), month_in_words(last)),
    }
}

/// `in January 2025`, `on 3 January 2025`, `from 2 March 2025 to 31 March 2025`
pub(crate) fn within_period(period: Period) -> String {
    let words = period_in_words(period);
    if plus_days(period.to(), -1) <= period.from() {
        return format!("on {words}");
    }
    match whole_months(period) {
        Some((first, last)) if first == last => format!("in {words}"),
        _ => format!("from {words}"),
    }
}

/// `two`; from thirteen on, figures.
pub(crate) fn number(number: u32) -> String {
    numeral(
        number,
        &[
            "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
            "eleven", "twelve",
        ],
    )
}

fn month_name(month: i8) -> &'static str {
    match month {
        1 => "January",
        2 => "February",
        3 => "March",
        4 => "April",
        5 => "May",
        6 => "June",
        7 => "July",
        8 => "August",
        9 => "September",
        10 => "October",
        11 => "November",
        _ => "December",
    }
}
