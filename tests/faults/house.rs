//! A house of its own from the servers up, and what happens to it.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use jiff::civil::Date;
use sqlx::postgres::PgPoolOptions;
use sqlx::{Connection, PgConnection, PgPool};
use tempfile::TempDir;
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;
use voorveld_bus::{KafkaConfig, Log};
use voorveld_chassis::Clock;
use voorveld_store::Store;
use voorveld_store::summary::OnTheWay;
use voorveld_synthetic::Dice;
use voorveld_tests::free_port;
use voorveld_wire::signal_v1::{RECEIVED_TOPIC, RESOLVED_TOPIC};

use crate::crew::{Crew, Role, Site};
use crate::echo::Piece;
use crate::load::Parcel;
use crate::patience::comes;
use crate::proxy::Proxy;
use crate::schedule::{Fault, Road, Strike};
use crate::sender::Sender;
use crate::servers::{Kafka, Postgres};
use crate::upgrade;

const DATABASE: &str = "house";
/// How long everything may take to come to rest after the last fault.
const SETTLE: Duration = Duration::from_mins(5);
/// How long others may take to notice that an owner does not move.
const TAKEOVER: Duration = Duration::from_mins(2);
/// How long a new reader may take until it owns something.
const JOINED: Duration = Duration::from_secs(30);
/// How long a broker may take until it serves what it had.
const SERVES: Duration = Duration::from_mins(1);
/// Each so many faults, one waits until everybody is ready again: else the next ones only meet processes that are still starting.
const READY_EVERY: usize = 4;
/// Between two changes of a storm.
const GUST_EVERY: Duration = Duration::from_millis(700);
/// A partner has so many connections at the door.
const AT_ONCE: usize = 3;
/// The stages, with what each of them reads.
const STAGES: [(&str, &str); 2] = [("resolver", RECEIVED_TOPIC), ("correlator", RESOLVED_TOPIC)];

/// What was done to a house.
#[derive(Debug, Default)]
pub struct Tally {
    pub kills: AtomicU32,
    pub database_kills: AtomicU32,
    pub backend_kills: AtomicU32,
    pub broker_kills: AtomicU32,
    /// Readers that came or left in storms.
    pub rebalances: AtomicU32,
    /// Owners that stood still until another took over.
    pub zombies: AtomicU32,
    pub cuts: AtomicU32,
    pub slow_roads: AtomicU32,
    pub half_open_roads: AtomicU32,
    pub wrong_clocks: AtomicU32,
    /// Processes that made place for the program that is installed.
    pub replaced: AtomicU32,
    /// Processes that ended by themselves and were started again.
    pub ended: AtomicU32,
    /// Copies of records.
    pub copies: AtomicU64,
}

/// The house.
pub struct House {
    folder: TempDir,
    postgres: Mutex<Postgres>,
    kafka: Option<Mutex<Kafka>>,
    to_database: Proxy,
    to_brokers: Option<Proxy>,
    /// Who works in it.
    pub crew: Crew,
    /// Its database, to look into.
    pub pool: PgPool,
    /// Its log, past the proxy.
    pub log: Log,
    /// What was done to it.
    pub tally: Tally,
    today: Date,
}

/// Keys that several houses share, so that a reference has one index in all of them.
pub struct Keys(TempDir);

impl Keys {
    pub async fn generate() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = tokio::process::Command::new(crate::crew::binary())
            .args(["keys", "generate", "--folder"])
            .arg(folder.path().join("keys"))
            .current_dir(folder.path())
            .output()
            .await
            .unwrap();
        assert!(made.status.success(), "keys generate failed");
        Self(folder)
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("keys")
    }
}

/// Today in Amsterdam.
pub fn today() -> Date {
    Clock::system().today()
}

impl House {
    /// An empty house on servers of its own, with the log on a broker or in the database.
    pub async fn build(keys: &Keys, program: PathBuf, has_brokers: bool, partitions: i32) -> Self {
        let postgres = Postgres::start().await;
        let kafka = if has_brokers {
            let port = free_port();
            let proxy = Proxy::towards(port).await;
            let kafka = Kafka::start(port, proxy.port).await;
            Some((kafka, proxy))
        } else {
            None
        };
        Self::furnish(keys, program, postgres, kafka, partitions).await
    }

