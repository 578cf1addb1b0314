//! A backtest as it is shown and kept: names beside ids, small counts left out. This is the JSON of `--json`, described in docs/backtest.md.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use voorveld_calendar::plus_days;
use voorveld_correlator::backtest::tally::{
    EVIDENCE_MAX, Ended, OfSide, OfSlice, Only, Pressing, Slice, Tally, Week,
};
use voorveld_correlator::backtest::{Asked, ByClock, Judges, Side};
use voorveld_domain::{HouseholdId, Purpose, TeamId};
use voorveld_policy::{Policy, Team};

use super::forecast::{ByPressing, waiting};
use super::suppress::{SMALLEST_SHOWN, shown};

/// Name and version of this shape. A field that is added keeps it; anything else is a next one.
pub const SCHEMA: &str = "voorveld.backtest/1";

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The program that made it.
    pub voorveld: &'static str,
    /// `event` or `knowledge`.
    pub clock: &'static str,
    /// First day.
    pub from: Date,
    /// Last day.
    pub to: Date,
    /// Households with a signal in the period.
    pub households: u64,
    /// Signals in the period.
    pub signals: u64,
    /// The rules that are tried.
    pub draft: SideReport,
    /// Those that they are compared with.
    pub published: Option<SideReport>,
    /// By team, in order of id.
    pub teams: Vec<TeamReport>,
    /// What the one finds and the other does not.
    pub difference: Option<Difference>,
    /// For whom.
    pub slices: Vec<SliceReport>,
    /// Counts below this are left out of `slices`, and what would tell them.
    pub smallest_shown: u64,
}

/// One set of rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SideReport {
    /// Content hash of the set.
    pub rule_set: String,
    /// Whether it judged as it was in force then, or as if it had always been.
    pub as_activated: bool,
    /// Sets that judged then and whose rules nobody has any more; the present ones stood in.
    pub rule_sets_unknown: Vec<String>,
    /// Tasks raised in the period.
    pub tasks: u64,
    /// Households with one.
    pub households: u64,
    /// By rule.
    pub rules: Vec<RuleReport>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleReport {
    /// Its id.
    pub rule: String,
    /// Its version.
    pub version: u32,
    /// What it is called.
    pub title: String,
    /// Matches whose newest signal lies in the period.
    pub matches: u64,
    /// Households with one.
    pub households: u64,
    /// Tasks that had it as a ground when they were raised.
    pub tasks: u64,
}

/// One team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamReport {
    /// Its id.
    pub team: String,
    /// What it is called.
    pub name: String,
    /// What it says it can do.
    pub capacity_per_week: Option<u32>,
    /// Every week of the period, also those without work.
    pub weeks: Vec<WeekReport>,
}

/// One week of a team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WeekReport {
    /// Such as 2025-W03.
    pub week: String,
    /// Its Monday.
    pub monday: Date,
    /// Tasks that the rules that are tried raise.
    pub draft: u64,
    /// Tasks that the others raise.
    pub published: Option<u64>,
    /// What waits at the end of the week by the rules that are tried; absent where the team names no capacity.
    pub draft_waiting: Option<Waiting>,
    /// The same by the others.
    pub published_waiting: Option<Waiting>,
}

/// What waits, by what is done first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Threatening situations.
    pub crisis: u64,
    /// *Meervoudig*.
    pub multiple: u64,
    /// *Opeenvolgend*.
    pub consecutive: u64,
    /// All others.
    pub other: u64,
}

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Households with a task by both.
    pub kept: u64,
    /// Households with a task by the rules that are tried only.
    pub gained: u64,
    /// Households with a task by the others only.
    pub lost: u64,
    /// Most households of which the evidence is here.
    pub evidence_limit: usize,
    /// Why, in order of id.
    pub gained_households: Vec<HouseholdReport>,
    /// Why, in order of id.
    pub lost_households: Vec<HouseholdReport>,
    /// Tasks that both raise.
    pub shared_tasks: u64,
    /// What became of those.
    pub shared_outcomes: Vec<OutcomeReport>,
    /// Published tasks that the rules that are tried do not raise.
    pub lost_tasks: u64,
    /// What became of those.
    pub lost_outcomes: Vec<OutcomeReport>,
}

/// One household, by its random id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HouseholdReport {
    /// Which one.
    pub household: String,
    /// When its first task is raised.
    pub raised_on: Date,
    /// How soon that wants attention, as a code.
    pub urgency: &'static str,
    /// By which rules.
    pub rules: Vec<String>,
    /// Why, in plain Dutch.
    pub evidence: Vec<String>,
}

/// How tasks ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeReport {
    /// A code of the official list, else `still_open` or `without_result`.
    pub outcome: &'static str,
    /// In words; of the official list, to the letter.
    pub label: &'static str,
    /// How many.
    pub tasks: u64,
}

