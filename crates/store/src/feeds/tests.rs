use jiff::ToSpan;
use jiff::civil::date;
use sqlx::PgPool;

use super::*;
use crate::deliveries::NewDelivery;

const TOPIC: &str = "signals.resolved";

fn now() -> Timestamp {
    "2025-07-02T10:00:00Z".parse().unwrap()
}

fn moment() -> Moment<'static> {
    Moment {
        topic: TOPIC,
        today: date(2025, 7, 2),
        now: now(),
    }
}

fn mark(through: Date, delivery: Option<Uuid>) -> NewMark {
    NewMark {
        feed: FeedId {
            municipality: "0518".into(),
            partner: "a".into(),
            kind: "payment_received".into(),
        },
        complete_through: through,
        delivery,
        by_office: false,
        given_at: now(),
    }
}

async fn run(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}

async fn partners(pool: PgPool) -> Store {
    run(
        &pool,
        "INSERT INTO partners (partner_id, name, municipalities, kinds, partner_types, rows_per_minute, created_at)
         VALUES ('a', 'A', '{0518,0363}', '{payment_received,rent_arrears}', '{rent}', 1, '2025-01-10T10:00:00Z'),
                ('b', 'B', '{0518}', '{payment_received}', '{rent}', 1, '2025-01-10T10:00:00Z');",
    )
    .await;
    Store::from_pool(pool)
}

