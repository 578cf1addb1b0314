//! What partners read: results, receipts and deliveries. All of it is a promise, so it is written out here and nowhere else.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use voorveld_chassis::problem::ProblemDetail;
use voorveld_store::deliveries::Delivery;
use voorveld_store::feeds::SaidMark;
use voorveld_store::receipts::Receipt;
use voorveld_wire::intake_v1::{Flaw, Warning};

use super::completeness::FeedAnswer;
use crate::intake::Outcome;
use crate::intake::decide::Decision;

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Place {
    /// It is new, and we have it.
    Accepted,
    /// It is a new revision of a signal we had.
    Corrected,
    /// It was taken back.
    Withdrawn,
    /// We had it already; nothing changed.
    Unchanged,
    /// We did not take it in.
    Refused,
}

impl From<Decision> for Place {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Accepted => Self::Accepted,
            Decision::Corrected => Self::Corrected,
            Decision::Withdrawn => Self::Withdrawn,
            Decision::Unchanged => Self::Unchanged,
            Decision::RefusedWithdrawn => Self::Refused,
        }
    }
}

/// Something odd that did not stop a signal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct WarningDetail {
    /// What is odd, for a program.
    #[schema(example = "age_unknown")]
    code: &'static str,
    /// What to look at, in Dutch.
    detail: &'static str,
    /// Where in the body: a JSON Pointer.
    #[schema(example = "/arisenOn")]
    pointer: String,
}

/// What became of one signal of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignalResult {
    /// What became of it.
    outcome: Place,
    /// The signal's id, for ever. Absent when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    id: Option<Uuid>,
    /// How often you have said something new about it. Absent when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 1)]
    revision: Option<u32>,
    /// When we received that revision, UTC. Absent when refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    received_at: Option<Timestamp>,
    /// What was wrong, all at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    problems: Vec<ProblemDetail>,
    /// What is odd.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<WarningDetail>,
}

/// Begins a place that stands outside the signal, in the envelope around it.
pub const IN_ENVELOPE: &str = "/..";

/// The JSON Pointer of a place in a signal that stands at `prefix`.
pub fn pointer(prefix: &str, place: &str) -> String {
    match place.strip_prefix(IN_ENVELOPE) {
        Some(outside) => {
            let envelope = prefix.rsplit_once('/').map_or("", |(before, _)| before);
            format!("{envelope}{outside}")
        }
        None => format!("{prefix}{place}"),
    }
}

/// A flaw as a caller reads it.
pub fn problem_detail(flaw: &Flaw, prefix: &str) -> ProblemDetail {
    ProblemDetail::new(flaw.code.code(), flaw.expected.clone()).at(pointer(prefix, &flaw.place))
}

fn warning_detail(warning: &Warning, prefix: &str) -> WarningDetail {
    WarningDetail {
        code: warning.code.code(),
        detail: warning.code.expected(),
        pointer: pointer(prefix, &warning.place),
    }
}

impl SignalResult {
    /// Tells an outcome; `prefix` is where the claim stands in the body.
    #[must_use]
    pub fn of(outcome: &Outcome, prefix: &str) -> Self {
        match outcome {
            Outcome::Taken {
                decision,
                signal,
                revision,
                received_at,
                warnings,
            } => Self {
                outcome: (*decision).into(),
                id: Some(*signal),
                revision: Some(*revision),
                received_at: Some(*received_at),
                problems: Vec::new(),
                warnings: warnings
                    .iter()
                    .map(|warning| warning_detail(warning, prefix))
                    .collect(),
            },
            Outcome::Refused(flaws) => Self {
                outcome: Place::Refused,
                id: None,
                revision: None,
                received_at: None,
                problems: flaws
                    .iter()
                    .map(|flaw| problem_detail(flaw, prefix))
                    .collect(),
                warnings: Vec::new(),
            },
        }
    }

    /// The status a request with this one signal is answered with.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self.outcome {
            Place::Accepted => StatusCode::CREATED,
            _ => StatusCode::OK,
        }
    }

    /// The signal's id.
    #[must_use]
    pub const fn id(&self) -> Option<Uuid> {
        self.id
    }
}

/// What became of each signal of a request, in its order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SignalResults {
    /// In the order of the request.
    #[schema(max_items = 1000)]
    pub results: Vec<SignalResult>,
}

