//! The same as the pages, for programs: JSON under `/api/v1`, problems as `application/problem+json`.

use std::sync::{Arc, LazyLock};

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;
use voorveld_accounts::{
    Accounts, AccountsError, ApiUser, BUSY_RETRY_AFTER, SignInRefused, SignedIn, THROTTLE_WINDOW,
};
use voorveld_chassis::{Problem, ProblemDetail, ProblemType, Secret, problem};
use voorveld_domain::{ContactChannel, DayPart, Outcome, SignalId, TaskId};
use voorveld_store::task_changes::NewContactAttempt;

use crate::App;
use crate::desk::{Desk, Listed, NewRegistrationForm, OpeningReason, RegisteredAbout, parse_day};
use crate::error::TaskError;
use crate::view::{HoldView, IdentityView, MarkerView, RegistrationView, TaskCard, TaskView};

/// Largest body: the largest act says five short things.
const BODY_MAX_BYTES: usize = 16 * 1024;
/// Most pages anybody leafs through.
const PAGES_MAX: u32 = 1_000;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Voorveld outreach",
        version = "1.0.0",
        description = "Worklists of neighbourhood teams: which household, why, by when, and what came of it. Says the same as the pages."
    ),
    servers((url = "/api/v1")),
    modifiers(&Schemes),
    security(("session" = []), ("cookie" = []))
)]
struct Document;

struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        components.add_security_scheme(
            "session",
            SecurityScheme::Http(
                HttpBuilder::new()
                    .scheme(HttpAuthScheme::Bearer)
                    .description(Some("The token of POST /session."))
                    .build(),
            ),
        );
        components.add_security_scheme(
            "cookie",
            SecurityScheme::ApiKey(ApiKey::Cookie(ApiKeyValue::with_description(
                "voorveld-outreach",
                "The session of the pages. Changes then need the header X-CSRF-Token. Behind HTTPS the name begins with __Host-.",
            ))),
        );
    }
}

fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(sign_in, session, sign_out))
        .routes(routes!(list_tasks))
        .routes(routes!(show_task))
        .routes(routes!(claim))
        .routes(routes!(release))
        .routes(routes!(record_contact))
        .routes(routes!(record_result))
        .routes(routes!(undo))
        .routes(routes!(open_identity))
        .routes(routes!(register_at_task))
        .routes(routes!(list_registrations, register))
        .routes(routes!(revoke_registration))
        .routes(routes!(show_safety))
        .routes(routes!(lift_hold))
        .routes(routes!(open_marker))
        .routes(routes!(judge_marker))
}

/// The document of `/api/v1`.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    described().into_openapi()
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    openapi()
        .to_pretty_json()
        .expect("a document of plain values is JSON")
});

pub(crate) fn routes() -> Router<App> {
    let (router, _) = described().split_for_parts();
    router
        .route("/openapi.json", axum::routing::get(document))
        .fallback(problem::not_found)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .layer(axum::extract::DefaultBodyLimit::max(BODY_MAX_BYTES))
}

async fn document() -> ([(axum::http::HeaderName, &'static str); 1], &'static str) {
    (
        [(axum::http::header::CONTENT_TYPE, "application/json")],
        DOCUMENT.as_str(),
    )
}

/// A JSON body, or a problem that says what is wrong with it and never what was in it.
struct Body<T>(T);

impl<S, T> FromRequest<S> for Body<T>
where
    S: Send + Sync,
    T: serde::de::DeserializeOwned,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => {
                Err(Problem::new(ProblemType::UnsupportedMediaType)
                    .detail("Stuur JSON, met Content-Type: application/json."))
            }
            Err(JsonRejection::JsonDataError(_)) => Err(Problem::new(ProblemType::InvalidRequest)
                .detail("Er ontbreekt een veld, of een veld heeft een verkeerde vorm. Zie /api/v1/openapi.json.")),
            Err(JsonRejection::BytesRejection(rejected))
                if rejected.status() == StatusCode::PAYLOAD_TOO_LARGE =>
            {
                Err(Problem::new(ProblemType::TooLarge)
                    .detail(format!("De inhoud mag hoogstens {BODY_MAX_BYTES} bytes zijn.")))
            }
            Err(_) => Err(Problem::new(ProblemType::UnreadableBody)
                .detail("De inhoud is geen geldige JSON.")),
        }
    }
}

