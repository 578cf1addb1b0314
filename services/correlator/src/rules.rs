//! Rules in force per partition: which set judges, and since when each version does (design: a replay judges as the first time did).

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use voorveld_calendar::amsterdam_date;
use voorveld_detect::{Rule, RuleSet};
use voorveld_domain::RuleId;
use voorveld_stage::StageError;
use voorveld_store::Tx;
use voorveld_store::judgements::{Activation, NewActivation};
use voorveld_store::positions::Step;
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

/// The rules of each partition this process owns.
pub(crate) struct RulesInForce {
    published: RuleSet,
    hash: String,
    by_partition: HashMap<i32, RuleSet>,
}

impl RulesInForce {
    pub(crate) fn new(published: RuleSet) -> Self {
        let hash = published.hash().to_string();
        Self {
            published,
            hash,
            by_partition: HashMap::new(),
        }
    }

    pub(crate) fn hash(&self) -> &str {
        &self.hash
    }

    pub(crate) fn forget(&mut self) {
        self.by_partition.clear();
    }

    pub(crate) fn of(&self, partition: i32) -> &RuleSet {
        self.by_partition.get(&partition).unwrap_or(&self.published)
    }

    /// Makes sure that each partition knows since when its rules judge it; writes an activation where the set is new to it.
    pub(crate) async fn prepare(
        &mut self,
        tx: &mut Tx,
        steps: &[Step],
        now: Timestamp,
    ) -> Result<(), StageError> {
        let missing: Vec<&Step> = steps
            .iter()
            .filter(|step| !self.by_partition.contains_key(&step.partition))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let partitions: Vec<i32> = missing.iter().map(|step| step.partition).collect();
        let past = tx.activations(RESOLVED_TOPIC, &partitions).await?;
        let mut fresh: Vec<Step> = Vec::new();
        for step in missing {
            let history: Vec<&Activation> = past
                .iter()
                .filter(|one| one.partition == step.partition)
                .collect();
            if history.last().is_none_or(|last| last.rule_set != self.hash) {
                fresh.push(*step);
            }
            let from = active_from(&self.published, &history, step.from);
            self.by_partition.insert(
                step.partition,
                self.published.clone().with_activations(&from),
            );
        }
        if !fresh.is_empty() {
            if let Some(rule) = changed(&self.published, &tx.rule_sets().await?) {
                self.by_partition.clear();
                return Err(StageError::Refused(format!(
                    "rule {} says something else than its version {} did when it was published; give it a higher version",
                    rule.id, rule.version
                )));
            }
            let content = content(&self.published);
            let new = NewActivation {
                rule_set: &self.hash,
                content: &content,
                bundle: None,
            };
            tx.activate(RESOLVED_TOPIC, &fresh, new, now).await?;
            // What was judged by other rules is judged anew: no match stays that no rule says any more (M3, I5).
            let partitions: Vec<i32> = fresh.iter().map(|step| step.partition).collect();
            let woken = tx
                .wake_everybody(RESOLVED_TOPIC, &partitions, amsterdam_date(now))
                .await?;
            tracing::info!(
                rule_set = &self.hash[..12],
                partitions = fresh.len(),
                households = woken,
                "rule set is in force"
            );
        }
        Ok(())
    }
}

/// What is kept of a rule set: version and content of each rule.
fn content(rules: &RuleSet) -> serde_json::Value {
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
fn changed<'a>(rules: &'a RuleSet, published: &[serde_json::Value]) -> Option<&'a Rule> {
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

/// From which record on each rule's version judges a partition. What judged it from its first record on always did.
fn active_from(published: &RuleSet, history: &[&Activation], next: i64) -> BTreeMap<RuleId, i64> {
    let mut from = BTreeMap::new();
    for rule in published.rules() {
        let knows = |one: &Activation| {
            one.content
                .get(rule.id.as_str())
                .and_then(|kept| kept["version"].as_u64())
                == Some(rule.version.into())
        };
        let first = history.iter().position(|one| knows(one));
        match first {
            Some(0) => {}
            Some(later) => {
                from.insert(rule.id.clone(), history[later].from_offset);
            }
            None if history.is_empty() => {}
            None => {
                from.insert(rule.id.clone(), next);
            }
        }
    }
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(digest: u8) -> RuleSet {
        let rules = voorveld_policy::Policy::shipped().rules().clone();
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
