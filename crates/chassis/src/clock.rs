//! The only place that asks the system what time it is.
//!
//! A service is handed a [`Clock`]; a test hands it one that stands still until it is moved. Civil dates are dates in
//! Europe/Amsterdam (T1); instants are UTC.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;
use tokio::time::Instant;

/// The time zone in which a day is a day.
pub const CIVIL_ZONE: &str = "Europe/Amsterdam";

/// What time it is, for everybody who holds a copy.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Source,
    zone: TimeZone,
}

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<watch::Sender<Timestamp>>),
    Shifted(Arc<watch::Sender<SignedDuration>>),
}

impl Clock {
    /// The clock on the wall.
    #[must_use]
    pub fn system() -> Self {
        Self::from_source(Source::System)
    }

    /// A clock that stands still at `start` until [`Clock::set`] or [`Clock::advance`] moves it. Copies move together.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self::from_source(Source::Manual(Arc::new(watch::Sender::new(start))))
    }

    /// A clock that shows `start` now and runs on from there: for living through a simulated year. [`Clock::set`] and [`Clock::advance`]
    /// jump, [`Clock::catch_up`] ends the simulation. Copies move together.
    #[must_use]
    pub fn shifted(start: Timestamp) -> Self {
        let shift = start.duration_since(Self::system().now());
        Self::from_source(Source::Shifted(Arc::new(watch::Sender::new(shift))))
    }

    fn from_source(source: Source) -> Self {
        let zone = TimeZone::get(CIVIL_ZONE).expect("the zone database is built into the binary");
        Self { source, zone }
    }

    /// The instant, UTC.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the system clock is read"
    )]
    pub fn now(&self) -> Timestamp {
        match &self.source {
            Source::System => in_micros(Timestamp::now()),
            Source::Manual(held) => *held.borrow(),
            Source::Shifted(shift) => in_micros(Timestamp::now())
                .checked_add(*shift.borrow())
                .unwrap_or(Timestamp::MAX),
        }
    }

    /// The civil date in Amsterdam.
    #[must_use]
    pub fn today(&self) -> Date {
        self.date_of(self.now())
    }

    /// The civil date in Amsterdam of an instant.
    #[must_use]
    pub fn date_of(&self, instant: Timestamp) -> Date {
        self.zone.to_datetime(instant).date()
    }

    /// An instant as clocks in Amsterdam show it.
    #[must_use]
    pub fn local(&self, instant: Timestamp) -> jiff::civil::DateTime {
        self.zone.to_datetime(instant)
    }

    /// Waits for `pause`. On a manual clock: until somebody has moved it that far; a jump of a shifted clock counts too.
    pub async fn sleep(&self, pause: Duration) {
        let until = || {
            SignedDuration::try_from(pause)
                .ok()
                .and_then(|pause| self.now().checked_add(pause).ok())
                .unwrap_or(Timestamp::MAX)
        };
        match &self.source {
            Source::System => tokio::time::sleep(pause).await,
            Source::Shifted(shift) => {
                let until = until();
                let mut jumped = shift.subscribe();
                while let Ok(rest) = Duration::try_from(until.duration_since(self.now())) {
                    if rest.is_zero() {
                        break;
                    }
                    tokio::select! {
                        () = tokio::time::sleep(rest) => {}
                        changed = jumped.changed() => {
                            changed.expect("this clock holds the sender itself");
                        }
                    }
                }
            }
            Source::Manual(held) => {
                let until = until();
                let mut moved = held.subscribe();
                moved
                    .wait_for(|now| until <= *now)
                    .await
                    .expect("this clock holds the sender itself");
            }
        }
    }

    /// Puts a manual or shifted clock at an instant; the system's clock is not ours to move, so there it does nothing.
    pub fn set(&self, instant: Timestamp) {
        match &self.source {
            Source::System => {}
            Source::Manual(held) => {
                held.send_replace(instant);
            }
            Source::Shifted(shift) => {
                shift.send_replace(instant.duration_since(Self::system().now()));
            }
        }
    }

    /// Lets a shifted clock show the system's time from now on; does nothing to the others.
    pub fn catch_up(&self) {
        if let Source::Shifted(shift) = &self.source {
            shift.send_replace(SignedDuration::ZERO);
        }
    }

    /// Moves a manual or shifted clock forward; does nothing to the system's clock.
    pub fn advance(&self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
        match &self.source {
            Source::System => {}
            Source::Manual(held) => {
                held.send_modify(|now| *now = now.checked_add(by).unwrap_or(Timestamp::MAX));
            }
            Source::Shifted(shift) => shift.send_modify(|shift| *shift = shift.saturating_add(by)),
        }
    }
}

/// To the microsecond, as PostgreSQL keeps instants: what is answered first and what is read back later are then the same.
fn in_micros(instant: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(instant.as_microsecond()).unwrap_or(instant)
}

/// How long something took or waits: for canonical lines and histograms, and for doing something once in a while; never for a decision about anybody. It
/// goes by the runtime's time, as sleeping does, so where that is paused nothing depends on how fast a machine is.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The time since the start in whole milliseconds, as log lines say it.
    #[must_use]
    pub fn millis(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_at_midnight_in_amsterdam() {
        let clock = Clock::manual(at("2026-06-30T21:59:59Z"));
        assert_eq!(clock.today(), jiff::civil::date(2026, 6, 30));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.today(), jiff::civil::date(2026, 7, 1));
    }

    #[tokio::test]
    async fn a_shifted_clock_jumps_wakes_its_sleepers_and_catches_up() {
        let clock = Clock::shifted(at("2020-01-01T12:00:00Z"));
        assert_eq!(clock.today(), jiff::civil::date(2020, 1, 1));
        let sleep = clock.sleep(Duration::from_hours(48));
        tokio::pin!(sleep);
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.set(at("2020-01-03T12:00:01Z"));
        sleep.await;
        clock.clone().advance(Duration::from_hours(24));
        assert_eq!(clock.today(), jiff::civil::date(2020, 1, 4));
        let before = Clock::system().now();
        clock.catch_up();
        assert!(before <= clock.now());
    }

    #[tokio::test]
    async fn a_sleeper_wakes_when_the_clock_is_moved_far_enough() {
        let clock = Clock::manual(at("2026-01-01T00:00:00Z"));
        let sleep = clock.sleep(Duration::from_mins(1));
        tokio::pin!(sleep);
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.advance(Duration::from_secs(59));
        assert!(futures::poll!(&mut sleep).is_pending());
        clock.clone().advance(Duration::from_secs(1));
        sleep.await;
    }
}
