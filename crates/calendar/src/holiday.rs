//! The public holidays on which nobody works (T4).

use jiff::civil::{Date, Weekday, date};

use crate::plus_days;

/// A day that is no working day although it may fall in the week (T4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holiday {
    /// 1 January.
    NewYear,
    /// The Friday before Easter.
    GoodFriday,
    /// The day after Easter.
    EasterMonday,
    /// 27 April, or 26 April when that is a Sunday.
    KingsDay,
    /// 5 May.
    LiberationDay,
    /// Thirty-nine days after Easter.
    Ascension,
    /// Fifty days after Easter.
    WhitMonday,
    /// 25 December.
    Christmas,
    /// 26 December.
    SecondChristmasDay,
    /// A day the municipality added.
    Local,
}

impl Holiday {
    /// The national holiday on this day, if it is one.
    #[must_use]
    pub fn national(day: Date) -> Option<Self> {
        match (day.month(), day.day()) {
            (1, 1) => return Some(Self::NewYear),
            (5, 5) => return Some(Self::LiberationDay),
            (12, 25) => return Some(Self::Christmas),
            (12, 26) => return Some(Self::SecondChristmasDay),
            (4, 26 | 27) if day == kings_day(day.year()) => return Some(Self::KingsDay),
            _ => {}
        }
        let easter = easter_sunday(day.year());
        [
            (-2, Self::GoodFriday),
            (1, Self::EasterMonday),
            (39, Self::Ascension),
            (50, Self::WhitMonday),
        ]
        .into_iter()
        .find_map(|(offset, holiday)| (plus_days(easter, offset) == day).then_some(holiday))
    }
}

fn kings_day(year: i16) -> Date {
    let birthday = date(year, 4, 27);
    if birthday.weekday() == Weekday::Sunday {
        date(year, 4, 26)
    } else {
        birthday
    }
}

/// Easter Sunday in the Gregorian calendar: the first Sunday after the first ecclesiastical full moon on or after 21 March.
#[must_use]
pub fn easter_sunday(year: i16) -> Date {
    let year_number = i32::from(year);
    let (century, year_of_century) = (year_number.div_euclid(100), year_number.rem_euclid(100));
    let golden = year_number.rem_euclid(19);
    // Days from 21 March to the full moon, after the leap days left out and the drift of the moon over the centuries.
    let drift = 15 + century - century / 4 - (8 * century + 13) / 25;
    let full_moon = (19 * golden + drift).rem_euclid(30);
    // The moon never falls on day 29, nor twice on day 28 within one nineteen-year cycle.
    let full_moon = full_moon - i32::from(full_moon + golden / 11 > 28);
    // How many days after the full moon the next Sunday comes, from 1 to 7.
    let weekday = (2 * (century % 4) + 2 * (year_of_century / 4) - year_of_century % 4 + 32
        - full_moon)
        .rem_euclid(7);
    plus_days(date(year, 3, 22), full_moon + weekday)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn easter_falls_where_the_church_says() {
        for (year, month, day) in [
            (1954, 4, 18),
            (1981, 4, 19),
            (2000, 4, 23),
            (2008, 3, 23),
            (2011, 4, 24),
            (2024, 3, 31),
            (2025, 4, 20),
            (2026, 4, 5),
            (2027, 3, 28),
            (2028, 4, 16),
            (2029, 4, 1),
            (2030, 4, 21),
            (2038, 4, 25),
        ] {
            assert_eq!(easter_sunday(year), date(year, month, day), "{year}");
        }
    }

    /// The rule that somebody sent to Nature in 1876: the same by another road.
    #[test]
    fn easter_is_where_another_rule_puts_it_for_as_long_as_the_calendar_goes() {
        for year in 1583..=9999 {
            let (golden, century, of_century) = (year % 19, year / 100, year % 100);
            let drift = (century - (century + 8) / 25 + 1) / 3;
            let moon = (19 * golden + century - century / 4 - drift + 15) % 30;
            let leap = 2 * (century % 4) + 2 * (of_century / 4);
            let sunday = (32 + leap - moon - of_century % 4) % 7;
            let late = (golden + 11 * moon + 22 * sunday) / 451;
            let from_march = moon + sunday - 7 * late + 114;
            let (month, day) = (from_march / 31, from_march % 31 + 1);
            let small = |number: i32| i8::try_from(number).expect("a day or month");
            let year = i16::try_from(year).expect("four digits");
            let easter = date(year, small(month), small(day));
            assert_eq!(easter_sunday(year), easter);
        }
    }

    #[test]
    fn easter_is_always_a_sunday_between_22_march_and_25_april() {
        for year in 1900..2200 {
            let easter = easter_sunday(year);
            assert_eq!(easter.weekday(), Weekday::Sunday, "{easter}");
            assert!(
                date(year, 3, 22) <= easter && easter <= date(year, 4, 25),
                "{easter}"
            );
        }
    }

    #[test]
    fn the_holidays_of_2025_are_these_and_no_others() {
        let found: Vec<(Date, Holiday)> = (0..365)
            .map(|offset| plus_days(date(2025, 1, 1), offset))
            .filter_map(|day| Holiday::national(day).map(|holiday| (day, holiday)))
            .collect();
        assert_eq!(
            found,
            [
                (date(2025, 1, 1), Holiday::NewYear),
                (date(2025, 4, 18), Holiday::GoodFriday),
                (date(2025, 4, 21), Holiday::EasterMonday),
                (date(2025, 4, 26), Holiday::KingsDay),
                (date(2025, 5, 5), Holiday::LiberationDay),
                (date(2025, 5, 29), Holiday::Ascension),
                (date(2025, 6, 9), Holiday::WhitMonday),
                (date(2025, 12, 25), Holiday::Christmas),
                (date(2025, 12, 26), Holiday::SecondChristmasDay),
            ]
        );
    }

    #[test]
    fn kings_day_moves_to_saturday_when_the_27th_is_a_sunday() {
        for (year, day) in [(2024, 27), (2025, 26), (2026, 27), (2027, 27), (2031, 26)] {
            assert_eq!(kings_day(year), date(year, 4, day), "{year}");
        }
    }
}
