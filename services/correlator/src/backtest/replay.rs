//! One household replayed by one set of rules: the same judging and applying as live (I6).

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use uuid::Uuid;
use voorveld_calendar::amsterdam_date;
use voorveld_detect::{Closure, Findings, Ground, KnownTask, Match, RuleSet};
use voorveld_domain::{AreaId, Purpose, TaskId, TaskState, TeamId, Urgency};
use voorveld_store::StoreError;
use voorveld_store::history::{Act, Deed, Woken};
use voorveld_store::registrations::RecordedRegistration;
use voorveld_store::timelines::TimelineRow;
use voorveld_store::wake_ups::{NEXT_LOOK, RULES};

use super::inforce::{Began, Place};
use super::order::{Happening, Told, until};
use super::{Asked, Beside, ByClock, Side, day_of};
use crate::apply::{Cause, Writes, apply};
use crate::convert;
use crate::household::{Absorbed, Household, Remembered};

/// Why a household is judged again after a colleague did something, as outreach says it.
const RESULT: &str = "result";

/// What a set of rules makes of a household.
#[derive(Debug, Clone, Default)]
pub struct Replayed {
    /// What is true at the end, each with the latest event date among its signals.
    pub matches: Vec<(Date, Match)>,
    /// Every task that was raised, in that order.
    pub raised: Vec<Raised>,
}

/// A task that was raised.
#[derive(Debug, Clone)]
pub struct Raised {
    /// Its team.
    pub team: TeamId,
    /// Its neighbourhood.
    pub area: AreaId,
    /// How soon it wanted attention when it was raised.
    pub urgency: Urgency,
    /// Why, as it was when it was raised.
    pub grounds: Vec<Ground>,
    /// The task as it is at the end.
    pub task: KnownTask,
}

/// Replays a household until the last day asked for.
pub(super) fn household(
    side: &Side,
    asked: &Asked,
    beside: &Beside,
    told: &Told,
    happenings: &[Happening<'_>],
) -> Result<Replayed, StoreError> {
    let municipality = told
        .rows
        .first()
        .expect("a household that is kept has a copy")
        .municipality;
    let memory = Remembered::new(told.partition.unwrap_or_default(), municipality);
    let mut replay = Replay {
        side,
        asked,
        beside,
        partition: told.partition,
        household: Household::new(told.household, memory),
        raised: Vec::new(),
        sweeps: BTreeSet::new(),
        stands_for: HashMap::new(),
        now: Timestamp::MIN,
        turn: 0,
        stands: HashMap::new(),
    };
    for placed in &told.placed {
        // What first ceased to stand had stood when its signals came.
        let before = !placed.stands;
        replay.stands.entry(placed.registration).or_insert(before);
    }
    for happening in until(happenings, asked.clock, asked.to) {
        replay.sweep(happening.day(asked.clock).min(asked.to));
        if asked.clock == ByClock::Knowledge {
            replay.now = replay.now.max(happening.instant());
        }
        replay.turn = happening.turn().unwrap_or(replay.turn);
        match happening {
            Happening::Record(row) => replay.record(row)?,
            Happening::Act(act) => replay.act(act),
            Happening::Woken(woken) => replay.woken(woken),
            Happening::Placed(placed) => {
                replay.stands.insert(placed.registration, placed.stands);
            }
            Happening::Heard(heard) => {
                let answered = &mut replay.household.guards.answered_elsewhere;
                let signal = (heard.purpose, heard.signal);
                if heard.answered {
                    answered.insert(signal);
                } else {
                    answered.remove(&signal);
                }
            }
            Happening::Lifted(lifted) => {
                let held = &mut replay.household.guards.held;
                if *held == Some(lifted.reason) {
                    *held = None;
                }
            }
        }
    }
    replay.sweep(asked.to);
    Ok(replay.end())
}

struct Replay<'a> {
    side: &'a Side,
    asked: &'a Asked,
    beside: &'a Beside,
    partition: Option<i32>,
    household: Household,
    raised: Vec<Raised>,
    /// Days on which these rules want to look again (T6). As live, those that it looked on are told instead.
    sweeps: BTreeSet<Date>,
    /// Which task here a colleague's task stands for.
    stands_for: HashMap<TaskId, TaskId>,
    /// No earlier than this is it now.
    now: Timestamp,
    /// The last turn that came.
    turn: i64,
    /// What is registered and was noted in this household's order: whether it stands.
    stands: HashMap<Uuid, bool>,
}

