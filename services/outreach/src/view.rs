//! What a task looks like, once for pages and API: codes for programs and Dutch words for people, side by side.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use voorveld_domain::{
    AreaId, ContactChannel, DayPart, Outcome, Purpose, RegistrationKind, RegistrationReason,
    RevocationReason, Standing, TaskId, TaskState, TeamId, Urgency,
};
use voorveld_policy::{FieldShape, Policy, SignalKind};
use voorveld_store::holds::{DeskHold, UnplacedMarker};
use voorveld_store::registrations::Registration;
use voorveld_store::tasks::{EvidenceSignal, Task, TaskFile};
use voorveld_store::users::User;
use voorveld_wire::signal_v1::{FieldValue, SealedIdentity};

use crate::access::is_stopped;
use crate::desk::{
    Desk, JudgedMarker, LiftReason, Opened, OpeningReason, Person, may_open, outcomes_of, persons,
};
use crate::duties::{self, Ladder};
use crate::words;

/// A code and what it is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Coded {
    /// For programs.
    pub code: String,
    /// For people, in Dutch.
    pub label: String,
}

impl Coded {
    fn new(code: &str, label: &str) -> Self {
        Self {
            code: code.to_owned(),
            label: label.to_owned(),
        }
    }
}

/// A task in a list. Under a hold it says that and nothing else (K11).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent marks, each read by name in JSON"
)]
pub(crate) struct TaskCard {
    /// Which task.
    pub id: Uuid,
    /// Rises with each change; send it back with yours.
    pub version: i32,
    /// What the household is called before anybody knows who it is.
    #[schema(example = "K7D-4QM")]
    pub household: String,
    /// The neighbourhood.
    pub area: Coded,
    /// The team.
    pub team: Coded,
    /// What the task is for.
    pub purpose: Coded,
    /// Where it stands.
    pub state: Coded,
    /// True: no contact with this household now. Everything about why, how soon and by when is left out.
    pub held: bool,
    /// How soon it wants attention.
    pub urgency: Option<Coded>,
    /// Why, in one line.
    pub why: Option<String>,
    /// How many other reasons there are.
    pub more_grounds: i64,
    /// By when.
    #[schema(value_type = Option<String>, format = Date)]
    pub due_on: Option<Date>,
    /// By when, in words.
    pub due: Option<String>,
    /// Working days left; negative when it is late.
    pub working_days_left: Option<i32>,
    /// Past its deadline.
    pub overdue: bool,
    /// Who has it.
    pub claimed_by: Option<String>,
    /// Whether that is you.
    pub mine: bool,
    /// Its reasons are gone while somebody had it: a person decides.
    pub flagged: bool,
    /// Some of its reasons are gone.
    pub annotated: bool,
    /// What to ask the partner first, when the newest signal is old.
    pub ask_partner: Option<AskPartnerView>,
    /// How often nobody was reached, when the team may end the task with that.
    pub unreached: Option<String>,
    /// How it ended, when it ended with a result.
    pub outcome: Option<Coded>,
    /// How it ended, in words: also when it lapsed or went on in another task.
    pub ended: Option<String>,
}

/// Whether the arrears are still there is for the partner to say.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AskPartnerView {
    /// What to do and why, in words.
    pub words: String,
    /// The date of the newest signal behind the task.
    #[schema(value_type = String, format = Date)]
    pub newest_signal_on: Date,
    /// How many days ago that is.
    pub days: i32,
    /// More than so many days is old here: the municipality's own number.
    pub limit_days: u16,
}

/// Where a task stands on the ladder of contact.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LadderView {
    /// The next step: 1 a letter, 2 a call, 3 a visit, 4 a card.
    pub step: i32,
    /// How many attempts there were within how many days, in words.
    pub counted: Option<String>,
    /// The result the team may give now because nobody was reached. A person gives it: nothing ends by itself.
    pub offered: Option<Coded>,
}

