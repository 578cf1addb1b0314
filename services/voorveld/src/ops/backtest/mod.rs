//! `voorveld backtest`: what rules would have made of stored history, beside the rules in force. Calls what live calls (I6); writes nothing but who asked.
//!
//! Shows counts, and of households that one set of rules finds and the other does not their random ids with the reasons: never who lives there, and
//! nothing that only the safety desk may know (I9, I10).

pub mod forecast;
mod html;
mod plots;
pub mod report;
pub mod suppress;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use voorveld_chassis::Clock;
use voorveld_correlator::backtest::tally::Tally;
use voorveld_correlator::backtest::{self, Activated, Asked, ByClock, Judges, Side};
use voorveld_correlator::published;
use voorveld_detect::RuleSet;
use voorveld_domain::RuleId;
use voorveld_policy::Policy;
use voorveld_store::Store;

use super::office;
use crate::cli::Backtest;
use crate::config::Settings;
use report::Report;

pub use html::page;

/// What `--against` calls the rules in force.
const PUBLISHED: &str = "published";
/// Longest period: a report with a row per week stays readable, and history is not kept longer.
const DAYS_MAX: i32 = 5 * 366;

/// Replays and shows.
pub async fn run(
    asked: &Backtest,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    let report = made(asked, settings, store, clock).await?;
    let to_screen = asked.json.as_deref() == Some(Path::new("-"));
    if let Some(path) = &asked.json {
        let text = serde_json::to_string_pretty(&report)?;
        if to_screen {
            println!("{text}");
        } else {
            write(path, &text)?;
        }
    }
    if let Some(path) = &asked.html {
        write(path, &html::page(&report))?;
    }
    if !to_screen {
        print!("{}", terminal::text(&report));
        for path in asked.json.iter().chain(&asked.html) {
            println!("Geschreven: {}", path.display());
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("writing {} failed", path.display()))
}

/// The report that was asked for.
pub async fn made(
    asked: &Backtest,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<Report> {
    if asked.to < asked.from {
        bail!("--from must not be after --to");
    }
    if DAYS_MAX < voorveld_calendar::days_between(asked.from, asked.to) {
        bail!("at most five years at once");
    }
    let in_force = Arc::new(office::policy_in_force(settings, store).await?);
    let draft = match &asked.policy {
        Some(folder) => Arc::new(load(folder)?),
        None => Arc::clone(&in_force),
    };
    let by_clock = match asked.clock.as_str() {
        "knowledge" => ByClock::Knowledge,
        _ => ByClock::Event,
    };
    let published = match asked.against.as_str() {
        PUBLISHED => {
            let rules = only(in_force.rules(), &asked.rules);
            let judges = match by_clock {
                ByClock::Event => Judges::Always(rules),
                ByClock::Knowledge => {
                    let known: Vec<RuleSet> = published::ever_judged(store)
                        .await?
                        .iter()
                        .map(|policy| only(policy.rules(), &asked.rules))
                        .collect();
                    Judges::AsActivated(Activated::load(store, &rules, &known).await?)
                }
            };
            Side::new(judges, Arc::clone(&in_force))
        }
        folder => {
            let policy = Arc::new(load(&PathBuf::from(folder))?);
            let judges = Judges::Always(only(policy.rules(), &asked.rules));
            Side::new(judges, policy)
        }
    };
    let rules = only(draft.rules(), &asked.rules);
    for rule in &asked.rules {
        if rules.get(rule).is_none() && published.rules().get(rule).is_none() {
            bail!("there is no rule {rule} in either set");
        }
    }
    let subject = ("rule_set", rules.hash().to_string());
    let reason = format!("{} to {}, {} time", asked.from, asked.to, asked.clock);
    let entry = office::entry(clock.now(), None, "backtest.run", subject, &reason);
    // Before anything is shown (I9): it tells why households are found.
    store.record_audit(entry).await?;
    let question = Arc::new(Asked {
        clock: by_clock,
        from: asked.from,
        to: asked.to,
        draft: Side::new(Judges::Always(rules), Arc::clone(&draft)),
        published: Some(published),
    });
    let tally: Tally = backtest::run(store, Arc::clone(&question)).await?;
    Ok(Report::of(&question, &tally, &draft))
}

fn load(folder: &Path) -> anyhow::Result<Policy> {
    Policy::load(folder).with_context(|| format!("the policy in {} is not valid", folder.display()))
}

/// These rules of a set, or all of it. It keeps its identity: what is left out is said by who asked.
#[must_use]
pub fn only(rules: &RuleSet, named: &[RuleId]) -> RuleSet {
    if named.is_empty() {
        return rules.clone();
    }
    let kept = rules
        .rules()
        .iter()
        .filter(|rule| named.contains(&rule.id))
        .cloned()
        .collect();
    RuleSet::new(kept, rules.settings().clone(), rules.hash()).expect("a part of a set is a set")
}
