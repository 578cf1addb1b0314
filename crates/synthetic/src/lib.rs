//! A municipality that does not exist, and the files its partners would send about it.
//!
//! For the demo, the tests and the measurements. Everything is invented and says so; the same [`Plan`] gives the same bytes for ever.
//! It knows how partners write; it does not know how Voorveld reads, but for [`engine`], which feeds the engine alone.

mod bulk;
mod dice;
pub mod engine;
mod example;
mod partner;
mod place;
mod row;
mod write;
mod year;

use jiff::civil::Date;
use voorveld_domain::{MunicipalityCode, WithdrawalReason};

pub use bulk::{BULK_PARTNER, bulk_csv};
pub use dice::Dice;
pub use example::examples;
pub use partner::{Format, PARTNERS, Partner, partner};
pub use place::{Household, POSTCODES, Resident, TOWN};
pub use row::{Cell, Fate, FieldValue, Row};

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The same seed gives the same municipality and the same year.
    pub seed: u64,
    /// CBS code that the partners send for.
    pub municipality: MunicipalityCode,
    /// How many live there; the volumes follow.
    pub inhabitants: u32,
    /// How many calendar months, the last one being that of `until`.
    pub months: u32,
    /// The last day on which anything is sent.
    pub until: Date,
}

impl Plan {
    /// How many front doors: 215 inhabitants to a hundred.
    #[must_use]
    pub fn households(&self) -> u32 {
        u32::try_from(u64::from(self.inhabitants) * 100 / 215)
            .unwrap_or(u32::MAX)
            .max(1)
    }

    /// What happens, in order of date; at the end the two [`examples`]. Months are made one at a time, so that a large
    /// municipality needs little memory.
    pub fn steps(&self) -> impl Iterator<Item = Step> {
        year::Year::new(self).chain(examples(self).map(Step::Deliver))
    }
}

/// Something a partner does.
pub enum Step {
    /// It sends a file.
    Deliver(Delivery),
    /// It takes a signal back.
    Withdraw(Withdrawal),
}

impl Step {
    /// When.
    #[must_use]
    pub const fn day(&self) -> Date {
        match self {
            Self::Deliver(delivery) => delivery.day,
            Self::Withdraw(withdrawal) => withdrawal.on,
        }
    }
}

/// A file as it is sent, with what must become of each row.
pub struct Delivery {
    /// Who sends it.
    pub partner: &'static Partner,
    /// When.
    pub day: Date,
    /// File name, without a folder.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
    /// What must become of each row, in order.
    pub ledger: Vec<LedgerRow>,
}

/// What must become of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// As the sender counts: line of the file, row of the sheet, or position in the document.
    pub row: u64,
    /// The partner's reference; empty when it forgot.
    pub reference: String,
    /// Kind of signal.
    pub kind: &'static str,
    /// The household's number in the municipality.
    pub household: u32,
    /// What must become of it.
    pub fate: Fate,
}

/// A signal taken back by its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Withdrawal {
    /// Who takes it back.
    pub partner: &'static Partner,
    /// Under which reference it was sent.
    pub reference: String,
    /// When.
    pub on: Date,
    /// Why.
    pub reason: WithdrawalReason,
}

#[cfg(test)]
mod tests;
