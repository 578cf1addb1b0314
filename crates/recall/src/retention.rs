//! How long a signal counts and is kept.

use std::collections::BTreeMap;

use jiff::civil::Date;
use voorveld_calendar::plus_days;
use voorveld_detect::RuleSet;
use voorveld_domain::KindId;

/// How many days a signal of each kind is kept, from its event date (T1). A kind that is on the list no more is kept as long as the longest.
#[derive(Debug, Clone, Default)]
pub struct Retention {
    days: BTreeMap<KindId, u16>,
    shortest: u16,
    longest: u16,
}

impl FromIterator<(KindId, u16)> for Retention {
    fn from_iter<I: IntoIterator<Item = (KindId, u16)>>(kinds: I) -> Self {
        let days: BTreeMap<KindId, u16> = kinds.into_iter().collect();
        let longest = days.values().copied().max().unwrap_or(u16::MAX);
        let shortest = days.values().copied().min().unwrap_or(u16::MAX);
        Self {
            days,
            shortest,
            longest,
        }
    }
}

impl Retention {
    /// As a set of rules judges by it: what was published, and not what a file says that was not.
    #[must_use]
    pub fn of(rules: &RuleSet) -> Self {
        let kinds = &rules.settings().retention_days;
        kinds
            .iter()
            .map(|(kind, days)| (kind.clone(), *days))
            .collect()
    }

    /// Whether a signal has expired: from its event date and so many days on (S4), the day on which the door would refuse it as too old (S6).
    #[must_use]
    pub fn is_over(&self, kind: &KindId, event_date: Date, as_of: Date) -> bool {
        let days = self.days.get(kind).copied().unwrap_or(self.longest);
        plus_days(event_date, i32::from(days)) <= as_of
    }

    /// The last event date of which anything has expired on a day.
    #[must_use]
    pub fn first_over_on(&self, as_of: Date) -> Date {
        plus_days(as_of, -i32::from(self.shortest))
    }

    /// For how many days the kind is kept that is kept longest.
    #[must_use]
    pub const fn longest(&self) -> u16 {
        self.longest
    }

    /// Each kind and the last event date that has expired on a day; without a kind what goes for every other one.
    #[must_use]
    pub fn over_on(&self, as_of: Date) -> Vec<(Option<KindId>, Date)> {
        let last = |days: u16| plus_days(as_of, -i32::from(days));
        self.days
            .iter()
            .map(|(kind, days)| (Some(kind.clone()), last(*days)))
            .chain([(None, last(self.longest))])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_signal_expires_on_the_day_on_which_the_door_would_refuse_it() {
        let retention: Retention = [("rent_arrears".parse().expect("a kind"), 365)]
            .into_iter()
            .collect();
        let rent = "rent_arrears".parse().expect("a kind");
        let other = "gone_arrears".parse().expect("a kind");
        for (as_of, over) in [(date(2026, 1, 9), false), (date(2026, 1, 10), true)] {
            assert_eq!(retention.is_over(&rent, date(2025, 1, 10), as_of), over);
            assert_eq!(retention.is_over(&other, date(2025, 1, 10), as_of), over);
            let last = retention.over_on(as_of);
            assert!(
                last.iter()
                    .all(|(_, last)| (date(2025, 1, 10) <= *last) == over)
            );
        }
    }
}
