//! Rules as data: a closed set of conditions with parameters, and what each raises.
//!
//! Read from `config/rules/*.yaml` by `policy`, which also checks that the legal ground of a rule covers its sources (I7). The
//! enums are closed on purpose: live, shadow, backtest and explain run exactly these and nothing else (I6).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jiff::civil::Date;
use voorveld_calendar::{Period, Term, plus_days};
use voorveld_domain::{Cents, KindId, Outcome, Purpose, RuleId, SignalDomain, Urgency};

use crate::Signal;
use crate::condition::Condition;
use crate::lens::Lens;

/// One published rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name for ever, e.g. `debt.multiple`.
    pub id: RuleId,
    /// Raised with each change; a published version never changes.
    pub version: u32,
    /// What it is called on screen, in Dutch.
    pub title: String,
    /// What it does, in plain Dutch.
    pub explanation: String,
    /// What it is for: evidence meets only within a purpose (K1).
    pub purpose: Purpose,
    /// The ground in `config/legal.yaml` that covers it.
    pub legal_basis: String,
    /// Which signals it looks at.
    pub sources: Sources,
    /// When it is true.
    pub condition: Condition,
    /// What follows.
    pub effect: Effect,
    /// What may keep it from raising.
    pub muted_by: MutedBy,
    /// How long it keeps silent after having raised (K9).
    pub cooldown: Option<Cooldown>,
    /// With a newest unanswered witness older than this it raises nothing (K8).
    pub not_older_than_days: Option<u16>,
    /// How long its matches are kept.
    pub retention_days: u16,
    /// The days on which its ground is in force here, by itself and by its profile (I7): an event of another day gives it no ground to judge.
    /// The door refuses such a signal when it comes in (S6), but these days may be changed afterwards.
    pub in_force: Period,
    /// From which place in the log on this version judges here: it raises only with a witness that came there or later. `None`: always
    /// did. A place and not a moment: what waited in the log when the version came into force was judged by nobody before.
    pub active_from: Option<i64>,
}

/// Which signals a rule looks at: of these kinds, or of these domains. Legal cover is judged on this (I7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// All kinds of these domains.
    pub domains: BTreeSet<SignalDomain>,
    /// These kinds besides.
    pub kinds: BTreeSet<KindId>,
}

/// What follows when a rule is true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// A task for a team, or evidence on the one that is open (I8).
    Raise(Raises),
    /// A hold on all outreach at the household, and a task for the safety desk (I10, K11).
    Hold(Raises),
    /// A match to be seen; no task.
    Show,
}

/// What a ground asks of its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raises {
    /// How soon.
    pub urgency: Urgency,
    /// By when.
    pub deadline: Deadline,
    /// Where on the ladder of channels.
    pub ladder: Ladder,
}

/// By when a ground wants its task looked at, counted from first receipt (T5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadline {
    /// A plain term.
    Term(Term),
    /// The end of supply (M7): so many working days from receipt, never after so many before the end; past that it escalates.
    SupplyEnd {
        /// Three, by law.
        working_days: u16,
        /// Ten†.
        before_end_working_days: u16,
    },
}

/// Where a ground puts its task on the ladder of channels (letter, telephone, visit, card).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ladder {
    /// The lowest step it begins on, from 1.
    pub starts_at: u8,
    /// Whether it takes the task one step up (*opeenvolgend*).
    pub step_up: bool,
}

impl Ladder {
    /// The lowest step: a letter or message.
    pub const FIRST_STEP: u8 = 1;
    /// The highest step: a visit that ends with a card through the door.
    pub const LAST_STEP: u8 = 4;
}

/// Which of the settings may keep a rule from raising. A crisis, a warm handover or a supply end is muted by neither of the first two (K5, K6, M6).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a word in a rule file, and any of them go together"
)]
pub struct MutedBy {
    /// [`RuleSettings::threshold`] (K5); only *enkelvoudig* should say so.
    pub threshold: bool,
    /// A repeat of what is known (K6).
    pub repeat: bool,
    /// A resident who is a client already.
    pub known_client: bool,
    /// Anything but an amount above that of the last signal of the same partner, kind and debtor that was on a task shortly before: the rule
    /// speaks only when arrears rose since somebody saw to them.
    pub unless_risen: bool,
}

