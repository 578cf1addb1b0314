//! A household on paper: the debt rules that are on by default, signals made in a line, tasks changed as a plan asks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::civil::Date;
use jiff::{Span, Timestamp};
use uuid::Uuid;
use voorveld_calendar::{Calendar, Term, amsterdam_midnight, plus_days};
use voorveld_domain::{
    Cents, DebtorId, Filing, HoldReason, Outcome, PartnerType, Presence, Purpose, RegistrationKind,
    RegistrationReason, Revision, SignalId, Standing, TaskId, TaskState, Urgency,
};

use crate::*;

pub(super) fn cents(raw: i64) -> Cents {
    Cents::try_from(raw).expect("an amount in range")
}

pub(super) fn signal_id(number: u32) -> SignalId {
    SignalId::from_uuid(Uuid::from_u128(u128::from(number)))
}

pub(super) fn number_of(id: SignalId) -> u128 {
    id.uuid().as_u128()
}

/// Noon in Amsterdam, give or take the summer.
pub(super) fn noon(day: Date) -> Timestamp {
    amsterdam_midnight(day)
        .checked_add(Span::new().hours(12))
        .expect("an instant within the calendar")
}

fn rule(id: &str, condition: Condition, effect: Effect) -> Rule {
    let safety = matches!(effect, Effect::Hold(_));
    let domain = if safety { "safety" } else { "debt" };
    Rule {
        id: id.parse().expect("a rule id"),
        version: 1,
        title: id.into(),
        explanation: String::new(),
        purpose: if safety {
            Purpose::Safety
        } else {
            Purpose::DebtHelp
        },
        legal_basis: "test".into(),
        sources: Sources {
            domains: [domain.parse().expect("a domain")].into(),
            kinds: BTreeSet::new(),
        },
        condition,
        effect,
        muted_by: MutedBy::default(),
        cooldown: None,
        not_older_than_days: None,
        retention_days: 365,
        in_force: voorveld_calendar::Period::new(Date::MIN, Date::MAX),
        active_from: None,
    }
}

fn raise(urgency: Urgency, deadline: Deadline, starts_at: u8) -> Effect {
    Effect::Raise(Raises {
        urgency,
        deadline,
        ladder: Ladder {
            starts_at,
            step_up: false,
        },
    })
}

const FORTNIGHT: Deadline = Deadline::Term(Term::CalendarDays(14));

/// The rules of domain.md §6 that are on by default, as `config/rules` ships them in words.
pub(super) fn default_rules() -> Vec<Rule> {
    let mut single = rule(
        "debt.single",
        Condition::SingleInMonth {
            partner_types: 2,
            preceding_months: 6,
        },
        raise(Urgency::Routine, FORTNIGHT, 1),
    );
    single.muted_by = MutedBy {
        threshold: true,
        repeat: true,
        known_client: true,
        unless_risen: false,
    };
    let multiple = rule(
        "debt.multiple",
        Condition::ConcurrentInMonth { partner_types: 2 },
        raise(Urgency::Raised, FORTNIGHT, 2),
    );
    let mut consecutive = rule(
        "debt.consecutive",
        Condition::ConsecutiveMonths {
            preceding_months: 6,
        },
        Effect::Raise(Raises {
            urgency: Urgency::Routine,
            deadline: FORTNIGHT,
            ladder: Ladder {
                starts_at: 1,
                step_up: true,
            },
        }),
    );
    consecutive.muted_by.repeat = true;
    let mut high_amount = rule(
        "debt.high_amount",
        Condition::EachSignal(Predicate::AnyOf(vec![
            Predicate::AmountAtLeast(cents(50_000)),
            Predicate::AmountAtLeastTimes {
                times: 2,
                field: "monthly_rent".parse().expect("a field"),
            },
        ])),
        raise(Urgency::Raised, FORTNIGHT, 2),
    );
    high_amount.muted_by.repeat = true;
    let three_days = Deadline::Term(Term::WorkingDays(3));
    let crisis = rule(
        "debt.crisis",
        Condition::EachSignal(Predicate::Crisis),
        raise(Urgency::Crisis, three_days, 2),
    );
    let end_of_supply = rule(
        "debt.end_of_supply",
        Condition::EachSignal(Predicate::SupplyEnd),
        raise(
            Urgency::Crisis,
            Deadline::SupplyEnd {
                working_days: 3,
                before_end_working_days: 10,
            },
            2,
        ),
    );
    let warm = rule(
        "debt.warm_handover",
        Condition::EachSignal(Predicate::WarmHandover),
        raise(Urgency::Raised, Deadline::Term(Term::WorkingDays(1)), 2),
    );
    let flag = |name: &str| Predicate::Field {
        name: name.parse().expect("a field"),
        test: FieldTest::Is(true),
    };
    let meldcode = rule(
        "safety.meldcode",
        Condition::EachSignal(Predicate::AnyOf(vec![flag("acute"), flag("structural")])),
        Effect::Hold(Raises {
            urgency: Urgency::Crisis,
            deadline: Deadline::Term(Term::WorkingDays(1)),
            ladder: Ladder {
                starts_at: 1,
                step_up: false,
            },
        }),
    );
    vec![
        single,
        multiple,
        consecutive,
        high_amount,
        crisis,
        end_of_supply,
        warm,
        meldcode,
    ]
}

