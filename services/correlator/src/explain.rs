//! One household explained: every rule, fired or silent, with its signals, thresholds and values. Calls the same functions as live (I6).

use voorveld_calendar::Calendar;
use voorveld_detect::explain::{self, Words};
use voorveld_detect::{Evaluation, Feeds, Ground, RuleSet, Timeline, evaluate};
use voorveld_domain::HouseholdId;
use voorveld_store::{Store, StoreError};

use crate::convert;

/// Why a ground stands, in plain Dutch, as it is copied onto the task (M3).
#[must_use]
pub fn ground_words(rules: &RuleSet, words: &Words, ground: &Ground) -> String {
    let evidence = explain::all_evidence(&ground.evidence, words);
    match rules.get(&ground.rule) {
        Some(rule) => format!("{}. {evidence}", rule.title),
        None => evidence,
    }
}

/// What every rule says of a household now, from what is stored. `None` when nothing was ever filed there.
pub async fn household(
    store: &Store,
    rules: &RuleSet,
    calendar: &Calendar,
    feeds: &Feeds,
    household: HouseholdId,
    as_of: jiff::civil::Date,
) -> Result<Option<Evaluation>, StoreError> {
    let rows = store.timeline(household).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let timeline: Timeline = rows.iter().map(convert::signal).collect::<Result<_, _>>()?;
    Ok(Some(evaluate(rules, &timeline, calendar, feeds, as_of)))
}
