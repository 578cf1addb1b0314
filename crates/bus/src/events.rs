//! What a reader is told, on its way to it.
//!
//! Records that come while a reader is at work are put to those that already wait: whoever takes them up takes up all there is. In a queue of what was read
//! at different moments a record waits behind each of them, and every one costs a transaction.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::contract::{Event, MAX_BATCH};

/// Events that wait for a slow reader. Small on purpose: a slow database slows the poll, memory does not grow.
const EVENTS_WAITING: usize = 2;
/// So long records are put to those that wait: who takes up nothing for longer is to be noticed.
const GROWS_FOR: Duration = Duration::from_secs(1);

/// A way from who reads the log to who wants to know.
#[must_use]
pub fn events() -> (Teller, Events) {
    let way = Arc::new(Way {
        queue: Mutex::default(),
        told: Notify::new(),
        taken: Notify::new(),
    });
    (Teller(Arc::clone(&way)), Events(way))
}

struct Way {
    queue: Mutex<Queue>,
    /// Something was told, or nothing will be any more.
    told: Notify,
    /// Something was taken up, or nothing will be any more.
    taken: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Instant, Event)>,
    /// Nobody tells anything any more.
    is_told: bool,
    /// Nobody listens any more.
    is_deaf: bool,
}

impl Way {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an event was not taken.
#[derive(Debug)]
pub enum NotTold {
    /// Too many wait already; here it is again.
    Full(Event),
    /// Nobody listens any more.
    GivenUp,
}

/// Tells events; there is one per way.
pub struct Teller(Arc<Way>);

impl Teller {
    /// Tells this at once, or not at all.
    ///
    /// # Errors
    /// [`NotTold`].
    pub fn offer(&self, event: Event) -> Result<(), NotTold> {
        let mut queue = self.0.queue();
        if queue.is_deaf {
            return Err(NotTold::GivenUp);
        }
        let now = Instant::now();
        let event = match event {
            Event::Records(records) => match queue.put_to_those_that_wait(records, now) {
                None => return Ok(()),
                Some(records) => Event::Records(records),
            },
            event => event,
        };
        if EVENTS_WAITING <= queue.waiting.len() {
            return Err(NotTold::Full(event));
        }
        queue.waiting.push_back((now, event));
        self.0.told.notify_one();
        Ok(())
    }

    /// Tells this as soon as there is room; `false` where nobody listens any more.
    pub async fn tell(&self, mut event: Event) -> bool {
        loop {
            match self.offer(event) {
                Ok(()) => return true,
                Err(NotTold::GivenUp) => return false,
                Err(NotTold::Full(again)) => event = again,
            }
            self.0.taken.notified().await;
        }
    }

    /// Whether there is room for one more event.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.0.queue().waiting.len() < EVENTS_WAITING
    }

    /// Whether nobody listens any more.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        self.0.queue().is_deaf
    }

    /// Returns when nobody listens any more.
    pub(crate) async fn given_up(&self) {
        while !self.is_given_up() {
            self.0.taken.notified().await;
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.0.queue().is_told = true;
        self.0.told.notify_one();
    }
}

impl Queue {
    /// Gives the records back where they are an event of their own.
    fn put_to_those_that_wait(
        &mut self,
        records: Vec<crate::Record>,
        now: Instant,
    ) -> Option<Vec<crate::Record>> {
        // A lull that is over before anybody heard of it.
        if matches!(self.waiting.back(), Some((_, Event::Idle))) {
            self.waiting.pop_back();
        }
        match self.waiting.back_mut() {
            Some((since, Event::Records(waiting)))
                if waiting.len() + records.len() <= MAX_BATCH
                    && now.duration_since(*since) < GROWS_FOR =>
            {
                waiting.extend(records);
                None
            }
            _ => Some(records),
        }
    }
}

