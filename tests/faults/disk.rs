//! A small disk that fills up: the door promises nothing it cannot keep, and once there is room everything goes on by itself.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;
use voorveld_synthetic::Dice;
use voorveld_tests::free_port;

use crate::crew;
use crate::house::{House, Keys, today};
use crate::ledger::{Holdings, broken_promises};
use crate::load;
use crate::night::{self, SHORT, SHORT_PARTITIONS};
use crate::patience::until;
use crate::proxy::Proxy;
use crate::sender::Sender;
use crate::servers::{Kafka, Postgres};

const MEGABYTES: u32 = 160;
/// How much is written at once to fill it.
const BLOCK: usize = 64 * 1024;
/// So often the door refuses before there is room again.
const REFUSALS: u64 = 8;
/// How long the disk stays full after that.
const FULL_FOR: Duration = Duration::from_secs(2);
const REFUSED_WITHIN: Duration = Duration::from_mins(2);
const SEED: u64 = 4;

/// Whose disk it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// PostgreSQL, with the log in it.
    PostgresAndItsLog,
    /// Kafka.
    Kafka,
}

/// A disk in memory.
struct Disk(TempDir);

impl Disk {
    /// `None` where this process may not mount anything.
    fn mount() -> Option<Self> {
        let folder = tempfile::Builder::new()
            .prefix("voorveld-disk-")
            .tempdir_in("/var/tmp")
            .unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o"])
            .arg(format!("size={MEGABYTES}m,mode=0755"))
            .arg("tmpfs")
            .arg(folder.path())
            .output();
        mounted
            .is_ok_and(|mounted| mounted.status.success())
            .then_some(Self(folder))
    }

    fn folder(&self) -> TempDir {
        tempfile::tempdir_in(self.0.path()).unwrap()
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Until nothing fits any more.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.ballast()).unwrap();
        let block = vec![7; BLOCK];
        while ballast.write_all(&block).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(path(&self.0)).status();
    }
}

fn path(folder: &TempDir) -> &Path {
    folder.path()
}

/// Two rounds, with the disk full in the second.
pub async fn fills_up(under: Under) {
    let Some(disk) = Disk::mount() else {
        eprintln!("skipped: no disk can be mounted here");
        return;
    };
    let keys = Keys::generate().await;
    let rounds = load::rounds(SEED, SHORT);
    let (calm, rough, complaints) = loop {
        let day = today();
        let calm = night::calm(&keys, SHORT_PARTITIONS, &rounds).await;
        let house = match under {
            Under::PostgresAndItsLog => {
                let postgres = Postgres::start_in(disk.folder()).await;
                House::furnish(&keys, crew::binary(), postgres, None, SHORT_PARTITIONS).await
            }
            Under::Kafka => {
                let port = free_port();
                let proxy = Proxy::towards(port).await;
                let kafka = Kafka::start_in(disk.folder(), port, proxy.port).await;
                let postgres = Postgres::start().await;
                House::furnish(
                    &keys,
                    crew::binary(),
                    postgres,
                    Some((kafka, proxy)),
                    SHORT_PARTITIONS,
                )
                .await
            }
        };
        let sender = Sender::admitted(&house.crew, today()).await;
        house.crew.start(1).await;
        let mut dice = Dice::new(SEED, 0);
        let (last, first) = rounds.split_last().unwrap();
        for parcels in first {
            house.round(&sender, parcels, &[], &[], &mut dice).await;
            house.settle().await;
        }
        disk.fill();
        let making_room = async {
            until("the door refuses", REFUSED_WITHIN, async || {
                REFUSALS <= sender.again.load(Ordering::Relaxed)
            })
            .await;
            sleep(FULL_FOR).await;
            disk.make_room();
            // Servers may have ended meanwhile. An operator makes room and starts them.
            house.postgres().lock().await.restart().await;
            if let Some(kafka) = house.kafka() {
                kafka.lock().await.restart().await;
            }
        };
        tokio::join!(house.round(&sender, last, &[], &[], &mut dice), making_room);
        house.settle().await;
        let rough = Holdings::of(&house.pool).await;
        let mut complaints = sender.surprises();
        complaints.extend(broken_promises(&house.pool, &sender.books(), &rough.places).await);
        house.demolish().await;
        if day == today() {
            break (calm, rough, complaints);
        }
    };
    let mut all = rough.differences(&calm);
    all.extend(complaints);
    assert!(all.is_empty(), "{}", all.join("\n"));
}
