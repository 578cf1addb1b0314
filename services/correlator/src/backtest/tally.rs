//! What a backtest counts: work per team and week, what one set of rules finds and the other does not, and for whom.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_detect::{Condition, RuleSet};
use voorveld_domain::{AreaId, HouseholdId, Outcome, Purpose, RuleId, TaskState, TeamId, Urgency};

use super::{Asked, Collect, Raised, Replayed, Seen, Side};

/// Most households of which the evidence is kept, on either side; the counts are always whole.
pub const EVIDENCE_MAX: usize = 1_000;

/// An ISO week: its year and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Week {
    /// The year that the week belongs to; not always that of its days.
    pub year: i16,
    /// From 1 to 53.
    pub number: i8,
}

impl Week {
    /// The week a day is in.
    #[must_use]
    pub fn of(day: Date) -> Self {
        let iso = day.iso_week_date();
        Self {
            year: iso.year(),
            number: iso.week(),
        }
    }
}

/// `2025-W03`
impl std::fmt::Display for Week {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-W{:02}", self.year, self.number)
    }
}

/// What comes first when there is more work than a team can do: the order in which teams are asked to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pressing {
    /// A threatening situation.
    Crisis,
    /// *Meervoudig*.
    Multiple,
    /// *Opeenvolgend*.
    Consecutive,
    /// Anything else; among these, the highest amount first.
    Other,
}

impl Pressing {
    /// In order, the most pressing first.
    pub const ALL: [Self; 4] = [Self::Crisis, Self::Multiple, Self::Consecutive, Self::Other];

    fn of(raised: &Raised, rules: &RuleSet) -> Self {
        if Urgency::Crisis <= raised.urgency {
            return Self::Crisis;
        }
        raised
            .grounds
            .iter()
            .filter_map(|ground| rules.get(&ground.rule))
            .map(|rule| match rule.condition {
                Condition::ConcurrentInMonth { .. } => Self::Multiple,
                Condition::ConsecutiveMonths { .. } => Self::Consecutive,
                _ => Self::Other,
            })
            .min()
            .unwrap_or(Self::Other)
    }
}

/// What one rule found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfRule {
    /// Matches whose newest signal lies within the period.
    pub matches: u64,
    /// Households with such a match.
    pub households: u64,
    /// Tasks that have it as a ground from the moment they were raised.
    pub tasks: u64,
}

/// What one set of rules asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfSide {
    /// By rule.
    pub rules: BTreeMap<RuleId, OfRule>,
    /// Tasks raised, by team, week and what comes first.
    pub weeks: BTreeMap<(TeamId, Week), BTreeMap<Pressing, u64>>,
    /// Tasks raised.
    pub tasks: u64,
    /// Households for which one was.
    pub households: u64,
}

/// By what households are told apart, to see whether rules treat some otherwise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slice {
    /// The neighbourhood.
    Area(AreaId),
    /// How many people with signals could be told apart, three standing for more. None: nobody could.
    Persons(u8),
}

/// What is counted of a slice. Households, not tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OfSlice {
    /// With a signal in the period.
    pub with_signals: u64,
    /// With a task by the rules that are tried.
    pub draft: u64,
    /// With a task by the others.
    pub published: u64,
    /// With a task by the former only.
    pub gained: u64,
    /// With a task by the latter only.
    pub lost: u64,
}

/// What became of a task that the published rules raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// With an official result.
    With(Outcome),
    /// It still asks for something.
    StillOpen,
    /// Its grounds went (K10), or it goes on in another.
    WithoutResult,
}

/// A household that one set of rules finds and the other does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only {
    /// When its first task was raised.
    pub raised_on: Date,
    /// How soon that one wants attention.
    pub urgency: Urgency,
    /// By which rules.
    pub rules: Vec<RuleId>,
    /// Why, in plain Dutch.
    pub words: Vec<String>,
}

