//! Starting roles: the same steps for each. Flags and settings were read before; here come schema check, connections,
//! `start()`, and ready.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures::StreamExt;
use prometheus::Registry;
use tokio_util::sync::CancellationToken;
use voorveld_bus::{Log, TopicSpec};
use voorveld_chassis::admin::{Admin, Health};
use voorveld_chassis::telemetry::LogFilter;
use voorveld_chassis::{Clock, Lifecycle, http, retry, shutdown_signal};
use voorveld_detect::explain::Words;
use voorveld_policy::Policy;
use voorveld_seal::{IndexLabel, Sealer};
use voorveld_store::Store;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC, household_key};

use crate::config::{DEFAULT_CONNECTIONS, KeyFiles, Settings};
use crate::embedded::EmbeddedPostgres;
use crate::housekeeping;
use crate::keys;
use crate::ops::office;

/// Where the embedded database listens, for commands that are typed while it runs.
const ADDRESS_NOTE: &str = "database.url";

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

/// The database of this process: somebody else's, or one of its own.
#[derive(Debug)]
pub struct Database {
    /// What everybody uses.
    pub store: Store,
    own: Option<(EmbeddedPostgres, PathBuf)>,
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
        if self.store.schema_is_known().await? {
            return Ok(());
        }
        if settings.is_embedded() {
            self.store.migrate().await?;
            tracing::info!("the schema was brought up to date");
            return Ok(());
        }
        bail!(
            "the database has another schema than this release knows: run `voorveld migrate` first"
        );
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

/// The topics of this installation; `docs/topics.md` says who writes and reads them.
#[must_use]
pub fn topics(settings: &Settings) -> [TopicSpec; 2] {
    [RECEIVED_TOPIC, RESOLVED_TOPIC].map(|name| TopicSpec {
        name: name.to_owned(),
        partitions: settings.log.partitions,
        retention: settings.log.retention,
    })
}

/// Runs roles until they are told to stop.
pub async fn run(
    settings: &Settings,
    services: &[Service],
    log_filter: LogFilter,
) -> anyhow::Result<ExitCode> {
    let lifecycle = Lifecycle::new();
    let mut signals = shutdown_signal();
    let starting = House::start(settings, services, Clock::system(), log_filter, &lifecycle);
    let house = tokio::select! {
        house = starting => house?,
        Some(signal) = signals.next() => {
            tracing::info!(signal, "stopped before everything had started");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let code = lifecycle.run(signals, settings.grace).await;
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
    /// The log.
    pub log: Log,
    /// The policy in force.
    pub policy: Arc<Policy>,
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
        if settings.is_embedded() && services.len() == 1 {
            bail!("no database is configured: set postgres.url or postgres.url_file");
        }
        tracing::info!(role = name, version = env!("CARGO_PKG_VERSION"), "starting");
        let health = Health::new(lifecycle.draining());
        let started = health.check("started");
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
        lifecycle.spawn_last("admin", http::serve(admin, router, lifecycle.leaving()));

        let policy = Arc::new(office::policy(settings)?);
        let database = Database::open_known(settings).await?;
        let log = database.log(settings)?;
        let topics = topics(settings);
        retry::until_ok(
            "preparing the log",
            &lifecycle.draining(),
            voorveld_bus::BusError::is_transient,
            || log.ensure_topics(&topics),
        )
        .await
        .context("stopped while waiting for the log")?
        .context("preparing the log failed")?;

        let hall = Hall {
            settings,
            keys: settings.key_files()?,
            store: database.store.clone(),
            log: log.clone(),
            policy: Arc::clone(&policy),
            clock,
            registry,
            owner: owner(name),
            lifecycle,
        };
        for service in services {
            hall.start(*service)
                .await
                .with_context(|| format!("starting the {} failed", service.name()))?;
        }
        started.ok();
        tracing::info!(role = name, "ready");
        Ok(Self {
            database,
            log,
            policy,
            addresses,
        })
    }
}

/// What is at hand while roles are started; each is given its part of it and no more (I9).
struct Hall<'a> {
    settings: &'a Settings,
    keys: KeyFiles,
    store: Store,
    log: Log,
    policy: Arc<Policy>,
    clock: Clock,
    registry: Registry,
    owner: String,
    lifecycle: &'a Lifecycle,
}

impl Hall<'_> {
    async fn start(&self, service: Service) -> anyhow::Result<()> {
        match service {
            Service::Resolver => self.resolver().await,
            Service::Correlator => self.correlator(),
            Service::Gateway => self.gateway().await,
            Service::Outreach => self.outreach().await,
            Service::Console => self.console().await,
        }
    }

