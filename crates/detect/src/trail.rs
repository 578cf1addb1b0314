//! The whole trail of one household: every rule, fired or silent, in the words of [`crate::explain`].
//!
//! Who prints it, draws it or sends it says these words and no others, so that the team, the privacy officer and the resident read the same.
//! Made of nothing but what is stored; who may see which rule and which signal is for the caller, who asks with less
//! ([`RuleSet::limited_to`]) rather than leaving out afterwards: what a rule of another purpose waits for is not told either (K1).

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use voorveld_calendar::{Calendar, Period};
use voorveld_domain::{Cents, KindId, PartnerType, Purpose, RuleId, SignalId, Urgency};

use crate::explain::{self, Asked, Language, MayChange, Words};
use crate::rule::{Effect, Rule, RuleSet, RuleSetHash};
use crate::task::{Ground, GroundKey, Guards, KnownTask, Plan, SuppressedBy, TaskChange};
use crate::{Anchor, Evaluation, Evidence, Feeds, Match, Signal, Timeline, evaluate, plan};

/// What is known of a household when somebody looks.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its signals.
    pub timeline: &'a Timeline,
    /// Its tasks, open and closed.
    pub tasks: &'a [KnownTask],
    /// What stands around them.
    pub guards: &'a Guards,
    /// How far the feeds are complete.
    pub feeds: &'a Feeds,
    /// Matches that were found to have been there before their rule came into force, where the caller cannot tell since when a rule judges
    /// ([`Rule::active_from`]).
    pub before_activation: &'a BTreeSet<GroundKey>,
}

/// What every rule says of a household, told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    /// In which language.
    pub language: Language,
    /// The day it was judged for (T2).
    pub as_of: Date,
    /// By which published set.
    pub rule_set: RuleSetHash,
    /// One per rule, in order of rule id; silent ones too.
    pub rules: Vec<RuleTrail>,
    /// On what the open tasks stand besides: rules that are in force no more.
    pub former: Vec<Former>,
    /// What may make this come out differently, a sentence each.
    pub may_change: Vec<String>,
    /// The first day on which it may, without a new signal.
    pub next_look: Option<Date>,
    /// Whether it waits for partners to say that everything is delivered.
    pub awaits_feeds: bool,
}

/// What one rule asks and what it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTrail {
    /// Which rule.
    pub rule: RuleId,
    /// In which version.
    pub version: u32,
    /// Its title, the municipality's own words.
    pub title: String,
    /// What it does, the municipality's own words.
    pub explanation: String,
    /// What it is for.
    pub purpose: Purpose,
    /// Which signals it looks at.
    pub looks_at: String,
    /// When it is true.
    pub asks: Asked,
    /// What follows, and what may keep it from following.
    pub follows: Vec<String>,
    /// Whether it is true of this household.
    pub fired: bool,
    /// The same in one word.
    pub answer: &'static str,
    /// Of a silent rule: what came nearest.
    pub nearest: Vec<Measured>,
    /// Of a rule that is true: each time it is, newest first.
    pub matches: Vec<MatchTrail>,
    /// What it said in an earlier version, where a task still stands on that.
    pub earlier: Vec<Earlier>,
}

/// One match of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchTrail {
    /// What names it among those of its rule (M2).
    pub anchor: Anchor,
    /// The days it looks at.
    pub window: Period,
    /// The same in words.
    pub period: String,
    /// The signals it leans on, in order of events.
    pub signals: Vec<SignalTrail>,
    /// Threshold against value.
    pub measured: Vec<Measured>,
    /// What became of it.
    pub fate: Fate,
    /// The same in words.
    pub outcome: String,
}

/// A signal that a match leans on. Whose it is, is not known here (I9, K13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalTrail {
    /// Which signal.
    pub id: SignalId,
    /// Its kind.
    pub kind: KindId,
    /// What sort of organisation sent it.
    pub partner_type: PartnerType,
    /// The event date (T1).
    pub on: Date,
    /// The amount, when told.
    pub amount: Option<Cents>,
    /// Kind and partner type in words.
    pub what: String,
    /// The date in words.
    pub date: String,
    /// The amount in words.
    pub sum: Option<String>,
}

/// One measure and its sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// What was measured.
    pub evidence: Evidence,
    /// The same in words.
    pub words: String,
}

/// A ground that an earlier version of a rule gave to a task: its words are those of then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Which version.
    pub version: u32,
    /// Since when it is on the task.
    pub since: Date,
    /// What was measured then, in words.
    pub words: String,
}

