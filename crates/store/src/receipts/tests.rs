use super::*;
use crate::copying::tests::until_blocked;
use sqlx::PgPool;

const GROUND: &str = "INSERT INTO task_grounds (task_id, rule_id, anchor, rule_version, rule_set, witnesses, evidence, words, due_on,
        added_as_of)
     VALUES ($1, 'debt.single', 'a', 1, 'x', ARRAY[$2::uuid], '{}', '', '2026-03-01', '2026-02-01')";

fn now() -> Timestamp {
    "2026-02-01T10:00:00Z".parse().unwrap()
}

async fn store(pool: PgPool) -> Store {
    sqlx::query(
        "INSERT INTO partners VALUES ('a', 'A', '{0518}', '{rent_arrears}', '{rent}', 10, false, now(), NULL)",
    )
    .execute(&pool)
    .await
    .unwrap();
    Store::from_pool(pool)
}

fn offer(index: u8, digest: u8) -> OfferedReference {
    OfferedReference {
        index: [index; 32],
        signal: Uuid::now_v7(),
        municipality: "0518".into(),
        kind: "rent_arrears".into(),
        digest: [digest; 32],
    }
}

/// A reference of which there may be more than a byte counts; `by` keeps them apart from others.
fn numbered(by: u8, number: usize) -> OfferedReference {
    let mut one = offer(by, 1);
    one.index[..8].copy_from_slice(&number.to_be_bytes());
    one
}

fn from() -> Provenance<'static> {
    Provenance {
        partner: "a",
        delivery: None,
        now: now(),
        promise: Uuid::now_v7(),
    }
}

fn revision(signal: Uuid, revision: u32, digest: u8, withdrawn: Option<&str>) -> NewRevision {
    NewRevision {
        signal,
        revision,
        digest: [digest; 32],
        kind: "rent_arrears".into(),
        withdrawn: withdrawn.map(str::to_owned),
        request_id: "test".into(),
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_reference_keeps_its_signal_and_remembers_what_every_revision_said(pool: PgPool) {
    let store = store(pool).await;
    let first = offer(1, 1);
    let mut tx = store.begin("test").await.unwrap();
    let locked = tx
        .lock_references(from(), &[first.clone(), offer(2, 2)], &[[2; 32], [3; 32]])
        .await
        .unwrap();
    assert!(locked[&[1; 32]].is_new && locked[&[2; 32]].is_new);
    assert_eq!(locked.len(), 2, "what was only sought is not made");
    tx.promise(
        from(),
        &[
            revision(first.signal, 1, 1, None),
            revision(first.signal, 2, 3, None),
            revision(first.signal, 3, 4, Some("paid")),
        ],
        &[],
    )
    .await
    .unwrap();
    tx.commit().await.unwrap();

    let mut tx = store.begin("test").await.unwrap();
    let locked = tx
        .lock_references(from(), &[], &[[1; 32]])
        .await
        .unwrap()
        .remove(&[1; 32])
        .unwrap();
    assert_eq!(
        (locked.signal, locked.revision, locked.is_new),
        (first.signal, 3, false)
    );
    assert_eq!(locked.withdrawn.as_deref(), Some("paid"));
    let said_in = |revision| SaidIn {
        revision,
        received_at: now(),
    };
    assert_eq!(
        locked.said,
        HashMap::from([
            ([1; 32], said_in(1)),
            ([3; 32], said_in(2)),
            ([4; 32], said_in(3))
        ]),
        "every revision counts for S2"
    );
    drop(tx);
    let mut tx = store.begin("test").await.unwrap();
    assert_eq!(
        tx.lock_receipt("a", first.signal).await.unwrap(),
        Some(locked)
    );
    assert_eq!(tx.lock_receipt("b", first.signal).await.unwrap(), None);
}

#[sqlx::test(migrations = "../../migrations")]
async fn of_many_references_that_two_requests_bring_each_is_one_signal(pool: PgPool) {
    let store = store(pool.clone()).await;
    let offers = |numbers: std::ops::Range<usize>| -> Vec<OfferedReference> {
        numbers.map(|number| numbered(0, number)).collect()
    };
    let (ours, theirs) = (offers(0..2 * FEW), offers(FEW..3 * FEW));
    let mut first = store.begin("first").await.unwrap();
    let locked = first.lock_references(from(), &ours, &[]).await.unwrap();
    assert!(ours.iter().all(|one| locked[&one.index].is_new));
    let said: Vec<NewRevision> = ours
        .iter()
        .map(|one| revision(one.signal, 1, 1, None))
        .collect();
    first.promise(from(), &said, &[]).await.unwrap();
    let promised: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM signal_revisions WHERE (revision, request_id) = (1, 'test')), cardinality(signals)::bigint FROM open_promises",
    )
    .fetch_one(&mut *first.inner)
    .await
    .unwrap();
    let all = i64::try_from(ours.len()).unwrap();
    assert_eq!(promised, (all, all));
    let second = async {
        let mut second = store.begin("second").await.unwrap();
        let locked = second.lock_references(from(), &theirs, &[]).await.unwrap();
        second.commit().await.unwrap();
        locked
    };
    let committing = async {
        until_blocked(1, &pool).await;
        first.commit().await.unwrap();
    };
    let (locked, ()) = tokio::join!(second, committing);
    let is_whose = |offered: &[OfferedReference], is_new: bool| {
        let receipt = |one: &OfferedReference| &locked[&one.index];
        let is_so = |one| receipt(one).signal == one.signal && receipt(one).is_new == is_new;
        offered.iter().all(is_so)
    };
    assert_eq!(locked.len(), 2 * FEW);
    assert!(is_whose(&ours[FEW..], false), "whose the first was");
    assert!(is_whose(&theirs[FEW..], true));

    let mut third = store.begin("third").await.unwrap();
    let offered = offers(0..4 * FEW);
    let locked = third.lock_references(from(), &offered, &[]).await.unwrap();
    let new = offered.iter().filter(|one| locked[&one.index].is_new);
    assert_eq!(
        new.map(|one| one.signal).collect::<Vec<_>>(),
        offered[3 * FEW..]
            .iter()
            .map(|one| one.signal)
            .collect::<Vec<_>>()
    );
    assert_eq!(locked[&ours[0].index].signal, ours[0].signal);
}

