//! What PostgreSQL counted of a run, in tables.

use std::collections::BTreeMap;

use voorveld_store::measured::{IndexUse, StatementTime, Written};

use super::alone::count;
use super::room::Counted;
use crate::ops::office::table;

/// The most of a statement that is shown, in characters.
const STATEMENT_CHARS: usize = 90;

/// Rows and index entries per signal by table: ours, and the bare loop's of the same tables where there is one.
#[must_use]
pub fn written(signals: u32, ours: &[Written], bare: Option<&[Written]>) -> String {
    let of_bare: BTreeMap<&str, &Written> = bare
        .unwrap_or_default()
        .iter()
        .map(|one| (one.table.as_str(), one))
        .collect();
    let has_bare = bare.is_some();
    let per_signal = |number: u64| format!("{:.3}", count(number) / f64::from(signals.max(1)));
    let cells = |one: &Written| {
        [
            one.inserted,
            one.updated,
            one.updated_in_place,
            one.deleted,
            one.index_entries(),
            one.read_through,
        ]
    };
    let line = |name: &str, indexes: u64, written: [u64; 6], bare: [u64; 2]| {
        let mut row = vec![name.to_owned(), indexes.to_string()];
        let compared = if has_bare { &bare[..] } else { &[] };
        row.extend(written.iter().chain(compared).copied().map(per_signal));
        row
    };
    let (mut rows, mut sums, mut bare_sums) = (Vec::new(), [0; 6], [0; 2]);
    for one in ours {
        let copied = of_bare
            .get(one.table.as_str())
            .map_or([0; 2], |bare| [bare.inserted, bare.index_entries()]);
        let written = cells(one);
        for (sum, part) in sums.iter_mut().zip(written) {
            *sum += part;
        }
        for (sum, part) in bare_sums.iter_mut().zip(copied) {
            *sum += part;
        }
        rows.push(line(&one.table, one.indexes, written, copied));
    }
    rows.push(line(
        "all",
        ours.iter().map(|one| one.indexes).sum(),
        sums,
        bare_sums,
    ));
    let mut heads = vec![
        "per signal",
        "indexes",
        "inserted",
        "updated",
        "in place",
        "deleted",
        "index entries",
        "read through",
    ];
    if has_bare {
        heads.extend(["bare: copied", "bare: index entries"]);
    }
    table(&heads, &rows)
}

/// The same, as JSON.
#[must_use]
pub fn written_json(correlator: &[Written], bare: &[Written]) -> serde_json::Value {
    let list = |rows: &[Written]| -> serde_json::Value {
        let row = |one: &Written| {
            serde_json::json!({
                "table": one.table, "inserted": one.inserted, "updated": one.updated, "updatedInPlace": one.updated_in_place,
                "deleted": one.deleted, "indexes": one.indexes, "indexEntries": one.index_entries(), "readThrough": one.read_through,
            })
        };
        rows.iter().map(row).collect()
    };
    serde_json::json!({ "correlator": list(correlator), "bare": list(bare) })
}

/// How often was flushed, what each statement took and how often each index was looked into.
#[must_use]
pub fn statements(counted: &Counted) -> String {
    format!(
        "flushed {} times in {:.2} s\n\n{}\n{}",
        counted.log.flushes,
        counted.log.flush_milliseconds / 1e3,
        each_statement(&counted.statements),
        indexes(&counted.indexes)
    )
}

/// The statements, the most time first.
fn each_statement(statements: &[StatementTime]) -> String {
    let all: f64 = statements.iter().map(|one| one.milliseconds).sum();
    let rows: Vec<Vec<String>> = statements
        .iter()
        .map(|one| {
            let text: Vec<&str> = one.text.split_whitespace().collect();
            let text: String = text.join(" ").chars().take(STATEMENT_CHARS).collect();
            vec![
                format!("{:.2}", one.milliseconds / 1e3),
                format!("{:.1}", 100.0 * one.milliseconds / all),
                format!("{:.2}", one.planning_milliseconds / 1e3),
                one.calls.to_string(),
                one.rows.to_string(),
                format!("{:.2}", one.milliseconds / count(one.calls.max(1))),
                text,
            ]
        })
        .collect();
    table(
        &[
            "s",
            "%",
            "planning, s",
            "calls",
            "rows",
            "ms a call",
            "statement",
        ],
        &rows,
    )
}

/// The indexes and how often something was looked up in each.
fn indexes(indexes: &[IndexUse]) -> String {
    let rows: Vec<Vec<String>> = indexes
        .iter()
        .map(|one| {
            vec![
                one.table.clone(),
                one.index.clone(),
                format!("{:.1}", count(one.bytes) / 1_048_576.0),
                one.scans.to_string(),
            ]
        })
        .collect();
    table(&["table", "index", "MiB", "scans"], &rows)
}