/// Everything that is counted. What only the safety desk may know is not (I10): its tasks and holds are replayed and left out.
#[derive(Debug, Default)]
pub struct Tally {
    /// Households with a signal in the period.
    pub households: u64,
    /// Signals in the period.
    pub signals: u64,
    /// The rules that are tried.
    pub draft: OfSide,
    /// The others.
    pub published: OfSide,
    /// Households with a task by both.
    pub kept: u64,
    /// Households with a task by the former only, and why: the first of them in order of id.
    pub gained: u64,
    /// As said.
    pub gained_why: BTreeMap<HouseholdId, Only>,
    /// Households with a task by the latter only, and why.
    pub lost: u64,
    /// As said.
    pub lost_why: BTreeMap<HouseholdId, Only>,
    /// Tasks that both raise: of the same household and purpose within the period, the first with the first, and so on.
    pub shared: u64,
    /// What became of those.
    pub shared_ended: BTreeMap<Ended, u64>,
    /// What became of the published tasks that the rules that are tried do not raise.
    pub lost_ended: BTreeMap<Ended, u64>,
    /// For whom.
    pub slices: BTreeMap<Slice, OfSlice>,
}

impl Collect for Tally {
    fn take(&mut self, asked: &Asked, seen: &Seen<'_>) {
        let draft = Counted::of(asked, &asked.draft, seen.draft);
        draft.add_to(&mut self.draft);
        let published = asked
            .published
            .as_ref()
            .zip(seen.published)
            .map(|(side, replayed)| (side, Counted::of(asked, side, replayed)));
        if let Some((_, published)) = &published {
            published.add_to(&mut self.published);
        }
        let has_signals = 0 < seen.signals;
        self.households += u64::from(has_signals);
        self.signals += seen.signals as u64;
        let by_draft = !draft.raised.is_empty();
        let by_published = published
            .as_ref()
            .is_some_and(|(_, published)| !published.raised.is_empty());
        let (gained, lost) = match &published {
            None => (false, false),
            Some(_) => (by_draft && !by_published, by_published && !by_draft),
        };
        let persons = u8::try_from(seen.persons.min(3)).expect("at most three");
        for slice in [Slice::Area(seen.area.clone()), Slice::Persons(persons)] {
            let of = self.slices.entry(slice).or_default();
            of.with_signals += u64::from(has_signals);
            of.draft += u64::from(by_draft);
            of.published += u64::from(by_published);
            of.gained += u64::from(gained);
            of.lost += u64::from(lost);
        }
        let Some((side, published)) = published else {
            return;
        };
        self.kept += u64::from(by_draft && by_published);
        if gained {
            self.gained += 1;
            let why = draft.raised[0];
            keep_first(&mut self.gained_why, seen.household, || {
                only(&asked.draft, why)
            });
        }
        if lost {
            self.lost += 1;
            let why = published.raised[0];
            keep_first(&mut self.lost_why, seen.household, || only(side, why));
        }
        self.compare(&draft, &published);
    }

    fn merge(&mut self, other: Self) {
        self.households += other.households;
        self.signals += other.signals;
        self.draft.merge(other.draft);
        self.published.merge(other.published);
        self.kept += other.kept;
        self.gained += other.gained;
        self.lost += other.lost;
        self.shared += other.shared;
        for (mine, theirs) in [
            (&mut self.gained_why, other.gained_why),
            (&mut self.lost_why, other.lost_why),
        ] {
            mine.extend(theirs);
            while EVIDENCE_MAX < mine.len() {
                mine.pop_last();
            }
        }
        add(&mut self.shared_ended, other.shared_ended);
        add(&mut self.lost_ended, other.lost_ended);
        for (slice, theirs) in other.slices {
            let mine = self.slices.entry(slice).or_default();
            mine.with_signals += theirs.with_signals;
            mine.draft += theirs.draft;
            mine.published += theirs.published;
            mine.gained += theirs.gained;
            mine.lost += theirs.lost;
        }
    }
}

impl Tally {
    /// The first task of a purpose with the first of the other side, and so on.
    fn compare(&mut self, draft: &Counted<'_>, published: &Counted<'_>) {
        let mut left: BTreeMap<Purpose, u64> = BTreeMap::new();
        for raised in &draft.raised {
            *left.entry(raised.task.purpose).or_default() += 1;
        }
        for raised in &published.raised {
            let left = left.entry(raised.task.purpose).or_default();
            let ended = ended(raised);
            if *left == 0 {
                *self.lost_ended.entry(ended).or_default() += 1;
            } else {
                *left -= 1;
                self.shared += 1;
                *self.shared_ended.entry(ended).or_default() += 1;
            }
        }
    }
}