/// One way to tell households apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceReport {
    /// `area`, `persons`, `household_size`, `age_band`.
    pub slice: &'static str,
    /// What it is called.
    pub title: &'static str,
    /// False: this is not stored, so nothing can be said.
    pub known: bool,
    /// Its parts.
    pub rows: Vec<SliceRow>,
}

/// One part; counts of households, absent where they would tell of a few.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceRow {
    /// Its id.
    pub key: String,
    /// What it is called.
    pub name: String,
    /// What is counted, or nothing.
    pub counts: Option<SliceCounts>,
}

/// Households of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SliceCounts {
    /// With a signal in the period.
    pub with_signals: u64,
    /// With a task by the rules that are tried.
    pub draft: u64,
    /// With a task by the others.
    pub published: u64,
    /// By the former only.
    pub gained: u64,
    /// By the latter only.
    pub lost: u64,
}

impl Waiting {
    /// All of it.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.crisis + self.multiple + self.consecutive + self.other
    }
}

impl From<ByPressing> for Waiting {
    fn from([crisis, multiple, consecutive, other]: ByPressing) -> Self {
        Self {
            crisis,
            multiple,
            consecutive,
            other,
        }
    }
}

impl TeamReport {
    /// Its work by the rules that are tried, or by the others.
    #[must_use]
    pub fn work(&self, published: bool) -> Vec<u64> {
        self.weeks
            .iter()
            .map(|week| {
                if published {
                    week.published.unwrap_or(0)
                } else {
                    week.draft
                }
            })
            .collect()
    }
}

impl Report {
    /// What was counted, with the names of the policy that is tried.
    #[must_use]
    pub fn of(asked: &Asked, tally: &Tally, policy: &Policy) -> Self {
        let has_published = asked.published.is_some();
        Self {
            schema: SCHEMA,
            voorveld: env!("CARGO_PKG_VERSION"),
            clock: match asked.clock {
                ByClock::Event => "event",
                ByClock::Knowledge => "knowledge",
            },
            from: asked.from,
            to: asked.to,
            households: tally.households,
            signals: tally.signals,
            draft: side(&asked.draft, &tally.draft),
            published: asked
                .published
                .as_ref()
                .map(|published| side(published, &tally.published)),
            teams: teams(asked, tally, policy),
            difference: has_published.then(|| difference(tally)),
            slices: slices(tally, policy),
            smallest_shown: SMALLEST_SHOWN,
        }
    }
}

fn side(side: &Side, counted: &OfSide) -> SideReport {
    let unknown = match &side.judges {
        Judges::Always(_) => Vec::new(),
        Judges::AsActivated(activated) => activated.unknown.iter().cloned().collect(),
    };
    let rules = side
        .rules()
        .rules()
        .iter()
        .filter(|rule| rule.purpose != Purpose::Safety)
        .map(|rule| {
            let of = counted.rules.get(&rule.id).copied().unwrap_or_default();
            RuleReport {
                rule: rule.id.to_string(),
                version: rule.version,
                title: rule.title.clone(),
                matches: of.matches,
                households: of.households,
                tasks: of.tasks,
            }
        })
        .collect();
    SideReport {
        rule_set: side.rules().hash().to_string(),
        as_activated: matches!(side.judges, Judges::AsActivated(_)),
        rule_sets_unknown: unknown,
        tasks: counted.tasks,
        households: counted.households,
        rules,
    }
}

/// Every week that has a day in the period, by its Monday.
fn weeks(from: Date, to: Date) -> Vec<(Week, Date)> {
    let mut monday = plus_days(from, -i32::from(from.weekday().to_monday_zero_offset()));
    let mut weeks = Vec::new();
    while monday <= to {
        weeks.push((Week::of(monday), monday));
        monday = plus_days(monday, 7);
    }
    weeks
}

