//! A road between the house and a server, on which anything may happen: connections are cut, slow down, or go silent in one direction while both
//! ends think they are still there.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use voorveld_synthetic::Dice;

/// What is read at once.
const CHUNK: usize = 16 * 1024;

/// Towards whom nothing arrives any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// The server hears nothing.
    Upward,
    /// The house hears nothing.
    Downward,
}

/// The road.
pub struct Proxy {
    /// Where the house finds the server.
    pub port: u16,
    road: Arc<Road>,
    /// Ends with the proxy.
    _traffic: JoinSet<()>,
}

/// What all its connections share.
struct Road {
    server: u16,
    delay_millis: AtomicU64,
    links: Mutex<Vec<Weak<Link>>>,
}

/// One connection.
#[derive(Default)]
struct Link {
    cut: CancellationToken,
    silent_upward: AtomicBool,
    silent_downward: AtomicBool,
}

impl Proxy {
    /// Opens a road to a port of this machine.
    pub async fn towards(server: u16) -> Self {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = door.local_addr().unwrap().port();
        let road = Arc::new(Road {
            server,
            delay_millis: AtomicU64::new(0),
            links: Mutex::default(),
        });
        let mut traffic = JoinSet::new();
        traffic.spawn(welcome(door, Arc::clone(&road)));
        Self {
            port,
            road,
            _traffic: traffic,
        }
    }

    /// Cuts about half of the connections, and says how many.
    pub fn cut(&self, dice: &mut Dice) -> usize {
        let half = self.half(dice);
        for link in &half {
            link.cut.cancel();
        }
        half.len()
    }

    /// Everything takes so much longer from now on.
    pub fn slow_down(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.road.delay_millis.store(millis, Ordering::Relaxed);
    }

    /// About half of the connections swallow what goes one way. Like a firewall that forgot them, until [`Stillness::end`].
    pub fn half_open(&self, silence: Silence, dice: &mut Dice) -> Stillness {
        let half = self.half(dice);
        for link in &half {
            let silent = match silence {
                Silence::Upward => &link.silent_upward,
                Silence::Downward => &link.silent_downward,
            };
            silent.store(true, Ordering::Relaxed);
        }
        Stillness(half)
    }

    fn half(&self, dice: &mut Dice) -> Vec<Arc<Link>> {
        let mut links = self.road.links.lock().unwrap();
        links.retain(|link| link.strong_count() != 0);
        let all: Vec<Arc<Link>> = links.iter().filter_map(Weak::upgrade).collect();
        all.into_iter().filter(|_| dice.chance(500)).collect()
    }
}

/// Connections that are silent in one direction.
pub struct Stillness(Vec<Arc<Link>>);

impl Stillness {
    /// Both ends are told that their connection is no more. What was swallowed is gone for good.
    pub fn end(self) {
        for link in self.0 {
            link.cut.cancel();
        }
    }
}

async fn welcome(door: TcpListener, road: Arc<Road>) {
    let mut travellers = JoinSet::new();
    loop {
        let Ok((house, _)) = door.accept().await else {
            continue;
        };
        travellers.spawn(travel(house, Arc::clone(&road)));
        while travellers.try_join_next().is_some() {}
    }
}

async fn travel(house: TcpStream, road: Arc<Road>) {
    // Who does not answer is not there: the house sees its connection closed, as from a machine without that server.
    let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, road.server)).await else {
        return;
    };
    let _ = (house.set_nodelay(true), server.set_nodelay(true));
    let link = Arc::new(Link::default());
    road.links.lock().unwrap().push(Arc::downgrade(&link));
    let (from_house, to_house) = house.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = link.cut.cancelled() => {}
        () = async {
            tokio::join!(
                pass_on(from_house, to_server, &road, &link.silent_upward),
                pass_on(from_server, to_house, &road, &link.silent_downward),
            );
        } => {}
    }
}

async fn pass_on(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    road: &Road,
    silent: &AtomicBool,
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let got = from.read(&mut chunk).await.unwrap_or(0);
        if silent.load(Ordering::Relaxed) {
            if got == 0 {
                // Not even the end is heard.
                std::future::pending::<()>().await;
            }
            continue;
        }
        if got == 0 {
            let _ = to.shutdown().await;
            return;
        }
        let delay = road.delay_millis.load(Ordering::Relaxed);
        if delay != 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if to.write_all(&chunk[..got]).await.is_err() {
            return;
        }
    }
}
