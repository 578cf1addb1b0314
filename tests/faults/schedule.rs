//! What happens to the house, and when: a list that follows from the seed.

use std::fmt;
use std::time::Duration;

use voorveld_synthetic::Dice;

use crate::crew::Role;
use crate::proxy::Silence;

/// Between two faults passes at most this.
const PAUSE_MAX_MILLIS: u32 = 900;
/// What was killed stays away for at most this.
const AWAY_MAX_MILLIS: u32 = 1_500;
/// A road is bad for so long.
const BAD_ROAD_MILLIS: (u32, u32) = (500, 4_000);
/// On a slow road every piece takes so much longer.
const DELAY_MILLIS: (u32, u32) = (5, 150);
/// Most processes that go at once, as with the machine they run on.
const KILLED_TOGETHER_MAX: u32 = 3;
/// Most of one role at a time.
const MEMBERS_MAX: u32 = 4;
/// Changes of a rebalance storm.
const GUSTS: usize = 3;

/// Which road.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    /// To PostgreSQL.
    Database,
    /// To Kafka.
    Brokers,
}

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9` of one of each of these at once; they come back after a while.
    Kill { roles: Vec<Role>, away: Duration },
    /// `kill -9` of PostgreSQL and all its processes.
    KillDatabase { away: Duration },
    /// `kill -9` of one of its processes.
    KillBackend,
    /// `kill -9` of the broker.
    KillBroker { away: Duration },
    /// An owner stands still until another takes over, and then goes on.
    Freeze { role: Role },
    /// So many of a role, and at once so many, and so many.
    Storm { role: Role, sizes: [usize; GUSTS] },
    /// Half of the connections end.
    Cut { road: Road },
    /// Everything on this road takes longer.
    Slow {
        road: Road,
        delay: Duration,
        during: Duration,
    },
    /// Half of the connections swallow one direction.
    HalfOpen {
        road: Road,
        silence: Silence,
        during: Duration,
    },
    /// One of a role comes back with a clock that jumps to and fro.
    WrongClock { role: Role },
    /// The program that is tested is installed, and the schema changes. Never drawn.
    Upgrade,
    /// One of a role makes place for the program that is installed. Never drawn.
    Replace { role: Role },
}

/// A fault and how long after the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// How long nothing happens before.
    pub pause: Duration,
    /// What happens.
    pub fault: Fault,
    /// Which one of several it hits.
    pub throw: u32,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after {:?} {:?}", self.pause, self.fault)
    }
}

/// Draws a fault of one sort.
type Sort = fn(&mut Dice) -> Fault;

/// Sorts of faults, with how often each comes among a thousand.
const SORTS: &[(Sort, u32)] = &[
    (kill, 440),
    (kill_database, 150),
    (kill_backend, 30),
    (kill_broker, 130),
    (storm, 90),
    (freeze, 30),
    (cut, 50),
    (slow, 25),
    (half_open, 30),
    (wrong_clock, 25),
];

/// One of each sort, in an order that follows from the dice.
pub fn one_of_each(dice: &mut Dice, has_brokers: bool) -> Vec<Strike> {
    let mut sorts: Vec<_> = SORTS.iter().map(|(sort, _)| *sort).collect();
    let mut strikes = Vec::new();
    while !sorts.is_empty() {
        let left = u32::try_from(sorts.len()).unwrap();
        let sort = sorts.swap_remove(dice.below(left) as usize);
        strikes.push(strike(sort, dice, has_brokers));
    }
    strikes
}

/// So many, as they fall.
pub fn many(count: usize, dice: &mut Dice, has_brokers: bool) -> Vec<Strike> {
    let weights: Vec<u32> = SORTS.iter().map(|(_, weight)| *weight).collect();
    let sorts = (0..count).map(|_| SORTS[dice.weighted(&weights)].0);
    let sorts: Vec<_> = sorts.collect();
    sorts
        .into_iter()
        .map(|sort| strike(sort, dice, has_brokers))
        .collect()
}

/// Where there are no brokers, what would happen to them happens to the database, which is the log as well.
fn strike(sort: Sort, dice: &mut Dice, has_brokers: bool) -> Strike {
    let fault = match sort(dice) {
        Fault::KillBroker { away } if !has_brokers => Fault::KillDatabase { away },
        fault if has_brokers => fault,
        Fault::Cut { .. } => Fault::Cut {
            road: Road::Database,
        },
        Fault::Slow { delay, during, .. } => Fault::Slow {
            road: Road::Database,
            delay,
            during,
        },
        Fault::HalfOpen {
            silence, during, ..
        } => Fault::HalfOpen {
            road: Road::Database,
            silence,
            during,
        },
        fault => fault,
    };
    Strike {
        pause: millis(dice.below(PAUSE_MAX_MILLIS)),
        fault,
        throw: dice.below(u32::MAX),
    }
}

fn millis(count: u32) -> Duration {
    Duration::from_millis(count.into())
}

fn away(dice: &mut Dice) -> Duration {
    millis(dice.below(AWAY_MAX_MILLIS))
}

fn stage(dice: &mut Dice) -> Role {
    *dice.pick(&Role::STAGES)
}

fn road(dice: &mut Dice) -> Road {
    *dice.pick(&[Road::Database, Road::Brokers])
}

fn during(dice: &mut Dice) -> Duration {
    millis(dice.between(BAD_ROAD_MILLIS.0, BAD_ROAD_MILLIS.1))
}

fn kill(dice: &mut Dice) -> Fault {
    let roles = [
        (Role::Gateway, 30),
        (Role::Resolver, 30),
        (Role::Correlator, 30),
        (Role::Outreach, 5),
        (Role::Console, 5),
    ];
    let weights = roles.map(|(_, weight)| weight);
    let count = dice.between(1, KILLED_TOGETHER_MAX);
    Fault::Kill {
        roles: (0..count)
            .map(|_| roles[dice.weighted(&weights)].0)
            .collect(),
        away: away(dice),
    }
}

fn kill_database(dice: &mut Dice) -> Fault {
    Fault::KillDatabase { away: away(dice) }
}

fn kill_backend(_: &mut Dice) -> Fault {
    Fault::KillBackend
}

fn kill_broker(dice: &mut Dice) -> Fault {
    Fault::KillBroker { away: away(dice) }
}

fn freeze(dice: &mut Dice) -> Fault {
    Fault::Freeze { role: stage(dice) }
}

fn storm(dice: &mut Dice) -> Fault {
    Fault::Storm {
        role: stage(dice),
        sizes: std::array::from_fn(|_| dice.between(1, MEMBERS_MAX) as usize),
    }
}

fn cut(dice: &mut Dice) -> Fault {
    Fault::Cut { road: road(dice) }
}

fn slow(dice: &mut Dice) -> Fault {
    Fault::Slow {
        road: road(dice),
        delay: millis(dice.between(DELAY_MILLIS.0, DELAY_MILLIS.1)),
        during: during(dice),
    }
}

fn half_open(dice: &mut Dice) -> Fault {
    Fault::HalfOpen {
        road: road(dice),
        silence: *dice.pick(&[Silence::Upward, Silence::Downward]),
        during: during(dice),
    }
}

fn wrong_clock(dice: &mut Dice) -> Fault {
    let role = *dice.pick(&[Role::Gateway, Role::Resolver, Role::Correlator]);
    Fault::WrongClock { role }
}
