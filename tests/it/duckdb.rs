//! The engine against SQL: what `voorveld bench engine --write` says of its signals, computed a second time by DuckDB.

use std::process::{Command, Stdio};

use voorveld_tests::{binary, root};

/// DuckDB cannot be had here: the script says so in its own words.
const CANNOT_BE_HAD: i32 = 3;

#[test]
fn the_matches_of_the_engine_are_those_that_sql_computes() {
    let folder = tempfile::tempdir().unwrap();
    let script = root().join("scripts/duckdb.sh");
    let installed = Command::new(&script).arg("install").output().unwrap();
    if installed.status.code() == Some(CANNOT_BE_HAD) {
        let why = String::from_utf8_lossy(&installed.stderr);
        eprintln!(
            "skipped, the matches are not compared with SQL: {}",
            why.trim()
        );
        return;
    }
    assert!(
        installed.status.success(),
        "scripts/duckdb.sh install failed"
    );
    let written = Command::new(binary())
        .args([
            "bench",
            "engine",
            "--signals",
            "50000",
            "--households",
            "10000",
        ])
        .arg("--write")
        .arg(folder.path())
        .stderr(Stdio::inherit())
        .status()
        .unwrap();
    assert!(written.success(), "the load was not written");
    let check = || {
        let checked = Command::new(&script)
            .arg("check")
            .arg(folder.path())
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&checked.stdout).into_owned()
            + &String::from_utf8_lossy(&checked.stderr);
        (checked.status.code(), told)
    };
    let (code, told) = check();
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("50000 records"), "{told}");
    // And it would be seen if one witness were missing.
    let file = folder.path().join("matches.csv");
    let matches = std::fs::read_to_string(&file).unwrap();
    let last = matches
        .trim_end()
        .rfind(' ')
        .expect("a match with two witnesses");
    let rest = matches[last..].find('\n').unwrap();
    let spoiled = format!("{}{}", &matches[..last], &matches[last + rest..]);
    std::fs::write(&file, spoiled).unwrap();
    let (code, told) = check();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("2 differences"), "{told}");
}
