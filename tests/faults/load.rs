//! What partners say: rounds of signals, corrections, moves, withdrawals and revivals that follow from the seed.
//!
//! Tasks are a function of a household's records in log order (K2), and with several partitions that order is the resolvers' affair. So a
//! round says at most one thing about a household, and the next round begins when this one has settled: each household then has its records in the same order in
//! every run, whoever reads them, and even the steps on the ladder must be the same.

use std::collections::BTreeSet;

use jiff::ToSpan;
use jiff::civil::Date;
use serde_json::{Value, json};
use voorveld_synthetic::{Dice, POSTCODES};

/// Who says all of it.
pub const SENDER: &str = "verzamelaar";
/// What it may send.
pub const KINDS: &[&str] = &[
    "rent_arrears",
    "energy_arrears",
    "water_arrears",
    "eviction_notice",
];
/// On behalf of whom.
pub const TYPES: &[&str] = &["rent", "energy", "water"];
/// How often each kind comes.
const KIND_WEIGHTS: [u32; 4] = [40, 30, 27, 3];
/// Some below the threshold, some high.
const CENTS: [u32; 6] = [4_000, 9_000, 20_000, 45_000, 80_000, 160_000];
/// Signals are dated in the last months, so that some are fresh enough to raise a task and some are not.
const DAYS_BACK_MAX: u32 = 150;
/// Arrears are old enough for every kind.
const ARISEN_DAYS_BEFORE: i32 = 100;

/// How much is said.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Front doors.
    pub households: u32,
    /// Rounds.
    pub rounds: usize,
    /// Things said in a round.
    pub events: usize,
    /// Of them, in one list.
    pub in_a_list: usize,
    /// Of them, in one file.
    pub in_a_file: usize,
    /// Of them, by a request of its own.
    pub alone: usize,
}

/// What is said about one debt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    kind: &'static str,
    cents: u32,
    days_back: u32,
    house: u32,
}

/// One thing a partner says, about the signal of this number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Which of its signals.
    pub signal: usize,
    /// What about it; `None`: it is taken back.
    pub said: Option<Said>,
    /// Only a request of its own can say this.
    pub by_request: bool,
    /// It was said before that there is such a signal.
    pub known: bool,
}

/// What goes in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parcel {
    /// A list in one request.
    List(Vec<Event>),
    /// A file.
    File(Vec<Event>),
    /// One request.
    One(Event),
}

/// A signal as it stands in the partner's books.
struct Standing {
    said: Said,
    withdrawn: bool,
    /// How often something was said about it.
    times: u32,
}

/// The partner's books.
struct Books {
    signals: Vec<Standing>,
    of_house: Vec<Vec<usize>>,
}

/// The rounds of a seed.
pub fn rounds(seed: u64, size: Size) -> Vec<Vec<Parcel>> {
    let mut dice = Dice::new(seed, 1);
    let mut books = Books {
        signals: Vec::new(),
        of_house: vec![Vec::new(); size.households as usize],
    };
    (0..size.rounds)
        .map(|_| {
            let mut touched = BTreeSet::new();
            let mut events = Vec::new();
            while events.len() < size.events && touched.len() < size.households as usize {
                let house = dice.below(size.households);
                if touched.insert(house) {
                    events.push(books.event(house, &mut touched, &mut dice));
                }
            }
            parcels(events, size, &mut dice)
        })
        .collect()
}

impl Books {
    /// Something about a house about which nothing was said in this round.
    fn event(&mut self, house: u32, touched: &mut BTreeSet<u32>, dice: &mut Dice) -> Event {
        let here = &self.of_house[house as usize];
        let lot = dice.weighted(&[60, 18, 8, 7, 7]);
        if lot == 0 || here.is_empty() {
            return self.open(said(house, dice));
        }
        let signal = *dice.pick(here);
        let standing = &self.signals[signal];
        let revived = standing.withdrawn;
        // Never the same as before: a row that was said before changes nothing (S2), and a signal would not be where its partner thinks it is.
        let mut next = Said {
            cents: *dice.pick(&CENTS) + standing.times,
            ..standing.said.clone()
        };
        match lot {
            2 => self.move_on(signal, &mut next, touched, dice),
            3 if !revived => {
                self.signals[signal].withdrawn = true;
                return Event {
                    signal,
                    said: None,
                    by_request: true,
                    known: true,
                };
            }
            // The same debt, told again as another signal: a repeat (K6).
            4 => {
                return self.open(Said {
                    days_back: dice.below(DAYS_BACK_MAX),
                    ..standing.said.clone()
                });
            }
            _ => {}
        }
        let standing = &mut self.signals[signal];
        standing.said = next.clone();
        standing.withdrawn = false;
        standing.times += 1;
        Event {
            signal,
            said: Some(next),
            by_request: revived,
            known: true,
        }
    }

