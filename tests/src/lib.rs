//! Helpers shared by the whole-house tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The folder of the workspace.
#[must_use]
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .canonicalize()
        .expect("the tests folder has a parent")
}

/// The program itself, built in the profile of this test.
#[must_use]
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        // target/<profile>/deps/it-0123456789abcdef
        let test = std::env::current_exe().expect("a running test has a file");
        let folder = test
            .ancestors()
            .nth(2)
            .expect("tests stand in a folder of their profile");
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--package", "voorveld"])
            .current_dir(root());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let built = build
            .status()
            .expect("cargo runs this test, so it can be run");
        assert!(built.success(), "building the program failed");
        folder.join("voorveld")
    });
    &BINARY
}
