//! The roles of the house, each a process of its own as in production: killed, frozen, started anew, more of them or fewer.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::{Mutex as Moment, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use voorveld_tests::{free_port, root};

use crate::patience::comes;
use crate::servers::log_file;

/// How long a role may take to be ready, with all that happens meanwhile.
const READY: Duration = Duration::from_mins(5);
/// How often somebody looks whether a role has ended by itself, as a cluster does.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Connections of one process: all of them together stay below what the server lets in.
const CONNECTIONS: u32 = 6;

/// A role that runs by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Gateway,
    Resolver,
    Correlator,
    Outreach,
    Console,
}

impl Role {
    /// Those that share partitions.
    pub const STAGES: [Self; 2] = [Self::Resolver, Self::Correlator];
    const ALONE: [Self; 3] = [Self::Gateway, Self::Outreach, Self::Console];

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

/// Where the roles find everything.
#[derive(Debug, Clone)]
pub struct Site {
    /// The database, through whatever stands in between.
    pub database: String,
    /// The brokers; absent: the log is in the database.
    pub brokers: Option<String>,
    /// Partitions of each topic.
    pub partitions: i32,
    /// `sealing.public` and the other two.
    pub keys: PathBuf,
}

/// A process of the house.
struct Member {
    role: Role,
    /// The program it runs.
    program: PathBuf,
    /// Its settings, and what it logs over all its lives.
    folder: PathBuf,
    admin: u16,
    running: Option<Child>,
    /// Whether it is to run: one that ends by itself is then started again.
    wanted: bool,
    /// How far its clock is off.
    shift: Option<Shift>,
}

/// A clock that is wrong, as the process is told it.
pub type Shift = String;

impl Member {
    fn pid(&self) -> Option<Pid> {
        let id = self.running.as_ref()?.id()?;
        i32::try_from(id).ok().and_then(Pid::from_raw)
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn spawn(&mut self) {
        let log = log_file(self.log_file());
        let mut command = match &self.shift {
            None => Command::new(&self.program),
            Some(shift) => {
                let mut command = Command::new(wrong_clock());
                command.arg(shift);
                command
            }
        };
        let child = command
            .arg(self.role.name())
            .arg("--config")
            .arg(self.folder.join("voorveld.toml"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        self.running = Some(child);
    }
}

/// Everybody who works in the house.
pub struct Crew {
    folder: PathBuf,
    site: Site,
    /// Where partners come.
    pub door: String,
    gateway: u16,
    client: reqwest::Client,
    members: Mutex<Vec<Member>>,
    /// What who comes new runs.
    program: Moment<PathBuf>,
}

impl Crew {
    /// A house with nobody in it, in which this program is installed; its schema is the program's.
    pub async fn hire(folder: PathBuf, site: Site, program: PathBuf) -> Self {
        std::fs::create_dir_all(folder.join("spool")).unwrap();
        let gateway = free_port();
        let crew = Self {
            door: format!("http://127.0.0.1:{gateway}"),
            gateway,
            client: reqwest::Client::new(),
            members: Mutex::default(),
            program: Moment::new(program),
            folder,
            site,
        };
        std::fs::write(crew.settings_file(), crew.settings(free_port())).unwrap();
        crew.run(&["migrate"]).await;
        crew
    }

    fn program(&self) -> PathBuf {
        self.program
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Installs a program: who comes from now on runs it, and who is replaced.
    pub fn install(&self, program: PathBuf) {
        *self.program.lock().unwrap_or_else(PoisonError::into_inner) = program;
    }

    /// Asks one of a role that runs another program to leave in an orderly way; who comes instead, as always where somebody ends, runs the one that is
    /// installed. Whether there was one.
    pub async fn replace(&self, role: Role) -> bool {
        let program = self.program();
        let mut members = self.members.lock().await;
        let outdated = members
            .iter_mut()
            .find(|member| member.role == role && member.program != program);
        let Some(member) = outdated else {
            return false;
        };
        member.program = program;
        if let Some(pid) = member.pid() {
            let _ = kill_process(pid, Signal::TERM);
        }
        true
    }

    /// Who runs another program than the one that is installed.
    pub async fn outdated(&self) -> Vec<Role> {
        let program = self.program();
        let members = self.members.lock().await;
        let outdated = members.iter().filter(|member| member.program != program);
        outdated.map(|member| member.role).collect()
    }

    fn settings_file(&self) -> PathBuf {
        self.folder.join("voorveld.toml")
    }

    fn settings(&self, admin: u16) -> String {
        let Site {
            database,
            brokers,
            partitions,
            keys,
        } = &self.site;
        let quoted = |path: PathBuf| format!("{:?}", path.to_str().unwrap());
        let key = |name: &str| quoted(keys.join(name));
        let kafka = brokers.as_ref().map_or(String::new(), |brokers| {
            format!("[kafka]\nbrokers = [{brokers:?}]\nreplication = 1\n")
        });
        format!(
            "municipalities = [\"0518\"]\n\
             grace = \"20s\"\n\
             [postgres]\nurl = {database:?}\nconnections = {CONNECTIONS}\n\
             {kafka}\
             [log]\npartitions = {partitions}\n\
             [keys]\nsealing_public_file = {}\nopening_private_files = [{}]\nindex_secret_file = {}\n\
             [admin]\nlisten = \"127.0.0.1:{admin}\"\n\
             [gateway]\nlisten = \"127.0.0.1:{}\"\nspool_dir = {}\n\
             [outreach]\nlisten = \"127.0.0.1:{}\"\n\
             [console]\nlisten = \"127.0.0.1:{}\"\n",
            key("sealing.public"),
            key("opening.private"),
            key("index.secret"),
            self.gateway,
            quoted(self.folder.join("spool")),
            free_port(),
            free_port(),
        )
    }

    /// Runs a command of the house to its end, which must be a good one.
    pub async fn run(&self, arguments: &[&str]) {
        let output = self.try_to_run(arguments).await;
        assert!(
            output.status.success(),
            "{arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// Runs a command of the house to its end.
    pub async fn try_to_run(&self, arguments: &[&str]) -> Output {
        Command::new(self.program())
            .args(arguments)
            .arg("--config")
            .arg(self.settings_file())
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap()
    }

    /// A folder of the house.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts one of each role that works alone, and so many of each that shares, and waits until all are ready.
    pub async fn start(&self, stages: usize) {
        for role in Role::ALONE {
            self.scale(role, 1).await;
        }
        for role in Role::STAGES {
            self.scale(role, stages).await;
        }
        self.ready().await;
    }

    /// Makes it so many of a role: the newest leave in an orderly way, or new ones come. How many came or left.
    pub async fn scale(&self, role: Role, count: usize) -> u32 {
        let mut changes = 0;
        let mut members = self.members.lock().await;
        let mut there = 0;
        for member in members.iter_mut().filter(|member| member.role == role) {
            there += 1;
            if there <= count && !member.wanted {
                member.wanted = true;
                if member.running.is_none() {
                    member.spawn();
                }
                changes += 1;
            } else if count < there && member.wanted {
                member.wanted = false;
                if let Some(pid) = member.pid() {
                    let _ = kill_process(pid, Signal::TERM);
                }
                changes += 1;
            }
        }
        while there < count {
            let folder = self.folder.join(format!("{}-{there}", role.name()));
            std::fs::create_dir_all(&folder).unwrap();
            let admin = free_port();
            std::fs::write(folder.join("voorveld.toml"), self.settings(admin)).unwrap();
            let mut member = Member {
                role,
                program: self.program(),
                folder,
                admin,
                running: None,
                wanted: true,
                shift: None,
            };
            member.spawn();
            members.push(member);
            there += 1;
            changes += 1;
        }
        changes
    }

    /// Waits until everybody who is wanted is ready.
    pub async fn ready(&self) {
        let are_ready = comes(READY, async || {
            self.replace_who_ended().await;
            let wanted: Vec<u16> = {
                let members = self.members.lock().await;
                let wanted = members.iter().filter(|member| member.wanted);
                wanted.map(|member| member.admin).collect()
            };
            for admin in wanted {
                let url = format!("http://127.0.0.1:{admin}/health/ready");
                let answer = self.client.get(url).send().await;
                if !answer.is_ok_and(|answer| answer.status().is_success()) {
                    return false;
                }
            }
            true
        });
        assert!(
            are_ready.await,
            "not everybody is ready\n{}",
            self.last_words().await
        );
    }

    /// Starts whoever ended by itself again, for ever, as a cluster does.
    pub async fn tend(&self, ended: &std::sync::atomic::AtomicU32) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let count = self.replace_who_ended().await;
            ended.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
        }
    }

    async fn replace_who_ended(&self) -> u32 {
        let mut replaced = 0;
        for member in self.members.lock().await.iter_mut() {
            let Some(child) = &mut member.running else {
                continue;
            };
            if child.try_wait().unwrap().is_none() {
                continue;
            }
            member.running = None;
            if member.wanted {
                member.spawn();
                replaced += 1;
            }
        }
        replaced
    }

    /// How many of a role are wanted.
    pub async fn count(&self, role: Role) -> usize {
        let members = self.members.lock().await;
        let those = members
            .iter()
            .filter(|member| member.role == role && member.wanted);
        those.count()
    }

    /// `kill -9` of one of a role, and after the pause it is started again, perhaps with a clock that is off. Whether there was one.
    pub async fn kill(
        &self,
        role: Role,
        throw: u32,
        pause: Duration,
        shift: Option<Shift>,
    ) -> bool {
        let Some(at) = self.one_of(role, throw).await else {
            return false;
        };
        let killed = {
            let mut members = self.members.lock().await;
            members[at].wanted = false;
            members[at].running.take()
        };
        let was_there = killed.is_some();
        if let Some(mut child) = killed {
            child.kill().await.unwrap();
        }
        tokio::time::sleep(pause).await;
        let mut members = self.members.lock().await;
        let member = &mut members[at];
        member.shift = shift;
        if !member.wanted {
            member.wanted = true;
            member.spawn();
        }
        was_there
    }

    async fn one_of(&self, role: Role, throw: u32) -> Option<usize> {
        let members = self.members.lock().await;
        let those: Vec<usize> = (0..members.len())
            .filter(|at| members[*at].role == role && members[*at].wanted)
            .collect();
        those.get(throw as usize % those.len().max(1)).copied()
    }

    /// One of a role that runs. `None` when there is none.
    pub async fn owner(&self, role: Role, throw: u32) -> Option<Owner> {
        let at = self.one_of(role, throw).await?;
        self.members.lock().await[at].pid().map(Owner)
    }

    /// Kills everybody.
    pub async fn dismiss(&self) {
        for member in self.members.lock().await.iter_mut() {
            member.wanted = false;
            if let Some(mut child) = member.running.take() {
                child.kill().await.unwrap();
            }
        }
    }

    /// What everybody has logged, over all their lives: who, and the lines.
    pub async fn logged(&self) -> Vec<(String, String)> {
        let members = self.members.lock().await;
        let logs = members.iter().map(|member| {
            let name = member.folder.file_name().unwrap().to_string_lossy();
            let text = std::fs::read_to_string(member.log_file()).unwrap_or_default();
            (name.into_owned(), text)
        });
        logs.collect()
    }

    /// What everybody said last, for who must find out what went wrong.
    pub async fn last_words(&self) -> String {
        let mut words = String::new();
        for (name, text) in self.logged().await {
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(6)..].join("\n");
            writeln!(words, "--- {name}\n{last}").unwrap();
        }
        words
    }
}

/// A process that reads partitions.
pub struct Owner(Pid);

impl Owner {
    /// How its name ends where positions are kept.
    pub fn name_ends_with(&self) -> String {
        format!(":{}", self.0.as_raw_nonzero())
    }

    /// It stands still, in the middle of whatever it does, and does not know it.
    pub fn freeze(&self) {
        let _ = kill_process(self.0, Signal::STOP);
    }

    /// It goes on where it was, with what it knew then.
    pub fn thaw(&self) {
        let _ = kill_process(self.0, Signal::CONT);
    }
}

/// The program: the one beside this test, or the one that was named.
pub fn binary() -> PathBuf {
    crate::asked("VOORVELD_FAULTS_BINARY").map_or_else(
        || voorveld_tests::binary().to_owned(),
        |named| root().join(named),
    )
}

/// A role with a clock that is off: `tests/examples/wrong_clock.rs`.
fn wrong_clock() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    folder.join("examples/wrong_clock")
}
