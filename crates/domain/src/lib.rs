//! The nouns of Voorveld: what would be true on paper, without a computer.
//!
//! No IO, no clock, no serde: what is serialised is promised, and promises live in `wire`. A value of one of these types
//! is the proof that it was checked; there is no way to make an unchecked one.

pub mod code;
pub mod id;
pub mod money;
pub mod outreach;
pub mod partner;
pub mod person;
pub mod registration;
pub mod signal;

pub use code::UnknownCode;
pub use id::{
    AreaId, DebtorId, DeliveryId, FieldName, HouseholdId, KindId, MunicipalityCode, PartnerId,
    RuleId, SignalDomain, SignalId, SlugError, TaskId, TeamId, UserId,
};
pub use money::{Cents, CentsError};
pub use outreach::{
    ContactChannel, DayPart, HoldReason, Outcome, Purpose, Role, TaskState, Urgency,
};
pub use partner::{CountedType, PartnerType};
pub use person::{Address, Bsn, BsnError, Identity, PersonName};
pub use registration::{
    FileCode, FileCodeError, RegistrationKind, RegistrationReason, RevocationReason,
};
pub use signal::{Filing, Presence, Revision, Standing, WithdrawalReason};