async fn through(store: &Store, kind: &str, at: Option<Timestamp>) -> Option<Date> {
    let feeds = store.feeds(Some("0518"), at).await.unwrap();
    let found = feeds
        .into_iter()
        .find(|one| one.feed.partner == "a" && one.feed.kind == kind);
    found.expect("a feed is expected").complete_through
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_mark_takes_effect_at_a_moment_and_never_goes_back(pool: PgPool) {
    let store = partners(pool.clone()).await;
    run(
        &pool,
        "INSERT INTO household_judgements (household_id, municipality, as_of, partition, awaits_feeds)
         VALUES ('00000000-0000-0000-0000-000000000001', '0518', '2025-07-01', 1, true),
                ('00000000-0000-0000-0000-000000000002', '0518', '2025-07-01', 1, false),
                ('00000000-0000-0000-0000-000000000003', '0363', '2025-07-01', 1, true)",
    )
    .await;
    store
        .add_marks(&[mark(date(2025, 6, 30), None)])
        .await
        .unwrap();
    assert_eq!(through(&store, "payment_received", None).await, None);
    let settled = store.settle_marks(moment()).await.unwrap();
    assert_eq!(
        (settled.effective, settled.woken, settled.waiting),
        (1, 1, 0)
    );
    let woken = store
        .due_wake_ups(TOPIC, &[1], date(2025, 7, 2), &[])
        .await
        .unwrap();
    assert_eq!(
        woken
            .iter()
            .map(|wake| (wake.household.uuid().as_u128(), wake.reason.as_str()))
            .collect::<Vec<_>>(),
        [(1, FEED)],
        "who waits there, and nobody else"
    );
    let june = Some(date(2025, 6, 30));
    assert_eq!(through(&store, "payment_received", None).await, june);
    assert_eq!(through(&store, "rent_arrears", None).await, None);
    assert_eq!(
        through(&store, "payment_received", Some(now() - 1.second())).await,
        None,
        "a replay sees it from its moment on"
    );
    store
        .add_marks(&[mark(date(2025, 5, 31), None)])
        .await
        .unwrap();
    store.settle_marks(moment()).await.unwrap();
    assert_eq!(through(&store, "payment_received", None).await, june);
    let said = store.said_marks("a").await.unwrap();
    assert_eq!(said.len(), 4, "two kinds in two municipalities");
    let said = said
        .iter()
        .find(|one| one.feed == mark(date(2025, 1, 1), None).feed)
        .unwrap();
    assert_eq!(said.complete_through, june);
    assert!(store.said_marks("nobody").await.unwrap().is_empty());
}

#[sqlx::test(migrations = "../../migrations")]
async fn a_mark_of_a_delivery_waits_for_its_end_and_lapses_when_it_breaks_off(pool: PgPool) {
    let store = partners(pool.clone()).await;
    let new = |id| NewDelivery {
        id,
        partner: "a".into(),
        format: "csv",
        file_digest: [1; 32],
        rows_total: 0,
        not_imported: 0,
        received_at: now(),
    };
    let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
    store
        .add_delivery(&new(first), &[mark(date(2025, 6, 30), Some(first))])
        .await
        .unwrap();
    let settled = store.settle_marks(moment()).await.unwrap();
    assert_eq!((settled.effective, settled.waiting), (0, 1));
    store
        .interrupt_delivery(first, "process_stopped", now())
        .await
        .unwrap();
    let known = |said: Vec<SaidMark>| said.iter().filter_map(|one| one.known_through).max();
    assert_eq!(
        known(store.marks_of_delivery(first).await.unwrap()),
        None,
        "what broke off says nothing"
    );
    let settled = store.settle_marks(moment()).await.unwrap();
    assert_eq!((settled.lapsed, settled.waiting), (1, 0));
    store
        .add_delivery(&new(second), &[mark(date(2025, 5, 31), Some(second))])
        .await
        .unwrap();
    assert!(store.complete_delivery(second, now()).await.unwrap());
    let settled = store.settle_marks(moment()).await.unwrap();
    assert_eq!((settled.effective, settled.waiting), (1, 0));
    let may = Some(date(2025, 5, 31));
    assert_eq!(through(&store, "payment_received", None).await, may);
    assert_eq!(known(store.marks_of_delivery(second).await.unwrap()), may);
    // The delivery is erased after its time; what was said with it stands.
    run(&pool, "DELETE FROM deliveries").await;
    assert_eq!(through(&store, "payment_received", None).await, may);
}

/// One signal of the feed, received an hour before the mark, in each place it can be; whether the mark takes effect.
#[sqlx::test(migrations = "../../migrations")]
async fn a_mark_waits_for_whatever_is_on_its_way(pool: PgPool) {
    let store = partners(pool.clone()).await;
    run(
        &pool,
        "INSERT INTO households VALUES ('00000000-0000-0000-0000-0000000000aa', '0518', now())",
    )
    .await;
    let receipt = "INSERT INTO signal_receipts (signal_id, municipality, partner_id, reference_index, kind, revision, digest, state,
                       first_received_at, received_at)
                   VALUES ('00000000-0000-0000-0000-000000000001', '0518', 'a', '', 'payment_received', 1, '', 'acknowledged',
                       '2025-07-02T09:00:00Z', '2025-07-02T09:00:00Z');";
    let home = "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, household_id, withdrawn, partition,
                    placed, received_at, decided_at)
                VALUES ('00000000-0000-0000-0000-000000000001', 1, 1, '0518', 'a', 'payment_received',
                    '00000000-0000-0000-0000-0000000000aa', false, 0, true, '2025-07-02T09:00:00Z', now());";
    let row = "INSERT INTO signals (household_id, signal_id, municipality, revision, filing, lives_here, standing, partner_id, partner_type,
                   kind, domain, event_date, first_received_at, received_at, crisis, warm_handover)
               VALUES ('00000000-0000-0000-0000-0000000000aa', '00000000-0000-0000-0000-000000000001', '0518', 1, 1, true, 'counted', 'a',
                   'rent', 'payment_received', 'debt', '2025-06-01', now(), now(), false, false);";
    let letter = "INSERT INTO dead_letters VALUES (gen_random_uuid(), 'correlator', 't', 0, 1, '', '', NULL, 'unreadable', false, 'waiting',
                      now(), NULL, NULL, NULL);";
    let unplaced = "UPDATE signal_homes SET household_id = NULL, unplaced_reason = 'no_address';";
    let promised = "UPDATE signal_receipts SET state = 'promised', promise_id = '00000000-0000-0000-0000-0000000000bb';
        INSERT INTO open_promises SELECT promise_id, ARRAY[signal_id], now() FROM signal_receipts;";
    let unproduced =
        "INSERT INTO filings_to_produce (partition, signals, revisions, filings, records)
        SELECT partition, ARRAY[signal_id], ARRAY[revision], ARRAY[filing], '' FROM signal_homes;";
    let cases: &[(&[&str], bool, &str)] = &[
        (&[], true, "there is none"),
        (
            &[
                receipt,
                promised,
                "UPDATE signal_receipts SET received_at = '2025-01-01';",
            ],
            false,
            "promised and not acknowledged, however old",
        ),
        (&[receipt], false, "received and not resolved"),
        (
            &[
                receipt,
                "UPDATE signal_receipts SET received_at = '2025-06-02', first_received_at = '2025-06-02';",
            ],
            true,
            "a tombstone from before what the log remembers",
        ),
        (
            &[receipt, "UPDATE signal_receipts SET erased_at = now();"],
            true,
            "a tombstone of what came in this week and was past its retention",
        ),
        (
            &[
                receipt,
                promised,
                "UPDATE signal_receipts SET erased_at = now();",
            ],
            true,
            "a tombstone of what was promised and never came",
        ),
        (
            &[receipt, "UPDATE signal_receipts SET kind = 'rent_arrears';"],
            true,
            "of another feed",
        ),
        (
            &[
                receipt,
                "UPDATE signal_receipts SET received_at = '2025-07-02T11:00:00Z', first_received_at = '2025-07-02T11:00:00Z';",
            ],
            true,
            "came in behind the mark",
        ),
        (&[receipt, home], false, "in the log, not on its timeline"),
        (&[receipt, home, row], true, "on its timeline"),
        (
            &[
                receipt,
                home,
                row,
                "UPDATE signal_receipts SET revision = 2;",
            ],
            false,
            "its correction is not resolved",
        ),
        (
            &[receipt, home, row, "UPDATE signals SET filing = 0;"],
            false,
            "its move is not on its timeline",
        ),
        (&[home, row, unproduced], false, "decided and not produced"),
        (&[receipt, home, unplaced], false, "waits for a household"),
        (
            &[
                home,
                unplaced,
                "UPDATE signal_homes SET received_at = '2025-01-01';",
            ],
            false,
            "waits for a household for months",
        ),
        (
            &[
                receipt,
                home,
                unplaced,
                "UPDATE signal_homes SET discarded = true;",
            ],
            true,
            "somebody discarded it",
        ),
        (
            &[
                receipt,
                home,
                unplaced,
                "UPDATE signal_homes SET withdrawn = true;",
            ],
            true,
            "its partner took it back",
        ),
        (&[letter], false, "something nobody could read"),
        (
            &[letter, "UPDATE dead_letters SET state = 'discarded';"],
            true,
            "and somebody decided about it",
        ),
    ];
    for (steps, takes_effect, what) in cases {
        run(
            &pool,
            "DELETE FROM feed_marks; DELETE FROM open_promises; DELETE FROM filings_to_produce; DELETE FROM signal_receipts; DELETE FROM signal_homes; DELETE FROM signals; DELETE FROM dead_letters",
        )
        .await;
        for step in *steps {
            sqlx::raw_sql(sqlx::AssertSqlSafe((*step).to_owned()))
                .execute(&pool)
                .await
                .unwrap();
        }
        store
            .add_marks(&[mark(date(2025, 6, 30), None)])
            .await
            .unwrap();
        let settled = store.settle_marks(moment()).await.unwrap();
        assert_eq!(settled.effective == 1, *takes_effect, "{what}");
    }
}

