//! What PostgreSQL counted of a run, in tables.

use std::collections::BTreeMap;

use voorveld_store::measured::{IndexUse, StatementTime, Written};

use super::alone::count;
use crate::ops::office::table;

/// The most of a statement that is shown, in characters.
const STATEMENT_CHARS: usize = 90;

/// Rows and index entries per signal by table: the correlator's, and the bare loop's of the same tables.
#[must_use]
pub fn written(signals: u32, correlator: &[Written], bare: &[Written]) -> String {
    let of_bare: BTreeMap<&str, &Written> =
        bare.iter().map(|one| (one.table.as_str(), one)).collect();
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
        row.extend(written.into_iter().chain(bare).map(per_signal));
        row
    };
    let (mut rows, mut sums, mut bare_sums) = (Vec::new(), [0; 6], [0; 2]);
    for one in correlator {
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
        correlator.iter().map(|one| one.indexes).sum(),
        sums,
        bare_sums,
    ));
    table(
        &[
            "per signal",
            "indexes",
            "inserted",
            "updated",
            "in place",
            "deleted",
            "index entries",
            "read through",
            "bare: copied",
            "bare: index entries",
        ],
        &rows,
    )
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

/// The statements, the most time first.
#[must_use]
pub fn statements(statements: &[StatementTime]) -> String {
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
#[must_use]
pub fn indexes(indexes: &[IndexUse]) -> String {
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