/// How long a rule keeps silent after it has raised (K9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cooldown {
    /// How long: raised on day D, it speaks again on D + days.
    pub days: u16,
    /// From when they count.
    pub from: CooldownFrom,
    /// Only after these results; empty: after any. Belongs to [`CooldownFrom::Result`].
    pub outcomes: BTreeSet<Outcome>,
}

/// From when a cooldown counts (K9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CooldownFrom {
    /// The day the task got this ground.
    Raising,
    /// The day the task was closed.
    Result,
}

/// What a municipality sets for all rules together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSettings {
    /// Below this a lone signal raises nothing (K5). `None`: no threshold.
    pub threshold: Option<Cents>,
    /// How long after a result a signal can still be a repeat (K6).
    pub repeat_window_days: u16,
    /// Whether CAK Zorgverzekeringen and Zorg are one type (M1).
    pub cak_is_zorg: bool,
    /// Kinds that are a crisis whatever the partner calls them (M6).
    pub crisis_kinds: BTreeSet<KindId>,
    /// For how many days from its event date a signal of a kind counts (S4); a kind that is not named counts for ever.
    pub retention_days: BTreeMap<KindId, u16>,
}

impl RuleSettings {
    /// The median threshold of Dutch municipalities†.
    pub const DEFAULT_THRESHOLD_CENTS: i64 = 7_500;
    /// The default window for repeats†.
    pub const DEFAULT_REPEAT_WINDOW_DAYS: u16 = 90;

    /// The day from which a signal no longer counts because its retention is over (S4); `None`: its kind is kept for ever.
    #[must_use]
    pub fn expires_on(&self, kind: &KindId, event_date: Date) -> Option<Date> {
        self.retention_days
            .get(kind)
            .map(|days| plus_days(event_date, i32::from(*days)))
    }
}

impl Default for RuleSettings {
    fn default() -> Self {
        Self {
            threshold: Cents::try_from(Self::DEFAULT_THRESHOLD_CENTS).ok(),
            repeat_window_days: Self::DEFAULT_REPEAT_WINDOW_DAYS,
            cak_is_zorg: true,
            crisis_kinds: [
                "eviction_notice",
                "health_insurance_end",
                "supply_end_notice",
            ]
            .into_iter()
            .map(|kind| kind.parse().expect("a literal slug"))
            .collect(),
            retention_days: BTreeMap::new(),
        }
    }
}

/// The identity of a published set: the SHA-256 of its canonical content, computed by whoever read the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleSetHash(pub [u8; 32]);

impl fmt::Display for RuleSetHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Why rules do not make a set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleSetError {
    /// Two rules with one name.
    #[error("rule {0} is there twice")]
    Twice(RuleId),
    /// A parameter that can never be, or always is, satisfied.
    #[error("rule {rule}: {expected}")]
    Parameter {
        /// Which rule.
        rule: RuleId,
        /// What would have been right.
        expected: &'static str,
    },
}

/// All rules in force, sorted by id, with their settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleSet {
    rules: Vec<Rule>,
    settings: RuleSettings,
    hash: RuleSetHash,
    digests: BTreeMap<RuleId, RuleSetHash>,
    /// What the rules ask of one signal.
    lens: Arc<Lens>,
}

impl RuleSet {
    /// Most rules in one set.
    pub const RULES_MAX: usize = 128;

    pub(crate) const fn lens(&self) -> &Arc<Lens> {
        &self.lens
    }