fn settled(kept: Option<Uuid>, counts: &HashMap<IntakeCount, u64>) -> Settled<'_> {
    Settled {
        kept,
        partner: "a",
        day: jiff::civil::date(2026, 2, 1),
        counts,
    }
}

impl Store {
    async fn kept(&self, promise: Uuid) {
        let nothing = HashMap::new();
        self.settle(&settled(Some(promise), &nothing))
            .await
            .unwrap();
    }

    async fn is_acknowledged(&self, signal: Uuid) -> bool {
        let said = self.receipt("a", signal).await.unwrap().unwrap();
        let pending: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pending_receipts WHERE signal_id = $1")
                .bind(signal)
                .fetch_one(&self.pool)
                .await
                .unwrap();
        assert_eq!(said.acknowledged, pending == 0);
        said.acknowledged
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_was_promised_anew_waits_for_that_promise(pool: PgPool) {
    let store = store(pool).await;
    let (first, second) = (offer(1, 1), offer(2, 2));
    let (one, two, three) = (from(), from(), from());
    let mut tx = store.begin("test").await.unwrap();
    tx.lock_references(one, &[first.clone(), second.clone()], &[])
        .await
        .unwrap();
    let said = [
        revision(first.signal, 1, 1, None),
        revision(second.signal, 1, 2, None),
    ];
    tx.promise(one, &said, &[]).await.unwrap();
    tx.commit().await.unwrap();
    // Corrected, and said again, while nobody knows whether the log holds the first.
    let mut tx = store.begin("test").await.unwrap();
    let locked = tx
        .lock_references(two, std::slice::from_ref(&first), &[second.index])
        .await
        .unwrap();
    assert!(locked.values().all(|receipt| !receipt.acknowledged));
    let corrected = [revision(first.signal, 2, 3, None)];
    tx.promise(two, &corrected, &[]).await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin("test").await.unwrap();
    tx.lock_receipt("a", second.signal).await.unwrap();
    tx.promise(three, &[], &[second.signal]).await.unwrap();
    tx.commit().await.unwrap();

    let both = async || {
        (
            store.is_acknowledged(first.signal).await,
            store.is_acknowledged(second.signal).await,
        )
    };
    store.kept(one.promise).await;
    assert_eq!(both().await, (false, false));
    store.kept(two.promise).await;
    assert_eq!(both().await, (true, false));
    store.kept(three.promise).await;
    assert_eq!(both().await, (true, true));
    let mut tx = store.begin("test").await.unwrap();
    let locked = tx
        .lock_references(from(), &[], &[first.index])
        .await
        .unwrap();
    assert!(locked[&first.index].acknowledged);
    assert_eq!(store.receipt("b", first.signal).await.unwrap(), None);
}

#[sqlx::test(migrations = "../../migrations")]
async fn who_waited_for_a_receipt_sees_what_was_promised_meanwhile(pool: PgPool) {
    let store = store(pool.clone()).await;
    let one = offer(1, 1);
    let mut tx = store.begin("test").await.unwrap();
    let before = from();
    tx.lock_references(before, std::slice::from_ref(&one), &[])
        .await
        .unwrap();
    let said = [revision(one.signal, 1, 1, None)];
    tx.promise(before, &said, &[]).await.unwrap();
    tx.commit().await.unwrap();
    store.kept(before.promise).await;

    let mut correcting = store.begin("test").await.unwrap();
    correcting.lock_receipt("a", one.signal).await.unwrap();
    let waiting = async |by_reference: bool| {
        let mut tx = store.begin("test").await.unwrap();
        let receipt = if by_reference {
            let found = tx.lock_references(from(), &[], &[one.index]).await;
            found.unwrap().remove(&one.index)
        } else {
            tx.lock_receipt("a", one.signal).await.unwrap()
        };
        let receipt = receipt.unwrap();
        (receipt.revision, receipt.acknowledged)
    };
    let correct = async {
        // Both stand before the lock, with what they saw before.
        until_blocked(2, &pool).await;
        let again = [revision(one.signal, 2, 2, None)];
        correcting.promise(from(), &again, &[]).await.unwrap();
        correcting.commit().await.unwrap();
    };
    let (by_reference, by_signal, ()) = tokio::join!(waiting(true), waiting(false), correct);
    assert_eq!((by_reference, by_signal), ((2, false), (2, false)));
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_the_release_before_wrote_is_read_as_it_meant_it(pool: PgPool) {
    let store = store(pool.clone()).await;
    let (held, waits) = (offer(1, 1), offer(2, 2));
    let mut tx = store.begin("test").await.unwrap();
    let made = from();
    tx.lock_references(made, &[held.clone(), waits.clone()], &[])
        .await
        .unwrap();
    let said = [
        revision(held.signal, 1, 1, None),
        revision(waits.signal, 1, 2, None),
    ];
    tx.promise(made, &said, &[]).await.unwrap();
    tx.commit().await.unwrap();
    let write = async |signal: Uuid, state: &str| {
        sqlx::query("UPDATE signal_receipts SET state = $2 WHERE signal_id = $1")
            .bind(signal)
            .bind(state)
            .execute(&pool)
            .await
            .unwrap();
    };
    write(held.signal, "acknowledged").await;
    write(waits.signal, "pending").await;
    let both = async || {
        let mut tx = store.begin("test").await.unwrap();
        let locked = tx
            .lock_references(from(), &[], &[held.index, waits.index])
            .await
            .unwrap();
        for one in [&held, &waits] {
            assert_eq!(
                locked[&one.index].acknowledged,
                store.is_acknowledged(one.signal).await
            );
        }
        (
            locked[&held.index].acknowledged,
            locked[&waits.index].acknowledged,
        )
    };
    assert_eq!(both().await, (true, false));
    store.kept(made.promise).await;
    assert_eq!(both().await, (true, false));
    let mut tx = store.begin("test").await.unwrap();
    let again = from();
    tx.promise(again, &[], &[waits.signal]).await.unwrap();
    tx.commit().await.unwrap();
    store.kept(again.promise).await;
    assert_eq!(both().await, (true, true));
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_partner_learns_that_a_task_ended_and_never_that_the_safety_desk_had_it(pool: PgPool) {
    let store = store(pool.clone()).await;
    let (plain, safe) = (offer(1, 1), offer(2, 2));
    let mut tx = store.begin("test").await.unwrap();
    tx.lock_references(from(), &[plain.clone(), safe.clone()], &[])
        .await
        .unwrap();
    tx.commit().await.unwrap();
    let task = async |purpose: &str, signal: Uuid| {
        let task = Uuid::now_v7();
        sqlx::query(
            "INSERT INTO tasks (task_id, municipality, household_id, purpose, state, urgency, ladder_step, due_on, team_id, area_id,
                raised_as_of, raised_at)
             VALUES ($1, '0518', $2, $3, 'open', 'routine', 1, '2026-03-01', 'noord', 'noord', '2026-02-01', now())",
        )
        .bind(task)
        .bind(Uuid::now_v7())
        .bind(purpose)
        .execute(&pool)
        .await
        .unwrap();
        sqlx::query(GROUND)
            .bind(task)
            .bind(signal)
            .execute(&pool)
            .await
            .unwrap();
        task
    };
    let end = async |task: Uuid| {
        sqlx::query("UPDATE tasks SET state = 'closed' WHERE task_id = $1")
            .bind(task)
            .execute(&pool)
            .await
            .unwrap();
    };
    let closed = async |signal| store.receipt("a", signal).await.unwrap().unwrap().closed;
    let first = task("debt_help", plain.signal).await;
    assert!(!closed(plain.signal).await);
    end(first).await;
    assert!(closed(plain.signal).await);
    task("joint_help", plain.signal).await;
    assert!(
        !closed(plain.signal).await,
        "another task still leans on it"
    );
    let desk = task("safety", safe.signal).await;
    end(desk).await;
    assert!(!closed(safe.signal).await);
}

#[sqlx::test(migrations = "../../migrations")]
async fn two_requests_with_the_same_references_in_another_order_do_not_deadlock(pool: PgPool) {
    let store = store(pool.clone()).await;
    // So few are inserted, so many are copied.
    for (many, by) in [(50, 1), (2 * FEW, 2)] {
        let offered = |number| numbered(by, number);
        let forth: Vec<_> = (0..many).map(offered).collect();
        let back: Vec<_> = (0..many).rev().map(offered).collect();
        // Whoever begins at either end of them gets as far as the middle.
        let mut in_the_middle = store.begin("in the middle").await.unwrap();
        in_the_middle
            .lock_references(from(), &[offered(many / 2)], &[])
            .await
            .unwrap();
        let take = async |offers: Vec<OfferedReference>| {
            let mut tx = store.begin("test").await?;
            let locked = tx.lock_references(from(), &offers, &[]).await?;
            let made = locked.values().filter(|one| one.is_new).count();
            tx.commit().await?;
            Ok::<usize, StoreError>(made)
        };
        let letting_go = async {
            until_blocked(2, &pool).await;
            drop(in_the_middle);
        };
        let (one, two, ()) = tokio::join!(take(forth), take(back), letting_go);
        assert_eq!(one.unwrap() + two.unwrap(), many);
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_reference_that_is_erased_while_it_is_offered_is_new_the_next_time(pool: PgPool) {
    let store = store(pool.clone()).await;
    let offers = || (0..FEW).map(|number| numbered(0, number));
    let known: Vec<_> = offers().take(2).collect();
    let mut tx = store.begin("before").await.unwrap();
    tx.lock_references(from(), &known, &[]).await.unwrap();
    tx.commit().await.unwrap();
    let mut erasing = store.begin("erasing").await.unwrap();
    sqlx::query("DELETE FROM signal_receipts WHERE reference_index = $1")
        .bind(&known[0].index[..])
        .execute(&mut *erasing.inner)
        .await
        .unwrap();
    let again: Vec<_> = offers().collect();
    let send = async || {
        let mut tx = store.begin("sending").await?;
        let locked = tx.lock_references(from(), &again, &[]).await?;
        tx.commit().await?;
        Ok(locked)
    };
    let committing = async {
        until_blocked(1, &pool).await;
        erasing.commit().await.unwrap();
    };
    let (sent, ()): (Result<_, StoreError>, ()) = tokio::join!(send(), committing);
    assert!(sent.is_err_and(|error| error.is_transient()));
    let locked = send().await.unwrap();
    let is_new: Vec<bool> = again.iter().map(|one| locked[&one.index].is_new).collect();
    let but_the_other: Vec<bool> = (0..FEW).map(|number| number != 1).collect();
    assert_eq!(is_new, but_the_other);
}

#[sqlx::test(migrations = "../../migrations")]
async fn counts_add_up(pool: PgPool) {
    let store = store(pool.clone()).await;
    let count = IntakeCount {
        municipality: "0518".into(),
        outcome: "refused",
        code: "too_old",
    };
    for number in [2, 3] {
        let counts = HashMap::from([(count.clone(), number)]);
        store.settle(&settled(None, &counts)).await.unwrap();
    }
    let sum: i64 = sqlx::query_scalar("SELECT signals FROM intake_counts")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(sum, 5);
}