/// A task with everything that belongs to it, but not who it is about.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskView {
    /// The task itself.
    #[serde(flatten)]
    pub card: TaskCard,
    /// When it was made.
    #[schema(value_type = String, format = Date)]
    pub raised_on: Date,
    /// What to try first.
    pub advice: Option<String>,
    /// Why it was made.
    pub grounds: Vec<GroundView>,
    /// What was signalled, per named person.
    pub persons: Vec<PersonView>,
    /// What was registered about the household or about one of these persons, and stands.
    pub registrations: Vec<RegistrationView>,
    /// What was tried.
    pub attempts: Vec<AttemptView>,
    /// What that makes of the ladder, while the task is open.
    pub ladder: Option<LadderView>,
    /// What happened.
    pub history: Vec<EventView>,
    /// What you can do now.
    pub actions: Vec<Action>,
    /// Whether you can register an objection, a known client or an exclusion here.
    pub can_register: bool,
    /// The results this task can end with, while you can end it.
    pub results: Vec<Coded>,
    /// Why contact with the household is held: on a task of the safety desk, and nowhere else.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldView>,
    /// Until when you can take the result back.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub undo_until: Option<Timestamp>,
}

/// A household with which nobody may have contact now, as the safety desk sees it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HoldView {
    /// With this the hold is lifted.
    pub id: Uuid,
    /// What the household is called before anybody knows who it is.
    #[schema(example = "K7D-4QM")]
    pub household: String,
    /// Why contact is held.
    pub reason: Coded,
    /// Since when.
    #[schema(value_type = String, format = Date)]
    pub since: Date,
    /// Since when, in words.
    pub since_words: String,
    /// How many reports about the household count.
    pub markers: i64,
    /// The desk's task about the household: the open one, else the last.
    pub task: Option<Uuid>,
    /// By when the desk's open task is due, in words.
    pub due: Option<String>,
    /// How many tasks of teams wait.
    pub waiting_tasks: i64,
    /// The earliest deadline of those.
    #[schema(value_type = Option<String>, format = Date)]
    pub waiting_due_on: Option<Date>,
    /// The same in words.
    pub waiting_due: Option<String>,
    /// One of these deadlines has passed.
    pub overdue: bool,
    /// Says which reports you have seen: send it back to lift the hold.
    pub seen: String,
}

/// A report about safety for which no household was found.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MarkerView {
    /// Which signal.
    pub signal: Uuid,
    /// Which revision of it.
    pub revision: i32,
    /// What kind.
    pub kind: Coded,
    /// Who sent it.
    pub partner: Option<String>,
    /// When it came in.
    #[schema(value_type = String, format = Date)]
    pub since: Date,
    /// The same in words.
    pub since_words: String,
}

/// Something registered: an objection, a known client, an exclusion.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegistrationView {
    /// With this it is revoked.
    pub id: Uuid,
    /// At which household it was written down.
    #[schema(example = "K7D-4QM")]
    pub household: String,
    /// What sort of thing: objection, `known_client`, exclusion.
    pub kind: Coded,
    /// Why.
    pub reason: Coded,
    /// Whether it is about one person; else about the household.
    pub of_person: bool,
    /// For whom it holds, in words; on a task as the evidence calls them.
    pub about: String,
    /// Number of a file of the municipality's own.
    pub file_code: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = Date)]
    pub since: Date,
    /// Since when, in words.
    pub since_words: String,
    /// The last day.
    #[schema(value_type = Option<String>, format = Date)]
    pub until: Option<Date>,
    /// The same in words.
    pub until_words: Option<String>,
    /// Who wrote it down.
    pub by: Option<String>,
    /// Whether the rules heed it.
    pub stands: bool,
    /// When and why it was revoked, in words.
    pub revoked: Option<String>,
    /// Whether you can revoke it.
    pub revocable: bool,
}

/// Something a colleague can do with a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Action {
    /// Take it.
    Claim,
    /// Give it back.
    Release,
    /// Write down that contact was tried.
    RecordContact,
    /// End it with a result.
    Finish,
    /// Take the result back.
    Undo,
    /// Open who a person is.
    OpenIdentity,
}

/// A reason for the task.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GroundView {
    /// By which rule.
    pub rule: String,
    /// Which version of it.
    pub rule_version: i32,
    /// In plain Dutch.
    pub words: String,
    /// Since when.
    #[schema(value_type = String, format = Date)]
    pub since: Date,
    /// Since when, in words.
    pub since_words: String,
    /// Until when it stood, when it is gone.
    #[schema(value_type = Option<String>, format = Date)]
    pub gone_on: Option<Date>,
    /// Whether it went on in another reason of this task (K4).
    pub replaced: bool,
    /// Its deadline in words.
    pub due: String,
}