    /// An empty house on these servers, in which this program is installed.
    pub async fn furnish(
        keys: &Keys,
        program: PathBuf,
        postgres: Postgres,
        kafka: Option<(Kafka, Proxy)>,
        partitions: i32,
    ) -> Self {
        let mut server = PgConnection::connect(&Postgres::url(postgres.port, "postgres"))
            .await
            .unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {DATABASE}")))
            .execute(&mut server)
            .await
            .unwrap();
        let to_database = Proxy::towards(postgres.port).await;
        let folder = tempfile::tempdir().unwrap();
        let (kafka, to_brokers) =
            kafka.map_or((None, None), |(kafka, proxy)| (Some(kafka), Some(proxy)));
        let site = Site {
            database: Postgres::url(to_database.port, DATABASE),
            brokers: to_brokers
                .as_ref()
                .map(|proxy| format!("127.0.0.1:{}", proxy.port)),
            partitions,
            keys: keys.folder(),
        };
        let crew = Crew::hire(folder.path().join("house"), site, program).await;
        // Few, and each looked at before it is used: the server is killed while they lie idle.
        let pool = PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy(&Postgres::url(postgres.port, DATABASE))
            .unwrap();
        let log = match &kafka {
            Some(kafka) => {
                Log::kafka(KafkaConfig::new(format!("127.0.0.1:{}", kafka.direct))).unwrap()
            }
            None => Log::postgres(pool.clone()),
        };
        Self {
            folder,
            postgres: Mutex::new(postgres),
            kafka: kafka.map(Mutex::new),
            to_database,
            to_brokers,
            crew,
            pool,
            log,
            tally: Tally::default(),
            today: today(),
        }
    }

    /// PostgreSQL, to be handled.
    pub fn postgres(&self) -> &Mutex<Postgres> {
        &self.postgres
    }

    /// Kafka, to be handled.
    pub fn kafka(&self) -> Option<&Mutex<Kafka>> {
        self.kafka.as_ref()
    }

    /// Sends a round while these things happen, and pieces of an echo come in between. Everything is spread, so that each fault meets something.
    pub async fn round(
        &self,
        sender: &Sender,
        parcels: &[Parcel],
        pieces: &[Piece],
        strikes: &[Strike],
        dice: &mut Dice,
    ) {
        let struck = watch::Sender::new(0);
        let turn = |at: usize, of: usize| at * strikes.len().max(1) / of.max(1);
        let (parcel_turn, piece_turn) = (|at| turn(at, parcels.len()), |at| turn(at, pieces.len()));
        let sending = futures::stream::iter(parcels.iter().enumerate()).for_each_concurrent(
            AT_ONCE,
            |(at, parcel)| {
                let mut struck = struck.subscribe();
                async move {
                    let turn = parcel_turn(at);
                    struck.wait_for(|count| turn <= *count).await.unwrap();
                    sender.send(&self.crew, parcel).await;
                }
            },
        );
        let echoing = futures::stream::iter(pieces.iter().enumerate()).for_each_concurrent(
            1,
            |(at, piece)| {
                let mut struck = struck.subscribe();
                async move {
                    let turn = piece_turn(at);
                    struck.wait_for(|count| turn <= *count).await.unwrap();
                    let copies = piece.write(&self.log).await;
                    let copies = u64::try_from(copies).unwrap();
                    self.tally.copies.fetch_add(copies, Ordering::Relaxed);
                }
            },
        );
        let striking = async {
            for (at, strike) in strikes.iter().enumerate() {
                if at % READY_EVERY == 0 {
                    self.crew.ready().await;
                }
                sleep(strike.pause).await;
                struck.send_replace(at + 1);
                self.strike(strike, dice).await;
            }
            struck.send_replace(usize::MAX);
        };
        let all = async { tokio::join!(sending, echoing, striking) };
        tokio::select! {
            _ = all => {}
            () = self.crew.tend(&self.tally.ended) => {}
        }
    }

    async fn strike(&self, strike: &Strike, dice: &mut Dice) {
        let tally = &self.tally;
        let count = |of: &AtomicU32| of.fetch_add(1, Ordering::Relaxed);
        match &strike.fault {
            Fault::Kill { roles, away } => {
                let kills = (0..).zip(roles).map(|(at, role)| {
                    let throw = strike.throw.wrapping_add(at);
                    self.crew.kill(*role, throw, *away, None)
                });
                let killed = futures::future::join_all(kills).await;
                let killed = killed.into_iter().map(u32::from).sum();
                tally.kills.fetch_add(killed, Ordering::Relaxed);
            }
            Fault::WrongClock { role } => {
                let seed = strike.throw.to_string();
                self.crew
                    .kill(*role, strike.throw, Duration::ZERO, Some(seed))
                    .await;
                count(&tally.wrong_clocks);
            }
            Fault::KillDatabase { away } => {
                let mut postgres = self.postgres.lock().await;
                postgres.kill().await;
                sleep(*away).await;
                postgres.restart().await;
                count(&tally.database_kills);
            }
            Fault::KillBackend => {
                self.postgres.lock().await.kill_a_backend(strike.throw);
                count(&tally.backend_kills);
            }
            Fault::KillBroker { away } => {
                let kafka = self.kafka.as_ref().expect("drawn only where there is one");
                let mut kafka = kafka.lock().await;
                kafka.kill().await;
                sleep(*away).await;
                kafka.restart().await;
                // It listens before it serves, and a broker that never serves is no broker to kill.
                comes(SERVES, async || {
                    self.log.topic(RECEIVED_TOPIC).await.is_ok()
                })
                .await;
                count(&tally.broker_kills);
            }
            Fault::Freeze { role } => self.freeze(*role, strike.throw).await,
            Fault::Storm { role, sizes } => {
                for size in sizes {
                    let changes = self.crew.scale(*role, *size).await;
                    tally.rebalances.fetch_add(changes, Ordering::Relaxed);
                    sleep(GUST_EVERY).await;
                }
            }
            Fault::Upgrade => {
                self.crew.install(crate::crew::binary());
                self.crew.run(&["migrate"]).await;
                upgrade::expand(&self.pool).await;
            }
            Fault::Replace { role } => {
                assert!(self.crew.replace(*role).await, "one more {}", role.name());
                self.crew.ready().await;
                count(&tally.replaced);
            }
            Fault::Cut { road } => {
                self.road(*road).cut(dice);
                count(&tally.cuts);
            }
            Fault::Slow {
                road,
                delay,
                during,
            } => {
                self.road(*road).slow_down(*delay);
                sleep(*during).await;
                self.road(*road).slow_down(Duration::ZERO);
                count(&tally.slow_roads);
            }
            Fault::HalfOpen {
                road,
                silence,
                during,
            } => {
                let stillness = self.road(*road).half_open(*silence, dice);
                sleep(*during).await;
                stillness.end();
                count(&tally.half_open_roads);
            }
        }
    }

