//! The shadow at work: judged beside the live rules, on what they left, and nothing is done with its plan.

use jiff::civil::Date;
use voorveld_calendar::Calendar;
use voorveld_detect::{GroundKey, RuleSet, TaskChange, evaluate, plan};
use voorveld_store::judgements::ShadowRow;

use crate::household::Household;

/// What a shadow says of a household that was judged just now, and when that may change without a signal.
pub(crate) fn judge(
    household: &Household,
    rules: &RuleSet,
    calendar: &Calendar,
) -> (Vec<ShadowRow>, Option<Date>) {
    let Some(as_of) = household.as_of else {
        return (Vec::new(), None);
    };
    let timeline = &household.memory.timeline;
    let evaluation = evaluate(rules, timeline, calendar, as_of);
    let mut guards = household.guards.clone();
    if rules.has_newcomers() {
        guards.came_at = household.memory.came_at();
    }
    let planned = plan(
        &evaluation,
        timeline,
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