/// All that a partner is told about a signal afterwards (K12): never where it is, whose it is or why it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// We have it.
    Received,
    /// You took it back.
    Withdrawn,
    /// Somebody has finished with it. It does not say who, or how.
    Closed,
}

/// A receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipt)]
pub struct ReceiptAnswer {
    /// The signal's id, for ever.
    id: Uuid,
    /// How often you have said something new about it.
    #[schema(minimum = 1)]
    revision: u32,
    /// The kind of signal.
    kind: String,
    /// CBS code.
    municipality: String,
    /// What you may know of it.
    status: Status,
    /// Whether we are sure to keep the latest revision. If not: send it again.
    acknowledged: bool,
    /// Why you took it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    withdrawal_reason: Option<String>,
    /// When we first received it, UTC.
    #[schema(value_type = String, format = DateTime)]
    first_received_at: Timestamp,
    /// When we received the latest revision, UTC.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
}

impl From<Receipt> for ReceiptAnswer {
    fn from(receipt: Receipt) -> Self {
        Self {
            id: receipt.signal,
            revision: receipt.revision,
            kind: receipt.kind,
            municipality: receipt.municipality,
            status: if receipt.withdrawn.is_some() {
                Status::Withdrawn
            } else if receipt.closed {
                Status::Closed
            } else {
                Status::Received
            },
            acknowledged: receipt.acknowledged,
            withdrawal_reason: receipt.withdrawn,
            first_received_at: receipt.first_received_at,
            received_at: receipt.received_at,
        }
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum DeliveryState {
    /// We are working on it.
    Receiving,
    /// It stopped before the last row. Send it again: rows that came in change nothing.
    Interrupted,
    /// Every row has its result.
    Complete,
}

/// Numbers of rows by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryRows {
    /// Rows in the file.
    total: u64,
    /// Rows with a result.
    read: u64,
    /// New signals.
    accepted: u64,
    /// Signals that changed.
    corrected: u64,
    /// Rows that said nothing new.
    unchanged: u64,
    /// Rows that we did not take in.
    refused: u64,
}

/// A delivered file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Delivery)]
pub struct DeliveryAnswer {
    /// Its id.
    id: Uuid,
    /// Where it stands.
    state: DeliveryState,
    /// csv, xlsx, ndjson, ddas-0.9 or ddas-1.2.
    format: String,
    /// Rows by what became of them.
    rows: DeliveryRows,
    /// Parts of a DDAS document that tell what another system did. We do not import them.
    not_imported: u64,
    /// The last row with a result; present when interrupted. Later rows were not taken in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, minimum = 0)]
    up_to_row: Option<u64>,
    /// Why it was interrupted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, example = "process_stopped")]
    problem: Option<String>,
    /// You delivered the same file before, complete, as this delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    same_as: Option<Uuid>,
    /// When it came in, UTC.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// When every row had its result, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false, required = false)]
    completed_at: Option<Timestamp>,
    /// Through which day you said, with this delivery, that everything is delivered. Present only when you said so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    completeness: Vec<FeedAnswer>,
}

impl DeliveryAnswer {
    /// A delivery with what was said with it.
    pub(super) fn of(delivery: Delivery, marks: Vec<SaidMark>) -> Self {
        let state = match delivery.state.as_str() {
            "complete" => DeliveryState::Complete,
            "interrupted" => DeliveryState::Interrupted,
            _ => DeliveryState::Receiving,
        };
        Self {
            id: delivery.id,
            state,
            format: delivery.format,
            rows: DeliveryRows {
                total: delivery.rows_total,
                read: delivery.counts.read,
                accepted: delivery.counts.accepted,
                corrected: delivery.counts.corrected,
                unchanged: delivery.counts.unchanged,
                refused: delivery.counts.refused,
            },
            not_imported: delivery.not_imported,
            up_to_row: (state == DeliveryState::Interrupted)
                .then_some(delivery.last_row.unwrap_or(0)),
            problem: delivery.problem,
            same_as: delivery.same_as,
            received_at: delivery.received_at,
            completed_at: delivery.completed_at,
            completeness: marks
                .into_iter()
                .filter_map(|mark| {
                    mark.complete_through
                        .map(|said| FeedAnswer::said(mark, said))
                })
                .collect(),
        }
    }
}
