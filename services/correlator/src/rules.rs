//! Rules in force per partition: which set judges, and since when each version does (design: a replay judges as the first time did).
//!
//! What is published is looked for between batches; a new publication is read and checked before any transaction, and each partition's owner
//! puts it in force in a transaction of its own, with the place in the log. So two owners may pick it up at different moments.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use voorveld_calendar::amsterdam_date;
use voorveld_chassis::Stopwatch;
use voorveld_detect::RuleSet;
use voorveld_domain::{FieldName, RuleId};
use voorveld_policy::Policy;
use voorveld_recall::fields_read;
use voorveld_stage::StageError;
use voorveld_store::judgements::{Activation, NewActivation};
use voorveld_store::positions::Step;
use voorveld_store::publications::{InForce, Standing};

use crate::database::{Database, Transaction};
use crate::metrics::Metrics;
use crate::published::{self, PublishError};
use crate::ruling::Ruling;

/// How often an owner looks whether something was published.
pub const LOOK_FOR_RULES_EVERY: Duration = Duration::from_secs(1);

/// What is judged beside the live rules.
pub(crate) struct Shadow {
    pub publication: i64,
    ruling: Ruling,
    by_partition: HashMap<i32, RuleSet>,
}

impl Shadow {
    /// The shadow's rules in a partition in which it runs.
    pub(crate) fn of(&self, partition: i32) -> Option<(&RuleSet, &Ruling)> {
        let rules = self.by_partition.get(&partition)?;
        Some((rules, &self.ruling))
    }
}

/// The rules of each partition this process owns.
pub(crate) struct RulesInForce {
    live: Ruling,
    /// Whether the bundle of `live` was published, now or before.
    is_published: bool,
    shadow: Option<Shadow>,
    by_partition: HashMap<i32, RuleSet>,
    /// What was published when we last looked.
    seen: InForce,
    looked: Option<Stopwatch>,
}

