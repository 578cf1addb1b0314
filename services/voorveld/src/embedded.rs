//! A private PostgreSQL from the installed binaries, where no database is configured.
//!
//! It listens on a unix socket only, in a folder of its own, and stops with this process however that ends: a small supervisor (a
//! shell) holds the other end of a pipe and stops the server when the pipe closes, which also `kill -9` cannot prevent. Its data stays.
//!
//! PostgreSQL refuses to run as root, so for root everything runs as user `postgres` (or `nobody`).

use std::fs::{self, DirBuilder, File, Permissions, TryLockError};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::ops::RangeInclusive;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

/// Longest path of a unix socket that Linux takes, without the closing zero.
const SOCKET_PATH_BYTES: usize = 107;
/// PostgreSQL's name for its socket in its folder.
const SOCKET: &str = "/.s.PGSQL.5432";
/// How long the server may take to start; after a crash it first reads its log again, of which there may be [`LOG_MIB`].
const START_WITHIN: Duration = Duration::from_mins(5);
/// How long it may take to stop.
const STOP_WITHIN: Duration = Duration::from_mins(1);
/// The server's own memory is one part in so many of the machine's.
const BUFFERS_PART: u64 = 8;
/// At least and at most so many MiB. The rest of what it reads is in the system's memory anyway.
const BUFFERS_MIB: RangeInclusive<u64> = 128..=2_048;
/// The server's log of changes takes one part in so many of what the disk has free.
const LOG_PART: u64 = 8;
/// At least and at most so many MiB. The first change of a page after a checkpoint brings the whole page into the log: with ten million signals stored
/// nearly every change is the first one where checkpoints come every few ten thousand signals, and rare where there is room for more. After a crash all of it
/// is read again.
const LOG_MIB: RangeInclusive<u64> = 1_024..=8_192;
/// What a container may use, where there is one.
const CONTAINER_MEMORY: &str = "/sys/fs/cgroup/memory.max";
/// Where Debian and Ubuntu keep the server's binaries, one folder per major version.
const DEBIAN_BINARIES: &str = "/usr/lib/postgresql";
/// Where the database of a root whose folder nobody else can reach stands.
const ROOTS_FOLDERS: &str = "/var/lib/voorveld";
/// Where a database stands while it is being made; the number of the process follows.
const UNFINISHED: &str = "data.unfinished-";
/// Who may run the server in root's stead, best first.
const UNPRIVILEGED: [&str; 2] = ["postgres", "nobody"];

/// What the supervisor does: `$1` the binaries' prefix, `$2` the data, `$3` the server's log, `$4` the socket's folder.
///
/// A `postmaster.pid` that is there already is one of a server that outlived its process (then it is stopped first), or of one that died
/// (then its children are waited for). The process id alone may by now belong to somebody else, so it is asked where it lives. The lock beside
/// the socket names the same process; a dead one that nobody has buried yet would still be taken for alive.
const SUPERVISOR: &str = r#"
set -eu
lives_in_data() { [ "$(readlink "/proc/$1/cwd" 2>/dev/null)" = "$data" ]; }
somebody_lives_in_data() {
    for folder in /proc/[0-9]*; do
        if lives_in_data "${folder#/proc/}"; then return 0; fi
    done
    return 1
}
stop() {
    kill -INT "$1" 2>/dev/null || return 0
    while kill -0 "$1" 2>/dev/null && lives_in_data "$1"; do sleep 0.05; done
}
prefix=$1 data=$2 log=$3 socket=$4
if [ -s "$data/postmaster.pid" ] && [ -d /proc/self ]; then
    old=$(head -n 1 "$data/postmaster.pid")
    if lives_in_data "$old"; then stop "$old"; fi
    while somebody_lives_in_data; do sleep 0.05; done
    rm -f "$data/postmaster.pid" "$socket"/.s.PGSQL.5432*
