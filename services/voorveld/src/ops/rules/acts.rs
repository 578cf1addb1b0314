//! `voorveld rules publish` and `voorveld rules retire`

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use voorveld_chassis::Clock;
use voorveld_correlator::preview as would;
use voorveld_correlator::published::{self, Asked, PublishError, short};
use voorveld_domain::KindId;
use voorveld_policy::{Bundle, Policy, Warning, diff};
use voorveld_store::Store;
use voorveld_store::audit::NewAuditEvent;
use voorveld_store::publications::{InForce, Mode};

use super::{Answer, confirm, diff as difference, drafted, not_valid, preview};
use crate::cli::{RulesPublish, RulesRetire};
use crate::config::Settings;
use crate::ops::check::only_faults;
use crate::ops::office;

/// The file in which profiles are switched on and off.
const PROFILES_FILE: &str = "profiles.yaml";
/// What `retire` calls the shadow.
const SHADOW: &str = "shadow";

/// What the rules' own examples are to whoever publishes.
#[derive(Clone, Copy)]
enum Examples {
    /// One that does not hold is a mistake in the files.
    MustHold,
    /// One may count on a rule that is taken out, and taking a rule out cannot wait for somebody who rewrites it.
    MayFail,
}

/// Somebody who publishes.
#[derive(Clone, Copy)]
struct Who<'a> {
    by: &'a str,
    reason: &'a str,
    yes: bool,
    dry_run: bool,
    examples: Examples,
}

/// Publishes the files of a folder.
pub async fn publish(
    asked: &RulesPublish,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    let draft = drafted(asked.policy.as_deref(), settings)?;
    let mode = if asked.shadow {
        Mode::Shadow
    } else {
        Mode::Live
    };
    let who = Who {
        by: &asked.by,
        reason: &asked.reason,
        yes: asked.yes,
        dry_run: asked.dry_run,
        examples: Examples::MustHold,
    };
    put_in_force(&draft, mode, who, store, clock, |_| Vec::new()).await
}

/// Publishes what is in force without one rule, or ends the shadow.
pub async fn retire(asked: &RulesRetire, store: &Store, clock: &Clock) -> anyhow::Result<ExitCode> {
    let who = Who {
        by: &asked.by,
        reason: &asked.reason,
        yes: asked.yes,
        dry_run: asked.dry_run,
        examples: Examples::MayFail,
    };
    if asked.what == SHADOW {
        return end_shadow(who, store, clock).await;
    }
    let rule = asked.what.parse();
    let rule = rule.with_context(|| format!("{} is no rule and not `shadow`", asked.what))?;
    let live = super::published_files(store, "live").await?;
    let draft = live
        .without_rule(&rule)
        .with_context(|| format!("there is no rule {rule} in force"))?;
    let now = clock.now();
    put_in_force(&draft, Mode::Live, who, store, clock, |_| {
        let subject = ("rule", rule.to_string());
        vec![office::entry(
            now,
            None,
            "rules.retired",
            subject,
            who.reason,
        )]
    })
    .await
}

async fn end_shadow(who: Who<'_>, store: &Store, clock: &Clock) -> anyhow::Result<ExitCode> {
    let Some(shadow) = store.in_force().await?.shadow else {
        bail!("no shadow runs");
    };
    println!(
        "Publication {} runs as a shadow. What it found is thrown away; nothing else changes.",
        shadow.publication
    );
    if who.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    if let Answer::No(code) = confirm(who.yes, "End it?")? {
        return Ok(code);
    }
    let now = clock.now();
    let mut tx = store.begin("end_shadow").await?;
    tx.lock_publishing().await?;
    if tx.in_force().await?.shadow != Some(shadow.clone()) {
        bail!("somebody else published in the meantime; look again");
    }
    tx.end_shadow(shadow.publication, who.by, who.reason, now)
        .await?;
    let subject = ("rule_publication", shadow.publication.to_string());
    let entry = office::entry(now, None, "rules.shadow_ended", subject, who.reason);
    tx.record_audit(&[entry]).await?;
    tx.commit().await?;
    println!("The shadow has ended.");
    Ok(ExitCode::SUCCESS)
}