#[sqlx::test(migrations = "../../migrations")]
async fn no_mark_takes_effect_while_somebody_judges_by_them(pool: PgPool) {
    let store = partners(pool.clone()).await;
    store
        .add_marks(&[mark(date(2025, 6, 30), None)])
        .await
        .unwrap();
    let mut judging = store.begin("judge").await.unwrap();
    let (version, read) = judging.feeds_to_judge_by(None).await.unwrap().unwrap();
    let again = judging.feeds_to_judge_by(Some(&version)).await.unwrap();
    assert_eq!(again, None, "nothing changed");
    assert!(read.iter().all(|one| one.complete_through.is_none()));
    // Judged by what was read: it waits. Written, not yet committed.
    sqlx::query(
        "INSERT INTO household_judgements (household_id, municipality, as_of, partition, awaits_feeds)
         VALUES (gen_random_uuid(), '0518', '2025-07-01', 1, true)",
    )
    .execute(&mut *judging.inner)
    .await
    .unwrap();
    let judged = async {
        // The other asks for the lock and does not get it.
        loop {
            let waits: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                                AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            )
            .fetch_one(&pool)
            .await
            .unwrap();
            if waits {
                break;
            }
            tokio::task::yield_now().await;
        }
        judging.commit().await.unwrap();
    };
    let (settled, ()) = tokio::join!(store.settle_marks(moment()), judged);
    assert_eq!(settled.unwrap().woken, 1, "nobody is passed over");
    let mut judging = store.begin("judge").await.unwrap();
    let now_read = judging.feeds_to_judge_by(Some(&version)).await.unwrap();
    let (newer, read) = now_read.expect("a mark took effect");
    assert!(read.iter().any(|one| one.complete_through.is_some()));
    judging.commit().await.unwrap();
    store.disable_partner("b", now()).await.unwrap();
    let mut judging = store.begin("judge").await.unwrap();
    let (_, read) = judging
        .feeds_to_judge_by(Some(&newer))
        .await
        .unwrap()
        .expect("one partner is waited for no more");
    assert!(read.iter().all(|one| one.feed.partner == "a"));
}

