//! Signals by HTTP: deliver one or up to a thousand, correct, take back, read the receipt.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use voorveld_chassis::http::RequestId;
use voorveld_chassis::problem::{Problem, ProblemDetail, ProblemType};
use voorveld_domain::WithdrawalReason;
use voorveld_wire::intake_v1::{
    Claim, ClaimReader, Flaw, FlawCode, SignalV1, TEXT_MAX_CHARS, claim_in_cloud_event,
    claim_in_json,
};

use super::answers::{IN_ENVELOPE, ReceiptAnswer, SignalResult, SignalResults, problem_detail};
use super::read::{PathId, json, media_type, refuse_encoded, small_body, unsupported};
use super::{BASE, Door};
use crate::auth::Caller;
use crate::config::MAX_SIGNALS_PER_REQUEST;
use crate::intake::{Offer, Outcome};

/// One signal, or a list of them.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "describes the body; reading is strict and done by hand"
)]
pub enum OneOrMore {
    /// One signal.
    One(Box<SignalV1>),
    /// Up to a thousand.
    More(Vec<SignalV1>),
}

/// Why you take a signal back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "describes the body; reading is strict and done by hand"
)]
pub struct Withdrawal {
    /// One of the official reasons.
    reason: Reason,
}

/// A reason to take a signal back.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WithdrawalReason)]
pub enum Reason {
    /// The resident has paid.
    Paid,
    /// A payment arrangement was made.
    Arranged,
    /// It should never have been sent.
    Mistaken,
    /// It was about somebody else.
    WrongPerson,
    /// The contract ended.
    ContractEnded,
    /// Another reason.
    Other,
}

enum Envelope {
    None,
    One,
    Batch,
}

fn envelope(request: &Request) -> Result<Envelope, Problem> {
    refuse_encoded(request.headers())?;
    match media_type(request.headers()).as_deref() {
        Some("application/json") => Ok(Envelope::None),
        Some("application/cloudevents+json") => Ok(Envelope::One),
        Some("application/cloudevents-batch+json") => Ok(Envelope::Batch),
        _ => Err(unsupported(
            "application/json, application/cloudevents+json of application/cloudevents-batch+json",
        )),
    }
}

/// The request at hand, to find again in logs and receipts.
fn request_id() -> Arc<str> {
    RequestId::current()
        .unwrap_or_else(RequestId::new)
        .to_string()
        .into()
}

/// A refusal of a single signal, as a problem in the caller's terms.
fn refused(flaws: &[Flaw], prefix: &str) -> Problem {
    let detail = if flaws.len() == 1 {
        "Eén ding klopt niet; het signaal is niet aangenomen.".to_owned()
    } else {
        format!(
            "{} dingen kloppen niet; het signaal is niet aangenomen.",
            flaws.len()
        )
    };
    Problem::new(ProblemType::InvalidRequest)
        .detail(detail)
        .errors(flaws.iter().map(|flaw| problem_detail(flaw, prefix)))
}

fn place_of(id: Uuid) -> HeaderValue {
    HeaderValue::try_from(format!("{BASE}/signals/{id}")).expect("a UUID is plain ASCII")
}

impl Door {
    pub(super) fn spend(&self, caller: &Caller, rows: usize) -> Result<(), Problem> {
        self.partners.spend(&caller.partner, rows).map_err(|wait| {
            Problem::new(ProblemType::TooManyRequests)
                .detail(format!(
                    "U mag {} signalen per minuut sturen. Wacht even en stuur het opnieuw.",
                    caller.partner.rows_per_minute
                ))
                .retry_after(wait)
        })
    }
}

