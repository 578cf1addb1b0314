//! The municipality's calendar (`calendar.yaml`): its own days off, and the school holidays of its region.

use jiff::civil::Date;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_norway::Value;
use voorveld_calendar::{Calendar, Period, SchoolHoliday, SchoolRegion, SchoolTable, plus_days};

use crate::error::PolicyErrors;
use crate::yaml::{Code, Located, Outline, read_items, read_list_beside, read_outline};

const FILE: &str = "calendar.yaml";
const DAYS_OFF: &str = "local_days_off";
const REGION: &str = "school_region";
const KNOWN: &str = "school_holidays_known";
const HOLIDAYS: &str = "school_holidays";
/// No school holiday is longer: the summer holiday is six weeks, seven in some schools.
const HOLIDAY_MAX_DAYS: i32 = 63;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DayOffFile {
    on: Date,
    /// For the reader of the file.
    #[serde(rename = "why")]
    _why: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownFile {
    from: Date,
    until: Date,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HolidayFile {
    holiday: Code<SchoolHoliday>,
    regions: Vec<Code<SchoolRegion>>,
    first: Date,
    last: Date,
    /// For the reader of the file.
    #[serde(rename = "set_by")]
    _set_by: SetBy,
    #[serde(rename = "remark")]
    _remark: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SetBy {
    Law,
    Advice,
}

/// Reads the calendar. A file that names a region and no holidays counts with those of `shipped`: they are the nation's.
pub(crate) fn read(text: &str, shipped: &str, errors: &mut PolicyErrors) -> Calendar {
    let keys = [DAYS_OFF, REGION, KNOWN, HOLIDAYS];
    let days: Vec<Located<DayOffFile>> = read_list_beside(FILE, text, DAYS_OFF, &keys, errors);
    let calendar = Calendar::with_local_days(days.into_iter().map(|day| day.value.on));
    // What is wrong with the outline was told with the days off.
    let mut told = PolicyErrors::default();
    let Some(outline) = read_outline(FILE, text, &keys, &mut told) else {
        return calendar;
    };
    let own_table = outline.contains_key(HOLIDAYS) || outline.contains_key(KNOWN);
    let Some(Code(region)) = scalar::<Code<SchoolRegion>>(&outline, text, REGION, errors) else {
        if own_table && !outline.contains_key(REGION) {
            errors.push(
                FILE,
                line_of(text, HOLIDAYS),
                format_args!(
                    "expected `{REGION}` beside the school holidays: {}",
                    regions()
                ),
            );
        }
        return calendar;
    };
    let table = if own_table {
        read_table(text, &outline, region, errors)
    } else {
        read_outline(FILE, shipped, &keys, errors)
            .and_then(|outline| read_table(shipped, &outline, region, errors))
    };
    match table {
        Some(table) => calendar.with_school_table(table),
        None => calendar,
    }
}

fn regions() -> String {
    let codes: Vec<&str> = SchoolRegion::ALL.iter().map(|one| one.code()).collect();
    codes.join(", ")
}

fn read_table(
    text: &str,
    outline: &Outline,
    region: SchoolRegion,
    errors: &mut PolicyErrors,
) -> Option<SchoolTable> {
    let holidays: Vec<Located<HolidayFile>> = read_items(FILE, text, HOLIDAYS, errors);
    let line = line_of(text, KNOWN);
    if !outline.contains_key(KNOWN) {
        errors.push(
            FILE,
            line_of(text, HOLIDAYS),
            format_args!("expected `{KNOWN}: {{ from, until }}` beside the school holidays"),
        );
    }
    let known: KnownFile = scalar(outline, text, KNOWN, errors)?;
    if known.until <= known.from {
        errors.push(FILE, line, "expected `until` to come after `from`");
    }
    let known = through(known.from, known.until);
    let mut of_region: Vec<(SchoolHoliday, Period)> = Vec::new();
    let mut seen: Vec<(SchoolRegion, Period)> = Vec::new();
    for item in &holidays {
        let file = &item.value;
        let period = through(file.first, file.last);
        let mut say = |message: String| errors.push(FILE, Some(item.line), message);
        if file.last < file.first || period.days() > HOLIDAY_MAX_DAYS {
            say(format!(
                "expected `last` to be `first` or later, and at most {HOLIDAY_MAX_DAYS} days"
            ));
            continue;
        }
        if !(known.contains(file.first) && known.contains(file.last)) {
            say(format!(
                "a holiday from {} to {} is not within `{KNOWN}`",
                file.first, file.last
            ));
        }
        if file.regions.is_empty() {
            say(format!("expected at least one region: {}", regions()));
        }
        for Code(one) in &file.regions {
            if let Some((_, other)) = seen
                .iter()
                .find(|(region, other)| region == one && other.overlaps(&period))
            {
                say(format!(
                    "region `{}` has a holiday from {} already",
                    one.code(),
                    other.from()
                ));
            }
            seen.push((*one, period));
        }
        if file.regions.contains(&Code(region)) {
            of_region.push((file.holiday.0, period));
        }
    }
    if of_region.is_empty() && !holidays.is_empty() {
        errors.push(
            FILE,
            line_of(text, REGION),
            format_args!("region `{}` has no holiday in the list", region.code()),
        );
    }
    Some(SchoolTable::new(region, known, of_region))
}

/// From the first day up to and including the last.
fn through(first: Date, last: Date) -> Period {
    Period::new(first, plus_days(last, 1))
}

fn scalar<T: DeserializeOwned>(
    outline: &Outline,
    text: &str,
    key: &str,
    errors: &mut PolicyErrors,
) -> Option<T> {
    let value: &Value = outline.get(key)?;
    match serde_norway::from_value(value.clone()) {
        Ok(value) => Some(value),
        Err(error) => {
            errors.push(FILE, line_of(text, key), format_args!("{key}: {error}"));
            None
        }
    }
}

fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .position(|row| {
            row.strip_prefix(key)
                .is_some_and(|rest| rest.starts_with(':'))
        })
        .map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::needless_raw_string_hashes,
        reason = "expect_test writes them when it renews a text"
    )]

    use expect_test::{Expect, expect};
    use jiff::civil::date;

    use super::*;
    use crate::source::shipped_text;

    fn read_own(text: &str) -> Result<Calendar, PolicyErrors> {
        let mut errors = PolicyErrors::default();
        let calendar = read(text, shipped_text(FILE), &mut errors);
        errors.unless_empty(Some(calendar))
    }

    fn refuses(text: &str, expected: &Expect) {
        expected.assert_eq(&read_own(text).expect_err("a broken file").to_string());
    }

    #[test]
    fn the_shipped_table_is_whole_for_every_region() {
        for (region, last_autumn_week) in [
            ("north", date(2026, 10, 12)),
            ("middle", date(2026, 10, 19)),
            ("south", date(2026, 10, 19)),
        ] {
            let text = shipped_text(FILE).replace("region: middle", &format!("region: {region}"));
            let calendar = read_own(&text).unwrap();
            let table = calendar.school_table().unwrap();
            assert_eq!(table.region().code(), region);
            let holidays: Vec<SchoolHoliday> = table.holidays().map(|(name, _)| name).collect();
            assert_eq!(holidays, SchoolHoliday::ALL.repeat(4), "{region}");
            for (holiday, period) in table.holidays() {
                let weeks = match holiday {
                    SchoolHoliday::Christmas => 2,
                    SchoolHoliday::Summer => 6,
                    _ => 1,
                };
                // From a Saturday up to and including a Sunday.
                assert_eq!(period.days(), weeks * 7 + 2, "{region} {period}");
                let monday = plus_days(period.from(), 2);
                assert_eq!(
                    monday.weekday(),
                    jiff::civil::Weekday::Monday,
                    "{region} {period}"
                );
                for week in 0..weeks {
                    assert_eq!(calendar.school_week(plus_days(monday, week * 7)), None);
                }
                assert!(calendar.school_week(plus_days(monday, -7)).is_some());
                assert!(calendar.school_week(plus_days(monday, weeks * 7)).is_some());
            }
            assert_eq!(calendar.school_week(last_autumn_week), None, "{region}");
            // Forty weeks of school a year, give or take one.
            for year in 2023..2027 {
                let weeks = (0..52)
                    .map(|week| plus_days(date(year, 9, 4), week * 7))
                    .filter(|day| calendar.school_week(*day).is_some());
                let weeks = weeks.count();
                assert!((40..=42).contains(&weeks), "{region} {year}: {weeks}");
            }
        }
    }

    #[test]
    fn a_file_of_ones_own_needs_a_region_for_school_weeks_and_no_list() {
        let without = read_own("local_days_off: [{ on: 2025-10-03, why: Ontzet }]\n").unwrap();
        assert!(!without.has_school_weeks());
        assert!(!without.is_working_day(date(2025, 10, 3)));
        let south = read_own("local_days_off: []\nschool_region: south\n").unwrap();
        assert_eq!(south.school_table().unwrap().region(), SchoolRegion::South);
        assert_eq!(south.school_week(date(2026, 7, 13)), None);
        let own = read_own(
            "local_days_off: []\nschool_region: north\nschool_holidays_known: { from: 2025-01-01, until: 2025-12-31 }\nschool_holidays:\n  \
             - { holiday: may, regions: [north], first: 2025-04-19, last: 2025-05-04, set_by: advice, remark: Twee weken }\n",
        )
        .unwrap();
        assert_eq!(own.school_week(date(2025, 4, 23)), None);
        assert!(own.school_week(date(2025, 7, 23)).is_some());
        assert_eq!(
            own.school_weeks_known(),
            Some(through(date(2025, 1, 1), date(2025, 12, 31)))
        );
    }

    #[test]
    fn a_table_that_cannot_be_is_refused_with_its_line() {
        refuses(
            "local_days_off: []\nschool_region: west\nschool_holiday: []\n",
            &expect![[r#"
                calendar.yaml:2: school_region: `west`: expected one of north, middle, south
                calendar.yaml:3: unknown field `school_holiday`, expected `local_days_off`, `school_region`, `school_holidays_known`, `school_holidays`"#]],
        );
        refuses(
            "local_days_off: []\nschool_region: north\nschool_holidays_known: { from: 2025-01-01, until: 2025-12-31 }\nschool_holidays:\n  \
             - { holiday: may, regions: [north, south], first: 2025-04-26, last: 2025-05-04, set_by: law }\n  \
             - { holiday: may, regions: [south], first: 2025-05-03, last: 2025-05-11, set_by: law }\n  \
             - { holiday: easter, regions: [south], first: 2025-04-19, last: 2025-04-21, set_by: law }\n  \
             - { holiday: autumn, regions: [east], first: 2025-10-18, last: 2025-10-26, set_by: law }\n  \
             - { holiday: autumn, regions: [], first: 2025-10-18, last: 2025-10-26, set_by: law }\n  \
             - { holiday: autumn, regions: [north], first: 2025-10-26, last: 2025-10-18, set_by: law }\n  \
             - { holiday: summer, regions: [north], first: 2025-06-01, last: 2025-08-31, set_by: law }\n  \
             - { holiday: christmas, regions: [north], first: 2025-12-20, last: 2026-01-04, set_by: somebody }\n  \
             - { holiday: christmas, regions: [middle], first: 2025-12-20, last: 2026-01-04, set_by: law }\n",
            &expect![[r#"
                calendar.yaml:6: region `south` has a holiday from 2025-04-26 already
                calendar.yaml:7: `easter`: expected one of autumn, christmas, spring, may, summer
                calendar.yaml:8: regions: `east`: expected one of north, middle, south
                calendar.yaml:9: expected at least one region: north, middle, south
                calendar.yaml:10: expected `last` to be `first` or later, and at most 63 days
                calendar.yaml:11: expected `last` to be `first` or later, and at most 63 days
                calendar.yaml:12: set_by: unknown variant `somebody`, expected `law` or `advice`
                calendar.yaml:13: a holiday from 2025-12-20 to 2026-01-04 is not within `school_holidays_known`"#]],
        );
        refuses(
            "local_days_off: []\nschool_holidays: []\n",
            &expect![
                "calendar.yaml:2: expected `school_region` beside the school holidays: north, middle, south"
            ],
        );
        refuses(
            "local_days_off: []\nschool_region: middle\nschool_holidays:\n  - { holiday: may, regions: [north], first: 2025-04-26, last: 2025-05-04, set_by: law }\n",
            &expect![
                "calendar.yaml:3: expected `school_holidays_known: { from, until }` beside the school holidays"
            ],
        );
        refuses(
            "local_days_off: []\nschool_region: middle\nschool_holidays_known: { from: 2025-01-01, until: 2024-12-31 }\nschool_holidays:\n  \
             - { holiday: may, regions: [north], first: 2025-04-26, last: 2025-05-04, set_by: law }\n",
            &expect![[r#"
                calendar.yaml:2: region `middle` has no holiday in the list
                calendar.yaml:3: expected `until` to come after `from`
                calendar.yaml:5: a holiday from 2025-04-26 to 2025-05-04 is not within `school_holidays_known`"#]],
        );
    }
}
