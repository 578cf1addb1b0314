//! What a signal costs in memory between batches, all included: how much the process grows by so many signals, next to what was packed of them.
//!
//! ```text
//! cargo bench -p voorveld-correlator                          # a million signals of 200,000 households, and of 500,000
//! cargo bench -p voorveld-correlator -- 100000 20000          # one smaller load: signals, households
//! ```
//!
//! The signals are those of the engine's bench with what that leaves out and live work has: ids and instants as the gateway gives them out, and persons.

use std::process::{Command, ExitCode};

use jiff::{Timestamp, ToSpan};
use uuid::Uuid;
use voorveld_chassis::Stopwatch;
use voorveld_correlator::{DEFAULT_CACHED_BYTES, Memory};
use voorveld_detect::Signal;
use voorveld_domain::{DebtorId, HouseholdId, SignalId};
use voorveld_policy::Policy;
use voorveld_synthetic::engine::Load;

/// Signals and households of the loads that are measured when none is asked for.
const LOADS: [(u32, u32); 2] = [(1_000_000, 200_000), (1_000_000, 500_000)];

/// A number that looks random, and the same each time (`SplitMix64`).
const fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

fn random_id(of: u64) -> Uuid {
    let (high, low) = (scatter(of), scatter(of ^ (1 << 63)));
    uuid::Builder::from_random_bytes((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
        .into_uuid()
}

/// Some time in the eight hours after, to the microsecond.
fn later(at: Timestamp, number: u64) -> Timestamp {
    let micros = i64::try_from(scatter(number) % 28_800_000_000).expect("eight hours");
    at + micros.microseconds()
}

/// As the gateway hands it over: an id by the clock, given out a moment after the request came in, and for nine in ten somebody it names.
fn as_live(household: u32, mut signal: Signal) -> Signal {
    let number = u64::try_from(signal.id.uuid().as_u128()).expect("made of a number");
    let revision = u64::from(signal.revision.get());
    signal.first_received_at = later(signal.first_received_at, number);
    signal.received_at = later(signal.received_at, number * revision);
    let millis = signal.first_received_at.as_millisecond().unsigned_abs() + scatter(number) % 3;
    let [a, b] = [scatter(number), scatter(number ^ (1 << 62))].map(u64::to_be_bytes);
    let random = [a[0], a[1], a[2], a[3], a[4], b[0], b[1], b[2], b[3], b[4]];
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    signal.id = SignalId::from_uuid(id);
    // Two residents, of whom arrears are about one more often.
    let resident = u64::from(scatter(number).is_multiple_of(4));
    signal.debtor = (!number.is_multiple_of(10))
        .then(|| DebtorId::from_uuid(random_id((1 << 40) + u64::from(household) * 2 + resident)));
    signal
}

/// What this process holds of the machine's memory.
fn resident_bytes() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: usize = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib * 1024)
}

fn per(bytes: usize, of: usize) -> String {
    let tenths = bytes * 10 / of.max(1);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn measure(signals: u32, households: u32) -> Option<()> {
    let load = Load {
        seed: 2026,
        signals,
        households,
    };
    let policy = Policy::shipped();
    let mut memory = Memory::bounded(
        &voorveld_recall::fields_read(policy.rules()),
        DEFAULT_CACHED_BYTES,
    );
    let code = "0518".parse().ok()?;
    let areas = ["noord", "oost", "zuid", "west"].map(|area| area.parse().ok());
    let before = resident_bytes()?;
    let watch = Stopwatch::start();
    for (record, came_at) in load.records().zip(0..) {
        let area = areas[record.household as usize % areas.len()].as_ref()?;
        let household = HouseholdId::from_uuid(random_id(u64::from(record.household)));
        let signal = as_live(record.household, record.signal);
        memory.learn(household, code, area, signal, came_at);
    }
    let seconds = watch.elapsed().as_secs();
    let grown = resident_bytes()?.saturating_sub(before);
    let kept = memory.signals();
    println!(
        "{signals} records of {households} households, taken in one by one in {seconds} s: {kept} signals kept"
    );
    println!(
        "  the process has grown by {} bytes a signal",
        per(grown, kept)
    );
    println!("  counted by the bound     {}", per(memory.bytes(), kept));
    println!(
        "  packed                   {}",
        per(memory.packed_bytes(), kept)
    );
    Some(())
}

fn main() -> ExitCode {
    // cargo adds `--bench` to what it was told to hand on.
    let numbers = std::env::args().filter_map(|argument| argument.parse::<u32>().ok());
    let done = match numbers.collect::<Vec<u32>>()[..] {
        [signals, households] => measure(signals, households).is_some(),
        // Each in a process of its own: what one lets go of is not what the next one takes.
        _ => LOADS.iter().all(|(signals, households)| {
            std::env::current_exe().is_ok_and(|own| {
                Command::new(own)
                    .args([signals, households].map(u32::to_string))
                    .status()
                    .is_ok_and(|status| status.success())
            })
        }),
    };
    if done {
        ExitCode::SUCCESS
    } else {
        eprintln!("measuring failed: it asks for /proc/self/status");
        ExitCode::FAILURE
    }
}
