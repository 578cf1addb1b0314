//! `docs/retention.md` says of every table what its comment in the migrations says.

use std::collections::BTreeMap;

use voorveld_tests::root;

/// The last comment given to each table.
fn comments_of_migrations() -> BTreeMap<String, String> {
    let mut files: Vec<_> = std::fs::read_dir(root().join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    let mut comments = BTreeMap::new();
    for file in files {
        let sql = std::fs::read_to_string(file).unwrap();
        for statement in sql.split("COMMENT ON TABLE ").skip(1) {
            let (table, rest) = statement.split_once(" IS '").unwrap();
            let (comment, _) = rest.split_once("';").unwrap();
            comments.insert(table.to_owned(), comment.replace("''", "'"));
        }
    }
    comments
}

#[test]
fn the_document_says_what_the_tables_say() {
    let document = std::fs::read_to_string(root().join("docs/retention.md")).unwrap();
    let documented: BTreeMap<String, String> = document
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| `")?
                .strip_suffix(" |")?
                .split_once("` | ")
        })
        .map(|(table, comment)| (table.to_owned(), comment.to_owned()))
        .collect();
    assert_eq!(documented, comments_of_migrations());
}

#[test]
fn every_table_says_how_long_it_keeps_what() {
    for (table, comment) in comments_of_migrations() {
        assert!(comment.contains("Retention: "), "{table}");
    }
}

/// What the end of a signal takes along (`store::erasures`, `tests/it/registrations.rs`).
const ENDS_WITH_A_SIGNAL: [&str; 14] = [
    "address_index",
    "answered_elsewhere",
    "debtor_index",
    "erasures",
    "household_judgements",
    "households",
    "matches",
    "sealed_identities",
    "signal_history",
    "signal_homes",
    "signal_revisions",
    "signals",
    "suppressions",
    "wake_ups_taken",
];
/// What goes with the row it belongs to, by its foreign key or a trigger (`store::housekeeping`).
const ENDS_WITH_ITS_OWNER: [&str; 4] = [
    "contact_attempts",
    "registration_places",
    "task_events",
    "task_grounds",
];
/// What the log trims and cleans itself (`bus`), and what whoever takes it deletes.
const TAKEN: [&str; 4] = [
    "filings_to_produce",
    "log_members",
    "log_records",
    "wake_ups",
];

#[test]
fn every_table_is_emptied_by_something_or_says_that_it_stays() {
    let emptied: Vec<&str> = voorveld_store::housekeeping::SWEPT
        .iter()
        .chain(&ENDS_WITH_A_SIGNAL)
        .chain(&ENDS_WITH_ITS_OWNER)
        .chain(&TAKEN)
        .copied()
        .collect();
    for (table, comment) in comments_of_migrations() {
        let (_, retention) = comment.split_once("Retention: ").unwrap();
        let stays = [
            "for ever",
            "as long as the agreement",
            "as long as the partner",
            "until taken off",
        ]
        .iter()
        .any(|words| retention.starts_with(words));
        assert_ne!(stays, emptied.contains(&table.as_str()), "{table}");
    }
}
