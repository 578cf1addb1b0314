//! Helpers shared by the whole-house tests.

use std::path::PathBuf;

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .canonicalize()
        .expect("the tests folder has a parent")
}
