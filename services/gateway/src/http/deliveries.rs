//! Delivered files by HTTP: hand one in, see where it stands, read what became of each row.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;
use voorveld_chassis::http::RequestId;
use voorveld_chassis::problem::{Problem, ProblemDetail, ProblemType};
use voorveld_domain::MunicipalityCode;
use voorveld_store::Store;
use voorveld_store::StoreError;
use voorveld_store::deliveries::{NewDelivery, RowResult};

use super::answers::{DeliveryAnswer, Place};
use super::completeness::{Checked, Said};
use super::read::{Asked, PathId, media_type, refuse_encoded, unsupported};
use super::{BASE, Door};
use crate::auth::Caller;
use crate::config::{RESULTS_PER_PAGE, RETRY_AFTER};
use crate::deliveries::receive::{Received, receive};
use crate::deliveries::spool::spool;
use crate::deliveries::{Defaults, FileFault, Format, Reading, prepare, survey};

/// What goes for rows that do not say it themselves, and what is said of the feeds.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct FileDefaults {
    /// The kind of every row that names none.
    #[param(example = "rent_arrears")]
    kind: Option<String>,
    /// The municipality of every row that names none.
    #[param(example = "0518", pattern = "^[0-9]{4}$")]
    municipality: Option<String>,
    /// With this file you have delivered everything dated on this day or before; at most today. It goes for the `municipality`, or for each you may
    /// send for, and holds when all of the file was taken in. The file may then be empty.
    #[param(format = Date, example = "2025-06-30")]
    complete_through: Option<String>,
    /// Of these kinds, with commas between; else of `kind`, else of all you may send.
    #[param(example = "rent_arrears,energy_arrears")]
    kinds: Option<String>,
}

fn in_parameter(detail: ProblemDetail, name: &'static str) -> ProblemDetail {
    detail.in_column(name)
}

impl FileDefaults {
    fn check(self, door: &Door, caller: &Caller) -> Result<(Defaults, Option<Checked>), Problem> {
        let mut errors = Vec::new();
        if let Some(kind) = &self.kind
            && door.intake.policy().catalogue().find(kind).is_none()
        {
            errors.push(
                ProblemDetail::new("kind_unknown", "Dit soort signaal kennen wij niet.")
                    .in_column("kind"),
            );
        }
        if let Some(municipality) = &self.municipality
            && municipality.parse::<MunicipalityCode>().is_err()
        {
            errors.push(
                ProblemDetail::new(
                    "municipality_format",
                    "Een gemeentecode heeft vier cijfers, zoals 0518.",
                )
                .in_column("municipality"),
            );
        }
        let mut checked = None;
        match self.complete_through {
            Some(through) => {
                let kinds = self.kinds.map(|kinds| {
                    let kinds = kinds.split(',').map(str::trim);
                    kinds.map(str::to_owned).collect()
                });
                let said = Said {
                    through,
                    kinds: kinds.or_else(|| self.kind.clone().map(|kind| vec![kind])),
                    municipality: self.municipality.clone(),
                };
                // A kind or municipality that was wrong above is not told twice.
                match said.check(door, caller, in_parameter) {
                    Ok(found) => checked = Some(found),
                    Err(wrong) if errors.is_empty() => errors = wrong,
                    Err(_) => {}
                }
            }
            None if self.kinds.is_some() => errors.push(
                ProblemDetail::new(
                    "required",
                    "Zeg met completeThrough tot en met welke dag alles geleverd is.",
                )
                .in_column("completeThrough"),
            ),
            None => {}
        }
        if errors.is_empty() {
            let defaults = Defaults {
                kind: self.kind,
                municipality: self.municipality,
            };
            Ok((defaults, checked))
        } else {
            Err(Problem::new(ProblemType::InvalidRequest)
                .detail("Een parameter in het adres klopt niet.")
                .errors(errors))
        }
    }
}

