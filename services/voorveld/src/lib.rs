//! The binary as a library, so that tests can start roles in process.
