//! `voorveld explain`: what is known of a household and what each rule says of it. Calls what live calls (I6).

use std::process::ExitCode;

use anyhow::{Context, bail};
use voorveld_chassis::Clock;
use voorveld_detect::explain;
use voorveld_domain::{HouseholdId, Presence, SignalId, TaskId};
use voorveld_store::Store;
use voorveld_store::timelines::TimelineRow;

use super::office::{self, table};
use crate::cli::Explain;
use crate::config::Settings;
use crate::roles;

/// Prints signals and verdicts, silent ones too; ids and facts, never who lives there.
pub async fn run(
    asked: &Explain,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    let household = household(asked, settings, store).await?;
    let as_of = asked.as_of.unwrap_or_else(|| clock.today());
    let policy = office::policy(settings)?;
    let words = roles::words(&policy);
    let evaluation = voorveld_correlator::explain::household(
        store,
        policy.rules(),
        policy.calendar(),
        household,
        as_of,
    )
    .await?
    .with_context(|| format!("nothing was ever filed at household {household}"))?;
    let rows = store.timeline(household).await?;

    println!("Huishouden {household}, beoordeeld op {as_of}\n");
    println!("Signalen");
    let lines: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let kind = words.kinds.get(&row.kind).cloned();
            vec![
                row.event_date.to_string(),
                row.partner.to_string(),
                kind.unwrap_or_else(|| row.kind.to_string()),
                row.amount
                    .map(|amount| amount.to_string())
                    .unwrap_or_default(),
                counted(row).to_owned(),
                row.signal.to_string(),
            ]
        })
        .collect();
    print!(
        "{}",
        table(
            &["DATUM", "PARTNER", "SOORT", "BEDRAG", "TELT MEE", "SIGNAAL"],
            &lines
        )
    );

    println!("\nRegels (verzameling {})", policy.rules().hash());
    for verdict in &evaluation.verdicts {
        if let Some(rule) = policy.rules().get(&verdict.rule) {
            println!(
                "- {} v{}: {}",
                rule.id,
                rule.version,
                explain::verdict(rule, verdict, &words)
            );
        }
    }
    println!("\nMatches");
    if evaluation.matches.is_empty() {
        println!("- geen");
    }
    for found in &evaluation.matches {
        let witnesses: Vec<String> = found.witnesses.iter().map(ToString::to_string).collect();
        println!(
            "- {} v{} ({}): {}",
            found.rule,
            found.version,
            found.anchor,
            witnesses.join(", ")
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn counted(row: &TimelineRow) -> &'static str {
    match row.presence {
        Presence::LivesHere => row.standing.label(),
        Presence::MovedAway => "verhuisd naar een ander huishouden",
    }
}

async fn household(
    asked: &Explain,
    settings: &Settings,
    store: &Store,
) -> anyhow::Result<HouseholdId> {
    if let Some(id) = asked.household {
        return Ok(HouseholdId::from_uuid(id));
    }
    if let Some(signal) = asked.signal {
        let mut tx = store.begin("explain").await?;
        let homes = tx.homes(&[signal]).await?;
        let home = homes
            .get(&signal)
            .with_context(|| format!("there is no signal {}", SignalId::from_uuid(signal)))?;
        return home.household.with_context(|| {
            format!("signal {signal} has no household; see `voorveld queue show {signal}`")
        });
    }
    if let Some(task) = asked.task {
        for municipality in &settings.municipalities {
            if let Some(found) = store.task(*municipality, TaskId::from_uuid(task)).await? {
                return Ok(found.household);
            }
        }
        bail!("there is no task {task}");
    }
    bail!("say which household, signal or task")
}
