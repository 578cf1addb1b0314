//! Rules over stored history: what they would have found, and what they would have asked of the teams.
//!
//! A driver beside `live`: the same judging and applying on the same types (I6), fed from the database instead of from the log. It decides nothing, and
//! it writes nothing.
//!
//! Two clocks. By *event time* each signal came on its event date and in its last form: what would these rules have made of what happened? By
//! *knowledge time* every copy comes when it came, and what colleagues did is done at its place: what did we know on day D, and what did we raise?
//! As published, with the rules that were in force then, a replay by knowledge time raises exactly what live raised.

mod complete;
mod inforce;
mod order;
mod replay;
pub mod tally;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::civil::Date;
use tokio::sync::mpsc;
use voorveld_calendar::{Calendar, amsterdam_midnight, day_number, plus_days};
use voorveld_detect::{Condition, Feeds, Glimpse, Match, RuleSet, Timeline, find_matches};
use voorveld_domain::{AreaId, HouseholdId, Purpose};
use voorveld_policy::Policy;
use voorveld_store::history::{Copied, Glance, Kept, Lifted, Names, Stretch};
use voorveld_store::timelines::TimelineRow;
use voorveld_store::{Store, StoreError};

use crate::convert;
use crate::ruling::Ruling;
use voorveld_recall::Recorded;

use complete::FeedsThen;
pub use inforce::{Activated, Judges};
pub use replay::{Raised, Replayed};

/// Most threads that replay at once.
const WORKERS_MAX: usize = 16;
/// Stretches of households that wait for a worker, for each worker.
const STRETCHES_WAITING: usize = 2;

/// By which clock history is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByClock {
    /// Each signal on its event date, in its last form.
    Event,
    /// Each copy when it came (T1, T2).
    Knowledge,
}

/// One set of rules with all that judging by it needs.
pub struct Side {
    /// The rules.
    pub judges: Judges,
    ruling: Ruling,
}

/// What is asked of history.
pub struct Asked {
    /// By which clock.
    pub clock: ByClock,
    /// The first day that is counted. What came before is judged, too: windows look back.
    pub from: Date,
    /// The last day that is counted; nothing after it is known.
    pub to: Date,
    /// The rules that are tried.
    pub draft: Side,
    /// The rules that they are compared with.
    pub published: Option<Side>,
}

/// What a judgement heeds besides signals, tasks and acts.
pub(crate) struct Beside {
    lifts: HashMap<HouseholdId, Vec<Lifted>>,
    feeds: FeedsThen,
    pub(crate) recorded: Recorded,
}

/// One household as both sets of rules see it.
pub struct Seen<'a> {
    /// Which one.
    pub household: HouseholdId,
    /// The neighbourhood of the signal that came last.
    pub area: AreaId,
    /// How many people with signals can be told apart (S7). Not how many live there: nobody knows that.
    pub persons: usize,
    /// Its signals dated, or by knowledge time received, within the period.
    pub signals: usize,
    /// What the rules that are tried make of it.
    pub draft: &'a Replayed,
    /// What the others make of it.
    pub published: Option<&'a Replayed>,
}

/// Takes households, each worker its own, and puts together what the workers have.
pub trait Collect: Send + 'static {
    /// Takes a household. Within a worker they come in order of id.
    fn take(&mut self, asked: &Asked, seen: &Seen<'_>);
    /// Takes what another worker has.
    fn merge(&mut self, other: Self);
}

/// Replays every household that has a signal; an empty collection when there is none.
pub async fn run<C: Collect + Default>(store: &Store, asked: Arc<Asked>) -> anyhow::Result<C> {
    let workers = std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(WORKERS_MAX);
    let lifted = match asked.clock {
        ByClock::Event => Vec::new(),
        ByClock::Knowledge => store.lifted_holds().await?,
    };
    let mut lifts: HashMap<HouseholdId, Vec<Lifted>> = HashMap::new();
    for lift in lifted {
        lifts.entry(lift.household).or_default().push(lift);
    }
    let mut tx = store.begin("what else judges").await?;
    let beside = Arc::new(Beside {
        lifts,
        feeds: FeedsThen::load(store).await?,
        recorded: tx.recorded_registrations().await?.into_iter().collect(),
    });
    drop(tx);
    let (send, receive) = mpsc::channel::<Stretch>(workers * STRETCHES_WAITING);
    let receive = Arc::new(Mutex::new(receive));
    let working: Vec<_> = (0..workers)
        .map(|_| {
            let (asked, beside, receive) = (
                Arc::clone(&asked),
                Arc::clone(&beside),
                Arc::clone(&receive),
            );
            tokio::task::spawn_blocking(move || work::<C>(&asked, &beside, &receive))
        })
        .collect();
    drop(receive);
    let mut whole = C::default();
    let read = match glanced(&asked) {
        Some(conditions) => {
            let look = |household, glances: &[Glance<'_>]| {
                let is_wanted = can_match(&conditions, glances);
                if !is_wanted {
                    count_only(&asked, household, glances, &mut whole);
                }
                is_wanted
            };
            store.glance_at_history(asked.to, look, send).await
        }
        None => store.read_history(copied(&asked), send).await,
    };
    for worker in working {
        whole.merge(worker.await??);
    }
    read?;
    Ok(whole)
}

