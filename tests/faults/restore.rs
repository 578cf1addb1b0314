//! A database or a log that comes back from a copy of yesterday: the house is right again, or says clearly that it will not go on.

use std::time::Duration;

use voorveld_synthetic::Dice;

use crate::crew::Role;
use crate::house::{House, Keys, today};
use crate::ledger::{Holdings, broken_promises};
use crate::load;
use crate::night::{self, Backend, SHORT, SHORT_PARTITIONS};
use crate::patience::until;
use crate::sender::Sender;

/// Rounds until the copy, and one after it.
const SEED: u64 = 5;
/// How long a stage may take to find out that it cannot go on.
const REFUSES_WITHIN: Duration = Duration::from_mins(2);
/// What it then says of a log that lacks what was read.
const LIES_OUTSIDE: &str = "lies outside the log";
/// What it then says of a database that lacks what was done.
const IS_BEHIND: &str = "the database was put back to an earlier moment";

/// The log is in the database, so one copy holds both. What came after the copy is sent again, and everything is as if nothing had happened.
pub async fn database_with_its_log() {
    let keys = Keys::generate().await;
    let rounds = load::rounds(SEED, SHORT);
    let (before, after) = rounds.split_at(rounds.len() - 1);
    loop {
        let day = today();
        let calm = night::calm(&keys, SHORT_PARTITIONS, &rounds).await;
        let house = night::house(&keys, Backend::Postgres, SHORT_PARTITIONS).await;
        let sender = Sender::admitted(&house.crew, today()).await;
        house.crew.start(1).await;
        go_on(&house, &sender, before).await;
        let books = sender.books();
        house.postgres().lock().await.back_up().await;
        go_on(&house, &sender, after).await;

        house.crew.dismiss().await;
        house.postgres().lock().await.restore().await;
        house.crew.start(1).await;
        sender.go_back_to(books);
        go_on(&house, &sender, after).await;
        let found = Holdings::of(&house.pool).await;
        let mut all = found.differences(&calm);
        all.extend(sender.surprises());
        all.extend(broken_promises(&house.pool, &sender.books(), &found.places).await);
        house.demolish().await;
        if day == today() {
            assert!(all.is_empty(), "{}", all.join("\n"));
            return;
        }
    }
}

/// The database came back from a copy, and the broker has more than it knows: both stages say so and end before they have read anything.
pub async fn log_ahead() {
    let keys = Keys::generate().await;
    let rounds = load::rounds(SEED, SHORT);
    let (before, after) = rounds.split_at(rounds.len() - 1);
    let house = night::house(&keys, Backend::Kafka, SHORT_PARTITIONS).await;
    let sender = Sender::admitted(&house.crew, today()).await;
    house.crew.start(1).await;
    go_on(&house, &sender, before).await;
    house.postgres().lock().await.back_up().await;
    go_on(&house, &sender, after).await;

    house.crew.dismiss().await;
    house.postgres().lock().await.restore().await;
    let restored = Holdings::of(&house.pool).await;
    both_refuse(&house, IS_BEHIND).await;
    let found = Holdings::of(&house.pool).await;
    house.demolish().await;
    let differences = restored.differences(&found);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// The broker came back from a copy: it has not all that the stages have read. Both say so and end, nothing is skipped; and with the right log everything goes
/// on.
pub async fn log_behind() {
    let keys = Keys::generate().await;
    let rounds = load::rounds(SEED, SHORT);
    let (before, after) = rounds.split_at(rounds.len() - 1);
    let house = night::house(&keys, Backend::Kafka, SHORT_PARTITIONS).await;
    let sender = Sender::admitted(&house.crew, today()).await;
    house.crew.start(1).await;
    go_on(&house, &sender, before).await;
    let kafka = house.kafka().expect("there is one");
    kafka.lock().await.back_up().await;
    go_on(&house, &sender, after).await;
    let settled = Holdings::of(&house.pool).await;

    house.crew.dismiss().await;
    kafka.lock().await.swap_with_copy().await;
    both_refuse(&house, LIES_OUTSIDE).await;
    assert!(
        settled
            .differences(&Holdings::of(&house.pool).await)
            .is_empty()
    );

    house.crew.dismiss().await;
    kafka.lock().await.swap_with_copy().await;
    house.crew.start(1).await;
    house.settle().await;
    let found = Holdings::of(&house.pool).await;
    let mut all = found.differences(&settled);
    all.extend(sender.surprises());
    all.extend(broken_promises(&house.pool, &sender.books(), &found.places).await);
    house.demolish().await;
    assert!(all.is_empty(), "{}", all.join("\n"));
}

/// Starts the stages and waits until both have said this.
async fn both_refuse(house: &House, saying: &str) {
    for role in Role::STAGES {
        house.crew.scale(role, 1).await;
    }
    until("both stages refuse", REFUSES_WITHIN, async || {
        let logs = house.crew.logged().await;
        let refusals = logs.iter().filter(|(_, text)| text.contains(saying));
        refusals.count() == Role::STAGES.len()
    })
    .await;
}

async fn go_on(house: &House, sender: &Sender, rounds: &[Vec<load::Parcel>]) {
    let mut dice = Dice::new(SEED, 0);
    for parcels in rounds {
        house.round(sender, parcels, &[], &[], &mut dice).await;
        house.settle().await;
    }
}
