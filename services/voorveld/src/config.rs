//! Settings: the shape of the file, and the checked values that come out of it.
//!
//! `config/voorveld.toml` is the reference: each setting stands there with its meaning and its default.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use voorveld_bus::KafkaConfig;
use voorveld_chassis::Secret;
use voorveld_chassis::settings::{SettingsError, Sources};
use voorveld_chassis::telemetry::LogFormat;
use voorveld_correlator::DEFAULT_CACHED_BYTES;
use voorveld_domain::MunicipalityCode;

use crate::cli::Global;

/// Read when no other file is named and it exists.
pub const DEFAULT_FILE: &str = "config/voorveld.toml";
/// Where the embedded default keeps its database and keys.
pub const DEFAULT_DATA_FOLDER: &str = ".voorveld/data";
/// Where the demo keeps everything.
pub const DEMO_DATA_FOLDER: &str = ".voorveld/demo";
/// Partitions of each topic on Kafka: room to grow, since the number is fixed at install.
pub const KAFKA_PARTITIONS: i32 = 64;
/// Partitions of each topic in PostgreSQL: one process reads them all.
pub const EMBEDDED_PARTITIONS: i32 = 8;
/// Most partitions a topic may have.
pub const PARTITIONS_MAX: i32 = 1_024;
/// Most memory for households between batches, in MiB.
pub const CACHED_MIB_MAX: usize = 65_536;
/// Longest prefix of names on the brokers; Kafka ends a name at 249.
pub const KAFKA_PREFIX_MAX: usize = 100;
/// Topics and dead letters keep at most this.
pub const RETENTION_MAX: Duration = Duration::from_hours(14 * 24);
/// The municipality that is served where none is configured; only the embedded default may lean on it.
pub const EXAMPLE_MUNICIPALITY: &str = "0518";

const PREFIX: &str = "VOORVELD";
const LISTS: &[&str] = &[
    "municipalities",
    "kafka.brokers",
    "keys.opening_private_files",
];

