//! Starting roles: the same steps for each. Flags and settings were read before; here come schema check, connections,
//! `start()`, and ready.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use futures::StreamExt;
use prometheus::Registry;
use voorveld_bus::{Log, TopicSpec};
use voorveld_chassis::admin::{Admin, Health};
use voorveld_chassis::telemetry::LogFilter;
use voorveld_chassis::{Clock, Lifecycle, http, retry, shutdown_signal};
use voorveld_policy::{Current, Policy};
use voorveld_seal::{IndexLabel, Sealer};
use voorveld_store::Store;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC, household_key};

use crate::cli::EXIT_USAGE;
use crate::config::{KeyFiles, Settings};
use crate::database::Database;
use crate::health;
use crate::housekeeping;
use crate::in_force;
use crate::keys;
use crate::ops::office;
use crate::standstill;

/// Only all roles together keep a database of their own.
const NO_DATABASE: &str = "no database is configured: set postgres.url or postgres.url_file";

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

    /// Whether it goes by [`Current`].
    const fn goes_by_current(self) -> bool {
        matches!(self, Self::Resolver | Self::Outreach | Self::Console)
    }

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
    if settings.is_embedded() && services.len() == 1 {
        eprintln!("voorveld: {NO_DATABASE}");
        return Ok(ExitCode::from(EXIT_USAGE));
    }
    let lifecycle = Lifecycle::new();
    let mut signals = shutdown_signal();
    let starting = House::start(settings, services, Clock::system(), log_filter, &lifecycle);
    let house = tokio::select! {
        house = starting => match house {
            Ok(house) => house,
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "starting failed");
                return Ok(ExitCode::FAILURE);
            }
        },
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
            bail!(NO_DATABASE);
        }
        tracing::info!(role = name, version = env!("CARGO_PKG_VERSION"), "starting");
        let readiness = Health::new(lifecycle.draining());
        let started = readiness.check("started");
        let registry = Registry::new();
        let mut addresses = Addresses::default();

        let admin = http::bind("admin", settings.doors.admin).await?;
        addresses.admin = Some(admin.local_addr()?);
        let router = Admin {
            health: readiness.clone(),
            registry: registry.clone(),
            log_filter,
        }
        .router();
        lifecycle.spawn_last("admin", http::serve(admin, router, lifecycle.leaving()));

        let own = Arc::new(office::policy(settings)?);
        let database = Database::open_known(settings).await?;
        let policy = in_force::policy(&own, services, &database.store, &clock).await?;
        let log = database.log(settings)?;
        // Worklists lean on the database alone.
        let leans_on_log = services.iter().any(|service| *service != Service::Outreach);
        if leans_on_log {
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
        }

        let hall = Hall {
            settings,
            keys: settings.key_files()?,
            store: database.store.clone(),
            log: log.clone(),
            own,
            policy: Arc::clone(&policy),
            current: Current::new(Arc::clone(&policy)),
            clock,
            registry,
            owner: owner(name),
            lifecycle,
        };
        for service in services {
            hall.start(*service, &mut addresses)
                .await
                .with_context(|| format!("starting the {} failed", service.name()))?;
        }
        // The door goes by its own files, and who judges looks between batches.
        if services.iter().any(|service| service.goes_by_current()) {
            let watching = in_force::watch(
                hall.current.clone(),
                hall.store.clone(),
                lifecycle.draining(),
            );
            lifecycle.spawn("policy", watching);
        }
        // To the last: who is told to stop may be waiting for somebody who stands still.
        lifecycle.spawn_last(
            "standstill",
            standstill::watch(hall.store.clone(), lifecycle.leaving()),
        );
        lifecycle.spawn(
            "health",
            health::watch(
                hall.store.clone(),
                readiness.check("database"),
                leans_on_log.then(|| (log.clone(), readiness.check("log"))),
                lifecycle.draining(),
            ),
        );
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
    /// The files of this process: what the door takes in goes by them.
    own: Arc<Policy>,
    /// What was in force at the start: with it who judges begins.
    policy: Arc<Policy>,
    /// What is in force, also when that changes while this process runs.
    current: Current,
    clock: Clock,
    registry: Registry,
    owner: String,
    lifecycle: &'a Lifecycle,
}

