//! How far a partner has delivered: said with a file or by itself, and read back. What an absence may be concluded from (docs/rules.md, *When: something did not come*).
//!
//! What is told here is what was said and nothing of what became of signals (K12): not whether a mark has taken effect, since that would tell
//! that one of them waits somewhere.

use axum::Json;
use axum::extract::{Request, State};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use voorveld_chassis::problem::{Problem, ProblemDetail, ProblemType};
use voorveld_domain::MunicipalityCode;
use voorveld_store::feeds::{FeedId, NewMark, SaidMark};
use voorveld_wire::intake_v1::FlawCode;

use super::Door;
use super::read::{json, media_type, refuse_encoded, small_body, unsupported};
use crate::auth::Caller;

/// What was said of some feeds, before it is checked.
#[derive(Debug, Default)]
pub struct Said {
    /// The last day of which everything is delivered, as it was written.
    pub through: String,
    /// Of which kinds; all the partner may send, when absent.
    pub kinds: Option<Vec<String>>,
    /// Of which municipality; each the partner may send for, when absent.
    pub municipality: Option<String>,
}

/// A day and the feeds of which it was said.
#[derive(Debug, Clone)]
pub struct Checked {
    through: Date,
    feeds: Vec<FeedId>,
}

impl Said {
    /// Everything that is wrong with it at once; `at` says where a name of ours stands in what was sent.
    pub fn check(
        self,
        door: &Door,
        caller: &Caller,
        at: impl Fn(ProblemDetail, &'static str) -> ProblemDetail,
    ) -> Result<Checked, Vec<ProblemDetail>> {
        let partner = &caller.partner;
        let mut errors = Vec::new();
        let mut wrong = |detail: ProblemDetail, name| errors.push(at(detail, name));
        let through = (self.through.len() == "2026-12-31".len())
            .then(|| self.through.parse::<Date>().ok())
            .flatten();
        match through {
            None => wrong(
                ProblemDetail::new("date_format", "Schrijf de datum als 2026-12-31."),
                "completeThrough",
            ),
            Some(day) if door.intake.clock().today() < day => wrong(
                ProblemDetail::new(
                    "complete_in_future",
                    "Deze dag moet nog komen. Noem een dag tot en met vandaag.",
                ),
                "completeThrough",
            ),
            Some(_) => {}
        }
        for kind in self.kinds.iter().flatten() {
            if door.intake.policy().catalogue().find(kind).is_none() {
                wrong(flaw(FlawCode::KindUnknown), "kinds");
            } else if !partner.kinds.contains(kind) {
                wrong(flaw(FlawCode::KindNotAllowed), "kinds");
            }
        }
        if self.kinds.as_ref().is_some_and(Vec::is_empty) {
            wrong(flaw(FlawCode::Required), "kinds");
        }
        let served: Vec<&String> = partner
            .municipalities
            .iter()
            .filter(|code| {
                code.parse::<MunicipalityCode>()
                    .is_ok_and(|code| door.config.municipalities.contains(&code))
            })
            .filter(|code| self.municipality.as_ref().is_none_or(|one| one == *code))
            .collect();
        if served.is_empty() {
            wrong(flaw(FlawCode::MunicipalityNotServed), "municipality");
        }
        let kinds = self.kinds.as_ref().unwrap_or(&partner.kinds);
        let mut feeds: Vec<FeedId> = served
            .iter()
            .flat_map(|code| {
                kinds.iter().map(|kind| FeedId {
                    municipality: (*code).clone(),
                    partner: partner.id.clone(),
                    kind: kind.clone(),
                })
            })
            .collect();
        feeds.sort();
        feeds.dedup();
        match through {
            Some(through) if errors.is_empty() => Ok(Checked { through, feeds }),
            _ => Err(errors),
        }
    }
}

impl Checked {
    /// What is written down of it.
    pub fn marks(self, delivery: Option<Uuid>, given_at: Timestamp) -> Vec<NewMark> {
        self.feeds
            .into_iter()
            .map(|feed| NewMark {
                feed,
                complete_through: self.through,
                delivery,
                by_office: false,
                given_at,
            })
            .collect()
    }
}

/// How far one kind of signal is delivered for one municipality.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Feed)]
pub struct FeedAnswer {
    /// For which municipality.
    #[schema(example = "0518")]
    municipality: String,
    /// Which kind.
    #[schema(example = "rent_arrears")]
    kind: String,
    /// You have delivered everything dated on this day or before: the furthest day you ever said. Absent when you never said one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = Date, nullable = false, required = false, example = "2025-06-30")]
    complete_through: Option<Date>,
    /// The day you said now, or with this delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = Date, nullable = false, required = false, example = "2025-06-30")]
    said_through: Option<Date>,
    /// When you said the furthest day, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    said_at: Option<Timestamp>,
    /// With which delivery you said the furthest day.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    delivery_id: Option<Uuid>,
    /// What to know about it, in Dutch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    remark: Option<String>,
}

impl FeedAnswer {
    /// As it is read back.
    fn known(mark: SaidMark) -> Self {
        Self {
            municipality: mark.feed.municipality,
            kind: mark.feed.kind,
            complete_through: mark.known_through,
            said_through: None,
            said_at: mark.given_at,
            delivery_id: mark.delivery,
            remark: None,
        }
    }

