//! Judging: what is read of a household under lock, what comes of it, and which rules were in force.

mod events;
mod known;
mod pages;
mod rules;
mod shadow;
mod written;

use uuid::Uuid;
use voorveld_domain::HouseholdId;

use crate::StoreError;

pub use events::{EventDetail, NamedGround, SystemEvent};
pub use known::{Hearing, Judged, JudgedGround, JudgedTask};
pub use rules::{Activation, BacklogTakenUp, NewActivation};
pub use shadow::{RuleComparison, ShadowRow};
pub use written::{GoneGround, GroundRow, MatchRow, NewHold, NewTask, SuppressionRow, TaskBecomes};

fn corrupt(table: &'static str, what: &'static str) -> StoreError {
    StoreError::Corrupt { table, what }
}

fn ids(households: &[HouseholdId]) -> Vec<Uuid> {
    households
        .iter()
        .map(|household| household.uuid())
        .collect()
}
