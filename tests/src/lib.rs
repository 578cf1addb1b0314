//! Helpers shared by the whole-house tests.
