//! A PostgreSQL and an Apache Kafka of the harness's own, to be killed and started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::process::{Pid, Signal, getuid, kill_process};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use uuid::Uuid;
use voorveld_tests::{free_port, root};

use crate::patience::{comes, until};

/// How long a server may take to start, on a machine that does other things as well.
const START: Duration = Duration::from_mins(5);

/// How much of a server's log is told when it does not start.
const LOG_TOLD: usize = 4_000;

/// PostgreSQL, with everything on that production has on.
pub struct Postgres {
    folder: TempDir,
    bin: PathBuf,
    /// Where it listens.
    pub port: u16,
    running: Option<Child>,
}

impl Postgres {
    /// A new cluster in a folder that only its user and root can look into.
    pub async fn start() -> Self {
        Self::start_in(
            tempfile::Builder::new()
                .prefix("voorveld-faults-")
                .tempdir_in("/var/tmp")
                .unwrap(),
        )
        .await
    }

    /// A new cluster in this folder, which may stand on a disk of its own.
    pub async fn start_in(folder: TempDir) -> Self {
        let mut server = Self {
            bin: newest_binaries(),
            port: free_port(),
            running: None,
            folder,
        };
        hand_over(server.folder.path());
        let made = server
            .command("initdb")
            .args(["-U", "voorveld", "--auth=trust", "--encoding=UTF8"])
            .args(["--locale=C", "--wal-segsize=1", "-D"])
            .arg(server.data())
            .output()
            .await
            .unwrap();
        assert!(
            made.status.success(),
            "initdb: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        let settings = format!(
            "port = {}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nmax_connections = 300\n\
             min_wal_size = 8MB\nmax_wal_size = 128MB\n",
            server.port
        );
        let file = server.data().join("postgresql.auto.conf");
        std::fs::write(&file, settings).unwrap();
        hand_over(&file);
        server.restart().await;
        server
    }

    /// Where its data is.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The URL of a database, at this port or at that of a proxy in front of it.
    pub fn url(port: u16, database: &str) -> String {
        format!("postgres://voorveld@127.0.0.1:{port}/{database}")
    }

    /// Starts it on what is there and waits until it answers.
    pub async fn restart(&mut self) {
        until("PostgreSQL answers", START, async || {
            if self.is_down() {
                self.spawn();
            }
            let url = Self::url(self.port, "postgres");
            PgConnection::connect(&url).await.is_ok()
        })
        .await;
    }

    /// Whether nobody is running it: never started, killed, or ended by itself.
    pub fn is_down(&mut self) -> bool {
        is_down(&mut self.running)
    }

    fn spawn(&mut self) {
        let log = log_file(self.folder.path().join("server.log"));
        let child = self
            .command("postgres")
            .arg("-D")
            .arg(self.data())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running = Some(child);
    }

    /// `kill -9` of the server and of every process it has, in one go, as when its machine loses power.
    pub async fn kill(&mut self) {
        let Some(mut child) = self.running.take() else {
            return;
        };
        let Some(id) = child.id() else { return };
        let backends = children(id);
        child.kill().await.unwrap();
        for backend in backends {
            // It may have gone by itself when it saw that its parent was gone.
            let _ = kill_process(backend, Signal::KILL);
        }
    }

    /// `kill -9` of one backend: the server throws everybody out and recovers.
    pub fn kill_a_backend(&self, throw: u32) {
        let id = self.running.as_ref().and_then(Child::id);
        let backends = id.map(children).unwrap_or_default();
        if let Some(backend) = backends.get(throw as usize % backends.len().max(1)) {
            let _ = kill_process(*backend, Signal::KILL);
        }
    }

    /// Makes a base backup, as an operator would: from the running server.
    pub async fn back_up(&self) {
        let made = self
            .command("pg_basebackup")
            .args([
                "-h",
                "127.0.0.1",
                "-U",
                "voorveld",
                "-c",
                "fast",
                "-X",
                "stream",
            ])
            .args(["-p", &self.port.to_string(), "-D"])
            .arg(self.folder.path().join("backup"))
            .output()
            .await
            .unwrap();
        assert!(
            made.status.success(),
            "pg_basebackup: {}",
            String::from_utf8_lossy(&made.stderr)
        );
    }

    /// The server is lost; another is started on the backup.
    pub async fn restore(&mut self) {
        self.kill().await;
        let folder = self.folder.path();
        std::fs::rename(folder.join("data"), folder.join("lost")).unwrap();
        std::fs::rename(folder.join("backup"), folder.join("data")).unwrap();
        self.restart().await;
    }

    /// One of its programs, as its user. It refuses to run as root.
    pub fn command(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = if getuid().is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(program);
            command
        } else {
            Command::new(program)
        };
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its children must not outlive it, and nobody waits here.
        if let Some(id) = self.running.as_ref().and_then(Child::id) {
            for one in pid(id).into_iter().chain(children(id)) {
                let _ = kill_process(one, Signal::KILL);
            }
        }
    }
}

/// Gives it to the user that PostgreSQL runs as, where we are root.
fn hand_over(path: &Path) {
    if getuid().is_root() {
        let given = std::process::Command::new("chown")
            .arg("postgres:postgres")
            .arg(path)
            .status()
            .unwrap();
        assert!(given.success(), "chown {}", path.display());
    }
}

/// Debian does not put them on the path.
fn newest_binaries() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap();
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let folder = entry.unwrap().path();
            let version = folder.file_name()?.to_str()?.parse().ok()?;
            let bin = folder.join("bin");
            bin.join("initdb").is_file().then_some((version, bin))
        })
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is installed").1
}

fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}

/// The processes that this one has started.
fn children(id: u32) -> Vec<Pid> {
    let list = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
    let list = list.unwrap_or_default();
    list.split_whitespace()
        .filter_map(|child| child.parse().ok().and_then(pid))
        .collect()
}

fn is_down(running: &mut Option<Child>) -> bool {
    match running {
        Some(child) => child.try_wait().unwrap().is_some(),
        None => true,
    }
}

/// What somebody logs over all its lives.
pub fn log_file(path: impl AsRef<Path>) -> File {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap()
}

/// One node of Apache Kafka.
pub struct Kafka {
    folder: TempDir,
    libs: PathBuf,
    /// Where it listens for the harness itself.
    pub direct: u16,
    running: Option<Child>,
}

impl Kafka {
    /// Makes a node that listens at `port` and tells everybody to come through `proxy`.
    pub async fn start(port: u16, proxy: u16) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("voorveld-faults-")
            .tempdir_in("/var/tmp")
            .unwrap();
        Self::start_in(folder, port, proxy).await
    }

    /// The same in this folder, which may stand on a disk of its own.
    pub async fn start_in(folder: TempDir, port: u16, proxy: u16) -> Self {
        let jars = Command::new(root().join("scripts/kafka.sh"))
            .arg("jars")
            .output()
            .await
            .unwrap();
        assert!(jars.status.success(), "scripts/kafka.sh jars failed");
        let libs = PathBuf::from(String::from_utf8(jars.stdout).unwrap().trim());
        let (direct, controller) = (free_port(), free_port());
        let data = folder.path().join("data");
        let properties = format!(
            "process.roles=broker,controller\n\
             node.id=1\n\
             controller.quorum.bootstrap.servers=127.0.0.1:{controller}\n\
             listeners=HOUSE://127.0.0.1:{port},DIRECT://127.0.0.1:{direct},CONTROLLER://127.0.0.1:{controller}\n\
             advertised.listeners=HOUSE://127.0.0.1:{proxy},DIRECT://127.0.0.1:{direct},CONTROLLER://127.0.0.1:{controller}\n\
             listener.security.protocol.map=HOUSE:PLAINTEXT,DIRECT:PLAINTEXT,CONTROLLER:PLAINTEXT\n\
             inter.broker.listener.name=DIRECT\n\
             controller.listener.names=CONTROLLER\n\
             log.dirs={data}\n\
             auto.create.topics.enable=false\n\
             group.initial.rebalance.delay.ms=0\n\
             offsets.topic.num.partitions=4\n\
             offsets.topic.replication.factor=1\n\
             transaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\n\
             share.coordinator.state.topic.replication.factor=1\n\
             share.coordinator.state.topic.min.isr=1\n\
             min.insync.replicas=1\n",
            data = data.display()
        );
        std::fs::write(folder.path().join("server.properties"), properties).unwrap();
        let mut node = Self {
            folder,
            libs,
            direct,
            running: None,
        };
        let mut cluster = Uuid::new_v4().into_bytes();
        // Its first letter is then no hyphen, which would make it an option.
        cluster[0] &= 0x7f;
        let cluster = URL_SAFE_NO_PAD.encode(cluster);
        let formatted = node
            .java("kafka.tools.StorageTool")
            .args(["format", "--standalone", "-t", &cluster, "-c"])
            .arg(node.folder.path().join("server.properties"))
            .output()
            .await
            .unwrap();
        assert!(
            formatted.status.success(),
            "formatting Kafka's storage: {}",
            String::from_utf8_lossy(&formatted.stderr)
        );
        node.restart().await;
        node
    }

    /// Starts it on what is there and waits until it answers.
    pub async fn restart(&mut self) {
        let answers = comes(START, async || {
            if self.is_down() {
                self.spawn();
            }
            TcpStream::connect(("127.0.0.1", self.direct)).await.is_ok()
        });
        if !answers.await {
            let log = std::fs::read_to_string(self.folder.path().join("kafka.log"));
            let log = log.unwrap_or_default();
            let last = log.char_indices().rev().nth(LOG_TOLD);
            let last = last.map_or(&*log, |(at, _)| &log[at..]);
            panic!("Kafka does not start; its log ends with\n{last}");
        }
    }

    /// Whether nobody is running it.
    pub fn is_down(&mut self) -> bool {
        is_down(&mut self.running)
    }

    fn spawn(&mut self) {
        let log = log_file(self.folder.path().join("kafka.log"));
        let child = self
            .java("kafka.Kafka")
            .arg(self.folder.path().join("server.properties"))
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.running = Some(child);
    }

    fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command
            .args(["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .arg("-cp")
            .arg(self.libs.join("*"))
            .arg(class)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// `kill -9`.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().await.unwrap();
        }
    }

    /// Keeps a copy of what it holds now.
    pub async fn back_up(&mut self) {
        self.kill().await;
        let folder = self.folder.path();
        let copied = Command::new("cp")
            .arg("-a")
            .args([folder.join("data"), folder.join("copy")])
            .status()
            .await
            .unwrap();
        assert!(copied.success(), "copying the log failed");
        self.restart().await;
    }

    /// The copy takes the place of what it holds, and the other way round.
    pub async fn swap_with_copy(&mut self) {
        self.kill().await;
        let [data, copy, aside] =
            ["data", "copy", "aside"].map(|name| self.folder.path().join(name));
        std::fs::rename(&data, &aside).unwrap();
        std::fs::rename(&copy, &data).unwrap();
        std::fs::rename(&aside, &copy).unwrap();
        self.restart().await;
    }
}