fn task_id(raw: &str) -> Result<TaskId, Problem> {
    Uuid::try_parse(raw)
        .map(TaskId::from_uuid)
        .map_err(|_| TaskError::NotFound.into())
}

fn own_id(raw: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(raw).map_err(|_| TaskError::NotFound.into())
}

/// Login and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// What one types to sign in.
    login: String,
    /// The password.
    #[schema(value_type = String, format = Password)]
    password: Secret,
}

/// A session that has just begun.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct NewSession {
    /// Send it as `Authorization: Bearer`.
    token: String,
    /// When it ends at the latest; after half an hour without use it ends earlier.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Who is signed in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Session {
    /// What colleagues call you.
    name: String,
    /// What you may do.
    roles: Vec<String>,
    /// Whose tasks you see.
    teams: Vec<String>,
    /// For the header X-CSRF-Token, with a session from a cookie.
    csrf_token: String,
    /// When the session ends at the latest.
    #[schema(value_type = String, format = DateTime)]
    expires_at: Timestamp,
}

/// Signs in and gives a session's token.
#[utoipa::path(post, path = "/session", tag = "session", security(()),
    request_body = Credentials,
    responses(
        (status = 201, description = "A session", body = NewSession),
        (status = 400, description = "The body is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Login and password do not belong together", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The account is not for outreach", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "Too many wrong passwords", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "Too many sign in at this moment, or the database is away", body = Problem, content_type = "application/problem+json"),
    ))]
async fn sign_in(
    State(accounts): State<Accounts>,
    Body(credentials): Body<Credentials>,
) -> Result<(StatusCode, Json<NewSession>), Problem> {
    let begun = accounts
        .sign_in(&credentials.login, credentials.password.expose())
        .await
        .map_err(|refused| match refused {
            SignInRefused::Wrong => Problem::new(ProblemType::Unauthenticated)
                .detail("De gebruikersnaam of het wachtwoord klopt niet."),
            SignInRefused::Throttled => Problem::new(ProblemType::TooManyRequests)
                .detail("Er is te vaak een verkeerd wachtwoord gestuurd. Wacht een kwartier.")
                .retry_after(THROTTLE_WINDOW),
            SignInRefused::Busy => Problem::new(ProblemType::Unavailable)
                .detail("Er loggen nu te veel mensen tegelijk in.")
                .retry_after(BUSY_RETRY_AFTER),
            SignInRefused::NotForYou => Problem::new(ProblemType::Forbidden)
                .detail("Met dit account kunt u hier niet inloggen."),
            SignInRefused::Failed(error) => error.into_problem(),
        })?;
    let session = NewSession {
        token: begun.token.expose().to_owned(),
        expires_at: begun.expires_at,
    };
    Ok((StatusCode::CREATED, Json(session)))
}

/// Who is signed in.
#[utoipa::path(get, path = "/session", tag = "session",
    responses(
        (status = 200, description = "You", body = Session),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
    ))]
async fn session(ApiUser(who): ApiUser) -> Json<Session> {
    Json(Session {
        name: who.user.display_name.clone(),
        roles: who
            .user
            .roles
            .iter()
            .map(|role| role.code().to_owned())
            .collect(),
        teams: who.user.teams.iter().map(ToString::to_string).collect(),
        csrf_token: who.csrf(),
        expires_at: who.expires_at,
    })
}

