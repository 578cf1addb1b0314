//! Which part of a household somebody may look at (K1, K11).

use voorveld_detect::{Rule, RuleSet};
use voorveld_domain::Purpose;
use voorveld_store::timelines::TimelineRow;

/// Which part of a household somebody may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    purpose: Option<Purpose>,
    with_safety: bool,
}

impl Sight {
    /// What belongs to a task of this purpose and no more: evidence of another purpose never shows there, a safety matter only on a task of the
    /// safety desk (K1, I10).
    #[must_use]
    pub const fn of_task(purpose: Purpose) -> Self {
        Self {
            purpose: Some(purpose),
            with_safety: matches!(purpose, Purpose::Safety),
        }
    }

    /// The whole household; `with_safety` also what only the safety desk may know.
    #[must_use]
    pub const fn whole(with_safety: bool) -> Self {
        Self {
            purpose: None,
            with_safety,
        }
    }

    /// Whether it covers this rule.
    #[must_use]
    pub fn covers(self, rule: &Rule) -> bool {
        self.covers_purpose(rule.purpose)
    }

    /// Whether it covers rules and tasks of this purpose.
    #[must_use]
    pub fn covers_purpose(self, purpose: Purpose) -> bool {
        if purpose == Purpose::Safety && !self.with_safety {
            return false;
        }
        self.purpose.is_none_or(|own| own == purpose)
    }

    /// Whether it shows this signal: one that a covered rule looks at, and a safety marker only to who may know.
    #[must_use]
    pub fn shows(self, row: &TimelineRow, rules: &RuleSet) -> bool {
        let looked_at = |rule: &&Rule| {
            rule.sources.domains.contains(&row.domain) || rule.sources.kinds.contains(&row.kind)
        };
        let mut readers = rules.rules().iter().filter(looked_at);
        let is_marker = row.domain.as_str() == Purpose::Safety.code();
        match self.purpose {
            _ if is_marker && !self.with_safety => false,
            Some(_) => readers.any(|rule| self.covers(rule)),
            // Of a whole household also what no rule reads (any more).
            None => self.with_safety || readers.all(|rule| self.covers(rule)),
        }
    }
}
