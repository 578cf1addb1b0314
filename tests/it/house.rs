//! The whole house through its real doors: files go in with `voorveld push` at `voorveld all` on Apache Kafka, and what becomes of each row is
//! looked up where a person would.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use jiff::civil::Date;
use rustix::process::Signal;
use serde_json::Value;
use uuid::Uuid;
use voorveld_calendar::{Calendar, plus_days};
use voorveld_tests::root;

use crate::process::{House, Keys, Sender, today};

/// A software supplier that sends official documents for several kinds of senders.
const SUPPLIER_KINDS: &[&str] = &[
    "rent_arrears",
    "energy_arrears",
    "water_arrears",
    "cak_health_insurance_arrears",
];
const SUPPLIER_TYPES: &[&str] = &["rent", "energy", "water", "cak_health_insurance"];

/// Each document version by a sender of its own: they use the same references for what they say differently.
pub const SUPPLIER_09: Sender<'_> = Sender {
    id: "leverancier-v09",
    municipalities: &["0518", "0307"],
    kinds: SUPPLIER_KINDS,
    types: SUPPLIER_TYPES,
};
pub const SUPPLIER_12: Sender<'_> = Sender {
    id: "leverancier-v12",
    ..SUPPLIER_09
};
/// Somebody with a spreadsheet.
pub const COLLECTOR: Sender<'_> = Sender {
    id: "verzamelaar",
    municipalities: &["0518"],
    kinds: &["rent_arrears", "water_arrears", "eviction_notice"],
    types: &["rent", "water"],
};

/// A file that goes in, and what must become of each of its rows.
struct Input {
    name: &'static str,
    sender: &'static str,
    file: PathBuf,
    /// How `push` must end.
    exit: i32,
    /// Row, what becomes of it, why.
    rows: &'static [(u32, &'static str, &'static str)],
}

const SINGLE_09: &[(u32, &str, &str)] = &[(
    1,
    "refused arrears_too_young",
    "26 days old, where energy must be 30",
)];
const SEVERAL_09: &[(u32, &str, &str)] = &[
    (1, "refused arrears_too_young", "as above"),
    (
        2,
        "timeline, warned bsn_eleven_test",
        "13 days old, but a crisis; its BSN is an example and no BSN",
    ),
    (
        3,
        "timeline, warned bsn_eleven_test",
        "3 days old, but a warm handover",
    ),
    (4, "timeline, warned bsn_eleven_test", "53 days old"),
];
const SINGLE_12: &[(u32, &str, &str)] = &[(
    1,
    "refused arrears_too_young",
    "26 days old, where energy must be 30",
)];
const SEVERAL_12: &[(u32, &str, &str)] = &[
    (1, "refused arrears_too_young", "as above"),
    (
        2,
        "unplaced no_address, warned bsn_eleven_test address_incomplete",
        "a BSN alone: it waits until a registry answers",
    ),
    (
        3,
        "unplaced no_address, warned bsn_eleven_test address_incomplete",
        "the same",
    ),
    (
        4,
        "unplaced no_address, warned bsn_eleven_test address_incomplete",
        "the same",
    ),
];
const SHEET: &[(u32, &str, &str)] = &[
    (2, "timeline", "a good row"),
    (3, "timeline", "another sender's debt at the same address"),
    (4, "refused arrears_too_young", "11 days old"),
    (5, "timeline", "below the threshold, and kept all the same"),
    (
        6,
        "unplaced no_address, warned address_incomplete",
        "a name without an address",
    ),
    (
        7,
        "refused amount_format",
        "a word where the amount belongs",
    ),
    (
        8,
        "refused kind_not_allowed",
        "not a kind that was agreed on with this sender",
    ),
    (9, "refused municipality_not_served", "another municipality"),
    (10, "timeline", "an eviction, which needs no amount"),
    (11, "refused formula", "a cell that a spreadsheet would run"),
    (
        12,
        "timeline, warned bsn_eleven_test",
        "a mistyped BSN is odd, not wrong",
    ),
    (13, "unchanged", "row 2 once more"),
    (14, "timeline", "a month later at the first address"),
    (15, "refused reference_missing", "no reference"),
    (
        16,
        "timeline, warned age_unknown",
        "nobody can tell how old this debt is",
    ),
];

