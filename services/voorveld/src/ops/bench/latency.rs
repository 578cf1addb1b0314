//! `voorveld bench latency`: from a signal that is sent to the task that a colleague sees, at a fixed rate.
//!
//! Signals are due at even intervals and sent one by one over HTTP, whether or not earlier ones were answered; each is measured from the moment at
//! which it was due, so that a house that stalls pays for everybody who would have waited. Each is about a household of its own and raises a task
//! of its own. The outreach API reads committed tasks and keeps nothing in between, so a task counts as visible when a query finds it committed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use reqwest::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use uuid::Uuid;
use voorveld_chassis::telemetry::LogFilter;
use voorveld_domain::MunicipalityCode;
use voorveld_synthetic::{BULK_PARTNER, Household};

use super::alone::count;
use super::house::{BenchHouse, municipality};
use super::machine::{Usage, held_bytes};
use super::room::attended;
use crate::cli::BenchLatency;
use crate::config::Settings;
use crate::ops::office::table;

/// How often it is asked which tasks were raised: the figures are this coarse.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long the last signals may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// For how many lines of history one with a lower number is still waited for.
const MISSED_LINES: i64 = 20_000;
/// How often a longer run says how it is doing.
const TELLS: u32 = 12;

/// Requests are numbered from here on: a UUID of version 8, whose bits are ours to give.
const REQUESTS: u128 = 0xbe0c_0000_0000_8000_8000_0000_0000_0000;

/// What was measured; seconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Figures {
    /// Signals offered a second.
    rate: u32,
    /// Seconds before the first that is measured.
    warm_up: u32,
    /// From due to the receipt of the door.
    door: Quantiles,
    /// From due to the task that can be seen.
    task: Quantiles,
    /// Signals that the door sent away: it had too much in hand.
    refused: usize,
    /// Signals whose task was not seen in time, those sent away included.
    never_seen: usize,
    /// What this process held, at even intervals.
    memory_bytes: Vec<u64>,
    /// Processor time of sender and roles.
    cpu_seconds: f64,
}

/// Of so many measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Quantiles {
    count: usize,
    p50: f64,
    p99: f64,
    max: f64,
}

impl Quantiles {
    fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |per_mille: usize| {
            let place = (values.len() * per_mille).div_ceil(1_000).max(1) - 1;
            values.get(place).copied().unwrap_or(f64::NAN)
        };
        Self {
            count: values.len(),
            p50: at(500),
            p99: at(990),
            max: at(1_000),
        }
    }
}

/// Offers the signals and prints what they took.
pub async fn run(
    command: &BenchLatency,
    settings: &Settings,
    log_filter: LogFilter,
) -> anyhow::Result<ExitCode> {
    let house = BenchHouse::open(settings, log_filter, command.statements).await?;
    if !command.json {
        println!(
            "{}\n{} signals a second for {} s, each by itself over HTTP, after {} s that are not measured\n",
            house.machine, command.rate, command.seconds, command.warm_up
        );
    }
    let sender = Sender {
        house: &house,
        command,
        municipality: municipality(settings),
        url: format!("{}/v1/signals", house.door.base()),
        client: reqwest::Client::new(),
    };
    let figures = attended(&house.lifecycle, settings.grace, sender.measure()).await;
    let machine = house.machine.clone();
    let counted = house.close_counted(command.statements).await?;
    let figures = figures?;
    if command.json {
        println!("{:#}", json!({ "machine": machine, "figures": figures }));
    } else {
        print!("{}", told(&figures));
    }
    if let Some(counted) = counted {
        let signals = command.rate * (command.warm_up + command.seconds);
        print!(
            "\n{}",
            super::told::written(signals, &counted.written, None)
        );
        print!("\n{}", super::told::statements(&counted));
    }
    Ok(ExitCode::SUCCESS)
}

struct Sender<'a> {
    house: &'a BenchHouse,
    command: &'a BenchLatency,
    municipality: MunicipalityCode,
    url: String,
    client: reqwest::Client,
}