fi
"${prefix}pg_ctl" -D "$data" -l "$log" -w -t 120 start >/dev/null 2>&1 </dev/null || exit 3
server=$(head -n 1 "$data/postmaster.pid")
if [ ! -e "$data/voorveld.made" ]; then
    # Where this fails the database is there already, or the server is being stopped under us: then the next start tries again.
    if "${prefix}createdb" -h "$socket" -U voorveld voorveld 2>>"$log"; then : >"$data/voorveld.made"; fi
fi
echo ready
while read -r _; do :; done
stop "$server"
"#;

/// A PostgreSQL of our own. Dropping it stops the server in the background; [`EmbeddedPostgres::stop`] waits for it.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    url: String,
    folder: PathBuf,
    /// Closes when this process ends, in whatever way.
    lifeline: ChildStdin,
    supervisor: Child,
    /// Held for as long as the folder is ours.
    lock: File,
}

impl EmbeddedPostgres {
    /// Starts the server of `data_folder`, making it at the first start.
    pub async fn start(data_folder: &Path) -> anyhow::Result<Self> {
        let runner = Runner::choose()?;
        let folder = home(data_folder, runner)?;
        let lock = lock(&folder)?;
        let data = folder.join("data");
        let binaries = Binaries::find(Path::new(DEBIAN_BINARIES), major_of(&data)?).await?;
        if major_of(&data)?.is_none() {
            make(&binaries, &folder, &data, runner).await?;
        }
        let socket = socket_folder(&folder, runner)?;
        configure(&data, &socket, runner)?;

        let log = folder.join("server.log");
        let mut command = as_runner(Command::new("sh"), runner);
        command
            .arg("-c")
            .arg(SUPERVISOR)
            .arg("voorveld-postgres")
            .arg(&binaries.prefix)
            .args([&data, &log, &socket])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Not in the terminal's group: Ctrl-C is for us, and we still need the database to finish what we hold.
            .process_group(0)
            .current_dir("/");
        let mut supervisor = command
            .spawn()
            .context("starting PostgreSQL's supervisor failed")?;
        let lifeline = supervisor.stdin.take().expect("stdin was piped");
        let said = supervisor.stdout.take().expect("stdout was piped");
        let mut first_line = String::new();
        let ready = timeout(
            START_WITHIN,
            BufReader::new(said).read_line(&mut first_line),
        )
        .await;
        ensure!(
            matches!(ready, Ok(Ok(_))) && first_line.trim_end() == "ready",
            "PostgreSQL in {} did not start; the end of {} says why",
            folder.display(),
            log.display(),
        );
        Ok(Self {
            url: format!(
                "postgres://voorveld@localhost/voorveld?host={}",
                percent_encoded(&socket)
            ),
            folder,
            lifeline,
            supervisor,
            lock,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it keeps its data: in the folder asked for, except for a root whose folder nobody else can reach.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops the server and waits until it has stopped. Close your connections first.
    pub async fn stop(self) -> anyhow::Result<()> {
        let Self {
            lifeline,
            mut supervisor,
            lock,
            ..
        } = self;
        drop(lifeline);
        let ended = timeout(STOP_WITHIN, supervisor.wait())
            .await
            .context("PostgreSQL did not stop in time")?
            .context("waiting for PostgreSQL failed")?;
        ensure!(ended.success(), "stopping PostgreSQL failed ({ended})");
        drop(lock);
        Ok(())
    }
}

/// Who runs the server instead of root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Runner {
    user: u32,
    group: u32,
}

impl Runner {
    /// Nobody else, unless we are root.
    fn choose() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd").context("reading /etc/passwd failed")?;
        let runner = UNPRIVILEGED
            .iter()
            .find_map(|name| Self::named(name, &users));
        ensure!(
            runner.is_some(),
            "PostgreSQL does not run as root, and there is no user postgres or nobody to run it: start voorveld as an ordinary user"
        );
        Ok(runner)
    }

    fn named(name: &str, users: &str) -> Option<Self> {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            (fields.next() == Some(name)).then_some(())?;
            Some(Self {
                user: fields.nth(1)?.parse().ok()?,
                group: fields.next()?.parse().ok()?,
            })
        })
    }
}

