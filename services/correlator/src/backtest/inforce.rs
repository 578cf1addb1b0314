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
    /// The rules that were in force at each place.
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
    began: Began,
    rules: RuleSet,
}

/// When something began to be judged by, among the judgements without a record: by turn, and before turns were noted by instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Began {
    pub turn: Option<i64>,
    pub at: Timestamp,
}

/// A place in the order of a household.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Record(i64),
    Between { turn: i64, at: Timestamp },
}

impl Began {
    pub(super) const fn of(turn: Option<i64>, at: Timestamp) -> Self {
        Self { turn, at }
    }

    pub(super) fn is_before(self, turn: i64, at: Timestamp) -> bool {
        self.turn.map_or(self.at <= at, |began| began < turn)
    }
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
            let mut judge_from = |from_offset, began, worked_off: &[(RuleId, u32)]| {
                let from = active_from(&rules, past, activation.from_offset, worked_off);
                in_force.push(InForce {
                    from_offset,
                    began,
                    rules: rules.clone().with_activations(&from),
                });
            };
            let of_partition = backlogs
                .iter()
                .filter(|taken| taken.partition == activation.partition)
                .map(|taken| (Began::of(taken.turn, taken.activated_at), taken));
            let began = Began::of(activation.turn, activation.activated_at);
            for (_, taken) in of_partition
                .clone()
                .filter(|(taken_up, _)| *taken_up <= began)
            {
                worked_off.push((taken.rule.clone(), taken.version));
            }
            judge_from(activation.from_offset, began, &worked_off);
            // A backlog that was worked off later begins the same rules anew, at its own place.
            for (taken_up, taken) in of_partition.filter(|(taken_up, _)| began < *taken_up) {
                worked_off.push((taken.rule.clone(), taken.version));
                judge_from(taken.from_offset, taken_up, &worked_off);
            }
        }
        for sets in by_partition.values_mut() {
            sets.sort_by_key(|set| (set.began, set.from_offset));
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
                Place::Between { turn, at } => set.began.is_before(turn, at),
            })
            .map_or(&activated.latest, |set| &set.rules)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use voorveld_policy::{Bundle, Policy};

    use super::*;

    fn second_version() -> Policy {
        let mut files = Bundle::shipped().files().clone();
        let rule = files.get_mut("rules/debt.high_amount.yaml").unwrap();
        *rule = rule.replace("version: 1", "version: 2");
        Policy::of_bundle(&Bundle::of_files(files).unwrap()).unwrap()
    }

    fn activation(rules: &RuleSet, from_offset: i64, turn: Option<i64>) -> Activation {
        Activation {
            partition: 0,
            rule_set: rules.hash().to_string(),
            bundle: None,
            content: json!({}),
            from_offset,
            turn,
            activated_at: "2025-03-10T10:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn of_two_sets_of_one_instant_a_judgement_without_a_record_goes_by_turn() {
        let (before, latest) = (Policy::shipped(), second_version());
        let (before, latest) = (before.rules(), latest.rules());
        let known = [before.clone()];
        let at = "2025-03-10T10:00:00Z".parse().unwrap();
        let judges = |old, new, turn| {
            let activations = [activation(before, 0, old), activation(latest, 7, new)];
            let activated = Activated::of(&activations, &[], latest, &known);
            let judges = Judges::AsActivated(activated);
            let rules = judges.at(Some(0), Place::Between { turn, at });
            rules.hash() == latest.hash()
        };
        assert!(!judges(Some(3), Some(5), 4));
        assert!(judges(Some(3), Some(5), 6));
        assert!(!judges(None, Some(5), 4));
        assert!(judges(None, None, 4), "before turns were noted");
    }
}
