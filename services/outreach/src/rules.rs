//! What every rule of a task's purpose says of its household: the trail of `detect`, as the page shows it.
//!
//! Recomputed when somebody looks, from what is stored and by the rules in force, in the same words as `voorveld explain`. Only while the task
//! asks for something: after that its household may be somebody else's, and what came since is not this team's to see. Of a signal that no
//! ground of the task leans on it says that it is there, and never what it holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use uuid::Uuid;
use voorveld_detect::explain::{self, Asked, Language};
use voorveld_detect::trail::{Earlier, Fate, MatchTrail, Measured, RuleTrail, SignalTrail, Trail};
use voorveld_detect::{About, Evidence, Measure, Quantity, SuppressedBy};
use voorveld_domain::SignalId;
use voorveld_recall::{Recalled, Retention, Sight, recall};
use voorveld_store::tasks::TaskFile;

use crate::access::is_stopped;
use crate::desk::{Desk, persons};

/// What can be told of the rules on a task's page.
#[derive(Debug)]
pub(crate) enum RulesTold {
    /// What each says.
    All(Box<RulesView>),
    /// There is nothing to tell here.
    Nothing,
    /// It could not be told now; why is in the log.
    Failed,
}

/// All rules of a task's purpose.
#[derive(Debug)]
pub(crate) struct RulesView {
    /// The language of every sentence here.
    pub language: Language,
    /// The words around what is told.
    pub around: &'static Around,
    /// `1 van de 7 regels geldt hier.`
    pub summary: String,
    /// On which day and by which set of rules.
    pub judged: String,
    /// Which signals they look at, when that is the same for all of them; else each rule says so.
    pub looks_at: Option<String>,
    /// One per rule, those that are true first.
    pub rules: Vec<RuleView>,
    /// On what the task stands besides: a rule that is in force no more, and what it said.
    pub former: Vec<(String, EarlierView)>,
    /// What may make this come out differently.
    pub may_change: Vec<String>,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct RuleView {
    /// Which rule.
    pub id: String,
    /// Which version of it.
    pub version: u32,
    /// The municipality's own words.
    pub title: String,
    /// The municipality's own words.
    pub explanation: String,
    /// Whether it is true of this household.
    pub fired: bool,
    /// The same in one word.
    pub answer: &'static str,
    /// Which signals it looks at.
    pub looks_at: String,
    /// What it asks.
    pub asks: String,
    /// What that is made of, with how deep it lies.
    pub parts: Vec<(usize, String)>,
    /// What follows and what keeps it from following.
    pub follows: Vec<String>,
    /// Of a silent rule, what came nearest.
    pub nearest: Vec<String>,
    /// Each time it is true, newest first.
    pub matches: Vec<MatchView>,
    /// What an earlier version said, where the task stands on that.
    pub earlier: Vec<EarlierView>,
}

/// One match.
#[derive(Debug)]
pub(crate) struct MatchView {
    /// Its days.
    pub period: String,
    /// Threshold against value.
    pub measured: Vec<String>,
    /// The signals it leans on.
    pub signals: Vec<LeanedOn>,
    /// What became of it.
    pub outcome: String,
}

/// A signal that a match leans on, with whose it is as the page calls them (K13).
#[derive(Debug)]
pub(crate) struct LeanedOn {
    /// Persoon A, Onbekende persoon.
    pub person: String,
    /// Kind and partner type.
    pub what: String,
    /// When.
    pub date: String,
    /// How much.
    pub sum: Option<String>,
}

/// What an earlier version of a rule said.
#[derive(Debug)]
pub(crate) struct EarlierView {
    /// Which version.
    pub version: u32,
    /// Since when that is on the task.
    pub since: String,
    /// What it said then.
    pub words: String,
}

/// The words around the trail.
#[derive(Debug)]
pub(crate) struct Around {
    pub heading: &'static str,
    pub other_language: &'static str,
    pub other_code: &'static str,
    pub asks: &'static str,
    pub found: &'static str,
    pub nearest: &'static str,
    pub follows: &'static str,
    pub looks_at: &'static str,
    pub rule: &'static str,
    pub version: &'static str,
    pub earlier: &'static str,
    pub former: &'static str,
    pub may_change: &'static str,
    pub not_here: &'static str,
    pub below_threshold: &'static str,
}

const DUTCH: Around = Around {
    heading: "Alle regels",
    other_language: "In English",
    other_code: "en",
    asks: "Vraagt",
    found: "Gevonden",
    nearest: "Kwam het dichtst in de buurt",
    follows: "Wat dan volgt",
    looks_at: "Kijkt naar",
    rule: "Regel",
    version: "versie",
    earlier: "Deze taak staat op een eerdere versie van deze regel. Toen stond er:",
    former: "Deze taak staat ook op een regel die niet meer geldt. Toen stond er:",
    may_change: "Wat kan nog veranderen",
    not_here: "Wat dit signaal precies zegt, staat hier niet: het hoort niet bij deze taak.",
    below_threshold: "Geen taak: elk bedrag is lager dan de drempel, en er is geen andere soort partner en geen eerder signaal.",
};

const ENGLISH: Around = Around {
    heading: "All rules",
    other_language: "In het Nederlands",
    other_code: "nl",
    asks: "Asks",
    found: "Found",
    nearest: "Came nearest",
    follows: "What follows then",
    looks_at: "Looks at",
    rule: "Rule",
    version: "version",
    earlier: "This task stands on an earlier version of this rule. Then it said:",
    former: "This task also stands on a rule that is in force no more. Then it said:",
    may_change: "What may still change",
    not_here: "What exactly this signal says is not told here: it does not belong to this task.",
    below_threshold: "No task: every amount is below the threshold, and there is no other type of partner and no earlier signal.",
};

impl Desk {
    /// What every rule of this task's purpose says of its household. Nothing on a task that is stopped or has ended, and when nothing is stored
    /// of its household any more. Who may see the task was asked before: this takes its file. That it fails keeps nobody from the task itself.
    pub async fn rules(&self, file: &TaskFile, language: Language) -> RulesTold {
        let task = &file.task;
        if is_stopped(task.purpose, task.held) || !task.state.is_open() {
            return RulesTold::Nothing;
        }
        let today = self.clock.today();
        let policy = self.policy();
        let retention = Retention::of(policy.rules());
        let recalled = match recall(self.store(), &retention, task.household, today).await {
            Ok(Some(recalled)) => recalled,
            Ok(None) => return RulesTold::Nothing,
            Err(error) if error.is_transient() => {
                tracing::warn!(%error, "all rules could not be told");
                return RulesTold::Failed;
            }
            Err(error) => {
                tracing::error!(%error, task.id = %task.id, "all rules cannot be told");
                return RulesTold::Failed;
            }
        };
        let sight = Sight::of_task(task.purpose);
        let trail = recalled.trail(
            sight,
            policy.rules(),
            policy.calendar(),
            &policy.words().in_language(language),
            today,
        );
        let shown = Shown {
            persons: Persons::of(file, &recalled, language),
            on_task: file.signals.iter().map(|signal| signal.id).collect(),
            others_on: recalled
                .rows
                .iter()
                .filter(|row| sight.shows(row, policy.rules()))
                .filter(|row| file.signals.iter().all(|signal| signal.id != row.signal))
                .map(|row| row.event_date)
                .collect(),
            around: match language {
                Language::Dutch => &DUTCH,
                Language::English => &ENGLISH,
            },
        };
        RulesTold::All(Box::new(view(trail, &shown)))
    }
}

fn view(trail: Trail, shown: &Shown) -> RulesView {
    let language = trail.language;
    let fired = trail.rules.iter().filter(|rule| rule.fired).count();
    let all = trail.rules.len();
    let day = explain::date_in_words(trail.as_of, language);
    let set = trail.rule_set.to_string();
    let set = &set[..12];
    let (summary, judged) = match language {
        Language::Dutch => (
            match fired {
                0 if all == 1 => "De regel geldt hier niet".to_owned(),
                1 if all == 1 => "De regel geldt hier".to_owned(),
                1 => format!("1 van de {all} regels geldt hier"),
                some => format!("{some} van de {all} regels gelden hier"),
            },
            format!(
                "Opnieuw bekeken op {day}, met de regels die nu gelden (verzameling {set}) en de signalen die nu meetellen."
            ),
        ),
        Language::English => (
            match fired {
                0 if all == 1 => "The rule does not hold here".to_owned(),
                1 if all == 1 => "The rule holds here".to_owned(),
                1 => format!("1 of the {all} rules holds here"),
                some => format!("{some} of the {all} rules hold here"),
            },
            format!(
                "Looked at anew on {day}, by the rules in force now (set {set}) and the signals that count now. Names of rules and kinds of signal are in \
                 Dutch."
            ),
        ),
    };
    let mut rules: Vec<RuleView> = trail
        .rules
        .into_iter()
        .map(|rule| rule_view(rule, shown, language))
        .collect();
    rules.sort_by_key(|rule| !rule.fired);
    let looks_at = rules
        .first()
        .map(|first| first.looks_at.clone())
        .filter(|first| rules.iter().all(|rule| rule.looks_at == *first));
    RulesView {
        language,
        around: shown.around,
        summary,
        judged,
        looks_at,
        rules,
        former: trail
            .former
            .into_iter()
            .map(|former| (former.rule.to_string(), earlier_view(former.said, language)))
            .collect(),
        may_change: trail.may_change,
    }
}

fn rule_view(rule: RuleTrail, shown: &Shown, language: Language) -> RuleView {
    let mut parts = Vec::new();
    flatten(&rule.asks, 1, &mut parts);
    RuleView {
        id: rule.rule.to_string(),
        version: rule.version,
        title: rule.title,
        explanation: rule.explanation,
        fired: rule.fired,
        answer: rule.answer,
        looks_at: rule.looks_at,
        asks: rule.asks.text,
        parts,
        follows: rule.follows,
        nearest: shown.sentences(rule.nearest),
        matches: rule
            .matches
            .into_iter()
            .map(|found| match_view(found, shown))
            .collect(),
        earlier: rule
            .earlier
            .into_iter()
            .map(|said| earlier_view(said, language))
            .collect(),
    }
}

fn match_view(found: MatchTrail, shown: &Shown) -> MatchView {
    let all_on_task = found
        .signals
        .iter()
        .all(|signal| shown.on_task.contains(&signal.id));
    let outcome = match found.fate {
        Fate::Suppressed(SuppressedBy::Threshold { .. }) if !all_on_task => {
            shown.around.below_threshold.to_owned()
        }
        _ => found.outcome,
    };
    MatchView {
        period: found.period,
        measured: shown.sentences(found.measured),
        signals: found
            .signals
            .into_iter()
            .map(|signal: SignalTrail| LeanedOn {
                person: shown.persons.of_signal(signal.id),
                what: signal.what,
                date: signal.date,
                sum: signal.sum.filter(|_| shown.on_task.contains(&signal.id)),
            })
            .collect(),
        outcome,
    }
}

/// How much of the trail a task's page shows.
struct Shown {
    persons: Persons,
    /// The signals that the page shows whole: those behind the task's grounds.
    on_task: BTreeSet<SignalId>,
    /// The dates of the others that rules of this purpose look at.
    others_on: Vec<Date>,
    around: &'static Around,
}

impl Shown {
    /// The sentences, each as it is unless it tells what a signal holds that is not on this task.
    fn sentences(&self, measured: Vec<Measured>) -> Vec<String> {
        let mut told: Vec<String> = Vec::with_capacity(measured.len());
        for one in measured {
            let words = if self.tells_of_another(&one.evidence) {
                self.around.not_here.to_owned()
            } else {
                one.words
            };
            if !told.contains(&words) {
                told.push(words);
            }
        }
        told
    }

