//! A task: why, by when, about how many people; and what one can do with it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;
use voorveld_accounts::{Accounts, Frame, Notice, PageUser, SignedForm, SignedIn, page};
use voorveld_detect::explain::Language;
use voorveld_domain::{Purpose, RegistrationKind, TaskId};
use voorveld_store::task_changes::NewContactAttempt;
use voorveld_store::tasks::TaskFile;

use super::{Place, nav};
use crate::desk::{Desk, Opened, OpeningReason, parse_day};
use crate::error::TaskError;
use crate::rules::RulesTold;
use crate::view::{
    Action, Coded, RegistrationView, TaskView, channel_choices, day_part_choices, lift_choices,
    reason_choices, revocation_choices,
};

#[derive(Template)]
#[template(path = "task.html")]
struct TaskPage {
    frame: Frame,
    csrf: String,
    task: TaskView,
    rules: RulesTold,
    rules_open: bool,
    told: Option<&'static str>,
    problem: Option<&'static str>,
    today: String,
    attempt: Uuid,
    channels: Vec<Coded>,
    day_parts: Vec<Coded>,
    reasons: Vec<Coded>,
    lift_reasons: Vec<Coded>,
    revoke_reasons: Vec<Coded>,
    undo_minutes: i64,
    is_safety: bool,
}

impl TaskPage {
    fn can(&self, action: Action) -> bool {
        self.task.actions.contains(&action)
    }

    /// How often nobody was reached.
    fn counted(&self) -> Option<&str> {
        self.task.ladder.as_ref()?.counted.as_deref()
    }

    /// The result that nobody being reached allows.
    fn offered(&self) -> Option<&Coded> {
        self.task.ladder.as_ref()?.offered.as_ref()
    }

    /// What debt help or another programme knows already: the team can end the task with that.
    fn known_client(&self) -> Option<&RegistrationView> {
        self.task
            .registrations
            .iter()
            .find(|one| one.kind.code == RegistrationKind::KnownClient.code())
    }
}

/// What was just done: a closed list, so that nobody can put words on our page.
fn told(done: &str) -> Option<&'static str> {
    match done {
        "opgepakt" => Some("U hebt deze taak opgepakt."),
        "vrijgegeven" => Some("De taak is terug bij het team."),
        "contact" => Some("De contactpoging is opgeslagen."),
        "afgerond" => Some("De taak is afgerond."),
        "ongedaan" => Some("Het afronden is ongedaan gemaakt."),
        "vrij" => Some("Contact met dit huishouden mag weer."),
        "vastgelegd" => Some(
            "Het is vastgelegd. Wat dit voor de taak betekent, staat hier over een paar seconden.",
        ),
        "ingetrokken" => Some(
            "De registratie is ingetrokken. Wat dit voor de taak betekent, staat hier over een paar seconden.",
        ),
        _ => None,
    }
}

#[derive(Deserialize)]
pub(super) struct TaskQuery {
    #[serde(default)]
    gedaan: String,
    /// In which language all rules are told; the rest of the page is Dutch.
    #[serde(default)]
    taal: String,
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    PageUser(who): PageUser,
    Path(id): Path<String>,
    Query(query): Query<TaskQuery>,
) -> Response {
    let Some(id) = task_id(&id) else {
        return Notice::not_found().into_response();
    };
    let page = Page {
        desk: &desk,
        accounts: &accounts,
        who: &who,
        id,
        rules_in: Language::from_code(&query.taal),
    };
    page.draw(StatusCode::OK, told(&query.gedaan), None).await
}

/// After an opened identity a reload or a shared address leads back to the task, where opening is asked for and logged again.
pub(super) async fn back(Path((id, _)): Path<(String, String)>) -> Response {
    match task_id(&id) {
        Some(id) => Redirect::to(&format!("/taken/{id}")).into_response(),
        None => Notice::not_found().into_response(),
    }
}

pub(super) fn task_id(raw: &str) -> Option<TaskId> {
    Uuid::try_parse(raw).ok().map(TaskId::from_uuid)
}

struct Page<'a> {
    desk: &'a Desk,
    accounts: &'a Accounts,
    who: &'a SignedIn,
    id: TaskId,
    /// The language that was chosen for all rules: who chose one came to read them.
    rules_in: Option<Language>,
}

