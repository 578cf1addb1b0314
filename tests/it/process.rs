//! The real binary, started as an operator would start it: a settings file, a database and a corner of Kafka of its own.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use jiff::civil::Date;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection, PgPool};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{MissedTickBehavior, interval, timeout};
use uuid::Uuid;
use voorveld_bus::{KafkaConfig, Log};
use voorveld_chassis::Clock;
use voorveld_store::Store;
use voorveld_store::summary::OnTheWay;
use voorveld_tests::{copy_policy, free_port};
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

/// How long anything may take before the test says that it does not come.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often is looked whether something has come.
const LOOK_EVERY: Duration = Duration::from_millis(25);
const PARTITIONS: i32 = 4;

/// What `voorveld keys generate` makes.
const KEY_FILES: [&str; 3] = ["sealing.public", "opening.private", "index.secret"];
/// The stages, with what each of them reads.
const STAGES: [(&str, &str); 2] = [("resolver", RECEIVED_TOPIC), ("correlator", RESOLVED_TOPIC)];

/// A sender in a test.
pub struct Sender<'a> {
    pub id: &'a str,
    pub municipalities: &'a [&'a str],
    pub kinds: &'a [&'a str],
    pub types: &'a [&'a str],
}

/// `voorveld all` with everything it needs.
pub struct House {
    folder: TempDir,
    database: String,
    /// Its database, to look into.
    pub pool: PgPool,
    /// Its log, to look into.
    log: Log,
    /// Where partners come.
    pub door: String,
    admin: String,
    client: reqwest::Client,
    running: Mutex<Option<Child>>,
}

/// Keys that several houses share, so that a reference has one index in all of them.
pub struct Keys(TempDir);

impl Keys {
    pub async fn generate() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = Command::new(binary())
            .args(["keys", "generate", "--folder"])
            .arg(folder.path().join("keys"))
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        expect_success("keys generate", &made);
        Self(folder)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join("keys").join(name)
    }
}

impl House {
    /// An empty house: database migrated, nothing running.
    pub async fn new(keys: &Keys) -> Self {
        Self::with_partitions(keys, PARTITIONS).await
    }

