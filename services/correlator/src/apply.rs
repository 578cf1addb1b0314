//! What a plan asks for, done to the tasks in hand, and noted for the database.

use std::collections::BTreeMap;

use jiff::civil::Date;
use uuid::Uuid;
use voorveld_detect::explain::Words;
use voorveld_detect::{Ground, GroundKey, KnownTask, RuleSet, TaskChange};
use voorveld_domain::{Purpose, TaskId, TaskState};
use voorveld_store::judgements::{
    EventDetail, GoneGround, GroundRow, NamedGround, NewHold, NewTask, SystemEvent, TaskBecomes,
};
use voorveld_store::timelines::TimelineRow;

use crate::convert;
use crate::household::Household;
use crate::ruling::Ruling;

/// What a batch writes besides timelines and matches.
#[derive(Default)]
pub(crate) struct Writes {
    pub raised: Vec<NewTask>,
    /// By task and ground, so that a batch writes each ground once however often it changed.
    pub grounds: BTreeMap<(TaskId, GroundKey), GroundRow>,
    /// The same; a ground that came back is not gone.
    pub gone: BTreeMap<(TaskId, GroundKey), GoneGround>,
    pub events: Vec<SystemEvent>,
    /// Copies that a greater one superseded, in the order in which that happened.
    pub superseded: Vec<TimelineRow>,
    pub holds: Vec<NewHold>,
    /// Copies whose retention is over, judged and let go.
    pub erased: Vec<TimelineRow>,
    /// Nothing is written: histories and words are left out.
    unwritten: bool,
}

/// What caused a judgement.
pub(crate) struct Cause<'a> {
    what: What<'a>,
    /// The request that brought it.
    pub request_id: Option<&'a str>,
}

enum What<'a> {
    Record(convert::CopyOf),
    Day(Date, &'a str),
}

impl<'a> Cause<'a> {
    /// A record.
    pub(crate) const fn record(row: &TimelineRow, request_id: Option<&'a str>) -> Self {
        Self {
            what: What::Record(convert::CopyOf::row(row)),
            request_id,
        }
    }

    /// A day that came, or what a colleague did.
    pub(crate) const fn wake_up(day: Date, reason: &'a str) -> Self {
        Self {
            what: What::Day(day, reason),
            request_id: None,
        }
    }

    /// Names it, for ids that are computed. Most causes raise nothing and need no name.
    fn name(&self) -> String {
        match &self.what {
            What::Record(copy) => copy.to_string(),
            What::Day(day, reason) => format!("{day}/{reason}"),
        }
    }
}

/// Applies the household's plan to its tasks, in order.
pub(crate) fn apply(
    household: &mut Household,
    cause: &Cause<'_>,
    ruling: &Ruling,
    rules: &RuleSet,
    writes: &mut Writes,
    mut count: impl FnMut(&'static str),
) {
    let changes = std::mem::take(&mut household.plan.changes);
    for change in changes {
        count(name(&change));
        match change {
            TaskChange::Raise {
                purpose,
                urgency,
                due_on,
                ladder_step,
                grounds,
            } => {
                let id = free_id(household, purpose, &cause.name());
                let becomes = TaskBecomes {
                    state: TaskState::Open,
                    urgency,
                    due_on,
                    ladder_step: ladder_step.into(),
                    flagged: false,
                    annotated: false,
                };
                let task = KnownTask {
                    id,
                    purpose,
                    state: TaskState::Open,
                    urgency,
                    due_on,
                    ladder_step,
                    raised_on: household.as_of.expect("a plan follows a judgement"),
                    closed: None,
                    grounds: grounds.clone(),
                };
                raise(household, &task, becomes, cause, ruling, writes);
                household.tasks.push(task);
                put(id, &grounds, rules, ruling.words(), writes);
                writes.event(id, "raised", || rule_names(&grounds));
            }
            TaskChange::Join {
                task,
                grounds,
                replaced,
                urgency,
                due_on,
                ladder_step,
            } => {
                change_task(household, task, |known, becomes| {
                    known.without(&replaced);
                    for ground in &grounds {
                        known.put(ground.clone());
                    }
                    known.urgency = urgency;
                    known.due_on = due_on;
                    known.ladder_step = ladder_step;
                    becomes.urgency = urgency;
                    becomes.due_on = due_on;
                    becomes.ladder_step = ladder_step.into();
                    becomes.flagged = false;
                });
                put(task, &grounds, rules, ruling.words(), writes);
                lose(household, task, &replaced, true, writes);
                writes.event(task, "joined", || rule_names(&grounds));
            }
            TaskChange::Annotate { task, gone } => {
                change_task(household, task, |known, becomes| {
                    known.without(&gone);
                    becomes.annotated = true;
                });
                lose(household, task, &gone, false, writes);
                writes.event(task, "annotated", || key_names(&gone));
            }
            TaskChange::Withdraw { task, gone } => {
                change_task(household, task, |known, becomes| {
                    known.grounds.clear();
                    known.state = TaskState::Withdrawn;
                    becomes.state = TaskState::Withdrawn;
                });
                lose(household, task, &gone, false, writes);
                writes.event(task, "withdrawn", || key_names(&gone));
            }
            TaskChange::Flag { task, gone } => {
                change_task(household, task, |known, becomes| {
                    known.without(&gone);
                    becomes.flagged = true;
                });
                lose(household, task, &gone, false, writes);
                writes.event(task, "flagged", || key_names(&gone));
            }
            TaskChange::Hold { reason, signals } => {
                household.guards.held = Some(reason);
                writes.holds.push(NewHold {
                    id: Uuid::new_v4(),
                    municipality: household.memory.municipality,
                    household: household.id,
                    reason,
                    signal: signals.first().copied(),
                });
                let open: Vec<TaskId> = household
                    .tasks
                    .iter()
                    .filter(|task| task.state.is_open() && task.purpose != Purpose::Safety)
                    .map(|task| task.id)
                    .collect();
                for task in open {
                    // Reads alike whatever the reason (K11).
                    writes.event(task, "held", || EventDetail::Nothing {});
                }
            }
            TaskChange::Merge { task, into } => {
                change_task(household, task, |known, becomes| {
                    known.state = TaskState::Merged;
                    becomes.state = TaskState::Merged;
                });
                writes.event(task, "merged", || EventDetail::Into { into });
            }
        }
    }
}

impl Writes {
    /// For a replay, which writes nothing: only what is raised is noted.
    pub(crate) fn of_a_replay() -> Self {
        Self {
            unwritten: true,
            ..Self::default()
        }
    }

    fn event(&mut self, task: TaskId, event: &'static str, detail: impl FnOnce() -> EventDetail) {
        if !self.unwritten {
            self.events.push(SystemEvent {
                task,
                event,
                detail: detail(),
            });
        }
    }
}

const fn name(change: &TaskChange) -> &'static str {
    match change {
        TaskChange::Raise { .. } => "raised",
        TaskChange::Join { .. } => "joined",
        TaskChange::Annotate { .. } => "annotated",
        TaskChange::Withdraw { .. } => "withdrawn",
        TaskChange::Flag { .. } => "flagged",
        TaskChange::Hold { .. } => "held",
        TaskChange::Merge { .. } => "merged",
    }
}

