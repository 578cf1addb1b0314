//! What something took: the clock, processors, memory and the write-ahead log, from one moment to another.

use serde::Serialize;
use voorveld_chassis::Stopwatch;
use voorveld_store::Store;
use voorveld_store::measured::LogWritten;

use super::machine::Usage;
use super::room::server_cpu_seconds;

/// Runs from the moment it is begun.
pub struct Meter<'a> {
    store: &'a Store,
    own: Usage,
    server: f64,
    log: LogWritten,
    watch: Stopwatch,
}

/// What was used between two moments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Used {
    /// By the clock.
    pub seconds: f64,
    /// Processor time of this process.
    pub cpu_seconds: f64,
    /// Processor time of PostgreSQL.
    pub server_cpu_seconds: f64,
    /// Most memory that this process held; see [`forget_peak`](super::machine::forget_peak).
    pub peak_bytes: u64,
    /// Bytes of PostgreSQL's write-ahead log, as far as its processes have told: each does so once a second at most.
    pub log_bytes: u64,
    /// Whole pages in it.
    pub log_pages: u64,
}

impl<'a> Meter<'a> {
    /// Begins.
    pub async fn begin(store: &'a Store) -> anyhow::Result<Self> {
        let log = store.log_written().await?;
        let server = server_cpu_seconds(store).await?;
        Ok(Self {
            store,
            own: Usage::now(),
            server,
            log,
            watch: Stopwatch::start(),
        })
    }

    /// What was used since.
    pub async fn read(&self) -> anyhow::Result<Used> {
        Ok(self.lap().await?.0)
    }

    /// What was used since, and what goes on from there: what the one does not tell the next one does.
    pub async fn lap(&self) -> anyhow::Result<(Used, Self)> {
        let seconds = self.watch.elapsed().as_secs_f64();
        let watch = Stopwatch::start();
        let own = Usage::now();
        let server = server_cpu_seconds(self.store).await?;
        let log = self.store.log_written().await?;
        let used = Used {
            seconds,
            cpu_seconds: own.cpu_seconds - self.own.cpu_seconds,
            server_cpu_seconds: server - self.server,
            peak_bytes: own.peak_bytes,
            log_bytes: log.bytes - self.log.bytes,
            log_pages: log.pages - self.log.pages,
        };
        let next = Self {
            store: self.store,
            own,
            server,
            log,
            watch,
        };
        Ok((used, next))
    }
}