pub(super) fn rule_set(rules: Vec<Rule>) -> RuleSet {
    RuleSet::new(rules, RuleSettings::default(), RuleSetHash([0; 32])).expect("a sound set")
}

pub(super) fn debt_signal(number: u32, partner_type: PartnerType, event_date: Date) -> Signal {
    Signal {
        revision: Revision::FIRST,
        filing: Filing::FIRST,
        presence: Presence::LivesHere,
        standing: Standing::Counted,
        id: signal_id(number),
        partner: partner_type
            .code()
            .replace('_', "-")
            .parse()
            .expect("a partner"),
        partner_type,
        kind: format!("{}_arrears", partner_type.code())
            .parse()
            .expect("a kind"),
        domain: "debt".parse().expect("a domain"),
        event_date,
        first_received_at: noon(event_date),
        received_at: noon(event_date),
        amount: Some(cents(20_000)),
        crisis: false,
        warm_handover: false,
        supply_ends_on: None,
        debtor: Some(DebtorId::from_uuid(Uuid::from_u128(1))),
        fields: BTreeMap::new(),
    }
}

/// One household, its tasks and what stands around them.
#[derive(Clone)]
pub(super) struct World {
    pub(super) rules: RuleSet,
    pub(super) timeline: Timeline,
    pub(super) tasks: Vec<KnownTask>,
    pub(super) guards: Guards,
    pub(super) objections: Objections,
    /// How many days a signal is kept, whatever its kind.
    pub(super) kept_days: Option<i32>,
    pub(super) calendar: Calendar,
    pub(super) feeds: Feeds,
    pub(super) as_of: Date,
    /// What was found and settled last, as whoever judges live keeps it.
    kept: (Option<Findings>, Settled),
}

impl World {
    pub(super) fn new(rules: RuleSet) -> Self {
        Self {
            rules,
            timeline: Timeline::default(),
            tasks: Vec::new(),
            guards: Guards::default(),
            objections: Objections::default(),
            kept_days: None,
            calendar: Calendar::national(),
            feeds: Feeds::default(),
            as_of: Date::MIN,
            kept: (None, Settled::default()),
        }
    }

    /// The timeline with what is under objection, or expired, taken out of the count.
    fn judged(&self) -> Timeline {
        let judged = self.timeline.judged(|signal| self.standing(signal));
        judged.into_owned()
    }

    fn standing(&self, signal: &Signal) -> Standing {
        let is_over = |days| plus_days(signal.event_date, days) <= self.as_of;
        if self.kept_days.is_some_and(is_over) {
            Standing::Expired
        } else if self.objections.covers(signal) {
            Standing::Objected
        } else {
            Standing::Counted
        }
    }

    pub(super) fn evaluate(&self) -> Evaluation {
        evaluate(
            &self.rules,
            &self.judged(),
            &self.calendar,
            &self.feeds,
            self.as_of,
        )
    }

    fn plan(&self) -> Plan {
        plan(
            &self.evaluate(),
            &self.judged(),
            &self.tasks,
            &self.guards,
            &self.rules,
            &self.calendar,
            self.as_of,
        )
    }

    /// Who takes up what was found and settled before finds and plans the same.
    fn plan_as_live(&mut self, planned: &Plan) {
        self.timeline.look_again_by(&self.rules);
        let standing = |signal: &Signal| self.standing(signal);
        let timeline = self.timeline.judged(standing);
        let (found, mut settled) = std::mem::take(&mut self.kept);
        let found = Findings::renewed(
            found,
            &self.rules,
            &timeline,
            &self.calendar,
            &self.feeds,
            self.as_of,
        );
        assert!(found.matches().eq(&self.evaluate().matches), "found again");
        let kept = found.clone().into_matches();
        assert!(kept.eq(found.matches().cloned()), "kept");
        let household = Planned {
            timeline: &timeline,
            tasks: &self.tasks,
            guards: &self.guards,
            rules: &self.rules,
            calendar: &self.calendar,
            as_of: self.as_of,
        };
        let mut again = plan_again(&found, household, &mut settled);
        let mut planned = planned.clone();
        for plan in [&mut again, &mut planned] {
            plan.suppressed
                .sort_by(|a, b| (&a.rule, a.anchor).cmp(&(&b.rule, b.anchor)));
        }
        assert_eq!(again, planned, "planned again");
        drop(timeline);
        self.kept = (Some(found), settled);
    }

