//! What can be said of a signal without saying who it is about.

use crate::code::code_list;

/// How often a partner has said something new about a signal; starts at 1 (S2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(u32);

/// How often the household of a signal was decided anew; starts at 1 (S3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Filing(u32);

macro_rules! counter {
    ($name:ident) => {
        impl $name {
            /// The first.
            pub const FIRST: Self = Self(1);
            /// The bare number, from 1.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }
            /// The one after this one. Saturates: four thousand million corrections are a fault elsewhere.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
            /// Reads a stored or sent number; `None` below 1.
            #[must_use]
            pub fn from_number(raw: i64) -> Option<Self> {
                u32::try_from(raw)
                    .ok()
                    .filter(|number| *number >= 1)
                    .map(Self)
            }
        }
    };
}
counter!(Revision);
counter!(Filing);

/// Whether a record says that the signal lives in this household or has left it. At equal (revision, filing) *moved away* never
/// beats *lives here* (S3): the order of the variants is that rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Presence {
    /// The signal was filed here and has been filed elsewhere since.
    MovedAway,
    /// The signal is this household's.
    LivesHere,
}

code_list!(
    /// Why a signal counts or not (S4).
    Standing ("standings") {
        /// It counts.
        Counted = "counted", "telt mee";
        /// The partner took it back.
        Withdrawn = "withdrawn", "ingetrokken";
        /// The resident objected (AVG art. 21).
        Objected = "objected", "bezwaar";
        /// Its retention is over.
        Expired = "expired", "bewaartermijn verstreken";
    }
);

code_list!(
    /// Why a partner takes a signal back.
    WithdrawalReason ("withdrawal reasons") {
        /// The resident has paid.
        Paid = "paid", "betaald";
        /// A payment arrangement was made.
        Arranged = "arranged", "betalingsregeling getroffen";
        /// It should never have been sent.
        Mistaken = "mistaken", "ten onrechte gestuurd";
        /// It was about somebody else.
        WrongPerson = "wrong_person", "verkeerde persoon";
        /// The contract ended.
        ContractEnded = "contract_ended", "contract beëindigd";
        /// Another reason, not told.
        Other = "other", "andere reden";
    }
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn living_here_beats_having_moved_away_at_equal_filing() {
        assert!(Presence::MovedAway < Presence::LivesHere);
        assert!(
            (Revision::FIRST, Filing::FIRST.next(), Presence::MovedAway)
                > (Revision::FIRST, Filing::FIRST, Presence::LivesHere)
        );
    }
}
