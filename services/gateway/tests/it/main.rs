//! The partners' door, in process, on a real PostgreSQL and its log. Everybody in here is invented.

mod partners;
mod signals;
mod world;
