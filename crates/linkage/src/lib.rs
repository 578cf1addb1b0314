//! Who is who: whether two addresses are one, and whether two names are one person's. Pure, like `detect`.
//!
//! Says only what is the same in writing; what is *remembered* under a keyed index, and which random id it gets, is the
//! resolver's. Where in doubt two things are kept apart: a missed match costs a letter, a wrong one shows somebody's debts under
//! another's name.

mod address;
mod person;

pub use address::{NormalAddress, Unplaceable, normalise};
pub use person::{PersonKey, PersonKeys, person_keys};

/// The version of both normalisers, stored beside each index value: mending one re-indexes and renames nobody.
pub const NORMALISER_VERSION: u16 = 1;
