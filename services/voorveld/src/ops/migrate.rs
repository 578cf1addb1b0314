//! `voorveld migrate`

use std::process::ExitCode;

use crate::config::Settings;
use crate::database::Database;

/// Brings the schema up to this release; says so when there was nothing to do.
pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let database = Database::open(settings).await?;
    if database.store.schema_is_known().await? {
        println!("the schema is up to date");
    } else {
        database.store.migrate().await?;
        println!("the schema was brought up to date");
    }
    database.close().await?;
    Ok(ExitCode::SUCCESS)
}
