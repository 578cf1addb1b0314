//! That measurements come to their end and say what they should: how fast is not asked here.

use std::process::{Command, Stdio};

use serde_json::Value;
use voorveld_tests::binary;

fn bench(words: &str) -> Value {
    let mut command = Command::new(binary());
    command.arg("bench").args(words.split(' ')).arg("--json");
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "bench {words}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rows(written: &Value, table: &str) -> Option<u64> {
    let mut tables = written.as_array()?.iter();
    tables.find(|one| one["table"] == table)?["inserted"].as_u64()
}

#[test]
fn the_bare_loop_copies_what_the_correlator_wrote() {
    let told = bench("correlate --signals 300 --households 50 --profile corrections --runs 1");
    let run = &told["runs"][0];
    assert_eq!(run["correlator"]["records"], 300, "{told:#}");
    assert_eq!(run["bare"]["records"], 300, "{told:#}");
    let (correlator, bare) = (&told["written"]["correlator"], &told["written"]["bare"]);
    // A match that came and went was written and is not there any more.
    for table in [
        "signals",
        "signal_history",
        "tasks",
        "task_grounds",
        "task_events",
    ] {
        assert!(rows(bare, table) > Some(0), "{table}: {told:#}");
        assert_eq!(
            rows(bare, table),
            rows(correlator, table),
            "{table}: {told:#}"
        );
    }
    assert!(run["matches"].as_u64() > Some(0), "{told:#}");
}

#[test]
fn who_begins_anew_has_nothing_at_hand() {
    let told = bench("grow --households 1000 --timed 20000 --runs 2");
    let size = &told["sizes"][0];
    let of = |time: &Value, what: &str| time[what].as_u64().unwrap();
    let runs = |time: &str| size[time].as_array().unwrap().clone();
    let (going_on, cold) = (runs("goingOn"), runs("cold"));
    assert_eq!((going_on.len(), cold.len()), (2, 2), "{told:#}");
    for run in &cold {
        assert_eq!(of(run, "records"), 20_000, "{told:#}");
        assert!(of(run, "householdsLoaded") >= 1_000, "{told:#}");
    }
    for run in &going_on {
        assert!(of(run, "householdsFound") > 0, "{told:#}");
    }
    // What is not told of one run is told of the next: nothing falls between them.
    let filled = || going_on.iter().chain([&size["filling"]]);
    let records: u64 = filled().map(|run| of(run, "records")).sum();
    assert_eq!(records, 41_000, "{told:#}");
    // Each household is read once by who filled it, and once more by each who began anew; and again where the second reader of a process came so late
    // to its share that the first had read some of it.
    let loaded: u64 = filled().map(|run| of(run, "householdsLoaded")).sum();
    assert!((1_000..2_000).contains(&loaded), "{told:#}");
}

#[test]
fn what_is_taken_back_counts_nowhere_when_the_clock_stops() {
    let told = bench("retraction --signals 400 --withdrawn 40 --runs 1");
    assert!(told["runs"][0]["seconds"].as_f64() > Some(0.0), "{told:#}");
}

#[test]
fn each_signal_that_is_offered_is_seen_as_a_task() {
    let told = bench("latency --rate 10 --for 2");
    let figures = &told["figures"];
    assert_eq!(figures["neverSeen"], 0, "{told:#}");
    for stage in ["door", "task"] {
        assert_eq!(figures[stage]["count"], 20, "{told:#}");
    }
    assert!(
        figures["door"]["p50"].as_f64() <= figures["task"]["p50"].as_f64(),
        "{told:#}"
    );
}
