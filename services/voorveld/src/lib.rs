//! The binary as a library, so that tests and the demo can start roles in process.
//!
//! The only place that knows all services. It reads flags, files and the environment, opens what a role needs, and hands
//! each role its part; what a role does is the role's own.

pub mod cli;
pub mod config;
pub mod database;
pub mod embedded;
pub mod health;
mod housekeeping;
mod in_force;
pub mod keys;
pub mod ops;
pub mod roles;
mod standstill;
