//! A whole house to measure: every role in this process, on a private PostgreSQL that is thrown away, and one partner with a key.

use anyhow::{Context, bail};
use tempfile::TempDir;
use voorveld_chassis::telemetry::LogFilter;
use voorveld_chassis::{Clock, Lifecycle, Secret};
use voorveld_domain::MunicipalityCode;
use voorveld_seal::ApiKey;
use voorveld_store::partners::Partner;
use voorveld_synthetic::BULK_PARTNER;

use super::machine::Machine;
use super::room::{Counted, TOPIC_RETENTION, folder, own_prefix};
use crate::config::Settings;
use crate::database::Database;
use crate::ops::simulate::send::GatewayDoor;
use crate::roles::{House, Service};

/// A house in which everything is ready.
pub struct BenchHouse {
    /// The house.
    pub house: House,
    /// What runs in it.
    pub lifecycle: Lifecycle,
    /// Its time.
    pub clock: Clock,
    /// The door for partners.
    pub door: GatewayDoor,
    /// The key of the partner.
    pub key: Secret,
    /// On what it runs.
    pub machine: Machine,
    settings: Settings,
    folder: TempDir,
}

/// The first of the municipalities served.
#[must_use]
pub fn municipality(settings: &Settings) -> MunicipalityCode {
    *settings
        .municipalities
        .first()
        .expect("settings serve at least one")
}

impl BenchHouse {
    /// Starts it; its server counts what each statement takes if that is wanted.
    pub async fn open(
        settings: &Settings,
        log_filter: LogFilter,
        statements: bool,
    ) -> anyhow::Result<Self> {
        if !settings.is_embedded() {
            bail!("a bench keeps a database of its own and throws it away: unset postgres.url");
        }
        let mut settings = settings.clone();
        let any_port = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let doors = &mut settings.doors;
        for door in [
            &mut doors.gateway,
            &mut doors.outreach,
            &mut doors.console,
            &mut doors.admin,
        ] {
            *door = any_port;
        }
        doors.gateway_url = None;
        settings.log.retention = settings.log.retention.min(TOPIC_RETENTION);
        let folder = folder()?;
        folder.path().clone_into(&mut settings.data_dir);
        own_prefix(&mut settings);
        if statements {
            Counted::begin(&settings).await?.close().await?;
        }
        let (clock, lifecycle) = (Clock::system(), Lifecycle::new());
        let house = House::start(
            &settings,
            Service::ALL,
            clock.clone(),
            log_filter,
            &lifecycle,
        )
        .await?;
        let key = ApiKey::generate()?;
        let partner = Partner {
            id: BULK_PARTNER.id.to_owned(),
            name: BULK_PARTNER.name.to_owned(),
            municipalities: vec![municipality(&settings).to_string()],
            kinds: BULK_PARTNER.kinds.iter().map(ToString::to_string).collect(),
            partner_types: Vec::new(),
            rows_per_minute: u32::MAX,
            natural_key: false,
            disabled_at: None,
        };
        let store = &house.database.store;
        store
            .add_partner(&partner, &key.prefix, &key.hash, clock.now())
            .await?;
        let partitions = settings.log.partitions;
        let log = match &settings.kafka {
            Some(_) => format!("Kafka with {partitions} partitions"),
            None => format!("the log in PostgreSQL with {partitions} partitions"),
        };
        let machine = Machine::with_house(store.server_version().await?, log);
        let gateway = house.addresses.gateway.context("the gateway has no door")?;
        Ok(Self {
            house,
            lifecycle,
            clock,
            door: GatewayDoor::new(&format!("http://{gateway}")),
            key: Secret::new(key.shown_once.to_string()),
            machine,
            settings,
            folder,
        })
    }

    /// Closes it, when its lifecycle has ended, and tells what its server counted if that was wanted.
    pub async fn close_counted(self, statements: bool) -> anyhow::Result<Option<Counted>> {
        self.house.database.close().await?;
        let counted = if statements {
            let database = Database::open_known(&self.settings).await?;
            let counted = Counted::read(&database.store, true).await?;
            database.close().await?;
            Some(counted)
        } else {
            None
        };
        self.folder.close().context("removing a folder failed")?;
        Ok(counted)
    }
}
