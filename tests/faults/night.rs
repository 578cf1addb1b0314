//! Nights: the same rounds in peace and in trouble, and the judgement.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use voorveld_chassis::Stopwatch;
use voorveld_synthetic::Dice;

use crate::asked;
use crate::crew::binary;
use crate::echo::Echo;
use crate::house::{House, Keys, Tally, today};
use crate::ledger::{Holdings, broken_promises};
use crate::load::{self, Parcel, Size};
use crate::schedule::{self, Strike};
use crate::sender::Sender;

/// Where the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Kafka,
    Postgres,
}

/// The night of CI: one fault of each sort.
pub const SHORT: Size = Size {
    households: 150,
    rounds: 2,
    events: 120,
    in_a_list: 10,
    in_a_file: 30,
    alone: 10,
};
/// Things said in a round of a night by hand, unless it was asked for more.
const LONG_EVENTS: u32 = 3_000;
/// Signals that the door takes in one list.
const LIST_MAX: usize = 1_000;
/// Faults in a round of a night by hand.
const STRIKES: usize = 20;
/// Partitions of its topics.
pub const SHORT_PARTITIONS: i32 = 4;
const LONG_PARTITIONS: i32 = 8;
/// The seed of CI.
const FIRST_SEED: u64 = 1;
/// Readers of each stage when a night begins.
pub const READERS: usize = 2;

/// Streams of dice: the load has 1.
const SCHEDULE_STREAM: u64 = 2;
const HOUSE_STREAM: u64 = 3;
const ECHO_STREAM: u64 = 4;

/// One short night; or, for as many minutes as were asked for, one long night after the other.
pub async fn nights(backend: Backend) {
    let watch = Stopwatch::start();
    let mut seed = asked("VOORVELD_FAULTS_SEED").map_or(FIRST_SEED, |seed| seed.parse().unwrap());
    let minutes: Option<u64> =
        asked("VOORVELD_FAULTS_MINUTES").map(|minutes| minutes.parse().unwrap());
    let size = if minutes.is_some() {
        long(events_asked())
    } else {
        SHORT
    };
    loop {
        night(backend, seed, size).await;
        let until = Duration::from_secs(60 * minutes.unwrap_or(0));
        if until < watch.elapsed() {
            return;
        }
        seed += 1;
    }
}

/// A night by hand, in whose rounds so much is said.
fn long(events: u32) -> Size {
    Size {
        households: events / 3 * 10,
        rounds: 6,
        events: events as usize,
        in_a_list: LIST_MAX.min(events as usize / 30),
        in_a_file: events as usize / 6,
        alone: 60,
    }
}

fn events_asked() -> u32 {
    asked("VOORVELD_FAULTS_EVENTS").map_or(LONG_EVENTS, |events| events.parse().unwrap())
}

async fn night(backend: Backend, seed: u64, size: Size) {
    let has_brokers = backend == Backend::Kafka;
    let is_short = size.events == SHORT.events;
    let partitions = if is_short {
        SHORT_PARTITIONS
    } else {
        LONG_PARTITIONS
    };
    let rounds = load::rounds(seed, size);
    let mut dice = Dice::new(seed, SCHEDULE_STREAM);
    let strikes: Vec<Vec<Strike>> = if is_short {
        let all = schedule::one_of_each(&mut dice, has_brokers);
        all.chunks(all.len().div_ceil(size.rounds))
            .map(<[Strike]>::to_vec)
            .collect()
    } else {
        (0..size.rounds)
            .map(|_| schedule::many(STRIKES, &mut dice, has_brokers))
            .collect()
    };
    let trouble = Trouble {
        program: binary(),
        backend,
        seed,
        partitions,
        rounds,
        strikes,
    };
    trouble
        .leaves_no_trace(&repeat(backend, seed, is_short))
        .await;
}

/// What a house goes through.
pub struct Trouble {
    /// What is installed when it begins.
    pub program: PathBuf,
    /// Where its log is.
    pub backend: Backend,
    /// Of the dice that are thrown meanwhile.
    pub seed: u64,
    /// Of each topic.
    pub partitions: i32,
    /// What it is told.
    pub rounds: Vec<Vec<Parcel>>,
    /// What strikes it in each round.
    pub strikes: Vec<Vec<Strike>>,
}

