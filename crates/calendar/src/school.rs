//! School weeks: the weeks that count for the sixteen hours in four school weeks (Leerplichtwet art. 21), by region.
//!
//! School holidays are published per region, some years ahead. They are a table that whoever reads the files hands in; a public holiday by
//! itself (Easter Monday) leaves its week a school week.

use jiff::civil::Date;

use crate::skipped::Skipped;
use crate::{Holiday, Period, days_between, plus_days};

/// One of the three regions by which school holidays are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchoolRegion {
    /// Noord.
    North,
    /// Midden.
    Middle,
    /// Zuid.
    South,
}

impl SchoolRegion {
    /// All three.
    pub const ALL: &'static [Self] = &[Self::North, Self::Middle, Self::South];

    /// The word in files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::North => "north",
            Self::Middle => "middle",
            Self::South => "south",
        }
    }

    /// The Dutch name.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::North => "noord",
            Self::Middle => "midden",
            Self::South => "zuid",
        }
    }
}

/// A school holiday by the season it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SchoolHoliday {
    /// Herfstvakantie; its dates are advice.
    Autumn,
    /// Kerstvakantie.
    Christmas,
    /// Voorjaarsvakantie; its dates are advice.
    Spring,
    /// Meivakantie: one week is fixed, many schools add one.
    May,
    /// Zomervakantie.
    Summer,
}

impl SchoolHoliday {
    /// All five, as they come in a school year.
    pub const ALL: &'static [Self] = &[
        Self::Autumn,
        Self::Christmas,
        Self::Spring,
        Self::May,
        Self::Summer,
    ];

    /// The word in files.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Autumn => "autumn",
            Self::Christmas => "christmas",
            Self::Spring => "spring",
            Self::May => "may",
            Self::Summer => "summer",
        }
    }
}

/// The school holidays of one region, and for which days they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchoolTable {
    region: SchoolRegion,
    known: Period,
    holidays: Vec<(SchoolHoliday, Period)>,
    /// Weeks without school, by number.
    free_weeks: Skipped,
}

impl SchoolTable {
    /// The table of `region`, complete for the days of `known`. A week is free when each of its Monday to Friday is in a holiday or is a
    /// public one.
    #[must_use]
    pub fn new(
        region: SchoolRegion,
        known: Period,
        holidays: impl IntoIterator<Item = (SchoolHoliday, Period)>,
    ) -> Self {
        let mut holidays: Vec<(SchoolHoliday, Period)> = holidays.into_iter().collect();
        holidays.sort_by_key(|(_, period)| *period);
        let is_free = |day: Date| {
            Holiday::national(day).is_some()
                || holidays.iter().any(|(_, period)| period.contains(day))
        };
        let free_weeks = holidays
            .iter()
            .flat_map(|(_, period)| week_number(period.from())..=week_number(period.to()))
            .filter(|week| {
                let monday = monday_of(*week);
                (0..5).all(|offset| is_free(plus_days(monday, offset)))
            });
        let free_weeks = Skipped::new(free_weeks.collect::<Vec<_>>());
        Self {
            region,
            known,
            holidays,
            free_weeks,
        }
    }

    /// Whose holidays these are.
    #[must_use]
    pub const fn region(&self) -> SchoolRegion {
        self.region
    }

    /// The days for which the table is complete.
    #[must_use]
    pub const fn known(&self) -> Period {
        self.known
    }

    /// The holidays, in order.
    pub fn holidays(&self) -> impl Iterator<Item = (SchoolHoliday, Period)> {
        self.holidays.iter().copied()
    }
}

/// The Monday to Sunday that `day` is in, unless the table says that it is a holiday week.
pub(crate) fn school_week(table: Option<&SchoolTable>, day: Date) -> Option<Period> {
    let week = week_number(day);
    let is_free = table.is_some_and(|table| table.free_weeks.contains(week));
    (!is_free).then(|| Period::new(monday_of(week), monday_of(week + 1)))
}

/// See [`crate::Calendar::school_weeks_ending`].
pub(crate) fn school_weeks_ending(table: Option<&SchoolTable>, day: Date, n: u16) -> Period {
    let after = plus_days(day, 1);
    if n == 0 {
        return Period::new(after, after);
    }
    let week = week_number(day);
    let first = match table {
        Some(table) => table.free_weeks.back(week, n),
        None => week + 1 - i32::from(n),
    };
    Period::new(monday_of(first), after)
}

/// A Monday to count weeks from.
const FIRST_MONDAY: Date = Date::constant(2000, 1, 3);

fn week_number(day: Date) -> i32 {
    days_between(FIRST_MONDAY, day).div_euclid(7)
}

