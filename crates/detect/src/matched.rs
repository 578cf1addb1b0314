//! What is true of a household now: verdicts and matches (M2, M3). A match is not yet a task; `plan` decides on that.

use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use smallvec::SmallVec;
use uuid::Uuid;
use voorveld_calendar::{Period, YearMonth};
use voorveld_domain::{RuleId, SignalId};

use crate::Evidence;

/// What every rule says of one household, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// The day it was judged for (T2).
    pub as_of: Date,
    /// One per rule, in order of rule id; silent ones too.
    pub verdicts: Vec<Verdict>,
    /// All matches, in order of rule id and anchor.
    pub matches: Vec<Match>,
    /// When this may change without a new signal (an absence that may then be concluded). `None`: only a signal changes it.
    pub next_look: Option<Date>,
    /// An absence whose term is over waits for a feed to be complete: a mark of completeness may change this, too.
    pub awaits_feeds: bool,
}

/// What one rule says of a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
    /// Whether it has a match.
    pub fired: bool,
    /// What it measured: of its newest match, or when silent, of what came nearest.
    pub why: Vec<Evidence>,
}

/// One match: a rule that is true of a household, and the signals it leans on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
    /// In the words of the official monitor, where it has one.
    pub kind: MatchKind,
    /// What names this match among those of its rule (M2).
    pub anchor: Anchor,
    /// The signals it leans on, sorted by id.
    pub witnesses: SmallVec<[SignalId; Self::FEW_WITNESSES]>,
    /// The witness with whose first receipt it became true: deadlines count from there (T5).
    pub brought_by: SignalId,
    /// The days it looks at.
    pub window: Period,
    /// What was measured.
    pub evidence: SmallVec<[Evidence; 1]>,
}

impl Match {
    /// Up to so many witnesses need no allocation of their own.
    pub const FEW_WITNESSES: usize = 4;
}

/// What names a match among those of its rule (M2). `Display` and `FromStr` are its canonical text: `2025-01`, or a signal's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// The calendar month it is about.
    Month(YearMonth),
    /// The signal that completes the condition.
    Signal(SignalId),
}

/// A text that is no anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a month such as 2025-01, or the id of a signal")]
pub struct AnchorError;

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Month(month) => month.fmt(f),
            Self::Signal(id) => id.fmt(f),
        }
    }
}

impl FromStr for Anchor {
    type Err = AnchorError;
    fn from_str(raw: &str) -> Result<Self, AnchorError> {
        if let Ok(month) = raw.parse() {
            return Ok(Self::Month(month));
        }
        // Only the hyphenated form: one anchor has one text.
        raw.parse::<Uuid>()
            .ok()
            .filter(|id| id.to_string() == raw)
            .map(|id| Self::Signal(SignalId::from_uuid(id)))
            .ok_or(AnchorError)
    }
}

/// What sort of match it is, in the words of the official monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchKind {
    /// *Enkelvoudig* (M1).
    Single,
    /// *Meervoudig* (M1).
    Concurrent,
    /// *Opeenvolgend* (M1).
    Consecutive,
    /// One signal that says enough by itself.
    Signal,
    /// Several signals within some days.
    Pattern,
    /// Something that should have followed and did not.
    Absence,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_reads_back_from_its_text() {
        for raw in ["2025-01", "01890a5d-ac96-774b-bcce-b302099a8057"] {
            let anchor: Anchor = raw.parse().expect(raw);
            assert_eq!(anchor.to_string(), raw);
        }
        for raw in ["", "2025", "2025-13", "01890a5dac96774bbcceb302099a8057"] {
            assert_eq!(raw.parse::<Anchor>(), Err(AnchorError), "{raw}");
        }
    }
}