/// The file as it is written.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Shape {
    municipalities: Vec<String>,
    policy_dir: Option<PathBuf>,
    data_dir: PathBuf,
    #[serde(with = "humantime_serde")]
    grace: Duration,
    strict_transport: bool,
    telemetry: TelemetryShape,
    postgres: PostgresShape,
    kafka: KafkaShape,
    log: LogShape,
    keys: KeysShape,
    admin: DoorShape,
    gateway: GatewayShape,
    resolver: ResolverShape,
    correlator: CorrelatorShape,
    outreach: PagesShape,
    console: PagesShape,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            municipalities: Vec::new(),
            policy_dir: None,
            data_dir: PathBuf::from(DEFAULT_DATA_FOLDER),
            grace: Duration::from_secs(30),
            strict_transport: false,
            telemetry: TelemetryShape::default(),
            postgres: PostgresShape::default(),
            kafka: KafkaShape::default(),
            log: LogShape::default(),
            keys: KeysShape::default(),
            admin: DoorShape::default(),
            gateway: GatewayShape::default(),
            resolver: ResolverShape::default(),
            correlator: CorrelatorShape::default(),
            outreach: PagesShape::default(),
            console: PagesShape::default(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TelemetryShape {
    filter: Option<String>,
    format: LogFormat,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PostgresShape {
    url: Option<Secret>,
    url_file: Option<PathBuf>,
    connections: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KafkaShape {
    brokers: Vec<String>,
    security: KafkaSecurity,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
    username: Option<String>,
    password: Option<Secret>,
    password_file: Option<PathBuf>,
    replication: Option<i32>,
    prefix: String,
}

/// How the brokers are spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KafkaSecurity {
    /// In the clear: only inside one machine or a trusted network.
    #[default]
    Plaintext,
    /// TLS, with a client certificate where one is given.
    Tls,
    /// TLS, signing in with a user name and password (SCRAM-SHA-512).
    SaslTls,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LogShape {
    partitions: Option<i32>,
    #[serde(with = "humantime_serde")]
    retention: Option<Duration>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KeysShape {
    sealing_public_file: Option<PathBuf>,
    opening_private_files: Vec<PathBuf>,
    index_secret_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct DoorShape {
    listen: Option<SocketAddr>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GatewayShape {
    listen: Option<SocketAddr>,
    public_url: Option<String>,
    spool_dir: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ResolverShape {
    excluded_addresses_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CorrelatorShape {
    cached_mib: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PagesShape {
    listen: Option<SocketAddr>,
    https: bool,
}

/// Everything a process was told, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The municipalities this installation serves; at least one.
    pub municipalities: BTreeSet<MunicipalityCode>,
    /// Where the municipality's own policy files are; absent: those that came with the release.
    pub policy_dir: Option<PathBuf>,
    /// Addresses at which nothing is joined across persons (K14): a CSV file.
    pub excluded_addresses: Option<PathBuf>,
    /// Where the embedded default keeps its database and keys.
    pub data_dir: PathBuf,
    /// How long a process may take to finish what it holds.
    pub grace: Duration,
    /// Tell browsers to use HTTPS only.
    pub strict_transport: bool,
    /// How to log.
    pub telemetry: Telemetry,
    /// The database; absent: the embedded default.
    pub postgres: Option<Postgres>,
    /// The brokers; absent: the log is in the database.
    pub kafka: Option<Kafka>,
    /// The log, whichever is behind it.
    pub log: LogSettings,
    /// Most bytes of households that a correlator keeps between batches.
    pub cached_bytes: usize,
    /// Key files.
    pub keys: KeyFiles,
    /// Where each door opens.
    pub doors: Doors,
}

/// How to log.
#[derive(Debug, Clone)]
pub struct Telemetry {
    /// Which lines.
    pub filter: Option<String>,
    /// How they look.
    pub format: LogFormat,
}

/// A database that somebody else keeps.
#[derive(Debug, Clone)]
pub struct Postgres {
    /// Where, and with which login.
    pub url: Secret,
    /// Most connections of this process.
    pub connections: u32,
}

/// Connections of a process that was told nothing about it: enough for two cores' worth of batches and pages.
pub const DEFAULT_CONNECTIONS: u32 = 20;

/// Brokers.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// `host:port` of at least one.
    pub brokers: Vec<String>,
    /// How they are spoken to.
    pub security: KafkaSecurity,
    /// Who signs their certificates.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate.
    pub certificate_file: Option<PathBuf>,
    /// Its key.
    pub key_file: Option<PathBuf>,
    /// Who we are.
    pub login: Option<(String, Secret)>,
    /// Copies of each partition when we make a topic.
    pub replication: i32,
    /// Goes before the names of topics and consumer groups.
    pub prefix: String,
}

impl Kafka {
    /// What the log is told about the brokers. With three replicas two must hold a record before it is acknowledged (I1).
    #[must_use]
    pub fn for_log(&self) -> KafkaConfig {
        let mut config = KafkaConfig::new(self.brokers.join(","));
        config.replication = self.replication;
        config.prefix.clone_from(&self.prefix);
        config.min_insync_replicas = if self.replication < 3 { 1 } else { 2 };
        let mut set = |name: &str, value: &str| {
            config.properties.insert(name.to_owned(), value.to_owned());
        };
        match self.security {
            KafkaSecurity::Plaintext => set("security.protocol", "plaintext"),
            KafkaSecurity::Tls => set("security.protocol", "ssl"),
            KafkaSecurity::SaslTls => set("security.protocol", "sasl_ssl"),
        }
        for (name, file) in [
            ("ssl.ca.location", &self.ca_file),
            ("ssl.certificate.location", &self.certificate_file),
            ("ssl.key.location", &self.key_file),
        ] {
            if let Some(file) = file {
                set(name, &file.to_string_lossy());
            }
        }
        if let Some((name, password)) = &self.login {
            set("sasl.mechanism", "SCRAM-SHA-512");
            set("sasl.username", name);
            set("sasl.password", password.expose());
        }
        config
    }
}

/// The log, whichever is behind it.
#[derive(Debug, Clone, Copy)]
pub struct LogSettings {
    /// Partitions of each topic; fixed at install.
    pub partitions: i32,
    /// How long a topic keeps a record.
    pub retention: Duration,
}

/// Key files; which of them a role needs is its own affair, so here each may be absent.
#[derive(Debug, Clone, Default)]
pub struct KeyFiles {
    /// The public half: the gateway.
    pub sealing_public: Option<PathBuf>,
    /// Private halves, the newest and those still needed for older envelopes: resolver and outreach.
    pub opening_private: Vec<PathBuf>,
    /// The secret behind keyed indexes: gateway and resolver.
    pub index_secret: Option<PathBuf>,
}

impl KeyFiles {
    /// Whether nothing was said about keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sealing_public.is_none()
            && self.opening_private.is_empty()
            && self.index_secret.is_none()
    }
}

/// Where each door opens.
#[derive(Debug, Clone)]
pub struct Doors {
    /// The partners' door.
    pub gateway: SocketAddr,
    /// How partners reach it, for links; absent: its own address.
    pub gateway_url: Option<String>,
    /// Where files wait, without a name, while they are read; absent: the system's temporary folder.
    pub spool_dir: Option<PathBuf>,
    /// Worklists.
    pub outreach: SocketAddr,
    /// Whether browsers reach the worklists by HTTPS (a proxy in front ends it).
    pub outreach_https: bool,
    /// The operations page.
    pub console: SocketAddr,
    /// Whether browsers reach the operations page by HTTPS.
    pub console_https: bool,
    /// Health and metrics.
    pub admin: SocketAddr,
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

impl Settings {
    /// Reads file, environment and flags.
    pub fn load(global: &Global) -> Result<Self, SettingsError> {
        let file = global.config.clone().or_else(|| {
            let file = PathBuf::from(DEFAULT_FILE);
            file.is_file().then_some(file)
        });
        let mut sources = Sources::new(LISTS)
            .file(file.as_deref())
            .process_environment(PREFIX);
        for (name, value) in &global.set {
            sources = sources.flag(name, Some(value.clone()));
        }
        let mut settings = Self::check(sources.load()?)?;
        settings.telemetry.filter = global.log_filter.clone().or(settings.telemetry.filter);
        settings.telemetry.format = global.log_format.unwrap_or(settings.telemetry.format);
        Ok(settings)
    }

    /// Reads one file and nothing else: for a test of the samples.
    pub fn from_file(file: &Path) -> Result<Self, SettingsError> {
        Self::check(Sources::new(LISTS).file(Some(file)).load()?)
    }

    fn check(shape: Shape) -> Result<Self, SettingsError> {
        let postgres = Secret::from_either(
            "postgres.url",
            shape.postgres.url.as_ref(),
            shape.postgres.url_file.as_deref(),
        )?
        .map(|url| Postgres {
            url,
            connections: shape.postgres.connections.unwrap_or(DEFAULT_CONNECTIONS),
        });
        if postgres
            .as_ref()
            .is_some_and(|postgres| postgres.connections == 0)
        {
            return unfit("postgres.connections must be at least 1");
        }
        let kafka = check_kafka(shape.kafka)?;
        let municipalities = check_municipalities(&shape.municipalities, postgres.is_none())?;
        Ok(Self {
            municipalities,
            log: check_log(&shape.log, kafka.is_some())?,
            cached_bytes: check_cached(&shape.correlator)?,
            policy_dir: shape.policy_dir,
            excluded_addresses: shape.resolver.excluded_addresses_file,
            data_dir: shape.data_dir,
            grace: shape.grace,
            strict_transport: shape.strict_transport,
            telemetry: Telemetry {
                filter: shape.telemetry.filter,
                format: shape.telemetry.format,
            },
            postgres,
            kafka,
            keys: KeyFiles {
                sealing_public: shape.keys.sealing_public_file,
                opening_private: shape.keys.opening_private_files,
                index_secret: shape.keys.index_secret_file,
            },
            doors: Doors {
                gateway: shape.gateway.listen.unwrap_or(local(8080)),
                gateway_url: shape.gateway.public_url,
                spool_dir: shape.gateway.spool_dir,
                outreach: shape.outreach.listen.unwrap_or(local(8081)),
                outreach_https: shape.outreach.https,
                console: shape.console.listen.unwrap_or(local(8082)),
                console_https: shape.console.https,
                admin: shape.admin.listen.unwrap_or(local(8090)),
            },
        })
    }

    /// The key files: those that were configured, or, on the embedded default with none configured, its own.
    pub fn key_files(&self) -> anyhow::Result<KeyFiles> {
        if self.keys.is_empty() && self.is_embedded() {
            return crate::keys::embedded(&self.data_dir);
        }
        Ok(self.keys.clone())
    }

    /// Whether this process keeps a PostgreSQL of its own.
    #[must_use]
    pub fn is_embedded(&self) -> bool {
        self.postgres.is_none()
    }
}

fn unfit<T>(why: &str) -> Result<T, SettingsError> {
    Err(SettingsError::Unfit(why.to_owned()))
}

fn check_municipalities(
    raw: &[String],
    embedded: bool,
) -> Result<BTreeSet<MunicipalityCode>, SettingsError> {
    if raw.is_empty() && !embedded {
        return unfit(
            "municipalities is empty: name the CBS codes that are served, such as [\"0518\"] in a file or --set municipalities=0518",
        );
    }
    let example = [EXAMPLE_MUNICIPALITY.to_owned()];
    let raw = if raw.is_empty() { &example } else { raw };
    raw.iter()
        .map(|code| {
            code.parse::<MunicipalityCode>().map_err(|error| {
                SettingsError::Unfit(format!("municipalities: \"{code}\" does not fit: {error}"))
            })
        })
        .collect()
}

fn check_kafka(shape: KafkaShape) -> Result<Option<Kafka>, SettingsError> {
    let password = Secret::from_either(
        "kafka.password",
        shape.password.as_ref(),
        shape.password_file.as_deref(),
    )?;
    if shape.brokers.is_empty() {
        return Ok(None);
    }
    let login = match (shape.username, password) {
        (Some(name), Some(password)) => Some((name, password)),
        (None, None) => None,
        _ => return unfit("kafka.username and kafka.password belong together"),
    };
    if (shape.security == KafkaSecurity::SaslTls) != login.is_some() {
        return unfit("kafka.username and kafka.password go with security = \"sasl_tls\"");
    }
    if shape.certificate_file.is_some() != shape.key_file.is_some() {
        return unfit("kafka.certificate_file and kafka.key_file belong together");
    }
    let replication = shape.replication.unwrap_or(3);
    if replication < 1 {
        return unfit("kafka.replication must be at least 1");
    }
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    if KAFKA_PREFIX_MAX < shape.prefix.len() || !shape.prefix.chars().all(fits) {
        return unfit(
            "kafka.prefix may be up to 100 letters, digits, dots, hyphens and underscores",
        );
    }
    Ok(Some(Kafka {
        brokers: shape.brokers,
        security: shape.security,
        ca_file: shape.ca_file,
        certificate_file: shape.certificate_file,
        key_file: shape.key_file,
        login,
        replication,
        prefix: shape.prefix,
    }))
}

fn check_log(shape: &LogShape, kafka: bool) -> Result<LogSettings, SettingsError> {
    let usual = if kafka {
        KAFKA_PARTITIONS
    } else {
        EMBEDDED_PARTITIONS
    };
    let partitions = shape.partitions.unwrap_or(usual);
    if !(1..=PARTITIONS_MAX).contains(&partitions) {
        return unfit("log.partitions must be between 1 and 1024");
    }
    let retention = shape.retention.unwrap_or(RETENTION_MAX);
    if RETENTION_MAX < retention {
        return unfit("log.retention may be at most 14 days: the database alone is history");
    }
    Ok(LogSettings {
        partitions,
        retention,
    })
}

fn check_cached(shape: &CorrelatorShape) -> Result<usize, SettingsError> {
    let Some(mebibytes) = shape.cached_mib else {
        return Ok(DEFAULT_CACHED_BYTES);
    };
    if !(1..=CACHED_MIB_MAX).contains(&mebibytes) {
        return unfit("correlator.cached_mib must be between 1 and 65536");
    }
    Ok(mebibytes << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Settings, SettingsError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("voorveld.toml");
        std::fs::write(&file, text).unwrap();
        Settings::from_file(&file)
    }

    #[test]
    fn an_empty_file_means_the_embedded_default() {
        let settings = read("").unwrap();
        assert!(settings.is_embedded());
        assert!(settings.kafka.is_none());
        assert_eq!(settings.log.partitions, EMBEDDED_PARTITIONS);
        assert_eq!(settings.cached_bytes, DEFAULT_CACHED_BYTES);
        assert_eq!(settings.doors.gateway, local(8080));
    }

    #[test]
    fn kafka_means_more_partitions() {
        let settings = read("[kafka]\nbrokers = [\"localhost:9092\"]\n").unwrap();
        assert_eq!(settings.log.partitions, KAFKA_PARTITIONS);
        assert_eq!(settings.kafka.unwrap().replication, 3);
    }

    #[test]
    fn what_cannot_work_is_refused_with_its_reason() {
        for (text, word) in [
            ("[postgres]\nurl = \"postgres://x\"\n", "municipalities"),
            ("municipalities = [\"12\"]\n", "municipalities"),
            ("[log]\npartitions = 0\n", "log.partitions"),
            ("[log]\nretention = \"15 days\"\n", "14 days"),
            (
                "[kafka]\nbrokers = [\"b:1\"]\nusername = \"u\"\n",
                "kafka.username",
            ),
            (
                "[kafka]\nbrokers = [\"b:1\"]\nsecurity = \"sasl_tls\"\n",
                "kafka.username",
            ),
            (
                "[kafka]\nbrokers = [\"b:1\"]\nprefix = \"a b\"\n",
                "kafka.prefix",
            ),
            ("[correlator]\ncached_mib = 0\n", "correlator.cached_mib"),
            (
                "[correlator]\ncached_mib = 65537\n",
                "correlator.cached_mib",
            ),
            ("[resolver]\nspeed = 3\n", "speed"),
            ("[gateway]\nlisten = \"here\"\n", "listen"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text:?} gives {error}");
        }
    }

    #[test]
    fn a_database_url_is_not_shown() {
        let settings = read(
            "municipalities = [\"0518\"]\n[postgres]\nurl = \"postgres://voorveld:hush@db/voorveld\"\n",
        )
        .unwrap();
        assert!(!format!("{settings:?}").contains("hush"));
    }
}
