//! Owners that pick up what is published, each at its own moment.

use sqlx::PgPool;
use voorveld_policy::Bundle;

use super::*;
use crate::published::Asked;
use voorveld_store::Store;
use voorveld_store::publications::Mode;

const RULE: &str = "debt.high_amount";

fn second_version() -> Policy {
    let mut files = Bundle::shipped().files().clone();
    let rule = files.get_mut("rules/debt.high_amount.yaml").unwrap();
    *rule = rule.replace("version: 1", "version: 2");
    Policy::of_bundle(&Bundle::of_files(files).unwrap()).unwrap()
}

fn step(partition: i32, from: i64) -> Step {
    Step {
        partition,
        from,
        to: from,
        epoch: 1,
    }
}

struct Desk {
    store: Store,
    metrics: Metrics,
    now: Timestamp,
}

impl Desk {
    async fn look(&self, owner: &mut RulesInForce) {
        owner.look_at_once();
        owner.pick_up(&self.store, &self.metrics).await.unwrap();
    }

    async fn prepare(&self, owner: &mut RulesInForce, at: Step) {
        let mut tx = self.store.begin("test").await.unwrap();
        owner.prepare(&mut tx, &[at], self.now).await.unwrap();
        tx.commit().await.unwrap();
    }
}

fn since(owner: &RulesInForce, partition: i32) -> Option<i64> {
    let rule = owner.of(partition).get(&RULE.parse().unwrap()).unwrap();
    rule.active_from
}

#[sqlx::test(migrations = "../../migrations")]
async fn two_owners_pick_a_publication_up_at_different_moments_each_at_its_own_place(pool: PgPool) {
    let desk = Desk {
        store: Store::from_pool(pool.clone()),
        metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
        now: "2026-03-01T10:00:00Z".parse().unwrap(),
    };
    let first = Arc::new(Policy::shipped());
    published::install(&desk.store, &first, desk.now, |_| Vec::new())
        .await
        .unwrap();
    let mut early = RulesInForce::new(Arc::clone(&first));
    let mut late = RulesInForce::new(Arc::clone(&first));
    for (owner, partition) in [(&mut early, 0), (&mut late, 1)] {
        desk.look(owner).await;
        desk.prepare(owner, step(partition, 0)).await;
        assert_eq!(since(owner, partition), None, "it judged from the first on");
    }

    let second = second_version();
    let asked = Asked {
        policy: &second,
        mode: Mode::Live,
        by: "A. Adviseur",
        reason: "test",
    };
    let seen = desk.store.in_force().await.unwrap();
    published::publish(&desk.store, asked, &seen, desk.now, |_| Vec::new())
        .await
        .unwrap();
    desk.look(&mut early).await;
    assert!(early.must_prepare(&[step(0, 5)]));
    desk.prepare(&mut early, step(0, 5)).await;
    desk.prepare(&mut late, step(1, 7)).await;
    assert_eq!((since(&early, 0), since(&late, 1)), (Some(5), None));
    assert_ne!(early.hash(), late.hash());
    desk.look(&mut late).await;
    desk.prepare(&mut late, step(1, 9)).await;
    assert_eq!(since(&late, 1), Some(9));

    // Who takes a partition over judges it since when it was judged; also one that started with the files of before.
    desk.prepare(&mut late, step(0, 12)).await;
    assert_eq!(since(&late, 0), Some(5));
    let mut restarted = RulesInForce::new(first);
    desk.look(&mut restarted).await;
    desk.prepare(&mut restarted, step(1, 20)).await;
    assert_eq!(since(&restarted, 1), Some(9));
    let activations: Vec<(i32, i64)> =
        sqlx::query_as("SELECT partition, from_offset FROM rule_activations ORDER BY activation")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(activations, [(0, 0), (1, 0), (0, 5), (1, 9)]);
}

#[sqlx::test(migrations = "../../migrations")]
async fn what_comes_back_at_the_same_place_is_put_in_force_once(pool: PgPool) {
    let desk = Desk {
        store: Store::from_pool(pool.clone()),
        metrics: Metrics::new(&prometheus::Registry::new()).unwrap(),
        now: "2026-03-01T10:00:00Z".parse().unwrap(),
    };
    let (first, second) = (Arc::new(Policy::shipped()), second_version());
    let mut owner = RulesInForce::new(Arc::clone(&first));
    for policy in [&first, &second, &first] {
        let asked = Asked {
            policy,
            mode: Mode::Live,
            by: "A. Adviseur",
            reason: "test",
        };
        let seen = desk.store.in_force().await.unwrap();
        published::publish(&desk.store, asked, &seen, desk.now, |_| Vec::new())
            .await
            .unwrap();
        desk.look(&mut owner).await;
        desk.prepare(&mut owner, step(0, 3)).await;
    }
    owner.forget();
    desk.prepare(&mut owner, step(0, 3)).await;
    assert_eq!(since(&owner, 0), None);
    let activations: i64 = sqlx::query_scalar("SELECT count(*) FROM rule_activations")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(activations, 3);
}
