//! The rules' own examples, run with the live code: a household on paper, its signals one by one, and what must come of it.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;
use uuid::Uuid;
use voorveld_calendar::amsterdam_midnight;
use voorveld_detect::{
    Closure, Evaluation, Feeds, FieldValue, Guards, KnownTask, Match, Plan, RuleSet, Signal,
    TaskChange, Timeline, evaluate, plan,
};
use voorveld_domain::{
    DebtorId, FieldName, Filing, KindId, Outcome, PartnerId, PartnerType, Presence, Revision,
    RuleId, SignalId, Standing, TaskId, TaskState, Urgency,
};

use crate::Policy;
use crate::catalogue::{SUPPLY_ENDS_ON, SignalCatalogue};
use crate::schema::{signal_fields, suppressed_by};
use crate::tree::Path;
use crate::words::nearest;
use crate::yaml::{Code, Euros, Parsed};

/// A household on paper, its signals one by one, and what must come of it. Run with the live code, each time the rules are read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "example")]
pub(crate) struct ExampleFile {
    /// What it shows, in a few words.
    #[schemars(length(min = 1))]
    pub(crate) name: String,
    /// What comes in, each on the day it is `received`, else on the day it is `on`.
    #[schemars(length(min = 1))]
    signals: Vec<SignalFile>,
    /// A colleague closes what is open.
    closed: Option<ClosedFile>,
    /// Every feed that the rule waits for is complete through this day.
    complete_through: Option<Date>,
    /// A last day on which the household is judged, without a signal.
    judged_on: Option<Date>,
    /// What must have come of it in the end; what is not named is not looked at.
    pub(crate) expect: ExpectFile,
}

/// A signal of an example.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "example_signal")]
struct SignalFile {
    /// Which kind of signals.yaml.
    kind: Parsed<KindId>,
    /// The event date (*signaaldatum*).
    on: Date,
    /// When it came in: on the event date when it is not said.
    received: Option<Date>,
    /// The arrears in euros; cents between quotes, such as "499.99".
    amount: Option<Euros>,
    /// Who sends it: an organisation of the kind's first partner type when it is not said.
    partner: Option<Parsed<PartnerId>>,
    /// Of which type the sender is: the kind's first when it is not said.
    partner_type: Option<Code<PartnerType>>,
    /// Whether the partner calls it a crisis (*crisissignaal*).
    #[serde(default)]
    crisis: bool,
    /// Whether the partner hands over in person (*warme overdracht*).
    #[serde(default)]
    warm_handover: bool,
    /// Whom it names: residents are numbered, 0 is unknown; 1 when it is not said.
    #[serde(default = "first_person")]
    person: u8,
    /// The kind's own fields, as a partner writes them.
    #[serde(default)]
    #[schemars(schema_with = "signal_fields")]
    fields: BTreeMap<Parsed<FieldName>, String>,
    /// The day the partner takes it back.
    withdrawn: Option<Date>,
}

const fn first_person() -> u8 {
    1
}

/// A colleague closes what is open.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "closed")]
struct ClosedFile {
    /// On which day.
    on: Date,
    /// With which result.
    outcome: Code<Outcome>,
}

/// What must have come of an example; what is not named is not looked at.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "expect")]
pub(crate) struct ExpectFile {
    /// Whether the rule has a match.
    #[serde(rename = "match")]
    pub(crate) matches: Option<bool>,
    /// How many matches the rule has.
    #[schemars(range(max = 1000))]
    count: Option<usize>,
    /// The signals that its last match leans on, numbered from 1 in the order they are written.
    #[schemars(inner(range(min = 1, max = 1000)))]
    witnesses: Option<Vec<usize>>,
    /// Whether an open task leans on the rule.
    task: Option<bool>,
    /// How urgent that task is.
    urgency: Option<Code<Urgency>>,
    /// When its term ends.
    due: Option<Date>,
    /// Its step on the ladder: letter, telephone, visit, card.
    #[schemars(range(min = 1, max = 4))]
    step: Option<u8>,
    /// Whether the household is held.
    held: Option<bool>,
    /// What keeps the rule from raising.
    #[serde(default)]
    #[schemars(schema_with = "suppressed_by")]
    suppressed_by: Option<String>,
}