/// A ground of a rule that is in force no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// Which rule.
    pub rule: RuleId,
    /// What it said.
    pub said: Earlier,
}

/// What became of a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is a ground of the open task.
    OnTask {
        /// Since when.
        since: Date,
        /// By when it wants to be seen to.
        due_on: Date,
        /// It only repeats what was known (K6).
        repeat: bool,
    },
    /// It raises a task, as soon as the household is judged.
    Raises {
        /// How soon that wants attention.
        urgency: Urgency,
        /// By when.
        due_on: Date,
    },
    /// It joins the open task, as soon as the household is judged.
    Joins {
        /// By when it wants to be seen to.
        due_on: Date,
    },
    /// All its signals are on a task that was closed (K4).
    Answered,
    /// Its rule only shows.
    Shown,
    /// Something keeps it from raising.
    Suppressed(SuppressedBy),
}

impl Fate {
    /// The stable code, for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::OnTask { .. } => "on_task",
            Self::Raises { .. } => "raises",
            Self::Joins { .. } => "joins",
            Self::Answered => "answered",
            Self::Shown => "shown",
            Self::Suppressed(_) => "suppressed",
        }
    }
}

/// Tells what every rule of this set says of a household. Calls what live calls (I6).
#[must_use]
pub fn trail(
    rules: &RuleSet,
    known: Known<'_>,
    calendar: &Calendar,
    words: &Words,
    as_of: Date,
) -> Trail {
    let evaluation = evaluate(rules, known.timeline, calendar, known.feeds, as_of);
    let plan = plan(
        &evaluation,
        known.timeline,
        known.tasks,
        known.guards,
        rules,
        calendar,
        as_of,
    );
    let teller = Teller {
        known,
        fates: fates(&plan, known),
        rules,
        words,
    };
    let next_look = [evaluation.next_look, plan.look_again_on]
        .into_iter()
        .flatten()
        .min();
    let may_change = [
        next_look.map(MayChange::On),
        evaluation.awaits_feeds.then_some(MayChange::Feeds),
        next_expiry(rules, known.timeline, as_of).map(MayChange::Expires),
        Some(MayChange::Signals),
    ];
    Trail {
        language: words.language,
        as_of,
        rule_set: rules.hash(),
        rules: rules
            .rules()
            .iter()
            .map(|rule| teller.rule(rule, &evaluation))
            .collect(),
        former: teller.former(),
        may_change: may_change
            .iter()
            .flatten()
            .map(|what| explain::may_change(what, words.language))
            .collect(),
        next_look,
        awaits_feeds: evaluation.awaits_feeds,
    }
}

/// The first day on which one of the signals that a rule looks at counts no longer (S4).
fn next_expiry(rules: &RuleSet, timeline: &Timeline, as_of: Date) -> Option<Date> {
    timeline
        .counted(rules.settings(), as_of)
        .into_iter()
        .filter(|signal| {
            let mut readers = rules.rules().iter();
            readers.any(|rule| rule.sources.cover(signal))
        })
        .filter_map(|signal| rules.settings().expires_on(&signal.kind, signal.event_date))
        .min()
}

/// What becomes of each match that has something to say, by its key.
fn fates(plan: &Plan, known: Known<'_>) -> BTreeMap<GroundKey, Fate> {
    let mut fates = BTreeMap::new();
    for change in &plan.changes {
        let (grounds, urgency) = match change {
            TaskChange::Raise {
                grounds, urgency, ..
            } => (grounds, Some(*urgency)),
            TaskChange::Join { grounds, .. } => (grounds, None),
            _ => continue,
        };
        for ground in grounds {
            let due_on = ground.due_on;
            let fate = match urgency {
                Some(urgency) => Fate::Raises { urgency, due_on },
                None => Fate::Joins { due_on },
            };
            fates.insert(ground.key(), fate);
        }
    }
    for task in known.tasks.iter().filter(|task| task.state.is_open()) {
        for ground in &task.grounds {
            let fate = Fate::OnTask {
                since: ground.added_on,
                due_on: ground.due_on,
                repeat: ground.repeat,
            };
            fates.insert(ground.key(), fate);
        }
    }
    for suppression in &plan.suppressed {
        let key = GroundKey {
            rule: suppression.rule.clone(),
            anchor: suppression.anchor,
        };
        fates.insert(key, Fate::Suppressed(suppression.by));
    }
    for key in known.before_activation {
        if let Some(fate @ Fate::Raises { .. }) = fates.get_mut(key) {
            *fate = Fate::Suppressed(SuppressedBy::BeforeActivation);
        }
    }
    fates
}

