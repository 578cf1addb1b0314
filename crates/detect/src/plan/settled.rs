//! What a plan left as it belongs, so that the next one need not look at it again (adr 21).

use std::collections::BTreeMap;

use jiff::civil::Date;
use voorveld_domain::{HoldReason, Purpose, TaskId, TaskState, Urgency};

use crate::task::{KnownTask, Suppression};

/// What plans left as it belongs, by purpose.
#[derive(Debug, Clone, Default)]
pub struct Settled(pub(super) BTreeMap<Purpose, SettledTask>);

/// The open task of a purpose after a plan that was done.
#[derive(Debug, Clone)]
pub(super) struct SettledTask {
    pub(super) footing: Footing,
    /// What raised nothing and joined nothing.
    pub(super) suppressed: Vec<Suppression>,
}

/// What a plan stood on besides what was found; the next one stands on the same, unless people did something meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Footing {
    pub(super) task: TaskId,
    pub(super) state: TaskState,
    pub(super) facts: Facts,
    pub(super) grounds: usize,
    /// Of all states.
    pub(super) tasks: Vec<TaskState>,
    pub(super) answered_elsewhere: usize,
    pub(super) held: Option<HoldReason>,
}

/// What grounds ask of their task, together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) urgency: Urgency,
    pub(super) due_on: Date,
    pub(super) ladder_step: u8,
}

impl Facts {
    pub(super) const fn of(task: &KnownTask) -> Self {
        Self {
            urgency: task.urgency,
            due_on: task.due_on,
            ladder_step: task.ladder_step,
        }
    }
}
