//! What the system writes in the history of a task.

use std::fmt::Display;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde::{Serialize, Serializer};
use sqlx::types::Json;
use voorveld_domain::{RuleId, TaskId};

use crate::copying::Rows;
use crate::{StoreError, Tx};

/// A line in a task's history, written by the system.
#[derive(Debug, Clone)]
pub struct SystemEvent {
    /// Which task.
    pub task: TaskId,
    /// raised, joined, annotated, flagged, withdrawn, held, merged.
    pub event: &'static str,
    /// What it tells.
    pub detail: EventDetail,
}

/// What a line in a task's history tells: codes and ids only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum EventDetail {
    /// Which grounds it is about.
    Grounds {
        /// In the order of the plan.
        grounds: Vec<NamedGround>,
    },
    /// In which task this one goes on.
    Into {
        /// That task.
        #[serde(serialize_with = "as_text")]
        into: TaskId,
    },
    /// Nothing: it reads alike whatever the reason (K11).
    Nothing {},
}

/// A ground by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamedGround {
    /// Which rule.
    #[serde(serialize_with = "as_text")]
    pub rule: RuleId,
    /// Its anchor as text.
    pub anchor: String,
    /// Whether it is a repeat (K6); `None` where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<bool>,
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

impl Tx {
    /// Writes the system's lines in the histories, in the order given.
    pub async fn write_system_events(
        &mut self,
        rows: &[SystemEvent],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut new = Rows::default();
        for row in rows {
            new.column(row.task.uuid()).column(now.to_sqlx());
            new.column(row.event).column(Json(&row.detail)).end();
        }
        self.copy("task_events (task_id, happened_at, event, detail)", new)
            .await
    }
}