fn as_runner(mut command: Command, runner: Option<Runner>) -> Command {
    if let Some(runner) = runner {
        command.uid(runner.user).gid(runner.group);
    }
    command
}

/// Gives what root made to whoever runs the server.
fn hand_over(path: &Path, runner: Option<Runner>) -> anyhow::Result<()> {
    match runner {
        None => Ok(()),
        Some(runner) => chown(path, Some(runner.user), Some(runner.group))
            .with_context(|| format!("giving {} away failed", path.display())),
    }
}

/// The database's folder, made if need be.
fn home(data_folder: &Path, runner: Option<Runner>) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(data_folder)
        .with_context(|| format!("making {} failed", data_folder.display()))?;
    let mut parent = data_folder
        .canonicalize()
        .with_context(|| format!("finding {} failed", data_folder.display()))?;
    if let Some(runner) = runner
        && !reaches(runner, &parent)?
    {
        // A path of our own, one per folder, where every user can come.
        let name = parent.to_string_lossy().trim_matches('/').replace('/', "-");
        parent = Path::new(ROOTS_FOLDERS).join(name);
        fs::create_dir_all(&parent)
            .with_context(|| format!("making {} failed", parent.display()))?;
        tracing::info!(
            postgres.folder = %parent.display(),
            "the database stands apart: it does not run as root, and nobody but root reaches the folder asked for"
        );
    }
    let folder = parent.join("postgres");
    private_folder(&folder, runner)?;
    Ok(folder)
}

fn private_folder(folder: &Path, runner: Option<Runner>) -> anyhow::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => hand_over(folder, runner),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let found = fs::symlink_metadata(folder)
                .with_context(|| format!("looking at {} failed", folder.display()))?;
            let owner = runner.map_or(rustix::process::geteuid().as_raw(), |runner| runner.user);
            ensure!(
                found.is_dir() && found.uid() == owner,
                "{} belongs to another user: remove it, or choose another data folder",
                folder.display()
            );
            Ok(())
        }
        Err(error) => Err(error).with_context(|| format!("making {} failed", folder.display())),
    }
}

/// Whether the runner may walk through every folder down to this one.
fn reaches(runner: Runner, folder: &Path) -> anyhow::Result<bool> {
    for step in folder.ancestors() {
        let found =
            fs::metadata(step).with_context(|| format!("looking at {} failed", step.display()))?;
        let may = if found.uid() == runner.user {
            0o100
        } else if found.gid() == runner.group {
            0o010
        } else {
            0o001
        };
        if found.mode() & may == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// One process at a time. The lock goes with the process, so it is never stale.
fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let lock = File::create(&path).with_context(|| format!("opening {} failed", path.display()))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => bail!(
            "another voorveld is using {}: stop it, or choose another data folder",
            folder.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("locking {} failed", path.display()))
        }
    }
}

/// The major version that made this data; none when there is no data yet.
fn major_of(data: &Path) -> anyhow::Result<Option<u32>> {
    let path = data.join("PG_VERSION");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text.trim().parse().with_context(|| {
            format!("{} is not a PostgreSQL version", path.display())
        })?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {} failed", path.display())),
    }
}

/// The installed server.
#[derive(Debug, PartialEq, Eq)]
struct Binaries {
    /// What to put before a program's name: a folder with its slash, or nothing for what is on the PATH.
    prefix: String,
    major: u32,
}