/// The official examples, where they are at hand, and a spreadsheet of our own.
fn inputs() -> Vec<Input> {
    let mut inputs = Vec::new();
    let standards = root().join("../shared/standards");
    if standards.is_dir() {
        for (version, sender, name, file, exit, rows) in [
            (
                "0.9",
                SUPPLIER_09.id,
                "v0.9-single",
                "enkelvoudig",
                3,
                SINGLE_09,
            ),
            (
                "0.9",
                SUPPLIER_09.id,
                "v0.9-several",
                "meervoudig",
                3,
                SEVERAL_09,
            ),
            (
                "1.2",
                SUPPLIER_12.id,
                "v1.2-single",
                "enkelvoudig",
                3,
                SINGLE_12,
            ),
            (
                "1.2",
                SUPPLIER_12.id,
                "v1.2-several",
                "meervoudig",
                3,
                SEVERAL_12,
            ),
        ] {
            inputs.push(Input {
                name,
                sender,
                file: standards.join(format!(
                    "ddas-vroegsignalering-v{version}/{file}Voorbeeld.json"
                )),
                exit,
                rows,
            });
        }
    } else {
        eprintln!("skipped: the official DDAS examples, since ../shared is not there");
    }
    inputs.push(Input {
        name: "sheet",
        sender: COLLECTOR.id,
        file: root().join("tests/data/huur-en-water.csv"),
        exit: 3,
        rows: SHEET,
    });
    inputs
}

/// The tasks that must result: household by its rows, purpose, urgency, term, team, grounds, and why.
fn tasks(today: Date, with_examples: bool) -> BTreeMap<&'static str, String> {
    let calendar = Calendar::national();
    let working = |days| calendar.add_working_days(today, days);
    let calendar_days = |days| calendar.working_day_from(plus_days(today, days));
    let mut tasks = BTreeMap::from([
        // Rent and water in one month, and rent again the month after: a visit within a week.
        (
            "sheet:14 sheet:2 sheet:3",
            format!(
                "debt_help raised {} wijkteam-noord: debt.consecutive debt.multiple debt.repeat_higher",
                calendar_days(7)
            ),
        ),
        // A threatening situation (Wgs art. 4): three working days.
        (
            "sheet:10",
            format!(
                "debt_help crisis {} wijkteam-noord: debt.crisis debt.single",
                working(3)
            ),
        ),
        // € 1.250: a week.
        (
            "sheet:12",
            format!(
                "debt_help raised {} wijkteam-noord: debt.high_amount debt.single",
                calendar_days(7)
            ),
        ),
        // € 80 is above the threshold of € 75: a letter within fourteen days.
        (
            "sheet:16",
            format!(
                "debt_help routine {} wijkteam-noord: debt.single",
                calendar_days(14)
            ),
        ),
        // And none for sheet:5, which is below the threshold.
    ]);
    if with_examples {
        tasks.extend([
            // A crisis of € 1.200, in no area of the routing table.
            (
                "v0.9-several:2",
                format!(
                    "debt_help crisis {} toegang: debt.crisis debt.high_amount debt.single",
                    working(3)
                ),
            ),
            // The resident expects a call: the next working day.
            (
                "v0.9-several:3",
                format!(
                    "debt_help raised {} wijkteam-noord: debt.not_early debt.single debt.warm_handover",
                    working(1)
                ),
            ),
            // € 750 of rent.
            (
                "v0.9-several:4",
                format!(
                    "debt_help raised {} toegang: debt.high_amount debt.single",
                    calendar_days(7)
                ),
            ),
        ]);
    }
    tasks
}

