//! A simulated year, through every role, against a count of the same files that shares no code with us.

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;
use voorveld::ops::simulate::files::{self, LEDGER_FILE};
use voorveld_synthetic::Plan;
use voorveld_tests::{binary, root};

const INHABITANTS: u32 = 50_000;
const SEED: u64 = 17;

/// A household as the independent count sees it.
#[derive(Deserialize)]
struct Counted {
    /// Every row that speaks of it: file and row.
    rows: Vec<(String, i64)>,
    /// Month to what holds.
    months: BTreeMap<String, Vec<String>>,
}

/// Household, month, rule.
type Found = BTreeSet<(Uuid, String, String)>;

fn today() -> jiff::civil::Date {
    voorveld_chassis::Clock::system().today()
}

/// The first of four free ports in a row.
fn four_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        if let Some(end) = port.checked_add(4)
            && (port + 1..end).all(|next| TcpListener::bind(("127.0.0.1", next)).is_ok())
        {
            return port;
        }
    }
}

/// Runs `voorveld demo --exit --json` on this database, with nobody working the list.
fn demo(pool: &PgPool, folder: &Path) -> Value {
    let options: &PgConnectOptions = &pool.connect_options();
    let socket = options
        .get_socket()
        .map(|socket| socket.display().to_string());
    let keys = folder.join("keys");
    voorveld::keys::generate(&keys).unwrap();
    let config = folder.join("voorveld.toml");
    let key = |name: &str| keys.join(name).display().to_string();
    std::fs::write(
        &config,
        format!(
            "municipalities = [\"0518\"]\n[postgres]\nurl = \"postgres://{}@localhost:{}/{}?host={}\"\n[keys]\nsealing_public_file = {:?}\n\
             opening_private_files = [{:?}]\nindex_secret_file = {:?}\n",
            options.get_username(),
            options.get_port(),
            options.get_database().unwrap(),
            socket.as_deref().unwrap_or(options.get_host()),
            key("sealing.public"),
            key("opening.private"),
            key("index.secret"),
        ),
    )
    .unwrap();
    let output = Command::new(binary())
        .args(["demo", "--exit", "--json", "--untouched"])
        .args([
            "--seed",
            &SEED.to_string(),
            "--inhabitants",
            &INHABITANTS.to_string(),
        ])
        .args(["--port", &four_ports().to_string()])
        .arg("--config")
        .arg(&config)
        .arg("--data")
        .arg(folder.join("data"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "the demo failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Counts the same year from its files, by a script of its own.
fn independent_count(folder: &Path) -> Vec<Counted> {
    let output = Command::new("python3")
        .arg(root().join("tests/independent_count.py"))
        .arg(folder)
        .stderr(Stdio::inherit())
        .output()
        .expect("python3 is needed to count apart");
    assert!(
        output.status.success(),
        "the script and the ledger disagree about which rows are good"
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Which signal each row became: the n-th file of a partner is its n-th delivery.
async fn signals_of_rows(pool: &PgPool, folder: &Path) -> BTreeMap<(String, i64), Uuid> {
    let mut files: BTreeMap<String, Vec<(String, bool, String)>> = BTreeMap::new();
    for line in csv::Reader::from_path(folder.join(LEDGER_FILE))
        .unwrap()
        .records()
    {
        let line = line.unwrap();
        let (file, partner) = (line[0].to_owned(), line[2].to_owned());
        let name = Path::new(&file).file_stem().unwrap().to_str().unwrap();
        let entry = (
            name[name.len() - 10..].to_owned(),
            name.starts_with("voorbeeld-"),
            file.clone(),
        );
        let of_partner = files.entry(partner).or_default();
        if !of_partner.contains(&entry) {
            of_partner.push(entry);
        }
    }
    let deliveries: Vec<(String, Uuid)> =
        sqlx::query_as("SELECT partner_id, delivery_id FROM deliveries WHERE state = 'complete' ORDER BY delivery_id")
            .fetch_all(pool)
            .await
            .unwrap();
    let rows: Vec<(Uuid, i64, Uuid)> = sqlx::query_as(
        "SELECT delivery_id, row_number, signal_id FROM delivery_rows WHERE signal_id IS NOT NULL",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut file_of: BTreeMap<Uuid, String> = BTreeMap::new();
    for (partner, mut of_partner) in files {
        of_partner.sort();
        let ids: Vec<Uuid> = deliveries
            .iter()
            .filter(|(by, _)| *by == partner)
            .map(|(_, id)| *id)
            .collect();
        assert_eq!(
            ids.len(),
            of_partner.len(),
            "every file of {partner} is one complete delivery"
        );
        file_of.extend(
            ids.into_iter()
                .zip(of_partner.into_iter().map(|(.., file)| file)),
        );
    }
    rows.into_iter()
        .map(|(delivery, row, signal)| ((file_of[&delivery].clone(), row), signal))
        .collect()
}

/// Refused rows by code and waiting rows, as the ledger says.
fn ledger_of(folder: &Path) -> (BTreeMap<String, u64>, u64) {
    let (mut refused, mut unplaced) = (BTreeMap::new(), 0);
    for line in csv::Reader::from_path(folder.join(LEDGER_FILE))
        .unwrap()
        .records()
    {
        let line = line.unwrap();
        if &line[5] == "refused" {
            *refused.entry(line[6].to_owned()).or_default() += 1;
        } else if !line[6].is_empty() {
            unplaced += 1;
        }
    }
    (refused, unplaced)
}

#[sqlx::test(migrations = "../migrations")]
async fn the_matches_of_a_simulated_year_are_those_of_an_independent_count(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let year = folder.path().join("year");
    let plan = Plan {
        seed: SEED,
        municipality: "0518".parse().unwrap(),
        inhabitants: INHABITANTS,
        months: 12,
        until: today(),
    };
    files::write(&plan, &year).unwrap();
    let told = {
        let (pool, folder) = (pool.clone(), folder.path().to_owned());
        tokio::task::spawn_blocking(move || demo(&pool, &folder))
            .await
            .unwrap()
    };

    // At the door every row became what the ledger says, and nothing is on its way.
    let (refused, unplaced) = ledger_of(&year);
    assert_eq!(told["surprises"], serde_json::json!([]));
    assert_eq!(told["refused"], serde_json::to_value(&refused).unwrap());
    assert_eq!(told["waiting"], unplaced);

    // The same households and months, none more, none fewer (M1).
    let signals = signals_of_rows(&pool, &year).await;
    let homes: BTreeMap<Uuid, Uuid> =
        sqlx::query_as("SELECT signal_id, household_id FROM signals WHERE lives_here")
            .fetch_all(&pool)
            .await
            .unwrap()
            .into_iter()
            .collect();
    let mut counted = Found::new();
    for home in independent_count(&year) {
        let households: BTreeSet<Uuid> = home.rows.iter().map(|row| homes[&signals[row]]).collect();
        assert_eq!(
            households.len(),
            1,
            "one front door is one household: {:?}",
            home.rows
        );
        let household = *households.first().unwrap();
        for (month, kinds) in home.months {
            for kind in kinds {
                let rule = match kind.as_str() {
                    "enkelvoudig" => "debt.single",
                    "meervoudig" => "debt.multiple",
                    _ => "debt.consecutive",
                };
                let new = counted.insert((household, month.clone(), rule.to_owned()));
                assert!(new, "two front doors became one household");
            }
        }
    }
    let matched: Found = sqlx::query_as(
        "SELECT household_id, anchor, rule_id FROM matches WHERE rule_id IN ('debt.single', 'debt.multiple', 'debt.consecutive')",
    )
    .fetch_all(&pool)
    .await
    .unwrap()
    .into_iter()
    .collect();
    assert!(
        1_500 < counted.len(),
        "a year has more than {} cases",
        counted.len()
    );
    let (missing, extra): (Vec<_>, Vec<_>) = (
        counted.difference(&matched).collect(),
        matched.difference(&counted).collect(),
    );
    assert!(
        missing.is_empty() && extra.is_empty(),
        "missing {missing:?}, too many {extra:?}"
    );

    // Every match that nothing mutes is a ground of exactly one task.
    let grounds: Vec<(Uuid, String, String, i64)> = sqlx::query_as(
        "SELECT m.household_id, m.rule_id, m.anchor, count(t.task_id) FROM matches m
         LEFT JOIN suppressions s USING (household_id, rule_id, anchor)
         LEFT JOIN (task_grounds g JOIN tasks t ON t.task_id = g.task_id AND t.state <> 'merged')
             ON t.household_id = m.household_id AND g.rule_id = m.rule_id AND g.anchor = m.anchor AND g.gone_as_of IS NULL
         WHERE s.reason IS NULL
         GROUP BY 1, 2, 3 HAVING count(t.task_id) <> 1",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    assert!(grounds.is_empty(), "{grounds:?}");
    assert_eq!(told["matchesNowhere"], 0);
}
