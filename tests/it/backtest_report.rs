//! The numbers of a report, counted once more by the database in plain SQL; and the page, which must stand alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use jiff::civil::date;
use sqlx::PgPool;
use voorveld::cli::Backtest;
use voorveld::config::Settings;
use voorveld::ops::backtest::report::Report;
use voorveld::ops::backtest::{made, page};
use voorveld_chassis::Clock;
use voorveld_store::Store;
use voorveld_tests::root;

/// A policy with these rules only.
fn policy_of(folder: &Path, rules: &[&str]) -> PathBuf {
    let into = folder.join("rules");
    std::fs::create_dir_all(&into).unwrap();
    for rule in rules {
        let name = format!("{rule}.yaml");
        std::fs::copy(root().join("config/rules").join(&name), into.join(&name)).unwrap();
    }
    folder.to_owned()
}

async fn rows(pool: &PgPool, sql: &str) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(sqlx::AssertSqlSafe(sql.to_owned()))
        .fetch_all(pool)
        .await
        .expect(sql);
    rows.into_iter().collect()
}

async fn households(pool: &PgPool, sql: &str) -> BTreeSet<String> {
    let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
        .fetch_all(pool)
        .await
        .expect(sql);
    rows.into_iter().collect()
}

/// What the two rules raise by event time, in SQL: of each household the first day on which it is true, for no task is closed here.
const FIRST_DAYS: &str = "
    counted AS (SELECT * FROM signals WHERE lives_here AND standing = 'counted' AND event_date <= '2025-10-31'),
    types AS (SELECT household_id, date_trunc('month', event_date) AS month, partner_type, min(event_date) AS first
              FROM counted GROUP BY 1, 2, 3),
    second AS (SELECT household_id, month, first, row_number() OVER (PARTITION BY household_id, month ORDER BY first) AS nth FROM types),
    multiple AS (SELECT household_id, min(first) AS day FROM second WHERE nth = 2 GROUP BY 1),
    high AS (SELECT household_id, min(event_date) AS day FROM counted WHERE amount_cents >= 50000 GROUP BY 1),
    draft AS (SELECT * FROM multiple WHERE day >= '2025-03-05'),
    published AS (SELECT * FROM high WHERE day >= '2025-03-05')";

fn by_team_and_week(report: &Report, published: bool) -> BTreeMap<String, i64> {
    let weeks = report.teams.iter().flat_map(|team| {
        team.weeks.iter().map(move |week| {
            let tasks = if published {
                week.published.unwrap()
            } else {
                week.draft
            };
            (format!("{} {}", team.team, week.week), tasks)
        })
    });
    weeks
        .filter(|(_, tasks)| 0 < *tasks)
        .map(|(week, tasks)| (week, i64::try_from(tasks).unwrap()))
        .collect()
}

async fn reported(pool: &PgPool, folder: &Path) -> Report {
    let store = Store::from_pool(pool.clone());
    store.invent_a_year(6_000, 2_500).await.unwrap();
    // Some were taken back or moved on: they count for nothing.
    sqlx::query("UPDATE signals SET standing = 'withdrawn' WHERE came_at % 17 = 0")
        .execute(pool)
        .await
        .unwrap();
    sqlx::query("UPDATE signals SET lives_here = false WHERE came_at % 23 = 0")
        .execute(pool)
        .await
        .unwrap();
    // One neighbourhood is nearly empty.
    sqlx::query(
        "UPDATE signals SET area_id = 'zuid' WHERE area_id = 'west' AND household_id::text > '02'",
    )
    .execute(pool)
    .await
    .unwrap();
    let empty = folder.join("voorveld.toml");
    std::fs::write(&empty, "").unwrap();
    let asked = Backtest {
        policy: Some(policy_of(&folder.join("draft"), &["debt.multiple"])),
        against: policy_of(&folder.join("published"), &["debt.high_amount"])
            .display()
            .to_string(),
        rules: Vec::new(),
        from: date(2025, 3, 5),
        to: date(2025, 10, 31),
        clock: "event".to_owned(),
        json: None,
        html: None,
    };
    let clock = Clock::manual("2026-01-05T10:00:00Z".parse().unwrap());
    let settings = Settings::from_file(&empty).unwrap();
    made(&asked, &settings, &store, &clock).await.unwrap()
}