impl ExampleFile {
    /// What is wrong with how the example is written, each with the way to it within the example.
    pub(crate) fn faults(&self, catalogue: &SignalCatalogue) -> Vec<(Path, String)> {
        let mut faults = Vec::new();
        for (index, signal) in self.signals.iter().enumerate() {
            let mut fault = |at: &[&str], message: String| {
                let index = index.to_string();
                let path = ["signals", &index].into_iter().chain(at.iter().copied());
                faults.push((path.map(str::to_owned).collect(), message));
            };
            let Some(kind) = catalogue.get(&signal.kind.0) else {
                let kinds = catalogue.iter().map(|kind| kind.id.as_str());
                let meant = nearest(signal.kind.0.as_str(), kinds);
                fault(
                    &["kind"],
                    format!("`{}` is not a kind of signals.yaml{meant}", signal.kind.0),
                );
                continue;
            };
            for (Parsed(name), raw) in &signal.fields {
                let at = ["fields", name.as_str()];
                match kind.field(name.as_str()) {
                    None => {
                        let names = kind.fields.iter().map(|field| field.name.as_str());
                        let meant = nearest(name.as_str(), names);
                        fault(
                            &at,
                            format!("kind `{}` has no field `{name}`{meant}", kind.id),
                        );
                    }
                    Some(field) if field.parse(raw).is_err() => {
                        fault(&at, format!("`{name}`: expected {}", field.expected()));
                    }
                    Some(_) => {}
                }
            }
            if let Some(Code(partner_type)) = signal.partner_type
                && !kind.partner_types.contains(&partner_type)
            {
                fault(
                    &["partner_type"],
                    format!("`{partner_type}` does not send kind `{}`", kind.id),
                );
            }
        }
        for (index, number) in self.expect.witnesses.iter().flatten().enumerate() {
            if *number > self.signals.len() {
                let path = ["expect", "witnesses", &index.to_string()].map(str::to_owned);
                let message = format!("there is no signal {number} in this example");
                faults.push((path.into(), message));
            }
        }
        faults
    }

    /// What did not come out as the example says.
    pub(crate) fn run(&self, rule: &RuleId, rules: &RuleSet, policy: &Policy) -> Vec<String> {
        let mut paper = Paper::new(rules, policy, self.feeds(rule, rules, policy));
        let mut last = None;
        for step in self.steps() {
            last = Some(match step.act {
                Act::Arrives(number) => paper.record(
                    self.signals[number].signal(number, policy.catalogue()),
                    step.on,
                ),
                Act::Withdrawn(number) => {
                    let mut signal = self.signals[number].signal(number, policy.catalogue());
                    signal.revision = signal.revision.next();
                    signal.standing = Standing::Withdrawn;
                    signal.received_at = noon(step.on);
                    paper.record(signal, step.on)
                }
                Act::Closed(outcome) => paper.close(step.on, outcome),
                Act::Judged => paper.judge_on(step.on),
            });
        }
        let Some((evaluation, planned)) = last else {
            return vec!["expected at least one signal".to_owned()];
        };
        self.expect.compare(rule, &paper, &evaluation, &planned)
    }

    /// The feeds as the example tells them: each kind the rule looks at has a sender, and each of these said as much as the example says.
    fn feeds(&self, rule: &RuleId, rules: &RuleSet, policy: &Policy) -> Feeds {
        let mut feeds = Feeds::default();
        let (Some(through), Some(rule)) = (self.complete_through, rules.get(rule)) else {
            return feeds;
        };
        for kind in &rule.sources.kinds {
            let Some(known) = policy.catalogue().get(kind) else {
                continue;
            };
            let senders = self
                .signals
                .iter()
                .filter_map(|signal| signal.partner.as_ref())
                .map(|partner| partner.0.clone());
            for partner in senders.chain([partner_of(known.default_partner_type())]) {
                feeds.expect(&partner, kind);
                feeds.mark(&partner, kind, through);
            }
        }
        feeds
    }

    /// What happens, day by day; on one day first what comes in, then what is taken back, then what is closed.
    fn steps(&self) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for (number, signal) in self.signals.iter().enumerate() {
            let on = signal.received.unwrap_or(signal.on);
            steps.push(Step {
                on,
                act: Act::Arrives(number),
            });
        }
        for (number, signal) in self.signals.iter().enumerate() {
            if let Some(on) = signal.withdrawn {
                steps.push(Step {
                    on,
                    act: Act::Withdrawn(number),
                });
            }
        }
        if let Some(closed) = self.closed {
            steps.push(Step {
                on: closed.on,
                act: Act::Closed(closed.outcome.0),
            });
        }
        if let Some(on) = self.judged_on {
            steps.push(Step {
                on,
                act: Act::Judged,
            });
        }
        steps.sort_by_key(|step| step.on);
        steps
    }
}

#[derive(Debug, Clone, Copy)]
struct Step {
    on: Date,
    act: Act,
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Arrives(usize),
    Withdrawn(usize),
    Closed(Outcome),
    Judged,
}