impl Trouble {
    /// In the end the house holds what one holds that was told the same in peace, and every promise is kept. `repeat` says how to do this again.
    pub async fn leaves_no_trace(&self, repeat: &str) {
        self.tell_schedule();
        let keys = Keys::generate().await;
        // Terms count from the day of receipt: two runs are compared only if midnight did not come between.
        loop {
            let day = today();
            let watch = Stopwatch::start();
            let calm = calm(&keys, self.partitions, &self.rounds).await;
            eprintln!("in peace: {:?}", watch.elapsed());
            let watch = Stopwatch::start();
            let (rough, complaints) = self.rough(&keys).await;
            eprintln!("in trouble: {:?}", watch.elapsed());
            if day != today() {
                continue;
            }
            assert!(
                !calm.matches.is_empty() && !calm.tasks.is_empty(),
                "there is something to lose"
            );
            let mut all = rough.differences(&calm);
            all.extend(complaints);
            assert!(all.is_empty(), "{}\nTo repeat it: {repeat}", all.join("\n"));
            return;
        }
    }

    /// What the house holds after the night, and what is wrong with it by itself.
    async fn rough(&self, keys: &Keys) -> (Holdings, Vec<String>) {
        let house = build(keys, &self.program, self.backend, self.partitions).await;
        let sender = Sender::admitted(&house.crew, today()).await;
        house.crew.start(READERS).await;
        let mut dice = Dice::new(self.seed, HOUSE_STREAM);
        let mut echo_dice = Dice::new(self.seed, ECHO_STREAM);
        let mut echo = Echo::default();
        for (parcels, strikes) in self.rounds.iter().zip(&self.strikes) {
            let pieces = echo.pieces(&mut echo_dice);
            house
                .round(&sender, parcels, &pieces, strikes, &mut dice)
                .await;
            house.settle().await;
            echo.listen(&house.log).await;
        }
        let pieces = echo.pieces(&mut echo_dice);
        house.round(&sender, &[], &pieces, &[], &mut dice).await;
        house.settle().await;
        let holdings = Holdings::of(&house.pool).await;
        let mut complaints = sender.surprises();
        complaints.extend(broken_promises(&house.pool, &sender.books(), &holdings.places).await);
        for role in house.crew.outdated().await {
            complaints.push(format!(
                "a {} runs what it ran in the beginning",
                role.name()
            ));
        }
        tell_tally(self.seed, &house.tally, &sender, house.claims().await);
        if !complaints.is_empty() {
            eprintln!("{}", house.crew.last_words().await);
        }
        house.demolish().await;
        (holdings, complaints)
    }

    fn tell_schedule(&self) {
        let mut told = format!("night of seed {} on {:?}\n", self.seed, self.backend);
        for (round, strikes) in self.strikes.iter().enumerate() {
            for strike in strikes {
                writeln!(told, "  round {round}: {strike}").unwrap();
            }
        }
        eprint!("{told}");
    }
}

/// An empty house.
pub async fn house(keys: &Keys, backend: Backend, partitions: i32) -> House {
    build(keys, &binary(), backend, partitions).await
}

async fn build(keys: &Keys, program: &Path, backend: Backend, partitions: i32) -> House {
    let has_brokers = backend == Backend::Kafka;
    House::build(keys, program.to_owned(), has_brokers, partitions).await
}

/// What the house holds that was told these rounds in peace.
pub async fn calm(keys: &Keys, partitions: i32, rounds: &[Vec<Parcel>]) -> Holdings {
    let house = house(keys, Backend::Postgres, partitions).await;
    let sender = Sender::admitted(&house.crew, today()).await;
    house.crew.start(1).await;
    let mut dice = Dice::new(0, 0);
    for parcels in rounds {
        house.round(&sender, parcels, &[], &[], &mut dice).await;
        house.settle().await;
    }
    let surprises = sender.surprises();
    assert!(surprises.is_empty(), "in peace: {surprises:#?}");
    let holdings = Holdings::of(&house.pool).await;
    house.demolish().await;
    holdings
}

fn tell_tally(seed: u64, tally: &Tally, sender: &Sender, claims: i64) {
    let signals = sender.acknowledged.load(Ordering::Relaxed);
    let again = sender.again.load(Ordering::Relaxed);
    eprintln!(
        "seed {seed}: {signals} acknowledged, {again} sent again, {claims} claims of partitions, {tally:?}"
    );
}

fn repeat(backend: Backend, seed: u64, is_short: bool) -> String {
    let name = match backend {
        Backend::Kafka => "nights_on_kafka",
        Backend::Postgres => "nights_on_the_postgres_log",
    };
    let long = match events_asked() {
        _ if is_short => String::new(),
        LONG_EVENTS => "VOORVELD_FAULTS_MINUTES=0 ".to_owned(),
        more => format!("VOORVELD_FAULTS_MINUTES=0 VOORVELD_FAULTS_EVENTS={more} "),
    };
    format!(
        "VOORVELD_FAULTS_SEED={seed} {long}cargo test -p voorveld-tests --test faults {name} -- --nocapture"
    )
}
