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
use crate::desk::{Desk, LiftReason, Opened, OpeningReason};
use crate::error::TaskError;
use crate::view::{Coded, IdentityView, TaskCard, identity, reason_choices};
use crate::words;

struct HoldView {
    id: Uuid,
    household: String,
    reason: &'static str,
    since: String,
    markers: i64,
    due: Option<String>,
    overdue: bool,
    task: Option<Uuid>,
    waiting: i64,
    waiting_due: Option<String>,
    seen: String,
}

struct MarkerView {
    signal: Uuid,
    kind: String,
    partner: String,
    since: String,
    identity: Option<IdentityView>,
}

#[derive(Template)]
#[template(path = "safety.html")]
struct SafetyPage {
    frame: Frame,
    csrf: String,
    problem: Option<&'static str>,
    tasks: Vec<TaskCard>,
    holds: Vec<HoldView>,
    more_holds: i64,
    markers: Vec<MarkerView>,
    lift_reasons: Vec<(&'static str, &'static str)>,
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
        tasks: found
            .tasks
            .iter()
            .map(|task| desk.card(&who.user, task))
            .collect(),
        more_holds: found.holds.more,
        holds: found
            .holds
            .rows
            .iter()
            .map(|hold| HoldView {
                id: hold.id,
                household: words::household_label(hold.household),
                reason: hold.reason.label(),
                since: words::day(desk.clock.date_of(hold.raised_at), today),
                markers: hold.markers,
                due: hold
                    .task_due
                    .map(|due| words::deadline(desk.policy.calendar(), today, due)),
                overdue: [hold.task_due, hold.waiting_due]
                    .into_iter()
                    .flatten()
                    .any(|due| due < today),
                task: hold.task.map(voorveld_domain::TaskId::uuid),
                waiting: hold.waiting_tasks,
                waiting_due: hold
                    .waiting_due
                    .map(|due| words::deadline(desk.policy.calendar(), today, due)),
                seen: hold.seen.clone(),
            })
            .collect(),
        markers: found
            .markers
            .iter()
            .map(|marker| MarkerView {
                signal: marker.signal.uuid(),
                kind: desk
                    .policy
                    .catalogue()
                    .find(&marker.kind)
                    .map_or_else(|| marker.kind.clone(), |kind| kind.name.clone()),
                partner: marker.partner_name.clone().unwrap_or_default(),
                since: words::day(desk.clock.date_of(marker.received_at), today),
                identity: opened
                    .as_ref()
                    .filter(|(signal, _)| *signal == marker.signal)
                    .and_then(|(_, opened)| identity(opened, today)),
            })
            .collect(),
        lift_reasons: LiftReason::ALL
            .iter()
            .map(|reason| (reason.code(), reason.label()))
            .collect(),
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
