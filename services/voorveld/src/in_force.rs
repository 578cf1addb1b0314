//! Which policy a process goes by: what was published, not what happens to stand in its folder; at its start, and when another is published.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio_util::sync::CancellationToken;
use voorveld_chassis::Clock;
use voorveld_correlator::published::{self, PublishError, short};
use voorveld_policy::{Current, Policy};
use voorveld_store::{Store, StoreError};

use crate::ops::office;
use crate::roles::Service;

/// The policy in force: what is published, also when the files of this process say something else. Where nothing was published yet, these files are the
/// first; only who judges may publish them.
pub async fn policy(
    own: &Arc<Policy>,
    services: &[Service],
    store: &Store,
    clock: &Clock,
) -> anyhow::Result<Arc<Policy>> {
    if services.contains(&Service::Correlator) {
        office::install(store, own, clock.now()).await?;
    }
    let files = own.bundle().hash().to_string();
    let live = store.in_force().await?.live;
    let Some(live) = live.filter(|live| live.bundle != files) else {
        return Ok(Arc::clone(own));
    };
    tracing::warn!(
        files = short(&files),
        published = short(&live.bundle),
        "the policy files of this process are not what is published: rules, words and routes are those that were published, the door goes by the \
         files; `voorveld rules diff` shows what differs, `voorveld rules publish` puts the files in force"
    );
    // The door goes by its own files and must open also when a later release published what this one cannot read (I1).
    if services == [Service::Gateway] {
        return Ok(Arc::clone(own));
    }
    let published = published::read(store, &live.bundle).await;
    let published = published.context("this process cannot start by what is published")?;
    Ok(Arc::new(published))
}

/// How often pages and routes look whether something was published. Who judges looks more often, between batches.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Looks until told to stop whether another policy was published, and puts it in force: names, words, routes and retention of who does not judge.
pub async fn watch(
    current: Current,
    store: Store,
    draining: CancellationToken,
) -> anyhow::Result<()> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut seen = current.now().bundle().hash().to_string();
    loop {
        tokio::select! {
            () = draining.cancelled() => return Ok(()),
            _ = looks.tick() => {}
        }
        if let Err(error) = look(&current, &store, &mut seen).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "looking for what is published failed for now"
            );
        }
    }
}

/// Puts what is published in force when it is another than was `seen`. What this release cannot read is not: everything stays as it was, with an alarm,
/// until a release that knows it is running.
async fn look(current: &Current, store: &Store, seen: &mut String) -> Result<(), StoreError> {
    let Some(live) = store.in_force().await?.live else {
        return Ok(());
    };
    if live.bundle == *seen {
        return Ok(());
    }
    match published::read(store, &live.bundle).await {
        Ok(policy) => {
            current.put(Arc::new(policy));
            tracing::info!(bundle = short(&live.bundle), "another policy is in force");
        }
        Err(PublishError::Store(error)) => return Err(error),
        Err(error) => tracing::error!(
            error = &error as &dyn std::error::Error,
            bundle = short(&live.bundle),
            "what is published cannot be read by this release; pages and routes stay as they are"
        ),
    }
    *seen = live.bundle;
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::PgPool;
    use voorveld_policy::Bundle;
    use voorveld_store::publications::{Mode, NewPublication};

    use super::*;

    fn other_policy() -> Arc<Policy> {
        let mut files = Bundle::shipped().files().clone();
        let settings = files.get_mut("settings.yaml").unwrap();
        *settings = settings.replace("threshold_euros: 75", "threshold_euros: 50");
        Arc::new(Policy::of_bundle(&Bundle::of_files(files).unwrap()).unwrap())
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn who_judges_publishes_the_first_files_and_everybody_goes_by_them(pool: PgPool) {
        let store = Store::from_pool(pool);
        let clock = Clock::manual("2026-03-01T10:00:00Z".parse().unwrap());
        let (shipped, other) = (Arc::new(Policy::shipped()), other_policy());
        let start = async |own: &Arc<Policy>, services: &[Service]| {
            let policy = policy(own, services, &store, &clock).await.unwrap();
            policy.settings().threshold.map(voorveld_domain::Cents::get)
        };
        let pages = [Service::Outreach];
        assert_eq!(start(&other, &pages).await, Some(5_000));
        assert!(store.publications().await.unwrap().is_empty());

        assert_eq!(start(&shipped, Service::ALL).await, Some(7_500));
        let [first] = &store.publications().await.unwrap()[..] else {
            panic!("the first files are published once");
        };
        assert_eq!((&*first.by, first.mode), (published::INSTALL, Mode::Live));
        for services in [&pages, Service::ALL] {
            assert_eq!(start(&other, services).await, Some(7_500));
        }
        assert_eq!(start(&other, &[Service::Gateway]).await, Some(5_000));
        assert_eq!(store.publications().await.unwrap().len(), 1);
    }

    /// A publication with a file that this release does not know.
    async fn publish_of_a_later_release(store: &Store, clock: &Clock) {
        let later = NewPublication {
            mode: Mode::Live,
            bundle: "later",
            files: &[("weather.yaml".to_owned(), "rain: true".to_owned())].into(),
            rule_set: "later",
            content: &serde_json::json!({}),
            by: "A. Adviseur",
            reason: "test",
        };
        let mut tx = store.begin("test").await.unwrap();
        tx.publish(&later, clock.now()).await.unwrap();
        tx.commit().await.unwrap();
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_a_later_release_published_stops_who_judges_and_not_the_door(pool: PgPool) {
        let store = Store::from_pool(pool);
        let clock = Clock::manual("2026-03-01T10:00:00Z".parse().unwrap());
        publish_of_a_later_release(&store, &clock).await;
        let own = Arc::new(Policy::shipped());
        let start = async |service| policy(&own, &[service], &store, &clock).await;
        start(Service::Gateway).await.unwrap();
        let refused = start(Service::Correlator).await.unwrap_err();
        assert!(
            format!("{refused:#}").contains("weather.yaml"),
            "{refused:#}"
        );
    }

    #[sqlx::test(migrations = "../../migrations")]
    async fn what_is_published_later_is_picked_up_while_running(pool: PgPool) {
        let store = Store::from_pool(pool);
        let clock = Clock::manual("2026-03-01T10:00:00Z".parse().unwrap());
        let shipped = Arc::new(Policy::shipped());
        let current = Current::new(
            policy(&shipped, Service::ALL, &store, &clock)
                .await
                .unwrap(),
        );
        let mut seen = current.now().bundle().hash().to_string();
        let threshold = || {
            current
                .now()
                .settings()
                .threshold
                .map(voorveld_domain::Cents::get)
        };
        look(&current, &store, &mut seen).await.unwrap();
        assert_eq!(threshold(), Some(7_500));

        let other = other_policy();
        let asked = published::Asked {
            policy: &other,
            mode: Mode::Live,
            by: "A. Adviseur",
            reason: "test",
        };
        let before = store.in_force().await.unwrap();
        let publish = published::publish(&store, asked, &before, clock.now(), |_| Vec::new());
        publish.await.unwrap();
        look(&current, &store, &mut seen).await.unwrap();
        assert_eq!(threshold(), Some(5_000));

        publish_of_a_later_release(&store, &clock).await;
        look(&current, &store, &mut seen).await.unwrap();
        assert_eq!(
            threshold(),
            Some(5_000),
            "what cannot be read changes nothing"
        );
    }
}
