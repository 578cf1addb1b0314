//! Starting roles: the same steps for each. Flags and settings were read before; here come schema check, connections,
//! `start()`, and ready.

use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{Context, bail};
use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use voorveld_chassis::admin::{Admin, Health};
use voorveld_chassis::telemetry::LogFilter;
use voorveld_chassis::{Clock, Lifecycle, http, retry, shutdown_signal};
use voorveld_store::Store;

use crate::config::Settings;

/// A role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Partners' door.
    Gateway,
    /// Whose signal is this?
    Resolver,
    /// Rules, matches, tasks.
    Correlator,
    /// Worklists.
    Outreach,
    /// Operations.
    Console,
}

impl Service {
    /// Every role, in the order a signal meets them.
    pub const ALL: &'static [Self] = &[
        Self::Gateway,
        Self::Resolver,
        Self::Correlator,
        Self::Outreach,
        Self::Console,
    ];

    /// The name on the command line, in logs and in Helm.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Resolver => "resolver",
            Self::Correlator => "correlator",
            Self::Outreach => "outreach",
            Self::Console => "console",
        }
    }
}

/// The database of this process.
#[derive(Debug)]
pub struct Database {
    /// What everybody uses.
    pub store: Store,
}

impl Database {
    /// Connects, with back-off where the database is somebody else's and may still be starting.
    pub async fn open(settings: &Settings, role: &'static str) -> anyhow::Result<Self> {
        Self::open_until(settings, role, &CancellationToken::new()).await
    }

    async fn open_until(
        settings: &Settings,
        role: &'static str,
        draining: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let Some(postgres) = &settings.postgres else {
            bail!("no database is configured: set postgres.url or postgres.url_file");
        };
        let store = retry::until_ok(
            "connecting to the database",
            draining,
            voorveld_store::StoreError::is_transient,
            || Store::connect(postgres.url.expose(), postgres.connections),
        )
        .await
        .with_context(|| format!("{role} was stopped while it waited for the database"))?
        .context("connecting to the database failed")?;
        Ok(Self { store })
    }

    /// Lets go of it in an orderly way.
    pub async fn close(self) -> anyhow::Result<()> {
        self.store.close().await;
        Ok(())
    }
}

/// Runs roles until they are told to stop.
pub async fn run(
    settings: &Settings,
    services: &[Service],
    log_filter: LogFilter,
) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::new();
    let house = House::start(settings, services, Clock::system(), log_filter, &lifecycle).await?;
    let code = lifecycle.run(shutdown_signal(), settings.grace).await;
    house.database.close().await?;
    Ok(code)
}

/// Where the doors of a started house are. A door that this process does not open is absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct Addresses {
    /// Partners' door.
    pub gateway: Option<SocketAddr>,
    /// Worklists.
    pub outreach: Option<SocketAddr>,
    /// Operations.
    pub console: Option<SocketAddr>,
    /// Health and metrics.
    pub admin: Option<SocketAddr>,
}

/// A started house: one role, or all of them.
pub struct House {
    /// The database.
    pub database: Database,
    /// Where the doors are.
    pub addresses: Addresses,
}

impl House {
    /// Opens what the roles need and starts them. When it returns, they are ready.
    pub async fn start(
        settings: &Settings,
        services: &[Service],
        clock: Clock,
        log_filter: LogFilter,
        lifecycle: &Lifecycle,
    ) -> anyhow::Result<Self> {
        let name = match services {
            [one] => one.name(),
            _ => "all",
        };
        tracing::info!(role = name, version = env!("CARGO_PKG_VERSION"), "starting");
        let draining = lifecycle.draining();
        let health = Health::new(draining.clone());
        let registry = Registry::new();
        let mut addresses = Addresses::default();

        let admin = http::bind("admin", settings.doors.admin).await?;
        addresses.admin = Some(admin.local_addr()?);
        let router = Admin {
            health: health.clone(),
            registry: registry.clone(),
            log_filter,
        }
        .router();
        lifecycle.spawn("admin", http::serve(admin, router, lifecycle.aborting()));

        let started = health.check("started");
        let database = Database::open_until(settings, name, &draining).await?;
        if !database.store.schema_is_known().await? {
            bail!(
                "the database has another schema than this release knows: run `voorveld migrate` first"
            );
        }
        drop((clock, draining, registry));
        started.ok();
        tracing::info!(role = name, "ready");
        Ok(Self {
            database,
            addresses,
        })
    }
}
