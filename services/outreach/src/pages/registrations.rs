//! Registering what the rules must heed: at a task, and the privacy officer's list.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;
use voorveld_accounts::{Accounts, Frame, Notice, PageUser, SignedForm, SignedIn, page};
use voorveld_domain::TaskId;

use super::task::task_id;
use super::{Place, nav};
use crate::desk::{Desk, NewRegistrationForm, RegisteredAbout};
use crate::error::TaskError;
use crate::view::{Coded, RegistrationView, TaskView, registration_choices, revocation_choices};

/// Most pages anybody leafs through.
const PAGES_MAX: i64 = 1_000;

#[derive(Template)]
#[template(path = "register.html")]
struct RegisterPage {
    frame: Frame,
    csrf: String,
    task: TaskView,
    problem: Option<&'static str>,
    id: Uuid,
    persons: Vec<(Uuid, String)>,
    groups: Vec<(Coded, Vec<Coded>)>,
    today: String,
}

#[derive(Template)]
#[template(path = "registrations.html")]
struct RegistrationsPage {
    frame: Frame,
    csrf: String,
    told: Option<&'static str>,
    problem: Option<&'static str>,
    rows: Vec<RegistrationView>,
    all: bool,
    page: i64,
    more: bool,
    id: Uuid,
    groups: Vec<(Coded, Vec<Coded>)>,
    revoke_reasons: Vec<Coded>,
    today: String,
}

/// What both forms say.
#[derive(Deserialize)]
pub(super) struct RegisterForm {
    id: Uuid,
    /// Of the officer's form: whom it is found by.
    #[serde(default)]
    subject: String,
    /// `household`, `person`, or the key of a person in a task's evidence.
    #[serde(default)]
    about: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    file_code: String,
    #[serde(default)]
    since: String,
    #[serde(default)]
    until: String,
}

impl RegisterForm {
    fn parse(&self) -> Result<NewRegistrationForm, TaskError> {
        let about = match self.about.as_str() {
            "household" => RegisteredAbout::Household,
            "person" => RegisteredAbout::Named,
            key => Uuid::try_parse(key)
                .map(RegisteredAbout::Person)
                .map_err(|_| TaskError::Invalid {
                    field: "about",
                    expected: "Kies voor wie het geldt.",
                })?,
        };
        NewRegistrationForm::parse(
            Some(self.id),
            about,
            &self.reason,
            &self.file_code,
            &self.since,
            &self.until,
        )
    }
}

/// The form at a task.
pub(super) async fn ask(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    PageUser(who): PageUser,
    Path(id): Path<String>,
) -> Response {
    match task_id(&id) {
        Some(id) => draw_form(&desk, &accounts, &who, id, StatusCode::OK, None).await,
        None => Notice::not_found().into_response(),
    }
}

async fn draw_form(
    desk: &Desk,
    accounts: &Accounts,
    who: &SignedIn,
    id: TaskId,
    status: StatusCode,
    problem: Option<&'static str>,
) -> Response {
    let task = match desk.file(&who.user, id).await {
        Ok(file) => desk.view(&who.user, &file, None),
        Err(error) => return error.into_page(),
    };
    if !task.can_register {
        // The task's own page says why not, in the words that are everybody's to read (K11).
        return Redirect::to(&format!("/taken/{id}")).into_response();
    }
    let html = RegisterPage {
        frame: Frame::new(accounts, who, "Vastleggen", nav(who, Place::Elsewhere)),
        csrf: who.csrf(),
        persons: task
            .persons
            .iter()
            .filter(|person| person.known)
            .map(|person| (person.key, person.label.clone()))
            .collect(),
        task,
        problem,
        id: Uuid::new_v4(),
        groups: registration_choices(),
        today: desk.clock.today().to_string(),
    };
    page(status, &html)
}

pub(super) async fn register_at_task(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    Path(id): Path<String>,
    SignedForm { who, form }: SignedForm<RegisterForm>,
) -> Response {
    let Some(id) = task_id(&id) else {
        return Notice::not_found().into_response();
    };
    let outcome = match form.parse() {
        Ok(new) => desk.register_at_task(&who.user, id, &new).await,
        Err(error) => Err(error),
    };
    match outcome {
        Ok(()) => Redirect::to(&format!("/taken/{id}?gedaan=vastgelegd")).into_response(),
        Err(error) if error.is_told_on_the_page() => {
            let (status, words) = (error.status(), error.words());
            draw_form(&desk, &accounts, &who, id, status, Some(words)).await
        }
        Err(error) => error.into_page(),
    }
}

