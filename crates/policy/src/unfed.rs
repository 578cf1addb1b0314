//! Rules that wait for what nobody may send: an absence is concluded when its feeds are complete, and a feed that does not exist never is.

use std::collections::BTreeSet;

use voorveld_detect::{Condition, Predicate, Rule};
use voorveld_domain::KindId;

use crate::Policy;
use crate::catalogue::SignalKind;
use crate::check::Warning;

/// The rules that judge and conclude from what did not come, of which no partner may send anything that could come. `sent` are the kinds that
/// partners may send. Said by who knows the partners; the files alone do not.
#[must_use]
pub fn unfed(policy: &Policy, sent: &BTreeSet<KindId>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for of_rule in &policy.examples {
        let Some(rule) = policy.rules().get(&of_rule.rule) else {
            continue;
        };
        let Condition::Absence { without, .. } = &rule.condition else {
            continue;
        };
        let awaited: Vec<&KindId> = policy
            .catalogue()
            .iter()
            .filter(|kind| looks_at(rule, kind) && could_be(&without.of, kind) != Some(false))
            .map(|kind| &kind.id)
            .collect();
        if awaited.iter().any(|kind| sent.contains(*kind)) {
            continue;
        }
        let awaited: Vec<&str> = awaited.iter().map(|kind| kind.as_str()).collect();
        warnings.push(Warning {
            file: of_rule.file.clone(),
            message: format!(
                "rule `{}` waits for {}, and no partner may send that: it never concludes that nothing came",
                rule.id,
                if awaited.is_empty() {
                    "no kind there is".to_owned()
                } else {
                    awaited.join(" or ")
                }
            ),
        });
    }
    warnings
}

fn looks_at(rule: &Rule, kind: &SignalKind) -> bool {
    rule.sources.kinds.contains(&kind.id) || rule.sources.domains.contains(&kind.domain)
}

/// Whether a signal of this kind is such a one; `None`: that depends on the signal.
fn could_be(predicate: &Predicate, kind: &SignalKind) -> Option<bool> {
    match predicate {
        Predicate::Any => Some(true),
        Predicate::All(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| could_be(part, kind)).collect();
            if parts.contains(&Some(false)) {
                Some(false)
            } else {
                parts.iter().all(|part| *part == Some(true)).then_some(true)
            }
        }
        Predicate::AnyOf(parts) => {
            let parts: Vec<_> = parts.iter().map(|part| could_be(part, kind)).collect();
            if parts.contains(&Some(true)) {
                Some(true)
            } else {
                parts
                    .iter()
                    .all(|part| *part == Some(false))
                    .then_some(false)
            }
        }
        Predicate::Not(part) => could_be(part, kind).map(|yes| !yes),
        Predicate::Kind(kinds) => Some(kinds.contains(&kind.id)),
        Predicate::Domain(domains) => Some(domains.contains(&kind.domain)),
        Predicate::PartnerType(types) => kind
            .partner_types
            .iter()
            .all(|one| !types.contains(one))
            .then_some(false),
        Predicate::Crisis
        | Predicate::WarmHandover
        | Predicate::SupplyEnd
        | Predicate::AmountAtLeast(_)
        | Predicate::AmountAtLeastTimes { .. }
        | Predicate::Field { .. } => None,
    }
}
