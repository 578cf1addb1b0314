//! Ten thousand runs, each found again by its seed.

mod faithful;

use voorveld_simulation::{Bug, live_through};

/// So many runs are made when nothing else is asked for.
const SEEDS: u64 = 10_000;
/// A mistake that is made on purpose is found within so many.
const SEEDS_TO_FIND: u64 = 300;

#[expect(
    clippy::disallowed_methods,
    reason = "how long to look is for who runs the tests to say"
)]
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Lives through a run that nothing comes to light in, and says how many tasks there are at its end.
fn clean(seed: u64, is_told: bool) -> usize {
    let report = live_through(seed, None);
    assert!(report.violations.is_empty(), "{report}");
    if is_told {
        println!("{report}");
    }
    report.tasks
}

#[test]
fn every_seed_keeps_the_invariants() {
    let seeds = match asked("VOORVELD_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..asked("VOORVELD_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let many = seeds.end - seeds.start;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let tasks: usize = std::thread::scope(|scope| {
        let all: Vec<_> = (0..threads)
            .map(|nth| {
                let own = seeds.clone().skip(nth).step_by(threads);
                scope.spawn(move || own.map(|seed| clean(seed, many == 1)).sum::<usize>())
            })
            .collect();
        let ended = all.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|tasks| tasks.expect("a clean run")).sum()
    });
    println!("{many} runs with {tasks} tasks");
    assert!(
        many == 1 || many < tasks as u64,
        "something happens in them"
    );
}

#[test]
fn the_same_seed_is_the_same_run() {
    for seed in 0..20 {
        assert_eq!(live_through(seed, None), live_through(seed, None));
    }
}

fn finds(bug: Bug) {
    let found = (0..SEEDS_TO_FIND)
        .map(|seed| live_through(seed, Some(bug)))
        .find(|report| !report.violations.is_empty());
    let found = found.expect("a mistake is found");
    println!("{bug:?}: seed {}, {}", found.seed, found.violations[0]);
    let clean = live_through(found.seed, None);
    assert!(clean.violations.is_empty(), "{clean}");
}

#[test]
fn a_position_that_is_committed_apart_is_found() {
    finds(Bug::PositionApart);
}

#[test]
fn an_epoch_that_is_not_checked_is_found() {
    finds(Bug::EpochUnchecked);
}

#[test]
fn a_cache_that_is_kept_is_found() {
    finds(Bug::CacheKept);
}