/// Signs out.
#[utoipa::path(delete, path = "/session", tag = "session",
    responses(
        (status = 204, description = "Signed out"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The CSRF token is missing", body = Problem, content_type = "application/problem+json"),
    ))]
async fn sign_out(
    State(accounts): State<Accounts>,
    ApiUser(who): ApiUser,
) -> Result<StatusCode, Problem> {
    accounts
        .sign_out(&who)
        .await
        .map_err(AccountsError::into_problem)?;
    Ok(StatusCode::NO_CONTENT)
}

fn wrong(column: &str, expected: &str) -> Problem {
    Problem::new(ProblemType::InvalidRequest)
        .error(ProblemDetail::new("invalid", expected).in_column(column))
}

fn page_number(raw: Option<&str>) -> Result<u32, Problem> {
    match raw {
        None => Ok(1),
        Some(raw) => raw
            .parse()
            .ok()
            .filter(|page| (1..=PAGES_MAX).contains(page))
            .ok_or_else(|| wrong("page", "Geef een getal van 1 tot en met 1000.")),
    }
}

/// Which part of the worklist.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// `all` (the default), `open`, `mine` or `finished` (in the last two weeks, also what lapsed or was merged).
    #[serde(default)]
    list: Option<String>,
    /// Which page, from 1.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    page: Option<String>,
}

/// A page of the worklist.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct TaskList {
    /// Yours, at households with which nobody may have contact now: stop.
    stopped: Vec<TaskCard>,
    /// Yours, of which all reasons are gone: end it or give it back.
    flagged: Vec<TaskCard>,
    /// The three to go to today.
    today: Vec<TaskCard>,
    /// By urgency and then deadline.
    tasks: Vec<TaskCard>,
    /// Which page this is.
    page: u32,
    /// Whether there is another page.
    more: bool,
    /// How many tasks nobody has.
    open: i64,
    /// How many you have.
    mine: i64,
    /// How many ask for something.
    all: i64,
    /// How many of them are late.
    overdue: i64,
}

/// The tasks of your teams.
#[utoipa::path(get, path = "/tasks", tag = "tasks", params(ListQuery),
    responses(
        (status = 200, description = "A page of the worklist", body = TaskList),
        (status = 400, description = "A parameter is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_tasks(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Query(query): Query<ListQuery>,
) -> Result<Json<TaskList>, Problem> {
    let listed = match query.list.as_deref() {
        None | Some("all") => Listed::All,
        Some("open") => Listed::Open,
        Some("mine") => Listed::Mine,
        Some("finished") => Listed::Finished,
        Some(_) => return Err(wrong("list", "Kies all, open, mine of finished.")),
    };
    let page = page_number(query.page.as_deref())?;
    let found = desk
        .worklist(&who.user, listed, i64::from(page) - 1)
        .await?;
    let cards = |tasks: &[voorveld_store::tasks::Task]| {
        tasks
            .iter()
            .map(|task| desk.card(&who.user, task))
            .collect()
    };
    Ok(Json(TaskList {
        stopped: cards(&found.stopped),
        flagged: cards(&found.flagged),
        today: cards(&found.today),
        tasks: cards(&found.tasks),
        page,
        more: found.more,
        open: found.counts.open,
        mine: found.counts.mine,
        all: found.counts.all,
        overdue: found.counts.overdue,
    }))
}

/// A task with its reasons, what was signalled per person, and what happened.
#[utoipa::path(get, path = "/tasks/{id}", tag = "tasks", params(("id" = String, Path, format = Uuid)),
    responses(
        (status = 200, description = "The task", body = TaskView),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such task, or it is not yours to see", body = Problem, content_type = "application/problem+json"),
    ))]
async fn show_task(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Path(id): Path<String>,
) -> Result<Json<TaskView>, Problem> {
    task(&desk, &who, task_id(&id)?).await
}

