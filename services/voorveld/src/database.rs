//! The database of a process: somebody else's, or one of its own; and the log, which may live in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;
use voorveld_bus::Log;
use voorveld_chassis::retry;
use voorveld_store::Store;
use voorveld_store::schema::Schema;

use crate::config::{DEFAULT_CONNECTIONS, Settings};
use crate::embedded::EmbeddedPostgres;

/// Where the embedded database listens, for commands that are typed while it runs.
const ADDRESS_NOTE: &str = "database.url";

/// The database of this process: somebody else's, or one of its own.
#[derive(Debug)]
pub struct Database {
    /// What everybody uses.
    pub store: Store,
    own: Option<(EmbeddedPostgres, PathBuf)>,
}

/// What is said of a schema that this release does not work with.
#[must_use]
pub fn does_not_work_with(migration: i64) -> String {
    format!(
        "migration {migration} of the database is not one that this release works with: it is of a later release that took away what this one needs, or \
         of another program"
    )
}

impl Database {
    /// Connects, with back-off where the database is somebody else's and may still be starting.
    ///
    /// With none configured it is the embedded one: that of a process which has it open already, else it is started here.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let Some(postgres) = &settings.postgres else {
            return Self::open_embedded(&settings.data_dir).await;
        };
        let store = retry::until_ok(
            "connecting to the database",
            &CancellationToken::new(),
            voorveld_store::StoreError::is_transient,
            || Store::connect(postgres.url.expose(), postgres.connections),
        )
        .await
        .expect("nobody cancels this token")
        .context("connecting to the database failed")?;
        Ok(Self { store, own: None })
    }

    async fn open_embedded(data_folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data_folder)
            .with_context(|| format!("making the folder {} failed", data_folder.display()))?;
        let note = data_folder.join(ADDRESS_NOTE);
        if let Ok(url) = std::fs::read_to_string(&note)
            && let Ok(store) = Store::connect(&url, DEFAULT_CONNECTIONS).await
        {
            return Ok(Self { store, own: None });
        }
        let server = EmbeddedPostgres::start(data_folder).await?;
        std::fs::write(&note, server.url())
            .with_context(|| format!("writing {} failed", note.display()))?;
        let store = Store::connect(server.url(), DEFAULT_CONNECTIONS)
            .await
            .context("connecting to our own database failed")?;
        Ok(Self {
            store,
            own: Some((server, note)),
        })
    }

    /// Connects and makes sure that this release knows the schema.
    pub async fn open_known(settings: &Settings) -> anyhow::Result<Self> {
        let database = Self::open(settings).await?;
        database.check_schema(settings).await?;
        Ok(database)
    }

    async fn check_schema(&self, settings: &Settings) -> anyhow::Result<()> {
        match self.store.schema().await? {
            Schema::Known => {}
            Schema::Later => {
                tracing::info!("the schema is that of a later release, with which this one works");
            }
            Schema::Earlier if settings.is_embedded() => {
                self.store.migrate().await?;
                tracing::info!("the schema was brought up to date");
            }
            Schema::Earlier => bail!(
                "the schema of the database is that of an earlier release: run `voorveld migrate` first"
            ),
            Schema::Foreign { migration } => bail!(does_not_work_with(migration)),
        }
        Ok(())
    }

    /// The log: on the brokers, or in this database.
    pub fn log(&self, settings: &Settings) -> anyhow::Result<Log> {
        match &settings.kafka {
            Some(kafka) => Log::kafka(kafka.for_log()).context("setting up the log failed"),
            None => Ok(Log::postgres(self.store.pool().clone())),
        }
    }

    /// Lets go of it in an orderly way.
    pub async fn close(self) -> anyhow::Result<()> {
        self.store.close().await;
        if let Some((server, note)) = self.own {
            // Whoever finds the note left behind finds nobody at that address and starts the database again.
            let _ = std::fs::remove_file(note);
            server.stop().await?;
        }
        Ok(())
    }
}
