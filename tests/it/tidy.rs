//! The house itself: who may look at whom, lists in documents, and words that have no business here.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use voorveld_chassis::ProblemType;
use voorveld_tests::root;

/// Which crate of ours may depend on which. A new arrow is a decision and gets its own commit.
///
/// `domain` at the bottom; `seal` and `chassis` know nobody; services know crates and never each other; only the
/// binary knows all services.
const ARROWS: &[(&str, &[&str])] = &[
    ("accounts", &["chassis", "domain", "seal", "store"]),
    ("bus", &["chassis"]),
    ("calendar", &[]),
    ("chassis", &[]),
    ("detect", &["calendar", "domain"]),
    ("domain", &[]),
    ("linkage", &["domain"]),
    ("policy", &["calendar", "detect", "domain"]),
    (
        // How rows become what `detect` judges, once for who judges and for who looks.
        "recall",
        &["calendar", "detect", "domain", "store", "wire"],
    ),
    ("seal", &[]),
    ("stage", &["bus", "chassis", "store"]),
    ("store", &["chassis", "domain"]),
    // calendar, detect: only for what the engine is measured and checked with.
    ("synthetic", &["calendar", "detect", "domain"]),
    ("wire", &["domain"]),
    (
        // detect: only for the values of a kind's own fields, which policy reads into its types.
        "gateway",
        &[
            "bus", "chassis", "detect", "domain", "policy", "seal", "store", "wire",
        ],
    ),
    (
        "resolver",
        &[
            "bus", "chassis", "domain", "linkage", "policy", "seal", "stage", "store", "wire",
        ],
    ),
    (
        "correlator",
        &[
            "bus", "calendar", "chassis", "detect", "domain", "policy", "recall", "stage", "store",
            "wire",
        ],
    ),
    (
        // detect and recall: read-only, to show silent rules too when somebody looks.
        "outreach",
        &[
            "accounts", "calendar", "chassis", "detect", "domain", "policy", "recall", "seal",
            "store", "wire",
        ],
    ),
    (
        "console",
        &[
            "accounts", "bus", "calendar", "chassis", "domain", "policy", "store",
        ],
    ),
];

/// The binary, the whole-house tests and the simulation of the stages may know everybody.
const KNOW_ALL: &[&str] = &["voorveld", "tests", "simulation"];

fn arrows_of_cargo() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo metadata failed");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let ours = |name: &str| name.strip_prefix("voorveld-").map(str::to_owned);
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let name = package["name"].as_str().unwrap();
            let arrows = package["dependencies"]
                .as_array()
                .unwrap()
                .iter()
                .filter(|dependency| dependency["kind"].is_null())
                .filter_map(|dependency| ours(dependency["name"].as_str().unwrap()))
                .collect();
            (ours(name).unwrap_or_else(|| name.to_owned()), arrows)
        })
        .collect()
}

