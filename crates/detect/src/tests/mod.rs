//! The decision as a whole. All households, partners and amounts here are invented.

#![expect(
    clippy::needless_raw_string_hashes,
    reason = "expect-test writes its values that way"
)]

mod asked;
mod bounds;
mod found;
mod laws;
mod many;
mod measures;
mod nearest;
mod oracle;
mod predicates;
mod retraction;
mod scenarios;
mod sentences;
mod sets;
mod tables;
mod trails;
mod words;
mod world;