/// A named person, until opened without a name (K13).
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PersonView {
    /// With this the identity is opened.
    pub key: Uuid,
    /// Persoon A, Persoon B, Onbekende persoon.
    pub label: String,
    /// Whether the person can be told apart, so that something can be registered about them alone.
    pub known: bool,
    /// What was signalled about this person.
    pub signals: Vec<SignalView>,
    /// Who it is, once opened.
    pub identity: Option<IdentityView>,
}

/// A signal as it is now.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignalView {
    /// Which signal.
    pub id: Uuid,
    /// What sort of organisation sent it.
    pub partner_type: Coded,
    /// Which organisation.
    pub partner: Option<String>,
    /// What kind of signal.
    pub kind: Coded,
    /// The date it is about.
    #[schema(value_type = String, format = Date)]
    pub event_date: Date,
    /// The same in words.
    pub on: String,
    /// The amount in euro cents.
    pub amount_cents: Option<u32>,
    /// The same in words.
    pub amount: Option<String>,
    /// Whether it counts.
    pub counts: bool,
    /// Why it does not count.
    pub standing: Option<String>,
    /// What else it says.
    pub notes: Vec<String>,
    /// The partner's own reference, once the person was opened.
    pub reference: Option<String>,
}

/// Who a person is.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct IdentityView {
    /// By the newest signal.
    pub name: String,
    /// Birth date in words.
    pub born_on: Option<String>,
    /// Address by the newest signal, in lines.
    pub address: Vec<String>,
    /// Citizen service number, where the partner gave it.
    pub bsn: Option<String>,
    /// Other names or addresses by older signals.
    pub also: Vec<String>,
}

/// A contact attempt.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AttemptView {
    /// On which day.
    #[schema(value_type = String, format = Date)]
    pub tried_on: Date,
    /// The same in words.
    pub on: String,
    /// How and when on the day.
    pub how: String,
    /// Whether somebody was spoken to.
    pub reached: bool,
    /// By whom.
    pub by: Option<String>,
}

/// A line of history.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventView {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// When, in words.
    pub on: String,
    /// What.
    pub what: String,
    /// By whom; none is the system.
    pub by: Option<String>,
}

impl Desk {
    /// What a list shows of a task.
    pub fn card(&self, user: &User, task: &Task) -> TaskCard {
        let today = self.clock.today();
        let stopped = is_stopped(task.purpose, task.held);
        let open = task.state.is_open();
        let policy = self.policy();
        let calendar = policy.calendar();
        let due = (!stopped && open).then(|| words::deadline(calendar, today, task.due_on));
        let settings = policy.settings();
        let stale = duties::stale(settings, task, today).filter(|_| !stopped);
        let ladder = duties::ladder(settings, task).filter(|_| !stopped);
        TaskCard {
            id: task.id.uuid(),
            version: task.version,
            household: words::household_label(task.household),
            area: area(&policy, &task.area),
            team: team(&policy, &task.team),
            purpose: Coded::new(task.purpose.code(), task.purpose.label()),
            state: Coded::new(task.state.code(), task.state.label()),
            held: stopped,
            urgency: (!stopped).then(|| Coded::new(task.urgency.code(), task.urgency.label())),
            // What fell away is no reason any more.
            why: task.why.clone().filter(|_| !stopped && 0 < task.grounds),
            more_grounds: if stopped {
                0
            } else {
                (task.grounds - 1).max(0)
            },
            due_on: (!stopped).then_some(task.due_on),
            working_days_left: (!stopped && open)
                .then(|| calendar.working_days_until(today, task.due_on)),
            overdue: !stopped && open && task.due_on < today,
            due,
            claimed_by: task.claimed_by_name.clone(),
            mine: task.claimed_by == Some(user.id),
            flagged: task.flagged && !stopped && task.state == TaskState::Claimed,
            annotated: task.annotated && !stopped && open,
            ask_partner: stale.map(|stale| AskPartnerView {
                words: words::ask_partner(stale, today),
                newest_signal_on: stale.newest_on,
                days: stale.days,
                limit_days: stale.limit,
            }),
            unreached: ladder
                .and_then(|ladder| ladder.count)
                .filter(|count| count.offers().is_some())
                .map(words::unreached),
            outcome: task.outcome.map(coded_outcome),
            ended: ended(task).filter(|_| !stopped || task.outcome.is_some()),
        }
    }