impl Sender<'_> {
    async fn measure(&self) -> anyhow::Result<Figures> {
        let before = Usage::now();
        let start = Instant::now();
        let (door, (task, memory_bytes)) = tokio::try_join!(self.offer(start), self.watch(start))?;
        Ok(Figures {
            rate: self.command.rate,
            warm_up: self.command.warm_up,
            refused: self.all() as usize - door.len(),
            never_seen: self.all() as usize - task.len(),
            door: self.measured(door),
            task: self.measured(task),
            memory_bytes,
            cpu_seconds: Usage::now().cpu_seconds - before.cpu_seconds,
        })
    }

    /// How many are sent.
    const fn all(&self) -> u32 {
        self.command.rate * (self.command.warm_up + self.command.seconds)
    }

    /// Of what was found by number, in seconds, what comes after the warm-up.
    fn measured(&self, found: Vec<(u32, f64)>) -> Quantiles {
        let first = self.command.rate * self.command.warm_up;
        let counts = found.into_iter().filter(|(number, _)| first <= *number);
        Quantiles::of(counts.map(|(_, seconds)| seconds).collect())
    }

    /// When a signal is to be sent, from the start.
    fn due(&self, number: u32) -> Duration {
        Duration::from_secs_f64(f64::from(number) / f64::from(self.command.rate))
    }

    /// How long ago a signal was due.
    fn since_due(&self, start: Instant, number: u32) -> f64 {
        start
            .elapsed()
            .saturating_sub(self.due(number))
            .as_secs_f64()
    }

    /// Sends each signal when it is due, and says how long each receipt took.
    async fn offer(&self, start: Instant) -> anyhow::Result<Vec<(u32, f64)>> {
        let (mut next, mut took) = (0, Vec::new());
        let mut answers = FuturesUnordered::new();
        while next < self.all() || !answers.is_empty() {
            tokio::select! {
                () = sleep_until(start + self.due(next)), if next < self.all() => {
                    answers.push(self.send(next));
                    next += 1;
                }
                Some(answer) = answers.next(), if !answers.is_empty() => {
                    let taken_in: Option<u32> = answer?;
                    took.extend(taken_in.map(|number| (number, self.since_due(start, number))));
                }
            }
        }
        Ok(took)
    }

    /// Looks for tasks until each signal has one, and says how long each took; and what this process holds meanwhile.
    async fn watch(&self, start: Instant) -> anyhow::Result<(Vec<(u32, f64)>, Vec<u64>)> {
        let store = &self.house.house.database.store;
        let (mut took, mut memory) = (Vec::new(), vec![held_bytes()]);
        let (mut highest, mut missing) = (0, BTreeSet::new());
        let whole = self.due(self.all());
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while took.len() < self.all() as usize && start.elapsed() < whole + PATIENCE {
            looks.tick().await;
            let asked: Vec<i64> = missing.iter().copied().collect();
            for (line, request) in store.lines_of_tasks_since(highest, &asked).await? {
                missing.remove(&line);
                missing.extend(highest + 1..line);
                highest = highest.max(line);
                let request = request.and_then(|text| text.parse::<Uuid>().ok());
                if let Some(number) = request.and_then(number_of) {
                    took.push((number, self.since_due(start, number)));
                }
            }
            // What a transaction that failed had numbered never comes.
            missing = missing.split_off(&(highest - MISSED_LINES));
            let told = u32::try_from(memory.len()).unwrap_or(TELLS);
            if told < TELLS && whole * told / TELLS <= start.elapsed() {
                memory.push(held_bytes());
            }
        }
        memory.push(held_bytes());
        Ok((took, memory))
    }

    /// Sends one signal, about a household that no other is about. Says its number, or nothing where the door says "later".
    async fn send(&self, number: u32) -> anyhow::Result<Option<u32>> {
        let body = self.signal(number);
        let answer = self
            .client
            .post(&self.url)
            .bearer_auth(self.house.key.expose())
            .header("x-request-id", request_of(number).to_string())
            .json(&body)
            .send()
            .await
            .context("the gateway did not answer")?;
        match answer.status() {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => Ok(None),
            status if status.is_success() => Ok(Some(number)),
            status => bail!("the gateway answered {status}"),
        }
    }

    fn signal(&self, number: u32) -> Value {
        let door = Household::of(self.command.seed, number);
        let resident = &door.residents[0];
        json!({
            "reference": format!("{}-{number:08}", BULK_PARTNER.reference_prefix),
            "kind": "rent_arrears",
            "municipality": self.municipality.as_str(),
            "signalledOn": self.house.clock.today(),
            "amountCents": 45_000,
            "person": {
                "initials": resident.initials, "surname": resident.surname, "birthDate": resident.birth_date,
            },
            "address": {
                "street": door.street, "postcode": door.postcode, "houseNumber": door.number.to_string(), "suffix": door.suffix,
                "town": voorveld_synthetic::TOWN,
            },
        })
    }
}

/// The request of a signal: it travels with it to its task.
fn request_of(number: u32) -> Uuid {
    Uuid::from_u128(REQUESTS | u128::from(number))
}

fn number_of(request: Uuid) -> Option<u32> {
    u32::try_from(request.as_u128() ^ REQUESTS).ok()
}

fn told(figures: &Figures) -> String {
    let row = |name: &str, of: &Quantiles| {
        let millis = |seconds: f64| format!("{:.0}", seconds * 1e3);
        vec![
            name.to_owned(),
            of.count.to_string(),
            millis(of.p50),
            millis(of.p99),
            millis(of.max),
        ]
    };
    let mut text = table(
        &["from due, ms", "signals", "p50", "p99", "most"],
        &[
            row("to the receipt", &figures.door),
            row("to the task", &figures.task),
        ],
    );
    let memory: Vec<String> = figures
        .memory_bytes
        .iter()
        .map(|bytes| format!("{:.0}", count(*bytes) / 1_048_576.0))
        .collect();
    let _ = writeln!(
        text,
        "\n{} signals were sent away, {} tasks were not seen in time; processor of sender and roles {:.1} s; memory, MiB: {}",
        figures.refused,
        figures.never_seen,
        figures.cpu_seconds,
        memory.join(" ")
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_what_was_measured() {
        let values = (1..=200).rev().map(f64::from).collect();
        let found = Quantiles::of(values);
        assert_eq!(
            (found.count, found.p50, found.p99, found.max),
            (200, 100.0, 198.0, 200.0)
        );
        assert!(Quantiles::of(Vec::new()).p50.is_nan());
    }
}