async fn task(desk: &Desk, who: &SignedIn, id: TaskId) -> Result<Json<TaskView>, Problem> {
    let file = desk.file(&who.user, id).await?;
    Ok(Json(desk.view(&who.user, &file, None)))
}

/// Which version you saw.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Version {
    /// The task's version as you read it.
    version: i32,
}

macro_rules! act {
    ($(#[$meta:meta])* $name:ident, $path:literal, $body:ty, |$desk:ident, $who:ident, $id:ident, $fields:ident| $act:expr) => {
        $(#[$meta])*
        #[utoipa::path(post, path = $path, tag = "tasks", params(("id" = String, Path, format = Uuid)), request_body = $body,
            responses(
                (status = 200, description = "The task as it is now", body = TaskView),
                (status = 400, description = "A value is not what was expected", body = Problem, content_type = "application/problem+json"),
                (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
                (status = 403, description = "The CSRF token is missing", body = Problem, content_type = "application/problem+json"),
                (status = 404, description = "There is no such task, or it is not yours to see", body = Problem, content_type = "application/problem+json"),
                (status = 409, description = "Somebody was first, or it cannot be done now; the error's code says which", body = Problem, content_type = "application/problem+json"),
            ))]
        async fn $name(
            State($desk): State<Arc<Desk>>,
            ApiUser($who): ApiUser,
            Path(id): Path<String>,
            Body($fields): Body<$body>,
        ) -> Result<Json<TaskView>, Problem> {
            let $id = task_id(&id)?;
            $act;
            task(&$desk, &$who, $id).await
        }
    };
}

act!(
    /// Takes an open task.
    claim, "/tasks/{id}/claim", Version,
    |desk, who, id, body| desk.claim(&who.user, id, body.version).await?
);
act!(
    /// Gives a task back to the team.
    release, "/tasks/{id}/release", Version,
    |desk, who, id, body| desk.release(&who.user, id, body.version).await?
);
act!(
    /// Takes a result back, within ten minutes.
    undo, "/tasks/{id}/undo", Version,
    |desk, who, id, body| desk.undo(&who.user, id, body.version).await?
);

/// A contact attempt.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewAttempt {
    /// Made by you: sending the same attempt twice writes it down once.
    id: Option<Uuid>,
    /// On which day; today or in the last 90 days.
    #[schema(format = Date)]
    tried_on: String,
    /// How: email, letter, text_message, telephone, home_visit, calling_card, appointment, administrative, other.
    channel: String,
    /// When on that day: morning, afternoon, evening.
    day_part: String,
    /// Whether somebody was spoken to.
    reached: bool,
}

impl NewAttempt {
    fn parse(&self) -> Result<NewContactAttempt, TaskError> {
        let invalid = |field, expected| TaskError::Invalid { field, expected };
        Ok(NewContactAttempt {
            id: self.id.unwrap_or_else(Uuid::new_v4),
            tried_on: parse_day(&self.tried_on)?,
            channel: self
                .channel
                .parse::<ContactChannel>()
                .map_err(|_| invalid("channel", "Kies een kanaal uit de lijst."))?,
            day_part: self
                .day_part
                .parse::<DayPart>()
                .map_err(|_| invalid("dayPart", "Kies morning, afternoon of evening."))?,
            reached: self.reached,
        })
    }
}

act!(
    /// Writes down that contact was tried.
    record_contact, "/tasks/{id}/contact-attempts", NewAttempt,
    |desk, who, id, body| desk.record_contact(&who.user, id, &body.parse()?).await?
);

/// How a task ended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewResult {
    /// The task's version as you read it.
    version: i32,
    /// By the official list, e.g. `paid_or_arranged`.
    outcome: String,
}

impl NewResult {
    fn outcome(&self) -> Result<Outcome, TaskError> {
        self.outcome.parse().map_err(|_| TaskError::Invalid {
            field: "outcome",
            expected: "Kies een resultaat uit de officiële lijst.",
        })
    }
}

