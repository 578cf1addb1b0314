//! JSON that leaves the process, one module per promise and version.
//!
//! What is read here is a *claim*; it becomes a `domain` value or a refusal at the edge. Internal topics tolerate unknown fields (another
//! release may have written them); intake does not.

pub mod intake_v1;
pub mod signal_v1;
