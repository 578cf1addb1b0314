//! Who is at the door: a partner with an API key, and how much it may send.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use governor::clock::Clock as _;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use voorveld_chassis::Clock;
use voorveld_chassis::problem::{Problem, ProblemType};
use voorveld_seal::ApiKey;
use voorveld_store::partners::{KeyRecord, Partner};
use voorveld_store::{Store, StoreError};

use crate::config::{
    KEY_BELIEVED, KEYS_REMEMBERED, MAX_DELIVERIES_PER_PARTNER, MAX_SIGNALS_PER_REQUEST,
};
use crate::http::Door;
use crate::intake::Origin;

/// The partner that a request comes from; its key was checked.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Who it is.
    pub partner: Arc<Partner>,
    /// Which of its keys it came with, so that what takes long can ask again.
    pub key_prefix: Arc<str>,
}

impl Caller {
    /// Where claims come from that are no file's.
    #[must_use]
    pub fn origin(&self) -> Origin<'_> {
        Origin {
            partner: &self.partner,
            delivery: None,
        }
    }
}

#[derive(Clone)]
struct Remembered {
    partner: Arc<Partner>,
    key: Arc<KeyRecord>,
    since: Timestamp,
}

impl Remembered {
    fn is_good(&self, now: Timestamp) -> bool {
        self.key.expires_at.is_none_or(|end| now < end) && self.partner.disabled_at.is_none()
    }
}

struct Allowance {
    rows_per_minute: u32,
    limiter: Arc<DefaultDirectRateLimiter>,
    deliveries: Arc<Semaphore>,
}

/// Keys that were looked up lately, and what each partner still may send.
pub struct Partners {
    store: Store,
    clock: Clock,
    keys: Mutex<HashMap<String, Remembered>>,
    allowances: Mutex<HashMap<String, Allowance>>,
}

impl std::fmt::Debug for Partners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partners").finish_non_exhaustive()
    }
}

impl Partners {
    /// Nothing looked up yet.
    #[must_use]
    pub fn new(store: Store, clock: Clock) -> Self {
        Self {
            store,
            clock,
            keys: Mutex::default(),
            allowances: Mutex::default(),
        }
    }

    /// The partner that presents this key, if the key is good now.
    async fn by_key(&self, presented: &ApiKey) -> Result<Option<Arc<Partner>>, StoreError> {
        let found = self.look_up(presented.prefix()).await?;
        Ok(found
            .filter(|known| presented.verify(&known.key.hash) && known.is_good(self.clock.now()))
            .map(|known| known.partner))
    }

    /// The partner whose key was checked before, as it is now, if that key is still good.
    pub async fn still_good(&self, key_prefix: &str) -> Result<Option<Arc<Partner>>, StoreError> {
        let found = self.look_up(key_prefix).await?;
        Ok(found
            .filter(|known| known.is_good(self.clock.now()))
            .map(|known| known.partner))
    }

    /// What is known of a key, at most [`KEY_BELIEVED`] old.
    async fn look_up(&self, key_prefix: &str) -> Result<Option<Remembered>, StoreError> {
        let now = self.clock.now();
        let believed =
            SignedDuration::try_from(KEY_BELIEVED).expect("a few seconds fit any duration");
        {
            let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = keys.get(key_prefix)
                && now.duration_since(known.since) < believed
            {
                return Ok(Some(known.clone()));
            }
        }
        let Some((partner, key)) = self.store.partner_by_key_prefix(key_prefix).await? else {
            return Ok(None);
        };
        let found = Remembered {
            partner: Arc::new(partner),
            key: Arc::new(key),
            since: now,
        };
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= KEYS_REMEMBERED {
            keys.clear();
        }
        keys.insert(key_prefix.to_owned(), found.clone());
        Ok(Some(found))
    }

    fn allowance(&self, partner: &Partner) -> (Arc<DefaultDirectRateLimiter>, Arc<Semaphore>) {
        let mut allowances = self
            .allowances
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fresh = |deliveries| {
            let rows = NonZeroU32::new(partner.rows_per_minute).unwrap_or(NonZeroU32::MIN);
            // A whole request must fit into the burst, or it could never pass.
            let least = u32::try_from(MAX_SIGNALS_PER_REQUEST)
                .ok()
                .and_then(NonZeroU32::new)
                .expect("the limit is small and above zero");
            Allowance {
                rows_per_minute: partner.rows_per_minute,
                limiter: Arc::new(RateLimiter::direct(
                    Quota::per_minute(rows).allow_burst(rows.max(least)),
                )),
                deliveries,
            }
        };
        let known = allowances
            .entry(partner.id.clone())
            .or_insert_with(|| fresh(Arc::new(Semaphore::new(MAX_DELIVERIES_PER_PARTNER))));
        if known.rows_per_minute != partner.rows_per_minute {
            *known = fresh(Arc::clone(&known.deliveries));
        }
        (Arc::clone(&known.limiter), Arc::clone(&known.deliveries))
    }

    /// Takes `rows` off what the partner may send this minute, or says how long to wait.
    pub fn spend(&self, partner: &Partner, rows: usize) -> Result<(), Duration> {
        let Some(rows) = u32::try_from(rows).ok().and_then(NonZeroU32::new) else {
            return Ok(());
        };
        let (limiter, _) = self.allowance(partner);
        match limiter.check_n(rows) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(not_yet)) => {
                Err(not_yet.wait_time_from(governor::clock::DefaultClock::default().now()))
            }
            Err(_never) => Err(Duration::from_mins(1)),
        }
    }

    /// Waits until the partner may send `rows` more.
    pub async fn pace(&self, partner: &Partner, mut rows: usize) {
        let (limiter, _) = self.allowance(partner);
        while 0 < rows {
            let some = rows.min(MAX_SIGNALS_PER_REQUEST);
            rows -= some;
            if let Some(some) = u32::try_from(some).ok().and_then(NonZeroU32::new) {
                // That many always fit into the burst, so this waits and never refuses.
                let _ = limiter.until_n_ready(some).await;
            }
        }
    }

    /// A place among the deliveries of this partner, while there is one.
    pub fn begin_delivery(&self, partner: &Partner) -> Option<OwnedSemaphorePermit> {
        self.allowance(partner).1.try_acquire_owned().ok()
    }
}

impl FromRequestParts<Door> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, door: &Door) -> Result<Self, Problem> {
        let refused = || {
            Problem::new(ProblemType::Unauthenticated).detail(
                "Stuur uw sleutel mee in de kop Authorization, als: Bearer vv_… De sleutel kan verlopen of ingetrokken zijn.",
            )
        };
        let presented = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .and_then(|(_, key)| ApiKey::parse(key.trim()))
            .ok_or_else(refused)?;
        let partner = door
            .partners
            .by_key(&presented)
            .await
            .map_err(|error| door.store_problem(&error))?
            .ok_or_else(refused)?;
        Ok(Self {
            partner,
            key_prefix: presented.prefix().into(),
        })
    }
}
