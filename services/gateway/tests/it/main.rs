//! The partners' door, in process, on a real PostgreSQL and its log. Everybody in here is invented.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests are tests too, though not marked as such"
)]

mod broken;
mod completeness;
mod deliveries;
mod document;
mod partners;
mod signals;
mod world;
