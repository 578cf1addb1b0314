//! Which rules judge at which place in the log.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use voorveld_detect::RuleSet;
use voorveld_domain::RuleId;
use voorveld_store::judgements::{Activation, BacklogTakenUp};
use voorveld_store::{Store, StoreError};
use voorveld_wire::signal_v1::RESOLVED_TOPIC;

use crate::rules::active_from;

/// What judges.
pub enum Judges {
    /// These rules, as if they had always been in force.
    Always(RuleSet),
    /// The rules that were in force at each place (design §5).
    AsActivated(Activated),
}

/// The rule sets that judged each partition.
pub struct Activated {
    by_partition: HashMap<i32, Vec<InForce>>,
    latest: RuleSet,
    /// Rule sets that judged, but of which nobody has the rules any more: the latest ones judge in their place.
    pub unknown: BTreeSet<String>,
}

struct InForce {
    from_offset: i64,
    activated_at: Timestamp,
    rules: RuleSet,
}

/// A place in the order of a household.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Record(i64),
    Between(Timestamp),
}

impl Activated {
    /// The sets that were in force. `known` are those whose rules are at hand; the last one is the latest.
    pub async fn load(
        store: &Store,
        latest: &RuleSet,
        known: &[RuleSet],
    ) -> Result<Self, StoreError> {
        let mut tx = store.begin("activations").await?;
        let activations = tx.activations(RESOLVED_TOPIC, None).await?;
        let backlogs = tx.backlogs_taken_up(RESOLVED_TOPIC).await?;
        Ok(Self::of(&activations, &backlogs, latest, known))
    }

    fn of(
        activations: &[Activation],
        backlogs: &[BacklogTakenUp],
        latest: &RuleSet,
        known: &[RuleSet],
    ) -> Self {
        let mut unknown = BTreeSet::new();
        let mut by_partition: HashMap<i32, Vec<InForce>> = HashMap::new();
        let mut past: HashMap<i32, Vec<&Activation>> = HashMap::new();
        for activation in activations {
            let past = past.entry(activation.partition).or_default();
            past.push(activation);
            let rules = known
                .iter()
                .chain([latest])
                .find(|rules| rules.hash().to_string() == activation.rule_set);
            if rules.is_none() {
                unknown.insert(activation.rule_set.clone());
            }
            let rules = rules.unwrap_or(latest).clone();
            let mut worked_off: Vec<(RuleId, u32)> = Vec::new();
            let in_force = by_partition.entry(activation.partition).or_default();
            let mut begin = |from_offset, activated_at, worked_off: &[(RuleId, u32)]| {
                let from = active_from(&rules, past, activation.from_offset, worked_off);
                in_force.push(InForce {
                    from_offset,
                    activated_at,
                    rules: rules.clone().with_activations(&from),
                });
            };
            let of_partition = backlogs
                .iter()
                .filter(|taken| taken.partition == activation.partition);
            for taken in of_partition.clone() {
                if taken.activated_at <= activation.activated_at {
                    worked_off.push((taken.rule.clone(), taken.version));
                }
            }
            begin(activation.from_offset, activation.activated_at, &worked_off);
            // A backlog that was worked off later begins the same rules anew, at its own place.
            for taken in of_partition.filter(|taken| activation.activated_at < taken.activated_at) {
                worked_off.push((taken.rule.clone(), taken.version));
                begin(taken.from_offset, taken.activated_at, &worked_off);
            }
        }
        for sets in by_partition.values_mut() {
            sets.sort_by_key(|set| (set.activated_at, set.from_offset));
        }
        Self {
            by_partition,
            latest: latest.clone(),
            unknown,
        }
    }
}

impl Judges {
    /// The rules, those that are in force last.
    #[must_use]
    pub const fn latest(&self) -> &RuleSet {
        match self {
            Self::Always(rules) => rules,
            Self::AsActivated(activated) => &activated.latest,
        }
    }

    pub(super) const fn is_as_live(&self) -> bool {
        matches!(self, Self::AsActivated(_))
    }

    pub(super) fn at(&self, partition: Option<i32>, place: Place) -> &RuleSet {
        let activated = match self {
            Self::Always(rules) => return rules,
            Self::AsActivated(activated) => activated,
        };
        let sets = partition
            .and_then(|partition| activated.by_partition.get(&partition))
            .map_or(&[][..], Vec::as_slice);
        sets.iter()
            .rfind(|set| match place {
                Place::Record(offset) => set.from_offset <= offset,
                Place::Between(instant) => set.activated_at <= instant,
            })
            .map_or(&activated.latest, |set| &set.rules)
    }
}
