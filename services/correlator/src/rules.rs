//! Rules in force per partition: which set judges, and since when each version does (design: a replay judges as the first time did).
//!
//! What is published is looked for between batches; a new publication is read and checked before any transaction, and each partition's owner
//! puts it in force in a transaction of its own, with the place in the log. So two owners may pick it up at different moments.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use voorveld_calendar::{Calendar, amsterdam_date};
use voorveld_chassis::Stopwatch;
use voorveld_detect::RuleSet;
use voorveld_detect::explain::Words;
use voorveld_domain::{AreaId, Purpose, RuleId, TeamId};
use voorveld_policy::Policy;
use voorveld_stage::StageError;
use voorveld_store::judgements::{Activation, NewActivation};
use voorveld_store::positions::Step;
use voorveld_store::publications::{InForce, Standing};
use voorveld_store::{Store, Tx};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::metrics::Metrics;
use crate::published::{self, PublishError};

/// How often an owner looks whether something was published.
pub const LOOK_FOR_RULES_EVERY: Duration = Duration::from_secs(1);

/// A policy as the correlator judges by it.
pub(crate) struct Ruling {
    policy: Arc<Policy>,
    bundle: String,
    rule_set: String,
    words: Words,
}

impl Ruling {
    fn new(policy: Arc<Policy>) -> Self {
        Self {
            bundle: policy.bundle().hash().to_string(),
            rule_set: policy.rules().hash().to_string(),
            words: words(&policy),
            policy,
        }
    }

    pub(crate) fn calendar(&self) -> &Calendar {
        self.policy.calendar()
    }

    pub(crate) const fn words(&self) -> &Words {
        &self.words
    }

    /// Where a task of a purpose goes, by the area that the resolver found.
    pub(crate) fn team_of(&self, area: Option<&AreaId>, purpose: Purpose) -> (AreaId, TeamId) {
        let routing = self.policy.routing();
        let area = area.unwrap_or_else(|| routing.area(None));
        (area.clone(), routing.team(area, purpose).clone())
    }
}

/// What the municipality calls its kinds and fields.
#[must_use]
pub fn words(policy: &Policy) -> Words {
    let mut words = Words::default();
    for kind in policy.catalogue().iter() {
        words.kinds.insert(kind.id.clone(), kind.name.clone());
        for field in &kind.fields {
            words.fields.insert(field.name.clone(), field.label.clone());
        }
    }
    words
}

/// What is judged beside the live rules.
pub(crate) struct Shadow {
    pub publication: i64,
    ruling: Ruling,
    by_partition: HashMap<i32, RuleSet>,
}

impl Shadow {
    /// The shadow's rules in a partition in which it runs.
    pub(crate) fn of(&self, partition: i32) -> Option<(&RuleSet, &Calendar)> {
        let rules = self.by_partition.get(&partition)?;
        Some((rules, self.ruling.calendar()))
    }
}