#[derive(Deserialize, Default)]
pub(super) struct ListQuery {
    #[serde(default)]
    lijst: String,
    #[serde(default)]
    pagina: String,
    #[serde(default)]
    gedaan: String,
}

/// The privacy officer's list.
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    PageUser(who): PageUser,
    Query(query): Query<ListQuery>,
) -> Response {
    draw_list(&desk, &accounts, &who, &query, StatusCode::OK, None).await
}

/// A reload after a refused revocation.
pub(super) async fn back() -> Redirect {
    Redirect::to("/registraties")
}

async fn draw_list(
    desk: &Desk,
    accounts: &Accounts,
    who: &SignedIn,
    query: &ListQuery,
    status: StatusCode,
    problem: Option<&'static str>,
) -> Response {
    let all = query.lijst == "alles";
    let number: i64 = query
        .pagina
        .parse()
        .ok()
        .filter(|page| (1..=PAGES_MAX).contains(page))
        .unwrap_or(1);
    let found = match desk.registrations(&who.user, !all, number - 1).await {
        Ok(found) => found,
        Err(TaskError::NotFound) => return Notice::forbidden().into_response(),
        Err(error) => return error.into_page(),
    };
    let html = RegistrationsPage {
        frame: Frame::new(
            accounts,
            who,
            "Registraties",
            nav(who, Place::Registrations),
        ),
        csrf: who.csrf(),
        told: match query.gedaan.as_str() {
            "vastgelegd" => Some("Het is vastgelegd."),
            "ingetrokken" => Some("De registratie is ingetrokken."),
            _ => None,
        },
        problem,
        rows: found
            .rows
            .iter()
            .map(|row| desk.registration_view(&who.user, row, None))
            .collect(),
        all,
        page: number,
        more: found.more,
        id: Uuid::new_v4(),
        groups: registration_choices(),
        revoke_reasons: revocation_choices(),
        today: desk.clock.today().to_string(),
    };
    page(status, &html)
}

pub(super) async fn register(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    SignedForm { who, form }: SignedForm<RegisterForm>,
) -> Response {
    let subject = Uuid::try_parse(form.subject.trim()).map_err(|_| TaskError::Invalid {
        field: "subject",
        expected: "Vul het hele nummer in, zoals het in een brief of overzicht staat.",
    });
    let outcome = match (subject, form.parse()) {
        (Ok(subject), Ok(new)) => desk.register(&who.user, subject, &new).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    answer(&desk, &accounts, &who, "vastgelegd", outcome, None).await
}

#[derive(Deserialize)]
pub(super) struct RevokeForm {
    #[serde(default)]
    reason: String,
    /// The task's page on which the form stood, else nothing.
    #[serde(default)]
    task: String,
}

pub(super) async fn revoke(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    Path(id): Path<String>,
    SignedForm { who, form }: SignedForm<RevokeForm>,
) -> Response {
    let Ok(id) = Uuid::try_parse(&id) else {
        return Notice::not_found().into_response();
    };
    let outcome = desk.revoke(&who.user, id, &form.reason).await;
    let task = task_id(&form.task);
    answer(&desk, &accounts, &who, "ingetrokken", outcome, task).await
}

/// After a change: the page on which it was made, told what was done or why it was not.
async fn answer(
    desk: &Desk,
    accounts: &Accounts,
    who: &SignedIn,
    done: &'static str,
    outcome: Result<(), TaskError>,
    task: Option<TaskId>,
) -> Response {
    match (outcome, task) {
        (Ok(()), Some(task)) => {
            Redirect::to(&format!("/taken/{task}?gedaan={done}")).into_response()
        }
        (Ok(()), None) => Redirect::to(&format!("/registraties?gedaan={done}")).into_response(),
        (Err(error), None) if error.is_told_on_the_page() => {
            let (status, words) = (error.status(), error.words());
            let query = ListQuery::default();
            draw_list(desk, accounts, who, &query, status, Some(words)).await
        }
        (Err(error), _) => error.into_page(),
    }
}
