//! A policy as the correlator uses it: rules, calendar, words and routes that belong together.

use std::sync::Arc;

use voorveld_calendar::Calendar;
use voorveld_detect::explain::Words;
use voorveld_domain::{AreaId, Purpose, TeamId};
use voorveld_policy::Policy;

use voorveld_recall::Retention;

/// A policy as the correlator judges by it.
pub(crate) struct Ruling {
    pub policy: Arc<Policy>,
    /// The content hash of its files.
    pub bundle: String,
    /// The content hash of its rules.
    pub rule_set: String,
    words: Words,
    retention: Retention,
}

impl Ruling {
    pub(crate) fn new(policy: Arc<Policy>) -> Self {
        Self {
            bundle: policy.bundle().hash().to_string(),
            rule_set: policy.rules().hash().to_string(),
            words: policy.words(),
            retention: Retention::of(policy.rules()),
            policy,
        }
    }

    pub(crate) fn calendar(&self) -> &Calendar {
        self.policy.calendar()
    }

    pub(crate) const fn words(&self) -> &Words {
        &self.words
    }

    /// How long signals count and are kept.
    pub(crate) const fn retention(&self) -> &Retention {
        &self.retention
    }

    /// Where a task of a purpose goes, by the area that the resolver found.
    pub(crate) fn team_of(&self, area: Option<&AreaId>, purpose: Purpose) -> (AreaId, TeamId) {
        let routing = self.policy.routing();
        let area = area.unwrap_or_else(|| routing.area(None));
        (area.clone(), routing.team(area, purpose).clone())
    }
}