/// The rules of each partition this process owns.
pub(crate) struct RulesInForce {
    live: Ruling,
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
            shadow: None,
            by_partition: HashMap::new(),
            seen: InForce::default(),
            looked: None,
        }
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
        store: &Store,
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
                    Some(policy) => self.live = Ruling::new(Arc::new(policy)),
                    None => unreadable += 1,
                }
            }
            let running = self.shadow.as_ref().map(|shadow| shadow.publication);
            if now.shadow.as_ref().map(|shadow| shadow.publication) != running {
                self.shadow = None;
                if let Some(shadow) = &now.shadow {
                    match read(store, shadow, "shadow").await? {
                        Some(policy) => {
                            self.shadow = Some(Shadow {
                                publication: shadow.publication,
                                ruling: Ruling::new(Arc::new(policy)),
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
        let live = self.seen.live.as_ref()?;
        (live.bundle == self.live.bundle).then_some(&*self.live.bundle)
    }

    /// Makes sure that each partition knows since when its rules judge it; writes an activation where the set is new to it.
    pub(crate) async fn prepare(
        &mut self,
        tx: &mut Tx,
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
        let past = tx.activations(RESOLVED_TOPIC, &partitions).await?;
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
            tx.activate(RESOLVED_TOPIC, &noted, new, now).await?;
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
        let woken = tx
            .take_up_backlogs(RESOLVED_TOPIC, &missing, amsterdam_date(now), now)
            .await?;
        if 0 < woken {
            tracing::info!(households = woken, "a backlog is worked off");
        }
        let backlogs = tx.backlogs().await?;
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
        let begun = tx
            .activate_shadow(RESOLVED_TOPIC, &missing, number, now)
            .await?;
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
        let since = tx
            .shadow_activations(RESOLVED_TOPIC, &partitions, number)
            .await?;
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

async fn wake_everybody(tx: &mut Tx, at: &[Step], now: Timestamp) -> Result<u64, StageError> {
    let partitions: Vec<i32> = at.iter().map(|step| step.partition).collect();
    let due = amsterdam_date(now);
    Ok(tx.wake_everybody(RESOLVED_TOPIC, &partitions, due).await?)
}

/// A published policy, or an alarm.
async fn read(
    store: &Store,
    standing: &Standing,
    mode: &'static str,
) -> Result<Option<Policy>, StageError> {
    match published::read(store, &standing.bundle).await {
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
mod tests {
    use sqlx::PgPool;
    use voorveld_policy::Bundle;

    use super::*;
    use crate::published::Asked;
    use voorveld_store::publications::Mode;

    const RULE: &str = "debt.high_amount";

    fn second_version() -> Policy {
        let mut files = Bundle::shipped().files().clone();
        let rule = files.get_mut("rules/debt.high_amount.yaml").unwrap();
        *rule = rule.replace("version: 1", "version: 2");
        Policy::of_bundle(&Bundle::of_files(files).unwrap()).unwrap()
    }

    fn step(partition: i32, from: i64) -> Step {
        Step {
            partition,
            from,
            to: from,
            epoch: 1,
        }
    }

    struct Desk {
        store: Store,
        metrics: Metrics,
        now: Timestamp,
    }

    impl Desk {
        async fn look(&self, owner: &mut RulesInForce) {
            owner.look_at_once();
            owner.pick_up(&self.store, &self.metrics).await.unwrap();
        }

        async fn prepare(&self, owner: &mut RulesInForce, at: Step) {
            let mut tx = self.store.begin("test").await.unwrap();
            owner.prepare(&mut tx, &[at], self.now).await.unwrap();
            tx.commit().await.unwrap();
        }
    }

    fn since(owner: &RulesInForce, partition: i32) -> Option<i64> {
        let rule = owner.of(partition).get(&RULE.parse().unwrap()).unwrap();
        rule.active_from
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn two_owners_pick_a_publication_up_at_different_moments_each_at_its_own_place(
        pool: PgPool,
    ) {
        let desk = Desk {
            store: Store::from_pool(pool.clone()),
            metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
            now: "2026-03-01T10:00:00Z".parse().unwrap(),
        };
        let first = Arc::new(Policy::shipped());
        published::install(&desk.store, &first, desk.now, |_| Vec::new())
            .await
            .unwrap();
        let mut early = RulesInForce::new(Arc::clone(&first));
        let mut late = RulesInForce::new(Arc::clone(&first));
        for (owner, partition) in [(&mut early, 0), (&mut late, 1)] {
            desk.look(owner).await;
            desk.prepare(owner, step(partition, 0)).await;
            assert_eq!(since(owner, partition), None, "it judged from the first on");
        }

        let second = second_version();
        let asked = Asked {
            policy: &second,
            mode: Mode::Live,
            by: "A. Adviseur",
            reason: "test",
        };
        let seen = desk.store.in_force().await.unwrap();
        published::publish(&desk.store, asked, &seen, desk.now, |_| Vec::new())
            .await
            .unwrap();
        desk.look(&mut early).await;
        assert!(early.must_prepare(&[step(0, 5)]));
        desk.prepare(&mut early, step(0, 5)).await;
        desk.prepare(&mut late, step(1, 7)).await;
        assert_eq!((since(&early, 0), since(&late, 1)), (Some(5), None));
        assert_ne!(early.hash(), late.hash());
        desk.look(&mut late).await;
        desk.prepare(&mut late, step(1, 9)).await;
        assert_eq!(since(&late, 1), Some(9));

        // Who takes a partition over judges it since when it was judged; also one that started with the files of before.
        desk.prepare(&mut late, step(0, 12)).await;
        assert_eq!(since(&late, 0), Some(5));
        let mut restarted = RulesInForce::new(first);
        desk.look(&mut restarted).await;
        desk.prepare(&mut restarted, step(1, 20)).await;
        assert_eq!(since(&restarted, 1), Some(9));
        let activations: Vec<(i32, i64)> = sqlx::query_as(
            "SELECT partition, from_offset FROM rule_activations ORDER BY activation",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        assert_eq!(activations, [(0, 0), (1, 0), (0, 5), (1, 9)]);
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_comes_back_at_the_same_place_is_put_in_force_once(pool: PgPool) {
        let desk = Desk {
            store: Store::from_pool(pool.clone()),
            metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
            now: "2026-03-01T10:00:00Z".parse().unwrap(),
        };
        let (first, second) = (Arc::new(Policy::shipped()), second_version());
        let mut owner = RulesInForce::new(Arc::clone(&first));
        for policy in [&first, &second, &first] {
            let asked = Asked {
                policy,
                mode: Mode::Live,
                by: "A. Adviseur",
                reason: "test",
            };
            let seen = desk.store.in_force().await.unwrap();
            published::publish(&desk.store, asked, &seen, desk.now, |_| Vec::new())
                .await
                .unwrap();
            desk.look(&mut owner).await;
            desk.prepare(&mut owner, step(0, 3)).await;
        }
        owner.forget();
        desk.prepare(&mut owner, step(0, 3)).await;
        assert_eq!(since(&owner, 0), None);
        let activations: i64 = sqlx::query_scalar("SELECT count(*) FROM rule_activations")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(activations, 3);
    }
}
