//! What a claim means for a signal that is known or new (S1, S2). Pure: the facts come in under lock, the decision goes out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;
use voorveld_store::receipts::{Digest, LockedReceipt, SaidIn};

/// How a claim came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Among others, as in a file: equal to *any* earlier revision changes nothing.
    Row,
    /// Aimed at the signal: equal to the *current* revision changes nothing; the only manner that revives.
    Correction,
    /// Taken back.
    Withdrawal,
}

/// What becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// A signal's first revision.
    Accepted,
    /// The next revision.
    Corrected,
    /// The next revision takes the signal back.
    Withdrawn,
    /// Nothing new.
    Unchanged,
    /// A row for a signal that was taken back, and says something new.
    RefusedWithdrawn,
}

impl Decision {
    /// The stable code: what is answered and counted.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Corrected => "corrected",
            Self::Withdrawn => "withdrawn",
            Self::Unchanged => "unchanged",
            Self::RefusedWithdrawn => "refused",
        }
    }
}

/// A signal under lock, with what this request has already decided about it.
#[derive(Debug)]
pub struct Standing {
    /// The facts; kept up to date by [`Standing::decide`].
    pub receipt: LockedReceipt,
    /// Whether this request already takes the current revision in.
    taken_in: bool,
    /// Earlier revisions that this request already brings to the log again.
    again: BTreeSet<u32>,
    now: Timestamp,
}

/// A decision and what is to be done for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decided {
    /// What becomes of the claim.
    pub decision: Decision,
    /// The revision it became, or that already said it all.
    pub revision: u32,
    /// Receipt of that revision.
    pub received_at: Timestamp,
    /// Whether that revision is to be written down.
    pub is_new_revision: bool,
    /// Whether it goes to the log: it is new, or nobody knows whether the log holds it (I1).
    pub to_produce: bool,
}

impl Decided {
    /// The signal, where what goes to the log is its current revision and was written down before.
    #[must_use]
    pub fn promised_again(&self, receipt: &LockedReceipt) -> Option<Uuid> {
        let is_current = self.revision == receipt.revision;
        (self.to_produce && !self.is_new_revision && is_current).then_some(receipt.signal)
    }
}

impl Standing {
    /// A signal as it was found, and the moment of what is said about it now.
    #[must_use]
    pub const fn of(receipt: LockedReceipt, now: Timestamp) -> Self {
        Self {
            receipt,
            taken_in: false,
            again: BTreeSet::new(),
            now,
        }
    }

    /// Whether a claim says something that this signal has not said: only that is held against the law again (S2, S6).
    #[must_use]
    pub fn would_be_new(&self, manner: Manner, digest: &Digest) -> bool {
        if self.receipt.is_new && !self.taken_in {
            return true;
        }
        let is_known = manner == Manner::Row && self.receipt.said.contains_key(digest);
        !is_known && *digest != self.receipt.digest
    }