impl Binaries {
    /// The newest installed, or the one that made the data: another major version cannot read it.
    async fn find(debian: &Path, made_by: Option<u32>) -> anyhow::Result<Self> {
        let mut prefixes = vec![String::new()];
        for entry in fs::read_dir(debian).into_iter().flatten().flatten() {
            let folder = entry.path().join("bin");
            if folder.join("initdb").is_file() {
                prefixes.push(format!("{}/", folder.display()));
            }
        }
        let mut found = Vec::new();
        for prefix in prefixes {
            if let Some(major) = Self::version(&prefix).await {
                found.push(Self { prefix, major });
            }
        }
        let newest = found
            .into_iter()
            .filter(|binaries| made_by.is_none_or(|made_by| binaries.major == made_by))
            .max_by_key(|binaries| binaries.major);
        match (newest, made_by) {
            (Some(binaries), _) => Ok(binaries),
            (None, None) => bail!(
                "no PostgreSQL is installed: `sudo apt-get install postgresql`, or set postgres.url to a database of yours"
            ),
            (None, Some(major)) => bail!(
                "the data was made by PostgreSQL {major}, which is not installed: `sudo apt-get install postgresql-{major}`"
            ),
        }
    }

    async fn version(prefix: &str) -> Option<u32> {
        let output = Command::new(format!("{prefix}postgres"))
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .await
            .ok()?;
        // "postgres (PostgreSQL) 15.18 (Debian …)"
        let text = String::from_utf8(output.stdout).ok()?;
        let version = text.split_once(") ")?.1;
        version
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()
    }
}

/// Makes the cluster aside and moves it in place, so that half of one is never taken for a whole one.
async fn make(
    binaries: &Binaries,
    folder: &Path,
    data: &Path,
    runner: Option<Runner>,
) -> anyhow::Result<()> {
    // A folder of our own: the initdb of a process that was killed may still be writing in its.
    let unfinished = folder.join(format!("{UNFINISHED}{}", std::process::id()));
    for left in fs::read_dir(folder).into_iter().flatten().flatten() {
        if left.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // What cannot be removed now is in nobody's way.
            let _ = fs::remove_dir_all(left.path());
        }
    }
    let made = as_runner(Command::new(format!("{}initdb", binaries.prefix)), runner)
        .arg("-D")
        .arg(&unfinished)
        // The folder around it is closed to everybody else, so whoever reaches the socket is us.
        .args([
            "-U",
            "voorveld",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
        ])
        .stdin(Stdio::null())
        .current_dir("/")
        .output()
        .await
        .context("running initdb failed")?;
    ensure!(
        made.status.success(),
        "making the database in {} failed: {}",
        folder.display(),
        String::from_utf8_lossy(&made.stderr).trim()
    );
    let settings = unfinished.join("postgresql.conf");
    let mut settings = File::options()
        .append(true)
        .open(&settings)
        .with_context(|| format!("opening {} failed", settings.display()))?;
    settings
        .write_all(b"\ninclude 'voorveld.conf'\n")
        .context("writing postgresql.conf failed")?;
    fs::rename(&unfinished, data).context("moving the new database in place failed")
}

/// Written at every start: the socket's folder may have moved, and a new release may want other settings.
fn configure(data: &Path, socket: &Path, runner: Option<Runner>) -> anyhow::Result<()> {
    let path = data.join("voorveld.conf");
    let socket = socket
        .to_str()
        .context("the data folder's name is not text")?
        .replace('\'', "''");
    let Portion { buffers, log } = Portion::of(memory_bytes(), free_bytes(data)?);
    // Terse and without statements: a log line never quotes a row (I9).
    let text = format!(
        "listen_addresses = ''
unix_socket_directories = '{socket}'
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = {buffers}MB
max_wal_size = {log}MB
wal_level = minimal
max_wal_senders = 0
log_error_verbosity = terse
log_min_error_statement = panic
log_checkpoints = off
jit = off
"
    );
    fs::write(&path, text).with_context(|| format!("writing {} failed", path.display()))?;
    hand_over(&path, runner)
}

/// What the server may have of the machine, in MiB.
#[derive(Debug, PartialEq, Eq)]
struct Portion {
    /// Memory of its own.
    buffers: u64,
    /// Its log of changes, between two checkpoints.
    log: u64,
}