/// Deliver one signal or up to 1,000.
///
/// A signal is known by its reference: the same reference with the same content changes nothing, with other content it is a new revision. In a
/// list each signal is taken in or refused by itself, and the answer says so in the same order. The same reference twice in one list counts
/// twice, in order. An answer with an id means that we have the signal and will not lose it.
#[utoipa::path(
    post, path = "/signals", operation_id = "deliverSignals", tag = "signals",
    request_body(
        content(
            (OneOrMore = "application/json"),
            (CloudEvent = "application/cloudevents+json"),
            (Vec<CloudEvent> = "application/cloudevents-batch+json"),
        ),
        description = "One signal or a list of at most 1,000, by themselves or as CloudEvents (NL GOV profile). At most 2 MiB.",
    ),
    responses(
        (status = 200, description = "A list: what became of each signal. One signal: it was known, and is corrected or unchanged.", body = OneOrMoreResults),
        (status = 201, description = "One new signal was taken in.", body = SignalResult, headers(("Location", description = "Where its receipt is."))),
    ),
)]
pub async fn deliver_signals(
    State(door): State<Door>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    let envelope = envelope(&request)?;
    let request_id = request_id();
    let body = json(&small_body(request).await?)?;
    let read: fn(&Value, &str) -> (Claim, Vec<Flaw>) = match envelope {
        Envelope::None => claim_in_json,
        Envelope::One | Envelope::Batch => claim_in_cloud_event,
    };
    // A flaw tells its place without the prefix, so that judging and reading speak of the same places.
    let prefix = match envelope {
        Envelope::None => "",
        Envelope::One | Envelope::Batch => "/data",
    };
    let offer = |one: &Value| {
        let (claim, flaws) = read(one, "");
        Offer {
            claim,
            flaws: inner(flaws, prefix),
            request_id: Arc::clone(&request_id),
        }
    };
    let list = match (&body, envelope) {
        (Value::Array(list), Envelope::None | Envelope::Batch) => list,
        (_, Envelope::Batch) => {
            return Err(Problem::new(ProblemType::InvalidRequest)
                .detail("Stuur een lijst van CloudEvents.")
                .error(ProblemDetail::new("wrong_type", "Zet hier een lijst: [ … ].").at("")));
        }
        (one, _) => {
            door.spend(&caller, 1)?;
            let outcome = door
                .gathering
                .take(&caller.partner, vec![offer(one)])
                .await
                .map_err(|error| door.take_problem(&error))?
                .pop()
                .expect("one claim has one outcome");
            return answer_one(&outcome, prefix);
        }
    };
    if list.len() > MAX_SIGNALS_PER_REQUEST {
        return Err(Problem::new(ProblemType::TooLarge).detail(format!(
            "Stuur hoogstens {MAX_SIGNALS_PER_REQUEST} signalen tegelijk, of lever een bestand aan op {BASE}/deliveries."
        )));
    }
    if list.is_empty() {
        return Err(Problem::new(ProblemType::InvalidRequest)
            .detail("De lijst is leeg.")
            .error(
                ProblemDetail::new("required", "Zet minstens één signaal in de lijst.").at(""),
            ));
    }
    door.spend(&caller, list.len())?;
    let offers = list.iter().map(offer).collect();
    let outcomes = door
        .gathering
        .take(&caller.partner, offers)
        .await
        .map_err(|error| door.take_problem(&error))?;
    let results = outcomes
        .iter()
        .enumerate()
        .map(|(at, outcome)| SignalResult::of(outcome, &format!("/{at}{prefix}")))
        .collect();
    Ok(Json(SignalResults { results }).into_response())
}

/// Takes the envelope's prefix off places within the signal; what is wrong with the envelope itself keeps its place one step up.
fn inner(flaws: Vec<Flaw>, prefix: &str) -> Vec<Flaw> {
    if prefix.is_empty() {
        return flaws;
    }
    flaws
        .into_iter()
        .map(|mut flaw| {
            flaw.place = match flaw.place.strip_prefix(prefix) {
                Some(place) => place.to_owned(),
                None => format!("{IN_ENVELOPE}{}", flaw.place),
            };
            flaw
        })
        .collect()
}

fn answer_one(outcome: &Outcome, prefix: &str) -> Result<Response, Problem> {
    if let Outcome::Refused(flaws) = outcome {
        return Err(refused(flaws, prefix));
    }
    let result = SignalResult::of(outcome, prefix);
    let mut response = (result.status(), Json(&result)).into_response();
    if let Some(id) = result.id() {
        response
            .headers_mut()
            .insert(header::LOCATION, place_of(id));
    }
    Ok(response)
}

fn unknown_signal() -> Problem {
    Problem::new(ProblemType::NotFound).detail("Dit signaal kennen wij niet, of het is niet van u.")
}

/// S5: that a signal was erased is a place, too.
fn erased_signal() -> Problem {
    Problem::new(ProblemType::Gone)
        .detail("De bewaartermijn van dit signaal is voorbij. Wij hebben het gewist.")
}

/// Why a signal of this caller cannot be changed: there was none, or it is erased.
async fn no_signal(door: &Door, caller: &Caller, id: Uuid) -> Problem {
    let receipt = door.intake.store().receipt(&caller.partner.id, id).await;
    match receipt {
        Ok(Some(receipt)) if receipt.erased_at.is_some() => erased_signal(),
        Ok(_) => unknown_signal(),
        Err(error) => door.store_problem(&error),
    }
}