struct Teller<'a> {
    known: Known<'a>,
    fates: BTreeMap<GroundKey, Fate>,
    rules: &'a RuleSet,
    words: &'a Words,
}

impl Teller<'_> {
    fn rule(&self, rule: &Rule, evaluation: &Evaluation) -> RuleTrail {
        let mut found: Vec<&Match> = evaluation
            .matches
            .iter()
            .filter(|found| found.rule == rule.id)
            .collect();
        found.sort_by_key(|found| std::cmp::Reverse((found.window.to(), found.anchor)));
        let verdict = evaluation
            .verdicts
            .iter()
            .find(|verdict| verdict.rule == rule.id);
        let fired = !found.is_empty();
        RuleTrail {
            rule: rule.id.clone(),
            version: rule.version,
            title: rule.title.clone(),
            explanation: rule.explanation.clone(),
            purpose: rule.purpose,
            looks_at: explain::looks_at(&rule.sources, self.words),
            asks: explain::asks(rule, self.words),
            follows: explain::follows(rule, self.rules.settings(), self.words),
            fired,
            answer: explain::answer(fired, self.words.language),
            nearest: verdict
                .filter(|_| !fired)
                .map(|verdict| self.measured(&verdict.why))
                .unwrap_or_default(),
            matches: found
                .into_iter()
                .map(|found| self.found(rule, found))
                .collect(),
            earlier: self.earlier(rule),
        }
    }

    fn found(&self, rule: &Rule, found: &Match) -> MatchTrail {
        let mut signals: Vec<&Signal> = found
            .witnesses
            .iter()
            .filter_map(|id| self.known.timeline.get(*id))
            .collect();
        signals.sort_unstable_by_key(|signal| signal.event_order());
        let key = GroundKey {
            rule: found.rule.clone(),
            anchor: found.anchor,
        };
        let fate = match (&rule.effect, self.fates.get(&key)) {
            (Effect::Show, _) => Fate::Shown,
            (_, Some(fate)) => *fate,
            // Only what has something unanswered to say is planned with.
            (_, None) => Fate::Answered,
        };
        MatchTrail {
            anchor: found.anchor,
            window: found.window,
            period: explain::period_in_words(found.window, self.words.language),
            signals: signals
                .into_iter()
                .map(|signal| self.signal(signal))
                .collect(),
            measured: self.measured(&found.evidence),
            fate,
            outcome: explain::fate(&fate, self.words),
        }
    }

    fn signal(&self, signal: &Signal) -> SignalTrail {
        let language = self.words.language;
        SignalTrail {
            id: signal.id,
            kind: signal.kind.clone(),
            partner_type: signal.partner_type,
            on: signal.event_date,
            amount: signal.amount,
            what: format!(
                "{} ({})",
                self.words.kind(&signal.kind),
                explain::partner_type(signal.partner_type, language)
            ),
            date: explain::date_in_words(signal.event_date, language),
            sum: signal
                .amount
                .map(|amount| explain::euros(i64::from(amount.get()), language)),
        }
    }

    fn measured(&self, evidence: &[Evidence]) -> Vec<Measured> {
        evidence
            .iter()
            .map(|one| Measured {
                evidence: one.clone(),
                words: explain::sentence(one, self.words),
            })
            .collect()
    }

    fn earlier(&self, rule: &Rule) -> Vec<Earlier> {
        self.standing()
            .filter(|ground| ground.rule == rule.id && ground.version != rule.version)
            .map(|ground| self.said(ground))
            .collect()
    }

    fn former(&self) -> Vec<Former> {
        self.standing()
            .filter(|ground| self.rules.get(&ground.rule).is_none())
            .map(|ground| Former {
                rule: ground.rule.clone(),
                said: self.said(ground),
            })
            .collect()
    }

    /// The grounds of the tasks that ask for something.
    fn standing(&self) -> impl Iterator<Item = &Ground> {
        self.known
            .tasks
            .iter()
            .filter(|task| task.state.is_open())
            .flat_map(|task| &task.grounds)
    }

    fn said(&self, ground: &Ground) -> Earlier {
        Earlier {
            version: ground.version,
            since: ground.added_on,
            words: explain::all_evidence(&ground.evidence, self.words),
        }
    }
}
