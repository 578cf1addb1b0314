//! What commands for people share: who types them, what they write in the audit log, and how they print a list.

use std::fmt::Write as _;

use anyhow::Context;
use voorveld_correlator::published;
use voorveld_domain::MunicipalityCode;
use voorveld_policy::Policy;
use voorveld_store::Store;
use voorveld_store::audit::{About, NewAuditEvent};

use jiff::Timestamp;

use crate::config::Settings;

/// Who types: `cli:<system user>`, as the audit log names somebody at a command line.
#[must_use]
pub fn actor() -> String {
    let uid = rustix::process::getuid().as_raw();
    let name = std::fs::read_to_string("/etc/passwd")
        .ok()
        .and_then(|users| name_of(&users, uid))
        .unwrap_or_else(|| uid.to_string());
    format!("cli:{name}")
}

fn name_of(users: &str, uid: u32) -> Option<String> {
    users.lines().find_map(|line| {
        let mut parts = line.split(':');
        let (name, number) = (parts.next()?, parts.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// An entry for the audit log about something that was done at the command line.
#[must_use]
pub fn entry(
    now: Timestamp,
    municipality: Option<MunicipalityCode>,
    action: &'static str,
    subject: (&'static str, String),
    reason: &str,
) -> NewAuditEvent {
    NewAuditEvent {
        happened_at: now,
        municipality,
        actor: actor(),
        action,
        subject_kind: subject.0,
        subject_id: subject.1,
        about: About::default(),
        reason: reason.to_owned(),
        request_id: None,
    }
}

/// The policy files of this process: the municipality's own, or those of the release.
pub fn policy(settings: &Settings) -> anyhow::Result<Policy> {
    match &settings.policy_dir {
        Some(folder) => Policy::load(folder)
            .with_context(|| format!("the policy in {} is not valid", folder.display())),
        None => Ok(Policy::shipped()),
    }
}

/// The policy that was published last, with the checks of this release; `None` when nothing was published yet.
pub async fn published(store: &Store) -> anyhow::Result<Option<Policy>> {
    let Some(live) = store.in_force().await?.live else {
        return Ok(None);
    };
    let policy = published::read(store, &live.bundle).await;
    Ok(Some(policy.context("reading the published policy failed")?))
}

/// The policy in force: what was published, else the files.
pub async fn policy_in_force(settings: &Settings, store: &Store) -> anyhow::Result<Policy> {
    match published(store).await? {
        Some(policy) => Ok(policy),
        None => policy(settings),
    }
}

/// Publishes these files as the first, unless something was published before.
pub async fn install(store: &Store, policy: &Policy, now: Timestamp) -> anyhow::Result<()> {
    let entries = |publication: i64| {
        let subject = ("rule_publication", publication.to_string());
        vec![NewAuditEvent {
            actor: published::INSTALL.to_owned(),
            ..entry(now, None, "rules.published", subject, "first start")
        }]
    };
    published::install(store, policy, now, entries)
        .await
        .context("publishing the policy files as the first failed")
}

/// Lays rows out in columns under headings.
#[must_use]
pub fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings
        .iter()
        .map(|heading| heading.chars().count())
        .collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut line = |cells: &mut dyn Iterator<Item = &str>| {
        let mut written = String::new();
        for (cell, width) in cells.zip(&widths) {
            let _ = write!(written, "{cell:<width$}  ");
        }
        text.push_str(written.trim_end());
        text.push('\n');
    };
    line(&mut headings.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
    text
}

/// An instant as a person reads it: in Amsterdam, to the minute.
#[must_use]
pub fn moment(clock: &voorveld_chassis::Clock, instant: Timestamp) -> String {
    clock.local(instant).strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_user_is_named_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/sh\nsam:x:1000:1000::/home/sam:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("sam"));
        assert_eq!(name_of(users, 7), None);
    }

    #[test]
    fn a_table_lines_up() {
        let rows = vec![
            vec!["a".to_owned(), "lang".to_owned()],
            vec!["breed".to_owned(), "x".to_owned()],
        ];
        assert_eq!(
            table(&["één", "twee"], &rows),
            "één    twee\na      lang\nbreed  x\n"
        );
    }
}
