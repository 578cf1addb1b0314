//! What outreach owes a household before and while it is approached: ask whether the arrears are still there (`debt.freshness`), go up the ladder, and
//! know when nobody can be reached (`debt.ladder`).
//!
//! Computed from what is stored when somebody looks, by the numbers in force. It proposes and changes nothing: *definitief geen contact* answers
//! signals (K4) and is told to partners, so a person gives that result, or does not (AVG art. 22; every register of algorithms says the same).

use std::collections::BTreeSet;

use jiff::civil::Date;
use voorveld_calendar::{days_between, plus_days};
use voorveld_domain::{ContactChannel, DayPart, Outcome, Purpose, Urgency};
use voorveld_policy::{NoContact, Settings};
use voorveld_store::tasks::{Task, Tried};

/// The last step of the ladder: a card through the door.
const LAST_STEP: i32 = 4;
/// On fewer parts of the day somebody may just have been at work each time.
const DAY_PARTS_BEFORE_GIVING_UP: usize = 2;

/// The newest signal of a task is so old that the arrears may be paid by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stale {
    /// Its event date (T1).
    pub newest_on: Date,
    /// How many days ago that is.
    pub days: i32,
    /// How many it may be.
    pub limit: u16,
}

/// What was tried, and what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ladder {
    /// Whether somebody was spoken to: then there is nothing to go up for.
    pub reached: bool,
    /// The next step: a letter, a call, a visit, a card.
    pub step: i32,
    /// The parts of the day on which nobody called or went there yet; none before the first time.
    pub untried: Vec<DayPart>,
    /// What came of counting the attempts; none before the first, and where the municipality counts none.
    pub count: Option<Count>,
}

/// Attempts that reached nobody, against what the municipality asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count {
    /// The most within any such period.
    pub attempts: usize,
    /// What it asks for.
    pub asked: NoContact,
    /// Whether they were made on different parts of the day.
    pub varied: bool,
}

impl Count {
    /// The result that the team may give, when enough was tried.
    pub fn offers(self) -> Option<Outcome> {
        (self.varied && usize::from(self.asked.after_attempts) <= self.attempts)
            .then_some(Outcome::NoContact)
    }
}

/// Whether to ask the partner first. In a threatening situation never: there the law wants a conversation within three working days (Wgs art. 4),
/// and waiting for an answer costs the resident more than a visit for nothing.
pub(crate) fn stale(settings: &Settings, task: &Task, today: Date) -> Option<Stale> {
    let limit = settings.ask_partner_after_days?;
    let newest_on = task.newest_signal_on?;
    let days = days_between(newest_on, today);
    let asks = asks_for_outreach(task)
        && task.urgency < Urgency::Crisis
        && !task.tried.iter().any(|one| one.reached)
        && i32::from(limit) < days;
    asks.then_some(Stale {
        newest_on,
        days,
        limit,
    })
}

/// Where a task stands on the ladder.
pub(crate) fn ladder(settings: &Settings, task: &Task) -> Option<Ladder> {
    if !asks_for_outreach(task) {
        return None;
    }
    let attempts: Vec<Tried> = task
        .tried
        .iter()
        .copied()
        .filter(|one| one.channel != ContactChannel::Administrative)
        .collect();
    let reached = attempts.iter().any(|one| one.reached);
    let beyond = attempts.iter().filter_map(|one| step_of(one.channel)).max();
    let day_parts: BTreeSet<DayPart> = attempts
        .iter()
        .copied()
        .filter_map(day_part_that_matters)
        .collect();
    Some(Ladder {
        reached,
        step: task.ladder_step.max(beyond.unwrap_or(0) + 1).min(LAST_STEP),
        untried: if day_parts.is_empty() {
            Vec::new()
        } else {
            let all = DayPart::ALL.iter().copied();
            all.filter(|part| !day_parts.contains(part)).collect()
        },
        // Who was reached once is not somebody with whom there was never contact: that has a result of its own.
        count: settings
            .no_contact
            .filter(|_| !reached)
            .and_then(|asked| most_within(&attempts, asked)),
    })
}