/// The id of the task that this cause raises. One cause raises one task of a purpose, except a colleague's who does the same twice on a day.
fn free_id(household: &Household, purpose: Purpose, cause: &str) -> TaskId {
    let id_of = |nth: usize| match nth {
        0 => convert::task_id(household.id, purpose, cause),
        nth => convert::task_id(household.id, purpose, &format!("{cause}/{nth}")),
    };
    (0..=household.tasks.len())
        .map(id_of)
        .find(|id| household.tasks.iter().all(|task| task.id != *id))
        .expect("one more id than there are tasks")
}

fn raise(
    household: &mut Household,
    task: &KnownTask,
    becomes: TaskBecomes,
    cause: &Cause<'_>,
    ruling: &Ruling,
    writes: &mut Writes,
) {
    let (area, team) = ruling.team_of(household.memory.area(), task.purpose);
    writes.raised.push(NewTask {
        id: task.id,
        municipality: household.memory.municipality,
        household: household.id,
        purpose: task.purpose,
        team,
        area,
        raised_as_of: task.raised_on,
        request_id: cause.request_id.map(str::to_owned),
        becomes,
    });
    household.becomes.insert(task.id, becomes);
}

fn change_task(
    household: &mut Household,
    task: TaskId,
    change: impl FnOnce(&mut KnownTask, &mut TaskBecomes),
) {
    let Some(known) = household.tasks.iter_mut().find(|known| known.id == task) else {
        return;
    };
    let (flagged, annotated) = household.marks.get(&task).copied().unwrap_or_default();
    let becomes = household.becomes.entry(task).or_insert(TaskBecomes {
        state: known.state,
        urgency: known.urgency,
        due_on: known.due_on,
        ladder_step: known.ladder_step.into(),
        flagged,
        annotated,
    });
    change(known, becomes);
}

fn put(task: TaskId, grounds: &[Ground], rules: &RuleSet, words: &Words, writes: &mut Writes) {
    if writes.unwritten {
        return;
    }
    for ground in grounds {
        let key = (task, ground.key());
        writes.gone.remove(&key);
        let row = GroundRow {
            task,
            ground: convert::judged_ground(ground),
            words: crate::explain::ground_words(rules, words, ground),
        };
        writes.grounds.insert(key, row);
    }
}

fn lose(
    household: &Household,
    task: TaskId,
    gone: &[GroundKey],
    replaced: bool,
    writes: &mut Writes,
) {
    let as_of = household.as_of.expect("a plan follows a judgement");
    for key in gone {
        let row = GoneGround {
            task,
            rule: key.rule.clone(),
            anchor: key.anchor.to_string(),
            gone_as_of: as_of,
            replaced,
        };
        writes.gone.insert((task, key.clone()), row);
    }
}

fn rule_names(grounds: &[Ground]) -> EventDetail {
    let named = |ground: &Ground| NamedGround {
        rule: ground.rule.clone(),
        anchor: ground.anchor.to_string(),
        repeat: Some(ground.repeat),
    };
    EventDetail::Grounds {
        grounds: grounds.iter().map(named).collect(),
    }
}

fn key_names(keys: &[GroundKey]) -> EventDetail {
    let named = |key: &GroundKey| NamedGround {
        rule: key.rule.clone(),
        anchor: key.anchor.to_string(),
        repeat: None,
    };
    EventDetail::Grounds {
        grounds: keys.iter().map(named).collect(),
    }
}