    async fn gateway(&self) -> anyhow::Result<()> {
        let secret = keys::index_secret(&self.keys)?;
        let config = voorveld_gateway::Config {
            listen: self.settings.doors.gateway,
            public_url: self.settings.doors.gateway_url.clone(),
            strict_transport: self.settings.strict_transport,
            municipalities: self.settings.municipalities.clone(),
            spool_dir: self.settings.doors.spool_dir.clone(),
        };
        let parts = voorveld_gateway::Parts {
            store: self.store.clone(),
            log: self.log.clone(),
            policy: Arc::clone(&self.policy),
            sealer: Sealer::new(keys::sealing_key(&self.keys)?),
            references: secret.key(IndexLabel::References),
            digests: secret.key(IndexLabel::Digests),
            clock: self.clock.clone(),
            registry: self.registry.clone(),
        };
        voorveld_gateway::start(config, parts, self.lifecycle).await
    }

    async fn outreach(&self) -> anyhow::Result<()> {
        let doors = &self.settings.doors;
        let config = voorveld_outreach::Config {
            listen: doors.outreach,
            https: doors.outreach_https,
            strict_transport: self.settings.strict_transport,
        };
        let partitions = self.settings.log.partitions;
        let parts = voorveld_outreach::Parts {
            store: self.store.clone(),
            policy: Arc::clone(&self.policy),
            opener: Arc::new(keys::opener(&self.keys)?),
            clock: self.clock.clone(),
            registry: self.registry.clone(),
            partition_of: Arc::new(move |household| {
                voorveld_bus::partition_of(&household_key(household.uuid()), partitions)
            }),
        };
        voorveld_outreach::start(config, parts, self.lifecycle).await
    }

    async fn console(&self) -> anyhow::Result<()> {
        let doors = &self.settings.doors;
        let config = voorveld_console::Config {
            listen: doors.console,
            https: doors.console_https,
            strict_transport: self.settings.strict_transport,
        };
        let parts = voorveld_console::Parts {
            store: self.store.clone(),
            log: self.log.clone(),
            stages: vec![
                voorveld_console::Stage {
                    name: voorveld_resolver::STAGE,
                    topic: RECEIVED_TOPIC,
                },
                voorveld_console::Stage {
                    name: voorveld_correlator::STAGE,
                    topic: RESOLVED_TOPIC,
                },
            ],
            policy: Arc::clone(&self.policy),
            clock: self.clock.clone(),
            registry: self.registry.clone(),
        };
        voorveld_console::start(config, parts, self.lifecycle).await
    }

    async fn resolver(&self) -> anyhow::Result<()> {
        let secret = keys::index_secret(&self.keys)?;
        let policy = Arc::clone(&self.policy);
        let address_index = secret.key(IndexLabel::Addresses);
        let excluded = match &self.settings.excluded_addresses {
            Some(file) => voorveld_resolver::read_excluded(file, &address_index)?,
            None => Vec::new(),
        };
        let parts = voorveld_resolver::Parts {
            store: self.store.clone(),
            log: self.log.clone(),
            opener: keys::opener(&self.keys)?,
            address_index,
            person_index: secret.key(IndexLabel::Persons),
            area_of: Arc::new(move |_municipality, digits| {
                policy.routing().area(Some(digits)).clone()
            }),
            excluded,
            clock: self.clock.clone(),
            metrics: voorveld_resolver::Metrics::new(&self.registry)?,
            owner: self.owner.clone(),
        };
        let draining = self.lifecycle.draining();
        let sweeping = housekeeping::run(self.store.clone(), self.clock.clone(), draining);
        self.lifecycle.spawn("housekeeping", sweeping);
        voorveld_resolver::start(parts, self.lifecycle).await
    }

    fn correlator(&self) -> anyhow::Result<()> {
        let policy = Arc::clone(&self.policy);
        let parts = voorveld_correlator::Parts {
            store: self.store.clone(),
            log: self.log.clone(),
            rules: self.policy.rules().clone(),
            calendar: self.policy.calendar().clone(),
            words: words(&self.policy),
            team_of: Arc::new(move |_municipality, area, purpose| {
                let routing = policy.routing();
                let area = area.unwrap_or_else(|| routing.area(None));
                (area.clone(), routing.team(area, purpose).clone())
            }),
            clock: self.clock.clone(),
            metrics: voorveld_correlator::Metrics::new(&self.registry)?,
            owner: self.owner.clone(),
        };
        voorveld_correlator::start(parts, self.lifecycle);
        Ok(())
    }
}

/// What the municipality calls its kinds and fields.
#[must_use]
pub fn words(policy: &Policy) -> Words {
    let mut words = Words::default();
    for kind in policy.catalogue().iter() {
        words.kinds.insert(kind.id.clone(), kind.name.clone());
        for field in &kind.fields {
            words.fields.insert(field.name.clone(), field.label.clone());
        }
    }
    words
}

/// This process, for people who look at positions: role, machine, number.
fn owner(role: &str) -> String {
    let machine = rustix::system::uname();
    format!(
        "{role}@{}:{}",
        machine.nodename().to_string_lossy(),
        std::process::id()
    )
}
