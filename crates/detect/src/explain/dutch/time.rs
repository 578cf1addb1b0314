//! Days, months and numbers as one says them in Dutch.

use jiff::civil::{Date, Weekday};
use voorveld_calendar::{Period, YearMonth, plus_days};

use crate::explain::{numeral, whole_months};

/// `3 januari 2025`
pub(crate) fn date_in_words(day: Date) -> String {
    format!("{} {} {}", day.day(), month_name(day.month()), day.year())
}

/// `donderdag 24 april 2025`
pub(crate) fn day_in_words(day: Date) -> String {
    let weekday = match day.weekday() {
        Weekday::Monday => "maandag",
        Weekday::Tuesday => "dinsdag",
        Weekday::Wednesday => "woensdag",
        Weekday::Thursday => "donderdag",
        Weekday::Friday => "vrijdag",
        Weekday::Saturday => "zaterdag",
        Weekday::Sunday => "zondag",
    };
    format!("{weekday} {}", date_in_words(day))
}

/// `januari 2025`
pub(crate) fn month_in_words(month: YearMonth) -> String {
    format!("{} {}", month_name(month.month()), month.year())
}

/// `juli tot en met december 2024` for whole months, else `2 maart 2025 tot en met 31 maart 2025`.
pub(crate) fn period_in_words(period: Period) -> String {
    let last = plus_days(period.to(), -1);
    if last <= period.from() {
        return date_in_words(period.from());
    }
    match whole_months(period) {
        None => format!(
            "{} tot en met {}",
            date_in_words(period.from()),
            date_in_words(last)
        ),
        Some((first, last)) if first == last => month_in_words(first),
        Some((first, last)) if first.year() == last.year() => format!(
            "{} tot en met {}",
            month_name(first.month()),
            month_in_words(last)
        ),
        Some((first, last)) => format!(
            "{} tot en met {}",
            month_in_words(first),
            month_in_words(last)
        ),
    }
}

/// `in januari 2025`, `op 3 januari 2025`, `van 2 maart 2025 tot en met 31 maart 2025`
pub(crate) fn within_period(period: Period) -> String {
    let words = period_in_words(period);
    if plus_days(period.to(), -1) <= period.from() {
        return format!("op {words}");
    }
    match whole_months(period) {
        Some((first, last)) if first == last => format!("in {words}"),
        _ => format!("van {words}"),
    }
}

/// `twee`; from thirteen on, figures.
pub(crate) fn number(number: u32) -> String {
    numeral(
        number,
        &[
            "nul", "één", "twee", "drie", "vier", "vijf", "zes", "zeven", "acht", "negen", "tien",
            "elf", "twaalf",
        ],
    )
}

fn month_name(month: i8) -> &'static str {
    match month {
        1 => "januari",
        2 => "februari",
        3 => "maart",
        4 => "april",
        5 => "mei",
        6 => "juni",
        7 => "juli",
        8 => "augustus",
        9 => "september",
        10 => "oktober",
        11 => "november",
        _ => "december",
    }
}