    fn road(&self, road: Road) -> &Proxy {
        match (road, &self.to_brokers) {
            (Road::Brokers, Some(proxy)) => proxy,
            _ => &self.to_database,
        }
    }

    /// An owner stands still until all its partitions are another's; then it goes on, and must not write.
    async fn freeze(&self, role: Role, throw: u32) {
        if self.crew.count(role).await < 2 {
            self.crew.scale(role, 2).await;
        }
        let Some(owner) = self.crew.owner(role, throw).await else {
            return;
        };
        let name = owner.name_ends_with();
        let holds = async || {
            sqlx::query_scalar::<_, i64>(
                "SELECT count(*) FROM partition_positions WHERE stage = $1 AND right(owner, length($2)) = $2",
            )
            .bind(role.name())
            .bind(&name)
            .fetch_one(&self.pool)
            .await
            .ok()
        };
        // Who has only just come may own nothing yet, or nothing at all where there are more readers than partitions.
        let owns = comes(JOINED, async || {
            holds().await.is_some_and(|count| 0 < count)
        });
        if !owns.await {
            return;
        }
        owner.freeze();
        let taken = comes(TAKEOVER, async || holds().await == Some(0)).await;
        owner.thaw();
        assert!(
            taken,
            "nobody took over from a {} that stands still\n{}",
            role.name(),
            self.crew.last_words().await
        );
        self.tally.zombies.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until nothing is on its way any more. Nobody does anything for it but start who ended.
    pub async fn settle(&self) {
        self.crew.ready().await;
        let settled = comes(SETTLE, async || self.is_settled().await.unwrap_or(false));
        let settled = tokio::select! {
            settled = settled => settled,
            () = self.crew.tend(&self.tally.ended) => false,
        };
        assert!(
            settled,
            "the house does not settle: {}\n{}",
            self.state().await,
            self.crew.last_words().await
        );
    }

    async fn on_the_way(&self) -> Option<OnTheWay> {
        let on_the_way = Store::from_pool(self.pool.clone())
            .on_the_way(self.today)
            .await
            .ok()?;
        // Who was broken off in the middle of a file sent it again; the first attempt is marked as interrupted after minutes of silence.
        Some(OnTheWay {
            open_deliveries: 0,
            ..on_the_way
        })
    }

    async fn is_settled(&self) -> Option<bool> {
        let on_the_way = self.on_the_way().await?;
        let (done, there) = self.progress().await?;
        Some(on_the_way.is_nothing() && done == there)
    }

    /// How many records the stages have done, and how many there are.
    async fn progress(&self) -> Option<(i64, i64)> {
        let (mut done, mut there) = (0, 0);
        for (stage, topic) in STAGES {
            let state = self.log.topic(topic).await.ok()?;
            there += state.partitions.iter().map(|range| range.next).sum::<i64>();
            done += sqlx::query_scalar::<_, i64>(
                "SELECT coalesce(sum(next_offset), 0)::bigint FROM partition_positions WHERE stage = $1",
            )
            .bind(stage)
            .fetch_one(&self.pool)
            .await
            .ok()?;
        }
        Some((done, there))
    }

    async fn state(&self) -> String {
        format!(
            "{:?}, done and there {:?}",
            self.on_the_way().await,
            self.progress().await
        )
    }

    /// How often partitions were claimed by a new owner.
    pub async fn claims(&self) -> i64 {
        sqlx::query_scalar("SELECT coalesce(sum(epoch), 0)::bigint FROM partition_positions")
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    /// Nobody works here any more, and nothing of it stays.
    pub async fn demolish(self) {
        self.crew.dismiss().await;
        self.pool.close().await;
        if let Some(kafka) = self.kafka {
            kafka.into_inner().kill().await;
        }
        self.postgres.into_inner().kill().await;
        drop(self.folder);
    }
}
