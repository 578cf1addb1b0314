//! The worklist: three households for today, and everything behind them.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use voorveld_accounts::{Accounts, Frame, PageUser, page};
use voorveld_domain::Role;
use voorveld_store::tasks::WorklistCounts;

use super::{Place, nav};
use crate::desk::{Desk, Listed};
use crate::view::TaskCard;
use crate::words;

#[derive(Deserialize)]
pub(super) struct WorklistQuery {
    #[serde(default)]
    lijst: String,
    #[serde(default)]
    pagina: String,
}

struct Tab {
    href: &'static str,
    label: &'static str,
    count: i64,
    current: bool,
}

#[derive(Template)]
#[template(path = "worklist.html")]
struct WorklistPage {
    frame: Frame,
    date: String,
    teams: String,
    today: Vec<TaskCard>,
    stopped: Vec<TaskCard>,
    flagged: Vec<TaskCard>,
    tabs: Vec<Tab>,
    tasks: Vec<TaskCard>,
    overdue: i64,
    heading: &'static str,
    list: &'static str,
    page: i64,
    more: bool,
}

/// Most pages anybody leafs through.
const PAGES_MAX: i64 = 1_000;

pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    State(accounts): State<Accounts>,
    PageUser(who): PageUser,
    Query(query): Query<WorklistQuery>,
) -> Response {
    let user = &who.user;
    if !user.has_role(Role::TeamMember) {
        let first = if user.has_role(Role::SafetyDesk) {
            "/veiligheid"
        } else {
            "/registraties"
        };
        return Redirect::to(first).into_response();
    }
    let (listed, list, heading) = match query.lijst.as_str() {
        "mijn" => (Listed::Mine, "mijn", "Mijn taken"),
        "open" => (Listed::Open, "open", "Nog op te pakken"),
        "afgerond" => (
            Listed::Finished,
            "afgerond",
            "Afgerond of vervallen in de laatste twee weken",
        ),
        _ => (Listed::All, "alles", "Alle taken"),
    };
    let number: i64 = query
        .pagina
        .parse()
        .ok()
        .filter(|page| (1..=PAGES_MAX).contains(page))
        .unwrap_or(1);
    let worklist = match desk.worklist(user, listed, number - 1).await {
        Ok(worklist) => worklist,
        Err(error) => return error.into_page(),
    };
    let cards = |tasks: &[voorveld_store::tasks::Task]| -> Vec<TaskCard> {
        tasks.iter().map(|task| desk.card(user, task)).collect()
    };
    let policy = desk.policy();
    let teams: Vec<&str> = user
        .teams
        .iter()
        .map(|id| {
            policy
                .routing()
                .find_team(id)
                .map_or(id.as_str(), |team| team.name.as_str())
        })
        .collect();
    let today = desk.clock.today();
    let html = WorklistPage {
        frame: Frame::new(&accounts, &who, "Werklijst", nav(&who, Place::Worklist)),
        date: words::weekday_and_day(today, today),
        teams: teams.join(", "),
        today: cards(&worklist.today),
        // K11: who has the task is told to stop, whatever list is looked at.
        stopped: cards(&worklist.stopped),
        flagged: cards(&worklist.flagged),
        tabs: tabs(listed, worklist.counts),
        tasks: cards(&worklist.tasks),
        overdue: worklist.counts.overdue,
        heading,
        list,
        page: number,
        more: worklist.more,
    };
    page(StatusCode::OK, &html)
}

fn tabs(listed: Listed, counts: WorklistCounts) -> Vec<Tab> {
    [
        ("/?lijst=alles", "Alles", counts.all, Listed::All),
        ("/?lijst=open", "Op te pakken", counts.open, Listed::Open),
        ("/?lijst=mijn", "Mijn taken", counts.mine, Listed::Mine),
        (
            "/?lijst=afgerond",
            "Afgerond",
            counts.ended,
            Listed::Finished,
        ),
    ]
    .into_iter()
    .map(|(href, label, count, tab)| Tab {
        href,
        label,
        count,
        current: tab == listed,
    })
    .collect()
}