/// What stands in the files about people, and may stand nowhere else than sealed.
const PERSONAL: &[&str] = &[
    "Brûlée",
    "Merkwaard",
    "Tejongmerk",
    "Kleinmerk",
    "Zonderhuismerk",
    "Veelmerk",
    "veelmerk",
    "Artsmerk",
    "Uitzetmerk",
    "HYPERLINK",
    "Hoogmerk",
    "Naamloosmerk",
    "Merklaan",
    "999999991",
    "VH-0",
    "Kramer",
    "Waterweg",
    "Voorbeeldstraat",
    "Parklaan",
    "Bosweg",
    "123456789",
    "987654321",
    "112233445",
    "556677889",
    "VS-2025",
];

fn assert_nothing_personal(place: &str, text: &str) {
    for value in PERSONAL {
        assert!(
            !text.contains(value),
            "{place} holds a personal value ({value})"
        );
    }
}

/// What became of a row, as the table above writes it.
struct Outcome {
    became: String,
    signal: Option<Uuid>,
    problems: Value,
    warnings: Value,
}

fn codes(remarks: &Value) -> Vec<&str> {
    let list = remarks.as_array().into_iter().flatten();
    list.map(|remark| remark["code"].as_str().unwrap())
        .collect()
}

async fn outcomes(house: &House, sender: &str) -> Vec<Vec<(i64, Outcome)>> {
    let rows: Vec<(Uuid, i64, String, Option<Uuid>, Value, Value)> = sqlx::query_as(
        "SELECT delivery_id, row_number, outcome, signal_id, coalesce(problems, '[]'), coalesce(warnings, '[]')
         FROM delivery_rows JOIN deliveries USING (delivery_id) WHERE partner_id = $1 ORDER BY received_at, row_number",
    )
    .bind(sender)
    .fetch_all(&house.pool)
    .await
    .unwrap();
    let mut files: Vec<(Uuid, Vec<(i64, Outcome)>)> = Vec::new();
    for (delivery, row, outcome, signal, problems, warnings) in rows {
        if files.last().is_none_or(|(last, _)| *last != delivery) {
            files.push((delivery, Vec::new()));
        }
        let (_, rows) = files.last_mut().unwrap();
        rows.push((
            row,
            Outcome {
                became: outcome,
                signal,
                problems,
                warnings,
            },
        ));
    }
    files.into_iter().map(|(_, rows)| rows).collect()
}

async fn place(house: &House, signal: Uuid) -> String {
    let placed: Option<String> = sqlx::query_scalar(
        "SELECT CASE WHEN household_id IS NULL THEN 'unplaced ' || unplaced_reason ELSE 'timeline' END
         FROM signal_homes WHERE signal_id = $1 ORDER BY revision DESC, filing DESC LIMIT 1",
    )
    .bind(signal)
    .fetch_optional(&house.pool)
    .await
    .unwrap();
    placed.unwrap_or_else(|| "nowhere".to_owned())
}

async fn told(house: &House, row: &Outcome) -> String {
    let mut told = match (row.became.as_str(), row.signal) {
        ("accepted" | "corrected", Some(signal)) => place(house, signal).await,
        ("refused", _) => format!("refused {}", codes(&row.problems).join(" ")),
        (other, _) => other.to_owned(),
    };
    let warnings = codes(&row.warnings);
    if !warnings.is_empty() && row.became != "unchanged" {
        write!(told, ", warned {}", warnings.join(" ")).unwrap();
    }
    told
}

