//! One household explained: every rule, fired or silent, with its signals, thresholds and values. Calls the same functions as live (I6).

use voorveld_calendar::Calendar;
use voorveld_detect::explain::{self, Words};
use voorveld_detect::{Evaluation, Feeds, Ground, RuleSet, Timeline, evaluate};
use voorveld_domain::HouseholdId;
use voorveld_store::{Store, StoreError};

use crate::convert;
use crate::registered::Registered;
use crate::retention::Retention;

/// Why a ground stands, in plain Dutch, as it is copied onto the task (M3).
#[must_use]
pub fn ground_words(rules: &RuleSet, words: &Words, ground: &Ground) -> String {
    let evidence = explain::all_evidence(&ground.evidence, words);
    match rules.get(&ground.rule) {
        Some(rule) => format!("{}. {evidence}", rule.title),
        None => evidence,
    }
}

/// What is known of a household and what every rule says of it.
#[derive(Debug)]
pub struct Explained {
    /// Its signals as they were judged: under objection or expired ones do not count (S4).
    pub timeline: Timeline,
    /// What the rules say.
    pub evaluation: Evaluation,
}

/// What every rule says of a household now, from what is stored. `None` when nothing was ever filed there.
pub async fn household(
    store: &Store,
    rules: &RuleSet,
    calendar: &Calendar,
    feeds: &Feeds,
    retention: &Retention,
    household: HouseholdId,
    as_of: jiff::civil::Date,
) -> Result<Option<Explained>, StoreError> {
    let mut tx = store.begin("explain").await?;
    let rows = tx.timelines(&[household]).await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let debtors = rows.iter().filter_map(|row| row.debtor).collect();
    let registered: Registered = tx
        .standing_registrations(&[household], &debtors)
        .await?
        .into_iter()
        .collect();
    drop(tx);
    let timeline: Timeline = rows.iter().map(convert::signal).collect::<Result<_, _>>()?;
    let timeline = registered
        .about(household, &timeline, as_of)
        .judged(&timeline, retention, as_of)
        .into_owned();
    let evaluation = evaluate(rules, &timeline, calendar, feeds, as_of);
    Ok(Some(Explained {
        timeline,
        evaluation,
    }))
}