    fn tells_of_another(&self, evidence: &Evidence) -> bool {
        let holds = |quantity: &Quantity| {
            matches!(
                quantity,
                Quantity::Cents(_)
                    | Quantity::Money(_)
                    | Quantity::Number(_)
                    | Quantity::Date(_)
                    | Quantity::Code(_)
            )
        };
        let of_another = match evidence.about {
            About::Signal(id) => !self.on_task.contains(&id),
            About::Period(period) => self.others_on.iter().any(|day| period.contains(*day)),
            About::Month(month) => self
                .others_on
                .iter()
                .any(|day| month.period().contains(*day)),
            About::Household => false,
        };
        // How far partners delivered is of no signal.
        evidence.measure != Measure::FeedsComplete && holds(&evidence.value) && of_another
    }
}

fn earlier_view(said: Earlier, language: Language) -> EarlierView {
    EarlierView {
        version: said.version,
        since: explain::date_in_words(said.since, language),
        words: said.words,
    }
}

fn flatten(asked: &Asked, depth: usize, into: &mut Vec<(usize, String)>) {
    for part in &asked.parts {
        // Deeper than the eye can follow, it stays where it is.
        into.push((depth.min(3), part.text.clone()));
        flatten(part, depth + 1, into);
    }
}

/// What the page calls whom a signal names.
struct Persons {
    by_key: BTreeMap<Uuid, String>,
    debtors: BTreeMap<SignalId, Uuid>,
    another: &'static str,
    unknown: &'static str,
}

impl Persons {
    fn of(file: &TaskFile, recalled: &Recalled, language: Language) -> Self {
        let (person, another, unknown) = match language {
            Language::Dutch => ("Persoon", "Een andere persoon", "Onbekende persoon"),
            Language::English => ("Person", "Another person", "Unknown person"),
        };
        // The same letters, in the same order, as above on the page.
        let by_key = persons(&file.signals)
            .into_iter()
            .filter(|person| person.known)
            .zip('A'..='Z')
            .map(|(one, letter)| (one.key, format!("{person} {letter}")))
            .collect();
        let debtors = recalled
            .rows
            .iter()
            .filter_map(|row| Some((row.signal, row.debtor?.uuid())))
            .collect();
        Self {
            by_key,
            debtors,
            another,
            unknown,
        }
    }

    fn of_signal(&self, signal: SignalId) -> String {
        match self.debtors.get(&signal) {
            Some(debtor) => self
                .by_key
                .get(debtor)
                .cloned()
                .unwrap_or_else(|| self.another.to_owned()),
            None => self.unknown.to_owned(),
        }
    }
}
