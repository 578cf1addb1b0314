//! `voorveld migrate`

use std::process::ExitCode;

use anyhow::bail;
use voorveld_store::schema::Schema;

use crate::config::Settings;
use crate::database::{Database, does_not_work_with};

/// Brings the schema up to this release; says so when there was nothing to do.
pub async fn run(settings: &Settings) -> anyhow::Result<ExitCode> {
    let database = Database::open(settings).await?;
    match database.store.schema().await? {
        Schema::Known => println!("the schema is up to date"),
        Schema::Later => {
            println!(
                "the schema is that of a later release, with which this one works; nothing was done"
            );
        }
        Schema::Earlier => {
            database.store.migrate().await?;
            println!("the schema was brought up to date");
        }
        Schema::Foreign { migration } => bail!(does_not_work_with(migration)),
    }
    database.close().await?;
    Ok(ExitCode::SUCCESS)
}
