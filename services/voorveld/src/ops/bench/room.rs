//! What a bench works in: a private PostgreSQL that is thrown away, and a log, on the brokers or in a database of its own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use tempfile::TempDir;
use uuid::Uuid;
use voorveld_bus::Log;
use voorveld_chassis::{Lifecycle, shutdown_signal};
use voorveld_store::Store;
use voorveld_store::measured::{IndexUse, LogWritten, StatementTime, Written};

use super::machine::cpu_seconds_of_family;
use crate::config::Settings;
use crate::database::Database;
use crate::roles::topics;

/// How long topics of a bench are kept by a broker; nobody reads them afterwards.
pub(super) const TOPIC_RETENTION: Duration = Duration::from_hours(1);

/// A database of its own.
pub struct Room {
    /// The database.
    pub database: Database,
    settings: Settings,
    folder: TempDir,
}

impl Room {
    /// Makes one, with the schema of this release.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        Self::open_counted(settings, false).await
    }

    /// The same, whose server counts what each statement takes if that is wanted.
    pub async fn open_counted(settings: &Settings, statements: bool) -> anyhow::Result<Self> {
        if !settings.is_embedded() {
            bail!("a bench keeps a database of its own and throws it away: unset postgres.url");
        }
        let folder = folder()?;
        let mut settings = settings.clone();
        folder.path().clone_into(&mut settings.data_dir);
        let database = if statements {
            Counted::begin(&settings).await?
        } else {
            Database::open_known(&settings).await?
        };
        Ok(Self {
            database,
            settings,
            folder,
        })
    }

    /// Stops the server and starts it again: what it counted is written down, and what is asked of a next start goes.
    pub async fn again(self) -> anyhow::Result<Self> {
        self.database.close().await?;
        let database = Database::open_known(&self.settings).await?;
        Ok(Self { database, ..self })
    }

    /// Stops the server and removes everything.
    pub async fn close(self) -> anyhow::Result<()> {
        self.database.close().await?;
        self.folder.close().context("removing a folder failed")
    }
}

/// Processor time of the server so far, its processes that have ended included.
pub async fn server_cpu_seconds(store: &Store) -> anyhow::Result<f64> {
    let data = store.data_folder().await?;
    let note = std::fs::read_to_string(Path::new(&data).join("postmaster.pid"))
        .context("reading the number of the server's process failed")?;
    let process = note.lines().next().and_then(|line| line.parse().ok());
    let process = process.context("the server's process has no number")?;
    Ok(cpu_seconds_of_family(process))
}

/// What PostgreSQL counted of a run.
#[derive(Debug, Default)]
pub struct Counted {
    /// Rows, by table.
    pub written: Vec<Written>,
    /// The write-ahead log.
    pub log: LogWritten,
    /// What each statement took, where that was asked for.
    pub statements: Vec<StatementTime>,
    /// The indexes, where that was asked for.
    pub indexes: Vec<IndexUse>,
}

/// Statements that are shown.
const STATEMENTS: u32 = 40;

impl Counted {
    /// Has a server that is to be started anew count statements, and starts it.
    pub async fn begin(settings: &Settings) -> anyhow::Result<Database> {
        let database = Database::open_known(settings).await?;
        database.store.count_statements().await?;
        database.close().await?;
        let database = Database::open_known(settings).await?;
        database.store.begin_statements().await?;
        Ok(database)
    }

    /// Reads it from a server that was started anew: one that stops writes down what it counted.
    pub async fn read(store: &Store, statements: bool) -> anyhow::Result<Self> {
        let mut counted = Self {
            written: store.written().await?,
            log: store.log_written().await?,
            ..Self::default()
        };
        if statements {
            counted.statements = store.statements(STATEMENTS).await?;
            counted.indexes = store.indexes_used().await?;
        }
        Ok(counted)
    }
}

/// A folder that also the user who runs the server in root's stead can reach, so that nothing is left elsewhere.
pub fn folder() -> anyhow::Result<TempDir> {
    let folder = tempfile::tempdir().context("making a folder failed")?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755))
        .context("opening a folder failed")?;
    Ok(folder)
}

/// Topics and groups of their own, where brokers are configured.
pub(super) fn own_prefix(settings: &mut Settings) {
    if let Some(kafka) = &mut settings.kafka {
        kafka.prefix = format!("bench-{}.", Uuid::new_v4().simple());
    }
}

/// A log with the topics of an installation, empty.
pub struct BenchLog {
    /// The log.
    pub log: Log,
    /// What it is, for people.
    pub name: String,
    room: Option<Room>,
}

impl BenchLog {
    /// On the brokers that are configured, in topics of its own; else in a database of its own, apart from what is measured.
    pub async fn open(settings: &Settings) -> anyhow::Result<Self> {
        let mut settings = settings.clone();
        settings.log.retention = settings.log.retention.min(TOPIC_RETENTION);
        let partitions = settings.log.partitions;
        own_prefix(&mut settings);
        let (log, room, kind) = if let Some(kafka) = &settings.kafka {
            let log = Log::kafka(kafka.for_log()).context("setting up the log failed")?;
            (log, None, "Kafka")
        } else {
            let room = Room::open(&settings).await?;
            let log = room.database.log(&settings)?;
            (log, Some(room), "the log in PostgreSQL")
        };
        log.ensure_topics(&topics(&settings)).await?;
        Ok(Self {
            log,
            name: format!("{kind} with {partitions} partitions"),
            room,
        })
    }

    /// Lets go of it.
    pub async fn close(self) -> anyhow::Result<()> {
        match self.room {
            Some(room) => room.close().await,
            None => Ok(()),
        }
    }
}

/// Does a piece of work beside what a lifecycle runs, then lets that finish. A signal, or a task that fails, ends both.
pub async fn attended<T>(
    lifecycle: &Lifecycle,
    grace: Duration,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let draining = lifecycle.draining();
    let working = async {
        let ended = tokio::select! {
            () = draining.cancelled() => Err(anyhow::anyhow!("stopped before the end")),
            ended = work => ended,
        };
        lifecycle.drain();
        ended
    };
    let (ended, _) = tokio::join!(working, lifecycle.run(shutdown_signal(), grace));
    ended
}
