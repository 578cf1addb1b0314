//! Requests that come while another of their partner is being taken in are taken in together.
//!
//! A request costs three transactions, each with a flush, and an append, whether it holds one signal or a thousand. A partner that sends its signals one by
//! one is answered as fast as that goes, and under load by the dozen. Nobody waits for company: a request that finds nobody at work is taken in at once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use voorveld_chassis::Lifecycle;
use voorveld_store::partners::Partner;

use super::{Intake, Offer, Origin, Outcome, TakeError};
use crate::config::MAX_SIGNALS_PER_REQUEST;

/// Most signals of several requests that are taken in together; a request that holds more goes by itself.
pub const MAX_GATHERED: usize = MAX_SIGNALS_PER_REQUEST;

/// What became of a request's offers, in their order, or the fault that everybody met who was taken in with it.
type Answer = Result<Vec<Outcome>, Arc<TakeError>>;

/// A request that waits to be taken in.
struct Waiting {
    partner: Arc<Partner>,
    offers: Vec<Offer>,
    answer: oneshot::Sender<Answer>,
}

/// Who waits, by partner. A partner stands here for as long as somebody is at work for it.
type Queues = HashMap<String, VecDeque<Waiting>>;

/// The door's waiting room. Cheap to clone.
#[derive(Clone)]
pub struct Gathering {
    intake: Intake,
    lifecycle: Lifecycle,
    queues: Arc<Mutex<Queues>>,
}

impl std::fmt::Debug for Gathering {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gathering").finish_non_exhaustive()
    }
}

impl Gathering {
    /// Nobody waits yet.
    #[must_use]
    pub fn new(intake: Intake, lifecycle: Lifecycle) -> Self {
        Self {
            intake,
            lifecycle,
            queues: Arc::default(),
        }
    }

    /// Takes in what a request offers, perhaps with what others of its partner offer meanwhile. Outcomes come in the order of the offers. What was begun
    /// goes on when the request is given up.
    ///
    /// # Errors
    /// See [`TakeError`]. Nothing of it is half done: sent again, it ends as it would have now.
    pub async fn take(&self, partner: &Arc<Partner>, offers: Vec<Offer>) -> Answer {
        let (answer, outcomes) = oneshot::channel();
        let request = Waiting {
            partner: Arc::clone(partner),
            offers,
            answer,
        };
        let is_first = {
            let mut queues = lock(&self.queues);
            let is_first = !queues.contains_key(&partner.id);
            queues
                .entry(partner.id.clone())
                .or_default()
                .push_back(request);
            is_first
        };
        if is_first {
            let work = AtWork {
                queues: Arc::clone(&self.queues),
                partner: partner.id.clone(),
                has_left: false,
            };
            self.lifecycle
                .spawn_job("taking in signals", work.run(self.intake.clone()));
        }
        outcomes
            .await
            .unwrap_or_else(|_| Err(Arc::new(TakeError::Abandoned)))
    }
}

fn lock(queues: &Mutex<Queues>) -> MutexGuard<'_, Queues> {
    queues.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Somebody who takes in what one partner sends until nothing waits any more.
struct AtWork {
    queues: Arc<Mutex<Queues>>,
    partner: String,
    /// The partner stands there no more, or for somebody else who is at work.
    has_left: bool,
}

impl AtWork {
    async fn run(mut self, intake: Intake) -> Result<(), TakeError> {
        loop {
            let together = self.next();
            if together.is_empty() {
                self.has_left = true;
                return Ok(());
            }
            take_together(&intake, together).await;
        }
    }

    /// Those that are next, or nobody: then the partner stands here no more, and who comes now finds nobody at work.
    fn next(&self) -> Vec<Waiting> {
        let mut queues = lock(&self.queues);
        let together = queues
            .get_mut(&self.partner)
            .map(gathered)
            .unwrap_or_default();
        if together.is_empty() {
            queues.remove(&self.partner);
        }
        together
    }
}

impl Drop for AtWork {
    /// Who still waits when this ends before its time is told so.
    fn drop(&mut self) {
        if !self.has_left {
            lock(&self.queues).remove(&self.partner);
        }
    }
}

/// Takes those from the queue that fit together: at least one, of one partner as it stood when it was asked for its key.
fn gathered(queue: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut together: Vec<Waiting> = Vec::new();
    let mut offers = 0;
    while let Some(next) = queue.front() {
        let fits = together.first().is_none_or(|first| {
            Arc::ptr_eq(&first.partner, &next.partner) && offers + next.offers.len() <= MAX_GATHERED
        });
        if !fits {
            break;
        }
        offers += next.offers.len();
        together.extend(queue.pop_front());
    }
    together
}

async fn take_together(intake: &Intake, together: Vec<Waiting>) {
    let Some(partner) = together.first().map(|first| Arc::clone(&first.partner)) else {
        return;
    };
    let origin = Origin {
        partner: &partner,
        delivery: None,
    };
    let offers = together.iter().flat_map(|one| one.offers.iter().cloned());
    match intake.take(origin, offers.collect()).await {
        Ok(outcomes) => {
            let mut outcomes = outcomes.into_iter();
            for one in together {
                let own = outcomes.by_ref().take(one.offers.len()).collect();
                // Who gave up asks again, and hears the same.
                let _ = one.answer.send(Ok(own));
            }
        }
        Err(error) if error.is_transient() || together.len() == 1 => {
            let error = Arc::new(error);
            for one in together {
                let _ = one.answer.send(Err(Arc::clone(&error)));
            }
        }
        // One of them meets a fault that repeating does not mend: the others need not meet it with it.
        Err(_) => {
            for one in together {
                let taken = intake.take(origin, one.offers).await;
                let _ = one.answer.send(taken.map_err(Arc::new));
            }
        }
    }
}