#[sqlx::test(migrations = "../../migrations")]
async fn operations_sees_how_far_each_feed_is_and_who_is_silent(pool: PgPool) {
    let store = partners(pool.clone()).await;
    store
        .add_marks(&[mark(date(2025, 5, 31), None)])
        .await
        .unwrap();
    store.settle_marks(moment()).await.unwrap();
    run(
        &pool,
        "INSERT INTO signal_homes (signal_id, revision, filing, municipality, partner_id, kind, withdrawn, partition, placed, received_at,
            decided_at)
         VALUES (gen_random_uuid(), 1, 1, '0518', 'a', 'payment_received', false, 0, true, '2025-07-01', now()),
                (gen_random_uuid(), 1, 1, '0363', 'a', 'payment_received', false, 0, true, '2025-07-01', now())",
    )
    .await;
    store
        .add_marks(&[mark(date(2025, 6, 30), None)])
        .await
        .unwrap();
    let settled = store.settle_marks(moment()).await.unwrap();
    assert_eq!(settled.waiting, 1);
    let facts = store.feed_facts("0518").await.unwrap();
    assert_eq!(facts.len(), 3);
    let payments = &facts[0];
    assert_eq!(
        (
            payments.complete_through,
            payments.waiting_through,
            payments.unplaced
        ),
        (Some(date(2025, 5, 31)), Some(date(2025, 6, 30)), 1)
    );

    let silent = async |day| {
        let all = store.partner_silences(day).await.unwrap();
        let silent = all.into_iter().filter(|one| one.is_silent);
        silent.map(|one| one.partner).collect::<Vec<_>>()
    };
    assert!(
        silent(date(2026, 1, 1)).await.is_empty(),
        "nothing was agreed on"
    );
    assert!(store.set_delivers_every("a", Some(31)).await.unwrap());
    assert!(store.set_delivers_every("b", Some(20)).await.unwrap());
    assert!(!store.set_delivers_every("nobody", Some(20)).await.unwrap());
    // a spoke on 2 July; b has been here since 10 January and never did: 30 days are one and a half times 20.
    assert!(silent(date(2025, 2, 9)).await.is_empty());
    assert_eq!(silent(date(2025, 2, 10)).await, ["b"]);
    run(
        &pool,
        "INSERT INTO intake_counts VALUES ('2025-07-01', 'b', '0518', 'refused', 'in_future', 1)",
    )
    .await;
    // 46 days are less than one and a half times 31, 47 are more.
    assert_eq!(silent(date(2025, 8, 17)).await, ["b"]);
    assert_eq!(silent(date(2025, 8, 18)).await, ["a", "b"]);
}