    /// Decides, and remembers it for the next claim about the same signal. `reason` is a withdrawal's.
    pub fn decide(&mut self, manner: Manner, digest: Digest, reason: Option<&str>) -> Decided {
        let receipt = &mut self.receipt;
        let decided = |decision, said_in: SaidIn, to_produce| Decided {
            decision,
            revision: said_in.revision,
            received_at: said_in.received_at,
            is_new_revision: false,
            to_produce,
        };
        let current = SaidIn {
            revision: receipt.revision,
            received_at: receipt.received_at,
        };
        if receipt.is_new && !self.taken_in {
            self.taken_in = true;
            return Decided {
                is_new_revision: true,
                ..decided(Decision::Accepted, current, true)
            };
        }
        // Whether the log holds the current revision when this request is answered.
        let is_held = receipt.acknowledged || self.taken_in;
        if digest == receipt.digest {
            // A repeat of a pending one is produced again with the same revision, and only now answered as what it is.
            if is_held {
                return decided(Decision::Unchanged, current, false);
            }
            self.taken_in = true;
            let decision = match (manner, receipt.revision) {
                (Manner::Withdrawal, _) => Decision::Withdrawn,
                (_, 1) => Decision::Accepted,
                _ => Decision::Corrected,
            };
            return decided(decision, current, true);
        }
        if manner == Manner::Row {
            if let Some(earlier) = receipt.said.get(&digest) {
                if is_held {
                    return decided(Decision::Unchanged, current, false);
                }
                // The current revision is nobody's yet: its sender was told to come back, and only who says it again can bring it. This
                // claim gets a receipt for what it says, so the log must hold that (I1). Behind a later revision it changes nothing.
                let to_produce = self.again.insert(earlier.revision);
                return decided(Decision::Unchanged, *earlier, to_produce);
            }
            if receipt.withdrawn.is_some() {
                return decided(Decision::RefusedWithdrawn, current, false);
            }
        }
        let next = SaidIn {
            revision: receipt.revision + 1,
            received_at: self.now,
        };
        receipt.revision = next.revision;
        receipt.received_at = next.received_at;
        receipt.digest = digest;
        receipt.said.insert(digest, next);
        receipt.withdrawn = reason.map(str::to_owned);
        receipt.acknowledged = false;
        self.taken_in = true;
        let decision = if manner == Manner::Withdrawal {
            Decision::Withdrawn
        } else {
            Decision::Corrected
        };
        Decided {
            is_new_revision: true,
            ..decided(decision, next, true)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(is_new: bool, acknowledged: bool, said: &[u8]) -> LockedReceipt {
        let digests: Vec<Digest> = said.iter().map(|one| [*one; 32]).collect();
        LockedReceipt {
            signal: Uuid::nil(),
            index: [0; 32],
            municipality: "0518".into(),
            kind: "rent_arrears".into(),
            revision: u32::try_from(said.len()).unwrap(),
            digest: *digests.last().unwrap(),
            acknowledged,
            withdrawn: None,
            first_received_at: jiff::Timestamp::UNIX_EPOCH,
            received_at: jiff::Timestamp::UNIX_EPOCH,
            is_new,
            said: (1..)
                .zip(digests)
                .map(|(revision, digest)| {
                    let received_at = Timestamp::UNIX_EPOCH;
                    (
                        digest,
                        SaidIn {
                            revision,
                            received_at,
                        },
                    )
                })
                .collect(),
        }
    }

    /// Plays claims one after another; each answers `(decision, revision, produced)`.
    fn play(receipt: LockedReceipt, claims: &[(Manner, u8)]) -> Vec<(&'static str, u32, bool)> {
        let mut standing = Standing::of(receipt, Timestamp::UNIX_EPOCH);
        claims
            .iter()
            .map(|(manner, digest)| {
                let reason = (*manner == Manner::Withdrawal).then_some("paid");
                let decided = standing.decide(*manner, [*digest; 32], reason);
                (
                    decided.decision.code(),
                    decided.revision,
                    decided.to_produce,
                )
            })
            .collect()
    }

    const ROW: Manner = Manner::Row;
    const PUT: Manner = Manner::Correction;
    const OUT: Manner = Manner::Withdrawal;

    #[test]
    fn only_what_is_current_and_written_down_is_promised_anew() {
        let again = |receipt: LockedReceipt, manner, digest: u8| {
            let mut standing = Standing::of(receipt, Timestamp::UNIX_EPOCH);
            let decided = standing.decide(manner, [digest; 32], None);
            decided.promised_again(&standing.receipt).is_some()
        };
        assert!(!again(receipt(true, false, &[1]), ROW, 1), "it is new");
        let pending = || receipt(false, false, &[1, 2]);
        assert!(again(pending(), ROW, 2));
        assert!(again(pending(), PUT, 2));
        assert!(
            !again(pending(), ROW, 1),
            "an earlier one is nobody's promise"
        );
        assert!(!again(pending(), ROW, 3), "a new one is promised as such");
        assert!(
            !again(receipt(false, true, &[1, 2]), ROW, 2),
            "the log has it"
        );
    }

    #[test]
    fn a_new_signal_is_accepted_once_however_often_it_stands_in_a_file() {
        assert_eq!(
            play(
                receipt(true, false, &[1]),
                &[(ROW, 1), (ROW, 1), (ROW, 2), (ROW, 1)]
            ),
            [
                ("accepted", 1, true),
                ("unchanged", 1, false),
                ("corrected", 2, true),
                ("unchanged", 2, false)
            ]
        );
    }

    #[test]
    fn an_old_row_changes_nothing_and_an_old_correction_does() {
        let known = || receipt(false, true, &[1, 2]);
        assert_eq!(play(known(), &[(ROW, 1)]), [("unchanged", 2, false)]);
        assert_eq!(play(known(), &[(ROW, 2)]), [("unchanged", 2, false)]);
        assert_eq!(play(known(), &[(ROW, 3)]), [("corrected", 3, true)]);
        assert_eq!(play(known(), &[(PUT, 2)]), [("unchanged", 2, false)]);
        assert_eq!(play(known(), &[(PUT, 1)]), [("corrected", 3, true)]);
    }

    #[test]
    fn a_repeat_of_a_pending_one_is_produced_again_with_the_same_revision() {
        assert_eq!(
            play(receipt(false, false, &[1]), &[(ROW, 1), (ROW, 1)]),
            [("accepted", 1, true), ("unchanged", 1, false)]
        );
        assert_eq!(
            play(receipt(false, false, &[1, 2]), &[(PUT, 2)]),
            [("corrected", 2, true)]
        );
    }

    #[test]
    fn an_old_row_is_answered_by_what_the_log_holds() {
        // Whoever said 2 was never answered. The row gets a receipt for what it says itself, once, and leaves 2 to whoever brings it.
        let pending = || receipt(false, false, &[1, 2]);
        assert_eq!(
            play(pending(), &[(ROW, 1), (ROW, 1), (ROW, 2), (ROW, 1)]),
            [
                ("unchanged", 1, true),
                ("unchanged", 1, false),
                ("corrected", 2, true),
                ("unchanged", 2, false)
            ]
        );
        assert_eq!(
            play(pending(), &[(ROW, 3), (ROW, 1)]),
            [("corrected", 3, true), ("unchanged", 3, false)]
        );
    }

    #[test]
    fn only_a_correction_revives() {
        let known = || receipt(false, true, &[1]);
        assert_eq!(
            play(
                known(),
                &[(OUT, 9), (OUT, 9), (ROW, 1), (ROW, 2), (PUT, 1), (ROW, 1)]
            ),
            [
                ("withdrawn", 2, true),
                ("unchanged", 2, false),
                ("unchanged", 2, false),
                ("refused", 2, false),
                ("corrected", 3, true),
                ("unchanged", 3, false)
            ]
        );
    }
}
