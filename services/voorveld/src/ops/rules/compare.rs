//! `voorveld rules compare`: the shadow beside what is live.

use std::process::ExitCode;

use anyhow::Context;
use voorveld_domain::{HouseholdId, Purpose};
use voorveld_store::Store;
use voorveld_store::judgements::RuleComparison;
use voorveld_store::wake_ups::RULES;
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::ops::office::{self, table};

/// How many households are named of each sort.
const HOUSEHOLDS_MAX: i64 = 5;

/// Prints the comparison, rule by rule.
pub async fn run(store: &Store, json: bool) -> anyhow::Result<ExitCode> {
    let shadow = store.in_force().await?.shadow;
    let number = shadow.context("no shadow runs")?.publication;
    let rules = store.compare_shadow(number, None).await?;
    let waiting = store.waiting_for(RESOLVED_TOPIC, RULES).await?;
    let policy = office::published(store).await?;
    if json {
        for rule in &rules {
            println!("{}", as_json(rule));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let partitions = store.shadow_partitions(number).await?;
    println!("Publication {number} runs as a shadow in {partitions} partitions.");
    if 0 < waiting {
        println!("{waiting} households wait to be judged: the figures are not whole yet.");
    }
    println!();
    print!("{}", told(&rules));
    for rule in &rules {
        // Which households a rule of the safety desk finds is nobody else's to know (I10).
        let is_safety = policy
            .as_ref()
            .and_then(|policy| policy.rules().get(&rule.rule))
            .is_none_or(|rule| rule.purpose == Purpose::Safety);
        if rule.only_live + rule.only_shadow == 0 || is_safety {
            continue;
        }
        let differences = store.shadow_differences(number, &rule.rule, HOUSEHOLDS_MAX);
        let (live, shadow) = differences.await?;
        println!("\n{}", rule.rule);
        for (what, households) in [("only live", live), ("only in the shadow", shadow)] {
            if !households.is_empty() {
                let ids: Vec<String> = households.iter().map(HouseholdId::to_string).collect();
                println!("  {what}, such as {}", ids.join(", "));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn told(rules: &[RuleComparison]) -> String {
    let version = |version: Option<u32>| version.map_or_else(String::new, |n| format!("v{n}"));
    let rows: Vec<Vec<String>> = rules
        .iter()
        .map(|rule| {
            vec![
                rule.rule.to_string(),
                version(rule.live_version),
                rule.live.to_string(),
                version(rule.shadow_version),
                rule.shadow.to_string(),
                rule.only_live.to_string(),
                rule.only_shadow.to_string(),
                rule.would_raise.to_string(),
            ]
        })
        .collect();
    table(
        &[
            "RULE",
            "LIVE",
            "MATCHES",
            "SHADOW",
            "MATCHES",
            "HOUSEHOLDS ONLY LIVE",
            "ONLY SHADOW",
            "WOULD HAVE RAISED",
        ],
        &rows,
    )
}

fn as_json(rule: &RuleComparison) -> serde_json::Value {
    serde_json::json!({
        "rule": rule.rule.as_str(), "liveVersion": rule.live_version, "shadowVersion": rule.shadow_version,
        "liveMatches": rule.live, "shadowMatches": rule.shadow, "householdsOnlyLive": rule.only_live,
        "householdsOnlyShadow": rule.only_shadow, "householdsWouldRaise": rule.would_raise,
    })
}