/// The window of so many days that gives most reason to stop trying.
fn most_within(attempts: &[Tried], asked: NoContact) -> Option<Count> {
    let windows = attempts.iter().map(|first| {
        let end = plus_days(first.on, i32::from(asked.within_days));
        let within = || {
            attempts
                .iter()
                .filter(|one| first.on <= one.on && one.on < end)
        };
        let day_parts: BTreeSet<DayPart> = within()
            .copied()
            .filter_map(day_part_that_matters)
            .collect();
        Count {
            attempts: within().count(),
            asked,
            varied: DAY_PARTS_BEFORE_GIVING_UP <= day_parts.len(),
        }
    });
    windows.max_by_key(|count| (count.offers().is_some(), count.attempts, count.varied))
}

/// Only debts: the other purposes have duties of their own.
fn asks_for_outreach(task: &Task) -> bool {
    task.purpose == Purpose::DebtHelp && task.state.is_open()
}

/// On which step of the ladder a channel is.
const fn step_of(channel: ContactChannel) -> Option<i32> {
    match channel {
        ContactChannel::Email | ContactChannel::Letter | ContactChannel::TextMessage => Some(1),
        ContactChannel::Telephone => Some(2),
        ContactChannel::HomeVisit | ContactChannel::Appointment => Some(3),
        ContactChannel::CallingCard => Some(4),
        ContactChannel::Administrative | ContactChannel::Other => None,
    }
}