impl Page<'_> {
    async fn draw(
        &self,
        status: StatusCode,
        told: Option<&'static str>,
        problem: Option<&'static str>,
    ) -> Response {
        match self.desk.file(&self.who.user, self.id).await {
            Ok(file) => {
                let view = self.desk.view(&self.who.user, &file, None);
                self.render(status, &file, view, told, problem).await
            }
            Err(error) => error.into_page(),
        }
    }

    async fn render(
        &self,
        status: StatusCode,
        file: &TaskFile,
        task: TaskView,
        told: Option<&'static str>,
        problem: Option<&'static str>,
    ) -> Response {
        let is_safety = task.card.purpose.code == Purpose::Safety.code();
        let place = if is_safety {
            Place::Safety
        } else {
            Place::Elsewhere
        };
        let reasons = if is_safety {
            OpeningReason::FOR_THE_DESK
        } else {
            OpeningReason::FOR_TEAMS
        };
        let lift_reasons = if is_safety {
            lift_choices()
        } else {
            Vec::new()
        };
        let title = format!("Huishouden {}", task.card.household);
        let left = task.undo_until.map_or(0, |until| {
            until.duration_since(self.desk.clock.now()).as_mins()
        });
        let language = self.rules_in.unwrap_or_default();
        let rules = self.desk.rules(file, language).await;
        let html = TaskPage {
            frame: Frame::new(self.accounts, self.who, title, nav(self.who, place)),
            csrf: self.who.csrf(),
            task,
            rules,
            rules_open: self.rules_in.is_some(),
            told,
            problem,
            today: self.desk.clock.today().to_string(),
            attempt: Uuid::new_v4(),
            channels: channel_choices(),
            day_parts: day_part_choices(),
            reasons: reason_choices(reasons),
            lift_reasons,
            revoke_reasons: revocation_choices(),
            undo_minutes: left.max(1),
            is_safety,
        };
        page(status, &html)
    }

    /// After a change: the task's page, told what was done or why it was not.
    async fn answer(&self, done: &'static str, outcome: Result<(), TaskError>) -> Response {
        match outcome {
            Ok(()) => Redirect::to(&format!("/taken/{}?gedaan={done}", self.id)).into_response(),
            Err(error) if error.is_told_on_the_page() => {
                self.draw(error.status(), None, Some(error.words())).await
            }
            Err(error) => error.into_page(),
        }
    }
}

#[derive(Deserialize)]
pub(super) struct VersionForm {
    version: i32,
}

macro_rules! change {
    ($name:ident, $form:ty, $done:literal, |$desk:ident, $user:ident, $id:ident, $fields:ident| $act:expr) => {
        pub(super) async fn $name(
            State(desk): State<Arc<Desk>>,
            State(accounts): State<Accounts>,
            Path(id): Path<String>,
            SignedForm { who, form: $fields }: SignedForm<$form>,
        ) -> Response {
            let Some($id) = task_id(&id) else {
                return Notice::not_found().into_response();
            };
            let outcome = {
                let ($desk, $user) = (&desk, &who.user);
                $act
            };
            let page = Page {
                desk: &desk,
                accounts: &accounts,
                who: &who,
                id: $id,
                rules_in: None,
            };
            page.answer($done, outcome).await
        }
    };
}

change!(claim, VersionForm, "opgepakt", |desk, user, id, form| {
    desk.claim(user, id, form.version).await
});
change!(
    release,
    VersionForm,
    "vrijgegeven",
    |desk, user, id, form| desk.release(user, id, form.version).await
);
change!(undo, VersionForm, "ongedaan", |desk, user, id, form| {
    desk.undo(user, id, form.version).await
});
change!(finish, FinishForm, "afgerond", |desk, user, id, form| {
    match parse_outcome(&form.outcome) {
        Ok(outcome) => desk.finish(user, id, form.version, outcome).await,
        Err(error) => Err(error),
    }
});
change!(
    record_contact,
    ContactForm,
    "contact",
    |desk, user, id, form| {
        match form.parse() {
            Ok(attempt) => desk.record_contact(user, id, &attempt).await,
            Err(error) => Err(error),
        }
    }
);

#[derive(Deserialize)]
pub(super) struct FinishForm {
    version: i32,
    #[serde(default)]
    outcome: String,
}

fn parse_outcome(raw: &str) -> Result<voorveld_domain::Outcome, TaskError> {
    raw.parse().map_err(|_| TaskError::Invalid {
        field: "outcome",
        expected: "Kies een resultaat uit de lijst.",
    })
}

#[derive(Deserialize)]
pub(super) struct ContactForm {
    attempt: Uuid,
    #[serde(default)]
    tried_on: String,
    #[serde(default)]
    channel: String,
    #[serde(default)]
    day_part: String,
    #[serde(default)]
    reached: String,
}

impl ContactForm {
    fn parse(&self) -> Result<NewContactAttempt, TaskError> {
        let invalid = |field, expected| TaskError::Invalid { field, expected };
        Ok(NewContactAttempt {
            id: self.attempt,
            tried_on: parse_day(&self.tried_on)?,
            channel: self
                .channel
                .parse()
                .map_err(|_| invalid("channel", "Kies hoe u contact hebt gezocht."))?,
            day_part: self
                .day_part
                .parse()
                .map_err(|_| invalid("dayPart", "Kies het dagdeel."))?,
            reached: match self.reached.as_str() {
                "ja" => true,
                "nee" => false,
                _ => return Err(invalid("reached", "Kies of u iemand hebt gesproken.")),
            },
        })
    }
}

#[derive(Deserialize)]
pub(super) struct ReasonForm {
    #[serde(default)]
    reason: String,
}

pub(super) async fn open_person(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    Path((id, person)): Path<(String, String)>,
    SignedForm { who, form }: SignedForm<ReasonForm>,
) -> Response {
    let (Some(id), Ok(person)) = (task_id(&id), Uuid::try_parse(&person)) else {
        return Notice::not_found().into_response();
    };
    let page = Page {
        desk: &desk,
        accounts: &accounts,
        who: &who,
        id,
        rules_in: None,
    };
    let opened: Result<(_, Opened), TaskError> = match OpeningReason::parse(&form.reason) {
        Ok(reason) => desk.open_person(&who.user, id, person, reason).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok((file, opened)) => {
            let view = desk.view(&who.user, &file, Some((person, &opened)));
            page.render(StatusCode::OK, &file, view, None, None).await
        }
        Err(error) => page.answer("", Err(error)).await,
    }
}