    /// Checks and sorts the rules.
    pub fn new(
        mut rules: Vec<Rule>,
        settings: RuleSettings,
        hash: RuleSetHash,
    ) -> Result<Self, RuleSetError> {
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(rule) = rules.get(Self::RULES_MAX) {
            return Err(RuleSetError::Parameter {
                rule: rule.id.clone(),
                expected: "expected at most 128 rules in one set",
            });
        }
        if let Some(pair) = rules.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(RuleSetError::Twice(pair[0].id.clone()));
        }
        for rule in &rules {
            if let Some(expected) = rule.fault() {
                return Err(RuleSetError::Parameter {
                    rule: rule.id.clone(),
                    expected,
                });
            }
        }
        Ok(Self {
            lens: Arc::new(Lens::new(&rules, &settings)),
            rules,
            settings,
            hash,
            digests: BTreeMap::new(),
        })
    }

    /// The same rules with the SHA-256 of each one's canonical content, computed by whoever read the files: what holds a published version
    /// to what it said.
    #[must_use]
    pub fn with_digests(mut self, digests: BTreeMap<RuleId, RuleSetHash>) -> Self {
        self.digests = digests;
        self
    }

    /// The content of one rule, when whoever read the files said so.
    #[must_use]
    pub fn digest(&self, id: &RuleId) -> Option<RuleSetHash> {
        self.digests.get(id).copied()
    }

    /// The rules, sorted by id.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule with this id.
    #[must_use]
    pub fn get(&self, id: &RuleId) -> Option<&Rule> {
        self.rules
            .binary_search_by(|rule| rule.id.cmp(id))
            .ok()
            .map(|index| &self.rules[index])
    }

    /// What goes for all rules together.
    #[must_use]
    pub const fn settings(&self) -> &RuleSettings {
        &self.settings
    }

    /// The identity of this set.
    #[must_use]
    pub const fn hash(&self) -> RuleSetHash {
        self.hash
    }

    /// Only the rules that somebody may see, under the same settings and the identity of the whole set: a look at part of it.
    #[must_use]
    pub fn limited_to(&self, sees: impl Fn(&Rule) -> bool) -> Self {
        let mut part = self.clone();
        part.rules.retain(|rule| sees(rule));
        part.lens = Arc::new(Lens::new(&part.rules, &part.settings));
        part
    }

    /// The same rules with the places in the log from which they judge (adr 16). A rule that is not named keeps
    /// what it had.
    #[must_use]
    pub fn with_activations(mut self, from: &BTreeMap<RuleId, i64>) -> Self {
        for rule in &mut self.rules {
            if let Some(at) = from.get(&rule.id) {
                rule.active_from = Some(*at);
            }
        }
        self
    }

    /// Whether a rule came into force later than the first record: only then must [`crate::Guards::came_at`] be told.
    #[must_use]
    pub fn has_newcomers(&self) -> bool {
        self.rules.iter().any(|rule| rule.active_from.is_some())
    }

    /// Whether any rule concludes from what did not come: only then must [`crate::Feeds`] be told.
    #[must_use]
    pub fn asks_feeds(&self) -> bool {
        self.rules
            .iter()
            .any(|rule| matches!(rule.condition, Condition::Absence { .. }))
    }
}

impl Rule {
    /// Whether it looks at this signal: it is among its sources, and its ground was in force on the day of the event (I7).
    #[must_use]
    pub fn sees(&self, signal: &Signal) -> bool {
        self.sources.cover(signal) && self.in_force.contains(signal.event_date)
    }

    /// What the rule raises, if anything.
    #[must_use]
    pub const fn raises(&self) -> Option<&Raises> {
        match &self.effect {
            Effect::Raise(raises) | Effect::Hold(raises) => Some(raises),
            Effect::Show => None,
        }
    }

    fn fault(&self) -> Option<&'static str> {
        let holds = matches!(self.effect, Effect::Hold(_));
        if holds != (self.purpose == Purpose::Safety) {
            return Some("a hold and the purpose safety belong together (I10)");
        }
        if self.sources.domains.is_empty() && self.sources.kinds.is_empty() {
            return Some("expected at least one domain or kind to look at");
        }
        if let Some(raises) = self.raises()
            && !(Ladder::FIRST_STEP..=Ladder::LAST_STEP).contains(&raises.ladder.starts_at)
        {
            return Some("expected a step of the ladder from 1 to 4");
        }
        if self.muted_by.threshold && !matches!(self.condition, Condition::SingleInMonth { .. }) {
            return Some("the threshold mutes only a lone signal (K5)");
        }
        if let Some(cooldown) = &self.cooldown
            && cooldown.from == CooldownFrom::Raising
            && !cooldown.outcomes.is_empty()
        {
            return Some(
                "a cooldown from the raising knows no result yet: expected no `after_outcomes`",
            );
        }
        self.condition.fault()
    }
}
