//! `voorveld rules list|diff|publish|retire|compare|backlog`: what is in force, what a change would do, and putting it in force.
//!
//! Each act shows first what it would do, asks, and is in the audit log. What counts is what the database says was published, not what stands in a
//! folder.

mod acts;
mod backlog;
mod compare;
mod diff;
mod list;
mod preview;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use voorveld_chassis::Clock;
use voorveld_policy::{Bundle, PolicyErrors};
use voorveld_store::Store;

use crate::cli::{EXIT_USAGE, Rules};
use crate::config::Settings;

/// Does one of the six.
pub async fn run(
    command: Rules,
    settings: &Settings,
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<ExitCode> {
    match command {
        Rules::List { json } => list::run(store, clock, json).await,
        Rules::Diff { policy, against } => {
            let draft = drafted(policy.as_deref(), settings)?;
            diff::run(store, &draft, &against).await
        }
        Rules::Publish(asked) => acts::publish(&asked, settings, store, clock).await,
        Rules::Retire(asked) => acts::retire(&asked, store, clock).await,
        Rules::Compare { json } => compare::run(store, json).await,
        Rules::Backlog(asked) => backlog::run(&asked, store, clock).await,
    }
}

/// The files that somebody wants to look at or publish: of a folder, of the settings, or of the release.
fn drafted(folder: Option<&Path>, settings: &Settings) -> anyhow::Result<Bundle> {
    let Some(folder) = folder.or(settings.policy_dir.as_deref()) else {
        return Ok(Bundle::shipped());
    };
    Bundle::of_directory(folder).map_err(|errors| not_valid(&folder.display().to_string(), &errors))
}

fn not_valid(place: &str, errors: &PolicyErrors) -> anyhow::Error {
    let lines: Vec<String> = errors.iter().map(|error| format!("  {error}")).collect();
    anyhow::anyhow!("{place} is not valid:\n{}", lines.join("\n"))
}

/// The files of a published bundle: `live`, or the start of a hash.
async fn published_files(store: &Store, which: &str) -> anyhow::Result<Bundle> {
    let hash = if which == "live" {
        let live = store.in_force().await?.live;
        live.context("nothing was published yet")?.bundle
    } else {
        match &store.bundles_like(which).await?[..] {
            [only] => only.clone(),
            [] => bail!("no published bundle begins with {which}; see `voorveld rules list`"),
            [_, _, ..] => bail!("several published bundles begin with {which}; write more of it"),
        }
    };
    let files = store
        .bundle(&hash)
        .await?
        .context("a publication has a bundle")?;
    Bundle::of_files(files).map_err(|errors| not_valid("the published bundle", &errors))
}

/// What somebody said when asked whether to go on.
enum Answer {
    Yes,
    No(ExitCode),
}

/// Asks whether to go on, unless that was said beforehand. Without a terminal there is nobody to ask, and nothing is done.
fn confirm(yes: bool, question: &str) -> anyhow::Result<Answer> {
    if yes {
        return Ok(Answer::Yes);
    }
    let input = std::io::stdin();
    if !input.is_terminal() {
        eprintln!("voorveld: nothing was done: there is nobody to ask; add --yes");
        return Ok(Answer::No(ExitCode::from(EXIT_USAGE)));
    }
    print!("\n{question} [y/N] ");
    std::io::stdout().flush()?;
    let mut line = String::new();
    input.lock().read_line(&mut line)?;
    if ["y", "yes", "j", "ja"].contains(&line.trim().to_lowercase().as_str()) {
        return Ok(Answer::Yes);
    }
    println!("Nothing was done.");
    Ok(Answer::No(ExitCode::SUCCESS))
}
