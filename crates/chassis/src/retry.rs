//! Waiting longer after each failure, and never all at the same moment.

use std::fmt::Display;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Delays that double from `first` to `cap`; each is drawn from the upper half, so that processes that failed together
/// do not come back together. No delay is ever above `cap`.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    cap: Duration,
    attempt: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new(Duration::from_millis(100), Duration::from_secs(10))
    }
}

impl Backoff {
    /// Delays from `first` to `cap`.
    #[must_use]
    pub fn new(first: Duration, cap: Duration) -> Self {
        Self {
            first,
            cap,
            attempt: 0,
        }
    }

    /// How many delays were handed out since the last success.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The next delay.
    pub fn next_delay(&mut self) -> Duration {
        let full = self.ceiling();
        self.attempt = self.attempt.saturating_add(1);
        let half = full / 2;
        half + half.mul_f64(random_share())
    }

    /// It worked: begin anew.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }

    fn ceiling(&self) -> Duration {
        self.first
            .saturating_mul(2_u32.saturating_pow(self.attempt.min(31)))
            .min(self.cap)
    }

    /// Waits for the next delay; `false` when the process began to drain meanwhile.
    pub async fn pause(&mut self, draining: &CancellationToken) -> bool {
        let delay = self.next_delay();
        tokio::select! {
            biased;
            () = draining.cancelled() => false,
            () = tokio::time::sleep(delay) => true,
        }
    }
}

/// Between 0 and 1. `RandomState` takes fresh keys from the system, which is random enough to spread load.
fn random_share() -> f64 {
    let drawn = RandomState::new().build_hasher().finish() >> 40;
    #[expect(clippy::cast_precision_loss, reason = "24 bits fit a double exactly")]
    let share = drawn as f64 / f64::from(1_u32 << 24);
    share
}

/// Tries until it works, the error is final, or the process drains (`None`). Each failure is logged as something we
/// coped with.
pub async fn until_ok<T, E, F>(
    what: &'static str,
    draining: &CancellationToken,
    is_transient: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> F,
) -> Option<Result<T, E>>
where
    E: Display,
    F: Future<Output = Result<T, E>>,
{
    let mut backoff = Backoff::default();
    loop {
        match attempt().await {
            Err(error) if is_transient(&error) => {
                tracing::warn!(%error, attempt = backoff.attempt() + 1, "{what} failed, trying again");
                if !backoff.pause(draining).await {
                    return None;
                }
            }
            settled => return Some(settled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_to_the_cap_and_never_above_it() {
        let cap = Duration::from_secs(1);
        let mut backoff = Backoff::new(Duration::from_millis(100), cap);
        let mut full = Duration::from_millis(100);
        for _ in 0..40 {
            let delay = backoff.next_delay();
            assert!(full / 2 <= delay && delay <= full, "{delay:?} of {full:?}");
            full = (full * 2).min(cap);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_error_is_not_tried_again() {
        let mut calls = 0;
        let settled = until_ok(
            "asking",
            &CancellationToken::new(),
            |error: &&str| *error == "busy",
            || {
                calls += 1;
                let answer = if calls < 3 {
                    Err("busy")
                } else {
                    Err::<(), _>("wrong")
                };
                std::future::ready(answer)
            },
        )
        .await;
        assert_eq!(settled, Some(Err("wrong")));
        assert_eq!(calls, 3);
    }
}