/// Deliver a file.
///
/// CSV (`;` or `,`, UTF-8 or Windows-1252, a heading row in Dutch or English), XLSX (first sheet, at most 100,000 rows), NDJSON (one signal a line) or a
/// DDAS vroegsignalering document (v0.9, v1.2), of at most 512 MiB and 500,000 rows. A file that cannot be read as a whole is refused at once.
/// Otherwise each row is taken in or refused by itself, behind the address in `Location`. The same file twice changes nothing. With
/// `completeThrough` you say that nothing up to that day is still to come.
#[utoipa::path(
    post, path = "/deliveries", operation_id = "deliverFile", tag = "deliveries",
    params(FileDefaults),
    request_body(
        content(
            (String = "text/csv"),
            (String = "application/x-ndjson"),
            (Object = "application/json"),
            (Vec<u8> = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        ),
        description = "The file itself.",
    ),
    responses((status = 202, description = "The file can be read; its rows are being taken in.", body = DeliveryAnswer,
        headers(("Location" = String, description = "Where the delivery can be followed.")))),
)]
pub async fn deliver_file(
    State(door): State<Door>,
    caller: Caller,
    Asked(defaults): Asked<FileDefaults>,
    request: Request,
) -> Result<Response, Problem> {
    refuse_encoded(request.headers())?;
    let format = media_type(request.headers())
        .as_deref()
        .and_then(Format::of_media_type)
        .ok_or_else(|| {
            unsupported(
                "text/csv, application/x-ndjson, application/json (DDAS) of als Excel-bestand (.xlsx)",
            )
        })?;
    let (defaults, said) = defaults.check(&door, &caller)?;
    let place = door
        .partners
        .begin_delivery(&caller.partner)
        .ok_or_else(|| {
            Problem::new(ProblemType::TooManyRequests)
                .detail("Wij zijn al met enkele bestanden van u bezig. Wacht tot er een klaar is.")
                .retry_after(RETRY_AFTER)
        })?;
    let request_id = RequestId::current()
        .unwrap_or_else(RequestId::new)
        .to_string();
    let spooled = spool(
        request.into_body(),
        door.config.spool_dir.as_deref(),
        &door.intake,
    )
    .await?;
    let reading = Reading {
        policy: door.intake.shared_policy(),
        partner: caller.partner.clone(),
        defaults,
    };
    let digest = spooled.digest;
    let config = Arc::clone(&door.config);
    let may_be_empty = said.is_some();
    let surveyed = tokio::task::spawn_blocking(move || {
        let mut file = prepare(format, spooled.file, config.spool_dir.as_deref())?;
        let surveyed = survey(format, &mut file, &reading, may_be_empty)?;
        Ok::<_, FileFault>((file, reading, surveyed))
    })
    .await
    .map_err(|_panic| {
        FileFault::Refused {
            code: "not_a_spreadsheet",
            detail: "Dit bestand is niet te lezen.".to_owned(),
        }
        .problem()
    })?;
    let (file, reading, surveyed) = surveyed.map_err(|fault| fault.problem())?;
    let new = NewDelivery {
        id: Uuid::now_v7(),
        partner: caller.partner.id.clone(),
        format: surveyed.format,
        file_digest: digest,
        rows_total: surveyed.rows,
        not_imported: surveyed.not_imported,
        received_at: door.intake.clock().now(),
    };
    let marks = said.map_or_else(Vec::new, |said| said.marks(Some(new.id), new.received_at));
    let store = door.intake.store();
    store
        .add_delivery(&new, &marks)
        .await
        .map_err(|error| door.store_problem(&error))?;
    let answer = answer(&door, &caller, new.id).await?;
    let received = Received {
        id: new.id,
        format,
        file,
        reading,
        survey: surveyed,
        key_prefix: Arc::clone(&caller.key_prefix),
        request_id,
        place,
    };
    door.lifecycle
        .spawn_job("delivery", receive(door.clone(), received));
    let location = HeaderValue::try_from(format!("{BASE}/deliveries/{}", new.id))
        .expect("a UUID is plain ASCII");
    Ok((
        StatusCode::ACCEPTED,
        [(header::LOCATION, location)],
        Json(answer),
    )
        .into_response())
}

async fn answer(door: &Door, caller: &Caller, id: Uuid) -> Result<DeliveryAnswer, Problem> {
    let store = door.intake.store();
    let delivery = store
        .delivery(&caller.partner.id, id)
        .await
        .map_err(|error| door.store_problem(&error))?
        .ok_or_else(|| {
            Problem::new(ProblemType::NotFound)
                .detail("Deze levering kennen wij niet, of zij is niet van u.")
        })?;
    let marks = store
        .marks_of_delivery(id)
        .await
        .map_err(|error| door.store_problem(&error))?;
    Ok(DeliveryAnswer::of(delivery, marks))
}

/// See where a delivery stands.
#[utoipa::path(
    get, path = "/deliveries/{id}", operation_id = "readDelivery", tag = "deliveries",
    params(("id" = Uuid, Path, description = "The id you got when you delivered the file.")),
    responses((status = 200, description = "The delivery.", body = DeliveryAnswer)),
)]
pub async fn read_delivery(
    State(door): State<Door>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<DeliveryAnswer>, Problem> {
    answer(&door, &caller, id).await.map(Json)
}

/// Which results to read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ResultsAsked {
    /// Only results behind this row.
    #[param(minimum = 0)]
    after: Option<u64>,
    /// Only rows with this outcome.
    outcome: Option<Place>,
}