act!(
    /// Ends a task with a result by the official list.
    record_result, "/tasks/{id}/result", NewResult,
    |desk, who, id, body| desk.finish(&who.user, id, body.version, body.outcome()?).await?
);

/// Whose identity, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Opening {
    /// The person's key in the task.
    person: Uuid,
    /// contact, visit, check, handover; for the safety desk also safety.
    reason: String,
}

/// Opens who one person in the evidence is. Your name and the reason are logged first.
#[utoipa::path(post, path = "/tasks/{id}/identities", tag = "tasks", params(("id" = String, Path, format = Uuid)),
    request_body = Opening,
    responses(
        (status = 200, description = "Who it is", body = IdentityView),
        (status = 400, description = "A value is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The CSRF token is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such task or person, or it is not yours to see", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The household is held, or the task has ended", body = Problem, content_type = "application/problem+json"),
    ))]
async fn open_identity(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Path(id): Path<String>,
    Body(opening): Body<Opening>,
) -> Result<Json<IdentityView>, Problem> {
    let reason = OpeningReason::parse(&opening.reason)?;
    let (_, opened) = desk
        .open_person(&who.user, task_id(&id)?, opening.person, reason)
        .await?;
    crate::view::identity(&opened, desk.clock.today())
        .map(Json)
        .ok_or_else(|| TaskError::Sealed.into())
}

/// Something that the rules must heed. No text about anybody: a code for the reason, and at most a file number of your own.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRegistration {
    /// Made by you: sending the same twice writes it down once.
    id: Option<Uuid>,
    /// `household`, or the person's key in the task.
    about: String,
    /// Objection: `by_resident`, `by_representative`. Known client: `debt_help`, `other_track`. Exclusion: `deceased`, `not_resident`, `legal_person`,
    /// `detention`, `unlawful_residence`, `whereabouts_unknown`, `unsafe_to_visit`.
    reason: String,
    /// Number of a file of your own: 2 to 32 letters, digits, hyphens, points or slashes, and no BSN.
    file_code: Option<String>,
    /// Since which day; today when absent.
    #[schema(format = Date)]
    since: Option<String>,
    /// The last day, where there is one.
    #[schema(format = Date)]
    until: Option<String>,
}

impl NewRegistration {
    fn parse(&self) -> Result<NewRegistrationForm, TaskError> {
        let about = match self.about.as_str() {
            "household" => RegisteredAbout::Household,
            "person" => RegisteredAbout::Named,
            key => Uuid::try_parse(key)
                .map(RegisteredAbout::Person)
                .map_err(|_| TaskError::Invalid {
                    field: "about",
                    expected: "Kies household, of een persoon.",
                })?,
        };
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        NewRegistrationForm::parse(
            self.id,
            about,
            &self.reason,
            &text(&self.file_code),
            &text(&self.since),
            &text(&self.until),
        )
    }
}

act!(
    /// Registers an objection, a known client or an exclusion at a task. Your name and the reason are logged. The household is judged again within seconds.
    register_at_task, "/tasks/{id}/registrations", NewRegistration,
    |desk, who, id, body| desk.register_at_task(&who.user, id, &body.parse()?).await?
);

/// Which part of the list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct RegistrationsQuery {
    /// `standing` (the default) or `all`.
    #[serde(default)]
    list: Option<String>,
    /// Which page, from 1.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    page: Option<String>,
}

/// A page of what was registered.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RegistrationList {
    /// Newest first.
    registrations: Vec<RegistrationView>,
    /// Which page this is.
    page: u32,
    /// Whether there is another page.
    more: bool,
}

/// What was registered in your municipality: for the privacy officer.
#[utoipa::path(get, path = "/registrations", tag = "registrations", params(RegistrationsQuery),
    responses(
        (status = 200, description = "A page of the list", body = RegistrationList),
        (status = 400, description = "A parameter is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "You are not the privacy officer", body = Problem, content_type = "application/problem+json"),
    ))]