/// What happens, in order.
pub struct Events(Arc<Way>);

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl Events {
    /// The next event; nothing after [`Event::Failed`], or when the subscription was given up. Nothing is lost by whoever stops waiting.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            {
                let mut queue = self.0.queue();
                if let Some((_, event)) = queue.waiting.pop_front() {
                    self.0.taken.notify_one();
                    return Some(event);
                }
                if queue.is_told {
                    return None;
                }
            }
            self.0.told.notified().await;
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.is_deaf = true;
        // Whoever waits for an answer to one of these hears that there will be none.
        let unheard = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(unheard);
        self.0.taken.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;
    use bytes::Bytes;

    fn records(offsets: std::ops::Range<i64>) -> Event {
        let record = |offset| Record {
            partition: 0,
            offset,
            key: Bytes::new(),
            value: Bytes::new(),
            request_id: None,
            appended_at_ms: 0,
        };
        Event::Records(offsets.map(record).collect())
    }

    /// How many records, or what else.
    async fn heard(events: &mut Events) -> String {
        match events.recv().await {
            Some(Event::Records(records)) => {
                assert!(records.is_sorted_by_key(|record| record.offset));
                records.len().to_string()
            }
            other => format!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_while_nobody_takes_it_up_is_taken_up_together() {
        let (teller, mut events) = events();
        for at in 0..10 {
            assert!(teller.tell(records(at..at + 1)).await);
        }
        assert_eq!(heard(&mut events).await, "10");
        // No more than a batch holds, and no more than may wait.
        let most = i64::try_from(MAX_BATCH).unwrap();
        assert!(teller.offer(records(0..most - 1)).is_ok());
        assert!(teller.offer(records(most - 1..most)).is_ok());
        assert!(teller.offer(records(most..most + 1)).is_ok());
        assert!(!teller.has_room());
        assert!(matches!(
            teller.offer(records(most + 1..2 * most + 1)),
            Err(NotTold::Full(Event::Records(again))) if again.len() == MAX_BATCH
        ));
        assert_eq!(heard(&mut events).await, most.to_string());
        assert_eq!(heard(&mut events).await, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn what_lies_between_keeps_its_place() {
        let (teller, mut events) = events();
        assert!(teller.offer(records(0..1)).is_ok());
        let (reply, _answer) = tokio::sync::oneshot::channel();
        let partitions = vec![0];
        let assigned = Event::Assigned { partitions, reply };
        assert!(teller.offer(assigned).is_ok());
        assert!(matches!(teller.offer(records(1..2)), Err(NotTold::Full(_))));
        assert_eq!(heard(&mut events).await, "1");
        assert!(teller.offer(records(1..2)).is_ok());
        assert!(heard(&mut events).await.contains("Assigned"));
        assert_eq!(heard(&mut events).await, "1");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lull_that_is_over_is_not_told() {
        let (teller, mut events) = events();
        assert!(teller.offer(records(0..1)).is_ok());
        assert!(teller.offer(Event::Idle).is_ok());
        assert!(teller.offer(records(1..2)).is_ok());
        assert!(teller.offer(Event::Idle).is_ok());
        assert_eq!(heard(&mut events).await, "2");
        assert_eq!(heard(&mut events).await, "Some(Idle)");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_up_nothing_is_waited_for() {
        let (teller, mut events) = events();
        let telling = async {
            for at in 0.. {
                let began = Instant::now();
                if !teller.tell(records(at..at + 1)).await {
                    return began;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            unreachable!()
        };
        let hearing = async move {
            tokio::time::sleep(Duration::from_mins(1)).await;
            assert_eq!(heard(&mut events).await, "10", "no longer than it grows");
            tokio::time::sleep(Duration::from_mins(1)).await;
            drop(events);
            Instant::now()
        };
        let (waits_since, gone) = tokio::join!(telling, hearing);
        assert!(Duration::from_secs(50) < gone - waits_since);
    }

    #[tokio::test]
    async fn who_is_gone_is_missed() {
        let (teller, mut events) = events();
        let (heard, ()) = tokio::join!(heard(&mut events), async { drop(teller) });
        assert_eq!(heard, "None");
        let (teller, events) = super::events();
        let (done, answer) = tokio::sync::oneshot::channel();
        let partitions = vec![0];
        assert!(teller.offer(Event::Revoked { partitions, done }).is_ok());
        drop(events);
        assert!(answer.await.is_err(), "who waits for an answer hears of it");
        teller.given_up().await;
        assert!(!teller.tell(Event::Idle).await);
    }
}
