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
