//! What the municipality has switched on (`profiles.yaml`): each legal ground belongs to a profile, and holds only while that is on (I7).

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Deserialize;
use voorveld_calendar::Period;

use crate::error::PolicyErrors;
use crate::yaml::{Located, read_list};

const FILE: &str = "profiles.yaml";

/// A purpose of the municipality that is on or off as a whole, with its grounds, kinds and rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Its name in our files, e.g. `P3`.
    pub id: String,
    /// What it is called on screen, in Dutch.
    pub title: String,
    /// What it means for a resident, in plain Dutch.
    pub explanation: String,
    /// What must be arranged before it may be on, in plain Dutch.
    pub needs: Vec<String>,
    /// Whether it is on.
    pub state: ProfileState,
}

/// Whether a profile is on, and who or what says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileState {
    /// On for these days.
    On {
        /// From the first day up to the last day of the calendar when no end is set.
        days: Period,
        /// Who decided: a role, not a private person.
        by: String,
    },
    /// Off.
    Off {
        /// Why, in plain Dutch: what a partner reads at the door.
        because: String,
    },
}

impl Profile {
    /// The days on which it is on; `None`: it is off.
    #[must_use]
    pub const fn days(&self) -> Option<Period> {
        match &self.state {
            ProfileState::On { days, .. } => Some(*days),
            ProfileState::Off { .. } => None,
        }
    }
}

/// All profiles, by id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiles(BTreeMap<String, Profile>);

impl Profiles {
    /// The profile with this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Profile> {
        self.0.get(id)
    }

    /// All profiles, in order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Profile> {
        self.0.values()
    }

    pub(crate) fn read(text: &str, errors: &mut PolicyErrors) -> Self {
        let items: Vec<Located<ProfileFile>> = read_list(FILE, text, "profiles", errors);
        let mut profiles = BTreeMap::new();
        for item in &items {
            let file = &item.value;
            let mut say = |line: usize, message: String| errors.push(FILE, Some(line), message);
            let blank = |text: &String| text.trim().is_empty();
            if [&file.id, &file.title, &file.explanation]
                .into_iter()
                .chain(&file.needs)
                .any(blank)
            {
                say(
                    item.line_of("id"),
                    format!(
                        "profile `{}`: expected an id, a title, an explanation and needs in plain Dutch",
                        file.id
                    ),
                );
            }
            if file.needs.is_empty() {
                say(
                    item.line_of("needs"),
                    format!(
                        "profile `{}`: expected in `needs` what must be arranged before it may be on",
                        file.id
                    ),
                );
            }
            let state = match (&file.on, &file.off_because) {
                (Some(on), None) => {
                    if on.by.trim().is_empty() {
                        say(
                            item.line_of("on"),
                            "expected in `by` who decided that it is on".to_owned(),
                        );
                    }
                    if on.until.is_some_and(|until| until <= on.since) {
                        say(
                            item.line_of("on"),
                            "expected `until` to come after `since`".to_owned(),
                        );
                    }
                    ProfileState::On {
                        days: period(on.since, on.until),
                        by: on.by.trim().to_owned(),
                    }
                }
                (None, Some(because)) if !because.trim().is_empty() => ProfileState::Off {
                    because: because.trim().to_owned(),
                },
                (on, _) => {
                    say(
                        item.line_of(if on.is_some() { "off_because" } else { "id" }),
                        format!(
                            "profile `{}`: expected either `on` with `since` and `by`, or `off_because` with the reason",
                            file.id
                        ),
                    );
                    continue;
                }
            };
            let profile = Profile {
                id: file.id.clone(),
                title: file.title.trim().to_owned(),
                explanation: file.explanation.trim().to_owned(),
                needs: file.needs.clone(),
                state,
            };
            if let Some(earlier) = profiles.insert(file.id.clone(), profile) {
                say(
                    item.line_of("id"),
                    format!("profile `{}` is there twice", earlier.id),
                );
            }
        }
        Self(profiles)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    id: String,
    title: String,
    explanation: String,
    needs: Vec<String>,
    on: Option<OnFile>,
    off_because: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OnFile {
    since: Date,
    until: Option<Date>,
    by: String,
}

/// From a first day up to the first day no longer, or without an end.
pub(crate) fn period(since: Date, until: Option<Date>) -> Period {
    Period::new(since, until.unwrap_or(Date::MAX))
}

/// The days in both; `None` when there are none.
pub(crate) fn overlap(one: Period, other: Period) -> Option<Period> {
    one.overlaps(&other)
        .then(|| Period::new(one.from().max(other.from()), one.to().min(other.to())))
}

/// A period as errors and warnings tell it: `from 2021-01-01`, `from 2021-01-01 until 2025-01-01`.
pub(crate) fn told(days: Period) -> String {
    if days.to() == Date::MAX {
        format!("from {}", days.from())
    } else {
        format!("from {} until {}", days.from(), days.to())
    }
}

/// A day as people write it: `1 januari 2026`.
pub(crate) fn dutch(day: Date) -> String {
    const MONTHS: [&str; 12] = [
        "januari",
        "februari",
        "maart",
        "april",
        "mei",
        "juni",
        "juli",
        "augustus",
        "september",
        "oktober",
        "november",
        "december",
    ];
    let month = usize::try_from(day.month() - 1).expect("months count from one");
    format!("{} {} {}", day.day(), MONTHS[month], day.year())
}