/// Of one household by one set of rules, what lies within the period.
struct Counted<'a> {
    rules: BTreeMap<&'a RuleId, OfRule>,
    raised: Vec<&'a Raised>,
    all_rules: &'a RuleSet,
}

impl<'a> Counted<'a> {
    fn of(asked: &Asked, side: &'a Side, replayed: &'a Replayed) -> Self {
        let within = |day: Date| asked.from <= day && day <= asked.to;
        let all_rules = side.rules();
        let is_shown = |rule: &RuleId| {
            all_rules
                .get(rule)
                .is_none_or(|rule| rule.purpose != Purpose::Safety)
        };
        let mut rules: BTreeMap<&RuleId, OfRule> = BTreeMap::new();
        for (day, found) in &replayed.matches {
            if within(*day) && is_shown(&found.rule) {
                let of = rules.entry(&found.rule).or_default();
                of.matches += 1;
                of.households = 1;
            }
        }
        let raised: Vec<&Raised> = replayed
            .raised
            .iter()
            .filter(|raised| {
                within(raised.task.raised_on) && raised.task.purpose != Purpose::Safety
            })
            .collect();
        for raised in &raised {
            let names: BTreeSet<&RuleId> =
                raised.grounds.iter().map(|ground| &ground.rule).collect();
            for name in names {
                rules.entry(name).or_default().tasks += 1;
            }
        }
        Self {
            rules,
            raised,
            all_rules,
        }
    }

    fn add_to(&self, side: &mut OfSide) {
        for (rule, of) in &self.rules {
            let whole = match side.rules.get_mut(*rule) {
                Some(whole) => whole,
                None => side.rules.entry((*rule).clone()).or_default(),
            };
            whole.add(of);
        }
        for raised in &self.raised {
            let key = (raised.team.clone(), Week::of(raised.task.raised_on));
            let pressing = Pressing::of(raised, self.all_rules);
            *side
                .weeks
                .entry(key)
                .or_default()
                .entry(pressing)
                .or_default() += 1;
        }
        side.tasks += self.raised.len() as u64;
        side.households += u64::from(!self.raised.is_empty());
    }
}

impl OfRule {
    fn add(&mut self, other: &Self) {
        self.matches += other.matches;
        self.households += other.households;
        self.tasks += other.tasks;
    }
}

impl OfSide {
    fn merge(&mut self, other: Self) {
        for (rule, of) in other.rules {
            self.rules.entry(rule).or_default().add(&of);
        }
        for (week, counts) in other.weeks {
            add(self.weeks.entry(week).or_default(), counts);
        }
        self.tasks += other.tasks;
        self.households += other.households;
    }
}

fn add<K: Ord>(mine: &mut BTreeMap<K, u64>, theirs: BTreeMap<K, u64>) {
    for (key, count) in theirs {
        *mine.entry(key).or_default() += count;
    }
}

fn ended(raised: &Raised) -> Ended {
    match (raised.task.state, raised.task.closed) {
        (TaskState::Closed, Some(closed)) => Ended::With(closed.outcome),
        (state, _) if state.is_open() => Ended::StillOpen,
        _ => Ended::WithoutResult,
    }
}

/// Within a worker households come in order of id: the first ones are kept, and words are made for no others.
fn keep_first(
    kept: &mut BTreeMap<HouseholdId, Only>,
    household: HouseholdId,
    only: impl FnOnce() -> Only,
) {
    if kept.len() < EVIDENCE_MAX {
        kept.insert(household, only());
    }
}

fn only(side: &Side, raised: &Raised) -> Only {
    let rules: BTreeSet<&RuleId> = raised.grounds.iter().map(|ground| &ground.rule).collect();
    Only {
        raised_on: raised.task.raised_on,
        urgency: raised.urgency,
        rules: rules.into_iter().cloned().collect(),
        words: raised
            .grounds
            .iter()
            .map(|ground| side.ground_words(ground))
            .collect(),
    }
}