impl Portion {
    /// Of so many bytes of memory, and so many free on the disk.
    fn of(memory: u64, free: u64) -> Self {
        let part = |bytes: u64, part: u64, bounds: RangeInclusive<u64>| {
            ((bytes >> 20) / part).clamp(*bounds.start(), *bounds.end())
        };
        Self {
            buffers: part(memory, BUFFERS_PART, BUFFERS_MIB),
            log: part(free, LOG_PART, LOG_MIB),
        }
    }
}

/// Memory of this machine, or of the container that this is.
fn memory_bytes() -> u64 {
    let machine = rustix::system::sysinfo();
    let machine = machine.totalram.saturating_mul(machine.mem_unit.into());
    let container = fs::read_to_string(CONTAINER_MEMORY).ok();
    container
        .and_then(|text| text.trim().parse().ok())
        .map_or(machine, |container: u64| container.min(machine))
}

/// What is free on the disk of this folder.
fn free_bytes(folder: &Path) -> anyhow::Result<u64> {
    let disk = rustix::fs::statvfs(folder)
        .with_context(|| format!("asking how much is free at {} failed", folder.display()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A folder for the socket whose path is short enough for one.
fn socket_folder(folder: &Path, runner: Option<Runner>) -> anyhow::Result<PathBuf> {
    let inside = folder.join("socket");
    let socket = if inside.as_os_str().len() + SOCKET.len() <= SOCKET_PATH_BYTES {
        inside
    } else {
        let mut hasher = DefaultHasher::new();
        folder.hash(&mut hasher);
        PathBuf::from(format!("/tmp/voorveld-{:016x}", hasher.finish()))
    };
    private_folder(&socket, runner)?;
    fs::set_permissions(&socket, Permissions::from_mode(0o700))
        .with_context(|| format!("closing {} failed", socket.display()))?;
    Ok(socket)
}

fn percent_encoded(path: &Path) -> String {
    path.as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(*byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, Signal, kill_process};
    use tempfile::TempDir;
    use voorveld_store::Store;

    use super::*;

    /// A folder that also the user who runs the server in root's stead can reach.
    fn folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        folder
    }

    async fn write(database: &EmbeddedPostgres) {
        let store = Store::connect(database.url(), 1).await.unwrap();
        store.migrate().await.unwrap();
        store.close().await;
    }

    async fn is_written(database: &EmbeddedPostgres) -> bool {
        let store = Store::connect(database.url(), 1).await.unwrap();
        let schema = store.schema().await.unwrap();
        store.close().await;
        schema == voorveld_store::schema::Schema::Known
    }

    fn server(database: &EmbeddedPostgres) -> Pid {
        let text = fs::read_to_string(database.folder().join("data/postmaster.pid")).unwrap();
        Pid::from_raw(text.lines().next().unwrap().parse().unwrap()).unwrap()
    }

    #[test]
    fn a_server_gets_its_part_of_the_machine_within_bounds() {
        let of = |memory_gib: u64, free_gib: u64| Portion::of(memory_gib << 30, free_gib << 30);
        let portion = |buffers, log| Portion { buffers, log };
        assert_eq!(of(0, 0), portion(128, 1_024), "the least");
        assert_eq!(of(4, 32), portion(512, 4_096), "a laptop");
        assert_eq!(of(64, 1_000), portion(2_048, 8_192), "the most");
    }

    #[tokio::test]
    async fn it_keeps_its_data_when_it_stops_and_starts() {
        let folder = folder();
        let database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        assert!(!is_written(&database).await);
        write(&database).await;
        database.stop().await.unwrap();
        let database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        assert!(is_written(&database).await);
        database.stop().await.unwrap();
    }

    #[tokio::test]
    async fn it_stops_when_the_pipe_of_its_process_closes() {
        let folder = folder();
        let database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        let pid_file = database.folder().join("data/postmaster.pid");
        assert!(pid_file.exists());
        // What the kernel does for a process that is killed.
        let EmbeddedPostgres {
            lifeline,
            mut supervisor,
            ..
        } = database;
        drop(lifeline);
        assert!(supervisor.wait().await.unwrap().success());
        assert!(!pid_file.exists());
    }

    #[tokio::test]
    async fn it_starts_after_everything_was_killed() {
        let folder = folder();
        let mut database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        write(&database).await;
        kill_process(server(&database), Signal::KILL).unwrap();
        database.supervisor.kill().await.unwrap();
        drop(database);
        let database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        assert!(is_written(&database).await);
        database.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_server_that_outlived_its_supervisor_is_replaced() {
        let folder = folder();
        let mut database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        write(&database).await;
        let orphan = server(&database);
        database.supervisor.kill().await.unwrap();
        drop(database);
        let database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        assert_ne!(server(&database), orphan);
        assert!(is_written(&database).await);
        database.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_process_id_that_now_is_somebody_elses_is_left_alone() {
        let folder = folder();
        let database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        let pid_file = database.folder().join("data/postmaster.pid");
        let text = fs::read_to_string(&pid_file).unwrap();
        database.stop().await.unwrap();
        let mut stranger = Command::new("sleep")
            .arg("600")
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let stale = text.replacen(
            text.lines().next().unwrap(),
            &stranger.id().unwrap().to_string(),
            1,
        );
        fs::write(&pid_file, stale).unwrap();
        let database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        assert!(stranger.try_wait().unwrap().is_none(), "it still runs");
        database.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_second_process_is_refused() {
        let folder = folder();
        let database = EmbeddedPostgres::start(folder.path()).await.unwrap();
        let refused = EmbeddedPostgres::start(folder.path()).await.unwrap_err();
        assert!(
            refused.to_string().starts_with("another voorveld is using"),
            "{refused}"
        );
        assert!(!is_written(&database).await, "the first goes on");
        database.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_folder_too_long_for_a_socket_has_its_socket_elsewhere() {
        let folder = folder();
        let long = folder
            .path()
            .join("naam met spatie en 'aanhaling'")
            .join("x".repeat(100));
        let database = EmbeddedPostgres::start(&long).await.unwrap();
        assert!(
            database.url().contains("host=%2Ftmp%2Fvoorveld-"),
            "{}",
            database.url()
        );
        assert!(!is_written(&database).await);
        let socket = socket_folder(database.folder(), Runner::choose().unwrap()).unwrap();
        database.stop().await.unwrap();
        fs::remove_dir(socket).unwrap();
    }

    #[tokio::test]
    async fn without_binaries_it_says_what_to_install() {
        let made_by_another = Binaries::find(Path::new(DEBIAN_BINARIES), Some(9))
            .await
            .unwrap_err();
        assert!(
            made_by_another
                .to_string()
                .contains("apt-get install postgresql-9")
        );
        if Binaries::version("").await.is_none() {
            let none = Binaries::find(folder().path(), None).await.unwrap_err();
            assert!(none.to_string().contains("apt-get install postgresql`"));
        }
    }

    #[test]
    fn a_user_is_read_from_the_list_of_users() {
        let users = "root:x:0:0:root:/root:/bin/bash\npostgres:x:103:111::/:/bin/sh\n";
        let postgres = Runner {
            user: 103,
            group: 111,
        };
        assert_eq!(Runner::named("postgres", users), Some(postgres));
        assert_eq!(Runner::named("post", users), None);
    }

    #[test]
    fn a_folder_closed_to_others_is_not_reached() {
        let closed = folder();
        fs::set_permissions(closed.path(), Permissions::from_mode(0o700)).unwrap();
        let stranger = Runner {
            user: 12_345,
            group: 12_345,
        };
        assert!(!reaches(stranger, closed.path()).unwrap());
        assert!(reaches(stranger, folder().path()).unwrap());
    }
}