/// Correct a signal.
///
/// The body replaces the whole signal. Equal to what we have: nothing changes. Different: the next revision. It is also the only way to make a
/// signal count again that you took back. Reference and municipality stay as they are.
#[utoipa::path(
    put, path = "/signals/{id}", operation_id = "correctSignal", tag = "signals",
    params(("id" = Uuid, Path, description = "The id you got when you delivered the signal.")),
    request_body(content = SignalV1, description = "The whole signal as it should be."),
    responses((status = 200, description = "Corrected, or unchanged because it was equal.", body = SignalResult)),
)]
pub async fn correct_signal(
    State(door): State<Door>,
    caller: Caller,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, Problem> {
    let envelope = envelope(&request)?;
    if !matches!(envelope, Envelope::None) {
        return Err(unsupported("application/json"));
    }
    let request_id = request_id();
    let body = json(&small_body(request).await?)?;
    door.spend(&caller, 1)?;
    let (claim, flaws) = claim_in_json(&body, "");
    let offer = Offer {
        claim,
        flaws,
        request_id,
    };
    let outcome = door
        .intake
        .correct(caller.origin(), id, offer)
        .await
        .map_err(|error| door.take_problem(&error))?;
    let Some(outcome) = outcome else {
        return Err(no_signal(&door, &caller, id).await);
    };
    match &outcome {
        Outcome::Refused(flaws) => Err(refused(flaws, "")),
        Outcome::Taken { .. } => Ok(Json(SignalResult::of(&outcome, "")).into_response()),
    }
}

/// Take a signal back.
///
/// It stops counting everywhere. Taking it back again for the same reason changes nothing.
#[utoipa::path(
    post, path = "/signals/{id}/withdrawal", operation_id = "withdrawSignal", tag = "signals",
    params(("id" = Uuid, Path, description = "The id you got when you delivered the signal.")),
    request_body(content = Withdrawal, description = "Why."),
    responses((status = 200, description = "Taken back, or unchanged because it was.", body = SignalResult)),
)]
pub async fn withdraw_signal(
    State(door): State<Door>,
    caller: Caller,
    PathId(id): PathId,
    request: Request,
) -> Result<Response, Problem> {
    let envelope = envelope(&request)?;
    if !matches!(envelope, Envelope::None) {
        return Err(unsupported("application/json"));
    }
    let request_id = request_id();
    let body = json(&small_body(request).await?)?;
    let reason = reason(&body).map_err(|flaws| refused(&flaws, ""))?;
    door.spend(&caller, 1)?;
    let outcome = door
        .intake
        .withdraw(caller.origin(), id, reason, &request_id)
        .await
        .map_err(|error| door.take_problem(&error))?;
    let Some(outcome) = outcome else {
        return Err(no_signal(&door, &caller, id).await);
    };
    Ok((StatusCode::OK, Json(SignalResult::of(&outcome, ""))).into_response())
}

fn reason(body: &Value) -> Result<WithdrawalReason, Vec<Flaw>> {
    let Some(object) = body.as_object() else {
        return Err(vec![Flaw::new("", FlawCode::NotAnObject)]);
    };
    let mut reader = ClaimReader::new(object, "");
    let raw = reader.text("reason", TEXT_MAX_CHARS);
    let found = raw.as_deref().and_then(|raw| raw.parse().ok());
    let mut flaws = reader.finish();
    match found {
        Some(reason) if flaws.is_empty() => Ok(reason),
        Some(_) => Err(flaws),
        None => {
            if !flaws.iter().any(|flaw| flaw.place == "/reason") {
                let codes: Vec<&str> = WithdrawalReason::ALL
                    .iter()
                    .map(|reason| reason.code())
                    .collect();
                let code = if raw.is_some() {
                    FlawCode::CodeUnknown
                } else {
                    FlawCode::Required
                };
                flaws.push(
                    Flaw::new("/reason", code)
                        .expecting(format!("Kies uit: {}.", codes.join(", "))),
                );
            }
            Err(flaws)
        }
    }
}

/// Read the receipt of a signal.
///
/// It says that we have the signal and whether you took it back. It never says where the signal went or what came of it. After the retention of its kind
/// the signal is erased; then this answers 410.
#[utoipa::path(
    get, path = "/signals/{id}", operation_id = "readSignal", tag = "signals",
    params(("id" = Uuid, Path, description = "The id you got when you delivered the signal.")),
    responses((status = 200, description = "The receipt.", body = ReceiptAnswer)),
)]
pub async fn read_signal(
    State(door): State<Door>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ReceiptAnswer>, Problem> {
    let receipt = door
        .intake
        .store()
        .receipt(&caller.partner.id, id)
        .await
        .map_err(|error| door.store_problem(&error))?
        .ok_or_else(unknown_signal)?;
    if receipt.erased_at.is_some() {
        return Err(erased_signal());
    }
    Ok(Json(receipt.into()))
}

/// One result, or a list of them.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the answer")]
pub enum OneOrMoreResults {
    /// Of one signal.
    One(SignalResult),
    /// Of a list.
    More(SignalResults),
}

/// A CloudEvent (1.0, NL GOV profile) with one signal in it.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "describes the body; reading is strict and done by hand"
)]
pub struct CloudEvent {
    /// Always 1.0.
    #[schema(pattern = r"^1\.0$", example = "1.0")]
    specversion: String,
    /// Your id of this event.
    #[schema(min_length = 1)]
    id: String,
    /// Who you are, e.g. a urn with your OIN.
    #[schema(min_length = 1, example = "urn:nld:oin:00000001234567890000")]
    source: String,
    /// Always `nl.vroegsignalering.signaal-aangeleverd.v1`.
    #[serde(rename = "type")]
    #[schema(
        pattern = r"^nl\.vroegsignalering\.signaal-aangeleverd\.v1$",
        example = "nl.vroegsignalering.signaal-aangeleverd.v1"
    )]
    kind: String,
    /// When it happened; not used.
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    time: Option<String>,
    /// Always JSON.
    #[schema(nullable = false, required = false, example = "application/json")]
    datacontenttype: Option<String>,
    /// The signal.
    data: SignalV1,
}