#[sqlx::test(migrations = "../migrations")]
async fn the_numbers_of_a_report_by_event_time_are_those_of_plain_sql(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let report = reported(&pool, folder.path()).await;
    let with = |sql: &str| format!("WITH {FIRST_DAYS} {sql}");

    let matches = rows(
        &pool,
        &with(
            "SELECT 'debt.multiple', count(*) FROM (SELECT household_id, date_trunc('month', event_date) FROM counted GROUP BY 1, 2
               HAVING count(DISTINCT partner_type) >= 2 AND max(event_date) >= '2025-03-05') AS m
             UNION ALL SELECT 'debt.high_amount', count(*) FROM counted WHERE amount_cents >= 50000 AND event_date >= '2025-03-05'",
        ),
    )
    .await;
    let found: BTreeMap<String, i64> = [&report.draft, report.published.as_ref().unwrap()]
        .into_iter()
        .flat_map(|side| &side.rules)
        .map(|rule| (rule.rule.clone(), i64::try_from(rule.matches).unwrap()))
        .collect();
    assert_eq!(found, matches);
    assert!(matches.values().all(|count| 100 < *count), "{matches:?}");

    let weeks = |side: &str| {
        with(&format!(
            "SELECT team || ' ' || to_char(day, 'IYYY-\"W\"IW'), count(*)
             FROM (SELECT day, 'wijkteam-' || (SELECT area_id FROM counted c WHERE c.household_id = s.household_id AND c.event_date <= s.day
                                               ORDER BY event_date DESC, signal_id DESC LIMIT 1) AS team FROM {side} s) AS t
             GROUP BY 1"
        ))
    };
    assert_eq!(
        by_team_and_week(&report, false),
        rows(&pool, &weeks("draft")).await
    );
    assert_eq!(
        by_team_and_week(&report, true),
        rows(&pool, &weeks("published")).await
    );

    let draft = households(&pool, &with("SELECT household_id::text FROM draft")).await;
    let published = households(&pool, &with("SELECT household_id::text FROM published")).await;
    let difference = report.difference.as_ref().unwrap();
    let gained: BTreeSet<String> = draft.difference(&published).cloned().collect();
    let lost: BTreeSet<String> = published.difference(&draft).cloned().collect();
    let told = |list: &[voorveld::ops::backtest::report::HouseholdReport]| {
        list.iter()
            .map(|one| one.household.clone())
            .collect::<BTreeSet<String>>()
    };
    assert_eq!(told(&difference.gained_households), gained);
    assert_eq!(told(&difference.lost_households), lost);
    assert_eq!(difference.gained, gained.len() as u64);
    assert_eq!(difference.lost, lost.len() as u64);
    assert_eq!(
        difference.kept,
        draft.intersection(&published).count() as u64
    );
    assert_eq!(report.draft.households, draft.len() as u64);
    assert!(20 < gained.len() && 20 < lost.len() && 20 < difference.kept);
    assert!(
        difference.gained_households.iter().all(|one| one
            .evidence
            .iter()
            .any(|words| words.contains("soorten partners"))),
        "each says why"
    );

    let areas = &report.slices[0];
    let counted = rows(
        &pool,
        &with(
            "SELECT area_id, count(DISTINCT household_id) FROM counted WHERE event_date >= '2025-03-05' GROUP BY 1",
        ),
    )
    .await;
    let mut hidden = 0;
    for row in &areas.rows {
        match row.counts {
            Some(of) => assert_eq!(
                counted.get(&row.key),
                Some(&i64::try_from(of.with_signals).unwrap())
            ),
            None => hidden += 1,
        }
    }
    assert_eq!(hidden, 2, "the small one, and one that hides it: {areas:?}");
}

/// Tags that have no end.
const VOID: [&str; 2] = ["meta", "br"];

#[sqlx::test(migrations = "../migrations")]
async fn the_page_stands_alone_and_is_well_formed(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let html = page(&reported(&pool, folder.path()).await);
    for stranger in [
        "http:", "https:", "src=", "href=", "@import", "url(", "<script", "<link", "<iframe",
    ] {
        assert!(!html.contains(stranger), "{stranger}");
    }
    assert!(html.starts_with("<!DOCTYPE html>") && html.contains("<html lang=\"nl\">"));

    // Every tag that opens is closed, in order, and every attribute is quoted.
    let style = html.find("<style>").unwrap() + "<style>".len()..html.find("</style>").unwrap();
    let mut text = html.clone();
    text.replace_range(style, "");
    let mut open: Vec<String> = Vec::new();
    for piece in text.split('<').skip(1) {
        let (tag, after) = piece.split_once('>').expect("a tag ends");
        assert!(!after.contains('>'), "a stray bracket: {after}");
        if tag.starts_with('!') || tag.ends_with('/') {
            continue;
        }
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split([' ', '\n']).next().unwrap();
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "{open:?}");

    let pictures = html.matches("<svg").count();
    assert!(5 < pictures);
    assert_eq!(html.matches("<title id=").count(), pictures);
    assert_eq!(html.matches("<desc id=").count(), pictures);
    let ids: Vec<&str> = html
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    assert_eq!(
        ids.len(),
        ids.iter().collect::<BTreeSet<_>>().len(),
        "an id is there once"
    );
}
