//! Helpers shared by the whole-house tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that systems give to outgoing connections, so that nobody takes a door while its process is down.
const FIRST_PORT: u16 = 14_000;
const PORTS: u16 = 6_000;
/// Where one test process begins, by its number.
const PORTS_OF_A_PROCESS: u32 = 40;
static NEXT_PORT: AtomicU16 = AtomicU16::new(0);

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

/// Copies the policy files that came with the release, with what `change` makes of each (its name, its text); `None` leaves one out.
pub fn copy_policy(folder: &Path, change: impl Fn(&str, &str) -> Option<String>) {
    let shipped = root().join("config");
    std::fs::create_dir_all(folder.join("rules")).expect("a folder of the test");
    for place in ["", "rules"] {
        for entry in std::fs::read_dir(shipped.join(place)).expect("config is there") {
            let file = entry.expect("config is there").path();
            let is_policy = file
                .extension()
                .is_some_and(|extension| extension == "yaml");
            let name = file.file_name().and_then(|name| name.to_str());
            let Some(name) = name.filter(|_| is_policy) else {
                continue;
            };
            let text = std::fs::read_to_string(&file).expect("config is text");
            if let Some(text) = change(name, &text) {
                std::fs::write(folder.join(place).join(name), text).expect("a folder of the test");
            }
        }
    }
}

/// A port of this machine at which nobody listens, and that nobody is given for a while.
pub fn free_port() -> u16 {
    let start = std::process::id() * PORTS_OF_A_PROCESS % u32::from(PORTS);
    let start = u16::try_from(start).expect("a rest is below what it was divided by");
    loop {
        let port = FIRST_PORT + (start + NEXT_PORT.fetch_add(1, Ordering::Relaxed)) % PORTS;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
