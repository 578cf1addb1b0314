//! `voorveld rules backlog`: a new version raises only with what came after it; working off what came before is an act of its own.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::{Context, bail};
use voorveld_chassis::Clock;
use voorveld_correlator::preview::{self, Backlog};
use voorveld_correlator::published;
use voorveld_policy::Policy;
use voorveld_store::Store;
use voorveld_store::publications::InForce;
use voorveld_store::wake_ups::{BACKLOG, RULES};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use super::{Answer, confirm};
use crate::cli::RulesBacklog;
use crate::ops::office::{self, table};

/// Shows what the backlog of a rule would raise, asks, and has it worked off.
pub async fn run(asked: &RulesBacklog, store: &Store, clock: &Clock) -> anyhow::Result<ExitCode> {
    let seen = store.in_force().await?;
    let Some(live) = &seen.live else {
        bail!("nothing was published yet");
    };
    let policy = published::read(store, &live.bundle).await?;
    let rule = policy
        .rules()
        .get(&asked.rule)
        .with_context(|| format!("there is no rule {} in force", asked.rule))?;
    if rule.raises().is_none() {
        bail!("rule {} raises nothing", rule.id);
    }
    refuse_while_judging(store, &seen, &policy).await?;
    let told = preview::backlog(store, &policy, (&rule.id, rule.version), clock.today()).await?;
    if told.households == 0 {
        println!(
            "{} v{} has no backlog: no match waits because it came before this version.",
            rule.id, rule.version
        );
        return Ok(ExitCode::SUCCESS);
    }
    print!("{}", in_words(&told, &policy));
    if asked.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(by), Some(reason)) = (&asked.by, &asked.reason) else {
        bail!("say who answers for it (--by) and why (--reason), or look only (--dry-run)");
    };
    if let Answer::No(code) = confirm(asked.yes, "Work it off?")? {
        return Ok(code);
    }
    let now = clock.now();
    let mut tx = store.begin("backlog").await?;
    tx.lock_publishing().await?;
    if tx.in_force().await? != seen {
        bail!("somebody else published in the meantime; look at the preview again");
    }
    let number = tx
        .ask_backlog(&rule.id, rule.version, by, reason, now)
        .await?;
    let subject = ("rule", rule.id.to_string());
    let entry = office::entry(now, None, "rules.backlog_worked_off", subject, reason);
    tx.record_audit(&[entry]).await?;
    tx.commit().await?;
    println!("Backlog {number} is worked off by whoever judges, within seconds.");
    Ok(ExitCode::SUCCESS)
}

/// While households wait for the rules that were published last, nobody can say what waits because of them.
async fn refuse_while_judging(
    store: &Store,
    seen: &InForce,
    policy: &Policy,
) -> anyhow::Result<()> {
    let rules = policy.rules().hash().to_string();
    let running = store.running(RESOLVED_TOPIC).await?;
    let behind = running.iter().filter(|one| one.rule_set != rules).count();
    if 0 < behind {
        bail!("{behind} partitions have not put the published rules in force yet; try again later");
    }
    let mut waiting = 0;
    for reason in [RULES, BACKLOG] {
        waiting += store.waiting_for(RESOLVED_TOPIC, reason).await?;
    }
    if 0 < waiting {
        bail!(
            "{waiting} households wait to be judged by the rules in force or for a backlog; try again later"
        );
    }
    let is_taken_up = store.backlogs_are_taken_up(RESOLVED_TOPIC).await?;
    if seen.backlog != 0 && !is_taken_up {
        bail!("the backlog before this one is not taken up everywhere yet; try again later");
    }
    Ok(())
}

fn in_words(told: &Backlog, policy: &Policy) -> String {
    let mut text = format!(
        "{} households have a match that came before this version. Worked off, {} tasks are raised and {} open ones change.\n",
        told.households,
        told.total(),
        told.joined
    );
    let rows: Vec<Vec<String>> = told
        .raised
        .iter()
        .map(|((team, purpose), count)| {
            let name = policy.routing().find_team(team);
            let name = name.map_or_else(|| team.to_string(), |team| team.name.clone());
            vec![name, purpose.label().to_owned(), count.to_string()]
        })
        .collect();
    if !rows.is_empty() {
        text.push_str(&table(&["TEAM", "FOR", "TASKS"], &rows));
    }
    for (reason, count) in &told.muted {
        let wrote = writeln!(text, "{count} matches still raise nothing: {reason}");
        wrote.expect("a text takes what is written to it");
    }
    text
}