fn monday_of(week: i32) -> Date {
    plus_days(FIRST_MONDAY, week * 7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Calendar;
    use jiff::civil::{Weekday, date};
    use proptest::prelude::*;

    /// First and last day, as a table prints them.
    fn days(first: Date, last: Date) -> Period {
        Period::new(first, plus_days(last, 1))
    }

    fn published(region: SchoolRegion) -> Calendar {
        use SchoolHoliday::{Autumn, Christmas, May, Spring, Summer};
        let north = region == SchoolRegion::North;
        let holidays = [
            if north {
                (Autumn, days(date(2023, 10, 21), date(2023, 10, 29)))
            } else {
                (Autumn, days(date(2023, 10, 14), date(2023, 10, 22)))
            },
            (Christmas, days(date(2023, 12, 23), date(2024, 1, 7))),
            (Spring, days(date(2024, 2, 17), date(2024, 2, 25))),
            (May, days(date(2024, 4, 27), date(2024, 5, 5))),
            (Summer, days(date(2024, 7, 13), date(2024, 8, 25))),
        ];
        let known = days(date(2023, 9, 4), date(2024, 8, 25));
        Calendar::national().with_school_table(SchoolTable::new(region, known, holidays))
    }

    #[test]
    fn the_last_four_school_weeks_are_these() {
        let middle = published(SchoolRegion::Middle);
        for (day, from, why) in [
            (
                date(2023, 10, 13),
                date(2023, 9, 18),
                "no holiday among them",
            ),
            (date(2023, 10, 11), date(2023, 9, 18), "a Wednesday"),
            (date(2023, 10, 9), date(2023, 9, 18), "a Monday"),
            (
                date(2023, 10, 15),
                date(2023, 9, 18),
                "the Sunday on which autumn began",
            ),
            (
                date(2023, 10, 18),
                date(2023, 9, 18),
                "within autumn: its week does not count",
            ),
            (
                date(2023, 10, 22),
                date(2023, 9, 18),
                "the last Sunday of autumn",
            ),
            (date(2023, 10, 23), date(2023, 9, 25), "the Monday after"),
            (
                date(2023, 11, 10),
                date(2023, 10, 9),
                "autumn in between is not counted",
            ),
            (
                date(2023, 12, 29),
                date(2023, 11, 27),
                "in the first week of Christmas",
            ),
            (
                date(2024, 1, 5),
                date(2023, 11, 27),
                "in the second, over the new year",
            ),
            (
                date(2024, 1, 8),
                date(2023, 12, 4),
                "both Christmas weeks are not counted",
            ),
            (
                date(2024, 4, 5),
                date(2024, 3, 11),
                "Good Friday and Easter Monday leave school weeks",
            ),
            (
                date(2024, 5, 10),
                date(2024, 4, 8),
                "May is not counted; Ascension leaves a school week",
            ),
            (
                date(2024, 8, 20),
                date(2024, 6, 17),
                "in summer: the last four before it",
            ),
            (
                date(2024, 8, 30),
                date(2024, 6, 24),
                "past the table: a week of which nothing is known is a school week",
            ),
        ] {
            assert_eq!(
                middle.school_weeks_ending(day, 4),
                days(from, day),
                "{day}: {why}"
            );
        }
        let empty = middle.school_weeks_ending(date(2024, 1, 8), 0);
        assert_eq!((empty.days(), empty.to()), (0, date(2024, 1, 9)));
        assert_eq!(
            middle.school_weeks_ending(date(2024, 1, 8), 1),
            Period::day(date(2024, 1, 8))
        );
    }

    #[test]
    fn a_region_has_its_own_holidays() {
        let (north, middle) = (
            published(SchoolRegion::North),
            published(SchoolRegion::Middle),
        );
        let (second, third) = (date(2023, 10, 18), date(2023, 10, 25));
        assert_eq!(middle.school_week(second), None);
        assert_eq!(
            north.school_week(second),
            Some(days(date(2023, 10, 16), date(2023, 10, 22)))
        );
        assert_eq!(north.school_week(third), None);
        assert!(middle.school_week(third).is_some());
        assert_eq!(
            north.school_weeks_ending(third, 4),
            days(date(2023, 9, 25), third)
        );
        assert_eq!(
            middle.school_weeks_ending(third, 4),
            days(date(2023, 9, 25), third)
        );
        let before = date(2023, 10, 20);
        assert_eq!(
            north.school_weeks_ending(before, 2).from(),
            date(2023, 10, 9)
        );
        assert_eq!(
            middle.school_weeks_ending(before, 2).from(),
            date(2023, 10, 2)
        );
    }

    #[test]
    fn public_holidays_complete_a_holiday_week_and_make_none() {
        // King's Day 2026 is a Monday; 5 May 2026 a Tuesday.
        let may = |first, last| {
            let known = days(date(2026, 4, 1), date(2026, 5, 31));
            let holidays = [(SchoolHoliday::May, days(first, last))];
            Calendar::national().with_school_table(SchoolTable::new(
                SchoolRegion::South,
                known,
                holidays,
            ))
        };
        let week = date(2026, 4, 29);
        assert_eq!(
            may(date(2026, 4, 28), date(2026, 5, 1)).school_week(week),
            None
        );
        assert!(
            may(date(2026, 4, 28), date(2026, 4, 30))
                .school_week(week)
                .is_some()
        );
        assert!(
            may(date(2026, 4, 29), date(2026, 5, 1))
                .school_week(week)
                .is_some()
        );
        let calendar = may(date(2026, 4, 25), date(2026, 5, 3));
        assert!(calendar.school_week(date(2026, 5, 5)).is_some());
        assert!(calendar.school_week(date(2026, 4, 6)).is_some());
        // The municipality's own days off are not the schools'.
        let local = [4, 6, 7, 8].map(|day| date(2026, 5, day));
        let bridge = Calendar::with_local_days(local)
            .with_school_table(calendar.school_table().expect("as built").clone());
        assert!(bridge.school_week(date(2026, 5, 5)).is_some());
    }

    #[test]
    fn regions_and_holidays_have_their_words() {
        let regions = SchoolRegion::ALL.iter();
        assert_eq!(
            regions
                .map(|region| (region.code(), region.label()))
                .collect::<Vec<_>>(),
            [("north", "noord"), ("middle", "midden"), ("south", "zuid")]
        );
        let holidays = SchoolHoliday::ALL.iter().map(|holiday| holiday.code());
        assert_eq!(
            holidays.collect::<Vec<_>>(),
            ["autumn", "christmas", "spring", "may", "summer"]
        );
    }

    #[test]
    fn what_is_known_is_told() {
        let middle = published(SchoolRegion::Middle);
        assert!(middle.has_school_weeks());
        assert_eq!(
            middle.school_weeks_known(),
            Some(days(date(2023, 9, 4), date(2024, 8, 25)))
        );
        let table = middle.school_table().expect("as built");
        assert_eq!(table.region(), SchoolRegion::Middle);
        let in_order: Vec<SchoolHoliday> = table.holidays().map(|(holiday, _)| holiday).collect();
        assert_eq!(in_order, SchoolHoliday::ALL);
        let national = Calendar::national();
        assert!(!national.has_school_weeks());
        assert_eq!(national.school_weeks_known(), None);
        let day = date(2024, 1, 5);
        assert_eq!(
            national.school_weeks_ending(day, 4),
            days(date(2023, 12, 11), day)
        );
    }

    proptest! {
        #[test]
        fn school_weeks_are_what_walking_back_week_by_week_finds(
            spans in proptest::collection::vec((0..1000i32, 1..50i32), 0..12),
            start in -200..1200i32,
            n in 0..30u16,
        ) {
            let first = date(2023, 9, 4);
            let holidays: Vec<_> = spans
                .iter()
                .map(|(offset, length)| {
                    let from = plus_days(first, *offset);
                    (SchoolHoliday::May, Period::new(from, plus_days(from, *length)))
                })
                .collect();
            let is_free = |monday: Date| (0..5).all(|offset| {
                let day = plus_days(monday, offset);
                Holiday::national(day).is_some() || holidays.iter().any(|(_, period)| period.contains(day))
            });
            let known = Period::new(first, plus_days(first, 1100));
            let table = SchoolTable::new(SchoolRegion::North, known, holidays.clone());
            let calendar = Calendar::national().with_school_table(table);
            let day = plus_days(first, start);
            let mut monday = day;
            while monday.weekday() != Weekday::Monday {
                monday = plus_days(monday, -1);
            }
            let week = (!is_free(monday)).then(|| Period::new(monday, plus_days(monday, 7)));
            prop_assert_eq!(calendar.school_week(day), week);
            let mut left = n;
            let mut from = plus_days(day, 1);
            while left > 0 {
                if !is_free(monday) {
                    left -= 1;
                    from = monday;
                }
                monday = plus_days(monday, -7);
            }
            prop_assert_eq!(calendar.school_weeks_ending(day, n), Period::new(from, plus_days(day, 1)));
        }
    }
}
