//! In which order things happened to a household, by either clock.

use jiff::Timestamp;
use jiff::civil::Date;
use voorveld_calendar::amsterdam_date;
use voorveld_domain::HouseholdId;
use voorveld_store::history::{Act, Answered, Decided, Lifted, Woken};
use voorveld_store::timelines::TimelineRow;

use super::ByClock;

/// Everything that is kept of a household.
pub(super) struct Told {
    pub household: HouseholdId,
    pub partition: Option<i32>,
    pub rows: Vec<TimelineRow>,
    pub acts: Vec<Act>,
    pub woken: Vec<Woken>,
    pub answered: Vec<Answered>,
    pub decided: Vec<Decided>,
    pub lifts: Vec<Lifted>,
}

/// One thing that happened.
pub(super) enum Happening<'a> {
    Record(&'a TimelineRow),
    Act(&'a Act),
    Woken(&'a Woken),
    Lifted(&'a Lifted),
}

impl Happening<'_> {
    /// The day on which it happened, by this clock.
    pub(super) fn day(&self, clock: ByClock) -> Date {
        match self {
            Self::Record(row) => match clock {
                ByClock::Event => row.event_date,
                ByClock::Knowledge => amsterdam_date(row.received_at),
            },
            Self::Act(act) => amsterdam_date(act.at),
            Self::Woken(woken) => woken.due,
            Self::Lifted(lifted) => amsterdam_date(lifted.at),
        }
    }

    /// No earlier than this did it happen.
    pub(super) fn instant(&self) -> Timestamp {
        match self {
            Self::Record(row) => row.received_at,
            Self::Act(act) => act.at,
            Self::Woken(woken) => woken.judged_at,
            Self::Lifted(lifted) => lifted.at,
        }
    }
}

/// What happened, in order.
pub(super) fn of(clock: ByClock, told: &Told) -> Vec<Happening<'_>> {
    match clock {
        ByClock::Event => by_event(told),
        ByClock::Knowledge => by_knowledge(told),
    }
}

/// By day: the signals of a day in their order (T3), then what colleagues did.
fn by_event(told: &Told) -> Vec<Happening<'_>> {
    let mut rows: Vec<&TimelineRow> = told.rows.iter().collect();
    rows.sort_unstable_by_key(|row| (row.event_date, row.signal));
    let mut all: Vec<Happening<'_>> = rows.into_iter().map(Happening::Record).collect();
    if !told.acts.is_empty() {
        all.extend(told.acts.iter().map(Happening::Act));
        // Stable: within a day records stay before acts, and each in its own order.
        all.sort_by_key(|one| one.day(ByClock::Event));
    }
    all
}

/// By the household's log order, and between two records by turn (K2).
fn by_knowledge(told: &Told) -> Vec<Happening<'_>> {
    // What happened before places were noted goes by its instant.
    let before_record_after = |instant: Timestamp| {
        told.rows
            .iter()
            .filter(|row| instant < row.received_at)
            .map(|row| row.came_at)
            .min()
            .unwrap_or(i64::MAX)
    };
    let first = Timestamp::MIN;
    let mut all: Vec<((i64, u8, i64, Timestamp), Happening<'_>)> = Vec::new();
    for row in &told.rows {
        all.push(((row.came_at, 1, 0, row.received_at), Happening::Record(row)));
    }
    for act in &told.acts {
        let place = act
            .came_before
            .unwrap_or_else(|| before_record_after(act.at));
        all.push(((place, 0, act.turn, first), Happening::Act(act)));
    }
    for woken in &told.woken {
        all.push((
            (woken.came_before, 0, woken.turn, first),
            Happening::Woken(woken),
        ));
    }
    for lifted in &told.lifts {
        let place = before_record_after(lifted.at);
        all.push(((place, 0, i64::MAX, lifted.at), Happening::Lifted(lifted)));
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, one)| one).collect()
}