    /// What a task's page shows; `opened` belongs to the person with that key.
    pub fn view(&self, user: &User, file: &TaskFile, opened: Option<(Uuid, &Opened)>) -> TaskView {
        let today = self.clock.today();
        let task = &file.task;
        let card = self.card(user, task);
        let undo_until = self.undo_until(user, task).filter(|_| !card.held);
        let mut view = TaskView {
            raised_on: task.raised_as_of,
            advice: None,
            grounds: Vec::new(),
            persons: Vec::new(),
            registrations: Vec::new(),
            attempts: Vec::new(),
            ladder: None,
            history: Vec::new(),
            actions: actions(&card, task, undo_until.is_some()),
            can_register: !card.held && task.purpose != Purpose::Safety,
            results: Vec::new(),
            holds: Vec::new(),
            undo_until,
            card,
        };
        if view.card.held {
            return view;
        }
        let ladder = duties::ladder(self.policy().settings(), task);
        view.advice = task.state.is_open().then(|| advice(task, ladder.as_ref()));
        view.ladder = ladder.map(|ladder| LadderView {
            step: ladder.step,
            counted: ladder.count.map(words::counted),
            offered: ladder
                .count
                .and_then(duties::Count::offers)
                .map(coded_outcome),
        });
        if view.actions.contains(&Action::Finish) {
            view.results = outcomes_of(task.purpose)
                .iter()
                .copied()
                .map(coded_outcome)
                .collect();
        }
        view.holds = file.holds.iter().map(|hold| self.hold_view(hold)).collect();
        view.grounds = file
            .grounds
            .iter()
            .map(|ground| GroundView {
                rule: ground.rule.clone(),
                rule_version: ground.rule_version,
                words: ground.words.clone(),
                since: ground.added_as_of,
                since_words: words::day(ground.added_as_of, today),
                gone_on: ground.gone_as_of,
                replaced: ground.replaced,
                due: words::weekday_and_day(ground.due_on, today),
            })
            .collect();
        view.persons = self.person_views(&file.signals, opened, today);
        view.registrations = self.registration_views(user, file);
        view.attempts = file
            .attempts
            .iter()
            .map(|attempt| AttemptView {
                tried_on: attempt.tried_on,
                on: words::weekday_and_day(attempt.tried_on, today),
                how: words::attempt(&attempt.channel, &attempt.day_part),
                reached: attempt.reached,
                by: attempt.recorded_by_name.clone(),
            })
            .collect();
        view.history = file
            .events
            .iter()
            .map(|event| EventView {
                at: event.happened_at,
                on: words::day(self.clock.date_of(event.happened_at), today),
                what: words::event(event),
                by: event.actor_name.clone(),
            })
            .collect();
        view
    }

    /// What the safety desk sees of a hold.
    pub fn hold_view(&self, hold: &DeskHold) -> HoldView {
        let today = self.clock.today();
        let since = self.clock.date_of(hold.raised_at);
        let policy = self.policy();
        let deadline = |due| words::deadline(policy.calendar(), today, due);
        HoldView {
            id: hold.id,
            household: words::household_label(hold.household),
            reason: Coded::new(hold.reason.code(), hold.reason.label()),
            since,
            since_words: words::day(since, today),
            markers: hold.markers,
            task: hold.task.map(TaskId::uuid),
            due: hold.task_due.map(deadline),
            waiting_tasks: hold.waiting_tasks,
            waiting_due_on: hold.waiting_due,
            waiting_due: hold.waiting_due.map(deadline),
            overdue: [hold.task_due, hold.waiting_due]
                .into_iter()
                .flatten()
                .any(|due| due < today),
            seen: hold.seen.clone(),
        }
    }

    /// What a task's page shows of what was registered. A person is called as in the evidence, and no other resident is in it (K13).
    fn registration_views(&self, user: &User, file: &TaskFile) -> Vec<RegistrationView> {
        let today = self.clock.today();
        let labels: BTreeMap<Uuid, String> = labelled(persons(&file.signals))
            .map(|(person, label)| (person.key, label))
            .collect();
        file.registrations
            .iter()
            .filter(|one| one.stands(today) && !one.reason.is_hold())
            .map(|one| {
                let label = one.debtor.and_then(|debtor| labels.get(&debtor.uuid()));
                self.registration_view(user, one, label.map(String::as_str))
            })
            .collect()
    }