impl Hall<'_> {
    async fn start(&self, service: Service, addresses: &mut Addresses) -> anyhow::Result<()> {
        match service {
            Service::Resolver => self.resolver().await?,
            Service::Correlator => self.correlator()?,
            Service::Gateway => addresses.gateway = Some(self.gateway().await?),
            Service::Outreach => addresses.outreach = Some(self.outreach().await?),
            Service::Console => addresses.console = Some(self.console().await?),
        }
        Ok(())
    }

    async fn gateway(&self) -> anyhow::Result<SocketAddr> {
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
            policy: Arc::clone(&self.own),
            sealer: Sealer::new(keys::sealing_key(&self.keys)?),
            references: secret.key(IndexLabel::References),
            digests: secret.key(IndexLabel::Digests),
            clock: self.clock.clone(),
            registry: self.registry.clone(),
        };
        voorveld_gateway::start(config, parts, self.lifecycle).await
    }

    async fn outreach(&self) -> anyhow::Result<SocketAddr> {
        let doors = &self.settings.doors;
        let config = voorveld_outreach::Config {
            listen: doors.outreach,
            https: doors.outreach_https,
            strict_transport: self.settings.strict_transport,
        };
        let partitions = self.settings.log.partitions;
        let parts = voorveld_outreach::Parts {
            store: self.store.clone(),
            policy: self.current.clone(),
            opener: Arc::new(keys::opener(&self.keys)?),
            clock: self.clock.clone(),
            wall: Clock::system(),
            registry: self.registry.clone(),
            partition_of: Arc::new(move |household| {
                voorveld_bus::partition_of(&household_key(household.uuid()), partitions)
            }),
        };
        voorveld_outreach::start(config, parts, self.lifecycle).await
    }

    async fn console(&self) -> anyhow::Result<SocketAddr> {
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
            policy: self.current.clone(),
            clock: self.clock.clone(),
            wall: Clock::system(),
            registry: self.registry.clone(),
        };
        voorveld_console::start(config, parts, self.lifecycle).await
    }

    async fn resolver(&self) -> anyhow::Result<()> {
        let secret = keys::index_secret(&self.keys)?;
        let (routes, kinds) = (self.current.clone(), self.current.clone());
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
                routes.now().routing().area(Some(digits)).clone()
            }),
            ends_on: Arc::new(move |kind, event_date, born_on| {
                let policy = kinds.now();
                policy.catalogue().find(kind)?.ends_on(event_date, born_on)
            }),
            excluded,
            clock: self.clock.clone(),
            fresh_id: Arc::new(uuid::Uuid::new_v4),
            metrics: voorveld_resolver::Metrics::new(&self.registry)?,
            owner: self.owner.clone(),
        };
        let draining = self.lifecycle.draining();
        let sweeping = housekeeping::run(
            self.store.clone(),
            self.log.clone(),
            self.clock.clone(),
            self.current.clone(),
            draining,
        );
        self.lifecycle.spawn("housekeeping", sweeping);
        voorveld_resolver::start(parts, self.lifecycle).await
    }

    fn correlator(&self) -> anyhow::Result<()> {
        let parts = voorveld_correlator::Parts {
            store: self.store.clone(),
            log: self.log.clone(),
            policy: Arc::clone(&self.policy),
            clock: self.clock.clone(),
            metrics: voorveld_correlator::Metrics::new(&self.registry)?,
            owner: self.owner.clone(),
            cached_bytes: self.settings.cached_bytes,
        };
        voorveld_correlator::start(&parts, self.lifecycle);
        Ok(())
    }
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
