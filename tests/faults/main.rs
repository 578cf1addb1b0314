//! Faults: everything that may go wrong around the house goes wrong again and again, and nothing is lost, nothing is there twice.
//!
//! A night is one house from its servers up. It is told the same rounds twice: in peace, and while the faults of its seed strike. When all has settled,
//! without a person doing anything, the two must hold the same, and the partner finds every signal it was promised in one place.
//!
//! A short night of fixed seeds runs in CI. By hand it goes on as long as one likes:
//!
//! ```sh
//! VOORVELD_FAULTS_SEED=7 VOORVELD_FAULTS_MINUTES=120 cargo test -p voorveld-tests --test faults nights_on_kafka -- --nocapture
//! ```
//!
//! With `VOORVELD_FAULTS_EVENTS=25000` so much is said in each of the six rounds of a night, of so many more households.
//!
//! An upgrade is from the program to itself, with a schema that grows meanwhile; by hand, from another release's program, whose schema is migrated meanwhile:
//!
//! ```sh
//! VOORVELD_FAULTS_OLD=/path/to/voorveld cargo test -p voorveld-tests --test faults an_upgrade -- --nocapture
//! ```
//!
//! Each night takes the seed after the last one's, prints its schedule, and says how to repeat it when it fails.
#![expect(
    clippy::unwrap_used,
    reason = "everything here is a test, and an unwrap that fails is a test that fails"
)]

mod crew;
mod disk;
mod echo;
mod house;
mod ledger;
mod load;
mod night;
mod patience;
mod proxy;
mod restore;
mod schedule;
mod sender;
mod servers;
mod upgrade;

use tokio::sync::Mutex;

use crate::disk::Under;
use crate::night::Backend;

/// Each needs the whole machine.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nights_on_kafka_leave_no_trace() {
    let _turn = ONE_AT_A_TIME.lock().await;
    night::nights(Backend::Kafka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nights_on_the_postgres_log_leave_no_trace() {
    let _turn = ONE_AT_A_TIME.lock().await;
    night::nights(Backend::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgres_loses_nothing() {
    let _turn = ONE_AT_A_TIME.lock().await;
    disk::fills_up(Under::PostgresAndItsLog).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_kafka_loses_nothing() {
    let _turn = ONE_AT_A_TIME.lock().await;
    disk::fills_up(Under::Kafka).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_restored_with_its_log_is_whole_again() {
    let _turn = ONE_AT_A_TIME.lock().await;
    restore::database_with_its_log().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_ahead_of_a_restored_database_stops_the_stages() {
    let _turn = ONE_AT_A_TIME.lock().await;
    restore::log_ahead().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_behind_the_database_stops_the_stages() {
    let _turn = ONE_AT_A_TIME.lock().await;
    restore::log_behind().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_under_load_leaves_no_trace() {
    let _turn = ONE_AT_A_TIME.lock().await;
    upgrade::under_load().await;
}

/// What whoever starts a test has asked for.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by whoever starts them how long they go on, and from which seed"
)]
fn asked(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