    /// Something registered; `person` is what the evidence beside it calls whom it is about.
    pub fn registration_view(
        &self,
        user: &User,
        registration: &Registration,
        person: Option<&str>,
    ) -> RegistrationView {
        let today = self.clock.today();
        let (kind, reason) = (registration.reason.kind(), registration.reason);
        let about = match (registration.debtor, person) {
            (None, _) => "het hele huishouden",
            (Some(_), Some(person)) => person,
            (Some(_), None) => "één persoon",
        };
        RegistrationView {
            id: registration.id,
            household: words::household_label(registration.household),
            kind: Coded::new(kind.code(), kind.label()),
            reason: Coded::new(reason.code(), reason.label()),
            of_person: registration.debtor.is_some(),
            about: about.to_owned(),
            file_code: registration.file_code.clone(),
            since: registration.since,
            since_words: words::day(registration.since, today),
            until: registration.until,
            until_words: registration.until.map(|until| words::day(until, today)),
            by: registration.recorded_by_name.clone(),
            stands: registration.stands(today),
            revoked: registration.revoked.map(|(at, why)| {
                let day = words::day(self.clock.date_of(at), today);
                format!("ingetrokken op {day}: {}", why.label())
            }),
            revocable: self.may_revoke(user, registration),
        }
    }

    /// What the safety desk sees of a report without a household.
    pub fn marker_view(&self, marker: &UnplacedMarker) -> MarkerView {
        let since = self.clock.date_of(marker.received_at);
        let policy = self.policy();
        let kind = policy.catalogue().find(&marker.kind);
        MarkerView {
            signal: marker.signal.uuid(),
            revision: marker.revision,
            kind: Coded::new(
                &marker.kind,
                kind.map_or(marker.kind.as_str(), |kind| kind.name.as_str()),
            ),
            partner: marker.partner_name.clone(),
            since,
            since_words: words::day(since, self.clock.today()),
        }
    }

    fn person_views(
        &self,
        signals: &[EvidenceSignal],
        opened: Option<(Uuid, &Opened)>,
        today: Date,
    ) -> Vec<PersonView> {
        labelled(persons(signals))
            .map(|(person, label)| {
                let opened = opened
                    .filter(|(key, _)| *key == person.key)
                    .map(|(_, opened)| opened);
                PersonView {
                    key: person.key,
                    label,
                    known: person.known,
                    signals: person
                        .signals
                        .iter()
                        .map(|signal| self.signal_view(signal, opened, today))
                        .collect(),
                    identity: opened.and_then(|opened| identity(opened, today)),
                }
            })
            .collect()
    }

    fn signal_view(
        &self,
        signal: &EvidenceSignal,
        opened: Option<&Opened>,
        today: Date,
    ) -> SignalView {
        let policy = self.policy();
        let kind = policy.catalogue().find(&signal.kind);
        let counts = signal.lives_here && signal.standing == Standing::Counted;
        let standing = if signal.lives_here {
            (!counts).then(|| signal.standing.label().to_owned())
        } else {
            Some("hoort bij een ander adres".to_owned())
        };
        let mut notes = Vec::new();
        if signal.crisis {
            notes.push("Bedreigende situatie volgens de partner".to_owned());
        }
        if signal.warm_handover {
            notes.push("De partner wil dit persoonlijk overdragen".to_owned());
        }
        if let Some(end) = signal.supply_ends_on {
            notes.push(format!(
                "Levering stopt op {}",
                words::weekday_and_day(end, today)
            ));
        }
        if signal.age_unknown {
            notes.push("Onbekend hoe oud de achterstand is".to_owned());
        }
        if let Some(kind) = kind {
            notes.extend(field_notes(kind, signal, today));
        }
        SignalView {
            id: signal.id.uuid(),
            partner_type: Coded::new(signal.partner_type.code(), signal.partner_type.label()),
            partner: signal.partner_name.clone(),
            kind: Coded::new(
                &signal.kind,
                kind.map_or(signal.kind.as_str(), |kind| kind.name.as_str()),
            ),
            event_date: signal.event_date,
            on: words::day(signal.event_date, today),
            amount_cents: signal.amount.map(voorveld_domain::Cents::get),
            amount: signal.amount.map(|amount| amount.to_string()),
            counts,
            standing,
            notes,
            reference: opened.and_then(|opened| {
                opened
                    .iter()
                    .find(|(id, _)| *id == signal.id)
                    .and_then(|(_, identity)| identity.reference.clone())
            }),
        }
    }
}

