//! `voorveld audit`

use std::process::ExitCode;

use anyhow::Context;
use jiff::tz::TimeZone;
use voorveld_chassis::Clock;
use voorveld_chassis::clock::CIVIL_ZONE;
use voorveld_domain::{HouseholdId, TaskId};
use voorveld_store::Store;
use voorveld_store::audit::{AuditEvent, AuditFilter};

use super::office::{moment, table};
use crate::cli::Audit;

/// Prints who did what, newest first.
pub async fn run(asked: Audit, store: &Store, clock: &Clock) -> anyhow::Result<ExitCode> {
    let from = asked
        .from
        .map(|day| {
            let zone = TimeZone::get(CIVIL_ZONE).context("the zone database is built in")?;
            anyhow::Ok(day.to_zoned(zone)?.timestamp())
        })
        .transpose()?;
    let events = store
        .audit_events(&AuditFilter {
            from,
            actor: asked.user,
            action: asked.action,
            subject_id: asked.subject,
            limit: asked.limit,
            ..AuditFilter::default()
        })
        .await?;
    if asked.json {
        for event in &events {
            println!("{}", as_json(event));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = events
        .into_iter()
        .map(|event| {
            let about = about(&event);
            vec![
                moment(clock, event.happened_at),
                event.login.unwrap_or(event.actor),
                event.action,
                about,
                event.reason,
            ]
        })
        .collect();
    print!("{}", table(&["WHEN", "WHO", "WHAT", "ABOUT", "WHY"], &rows));
    Ok(ExitCode::SUCCESS)
}

fn about(event: &AuditEvent) -> String {
    let subject = format!("{} {}", event.subject_kind, event.subject_id);
    match event.about.task {
        Some(task) => format!("{subject} in task {task}"),
        None => subject,
    }
}

fn as_json(event: &AuditEvent) -> serde_json::Value {
    serde_json::json!({
        "id": event.audit_id,
        "happenedAt": event.happened_at,
        "municipality": event.municipality,
        "actor": event.actor,
        "login": event.login,
        "action": event.action,
        "subjectKind": event.subject_kind,
        "subjectId": event.subject_id,
        "taskId": event.about.task.map(TaskId::uuid),
        "householdId": event.about.household.map(HouseholdId::uuid),
        "reason": event.reason,
        "requestId": event.request_id,
    })
}