    fn open(&mut self, said: Said) -> Event {
        let signal = self.signals.len();
        self.of_house[said.house as usize].push(signal);
        self.signals.push(Standing {
            said: said.clone(),
            withdrawn: false,
            times: 1,
        });
        Event {
            signal,
            said: Some(said),
            by_request: false,
            known: false,
        }
    }

    /// To a door about which nothing else is said in this round and where nothing is of the same day: ties go by signal id (T3), and which of two that
    /// were sent in one round got the lower id is chance.
    fn move_on(
        &mut self,
        signal: usize,
        next: &mut Said,
        touched: &mut BTreeSet<u32>,
        dice: &mut Dice,
    ) {
        let to = dice.below(u32::try_from(self.of_house.len()).unwrap());
        let same_day = self.of_house[to as usize]
            .iter()
            .any(|other| self.signals[*other].said.days_back == next.days_back);
        if same_day || !touched.insert(to) {
            return;
        }
        self.of_house[next.house as usize].retain(|other| *other != signal);
        self.of_house[to as usize].push(signal);
        next.house = to;
    }
}

fn said(house: u32, dice: &mut Dice) -> Said {
    Said {
        kind: KINDS[dice.weighted(&KIND_WEIGHTS)],
        cents: *dice.pick(&CENTS),
        days_back: dice.below(DAYS_BACK_MAX),
        house,
    }
}

fn parcels(events: Vec<Event>, size: Size, dice: &mut Dice) -> Vec<Parcel> {
    let (alone, mut rows): (Vec<Event>, Vec<Event>) =
        events.into_iter().partition(|event| event.by_request);
    let mut parcels: Vec<Parcel> = alone.into_iter().map(Parcel::One).collect();
    let rest = rows.split_off(rows.len().min(size.alone));
    parcels.extend(rows.into_iter().map(Parcel::One));
    let mut rows = rest;
    let rest = rows.split_off(rows.len().min(size.in_a_file));
    if !rows.is_empty() {
        parcels.push(Parcel::File(rows));
    }
    parcels.extend(
        rest.chunks(size.in_a_list)
            .map(|chunk| Parcel::List(chunk.to_vec())),
    );
    shuffle(&mut parcels, dice);
    parcels
}

/// Puts a list in another order.
pub fn shuffle<T>(list: &mut [T], dice: &mut Dice) {
    for at in (1..list.len()).rev() {
        let other = dice.below(u32::try_from(at + 1).unwrap());
        list.swap(at, other as usize);
    }
}

impl Said {
    /// As a partner writes it.
    pub fn body(&self, signal: usize, today: Date) -> Value {
        let signalled = today.saturating_sub(i64::from(self.days_back).days());
        let arisen = signalled.saturating_sub(ARISEN_DAYS_BEFORE.days());
        let postcode = POSTCODES[self.house as usize % POSTCODES.len()];
        json!({
            "reference": reference(signal),
            "kind": self.kind,
            "municipality": "0518",
            "signalledOn": signalled.to_string(),
            "arisenOn": arisen.to_string(),
            "amountCents": self.cents,
            "person": { "surname": format!("Voorbeeld{}", self.house % 3), "birthDate": "1980-02-03" },
            "address": {
                "postcode": format!("{postcode}AB"),
                "houseNumber": (1 + self.house as usize / POSTCODES.len()).to_string(),
            },
        })
    }
}

/// The partner's own reference of a signal.
pub fn reference(signal: usize) -> String {
    format!("los-{signal:07}")
}