async fn list_registrations(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Query(query): Query<RegistrationsQuery>,
) -> Result<Json<RegistrationList>, Problem> {
    let only_standing = match query.list.as_deref() {
        None | Some("standing") => true,
        Some("all") => false,
        Some(_) => return Err(wrong("list", "Kies standing of all.")),
    };
    let page = page_number(query.page.as_deref())?;
    let found = desk
        .registrations(&who.user, only_standing, i64::from(page) - 1)
        .await?;
    Ok(Json(RegistrationList {
        registrations: found
            .rows
            .iter()
            .map(|row| desk.registration_view(&who.user, row, None))
            .collect(),
        page,
        more: found.more,
    }))
}

/// The same about whom an id names.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NewRegistrationOf {
    /// Id of a task, a signal or a household.
    subject: Uuid,
    /// Made by you: sending the same twice writes it down once.
    id: Option<Uuid>,
    /// `household`, or `person`: whom the signal names.
    about: String,
    /// As at a task.
    reason: String,
    /// As at a task.
    file_code: Option<String>,
    /// As at a task.
    #[schema(format = Date)]
    since: Option<String>,
    /// As at a task.
    #[schema(format = Date)]
    until: Option<String>,
}

/// Registers an objection, a known client or an exclusion about whom an id names: for the privacy officer. Your name and the reason are logged.
#[utoipa::path(post, path = "/registrations", tag = "registrations", request_body = NewRegistrationOf,
    responses(
        (status = 204, description = "It is registered"),
        (status = 400, description = "A value is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The CSRF token is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "You are not the privacy officer", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The same stands already", body = Problem, content_type = "application/problem+json"),
    ))]
async fn register(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Body(body): Body<NewRegistrationOf>,
) -> Result<StatusCode, Problem> {
    let subject = body.subject;
    let new = NewRegistration {
        id: body.id,
        about: body.about,
        reason: body.reason,
        file_code: body.file_code,
        since: body.since,
        until: body.until,
    };
    desk.register(&who.user, subject, &new.parse()?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why a registration stands no more.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRevocation {
    /// `taken_back`, `rejected`, `ended` or `mistaken`.
    reason: String,
}

/// Revokes a registration: the privacy officer any, a colleague what they wrote down in the last ten minutes. Your name and the reason are logged.
#[utoipa::path(post, path = "/registrations/{id}/revocation", tag = "registrations", params(("id" = String, Path, format = Uuid)),
    request_body = NewRevocation,
    responses(
        (status = 204, description = "It is revoked"),
        (status = 400, description = "A value is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The CSRF token is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such registration, or it is not yours to revoke", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It stands no more, or it is too late to take it back yourself", body = Problem, content_type = "application/problem+json"),
    ))]
async fn revoke_registration(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Path(id): Path<String>,
    Body(revocation): Body<NewRevocation>,
) -> Result<StatusCode, Problem> {
    desk.revoke(&who.user, own_id(&id)?, &revocation.reason)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the safety desk works on. The first of each; the numbers say how many there are behind them.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SafetyList {
    /// Reports without a household, oldest first.
    markers: Vec<MarkerView>,
    /// How many more of them.
    more_markers: i64,
    /// Tasks, by deadline.
    tasks: Vec<TaskCard>,
    /// How many more of them.
    more_tasks: i64,
    /// Households with which nobody may have contact, by the first deadline that presses on them.
    holds: Vec<HoldView>,
    /// How many more of them.
    more_holds: i64,
}

/// What the safety desk works on.
#[utoipa::path(get, path = "/safety", tag = "safety",
    responses(
        (status = 200, description = "Reports, tasks and holds", body = SafetyList),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "You are not of the safety desk", body = Problem, content_type = "application/problem+json"),
    ))]
