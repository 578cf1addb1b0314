//! Publishing a policy, and reading what was published.
//!
//! A publication is a whole bundle of policy files, by content. The last live one is in force; a published version of a rule never says something
//! else afterwards.

use std::collections::BTreeSet;

use jiff::Timestamp;
use voorveld_detect::{Rule, RuleSet};
use voorveld_domain::RuleId;
use voorveld_policy::{Bundle, Policy, PolicyErrors};
use voorveld_store::audit::NewAuditEvent;
use voorveld_store::publications::{InForce, Mode, NewPublication};
use voorveld_store::{Store, StoreError};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

/// Who answers for the files of the first start.
pub const INSTALL: &str = "install";

/// Why something was not published or not read.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A version that was published says something else now.
    #[error(
        "rule {rule} says something else than its version {version} did when it was published; give it a higher version"
    )]
    Changed {
        /// Which rule.
        rule: RuleId,
        /// Under which version.
        version: u32,
    },
    /// Somebody else published since the preview was made.
    #[error("somebody else published in the meantime; look at the preview again")]
    Meanwhile,
    /// It is what is in force, or runs as the shadow, already.
    #[error("this is exactly what is published already")]
    Nothing,
    /// A bundle that this release cannot read.
    #[error("this release cannot read the published bundle {bundle}:\n{errors}")]
    Unreadable {
        /// The start of its hash.
        bundle: String,
        /// What it trips over.
        errors: PolicyErrors,
    },
}

/// What is kept of a rule set: version and content of each rule.
#[must_use]
pub fn content(rules: &RuleSet) -> serde_json::Value {
    rules
        .rules()
        .iter()
        .map(|rule| {
            let digest = rules.digest(&rule.id).map(|digest| digest.to_string());
            let kept = serde_json::json!({ "version": rule.version, "digest": digest });
            (rule.id.to_string(), kept)
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// A rule that says something else under a version that was published before: published versions are immutable.
#[must_use]
pub fn changed<'a>(rules: &'a RuleSet, published: &[serde_json::Value]) -> Option<&'a Rule> {
    rules.rules().iter().find(|rule| {
        let digest = rules.digest(&rule.id).map(|digest| digest.to_string());
        published
            .iter()
            .filter_map(|content| content.get(rule.id.as_str()))
            .filter(|kept| kept["version"].as_u64() == Some(rule.version.into()))
            .filter_map(|kept| kept["digest"].as_str())
            .any(|kept| digest.as_deref().is_some_and(|digest| digest != kept))
    })
}

/// Whether this could be published as far as its versions go.
pub async fn check_versions(store: &Store, policy: &Policy) -> Result<(), PublishError> {
    let sets = store.begin("check_versions").await?.rule_sets().await?;
    refuse_changed(policy, &sets)
}

fn refuse_changed(policy: &Policy, sets: &[serde_json::Value]) -> Result<(), PublishError> {
    match changed(policy.rules(), sets) {
        Some(rule) => Err(PublishError::Changed {
            rule: rule.id.clone(),
            version: rule.version,
        }),
        None => Ok(()),
    }
}

/// A publication that somebody asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// What.
    pub policy: &'a Policy,
    /// How.
    pub mode: Mode,
    /// Who answers for it.
    pub by: &'a str,
    /// Why.
    pub reason: &'a str,
}

/// Publishes, provided that what is in force is what the one who asks has seen. `entries` are written in the audit log with it. Gives the number.
pub async fn publish(
    store: &Store,
    asked: Asked<'_>,
    seen: &InForce,
    now: Timestamp,
    entries: impl FnOnce(i64) -> Vec<NewAuditEvent>,
) -> Result<i64, PublishError> {
    let mut tx = store.begin("publish").await?;
    tx.lock_publishing().await?;
    let in_force = tx.in_force().await?;
    if (&in_force.live, &in_force.shadow) != (&seen.live, &seen.shadow) {
        return Err(PublishError::Meanwhile);
    }
    let bundle = asked.policy.bundle().hash().to_string();
    let before = match asked.mode {
        Mode::Live => &in_force.live,
        Mode::Shadow => &in_force.shadow,
    };
    if before.as_ref().is_some_and(|one| one.bundle == bundle) {
        return Err(PublishError::Nothing);
    }
    refuse_changed(asked.policy, &tx.rule_sets().await?)?;
    let rules = asked.policy.rules();
    let new = NewPublication {
        mode: asked.mode,
        bundle: &bundle,
        files: asked.policy.bundle().files(),
        rule_set: &rules.hash().to_string(),
        content: &content(rules),
        by: asked.by,
        reason: asked.reason,
    };
    let publication = tx.publish(&new, now).await?;
    tx.record_audit(&entries(publication)).await?;
    tx.commit().await?;
    Ok(publication)
}

/// Publishes these files as the first, unless anything was published before, also in this very moment by another process.
pub async fn install(
    store: &Store,
    policy: &Policy,
    now: Timestamp,
    entries: impl FnOnce(i64) -> Vec<NewAuditEvent>,
) -> Result<(), PublishError> {
    let asked = Asked {
        policy,
        mode: Mode::Live,
        by: INSTALL,
        reason: "the files of the first start",
    };
    match publish(store, asked, &InForce::default(), now, entries).await {
        Ok(_) | Err(PublishError::Meanwhile) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Every policy that ever judged and that this release can read, each once.
pub async fn ever_judged(store: &Store) -> Result<Vec<Policy>, StoreError> {
    let activations = store.all_activations(RESOLVED_TOPIC).await?;
    let bundles: BTreeSet<String> = activations
        .into_iter()
        .filter_map(|activation| activation.bundle)
        .collect();
    let mut policies = Vec::with_capacity(bundles.len());
    for bundle in bundles {
        match read(store, &bundle).await {
            Ok(policy) => policies.push(policy),
            Err(PublishError::Store(error)) => return Err(error),
            // Of another release: whoever asks is told that these rules are unknown.
            Err(_) => {}
        }
    }
    Ok(policies)
}

/// Reads a published bundle with the checks of this release.
pub async fn read(store: &Store, bundle: &str) -> Result<Policy, PublishError> {
    let files = store.bundle(bundle).await?.ok_or(StoreError::Corrupt {
        table: "policy_bundles",
        what: "a publication has a bundle",
    })?;
    Bundle::of_files(files)
        .and_then(|bundle| Policy::of_bundle(&bundle))
        .map_err(|errors| PublishError::Unreadable {
            bundle: short(bundle).to_owned(),
            errors,
        })
}

/// The start of a hash, for people.
#[must_use]
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(digest: u8) -> RuleSet {
        let rules = Policy::shipped().rules().clone();
        let id = rules.rules()[0].id.clone();
        rules.with_digests([(id, voorveld_detect::RuleSetHash([digest; 32]))].into())
    }

    #[test]
    fn a_rule_that_changed_under_its_published_version_is_told() {
        let published = [content(&rules(1))];
        assert_eq!(changed(&rules(1), &published), None);
        let other = rules(2);
        let found = changed(&other, &published).expect("it says something else");
        assert_eq!(found.id, other.rules()[0].id);
    }
}