fn copied(asked: &Asked) -> Copied {
    match asked.clock {
        ByClock::Event => Copied::Counted { until: asked.to },
        ByClock::Knowledge => Copied::Everything {
            before: amsterdam_midnight(plus_days(asked.to, 1)),
        },
    }
}

fn work<C: Collect + Default>(
    asked: &Asked,
    beside: &Beside,
    stretches: &Mutex<mpsc::Receiver<Stretch>>,
) -> Result<C, StoreError> {
    let mut collected = C::default();
    let quiet = Quiet::of(asked);
    let mut names = Names::default();
    loop {
        let next = stretches
            .lock()
            .expect("no worker panics while it waits")
            .blocking_recv();
        let Some(mut stretch) = next else {
            return Ok(collected);
        };
        let copies = std::mem::take(&mut stretch.copies);
        for kept in copies.households() {
            let of = (kept, &mut names);
            judge(asked, beside, &mut stretch, of, &quiet, &mut collected)?;
        }
    }
}

fn judge<C: Collect>(
    asked: &Asked,
    beside: &Beside,
    stretch: &mut Stretch,
    (kept, names): (Kept<'_>, &mut Names),
    quiet: &Quiet<'_>,
    collected: &mut C,
) -> Result<(), StoreError> {
    let household = kept.household;
    let mut take = |about: About, draft: &Replayed, published: Option<&Replayed>| {
        let seen = Seen {
            household,
            area: about.area,
            persons: about.persons,
            signals: about.signals,
            draft,
            published,
        };
        collected.take(asked, &seen);
    };
    let rows = kept.rows(names)?;
    let about = About::of(asked, &rows);
    if quiet.is_so_of(&rows)? {
        let nothing = Replayed::default();
        take(about, &nothing, asked.published.as_ref().map(|_| &nothing));
        return Ok(());
    }
    let told = order::Told {
        household,
        partition: stretch.partitions.get(&household).copied(),
        rows,
        acts: stretch.acts.remove(&household).unwrap_or_default(),
        woken: stretch.woken.remove(&household).unwrap_or_default(),
        heard: stretch.heard.remove(&household).unwrap_or_default(),
        placed: stretch.placed.remove(&household).unwrap_or_default(),
        lifts: beside.lifts.get(&household).cloned().unwrap_or_default(),
    };
    let happenings = order::of(asked.clock, &told);
    let replay = |side: &Side| replay::household(side, asked, beside, &told, &happenings);
    let draft = replay(&asked.draft)?;
    let published = asked.published.as_ref().map(replay).transpose()?;
    take(about, &draft, published.as_ref());
    Ok(())
}

/// What is counted of a household besides what rules say of it.
struct About {
    area: AreaId,
    persons: usize,
    signals: usize,
}

impl About {
    fn of(asked: &Asked, rows: &[TimelineRow]) -> Self {
        let newest = rows
            .iter()
            .filter(|row| row.area.is_some())
            .max_by_key(|row| (row.received_at, row.signal));
        let area = area_of(asked, newest.and_then(|row| row.area.as_ref()));
        let within = |day: Date| asked.from <= day && day <= asked.to;
        let signals = rows.iter().filter(|row| match asked.clock {
            ByClock::Event => within(row.event_date),
            ByClock::Knowledge => within(voorveld_calendar::amsterdam_date(row.first_received_at)),
        });
        Self {
            area,
            persons: different(rows.iter().filter_map(|row| row.debtor)),
            signals: different(signals.map(|row| row.signal)),
        }
    }

    /// The same by event time, where each copy is a signal.
    fn at_a_glance(asked: &Asked, glances: &[Glance<'_>]) -> Self {
        let period = day_number(asked.from)..=day_number(asked.to);
        let signals = glances.iter().filter(|one| period.contains(&one.day));
        let newest = glances
            .iter()
            .filter(|one| one.area.is_some())
            .max_by_key(|one| (one.day, one.signal));
        Self {
            area: area_of(asked, newest.and_then(|one| one.area)),
            persons: different(glances.iter().filter_map(|one| one.debtor)),
            signals: signals.count(),
        }
    }
}

/// How many different ones there are: of one household, so few.
fn different<T: Ord>(all: impl Iterator<Item = T>) -> usize {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    all.dedup();
    all.len()
}

fn area_of(asked: &Asked, area: Option<&AreaId>) -> AreaId {
    asked.draft.ruling.team_of(area, Purpose::DebtHelp).0
}

/// The conditions of both sides, when a glance at a household's signals can tell that it matches none of them. Only by event time, where
/// every copy counts, and not when one signal may be enough.
fn glanced(asked: &Asked) -> Option<Vec<&Condition>> {
    let sides = always(asked)?;
    let conditions: Vec<&Condition> = sides
        .iter()
        .flat_map(|(rules, _)| rules.rules())
        .map(|rule| &rule.condition)
        .collect();
    let one_is_enough = conditions.iter().any(|one| one.fewest() < 2);
    (!one_is_enough).then_some(conditions)
}

/// The rules of each side with their calendar, where all of history is judged by the same ones and every copy counts.
fn always(asked: &Asked) -> Option<Vec<(&RuleSet, &Calendar)>> {
    if asked.clock == ByClock::Knowledge {
        return None;
    }
    [Some(&asked.draft), asked.published.as_ref()]
        .into_iter()
        .flatten()
        .map(|side| match &side.judges {
            Judges::Always(rules) => Some((rules, side.ruling.calendar())),
            Judges::AsActivated(_) => None,
        })
        .collect()
}

fn can_match(conditions: &[&Condition], glances: &[Glance<'_>]) -> bool {
    let mut signals: Vec<Glimpse> = glances
        .iter()
        .map(|one| Glimpse {
            day: one.day,
            partner_type: one.partner_type,
        })
        .collect();
    signals.sort_unstable_by_key(|one| one.day);
    conditions.iter().any(|one| one.can_match(&signals))
}

/// Counts a household of which no rule can say anything.
fn count_only<C: Collect>(
    asked: &Asked,
    household: HouseholdId,
    glances: &[Glance<'_>],
    collected: &mut C,
) {
    let (about, nothing) = (About::at_a_glance(asked, glances), Replayed::default());
    let seen = Seen {
        household,
        area: about.area,
        persons: about.persons,
        signals: about.signals,
        draft: &nothing,
        published: asked.published.as_ref().map(|_| &nothing),
    };
    collected.take(asked, &seen);
}

/// How to tell, without replaying it, that a household matches no rule of either side and never did.
struct Quiet<'a> {
    /// The rules of each side, when a match of any of them stands whatever comes: then it is enough to look at the end.
    only_growing: Option<Vec<(&'a RuleSet, &'a Calendar)>>,
}

impl<'a> Quiet<'a> {
    fn of(asked: &'a Asked) -> Self {
        let stands = |(rules, _): &(&RuleSet, _)| {
            let mut conditions = rules.rules().iter().map(|rule| &rule.condition);
            conditions.all(Condition::only_grows)
        };
        Self {
            only_growing: always(asked).filter(|sides| sides.iter().all(stands)),
        }
    }

    /// Whether nothing is matched even when all of these count at once, as on a day before any of them expires and with nothing registered.
    fn is_so_of(&self, rows: &[TimelineRow]) -> Result<bool, StoreError> {
        let Some(sides) = &self.only_growing else {
            return Ok(false);
        };
        let Some(first) = rows.iter().map(|row| row.event_date).min() else {
            return Ok(true);
        };
        let signals = rows.iter().map(convert::signal);
        let timeline = signals.collect::<Result<Timeline, _>>()?;
        Ok(sides.iter().all(|(rules, calendar)| {
            find_matches(rules, &timeline, calendar, &Feeds::default(), first)
                .matches
                .is_empty()
        }))
    }
}

/// The rules of a side that a match or task can name.
impl Side {
    /// These judges with the rest of the policy that they are of: calendar, words, routes, retention.
    #[must_use]
    pub fn new(judges: Judges, policy: Arc<Policy>) -> Self {
        Self {
            judges,
            ruling: Ruling::new(policy),
        }
    }

    /// Why a task has a ground, in plain Dutch.
    #[must_use]
    pub fn ground_words(&self, ground: &voorveld_detect::Ground) -> String {
        crate::explain::ground_words(self.judges.latest(), self.ruling.words(), ground)
    }

    /// The rules, those that are in force last.
    #[must_use]
    pub const fn rules(&self) -> &RuleSet {
        self.judges.latest()
    }
}

/// The latest event date among the signals a match leans on: the day on which it became true by event time.
fn day_of(found: &Match, timeline: &Timeline) -> Option<Date> {
    found
        .witnesses
        .iter()
        .filter_map(|signal| timeline.get(*signal))
        .map(|signal| signal.event_date)
        .max()
}