    /// One record: absorb, evaluate, plan, apply (K2).
    pub(super) fn record(&mut self, signal: Signal) -> Plan {
        self.as_of = self
            .as_of
            .max(voorveld_calendar::amsterdam_date(signal.received_at));
        self.timeline.absorb(signal);
        self.judge()
    }

    /// A wake-up, or the last part of a record. What a plan asks for, done, must satisfy the next plan.
    pub(super) fn judge(&mut self) -> Plan {
        let planned = self.plan();
        self.plan_as_live(&planned);
        let looks = [self.evaluate().next_look, planned.look_again_on];
        let is_over = |day: &Date| *day <= self.as_of;
        assert!(!looks.iter().flatten().any(is_over), "{looks:?}");
        for change in &planned.changes {
            self.apply(change);
        }
        let again = self.plan();
        assert_eq!(again.changes, [], "planning twice changed something");
        planned
    }

    fn task(&mut self, id: TaskId) -> &mut KnownTask {
        self.tasks
            .iter_mut()
            .find(|task| task.id == id)
            .expect("plan only names tasks it was told of")
    }

    pub(super) fn open(&mut self) -> &mut KnownTask {
        self.tasks
            .iter_mut()
            .find(|task| task.state.is_open())
            .expect("an open task")
    }

    pub(super) fn close(&mut self, outcome: Outcome) {
        let on = self.as_of;
        let task = self.open();
        task.state = TaskState::Closed;
        task.closed = Some(Closure { on, outcome });
    }