    /// The same, with so many partitions of each topic.
    pub async fn with_partitions(keys: &Keys, partitions: i32) -> Self {
        let name = format!("house_{}", Uuid::new_v4().simple());
        let mut server = PgConnection::connect(&server_url()).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .execute(&mut server)
            .await
            .unwrap();
        let url = url_of(&name);
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("spool")).unwrap();
        for name in KEY_FILES {
            std::fs::copy(keys.file(name), folder.path().join(name)).unwrap();
        }
        policy_with_a_long_memory(&folder.path().join("policy"));
        let (gateway, outreach, console, admin) =
            (free_port(), free_port(), free_port(), free_port());
        let brokers = brokers();
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let settings = format!(
            "municipalities = [\"0518\", \"0307\"]\n\
             policy_dir = {policy:?}\n\
             grace = \"20s\"\n\
             [postgres]\nurl = {url:?}\nconnections = 10\n\
             [kafka]\nbrokers = [{brokers:?}]\nreplication = 1\nprefix = \"{name}.\"\n\
             [log]\npartitions = {partitions}\n\
             [keys]\nsealing_public_file = {public:?}\nopening_private_files = [{private:?}]\nindex_secret_file = {secret:?}\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\n\
             [gateway]\nlisten = \"127.0.0.1:{gateway}\"\nspool_dir = {spool:?}\n\
             [outreach]\nlisten = \"127.0.0.1:{outreach}\"\n\
             [console]\nlisten = \"127.0.0.1:{console}\"\n",
            policy = path(folder.path().join("policy")),
            public = path(folder.path().join(KEY_FILES[0])),
            private = path(folder.path().join(KEY_FILES[1])),
            secret = path(folder.path().join(KEY_FILES[2])),
            spool = path(folder.path().join("spool")),
        );
        std::fs::write(folder.path().join("voorveld.toml"), settings).unwrap();
        let mut kafka = KafkaConfig::new(brokers);
        kafka.prefix = format!("{name}.");
        let house = Self {
            pool: PgPool::connect_lazy(&url).unwrap(),
            log: Log::kafka(kafka).unwrap(),
            door: format!("http://127.0.0.1:{gateway}"),
            admin: format!("http://127.0.0.1:{admin}"),
            client: reqwest::Client::new(),
            running: Mutex::new(None),
            database: name,
            folder,
        };
        expect_success("migrate", &house.run(&["migrate"]).await);
        house
    }

    /// A command with this house's settings.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .arg("--config")
            .arg(self.folder.path().join("voorveld.toml"))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().await.unwrap()
    }

    /// `voorveld partner add`; its key is kept in [`House::key_file`].
    pub async fn add_partner(&self, sender: &Sender<'_>) {
        let key_file = self.key_file(sender.id);
        let mut arguments = vec![
            "partner",
            "add",
            sender.id,
            "--name",
            "Een nagebootste partner",
        ];
        for (flag, values) in [
            ("--municipality", sender.municipalities),
            ("--kind", sender.kinds),
            ("--type", sender.types),
        ] {
            arguments.extend(values.iter().flat_map(|value| [flag, *value]));
        }
        arguments.extend(["--key-file", key_file.to_str().unwrap()]);
        expect_success("partner add", &self.run(&arguments).await);
    }

    fn key_file(&self, partner: &str) -> PathBuf {
        self.folder.path().join(format!("{partner}.key"))
    }

    /// The API key of a partner.
    pub fn key(&self, partner: &str) -> String {
        let key = std::fs::read_to_string(self.key_file(partner)).unwrap();
        key.trim().to_owned()
    }

    /// Starts `voorveld all` and waits until it is ready.
    pub async fn start(&self) {
        self.spawn().await;
        let ready = format!("{}/health/ready", self.admin);
        self.until("the house is ready", async || {
            if let Some(status) = self.exited().await {
                panic!("the house ended with {status}:\n{}", self.last_words());
            }
            let answer = self.client.get(&ready).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// Starts `voorveld all` and waits for nothing.
    pub async fn spawn(&self) {
        let log = File::options()
            .append(true)
            .create(true)
            .open(self.log_file())
            .unwrap();
        let child = self
            .command(&["all"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        *self.running.lock().await = Some(child);
    }

    async fn exited(&self) -> Option<ExitStatus> {
        let mut running = self.running.lock().await;
        running.as_mut().and_then(|child| child.try_wait().unwrap())
    }

    /// Ends it as a power cut would.
    pub async fn kill(&self) {
        let mut child = self.running.lock().await.take().expect("was started");
        child.kill().await.unwrap();
    }

    /// Asks it to stop, and answers how it ended.
    pub async fn stop(&self, signal: Signal) -> ExitStatus {
        let running = self.running.lock().await;
        let id = running.as_ref().and_then(Child::id).expect("is running");
        let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
        drop(running);
        self.ended().await
    }

    /// Waits until it has ended.
    pub async fn ended(&self) -> ExitStatus {
        let mut child = self.running.lock().await.take().expect("was started");
        timeout(PATIENCE, child.wait())
            .await
            .unwrap_or_else(|_| panic!("it does not end:\n{}", self.last_words()))
            .unwrap()
    }

    /// One `voorveld push`: how it ended, and what it printed. Ends early when the house does.
    pub async fn push(&self, partner: &str, file: &Path) -> Output {
        let (file, key) = (file.to_str().unwrap(), self.key_file(partner));
        let out = self
            .folder
            .path()
            .join(format!("te-verbeteren-{}", Uuid::new_v4()));
        let arguments = [
            "push",
            file,
            "--url",
            &self.door,
            "--key-file",
            key.to_str().unwrap(),
            "--out",
            out.to_str().unwrap(),
        ];
        self.run(&arguments).await
    }

    /// How many records the stages have done, and how many there are; `None` while there is no log yet.
    pub async fn progress(&self) -> Option<(i64, i64)> {
        let (mut done, mut there) = (0, 0);
        for (stage, topic) in STAGES {
            let state = self.log.topic(topic).await.ok()?;
            there += state.partitions.iter().map(|range| range.next).sum::<i64>();
            done += self.done_by(stage).await;
        }
        Some((done, there))
    }

    async fn done_by(&self, stage: &str) -> i64 {
        sqlx::query_scalar(
            "SELECT coalesce(sum(next_offset), 0)::bigint FROM partition_positions WHERE stage = $1",
        )
        .bind(stage)
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    /// How many records the stages have done.
    pub async fn done(&self) -> i64 {
        self.done_by("resolver").await + self.done_by("correlator").await
    }

    /// Waits until nothing is on its way any more. Deliveries are no part of that: `push` has waited for its own, and one that was broken off
    /// is marked as interrupted after some minutes of silence.
    pub async fn settle(&self) {
        let store = Store::from_pool(self.pool.clone());
        self.until("the house has settled", async || {
            let on_the_way = store.on_the_way(today()).await.unwrap();
            let on_the_way = OnTheWay {
                open_deliveries: 0,
                ..on_the_way
            };
            on_the_way.is_nothing()
                && self
                    .progress()
                    .await
                    .is_some_and(|(done, there)| done == there)
        })
        .await;
    }

    /// Looks every now and then until it is so.
    pub async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let waited = timeout(PATIENCE, async {
            loop {
                tick.tick().await;
                if is_so().await {
                    return;
                }
            }
        });
        let waited = waited.await;
        assert!(
            waited.is_ok(),
            "waited in vain until {what}:\n{}",
            self.last_words()
        );
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Everything the process has logged, over all its lives.
    pub fn logged(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn last_words(&self) -> String {
        let logged = self.logged();
        let lines: Vec<&str> = logged.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// What `/metrics` says.
    pub async fn metrics(&self) -> String {
        let answer = self.client.get(format!("{}/metrics", self.admin)).send();
        answer.await.unwrap().text().await.unwrap()
    }

    /// What the house holds of every signal: one line each, `signal: places`, the signal by its sender and keyed reference (S5). A settled
    /// house has each signal in one place; a second place would stand behind the first.
    pub async fn places(&self) -> Vec<String> {
        self.texts(include_str!("house/places.sql")).await
    }

    /// Every match by what names it apart from random ids: rule, anchor, witnesses.
    pub async fn matches(&self) -> Vec<String> {
        self.texts(include_str!("house/matches.sql")).await
    }

    /// Every open task by its household's signals, purpose, urgency, step, term, team and grounds.
    pub async fn open_tasks(&self) -> Vec<String> {
        self.texts(include_str!("house/open_tasks.sql")).await
    }

    /// The first column of the answer.
    pub async fn texts(&self, sql: &'static str) -> Vec<String> {
        sqlx::query_scalar(sql)
            .fetch_all(&self.pool)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// Removes what it had made outside its folder. Its topics go with the Kafka of the tests.
    pub async fn demolish(self) {
        if let Some(mut child) = self.running.lock().await.take() {
            child.kill().await.unwrap();
        }
        self.pool.close().await;
        let mut server = PgConnection::connect(&server_url()).await.unwrap();
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.database);
        sqlx::query(sqlx::AssertSqlSafe(sql))
            .execute(&mut server)
            .await
            .unwrap();
    }
}

/// Today in Amsterdam.
pub fn today() -> Date {
    Clock::system().today()
}

fn expect_success(what: &str, output: &Output) {
    let mut said = String::new();
    for bytes in [&output.stdout, &output.stderr] {
        writeln!(said, "{}", String::from_utf8_lossy(bytes)).unwrap();
    }
    assert!(output.status.success(), "{what}: {}\n{said}", output.status);
}

/// `target/…/voorveld`, beside the folder this test runs from.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.ancestors().nth(2).unwrap().join("voorveld");
    assert!(
        binary.is_file(),
        "{} is not there: run `cargo build -p voorveld` first, or `make test`",
        binary.display()
    );
    binary
}

/// The shipped policy, except that debts are kept for ten years: the official examples are of January 2025 and must go on being taken in.
fn policy_with_a_long_memory(folder: &Path) {
    copy_policy(folder, |_, text| {
        Some(text.replace("retention_days: 1095", "retention_days: 3660"))
    });
}

#[expect(
    clippy::disallowed_methods,
    reason = "tests are told where PostgreSQL and Kafka are by whoever starts them"
)]
fn told(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: see scripts/test.sh, or run `make test`"))
}

fn brokers() -> String {
    told("VOORVELD_TEST_KAFKA")
}

fn server_url() -> String {
    told("DATABASE_URL")
}

fn url_of(database: &str) -> String {
    let server = server_url();
    let (address, parameters) = server.split_once('?').unwrap_or((&server, ""));
    let (_, rest) = address.split_once("://").expect("a database url");
    let host = rest.split('/').next().unwrap_or_default();
    let url = format!("postgres://{host}/{database}");
    if parameters.is_empty() {
        url
    } else {
        format!("{url}?{parameters}")
    }
}