/// Checks, shows what it would do, asks, publishes.
async fn put_in_force(
    draft: &Bundle,
    mode: Mode,
    who: Who<'_>,
    store: &Store,
    clock: &Clock,
    also: impl FnOnce(i64) -> Vec<NewAuditEvent>,
) -> anyhow::Result<ExitCode> {
    let policy = Policy::of_bundle(draft).map_err(|errors| not_valid("the policy", &errors))?;
    let report = voorveld_policy::check(&policy);
    if !report.passed() {
        print!("{}", only_faults(&report));
        match who.examples {
            Examples::MustHold => {
                bail!("examples of the rules do not hold; nothing was published")
            }
            Examples::MayFail => {
                println!("These examples of other rules counted on the rule that is taken out.\n");
            }
        }
    }
    published::check_versions(store, &policy).await?;
    let seen = store.in_force().await?;
    let before = in_force(store, &seen).await?;
    let standing = match mode {
        Mode::Live => &seen.live,
        Mode::Shadow => &seen.shadow,
    };
    let hash = draft.hash().to_string();
    if standing.as_ref().is_some_and(|one| one.bundle == hash) {
        println!(
            "{} is what is published already; nothing was done.",
            short(&hash)
        );
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(before) = &before {
        println!("What changes\n{}", difference::told(before.bundle(), draft));
        let told = would::publication(store, before, &policy, clock.now()).await?;
        if mode == Mode::Shadow {
            println!("As a shadow it raises and changes nothing. Were it live:\n");
        }
        print!("{}", preview::told(&told));
    }
    for warning in unfed(&policy, store).await? {
        println!("warning: {warning}");
    }
    if who.dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let question = match mode {
        Mode::Live => "Put this in force?",
        Mode::Shadow => "Run this as a shadow?",
    };
    if let Answer::No(code) = confirm(who.yes, question)? {
        return Ok(code);
    }
    let asked = Asked {
        policy: &policy,
        mode,
        by: who.by,
        reason: who.reason,
    };
    let now = clock.now();
    let entries = |publication: i64| {
        let mut entries = vec![published_entry(now, mode, publication, who.reason)];
        if let (Mode::Live, Some(before)) = (mode, &before) {
            entries.extend(profiles(now, before.bundle(), draft, publication, who));
        }
        entries.extend(also(publication));
        entries
    };
    let publication = published::publish(store, asked, &seen, now, entries).await?;
    match mode {
        Mode::Live => println!(
            "Publication {publication} is in force ({}); whoever judges picks it up within seconds.",
            short(&hash)
        ),
        Mode::Shadow => println!(
            "Publication {publication} runs as a shadow ({}); `voorveld rules compare` shows what it finds.",
            short(&hash)
        ),
    }
    Ok(ExitCode::SUCCESS)
}

/// Rules that wait for what no partner may send. Nothing while there are no partners: then everything is still to be agreed on.
async fn unfed(policy: &Policy, store: &Store) -> anyhow::Result<Vec<Warning>> {
    let feeds = store.feeds(None, None).await?;
    let sent: BTreeSet<KindId> = feeds
        .iter()
        .filter_map(|state| state.feed.kind.parse().ok())
        .collect();
    if sent.is_empty() {
        return Ok(Vec::new());
    }
    Ok(voorveld_policy::unfed(policy, &sent))
}

/// What is in force now. What a later release published and this one cannot read must not keep anybody from publishing something else.
async fn in_force(store: &Store, seen: &InForce) -> anyhow::Result<Option<Policy>> {
    let Some(live) = &seen.live else {
        return Ok(None);
    };
    match published::read(store, &live.bundle).await {
        Ok(policy) => Ok(Some(policy)),
        Err(error @ PublishError::Unreadable { .. }) => {
            println!("{error}\nSo nobody can show here what changes.");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn published_entry(now: Timestamp, mode: Mode, publication: i64, reason: &str) -> NewAuditEvent {
    let action = match mode {
        Mode::Live => "rules.published",
        Mode::Shadow => "rules.shadow_published",
    };
    let subject = ("rule_publication", publication.to_string());
    office::entry(now, None, action, subject, reason)
}

/// A line in the audit log for each profile that went on or off, or changed: which, since when, and who answers for it.
fn profiles(
    now: Timestamp,
    before: &Bundle,
    after: &Bundle,
    publication: i64,
    who: Who<'_>,
) -> Vec<NewAuditEvent> {
    let difference = diff(before, after);
    let changes = difference
        .files
        .iter()
        .filter(|file| file.file == PROFILES_FILE)
        .flat_map(|file| &file.changes);
    changes
        .map(|change| {
            let nothing = || "nothing".to_owned();
            let reason = format!(
                "{}: {} -> {}; publication {publication} by {}: {}",
                change.path,
                change.before.clone().unwrap_or_else(nothing),
                change.after.clone().unwrap_or_else(nothing),
                who.by,
                who.reason
            );
            let subject = ("profile", profile_of(&change.path).to_owned());
            office::entry(now, None, "profile.changed", subject, &reason)
        })
        .collect()
}

/// The name in the first brackets of a path, else its first part: `profiles[school].on_since` is about `school`.
fn profile_of(path: &str) -> &str {
    let within = path.split_once('[').and_then(|(_, rest)| {
        let (name, _) = rest.split_once(']')?;
        Some(name)
    });
    within.unwrap_or_else(|| path.split('.').next().unwrap_or(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_about_the_profile_it_names() {
        assert_eq!(profile_of("profiles[school].on_since"), "school");
        assert_eq!(profile_of("school.on_since"), "school");
        assert_eq!(profile_of("school"), "school");
    }
}