/// Open tasks by their household's rows, as [`tasks`] writes them.
async fn open_tasks(house: &House, names: &BTreeMap<Uuid, String>) -> Vec<(String, String)> {
    let rows: Vec<(Vec<Uuid>, String)> = sqlx::query_as(
        "SELECT ARRAY(SELECT signal_id FROM signals s WHERE s.household_id = t.household_id AND s.lives_here),
            t.purpose || ' ' || t.urgency || ' ' || t.due_on || ' ' || t.team_id || ': '
            || (SELECT string_agg(DISTINCT g.rule_id, ' ' ORDER BY g.rule_id) FROM task_grounds g
                WHERE g.task_id = t.task_id AND g.gone_as_of IS NULL)
         FROM tasks t WHERE t.state IN ('open', 'claimed')",
    )
    .fetch_all(&house.pool)
    .await
    .unwrap();
    let mut tasks: Vec<(String, String)> = rows
        .into_iter()
        .map(|(signals, task)| {
            let mut rows: Vec<&str> = signals.iter().map(|signal| &*names[signal]).collect();
            rows.sort_unstable();
            (rows.join(" "), task)
        })
        .collect();
    tasks.sort();
    tasks
}

#[tokio::test]
async fn the_official_documents_become_what_the_table_says() {
    let house = House::new(&Keys::generate().await).await;
    for sender in [&SUPPLIER_09, &SUPPLIER_12, &COLLECTOR] {
        house.add_partner(sender).await;
    }
    house.start().await;
    let inputs = inputs();
    let day = today();
    for input in &inputs {
        let pushed = house.push(input.sender, &input.file).await;
        let said =
            String::from_utf8_lossy(&pushed.stdout) + String::from_utf8_lossy(&pushed.stderr);
        assert_eq!(
            pushed.status.code(),
            Some(input.exit),
            "{}: {said}",
            input.name
        );
    }
    house.settle().await;

    let mut surprises = Vec::new();
    let mut names = BTreeMap::new();
    for sender in [SUPPLIER_09.id, SUPPLIER_12.id, COLLECTOR.id] {
        let files = outcomes(&house, sender).await;
        let sent: Vec<&Input> = inputs
            .iter()
            .filter(|input| input.sender == sender)
            .collect();
        assert_eq!(files.len(), sent.len(), "deliveries of {sender}");
        for (input, rows) in sent.into_iter().zip(files) {
            assert_eq!(rows.len(), input.rows.len(), "rows of {}", input.name);
            for ((number, expected, why), (row, outcome)) in input.rows.iter().zip(&rows) {
                let told = told(&house, outcome).await;
                if (i64::from(*number), *expected) != (*row, &told) {
                    let name = input.name;
                    surprises.push(format!(
                        "{name}:{number} must be {expected} ({why}), but {row} is {told}"
                    ));
                }
                if let Some(signal) = outcome.signal {
                    names
                        .entry(signal)
                        .or_insert_with(|| format!("{}:{row}", input.name));
                }
                assert_nothing_personal("a row's result", &outcome.problems.to_string());
            }
        }
    }
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    let expected = tasks(day, 1 < inputs.len());
    let expected: Vec<(String, String)> = expected
        .into_iter()
        .map(|(household, task)| (household.to_owned(), task))
        .collect();
    assert_eq!(open_tasks(&house, &names).await, expected);
    assert_eq!(
        house
            .texts("SELECT DISTINCT rule_id || ' ' || reason FROM suppressions")
            .await,
        ["debt.single threshold"],
        "what is muted is said"
    );
    for signal in house.places().await {
        assert!(!signal.contains(','), "in one place: {signal}");
    }

    // A second time nothing changes, and the sender is told so.
    let (signals, before) = (house.places().await, house.open_tasks().await);
    for input in &inputs {
        house.push(input.sender, &input.file).await;
    }
    house.settle().await;
    assert_eq!(house.places().await, signals);
    assert_eq!(house.open_tasks().await, before);

    assert_nothing_personal("/metrics", &house.metrics().await);
    let ended = house.stop(Signal::TERM).await;
    assert_eq!(ended.code(), Some(0));
    let logged = house.logged();
    assert!(logged.contains("ready"), "the log was read");
    assert_nothing_personal("the log", &logged);
    house.demolish().await;
}
