//! The pages: worklist, task, safety desk, registrations.

mod registrations;
mod safety;
mod task;
mod worklist;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use voorveld_accounts::{Nav, Notice, SignedIn};
use voorveld_domain::Role;

use crate::App;

/// Every page that needs somebody signed in.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(worklist::show))
        .route("/taken/{id}", get(task::show))
        .route("/taken/{id}/oppakken", post(task::claim))
        .route("/taken/{id}/vrijgeven", post(task::release))
        .route("/taken/{id}/contact", post(task::record_contact))
        .route("/taken/{id}/afronden", post(task::finish))
        .route("/taken/{id}/ongedaan", post(task::undo))
        .route(
            "/taken/{id}/personen/{person}",
            get(task::back).post(task::open_person),
        )
        .route(
            "/taken/{id}/vastleggen",
            get(registrations::ask).post(registrations::register_at_task),
        )
        .route(
            "/registraties",
            get(registrations::show).post(registrations::register),
        )
        .route(
            "/registraties/{id}/intrekken",
            get(registrations::back).post(registrations::revoke),
        )
        .route("/veiligheid", get(safety::show))
        .route("/veiligheid/holds/{hold}", post(safety::lift))
        .route(
            "/veiligheid/meldingen/{signal}",
            get(safety::back).post(safety::open_marker),
        )
        .route(
            "/veiligheid/meldingen/{signal}/beoordeeld",
            post(safety::judge_marker),
        )
}

/// The page on which the form of a path stands.
pub(crate) fn page_of(path: &str) -> &str {
    const TASKS: &str = "/taken/";
    if let Some(rest) = path.strip_prefix(TASKS) {
        let id = rest.find('/').unwrap_or(rest.len());
        &path[..TASKS.len() + id]
    } else if path.starts_with("/veiligheid") {
        "/veiligheid"
    } else if path.starts_with("/registraties") {
        "/registraties"
    } else {
        "/"
    }
}

/// There is nothing at this address.
pub(crate) async fn not_found() -> impl IntoResponse {
    Notice::not_found()
}

/// Which page one is on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Worklist,
    Safety,
    Registrations,
    Elsewhere,
}

/// Where this colleague can go.
fn nav(who: &SignedIn, place: Place) -> Vec<Nav> {
    let mut nav = Vec::new();
    if who.user.has_role(Role::TeamMember) {
        nav.push(Nav {
            href: "/",
            label: "Werklijst",
            current: place == Place::Worklist,
        });
    }
    if who.user.has_role(Role::SafetyDesk) {
        nav.push(Nav {
            href: "/veiligheid",
            label: "Veiligheid",
            current: place == Place::Safety,
        });
    }
    if who.user.has_role(Role::PrivacyOfficer) {
        nav.push(Nav {
            href: "/registraties",
            label: "Registraties",
            current: place == Place::Registrations,
        });
    }
    nav
}