/// Persons as a page calls them while nobody knows who they are.
fn labelled(persons: Vec<Person>) -> impl Iterator<Item = (Person, String)> {
    let mut letters = 'A'..='Z';
    persons.into_iter().map(move |person| {
        let label = if person.known {
            letters.next().map_or_else(
                || "Nog een persoon".to_owned(),
                |letter| format!("Persoon {letter}"),
            )
        } else {
            "Onbekende persoon".to_owned()
        };
        (person, label)
    })
}

/// What a signal's own fields say, with the labels of the catalogue.
fn field_notes(kind: &SignalKind, signal: &EvidenceSignal, today: Date) -> Vec<String> {
    let Some(values) = signal
        .fields
        .clone()
        .and_then(|json| serde_json::from_value::<BTreeMap<String, FieldValue>>(json).ok())
    else {
        return Vec::new();
    };
    values
        .iter()
        .filter_map(|(name, value)| {
            let field = kind.field(name)?;
            let words = match (value, &field.shape) {
                (FieldValue::Boolean(yes), _) => if *yes { "ja" } else { "nee" }.to_owned(),
                (FieldValue::Date(date), _) => words::day(*date, today),
                (FieldValue::Number(thousandths), shape) => {
                    let unit = match shape {
                        FieldShape::Number { unit, .. } => unit.label(),
                        _ => "",
                    };
                    format!("{} {unit}", thousandths_in_words(*thousandths))
                }
                (FieldValue::Code(code), FieldShape::Code(entries)) => entries
                    .iter()
                    .find(|entry| entry.code == *code)
                    .map_or_else(|| code.clone(), |entry| entry.label.clone()),
                (FieldValue::Code(code), _) => code.clone(),
            };
            Some(format!("{}: {}", field.label, words.trim()))
        })
        .collect()
}

fn thousandths_in_words(thousandths: i64) -> String {
    let (whole, part) = (thousandths / 1_000, (thousandths % 1_000).abs());
    if part == 0 {
        whole.to_string()
    } else {
        format!("{whole},{part:03}")
            .trim_end_matches('0')
            .to_owned()
    }
}

fn actions(card: &TaskCard, task: &Task, can_undo: bool) -> Vec<Action> {
    let mut actions = match task.state {
        TaskState::Open if card.held => Vec::new(),
        TaskState::Open => vec![Action::Claim],
        TaskState::Claimed if card.held => vec![Action::Release],
        // The desk, too, contacts nobody before it has lifted the hold (I10).
        TaskState::Claimed if card.mine && task.held => vec![Action::Finish, Action::Release],
        TaskState::Claimed if card.mine => {
            vec![Action::RecordContact, Action::Finish, Action::Release]
        }
        TaskState::Claimed => vec![Action::Release],
        TaskState::Closed if can_undo => vec![Action::Undo],
        TaskState::Closed | TaskState::Withdrawn | TaskState::Merged => Vec::new(),
    };
    if !card.held && may_open(task.purpose, task.state, task.held) {
        actions.push(Action::OpenIdentity);
    }
    actions
}

/// What to try first. Who works the safety desk judges; going there is for after that, if at all (I10, K11).
fn advice(task: &Task, ladder: Option<&Ladder>) -> String {
    match (task.purpose, task.held, ladder) {
        (Purpose::Safety, true, _) => {
            "Beoordeel of het in dit huishouden onveilig is. Licht Veilig Thuis in als dat zo is. Neem geen contact op zolang contact niet mag.".to_owned()
        }
        (Purpose::Safety, false, _) => {
            "Beoordeel of het in dit huishouden onveilig is. Licht Veilig Thuis in als dat zo is.".to_owned()
        }
        (_, _, Some(ladder)) if ladder.reached => {
            "Er is iemand bereikt. Spreek af hoe het verder gaat, of rond de taak af.".to_owned()
        }
        _ if Urgency::Crisis <= task.urgency => {
            "Neem zo snel mogelijk contact op: bel of ga langs.".to_owned()
        }
        (_, _, Some(ladder)) => words::next_step(ladder),
        _ => words::ladder_advice(task.ladder_step).to_owned(),
    }
}

