//! `voorveld retention`: what is past its retention and goes with the next sweep. It erases nothing itself; the roles do.

use std::process::ExitCode;

use jiff::tz::TimeZone;
use voorveld_chassis::Clock;
use voorveld_chassis::clock::CIVIL_ZONE;
use voorveld_store::Store;

use super::office::{self, table};
use crate::config::Settings;

/// Prints by table how many rows would go now.
pub async fn run(settings: &Settings, store: &Store, clock: &Clock) -> anyhow::Result<ExitCode> {
    print!("{}", told(settings, store, clock).await?);
    Ok(ExitCode::SUCCESS)
}

async fn told(settings: &Settings, store: &Store, clock: &Clock) -> anyhow::Result<String> {
    let policy = office::policy_in_force(settings, store).await?;
    let retention = voorveld_correlator::Retention::of(policy.rules());
    let now = clock.now().to_zoned(TimeZone::get(CIVIL_ZONE)?);
    let expiring = store.expiring(&retention.over_on(clock.today())).await?;
    let swept = store.would_sweep(&now, retention.longest()).await?;
    let line = |table: &str, rows: String, by: &str| vec![table.to_owned(), rows, by.to_owned()];
    let mut lines = vec![
        line(
            "signals",
            expiring.on_timelines.to_string(),
            "correlator, after its household was judged without them",
        ),
        line(
            "households to judge",
            expiring.households.to_string(),
            "correlator",
        ),
        line(
            "signals without household",
            expiring.elsewhere.to_string(),
            "correlator",
        ),
        line(
            "signals judged, not yet erased",
            expiring.leaving.to_string(),
            "correlator, within minutes",
        ),
    ];
    lines.extend(
        swept
            .by_table()
            .map(|(name, rows)| line(name, rows.to_string(), "resolver, every hour")),
    );
    Ok(table(&["WHAT", "ROWS", "GOES BY"], &lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sqlx::PgPool;

    #[sqlx::test(migrations = "../../migrations")]
    async fn it_says_what_would_go_and_lets_it_be(pool: PgPool) {
        sqlx::raw_sql(
            "INSERT INTO sign_in_failures VALUES ('u', '2026-01-01'), ('u', '2026-02-01 09:00Z')",
        )
        .execute(&pool)
        .await
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("voorveld.toml");
        std::fs::write(&empty, "").unwrap();
        let settings = Settings::from_file(&empty).unwrap();
        let store = Store::from_pool(pool.clone());
        let clock = Clock::manual("2026-02-01T10:00:00Z".parse().unwrap());
        for _ in 0..2 {
            let text = told(&settings, &store, &clock).await.unwrap();
            let line = text
                .lines()
                .find(|line| line.starts_with("sign_in_failures"));
            let rows = line.and_then(|line| line.split_whitespace().nth(1));
            assert_eq!(rows, Some("1"), "{text}");
        }
    }
}