impl ResultsAsked {
    const fn outcome(&self) -> Option<&'static str> {
        match self.outcome {
            None => None,
            Some(Place::Accepted) => Some("accepted"),
            Some(Place::Corrected) => Some("corrected"),
            Some(Place::Withdrawn) => Some("withdrawn"),
            Some(Place::Unchanged) => Some("unchanged"),
            Some(Place::Refused) => Some("refused"),
        }
    }
}

/// One thing about a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowRemark {
    /// The column by your own heading, or the place by the document's own name.
    #[schema(example = "Bedrag")]
    column: String,
    /// What it is, for a program.
    #[schema(example = "amount_format")]
    code: String,
    /// What to do, in Dutch.
    #[schema(example = "Schrijf het bedrag als 1234,50.")]
    what_to_do: String,
}

/// What became of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryResult {
    /// The line of the file, the row of the sheet, or the position in the document, counted from 1.
    #[schema(minimum = 1)]
    row: u64,
    /// accepted, corrected, unchanged or refused.
    outcome: String,
    /// The signal. Absent when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<Uuid>,
    /// Its revision. Absent when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    revision: Option<u32>,
    /// What was wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<RowRemark>, nullable = false, required = false)]
    problems: Option<serde_json::Value>,
    /// What is odd.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<RowRemark>, nullable = false, required = false)]
    warnings: Option<serde_json::Value>,
}

impl From<RowResult> for DeliveryResult {
    fn from(result: RowResult) -> Self {
        Self {
            row: result.row,
            outcome: result.outcome,
            id: result.signal,
            revision: result.revision,
            problems: result.problems,
            warnings: result.warnings,
        }
    }
}

/// A page of results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryResults {
    /// By row, at most 1,000.
    #[schema(max_items = 1000)]
    results: Vec<DeliveryResult>,
    /// There may be more: ask again with this as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    next_after: Option<u64>,
}

/// Read what became of each row.
///
/// As pages of JSON, or with `Accept: application/x-ndjson` all of them, one a line. While the delivery is being received these are the results so far.
#[utoipa::path(
    get, path = "/deliveries/{id}/results", operation_id = "readDeliveryResults", tag = "deliveries",
    params(("id" = Uuid, Path, description = "The id you got when you delivered the file."), ResultsAsked),
    responses((status = 200, description = "Results by row.",
        content((DeliveryResults = "application/json"), (String = "application/x-ndjson")))),
)]
pub async fn read_results(
    State(door): State<Door>,
    caller: Caller,
    PathId(id): PathId,
    Asked(asked): Asked<ResultsAsked>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    answer(&door, &caller, id).await?;
    let streamed = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("ndjson"));
    let after = asked.after.unwrap_or(0);
    let store = door.intake.store().clone();
    if streamed {
        let body = Body::from_stream(stream::try_unfold((store, after), move |(store, after)| {
            next_lines(store, id, after, asked.outcome())
        }));
        let media = [(header::CONTENT_TYPE, "application/x-ndjson")];
        return Ok((media, body).into_response());
    }
    let results = store
        .delivery_results(id, after, asked.outcome(), RESULTS_PER_PAGE)
        .await
        .map_err(|error| door.store_problem(&error))?;
    let next_after = (results.len() == RESULTS_PER_PAGE as usize)
        .then(|| results.last().map(|result| result.row))
        .flatten();
    let results = results.into_iter().map(Into::into).collect();
    Ok(Json(DeliveryResults {
        results,
        next_after,
    })
    .into_response())
}

/// The next page as lines; `None` behind the last.
async fn next_lines(
    store: Store,
    id: Uuid,
    after: u64,
    outcome: Option<&'static str>,
) -> Result<Option<(Bytes, (Store, u64))>, StoreError> {
    let page = store
        .delivery_results(id, after, outcome, RESULTS_PER_PAGE)
        .await?;
    let Some(last) = page.last().map(|result| result.row) else {
        return Ok(None);
    };
    let mut lines = Vec::new();
    for result in page {
        serde_json::to_writer(&mut lines, &DeliveryResult::from(result))
            .expect("plain values are JSON");
        lines.push(b'\n');
    }
    Ok(Some((Bytes::from(lines), (store, last))))
}
