//! What a glance at a household's signals says of a rule: most households have too few of them, or too far apart, and need not be read.

use voorveld_calendar::{YearMonth, date_of};
use voorveld_domain::PartnerType;

use crate::{After, Condition, Window, Within};

/// No month has more.
const MONTH_DAYS: i32 = 31;

/// What is seen of a signal at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// T1, in days since 1970 ([`voorveld_calendar::day_number`]).
    pub day: i32,
    /// By whom.
    pub partner_type: PartnerType,
}

impl Condition {
    /// Whether a household with these signals, in order of their days, can match it, whatever else they say.
    #[must_use]
    pub fn can_match(&self, signals: &[Glimpse]) -> bool {
        let fewest = self.fewest();
        if signals.len() < fewest {
            return false;
        }
        match self {
            Self::EachSignal(_) | Self::SingleInMonth { .. } => true,
            Self::ConcurrentInMonth { partner_types } => {
                has_types_in_a_month(signals, u32::from(*partner_types))
            }
            Self::ConsecutiveMonths { preceding_months } => {
                let months = i32::from(*preceding_months) + 1;
                has_within(signals, fewest, months * MONTH_DAYS)
            }
            Self::Risen { days, .. } => has_within(signals, fewest, i32::from(*days) + 1),
            Self::Within(within) => within.can_match(signals, fewest),
            Self::Absence { after, .. } => match after {
                After::Signal(_) => true,
                After::Pattern(within) => within.can_match(signals, fewest),
            },
        }
    }
}

impl Within {
    fn can_match(&self, signals: &[Glimpse], fewest: usize) -> bool {
        match self.window {
            _ if self.test.looks_before() => true,
            Window::Days(days) => has_within(signals, fewest, i32::from(days)),
            Window::CalendarMonths(months) => {
                has_within(signals, fewest, i32::from(months) * MONTH_DAYS)
            }
            // How many days those are depends on a calendar.
            Window::WorkingDays(_) | Window::SchoolWeeks(_) => true,
        }
    }
}

/// Whether so many signals lie within so many days in a row.
fn has_within(signals: &[Glimpse], count: usize, days: i32) -> bool {
    signals
        .iter()
        .zip(signals.iter().skip(count.saturating_sub(1)))
        .any(|(first, last)| last.day - first.day < days)
}

/// Whether a calendar month has signals of so many types. Some types may count as one (M1): then there are fewer, never more.
fn has_types_in_a_month(signals: &[Glimpse], least: u32) -> bool {
    let month = |one: &Glimpse| YearMonth::of(date_of(one.day));
    let bit = |one: &Glimpse| 1_u64 << one.partner_type.counted(false).index();
    signals
        .chunk_by(|one, next| month(one) == month(next))
        .any(|in_month| {
            let types = in_month.iter().fold(0, |types, one| types | bit(one));
            least <= u64::count_ones(types)
        })
}