    fn apply(&mut self, change: &TaskChange) {
        let drop = |task: &mut KnownTask, keys: &[GroundKey]| {
            task.grounds.retain(|ground| !keys.contains(&ground.key()));
        };
        match change {
            TaskChange::Raise {
                purpose,
                urgency,
                due_on,
                ladder_step,
                grounds,
            } => {
                assert!(
                    !self
                        .tasks
                        .iter()
                        .any(|task| task.purpose == *purpose && task.state.is_open()),
                    "I8: a second open task of one purpose"
                );
                assert!(!grounds.is_empty(), "a task without a ground");
                let number = u128::try_from(self.tasks.len()).expect("few tasks") + 1;
                self.tasks.push(KnownTask {
                    id: TaskId::from_uuid(Uuid::from_u128(number)),
                    purpose: *purpose,
                    state: TaskState::Open,
                    urgency: *urgency,
                    due_on: *due_on,
                    ladder_step: *ladder_step,
                    raised_on: self.as_of,
                    closed: None,
                    grounds: grounds.clone(),
                });
            }
            TaskChange::Join {
                task,
                grounds,
                replaced,
                urgency,
                due_on,
                ladder_step,
            } => {
                let task = self.task(*task);
                assert!(task.urgency <= *urgency && *due_on <= task.due_on, "T5");
                assert!(task.ladder_step <= *ladder_step, "a ladder goes up");
                (task.urgency, task.due_on, task.ladder_step) = (*urgency, *due_on, *ladder_step);
                drop(task, replaced);
                for ground in grounds {
                    drop(task, &[ground.key()]);
                    task.grounds.push(ground.clone());
                }
            }
            TaskChange::Annotate { task, gone } | TaskChange::Flag { task, gone } => {
                drop(self.task(*task), gone);
            }
            TaskChange::Withdraw { task, gone } => {
                let task = self.task(*task);
                assert_eq!(task.state, TaskState::Open, "K10: only an unclaimed task");
                task.state = TaskState::Withdrawn;
                drop(task, gone);
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

/// Plays a scenario and tells what each line caused.
///
/// A line is a day and what came: `rent 450` (partner type and euros, `-` for none), followed by any of `on=<event date>`,
/// `debtor=<n>`, `rent=<monthly rent>`, `crisis`, `warm`, `ends=<day>`, `acute`; or `correct <n> <euros>`, `redate <n> <day>`, `school <n>`
/// (it was no debt), `withdraw <n>`, `move <n>`, `claim`, `release`, `close <outcome>`, `hold`, `lift`, `known`, `unknown`, `object [<debtor>]`,
/// `unobject`, `exclude <reason> [<debtor>]`, `include`, `keep <days>`, `look`. Signals are numbered as they come.
pub(super) fn play(rules: RuleSet, scenario: &str) -> String {
    let mut told = String::new();
    for (line, plan) in World::new(rules).live(scenario) {
        writeln!(told, "{line}").expect("strings take text");
        for text in plan.iter().flat_map(tell) {
            writeln!(told, "  {text}").expect("strings take text");
        }
    }
    told
}

impl World {
    /// Lives through a scenario as [`play`] reads it: each line with what it caused.
    pub(super) fn live<'a>(&mut self, scenario: &'a str) -> Vec<(&'a str, Option<Plan>)> {
        let mut count = u32::try_from(self.timeline.len()).expect("few signals");
        let lines = scenario.lines().map(str::trim).filter(|l| !l.is_empty());
        lines
            .map(|line| {
                let (day, words) = line.split_once(' ').expect("a day and more");
                let day: Date = day.parse().expect("a day");
                assert!(self.as_of <= day, "scenarios go forward: {line}");
                self.as_of = day;
                let words: Vec<&str> = words.split_whitespace().collect();
                (line, act(self, &mut count, day, &words))
            })
            .collect()
    }
}

fn debtor_id(raw: &str) -> DebtorId {
    let number = raw.parse::<u32>().expect("a number");
    DebtorId::from_uuid(Uuid::from_u128(u128::from(number)))
}

fn exclusion(raw: &str) -> RegistrationReason {
    let reason: RegistrationReason = raw.parse().expect("a reason");
    assert_eq!(reason.kind(), RegistrationKind::Exclusion);
    reason
}

fn euros(raw: &str) -> Option<Cents> {
    (raw != "-").then(|| cents(raw.parse::<i64>().expect("euros") * 100))
}

fn act(world: &mut World, count: &mut u32, day: Date, words: &[&str]) -> Option<Plan> {
    let copy = |world: &World, number: &str| {
        let id = signal_id(number.parse().expect("a signal's number"));
        let mut signal = world.timeline.get(id).expect("a known signal").clone();
        signal.received_at = noon(day);
        signal
    };
    match words {
        ["correct", number, amount] => {
            let mut signal = copy(world, number);
            signal.revision = signal.revision.next();
            signal.standing = Standing::Counted;
            signal.amount = euros(amount);
            Some(world.record(signal))
        }
        ["withdraw", number] => {
            let mut signal = copy(world, number);
            signal.revision = signal.revision.next();
            signal.standing = Standing::Withdrawn;
            Some(world.record(signal))
        }
        ["move", number] => {
            let mut signal = copy(world, number);
            signal.filing = signal.filing.next();
            signal.presence = Presence::MovedAway;
            Some(world.record(signal))
        }
        ["redate", number, date] => {
            let mut signal = copy(world, number);
            signal.revision = signal.revision.next();
            signal.standing = Standing::Counted;
            signal.event_date = date.parse().expect("a day");
            Some(world.record(signal))
        }
        ["school", number] => {
            let mut signal = copy(world, number);
            signal.revision = signal.revision.next();
            signal.standing = Standing::Counted;
            signal.domain = "school".parse().expect("a domain");
            Some(world.record(signal))
        }
        ["claim"] => {
            world.open().state = TaskState::Claimed;
            None
        }
        ["release"] => {
            world.open().state = TaskState::Open;
            Some(world.judge())
        }
        ["close", outcome] => {
            world.close(outcome.parse().expect("an outcome"));
            Some(world.judge())
        }
        ["lift"] => {
            world.guards.held = None;
            Some(world.judge())
        }
        ["hold"] => {
            world.guards.held = Some(HoldReason::UnsafeToVisit);
            Some(world.judge())
        }
        ["known"] => {
            world.guards.known_client = true;
            Some(world.judge())
        }
        ["unknown"] => {
            world.guards.known_client = false;
            Some(world.judge())
        }
        ["object"] => {
            world.objections.household = true;
            Some(world.judge())
        }
        ["object", debtor] => {
            world.objections.debtors.insert(debtor_id(debtor));
            Some(world.judge())
        }
        ["unobject"] => {
            world.objections = Objections::default();
            Some(world.judge())
        }
        ["exclude", reason] => {
            world.guards.excluded.household = Some(exclusion(reason));
            Some(world.judge())
        }
        ["exclude", reason, debtor] => {
            let (debtor, reason) = (debtor_id(debtor), exclusion(reason));
            world.guards.excluded.debtors.insert(debtor, reason);
            Some(world.judge())
        }
        ["include"] => {
            world.guards.excluded = Exclusions::default();
            Some(world.judge())
        }
        ["keep", days] => {
            world.kept_days = Some(days.parse().expect("days"));
            Some(world.judge())
        }
        ["look"] => Some(world.judge()),
        [partner_type, amount, rest @ ..] => {
            *count += 1;
            let partner_type = partner_type.parse().expect("a partner type");
            let mut signal = debt_signal(*count, partner_type, day);
            signal.amount = euros(amount);
            for word in rest {
                describe(&mut signal, word);
            }
            Some(world.record(signal))
        }
        _ => panic!("no such line: {words:?}"),
    }
}

fn describe(signal: &mut Signal, word: &str) {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    match key {
        "on" => signal.event_date = value.parse().expect("a day"),
        "debtor" => {
            signal.debtor = Some(debtor_id(value));
        }
        "rent" => {
            let rent = FieldValue::Number(value.parse().expect("a number"));
            let name = "monthly_rent".parse().expect("a field");
            signal.fields.insert(name, rent);
        }
        "crisis" => signal.crisis = true,
        "warm" => signal.warm_handover = true,
        "ends" => {
            signal.supply_ends_on = Some(value.parse().expect("a day"));
            signal.kind = "supply_end_notice".parse().expect("a kind");
        }
        "acute" => {
            signal.domain = "safety".parse().expect("a domain");
            signal.kind = "reporting_code_report".parse().expect("a kind");
            let name = "acute".parse().expect("a field");
            signal.fields.insert(name, FieldValue::Bool(true));
        }
        _ => panic!("no such word: {word}"),
    }
}

fn tell(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> = plan.changes.iter().map(tell_change).collect();
    for suppression in &plan.suppressed {
        lines.push(format!(
            "silent: {}@{} by {}",
            suppression.rule,
            anchor_text(suppression.anchor),
            suppression.by.code()
        ));
    }
    if let Some(day) = plan.look_again_on {
        lines.push(format!("look again on {day}"));
    }
    lines
}

fn anchor_text(anchor: Anchor) -> String {
    match anchor {
        Anchor::Month(month) => month.to_string(),
        Anchor::Signal(id) => format!("#{}", number_of(id)),
    }
}

fn ground_text(ground: &Ground) -> String {
    let witnesses: Vec<String> = ground
        .witnesses
        .iter()
        .map(|id| number_of(*id).to_string())
        .collect();
    let repeat = if ground.repeat { " (repeat)" } else { "" };
    format!(
        "{}@{} [{}]{repeat}",
        ground.rule,
        anchor_text(ground.anchor),
        witnesses.join(" ")
    )
}

fn key_texts(keys: &[GroundKey]) -> String {
    let texts: Vec<String> = keys
        .iter()
        .map(|key| format!("{}@{}", key.rule, anchor_text(key.anchor)))
        .collect();
    texts.join(", ")
}

fn tell_change(change: &TaskChange) -> String {
    let all = |grounds: &[Ground]| {
        let texts: Vec<String> = grounds.iter().map(ground_text).collect();
        texts.join(", ")
    };
    match change {
        TaskChange::Raise {
            purpose,
            urgency,
            due_on,
            ladder_step,
            grounds,
        } => format!(
            "raise {purpose}: {urgency}, due {due_on}, step {ladder_step}: {}",
            all(grounds)
        ),
        TaskChange::Join {
            grounds,
            replaced,
            urgency,
            due_on,
            ladder_step,
            ..
        } => {
            let instead = if replaced.is_empty() {
                String::new()
            } else {
                format!(" instead of {}", key_texts(replaced))
            };
            format!(
                "join: {urgency}, due {due_on}, step {ladder_step}: {}{instead}",
                all(grounds)
            )
        }
        TaskChange::Annotate { gone, .. } => format!("annotate: gone {}", key_texts(gone)),
        TaskChange::Withdraw { gone, .. } => format!("withdraw: gone {}", key_texts(gone)),
        TaskChange::Flag { gone, .. } => format!("flag: gone {}", key_texts(gone)),
        TaskChange::Hold { reason, signals } => {
            assert_eq!(*reason, HoldReason::Safety);
            let ids: Vec<String> = signals.iter().map(|s| number_of(*s).to_string()).collect();
            format!("hold: {}", ids.join(" "))
        }
        TaskChange::Merge { .. } => "merge".into(),
    }
}