/// When on the day, for what only works when somebody is there: a letter waits for whoever comes home.
const fn day_part_that_matters(one: Tried) -> Option<DayPart> {
    match one.channel {
        ContactChannel::Telephone | ContactChannel::HomeVisit | ContactChannel::CallingCard => {
            Some(one.day_part)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;
    use voorveld_domain::{HouseholdId, TaskId, TaskState};

    const ASKED: NoContact = NoContact {
        after_attempts: 4,
        within_days: 28,
    };

    fn settings() -> Settings {
        Settings {
            threshold: None,
            repeat_window_days: 90,
            cak_is_zorg: true,
            future_tolerance_days: 1,
            ask_partner_after_days: Some(21),
            no_contact: Some(ASKED),
        }
    }

    fn task(newest_signal_on: Option<Date>, tried: Vec<Tried>) -> Task {
        Task {
            id: TaskId::from_uuid(uuid::Uuid::from_u128(1)),
            municipality: "0518".parse().unwrap(),
            household: HouseholdId::from_uuid(uuid::Uuid::from_u128(2)),
            purpose: Purpose::DebtHelp,
            state: TaskState::Claimed,
            urgency: Urgency::Routine,
            ladder_step: 1,
            due_on: date(2025, 11, 27),
            team: "noord".into(),
            area: "noord".into(),
            raised_as_of: date(2025, 11, 1),
            raised_at: jiff::Timestamp::UNIX_EPOCH,
            claimed_by: None,
            claimed_by_name: None,
            claimed_at: None,
            outcome: None,
            closed_at: None,
            closed_by: None,
            flagged: false,
            annotated: false,
            version: 1,
            held: false,
            why: None,
            grounds: 1,
            newest_signal_on,
            tried,
        }
    }

    /// `3 visit evening` is the third of November; `!` behind it: somebody was spoken to.
    fn tried(lines: &[&str]) -> Vec<Tried> {
        lines
            .iter()
            .map(|line| {
                let words: Vec<&str> = line.trim_end_matches('!').split(' ').collect();
                Tried {
                    on: plus_days(date(2025, 10, 31), words[0].parse().unwrap()),
                    channel: words[1].parse().unwrap(),
                    day_part: words[2].parse().unwrap(),
                    reached: line.ends_with('!'),
                }
            })
            .collect()
    }

    #[test]
    fn the_partner_is_asked_when_the_newest_signal_is_older_than_so_many_days() {
        let today = date(2025, 11, 24);
        let says = |task: &Task| stale(&settings(), task, today).map(|stale| stale.days);
        let of = |day| task(Some(date(2025, 11, day)), Vec::new());
        assert_eq!(says(&of(3)), None, "21 days are not more than 21");
        assert_eq!(says(&of(2)), Some(22));
        assert_eq!(says(&task(None, Vec::new())), None, "no signal stands");
        let unreached = tried(&["20 letter morning"]);
        assert_eq!(
            says(&Task {
                tried: unreached,
                ..of(2)
            }),
            Some(22)
        );
        let reached = tried(&["20 telephone morning!"]);
        assert_eq!(
            says(&Task {
                tried: reached,
                ..of(2)
            }),
            None,
            "they can be asked themselves"
        );
        assert_eq!(
            says(&Task {
                urgency: Urgency::Crisis,
                ..of(2)
            }),
            None
        );
        assert_eq!(
            says(&Task {
                state: TaskState::Closed,
                ..of(2)
            }),
            None
        );
        assert_eq!(
            says(&Task {
                purpose: Purpose::YouthIndex,
                ..of(2)
            }),
            None
        );
        let silent = Settings {
            ask_partner_after_days: None,
            ..settings()
        };
        assert_eq!(stale(&silent, &of(2), today), None);
    }

    #[test]
    fn giving_up_is_offered_after_so_many_attempts_on_different_parts_of_the_day() {
        let all = [
            "1 letter morning",
            "5 telephone morning",
            "9 home_visit evening",
            "28 calling_card evening",
        ];
        let one_part = [
            "1 letter evening",
            "5 telephone morning",
            "9 home_visit morning",
            "28 calling_card morning",
        ];
        for (lines, attempts, offered, why) in [
            (&all[..], 4, true, "letter, call, visit, card"),
            (&all[..3], 3, false, "three"),
            (
                &one_part,
                4,
                false,
                "who works every morning is never reached in the morning",
            ),
            (
                &[
                    "1 letter morning",
                    "2 letter evening",
                    "3 email morning",
                    "4 text_message evening",
                ],
                4,
                false,
                "nobody went there",
            ),
            (
                &[
                    "1 telephone morning",
                    "5 telephone evening",
                    "9 home_visit evening",
                    "29 calling_card evening",
                ],
                3,
                false,
                "the 29th day is the first after 28 days",
            ),
            (
                &[
                    "1 administrative morning",
                    "5 telephone morning",
                    "9 home_visit evening",
                    "10 calling_card evening",
                ],
                3,
                false,
                "desk work reaches nobody",
            ),
        ] {
            let count = ladder(&settings(), &task(None, tried(lines)))
                .unwrap()
                .count
                .unwrap();
            assert_eq!(
                (count.attempts, count.offers().is_some()),
                (attempts, offered),
                "{why}"
            );
        }
        let mut reached = all;
        reached[1] = "5 telephone morning!";
        let told = ladder(&settings(), &task(None, tried(&reached))).unwrap();
        assert_eq!(
            (told.reached, told.count),
            (true, None),
            "that is no reply after contact, not never any contact"
        );
    }

    #[test]
    fn the_next_step_is_one_beyond_what_was_tried() {
        let says = |lines: &[&str]| {
            let told = ladder(&settings(), &task(None, tried(lines))).unwrap();
            (told.step, told.untried)
        };
        let (afternoon, evening) = (DayPart::Afternoon, DayPart::Evening);
        assert_eq!(says(&[]), (1, vec![]));
        assert_eq!(says(&["1 letter morning"]), (2, vec![]));
        assert_eq!(
            says(&["1 telephone morning"]),
            (3, vec![afternoon, evening])
        );
        assert_eq!(
            says(&["1 calling_card morning", "2 letter evening"]),
            (4, vec![afternoon, evening])
        );
        let closed = Task {
            state: TaskState::Closed,
            ..task(None, Vec::new())
        };
        assert_eq!(ladder(&settings(), &closed), None);
    }
}