impl Replay<'_> {
    fn record(&mut self, row: &TimelineRow) -> Result<(), StoreError> {
        let (row, place) = (row.clone(), Place::Record(row.came_at));
        let cause = Cause::record(&row, None);
        let as_of = convert::as_of(row.received_at, self.household.as_of);
        if matches!(self.household.absorb(row)?, Absorbed::Repeat) {
            return Ok(());
        }
        self.judge(as_of, &cause, place);
        Ok(())
    }

    fn woken(&mut self, woken: &Woken) {
        // Rules that are tried look again on days of their own.
        if !self.side.judges.is_as_live() && [NEXT_LOOK, RULES].contains(&&*woken.reason) {
            return;
        }
        let as_of = self
            .household
            .as_of
            .map_or(woken.due, |last| last.max(woken.due));
        let place = Place::Between {
            turn: woken.turn,
            at: woken.judged_at,
        };
        self.judge(as_of, &Cause::wake_up(woken.due, &woken.reason), place);
    }

    /// The days before this one, and this one before its records, that a judgement waited for.
    fn sweep(&mut self, until: Date) {
        if self.side.judges.is_as_live() {
            return;
        }
        while let Some(due) = self.sweeps.first().copied().filter(|due| *due <= until) {
            self.sweeps.remove(&due);
            let as_of = self.household.as_of.map_or(due, |last| last.max(due));
            let place = Place::Between {
                turn: i64::MAX,
                at: self.now,
            };
            self.judge(as_of, &Cause::wake_up(due, NEXT_LOOK), place);
        }
    }

    fn judge(&mut self, as_of: Date, cause: &Cause<'_>, place: Place) {
        // Days are never behind: what comes after the last day asked for is not known.
        if self.asked.to < as_of {
            return;
        }
        let rules: &RuleSet = self.side.judges.at(self.partition, place);
        self.household.registered = self.beside.recorded.standing(
            self.household.id,
            self.household.memory.debtors(),
            |one| self.stood(one),
        );
        let ruling = &self.side.ruling;
        self.household.judge(
            rules,
            ruling.calendar(),
            ruling.retention(),
            self.beside
                .feeds
                .of(self.household.memory.municipality, |mark| {
                    self.had_begun(mark, place)
                }),
            as_of,
        );
        let mut writes = Writes::of_a_replay();
        apply(
            &mut self.household,
            cause,
            ruling,
            rules,
            &mut writes,
            |_| {},
        );
        for raised in writes.raised {
            let task = self
                .household
                .tasks
                .iter()
                .find(|task| task.id == raised.id);
            let task = task.expect("what was raised is there").clone();
            self.raised.push(Raised {
                team: raised.team,
                area: raised.area,
                urgency: task.urgency,
                grounds: task.grounds.clone(),
                task,
            });
        }
        if !self.side.judges.is_as_live() {
            self.sweeps
                .extend(self.household.next_look().filter(|due| as_of < *due));
        }
    }

    /// Whether something registered stood: as noted in this household's order, else by instants.
    fn stood(&self, one: &RecordedRegistration) -> bool {
        match self.asked.clock {
            ByClock::Event => one.revoked_at.is_none(),
            ByClock::Knowledge => self.stands.get(&one.id).copied().unwrap_or_else(|| {
                one.recorded_at <= self.now && one.revoked_at.is_none_or(|end| self.now < end)
            }),
        }
    }

    /// Whether a mark had taken effect. Rules that are tried are judged by the marks of today: nothing woke a household for them then.
    fn had_begun(&self, mark: Began, place: Place) -> bool {
        let is_as_known = self.asked.clock == ByClock::Knowledge && self.side.judges.is_as_live();
        !is_as_known
            || match place {
                Place::Between { turn, at } => mark.is_before(turn, at),
                Place::Record(_) => mark.is_before(self.turn, self.now) || mark.at <= self.now,
            }
    }

    fn act(&mut self, act: &Act) {
        let day = amsterdam_date(act.at);
        let Some(task) = self.meant(act) else {
            return;
        };
        let done = match (act.deed, task.state) {
            (Deed::Claimed, TaskState::Open) | (Deed::Reopened, TaskState::Closed) => {
                task.state = TaskState::Claimed;
                task.closed = None;
                true
            }
            (Deed::Released, TaskState::Claimed) => {
                task.state = TaskState::Open;
                true
            }
            (Deed::Closed(outcome), TaskState::Open | TaskState::Claimed) => {
                task.state = TaskState::Closed;
                task.closed = Some(Closure { on: day, outcome });
                true
            }
            _ => false,
        };
        // By knowledge time, what live judged after an act is told by itself.
        if done && self.asked.clock == ByClock::Event && act.deed != Deed::Claimed {
            let as_of = self.household.as_of.map_or(day, |last| last.max(day));
            let place = Place::Between {
                turn: act.turn,
                at: act.at,
            };
            self.judge(as_of, &Cause::wake_up(day, RESULT), place);
        }
    }

    /// The task that a colleague's act is done to: the same one, or the one that these rules raised in its place.
    fn meant(&mut self, act: &Act) -> Option<&mut KnownTask> {
        let tasks = &self.household.tasks;
        let is_open_of = |purpose: Purpose| {
            tasks
                .iter()
                .find(|task| task.purpose == purpose && task.state.is_open())
                .map(|task| task.id)
        };
        let same = tasks.iter().find(|task| task.id == act.task);
        let id = same
            .map(|task| task.id)
            .or_else(|| self.stands_for.get(&act.task).copied())
            .or_else(|| is_open_of(act.purpose))?;
        // A result is not taken back where another task was raised meanwhile (I8).
        if act.deed == Deed::Reopened && is_open_of(act.purpose).is_some_and(|open| open != id) {
            return None;
        }
        self.stands_for.insert(act.task, id);
        self.household.tasks.iter_mut().find(|task| task.id == id)
    }

    fn end(mut self) -> Replayed {
        for raised in &mut self.raised {
            if let Some(task) = self
                .household
                .tasks
                .iter()
                .find(|task| task.id == raised.task.id)
            {
                raised.task = task.clone();
            }
        }
        let timeline = &self.household.memory.timeline;
        let matches = self
            .household
            .findings
            .into_iter()
            .flat_map(Findings::into_matches)
            .filter_map(|found| Some((day_of(&found, timeline)?, found)))
            .collect();
        Replayed {
            matches,
            raised: self.raised,
        }
    }
}