impl RulesInForce {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self {
            live: Ruling::new(policy),
            is_published: false,
            shadow: None,
            by_partition: HashMap::new(),
            seen: InForce::default(),
            looked: None,
        }
    }

    /// Whether any rule concludes from what did not come.
    pub(crate) fn ask_feeds(&self) -> bool {
        let shadow = self.shadow.as_ref();
        self.live.policy.rules().asks_feeds()
            || shadow.is_some_and(|shadow| shadow.ruling.policy.rules().asks_feeds())
    }

    /// Which fields of signals judging reads, by the live rules and those of a shadow.
    pub(crate) fn fields_read(&self) -> BTreeSet<FieldName> {
        let mut fields = fields_read(self.live.policy.rules());
        if let Some(shadow) = &self.shadow {
            fields.append(&mut fields_read(shadow.ruling.policy.rules()));
        }
        fields
    }

    /// The rule set that judges.
    pub(crate) fn hash(&self) -> &str {
        &self.live.rule_set
    }

    pub(crate) const fn ruling(&self) -> &Ruling {
        &self.live
    }

    pub(crate) const fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    pub(crate) fn forget(&mut self) {
        self.let_go();
        self.looked = None;
    }

    /// The next look is not put off.
    pub(crate) fn look_at_once(&mut self) {
        self.looked = None;
    }

    /// Every partition is prepared anew: activations, backlogs, shadow.
    fn let_go(&mut self) {
        self.by_partition.clear();
        if let Some(shadow) = &mut self.shadow {
            shadow.by_partition.clear();
        }
    }

    pub(crate) fn of(&self, partition: i32) -> &RuleSet {
        let own = self.by_partition.get(&partition);
        own.unwrap_or_else(|| self.live.policy.rules())
    }

    /// Whether a partition does not know its rules yet.
    pub(crate) fn must_prepare(&self, held: &[Step]) -> bool {
        let knows = |step: &Step| self.by_partition.contains_key(&step.partition);
        !held.iter().all(knows)
    }

    /// Looks whether something was published since, at most every [`LOOK_FOR_RULES_EVERY`]. What this release cannot read is not put in force: the
    /// rules stay as they are, with an alarm, until a release that knows it is running.
    pub(crate) async fn pick_up(
        &mut self,
        store: &impl Database,
        metrics: &Metrics,
    ) -> Result<(), StageError> {
        let is_early = |since: &Stopwatch| since.elapsed() < LOOK_FOR_RULES_EVERY;
        if self.looked.as_ref().is_some_and(is_early) {
            return Ok(());
        }
        let now = store.in_force().await?;
        if now != self.seen {
            let mut unreadable = 0;
            if let Some(live) = &now.live
                && live.bundle != self.live.bundle
            {
                match read(store, live, "live").await? {
                    Some(policy) => self.live = Ruling::new(policy),
                    None => unreadable += 1,
                }
            }
            let stands = |live: &Standing| live.bundle == self.live.bundle;
            self.is_published |= now.live.as_ref().is_some_and(stands);
            let running = self.shadow.as_ref().map(|shadow| shadow.publication);
            if now.shadow.as_ref().map(|shadow| shadow.publication) != running {
                self.shadow = None;
                if let Some(shadow) = &now.shadow {
                    match read(store, shadow, "shadow").await? {
                        Some(policy) => {
                            self.shadow = Some(Shadow {
                                publication: shadow.publication,
                                ruling: Ruling::new(policy),
                                by_partition: HashMap::new(),
                            });
                        }
                        None => unreadable += 1,
                    }
                }
            }
            metrics.unreadable_publications.set(unreadable);
            self.let_go();
            self.seen = now;
        }
        self.looked = Some(Stopwatch::start());
        Ok(())
    }

    /// The bundle that judges, when it is one that was published.
    fn published_bundle(&self) -> Option<&str> {
        self.is_published.then_some(&*self.live.bundle)
    }

    /// Makes sure that each partition knows since when its rules judge it; writes an activation where the set is new to it.
    pub(crate) async fn prepare(
        &mut self,
        tx: &mut impl Transaction,
        steps: &[Step],
        now: Timestamp,
    ) -> Result<(), StageError> {
        let missing: Vec<Step> = steps
            .iter()
            .filter(|step| !self.by_partition.contains_key(&step.partition))
            .copied()
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let partitions: Vec<i32> = missing.iter().map(|step| step.partition).collect();
        let past = tx.activations(&partitions).await?;
        let history_of = |partition: i32| -> Vec<&Activation> {
            let own = past.iter().filter(|one| one.partition == partition);
            own.collect()
        };
        let bundle = self.published_bundle();
        let (mut fresh, mut renamed): (Vec<Step>, Vec<Step>) = (Vec::new(), Vec::new());
        for step in &missing {
            match history_of(step.partition).last() {
                Some(last) if last.rule_set != self.live.rule_set => fresh.push(*step),
                None => fresh.push(*step),
                // The same rules from other files: a calendar, a route, a comment. Nothing is judged anew.
                Some(last) if bundle.is_some() && last.bundle.as_deref() != bundle => {
                    renamed.push(*step);
                }
                Some(_) => {}
            }
        }
        let published = self.live.policy.rules();
        let noted: Vec<Step> = fresh.iter().chain(&renamed).copied().collect();
        if !noted.is_empty() {
            if let Some(rule) = published::changed(published, &tx.rule_sets().await?) {
                return Err(StageError::Refused(
                    PublishError::Changed {
                        rule: rule.id.clone(),
                        version: rule.version,
                    }
                    .to_string(),
                ));
            }
            let new = NewActivation {
                rule_set: &self.live.rule_set,
                content: &published::content(published),
                bundle,
            };
            tx.activate(&noted, new, now).await?;
        }
        if !fresh.is_empty() {
            // What was judged by other rules is judged anew: no match stays that no rule says any more (M3, I5).
            let woken = wake_everybody(tx, &fresh, now).await?;
            tracing::info!(
                rule_set = published::short(&self.live.rule_set),
                partitions = fresh.len(),
                households = woken,
                "rule set is in force"
            );
        }
        let (woken, backlogs) = tx
            .take_up_backlogs(&missing, amsterdam_date(now), now)
            .await?;
        if 0 < woken {
            tracing::info!(households = woken, "a backlog is worked off");
        }
        for step in &missing {
            let history = history_of(step.partition);
            let from = active_from(published, &history, step.from, &backlogs);
            let rules = published.clone().with_activations(&from);
            self.by_partition.insert(step.partition, rules);
        }
        let Some(shadow) = &mut self.shadow else {
            return Ok(());
        };
        let number = shadow.publication;
        let (begun, since) = tx.run_shadow(&missing, number, now).await?;
        let begun: Vec<Step> = missing
            .iter()
            .filter(|step| begun.contains(&step.partition))
            .copied()
            .collect();
        if !begun.is_empty() {
            // What was judged before the shadow ran is judged once more, so that the two can be compared.
            let woken = wake_everybody(tx, &begun, now).await?;
            tracing::info!(
                publication = number,
                partitions = begun.len(),
                households = woken,
                "a shadow runs"
            );
        }
        for step in &missing {
            let rules = shadow.ruling.policy.rules();
            let next = since.get(&step.partition).copied().unwrap_or(step.from);
            let history = history_of(step.partition);
            let from = active_from(rules, &history, next, &backlogs);
            let rules = rules.clone().with_activations(&from);
            shadow.by_partition.insert(step.partition, rules);
        }
        Ok(())
    }
}

async fn wake_everybody(
    tx: &mut impl Transaction,
    at: &[Step],
    now: Timestamp,
) -> Result<u64, StageError> {
    let partitions: Vec<i32> = at.iter().map(|step| step.partition).collect();
    let due = amsterdam_date(now);
    Ok(tx.wake_everybody(&partitions, due).await?)
}

/// A published policy, or an alarm.
async fn read(
    store: &impl Database,
    standing: &Standing,
    mode: &'static str,
) -> Result<Option<Arc<Policy>>, StageError> {
    match store.policy(&standing.bundle).await {
        Ok(policy) => Ok(Some(policy)),
        Err(PublishError::Store(error)) => Err(error.into()),
        Err(error) => {
            tracing::error!(
                publication = standing.publication,
                mode,
                error = &error as &dyn std::error::Error,
                "a publication is not put in force here: the rules stay as they are until a release that can read it is running"
            );
            Ok(None)
        }
    }
}

/// From which record on each rule's version judges a partition. What judged it from its first record on always did, and so does a version whose
/// backlog is worked off. `next` is where a version begins that never judged here.
pub(crate) fn active_from(
    published: &RuleSet,
    history: &[&Activation],
    next: i64,
    backlogs: &[(RuleId, u32)],
) -> BTreeMap<RuleId, i64> {
    let mut from = BTreeMap::new();
    for rule in published.rules() {
        let worked_off = |(id, version): &(RuleId, u32)| *id == rule.id && *version == rule.version;
        if backlogs.iter().any(worked_off) {
            continue;
        }
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
mod tests;
