//! The shadow at work: judged beside the live rules, on what they left, and nothing is done with its plan.

use jiff::civil::Date;
use voorveld_detect::{Feeds, GroundKey, RuleSet, TaskChange, find_matches, plan};
use voorveld_store::judgements::ShadowRow;

use crate::household::Household;
use crate::ruling::Ruling;

/// What a shadow says of a household that was judged just now, and when that may change without a signal.
pub(crate) fn judge(
    household: &Household,
    rules: &RuleSet,
    ruling: &Ruling,
    feeds: &Feeds,
) -> (Vec<ShadowRow>, Option<Date>) {
    let Some(as_of) = household.as_of else {
        return (Vec::new(), None);
    };
    let timeline = household.heeded(ruling.retention(), as_of);
    let calendar = ruling.calendar();
    let evaluation = find_matches(rules, &timeline, calendar, feeds, as_of);
    let mut guards = household.guards.clone();
    if rules.has_newcomers() {
        guards.came_at = household.memory.came_at();
    }
    let planned = plan(
        &evaluation,
        &timeline,
        &household.tasks,
        &guards,
        rules,
        calendar,
        as_of,
    );
    let raising: Vec<GroundKey> = planned
        .changes
        .iter()
        .filter_map(|change| match change {
            TaskChange::Raise { grounds, .. } => Some(grounds),
            _ => None,
        })
        .flatten()
        .map(voorveld_detect::Ground::key)
        .collect();
    let rows = evaluation
        .matches
        .iter()
        .map(|found| {
            let key = GroundKey {
                rule: found.rule.clone(),
                anchor: found.anchor,
            };
            ShadowRow {
                raises: raising.contains(&key),
                found: household.match_row(found),
            }
        })
        .collect();
    (rows, evaluation.next_look)
}
