//! What may be sent, and an empty file to send it in.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use voorveld_chassis::problem::{Problem, ProblemType};
use voorveld_policy::{Field, FieldShape, SignalKind};

use super::Door;
use super::read::{Asked, PathWord};
use crate::auth::Caller;
use crate::intake::judge::sendable_as;
use crate::templates::{csv_lists, csv_template, xlsx_template};

/// A field of a kind.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct KindField {
    /// Its name in JSON.
    name: String,
    /// Its heading in a file, in Dutch.
    label: String,
    /// number, date, boolean or code.
    #[serde(rename = "type")]
    shape: &'static str,
    /// Whether a signal without it is refused.
    required: bool,
    /// What is expected, in Dutch.
    expected: String,
    /// The codes it may have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    codes: Vec<String>,
}

impl From<&Field> for KindField {
    fn from(field: &Field) -> Self {
        let (shape, codes) = match &field.shape {
            FieldShape::Number { .. } => ("number", Vec::new()),
            FieldShape::Date => ("date", Vec::new()),
            FieldShape::Boolean => ("boolean", Vec::new()),
            FieldShape::Code(codes) => (
                "code",
                codes.iter().map(|entry| entry.code.clone()).collect(),
            ),
        };
        Self {
            name: field.name.as_str().to_owned(),
            label: field.label.clone(),
            shape,
            required: field.required,
            expected: field.expected(),
            codes,
        }
    }
}

/// An official type of partner.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PartnerType)]
pub struct PartnerTypeAnswer {
    /// Its name in JSON and in files.
    #[schema(example = "rent")]
    code: &'static str,
    /// The official label, in Dutch; understood as well.
    #[schema(example = "Huur")]
    label: &'static str,
}

/// A kind of signal that you may send.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Kind)]
pub struct KindAnswer {
    /// Its name in JSON and in files.
    #[schema(example = "rent_arrears")]
    id: String,
    /// What it is called, in Dutch.
    #[schema(example = "Huurachterstand")]
    name: String,
    /// Whether there is a legal ground for it today. If not, do not send it.
    has_ground: bool,
    /// Why not, in Dutch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    no_ground_because: Option<String>,
    /// As which type of partner you may send it. More than one: name it in `partnerType`.
    partner_types: Vec<PartnerTypeAnswer>,
    /// Its own fields.
    fields: Vec<KindField>,
}

/// The kinds of signal that you may send.
#[derive(Debug, Serialize, ToSchema)]
pub struct Kinds {
    /// By id.
    kinds: Vec<KindAnswer>,
}

/// List the kinds of signal that you may send.
#[utoipa::path(
    get, path = "/kinds", operation_id = "listKinds", tag = "templates",
    responses((status = 200, description = "Kinds with their fields.", body = Kinds)),
)]
pub async fn list_kinds(State(door): State<Door>, caller: Caller) -> Json<Kinds> {
    let policy = door.intake.policy();
    let today = door.intake.clock().today();
    let kinds = policy
        .catalogue()
        .iter()
        .filter(|kind| {
            caller
                .partner
                .kinds
                .iter()
                .any(|own| own == kind.id.as_str())
        })
        .map(|kind| {
            let no_ground_because = policy.uncovered_because(kind, today, today);
            KindAnswer {
                id: kind.id.as_str().to_owned(),
                name: kind.name.clone(),
                has_ground: no_ground_because.is_none(),
                no_ground_because,
                partner_types: sendable_as(kind, &caller.partner)
                    .map(|one| PartnerTypeAnswer {
                        code: one.code(),
                        label: one.label(),
                    })
                    .collect(),
                fields: kind.fields.iter().map(Into::into).collect(),
            }
        })
        .collect();
    Json(Kinds { kinds })
}

/// How a template is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum TemplateFormat {
    /// Text with `;`.
    Csv,
    /// A spreadsheet with code lists to choose from.
    Xlsx,
    /// The code lists alone, as text with `;`: column, value, meaning.
    Lists,
}

/// How to write a template.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TemplateAsked {
    /// csv (the default), xlsx, or lists: what may stand in which column of the text template. `Accept` asks for a spreadsheet too.
    format: Option<TemplateFormat>,
}

const CSV: &str = "text/csv; charset=utf-8";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

fn kind_of<'a>(door: &'a Door, caller: &Caller, id: &str) -> Result<&'a SignalKind, Problem> {
    door.intake
        .policy()
        .catalogue()
        .find(id)
        .filter(|kind| {
            caller
                .partner
                .kinds
                .iter()
                .any(|own| own == kind.id.as_str())
        })
        .ok_or_else(|| {
            Problem::new(ProblemType::NotFound)
                .detail("Dit soort signaal kennen wij niet, of het is niet met u afgesproken.")
        })
}

/// Download an empty file for one kind of signal.
#[utoipa::path(
    get, path = "/templates/{kind}", operation_id = "readTemplate", tag = "templates",
    params(("kind" = String, Path, description = "A kind of signal, e.g. rent_arrears."), TemplateAsked),
    responses((status = 200, description = "The template; a spreadsheet has its code lists on a second sheet.",
        content((String = "text/csv"), (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")),
        headers(("Content-Disposition" = String, description = "The name to save it under.")))),
)]
pub async fn read_template(
    State(door): State<Door>,
    caller: Caller,
    PathWord(id): PathWord,
    Asked(asked): Asked<TemplateAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let kind = kind_of(&door, &caller, &id)?;
    let accepts_sheet = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("spreadsheetml"));
    let format = asked.format.unwrap_or(if accepts_sheet {
        TemplateFormat::Xlsx
    } else {
        TemplateFormat::Csv
    });
    let (media, ending, body) = match format {
        TemplateFormat::Csv => (CSV, ".csv", csv_template(kind)),
        TemplateFormat::Lists => (CSV, "-lijsten.csv", csv_lists(kind)),
        TemplateFormat::Xlsx => {
            let book = xlsx_template(kind).map_err(Problem::internal)?;
            (XLSX, ".xlsx", book)
        }
    };
    let name = format!("attachment; filename=\"{}{ending}\"", kind.id.as_str());
    let name = HeaderValue::try_from(name).expect("a kind's id is plain ASCII");
    let media = HeaderValue::from_static(media);
    let headers = [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, body).into_response())
}