/// Who sends a type's signals when an example does not say.
fn partner_of(partner_type: PartnerType) -> PartnerId {
    let slug = partner_type.code().replace('_', "-");
    slug.parse().expect("a code with hyphens is a slug")
}

fn noon(day: Date) -> Timestamp {
    amsterdam_midnight(day)
        .saturating_add(Span::new().hours(12))
        .expect("hours are a fixed length")
}

fn numbered(number: usize) -> Uuid {
    Uuid::from_u128(number as u128 + 1)
}

impl SignalFile {
    fn signal(&self, number: usize, catalogue: &SignalCatalogue) -> Signal {
        let kind = catalogue
            .get(&self.kind.0)
            .expect("an example with an unknown kind was not loaded");
        let partner_type = self
            .partner_type
            .map_or_else(|| kind.default_partner_type(), |code| code.0);
        let mut fields: BTreeMap<FieldName, FieldValue> = self
            .fields
            .iter()
            .filter_map(|(name, raw)| {
                let value = kind.field(name.0.as_str())?.parse(raw).ok()?;
                Some((name.0.clone(), value))
            })
            .collect();
        let event_date = kind.dated_by(&fields).unwrap_or(self.on);
        let supply_end = SUPPLY_ENDS_ON.parse::<FieldName>().expect("a literal slug");
        let supply_ends_on = match fields.remove(&supply_end) {
            Some(FieldValue::Date(day)) => Some(day),
            _ => None,
        };
        let received_at = noon(self.received.unwrap_or(self.on));
        Signal {
            revision: Revision::FIRST,
            filing: Filing::FIRST,
            presence: Presence::LivesHere,
            standing: Standing::Counted,
            id: SignalId::from_uuid(numbered(number)),
            partner: self
                .partner
                .as_ref()
                .map_or_else(|| partner_of(partner_type), |partner| partner.0.clone()),
            partner_type,
            kind: kind.id.clone(),
            domain: kind.domain.clone(),
            event_date,
            first_received_at: received_at,
            received_at,
            amount: self.amount.and_then(|euros| euros.0),
            crisis: self.crisis,
            warm_handover: self.warm_handover,
            supply_ends_on,
            debtor: (self.person > 0)
                .then(|| DebtorId::from_uuid(numbered(usize::from(self.person)))),
            fields,
        }
    }
}

/// One household on paper, judged record by record (K2).
struct Paper<'a> {
    rules: &'a RuleSet,
    policy: &'a Policy,
    timeline: Timeline,
    tasks: Vec<KnownTask>,
    guards: Guards,
    feeds: Feeds,
    as_of: Date,
}

impl<'a> Paper<'a> {
    fn new(rules: &'a RuleSet, policy: &'a Policy, feeds: Feeds) -> Self {
        Self {
            rules,
            policy,
            timeline: Timeline::default(),
            tasks: Vec::new(),
            guards: Guards::default(),
            feeds,
            as_of: Date::MIN,
        }
    }

    fn record(&mut self, signal: Signal, on: Date) -> (Evaluation, Plan) {
        self.as_of = self.as_of.max(on);
        self.timeline.absorb(signal);
        self.judge()
    }

    fn close(&mut self, on: Date, outcome: Outcome) -> (Evaluation, Plan) {
        self.as_of = self.as_of.max(on);
        let closure = Closure {
            on: self.as_of,
            outcome,
        };
        for task in self.tasks.iter_mut().filter(|task| task.state.is_open()) {
            task.state = TaskState::Closed;
            task.closed = Some(closure);
        }
        self.judge()
    }

    fn judge_on(&mut self, on: Date) -> (Evaluation, Plan) {
        self.as_of = self.as_of.max(on);
        self.judge()
    }

    fn judge(&mut self) -> (Evaluation, Plan) {
        let (rules, calendar) = (self.rules, self.policy.calendar());
        let evaluation = evaluate(rules, &self.timeline, calendar, &self.feeds, self.as_of);
        let planned = plan(
            &evaluation,
            &self.timeline,
            &self.tasks,
            &self.guards,
            rules,
            calendar,
            self.as_of,
        );
        for change in &planned.changes {
            self.apply(change);
        }
        (evaluation, planned)
    }

    fn task(&mut self, id: TaskId) -> &mut KnownTask {
        self.tasks
            .iter_mut()
            .find(|task| task.id == id)
            .expect("a plan names only tasks it was told of")
    }