#[test]
fn crates_look_only_where_the_table_says() {
    let table: BTreeMap<&str, BTreeSet<&str>> = ARROWS
        .iter()
        .map(|(name, to)| (*name, to.iter().copied().collect()))
        .collect();
    let mut wrong = Vec::new();
    for (name, arrows) in arrows_of_cargo() {
        if KNOW_ALL.contains(&name.as_str()) {
            continue;
        }
        let Some(allowed) = table.get(name.as_str()) else {
            wrong.push(format!("{name} is not in the table"));
            continue;
        };
        for arrow in arrows {
            if !allowed.contains(arrow.as_str()) {
                wrong.push(format!("{name} may not look at {arrow}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_brain_has_no_io() {
    // What decides about a household must be able to stand alone: no clock, no network, no database, no runtime.
    for name in ["domain", "calendar", "detect", "linkage"] {
        let manifest =
            std::fs::read_to_string(root().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        let normal = manifest.split("[dev-dependencies]").next().unwrap();
        for stranger in [
            "tokio", "sqlx", "reqwest", "axum", "rdkafka", "serde", "rand", "tracing",
        ] {
            assert!(
                !normal.contains(&format!("\n{stranger}")),
                "{name} depends on {stranger}"
            );
        }
    }
}

#[test]
fn each_problem_type_is_in_the_document() {
    let text = std::fs::read_to_string(root().join("docs/api.md")).expect("docs/api.md is there");
    let missing: Vec<&str> = ProblemType::ALL
        .iter()
        .map(|kind| kind.urn())
        .filter(|urn| !text.contains(urn))
        .collect();
    assert!(missing.is_empty(), "docs/api.md lacks {missing:?}");
}

#[test]
fn each_metric_is_in_the_document() {
    let text = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let mut missing = BTreeSet::new();
    for name in kept_files() {
        if !name.ends_with("metrics.rs") {
            continue;
        }
        let source = std::fs::read_to_string(root().join(&name)).unwrap();
        for (start, _) in source.match_indices("\"voorveld_") {
            let rest = &source[start + 1..];
            let metric = &rest[..rest.find('"').unwrap()];
            // What several roles count is in the document once.
            let of_any_role = metric.splitn(3, '_').nth(2).unwrap_or_default();
            let is_told = text.contains(&format!("`{metric}`"))
                || text.contains(&format!("`voorveld_<role>_{of_any_role}`"));
            if !is_told {
                missing.insert(metric.to_owned());
            }
        }
    }
    assert!(missing.is_empty(), "docs/metrics.md lacks {missing:#?}");
}

/// The files that are kept: what git knows.
fn kept_files() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "git ls-files failed");
    String::from_utf8(output.stdout)
        .unwrap()
        .split('\0')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn is_text(name: &str) -> bool {
    let extension = Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str());
    matches!(
        extension,
        Some(
            "rs" | "toml"
                | "yaml"
                | "yml"
                | "md"
                | "sql"
                | "html"
                | "css"
                | "js"
                | "sh"
                | "py"
                | "json"
                | "txt"
                | "tpl"
        )
    )
}

/// Words in two halves, so that this file does not hold them.
const UNWANTED: &[(&str, &str, &str)] = &[
    ("dbg", "!(", "left over from looking for something"),
    ("todo", "!(", "not finished"),
    ("unimplemented", "!(", "not finished"),
    ("#[ign", "ore", "a failing test is never ignored"),
    ("#[all", "ow(", "use #[expect(…, reason = \"…\")]"),
    ("FIX", "ME", "not finished"),
    ("XX", "X:", "not finished"),
];

#[test]
fn no_file_holds_an_unwanted_word() {
    let mut found = Vec::new();
    for name in kept_files().into_iter().filter(|name| is_text(name)) {
        let Ok(text) = std::fs::read_to_string(root().join(&name)) else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (first, second, why) in UNWANTED {
                if line.contains(&format!("{first}{second}")) {
                    found.push(format!("{name}:{}: {first}{second} ({why})", number + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn every_table_says_how_long_it_keeps_a_row() {
    let mut silent = Vec::new();
    for name in kept_files() {
        if !name.starts_with("migrations/") || !name.to_ascii_lowercase().ends_with(".sql") {
            continue;
        }
        let text = std::fs::read_to_string(root().join(&name)).unwrap();
        for line in text
            .lines()
            .filter(|line| line.starts_with("CREATE TABLE "))
        {
            let table = line["CREATE TABLE ".len()..]
                .trim_start_matches("IF NOT EXISTS ")
                .split([' ', '('])
                .next()
                .unwrap();
            // A partition of a table keeps what its table keeps.
            if line.contains("PARTITION OF") {
                continue;
            }
            let comment = text
                .split(&format!("COMMENT ON TABLE {table} IS "))
                .nth(1)
                .and_then(|rest| rest.split("';").next());
            if !comment.is_some_and(|comment| comment.to_lowercase().contains("retention:")) {
                silent.push(format!("{name}: {table}"));
            }
        }
    }
    assert!(silent.is_empty(), "{silent:#?}");
}

#[test]
fn migrations_are_only_added_never_changed() {
    let done = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "checksums.txt"])
        .current_dir(root().join("migrations"))
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stdout)
    );
    let listed = std::fs::read_to_string(root().join("migrations/checksums.txt")).unwrap();
    let there = kept_files()
        .into_iter()
        .filter(|name| name.starts_with("migrations/2"))
        .count();
    assert_eq!(
        listed.lines().count(),
        there,
        "add the new migration: cd migrations && sha256sum *.sql > checksums.txt"
    );
}

/// What a release before may still need is only taken away by a migration that names the one with which the code moved (migrations/README.md).
#[test]
fn a_migration_that_takes_something_away_says_since_when_nobody_needs_it() {
    const TAKES_AWAY: [&str; 5] = [
        "DROP TABLE",
        "DROP COLUMN",
        "RENAME ",
        "SET NOT NULL",
        "SET DATA TYPE",
    ];
    let versions: BTreeSet<String> = kept_files()
        .iter()
        .filter_map(|name| {
            Some(
                name.strip_prefix("migrations/")?
                    .split_once('_')?
                    .0
                    .to_owned(),
            )
        })
        .collect();
    for name in kept_files() {
        if !name.starts_with("migrations/2") {
            continue;
        }
        let text = std::fs::read_to_string(root().join(&name)).unwrap();
        let takes_away = TAKES_AWAY.iter().any(|words| text.contains(words));
        let since = name
            .split_once("_contract_")
            .and_then(|(_, rest)| rest.split('_').next());
        assert!(
            !takes_away || since.is_some_and(|since| versions.contains(since)),
            "{name} takes something away: its name says with which migration the code moved"
        );
    }
}

#[test]
fn migrations_are_named_by_their_moment_and_none_shares_it() {
    let mut moments = BTreeSet::new();
    for name in kept_files() {
        let Some(file) = name.strip_prefix("migrations/") else {
            continue;
        };
        if !file.to_ascii_lowercase().ends_with(".sql") {
            continue;
        }
        let (moment, rest) = file.split_once('_').unwrap();
        assert!(
            moment.len() == 14 && moment.bytes().all(|byte| byte.is_ascii_digit()),
            "{file}"
        );
        assert!(rest.len() > ".sql".len(), "{file} has no name");
        assert!(
            moments.insert(moment.to_owned()),
            "{file} shares its moment"
        );
    }
    assert!(!moments.is_empty());
}
