//! In which order things happened to a household, by either clock.

use jiff::Timestamp;
use jiff::civil::Date;
use voorveld_calendar::amsterdam_date;
use voorveld_domain::HouseholdId;
use voorveld_store::history::{Act, Heard, Lifted, Placed, Woken};
use voorveld_store::timelines::TimelineRow;

use super::ByClock;

/// Everything that is kept of a household.
pub(super) struct Told {
    pub household: HouseholdId,
    pub partition: Option<i32>,
    pub rows: Vec<TimelineRow>,
    pub acts: Vec<Act>,
    pub woken: Vec<Woken>,
    pub heard: Vec<Heard>,
    pub placed: Vec<Placed>,
    pub lifts: Vec<Lifted>,
}

/// One thing that happened.
pub(super) enum Happening<'a> {
    Record(&'a TimelineRow),
    Act(&'a Act),
    Woken(&'a Woken),
    /// By the judgement that follows.
    Heard(&'a Heard),
    /// As the judgement that follows heeds it.
    Placed(&'a Placed),
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
            Self::Heard(_) | Self::Placed(_) => Date::MIN,
            Self::Lifted(lifted) => amsterdam_date(lifted.at),
        }
    }

    /// No earlier than this did it happen.
    pub(super) fn instant(&self) -> Timestamp {
        match self {
            Self::Record(row) => row.received_at,
            Self::Act(act) => act.at,
            Self::Woken(woken) => woken.judged_at,
            Self::Heard(_) | Self::Placed(_) => Timestamp::MIN,
            Self::Lifted(lifted) => lifted.at,
        }
    }

    /// Its turn, where it was no record.
    pub(super) const fn turn(&self) -> Option<i64> {
        match self {
            Self::Act(act) => Some(act.turn),
            Self::Woken(woken) => Some(woken.turn),
            Self::Heard(heard) => Some(heard.turn),
            Self::Placed(placed) => Some(placed.turn),
            Self::Record(_) | Self::Lifted(_) => None,
        }
    }

    const fn is_judgement(&self) -> bool {
        matches!(self, Self::Record(_) | Self::Woken(_))
    }
}

/// What happened, in order.
pub(super) fn of(clock: ByClock, told: &Told) -> Vec<Happening<'_>> {
    match clock {
        ByClock::Event => by_event(told),
        ByClock::Knowledge => by_knowledge(told),
    }
}

/// What had happened by a day: every judgement for that day or an earlier one, and what came before those. A judgement may come after midnight, after
/// what a colleague did on the next day.
pub(super) fn until<'h, 'a>(
    happenings: &'h [Happening<'a>],
    clock: ByClock,
    last: Date,
) -> &'h [Happening<'a>] {
    let is_later = |one: &Happening<'_>| last < one.day(clock);
    let end = happenings
        .iter()
        .position(|one| one.is_judgement() && is_later(one))
        .unwrap_or(happenings.len());
    let judged = happenings[..end]
        .iter()
        .rposition(Happening::is_judgement)
        .map_or(0, |place| place + 1);
    let after = happenings[judged..end]
        .iter()
        .take_while(|one| !is_later(one));
    &happenings[..judged + after.count()]
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
    let mut between: Vec<(i64, Option<i64>, Happening<'_>)> = Vec::new();
    for act in &told.acts {
        between.push((act.turn, act.came_before, Happening::Act(act)));
    }
    for woken in &told.woken {
        between.push((woken.turn, Some(woken.came_before), Happening::Woken(woken)));
    }
    for heard in &told.heard {
        between.push((heard.turn, Some(heard.came_before), Happening::Heard(heard)));
    }
    for placed in &told.placed {
        between.push((
            placed.turn,
            Some(placed.came_before),
            Happening::Placed(placed),
        ));
    }
    between.sort_by_key(|(turn, _, _)| *turn);
    let first = Timestamp::MIN;
    let mut all: Vec<((i64, u8, i64, Timestamp), Happening<'_>)> = Vec::new();
    for row in &told.rows {
        all.push(((row.came_at, 1, 0, row.received_at), Happening::Record(row)));
    }
    // A copy that is past its retention takes its offset along: a later turn is never before an earlier one's place.
    let mut reached = 0;
    for (turn, place, happening) in between {
        let place = if let Some(place) = place {
            reached = place.max(reached);
            reached
        } else {
            before_record_after(happening.instant())
        };
        all.push(((place, 0, turn, first), happening));
    }
    for lifted in &told.lifts {
        let place = before_record_after(lifted.at);
        all.push(((place, 0, i64::MAX, lifted.at), Happening::Lifted(lifted)));
    }
    all.sort_by_key(|(place, _)| *place);
    all.into_iter().map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use uuid::Uuid;
    use voorveld_domain::{Purpose, TaskId};
    use voorveld_store::history::Deed;

    use super::*;

    fn act(turn: i64, came_before: i64, at: &str) -> Act {
        Act {
            task: TaskId::from_uuid(Uuid::from_u128(1)),
            purpose: Purpose::DebtHelp,
            deed: Deed::Claimed,
            at: at.parse().unwrap(),
            turn,
            came_before: Some(came_before),
        }
    }

    fn woken(turn: i64, came_before: i64, due: Date) -> Woken {
        Woken {
            due,
            reason: "result".to_owned(),
            judged_at: "2025-03-11T00:05:00Z".parse().unwrap(),
            turn,
            came_before,
        }
    }

    fn told(acts: Vec<Act>, woken: Vec<Woken>) -> Told {
        Told {
            household: HouseholdId::from_uuid(Uuid::from_u128(1)),
            partition: Some(0),
            rows: Vec::new(),
            acts,
            woken,
            heard: Vec::new(),
            placed: Vec::new(),
            lifts: Vec::new(),
        }
    }

    fn turns(happenings: &[Happening<'_>]) -> Vec<i64> {
        happenings.iter().filter_map(Happening::turn).collect()
    }

    /// The copy with offset 90 was erased between the two.
    #[test]
    fn a_later_turn_stays_later_when_a_copy_took_its_offset_along() {
        let before = act(1, 91, "2025-03-10T10:00:00Z");
        let after = woken(2, 51, date(2025, 3, 11));
        let told = told(vec![before], vec![after]);
        assert_eq!(turns(&of(ByClock::Knowledge, &told)), [1, 2]);
    }

    #[test]
    fn what_is_judged_for_a_day_after_midnight_sees_what_was_done_by_then() {
        let acts = vec![
            act(1, 5, "2025-03-10T10:00:00Z"),
            act(2, 5, "2025-03-11T00:02:00Z"),
            act(4, 5, "2025-03-11T09:00:00Z"),
        ];
        let told = told(acts, vec![woken(3, 5, date(2025, 3, 10))]);
        let all = of(ByClock::Knowledge, &told);
        let by = |day| turns(until(&all, ByClock::Knowledge, day));
        assert!(by(date(2025, 3, 9)).is_empty());
        assert_eq!(by(date(2025, 3, 10)), [1, 2, 3]);
        assert_eq!(by(date(2025, 3, 11)), [1, 2, 3, 4]);
    }
}