    fn apply(&mut self, change: &TaskChange) {
        match change {
            TaskChange::Raise {
                purpose,
                urgency,
                due_on,
                ladder_step,
                grounds,
            } => self.tasks.push(KnownTask {
                id: TaskId::from_uuid(numbered(self.tasks.len())),
                purpose: *purpose,
                state: TaskState::Open,
                urgency: *urgency,
                due_on: *due_on,
                ladder_step: *ladder_step,
                raised_on: self.as_of,
                closed: None,
                grounds: grounds.clone(),
            }),
            TaskChange::Join {
                task,
                grounds,
                replaced,
                urgency,
                due_on,
                ladder_step,
            } => {
                let task = self.task(*task);
                (task.urgency, task.due_on, task.ladder_step) = (*urgency, *due_on, *ladder_step);
                let renewed = |key| grounds.iter().any(|ground| ground.key() == key);
                task.grounds
                    .retain(|ground| !replaced.contains(&ground.key()) && !renewed(ground.key()));
                task.grounds.extend(grounds.iter().cloned());
            }
            TaskChange::Annotate { task, gone } | TaskChange::Flag { task, gone } => {
                self.task(*task)
                    .grounds
                    .retain(|ground| !gone.contains(&ground.key()));
            }
            TaskChange::Withdraw { task, .. } => {
                let task = self.task(*task);
                task.state = TaskState::Withdrawn;
                task.grounds.clear();
            }
            TaskChange::Hold { reason, .. } => self.guards.held = Some(*reason),
            TaskChange::Merge { task, .. } => {
                let task = self.task(*task);
                task.state = TaskState::Merged;
                task.grounds.clear();
            }
        }
    }
}

impl ExpectFile {
    fn compare(
        &self,
        rule: &RuleId,
        paper: &Paper<'_>,
        evaluation: &Evaluation,
        planned: &Plan,
    ) -> Vec<String> {
        let mut faults = Vec::new();
        let matches: Vec<&Match> = evaluation
            .matches
            .iter()
            .filter(|found| found.rule == *rule)
            .collect();
        let is_matched = !matches.is_empty();
        let task = paper.tasks.iter().find(|task| {
            task.state.is_open() && task.grounds.iter().any(|ground| ground.rule == *rule)
        });
        let suppressed: Vec<&str> = planned
            .suppressed
            .iter()
            .filter(|suppression| suppression.rule == *rule)
            .map(|suppression| suppression.by.code())
            .collect();
        let mut differ = |what: &str, expected: &dyn fmt::Display, found: &dyn fmt::Display| {
            faults.push(format!("{what}: expected {expected}, found {found}"));
        };
        if let Some(expected) = self.matches.filter(|expected| *expected != is_matched) {
            differ("match", &expected, &is_matched);
        }
        if let Some(expected) = self.count.filter(|expected| *expected != matches.len()) {
            differ("count", &expected, &matches.len());
        }
        if let Some(expected) = &self.witnesses {
            let leaned_on = matches
                .iter()
                .max_by_key(|found| (found.window.to(), found.anchor))
                .map_or(&[][..], |found| &found.witnesses);
            let mut wanted: Vec<SignalId> = expected
                .iter()
                .map(|number| SignalId::from_uuid(numbered(number.saturating_sub(1))))
                .collect();
            wanted.sort_unstable();
            if wanted != leaned_on {
                let numbers: Vec<String> = leaned_on
                    .iter()
                    .map(|id| id.uuid().as_u128().to_string())
                    .collect();
                differ(
                    "witnesses",
                    &format_args!("{expected:?}"),
                    &format_args!("[{}]", numbers.join(", ")),
                );
            }
        }
        if let Some(expected) = self.task.filter(|expected| *expected != task.is_some()) {
            differ("task", &expected, &task.is_some());
        }
        let of_task =
            |read: &dyn Fn(&KnownTask) -> String| task.map_or_else(|| "no task".to_owned(), read);
        for (what, expected, found) in [
            (
                "urgency",
                self.urgency.map(|code| code.0.to_string()),
                of_task(&|task| task.urgency.to_string()),
            ),
            (
                "due",
                self.due.map(|day| day.to_string()),
                of_task(&|task| task.due_on.to_string()),
            ),
            (
                "step",
                self.step.map(|step| step.to_string()),
                of_task(&|task| task.ladder_step.to_string()),
            ),
        ] {
            if let Some(expected) = expected.filter(|expected| *expected != found) {
                differ(what, &expected, &found);
            }
        }
        let held = paper.guards.held.is_some();
        if let Some(expected) = self.held.filter(|expected| *expected != held) {
            differ("held", &expected, &held);
        }
        if let Some(expected) = &self.suppressed_by
            && !suppressed.contains(&expected.as_str())
        {
            differ("suppressed_by", expected, &suppressed.join(", "));
        }
        faults
    }
}
