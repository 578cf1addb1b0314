//! The safety desk: what only it may know (K11).

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use uuid::Uuid;
use voorveld_accounts::{Accounts, Frame, Notice, PageUser, SignedForm, SignedIn, page};
use voorveld_domain::SignalId;

use super::{Place, nav};
use crate::desk::{Desk, Opened, OpeningReason};
use crate::error::TaskError;
use crate::view::{
    Coded, HoldView, IdentityView, MarkerView, TaskCard, identity, judge_choices, lift_choices,
    reason_choices,
};

/// Whom a marker names, on the one page that was asked for it.
struct Who(Option<(Uuid, IdentityView)>);

impl Who {
    fn get(&self, signal: &Uuid) -> Option<&IdentityView> {
        self.0
            .as_ref()
            .filter(|(known, _)| known == signal)
            .map(|(_, identity)| identity)
    }
}

#[derive(Template)]
#[template(path = "safety.html")]
struct SafetyPage {
    frame: Frame,
    csrf: String,
    problem: Option<&'static str>,
    tasks: Vec<TaskCard>,
    more_tasks: i64,
    holds: Vec<HoldView>,
    more_holds: i64,
    markers: Vec<MarkerView>,
    more_markers: i64,
    judge_reasons: Vec<Coded>,
    opened: Who,
    lift_reasons: Vec<Coded>,
    open_reasons: Vec<Coded>,
}

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    PageUser(who): PageUser,
) -> Response {
    draw(&desk, &accounts, &who, StatusCode::OK, None, None).await
}

pub(super) async fn back() -> Redirect {
    Redirect::to("/veiligheid")
}

async fn draw(
    desk: &Desk,
    accounts: &Accounts,
    who: &SignedIn,
    status: StatusCode,
    problem: Option<&'static str>,
    opened: Option<(SignalId, Opened)>,
) -> Response {
    let found = match desk.safety_desk(&who.user).await {
        Ok(found) => found,
        Err(TaskError::NotFound) => return Notice::forbidden().into_response(),
        Err(error) => return error.into_page(),
    };
    let today = desk.clock.today();
    let html = SafetyPage {
        frame: Frame::new(accounts, who, "Veiligheid", nav(who, Place::Safety)),
        csrf: who.csrf(),
        problem,
        more_tasks: found.tasks.more,
        tasks: found
            .tasks
            .rows
            .iter()
            .map(|task| desk.card(&who.user, task))
            .collect(),
        more_holds: found.holds.more,
        holds: found
            .holds
            .rows
            .iter()
            .map(|hold| desk.hold_view(hold))
            .collect(),
        more_markers: found.markers.more,
        markers: found
            .markers
            .rows
            .iter()
            .map(|marker| desk.marker_view(marker))
            .collect(),
        opened: Who(opened.and_then(|(signal, opened)| {
            identity(&opened, today).map(|identity| (signal.uuid(), identity))
        })),
        judge_reasons: judge_choices(),
        lift_reasons: lift_choices(),
        open_reasons: reason_choices(OpeningReason::FOR_THE_DESK),
    };
    page(status, &html)
}

#[derive(Deserialize)]
pub(super) struct ReasonForm {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
pub(super) struct LiftForm {
    /// What the page said of the hold's markers.
    #[serde(default)]
    seen: String,
    #[serde(default)]
    reason: String,
    /// The task's page on which the form stood, else nothing.
    #[serde(default)]
    task: String,
}

pub(super) async fn lift(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    Path(hold): Path<String>,
    SignedForm { who, form }: SignedForm<LiftForm>,
) -> Response {
    let Ok(hold) = Uuid::try_parse(&hold) else {
        return Notice::not_found().into_response();
    };
    match desk
        .lift_hold(&who.user, hold, &form.seen, &form.reason)
        .await
    {
        Ok(()) => match Uuid::try_parse(&form.task) {
            Ok(task) => Redirect::to(&format!("/taken/{task}?gedaan=vrij")).into_response(),
            Err(_) => Redirect::to("/veiligheid").into_response(),
        },
        Err(error) if error.is_told_on_the_page() => {
            draw(
                &desk,
                &accounts,
                &who,
                error.status(),
                Some(error.words()),
                None,
            )
            .await
        }
        Err(error) => error.into_page(),
    }
}

pub(super) async fn open_marker(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    Path(signal): Path<String>,
    SignedForm { who, form }: SignedForm<ReasonForm>,
) -> Response {
    let Ok(signal) = Uuid::try_parse(&signal).map(SignalId::from_uuid) else {
        return Notice::not_found().into_response();
    };
    let opened = match OpeningReason::parse(&form.reason) {
        Ok(reason) => desk.open_marker(&who.user, signal, reason).await,
        Err(error) => Err(error),
    };
    match opened {
        Ok(opened) => {
            let opened = Some((signal, opened));
            draw(&desk, &accounts, &who, StatusCode::OK, None, opened).await
        }
        Err(error) if error.is_told_on_the_page() => {
            draw(
                &desk,
                &accounts,
                &who,
                error.status(),
                Some(error.words()),
                None,
            )
            .await
        }
        Err(error) => error.into_page(),
    }
}

#[derive(Deserialize)]
pub(super) struct JudgeForm {
    revision: i32,
    #[serde(default)]
    reason: String,
}

pub(super) async fn judge_marker(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    Path(signal): Path<String>,
    SignedForm { who, form }: SignedForm<JudgeForm>,
) -> Response {
    let Ok(signal) = Uuid::try_parse(&signal).map(SignalId::from_uuid) else {
        return Notice::not_found().into_response();
    };
    match desk
        .judge_marker(&who.user, signal, form.revision, &form.reason)
        .await
    {
        Ok(()) => Redirect::to("/veiligheid").into_response(),
        Err(error) if error.is_told_on_the_page() => {
            draw(
                &desk,
                &accounts,
                &who,
                error.status(),
                Some(error.words()),
                None,
            )
            .await
        }
        Err(error) => error.into_page(),
    }
}
