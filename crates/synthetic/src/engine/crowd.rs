//! One household with thousands of signals, judged and planned record by record: what an institution that nobody excluded costs.

use jiff::civil::Date;
use uuid::Uuid;
use voorveld_calendar::Calendar;
use voorveld_detect::{
    Feeds, Findings, Guards, KnownTask, Planned, RuleSet, Settled, TaskChange, Timeline, plan_again,
};
use voorveld_domain::{TaskId, TaskState};

use super::{Load, Timed, next};

/// Feeds all records to one household: absorb, judge, plan, and do to its tasks what was planned. Its tasks at the end.
pub fn feed_crowd(
    load: &Load,
    rules: &RuleSet,
    calendar: &Calendar,
    timed: Timed<'_>,
) -> Vec<KnownTask> {
    let (feeds, mut guards) = (Feeds::default(), Guards::default());
    let mut timeline = Timeline::default();
    let mut tasks: Vec<KnownTask> = Vec::new();
    let (mut found, mut settled) = (None, Settled::default());
    let mut records = load.records();
    loop {
        let mut chunk = next(&mut records);
        if chunk.is_empty() {
            return tasks;
        }
        timed(&mut || {
            for (_, as_of, signal) in chunk.drain(..) {
                timeline.look_again_by(rules);
                timeline.absorb(signal);
                let findings =
                    Findings::renewed(found.take(), rules, &timeline, calendar, &feeds, as_of);
                let household = Planned {
                    timeline: &timeline,
                    tasks: &tasks,
                    guards: &guards,
                    rules,
                    calendar,
                    as_of,
                };
                let planned = plan_again(&findings, household, &mut settled);
                for change in planned.changes {
                    apply(change, &mut tasks, &mut guards, as_of);
                }
                found = Some(findings);
            }
        });
    }
}

/// Does to the tasks what was planned; nobody claims or closes any.
fn apply(change: TaskChange, tasks: &mut Vec<KnownTask>, guards: &mut Guards, as_of: Date) {
    let number = u128::try_from(tasks.len()).expect("few tasks");
    match change {
        TaskChange::Raise {
            purpose,
            urgency,
            due_on,
            ladder_step,
            grounds,
        } => tasks.push(KnownTask {
            id: TaskId::from_uuid(Uuid::from_u128(number)),
            purpose,
            state: TaskState::Open,
            urgency,
            due_on,
            ladder_step,
            raised_on: as_of,
            closed: None,
            grounds,
        }),
        TaskChange::Join {
            task,
            grounds,
            replaced,
            urgency,
            due_on,
            ladder_step,
        } => {
            let task = known(tasks, task);
            task.without(&replaced);
            for ground in grounds {
                task.put(ground);
            }
            (task.urgency, task.due_on, task.ladder_step) = (urgency, due_on, ladder_step);
        }
        TaskChange::Annotate { task, gone } | TaskChange::Flag { task, gone } => {
            known(tasks, task).without(&gone);
        }
        TaskChange::Withdraw { task, .. } => {
            let task = known(tasks, task);
            task.grounds.clear();
            task.state = TaskState::Withdrawn;
        }
        TaskChange::Hold { reason, .. } => guards.held = Some(reason),
        TaskChange::Merge { task, .. } => known(tasks, task).state = TaskState::Merged,
    }
}

fn known(tasks: &mut [KnownTask], id: TaskId) -> &mut KnownTask {
    let is_it = |task: &&mut KnownTask| task.id == id;
    tasks.iter_mut().find(is_it).expect("a task that there is")
}