fn teams(asked: &Asked, tally: &Tally, policy: &Policy) -> Vec<TeamReport> {
    let all_weeks = weeks(asked.from, asked.to);
    let mut teams: BTreeMap<TeamId, Option<&Team>> = policy
        .routing()
        .teams()
        .filter(|team| team.id != *policy.routing().safety_desk())
        .map(|team| (team.id.clone(), Some(team)))
        .collect();
    for (team, _) in tally.draft.weeks.keys().chain(tally.published.weeks.keys()) {
        teams.entry(team.clone()).or_default();
    }
    let has_published = asked.published.is_some();
    teams
        .into_iter()
        .map(|(id, known)| {
            let capacity = known.and_then(|team| team.capacity_per_week);
            let work = |of: &OfSide| -> Vec<ByPressing> {
                all_weeks
                    .iter()
                    .map(|(week, _)| {
                        let counts = of.weeks.get(&(id.clone(), *week));
                        Pressing::ALL.map(|pressing| {
                            counts
                                .and_then(|counts| counts.get(&pressing))
                                .copied()
                                .unwrap_or(0)
                        })
                    })
                    .collect()
            };
            let (draft, published) = (work(&tally.draft), work(&tally.published));
            let queue =
                |work: &[ByPressing]| capacity.map(|capacity| waiting(work, u64::from(capacity)));
            let (draft_waiting, published_waiting) = (queue(&draft), queue(&published));
            let at = |queue: &Option<Vec<ByPressing>>, index: usize| {
                queue.as_ref().map(|queue| Waiting::from(queue[index]))
            };
            let weeks = all_weeks
                .iter()
                .enumerate()
                .map(|(index, (week, monday))| WeekReport {
                    week: week.to_string(),
                    monday: *monday,
                    draft: draft[index].iter().sum(),
                    published: has_published.then(|| published[index].iter().sum()),
                    draft_waiting: at(&draft_waiting, index),
                    published_waiting: at(&published_waiting, index).filter(|_| has_published),
                })
                .collect();
            TeamReport {
                name: known.map_or_else(|| id.to_string(), |team| team.name.clone()),
                team: id.to_string(),
                capacity_per_week: capacity,
                weeks,
            }
        })
        .collect()
}

fn difference(tally: &Tally) -> Difference {
    let households = |why: &BTreeMap<HouseholdId, Only>| {
        why.iter()
            .map(|(household, only)| HouseholdReport {
                household: household.to_string(),
                raised_on: only.raised_on,
                urgency: only.urgency.code(),
                rules: only.rules.iter().map(ToString::to_string).collect(),
                evidence: only.words.clone(),
            })
            .collect()
    };
    Difference {
        kept: tally.kept,
        gained: tally.gained,
        lost: tally.lost,
        evidence_limit: EVIDENCE_MAX,
        gained_households: households(&tally.gained_why),
        lost_households: households(&tally.lost_why),
        shared_tasks: tally.shared,
        shared_outcomes: outcomes(&tally.shared_ended),
        lost_tasks: tally.lost_ended.values().sum(),
        lost_outcomes: outcomes(&tally.lost_ended),
    }
}

fn outcomes(ended: &BTreeMap<Ended, u64>) -> Vec<OutcomeReport> {
    ended
        .iter()
        .map(|(ended, tasks)| {
            let (outcome, label) = match ended {
                Ended::With(outcome) => (outcome.code(), outcome.label()),
                Ended::StillOpen => ("still_open", "Nog niet afgerond"),
                Ended::WithoutResult => ("without_result", "Vervallen: de reden was er niet meer"),
            };
            OutcomeReport {
                outcome,
                label,
                tasks: *tasks,
            }
        })
        .collect()
}

fn slices(tally: &Tally, policy: &Policy) -> Vec<SliceReport> {
    let mut areas = Vec::new();
    let mut persons = Vec::new();
    for (slice, of) in &tally.slices {
        match slice {
            Slice::Area(area) => {
                let known = policy.routing().find_area(area);
                let name = known.map_or_else(|| area.to_string(), |area| area.name.clone());
                areas.push((area.to_string(), name, *of));
            }
            Slice::Persons(persons_known) => {
                let (key, name) = match persons_known {
                    0 => ("unknown", "Niemand te onderscheiden"),
                    1 => ("1", "Eén persoon"),
                    2 => ("2", "Twee personen"),
                    _ => ("3+", "Drie of meer personen"),
                };
                persons.push((key.to_owned(), name.to_owned(), *of));
            }
        }
    }
    let unknown = |slice, title| SliceReport {
        slice,
        title,
        known: false,
        rows: Vec::new(),
    };
    vec![
        slice("area", "Wijk", areas),
        slice(
            "persons",
            "Hoeveel bewoners met een signaal te onderscheiden zijn",
            persons,
        ),
        unknown("household_size", "Grootte van het huishouden"),
        unknown("age_band", "Leeftijd"),
    ]
}

fn slice(
    slice: &'static str,
    title: &'static str,
    parts: Vec<(String, String, OfSlice)>,
) -> SliceReport {
    let counts: Vec<Vec<u64>> = parts
        .iter()
        .map(|(_, _, of)| vec![of.with_signals, of.draft, of.published, of.gained, of.lost])
        .collect();
    let rows = parts
        .into_iter()
        .zip(shown(&counts))
        .map(|((key, name, of), shown)| SliceRow {
            key,
            name,
            counts: shown.then_some(SliceCounts {
                with_signals: of.with_signals,
                draft: of.draft,
                published: of.published,
                gained: of.gained,
                lost: of.lost,
            }),
        })
        .collect();
    SliceReport {
        slice,
        title,
        known: true,
        rows,
    }
}