    /// As an answer to what was said now, or with a delivery.
    pub fn said(mark: SaidMark, said: Date) -> Self {
        let remark = match mark.known_through {
            Some(known) if said < known => Some(format!(
                "U zei eerder al dat alles geleverd is tot en met {}. Dat blijft gelden.",
                known.strftime("%d-%m-%Y")
            )),
            Some(_) => None,
            None => Some(
                "De levering brak af. Zeg dit opnieuw als u het bestand opnieuw stuurt.".to_owned(),
            ),
        };
        Self {
            municipality: mark.feed.municipality,
            kind: mark.feed.kind,
            complete_through: mark.known_through,
            said_through: Some(said),
            said_at: None,
            delivery_id: None,
            remark,
        }
    }
}

/// How far you have delivered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Completeness {
    /// By municipality and kind.
    feeds: Vec<FeedAnswer>,
}

/// What you say with `POST /completeness`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(
    dead_code,
    reason = "describes the body; reading is strict and done by hand"
)]
pub struct CompletenessSaid {
    /// You have delivered everything dated on this day or before. At most today.
    #[schema(value_type = String, format = Date, example = "2025-06-30")]
    complete_through: String,
    /// Of these kinds; of all you may send, when absent.
    #[schema(required = false, nullable = false, example = json!(["rent_arrears"]))]
    kinds: Option<Vec<String>>,
    /// For this municipality; for each you may send for, when absent.
    #[schema(
        required = false,
        nullable = false,
        example = "0518",
        pattern = "^[0-9]{4}$"
    )]
    municipality: Option<String>,
}

fn invalid(errors: Vec<ProblemDetail>) -> Problem {
    Problem::new(ProblemType::InvalidRequest)
        .detail("Wat u over uw levering zegt, klopt niet.")
        .errors(errors)
}

fn flaw(code: FlawCode) -> ProblemDetail {
    ProblemDetail::new(code.code(), code.expected())
}

fn in_body(detail: ProblemDetail, name: &'static str) -> ProblemDetail {
    detail.at(format!("/{name}"))
}

fn said(body: &Value) -> Result<Said, Problem> {
    let Some(object) = body.as_object() else {
        return Err(invalid(vec![flaw(FlawCode::NotAnObject).at("")]));
    };
    let mut errors = Vec::new();
    let mut found = Said::default();
    if !object.contains_key("completeThrough") {
        errors.push(flaw(FlawCode::Required).at("/completeThrough"));
    }
    for (name, value) in object {
        let fits = match (name.as_str(), value) {
            ("completeThrough", Value::String(day)) => {
                found.through.clone_from(day);
                true
            }
            ("municipality", Value::String(code)) => {
                found.municipality = Some(code.clone());
                true
            }
            ("kinds", Value::Array(kinds)) => {
                let kinds: Option<Vec<String>> = kinds
                    .iter()
                    .map(|kind| kind.as_str().map(str::to_owned))
                    .collect();
                found.kinds = kinds;
                found.kinds.is_some()
            }
            ("completeThrough" | "municipality" | "kinds", _) => false,
            _ => {
                // The name may be anything, so it is not repeated.
                errors.push(flaw(FlawCode::FieldUnknown).at(""));
                continue;
            }
        };
        if !fits {
            errors.push(flaw(FlawCode::WrongType).at(format!("/{name}")));
        }
    }
    if errors.is_empty() {
        Ok(found)
    } else {
        Err(invalid(errors))
    }
}

/// Say how far you have delivered.
///
/// For when there was nothing to deliver, or when you deliver signals one by one. With a file, say it with the file: then it goes for that file,
/// and only when all of it was taken in. What is not delivered yet may still come; we only wait no longer for it. A day never goes back.
#[utoipa::path(
    post, path = "/completeness", operation_id = "sayCompleteness", tag = "completeness",
    request_body(content = CompletenessSaid, description = "Through which day."),
    responses((status = 200, description = "Written down.", body = Completeness)),
)]
pub async fn say_completeness(
    State(door): State<Door>,
    caller: Caller,
    request: Request,
) -> Result<Json<Completeness>, Problem> {
    refuse_encoded(request.headers())?;
    if media_type(request.headers()).as_deref() != Some("application/json") {
        return Err(unsupported("application/json"));
    }
    let said = said(&json(&small_body(request).await?)?)?;
    let checked = said.check(&door, &caller, in_body).map_err(invalid)?;
    door.spend(&caller, 1)?;
    let (through, feeds) = (checked.through, checked.feeds.clone());
    let store = door.intake.store();
    store
        .add_marks(&checked.marks(None, door.intake.clock().now()))
        .await
        .map_err(|error| door.store_problem(&error))?;
    let known = known(&door, &caller).await?;
    Ok(Json(Completeness {
        feeds: known
            .into_iter()
            .filter(|mark| feeds.contains(&mark.feed))
            .map(|mark| FeedAnswer::said(mark, through))
            .collect(),
    }))
}

/// Read how far you have delivered.
///
/// For each kind you may send: the furthest day you said, and when.
#[utoipa::path(
    get, path = "/completeness", operation_id = "readCompleteness", tag = "completeness",
    responses((status = 200, description = "Each kind you may send, by municipality.", body = Completeness)),
)]
pub async fn read_completeness(
    State(door): State<Door>,
    caller: Caller,
) -> Result<Json<Completeness>, Problem> {
    let known = known(&door, &caller).await?;
    Ok(Json(Completeness {
        feeds: known.into_iter().map(FeedAnswer::known).collect(),
    }))
}

async fn known(door: &Door, caller: &Caller) -> Result<Vec<SaidMark>, Problem> {
    door.intake
        .store()
        .said_marks(&caller.partner.id)
        .await
        .map_err(|error| door.store_problem(&error))
}