/// Who a person is by what was opened: the newest signal leads, what differs is said beside it.
pub(crate) fn identity(opened: &Opened, today: Date) -> Option<IdentityView> {
    let (_, newest) = opened.first()?;
    let address = address_lines(newest);
    let name = name(newest);
    let mut also = Vec::new();
    for (_, other) in &opened[1..] {
        for words in [self::name(other), address_lines(other).join(", ")] {
            if !words.is_empty()
                && words != name
                && words != address.join(", ")
                && !also.contains(&words)
            {
                also.push(words);
            }
        }
    }
    let find = |read: fn(&SealedIdentity) -> Option<String>| {
        opened.iter().find_map(|(_, identity)| read(identity))
    };
    Some(IdentityView {
        name: if name.is_empty() {
            "Naam niet bekend".to_owned()
        } else {
            name
        },
        born_on: opened
            .iter()
            .find_map(|(_, identity)| identity.birth_date)
            .map(|date| words::day(date, today)),
        address,
        bsn: find(|identity| identity.bsn.clone()),
        also,
    })
}

fn name(identity: &SealedIdentity) -> String {
    identity.identity().name.expose()
}

fn address_lines(identity: &SealedIdentity) -> Vec<String> {
    let join = |parts: [&Option<String>; 3]| {
        parts
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(" ")
    };
    [
        join([&identity.street, &identity.house_number, &identity.suffix]),
        join([&identity.postcode, &identity.town, &None]),
    ]
    .into_iter()
    .filter(|line| !line.is_empty())
    .collect()
}

fn team(policy: &Policy, id: &str) -> Coded {
    let known = id.parse::<TeamId>().ok().and_then(|team| {
        policy
            .routing()
            .find_team(&team)
            .map(|team| team.name.clone())
    });
    Coded::new(id, known.as_deref().unwrap_or(id))
}

fn area(policy: &Policy, id: &str) -> Coded {
    let known = id.parse::<AreaId>().ok().and_then(|area| {
        policy
            .routing()
            .find_area(&area)
            .map(|area| area.name.clone())
    });
    Coded::new(id, known.as_deref().unwrap_or(id))
}

/// How a task ended (I5: who leaned on its reasons sees that they are gone).
fn ended(task: &Task) -> Option<String> {
    match task.state {
        TaskState::Open | TaskState::Claimed => None,
        TaskState::Closed => task.outcome.map(|outcome| outcome.label().to_owned()),
        TaskState::Withdrawn => Some(match &task.why {
            Some(why) => format!("Vervallen: {why}"),
            None => "Vervallen: er is geen reden meer".to_owned(),
        }),
        TaskState::Merged => Some("Samengevoegd met een andere taak".to_owned()),
    }
}

fn coded_outcome(outcome: Outcome) -> Coded {
    Coded::new(outcome.code(), outcome.label())
}

/// The lists of the forms.
pub(crate) fn lift_choices() -> Vec<Coded> {
    LiftReason::ALL
        .iter()
        .map(|reason| Coded::new(reason.code(), reason.label()))
        .collect()
}

/// What can be registered, by kind: for the groups of a list.
pub(crate) fn registration_choices() -> Vec<(Coded, Vec<Coded>)> {
    RegistrationKind::ALL
        .iter()
        .map(|kind| {
            let reasons = RegistrationReason::ALL
                .iter()
                .filter(|reason| reason.kind() == *kind)
                .map(|reason| Coded::new(reason.code(), reason.label()))
                .collect();
            (Coded::new(kind.code(), kind.label()), reasons)
        })
        .collect()
}

pub(crate) fn revocation_choices() -> Vec<Coded> {
    RevocationReason::ALL
        .iter()
        .map(|reason| Coded::new(reason.code(), reason.label()))
        .collect()
}

pub(crate) fn judge_choices() -> Vec<Coded> {
    JudgedMarker::ALL
        .iter()
        .map(|reason| Coded::new(reason.code(), reason.label()))
        .collect()
}

pub(crate) fn channel_choices() -> Vec<Coded> {
    ContactChannel::ALL
        .iter()
        .map(|channel| Coded::new(channel.code(), channel.label()))
        .collect()
}

pub(crate) fn day_part_choices() -> Vec<Coded> {
    DayPart::ALL
        .iter()
        .map(|part| Coded::new(part.code(), part.label()))
        .collect()
}

pub(crate) fn reason_choices(reasons: &[OpeningReason]) -> Vec<Coded> {
    reasons
        .iter()
        .map(|reason| Coded::new(reason.code(), reason.label()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousandths_read_as_dutch_numbers() {
        for (raw, words) in [(16_000, "16"), (2_500, "2,5"), (1_125, "1,125"), (0, "0")] {
            assert_eq!(thousandths_in_words(raw), words);
        }
    }
}