async fn show_safety(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
) -> Result<Json<SafetyList>, Problem> {
    let found = desk.safety_desk(&who.user).await?;
    Ok(Json(SafetyList {
        markers: found
            .markers
            .rows
            .iter()
            .map(|marker| desk.marker_view(marker))
            .collect(),
        more_markers: found.markers.more,
        tasks: found
            .tasks
            .rows
            .iter()
            .map(|task| desk.card(&who.user, task))
            .collect(),
        more_tasks: found.tasks.more,
        holds: found
            .holds
            .rows
            .iter()
            .map(|hold| desk.hold_view(hold))
            .collect(),
        more_holds: found.holds.more,
    }))
}

/// Why contact may begin again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewLift {
    /// What the hold said of the reports you have seen.
    seen: String,
    /// `handed_over`, `no_unsafety`, `mistaken`, `objection_gone` or `safe_again`.
    reason: String,
}

/// Lets contact with a household begin again. Your name and the reason are logged.
#[utoipa::path(post, path = "/safety/holds/{id}/lift", tag = "safety", params(("id" = String, Path, format = Uuid)),
    request_body = NewLift,
    responses(
        (status = 204, description = "The hold is lifted"),
        (status = 400, description = "A value is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The CSRF token is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "You are not of the safety desk", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "The hold is gone, or there is a report that you have not seen: read the list again", body = Problem, content_type = "application/problem+json"),
    ))]
async fn lift_hold(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Path(id): Path<String>,
    Body(lift): Body<NewLift>,
) -> Result<StatusCode, Problem> {
    desk.lift_hold(&who.user, own_id(&id)?, &lift.seen, &lift.reason)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Why an identity is opened.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MarkerOpening {
    /// `safety`, `check` or `handover`.
    reason: String,
}

/// Opens whom a report without a household names. Your name and the reason are logged first.
#[utoipa::path(post, path = "/safety/markers/{id}/identity", tag = "safety", params(("id" = String, Path, format = Uuid)),
    request_body = MarkerOpening,
    responses(
        (status = 200, description = "Who it is", body = IdentityView),
        (status = 400, description = "A value is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The CSRF token is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is no such report, or you are not of the safety desk", body = Problem, content_type = "application/problem+json"),
    ))]
async fn open_marker(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Path(id): Path<String>,
    Body(opening): Body<MarkerOpening>,
) -> Result<Json<IdentityView>, Problem> {
    let reason = OpeningReason::parse(&opening.reason)?;
    let signal = SignalId::from_uuid(own_id(&id)?);
    let opened = desk.open_marker(&who.user, signal, reason).await?;
    crate::view::identity(&opened, desk.clock.today())
        .map(Json)
        .ok_or_else(|| TaskError::Sealed.into())
}

/// What the desk thinks of a report without a household.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewJudgement {
    /// The report's revision as you read it.
    revision: i32,
    /// `handed_over`, `no_unsafety`, `mistaken` or `elsewhere`.
    reason: String,
}

/// Says that a report without a household was judged: it leaves the desk's list. Your name and the reason are logged.
#[utoipa::path(post, path = "/safety/markers/{id}/judgement", tag = "safety", params(("id" = String, Path, format = Uuid)),
    request_body = NewJudgement,
    responses(
        (status = 204, description = "It is judged"),
        (status = 400, description = "A value is not what was expected", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Nobody is signed in", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "The CSRF token is missing", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "You are not of the safety desk", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It was judged, corrected or placed meanwhile: read the list again", body = Problem, content_type = "application/problem+json"),
    ))]
async fn judge_marker(
    State(desk): State<Arc<Desk>>,
    ApiUser(who): ApiUser,
    Path(id): Path<String>,
    Body(judgement): Body<NewJudgement>,
) -> Result<StatusCode, Problem> {
    let signal = SignalId::from_uuid(own_id(&id)?);
    desk.judge_marker(&who.user, signal, judgement.revision, &judgement.reason)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
