//! Errors as a caller reads them: `application/problem+json` (RFC 9457).
//!
//! The set of problem types is closed and listed in `docs/api.md`. A problem speaks in the caller's terms (which field,
//! which row, what was expected) and never repeats a personal value or shows our insides.

use std::borrow::Cow;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::RequestId;

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Most errors a problem lists; the rest is counted in its detail.
pub const ERRORS_MAX: usize = 1_000;

macro_rules! problem_types {
    ($($(#[doc = $doc:literal])+ $name:ident = $status:ident, $code:literal, $title:literal;)+) => {
        /// What kind of thing went wrong. Closed: a program can match on it, `docs/api.md` lists each one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemType {
            $($(#[doc = $doc])+ $name,)+
        }

        impl ProblemType {
            /// Every type there is, in the order of `docs/api.md`.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The HTTP status it always comes with.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$name => StatusCode::$status,)+ }
            }

            /// Its name: the last part of the type URI.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)+ }
            }

            /// What it says to a person, in Dutch.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title,)+ }
            }

            /// The type URI.
            #[must_use]
            pub const fn urn(self) -> &'static str {
                match self { $(Self::$name => concat!("urn:voorveld:problem:", $code),)+ }
            }
        }
    };
}

problem_types! {
    /// The request can be read, but one or more of its values are not what was expected.
    InvalidRequest = BAD_REQUEST, "invalid-request", "De aanvraag klopt niet";
    /// The body cannot be read at all: no JSON, cut off, wrong encoding.
    UnreadableBody = BAD_REQUEST, "unreadable-body", "De inhoud is niet te lezen";
    /// No key, no session, or one that is not (any more) valid.
    Unauthenticated = UNAUTHORIZED, "unauthenticated", "Niet aangemeld";
    /// Known, but not allowed to do this.
    Forbidden = FORBIDDEN, "forbidden", "Geen toegang";
    /// There is no such thing, or it is not the caller's.
    NotFound = NOT_FOUND, "not-found", "Niet gevonden";
    /// The address exists, but not with this method.
    MethodNotAllowed = METHOD_NOT_ALLOWED, "method-not-allowed", "Deze methode kan hier niet";
    /// None of the media types that the caller accepts can be made.
    NotAcceptable = NOT_ACCEPTABLE, "not-acceptable", "Dit formaat kan niet worden geleverd";
    /// The caller took too long to send.
    RequestTimeout = REQUEST_TIMEOUT, "request-timeout", "De aanvraag duurde te lang";
    /// The state has changed meanwhile: somebody else was first, or it is already over.
    Conflict = CONFLICT, "conflict", "Dit kan nu niet (meer)";
    /// It existed and was erased.
    Gone = GONE, "gone", "Niet meer beschikbaar";
    /// More bytes, rows or items than the limit that the detail names.
    TooLarge = PAYLOAD_TOO_LARGE, "too-large", "De aanvraag is te groot";
    /// A media type or file format that is not understood.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "Dit formaat wordt niet ondersteund";
    /// More requests than the limit that the detail names; `Retry-After` says when to come back.
    TooManyRequests = TOO_MANY_REQUESTS, "too-many-requests", "Te veel aanvragen";
    /// Our fault. The request id finds it in our log.
    Internal = INTERNAL_SERVER_ERROR, "internal", "Er ging iets mis bij ons";
    /// Something we need is down; nothing was taken in. `Retry-After` says when to come back.
    Unavailable = SERVICE_UNAVAILABLE, "unavailable", "Tijdelijk niet beschikbaar";
}

impl Serialize for ProblemType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.urn())
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProblemDetail {
    /// What is wrong, for a program.
    #[schema(value_type = String, example = "required")]
    pub code: Cow<'static, str>,
    /// What was expected and what to do, in Dutch, without repeating the value.
    #[schema(example = "Vul een postcode in, bijvoorbeeld 1234AB.")]
    pub detail: String,
    /// Where in the body: a JSON Pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "/signals/0/address/postcode")]
    pub pointer: Option<String>,
    /// Which row of a file, counted from 1, headings not counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub row: Option<u64>,
    /// Which column of a file, or which parameter of a request, by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "postcode")]
    pub column: Option<String>,
}

impl ProblemDetail {
    /// Something wrong, without a place yet.
    pub fn new(code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            detail: detail.into(),
            pointer: None,
            row: None,
            column: None,
        }
    }

    /// Says where in the body.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>) -> Self {
        self.pointer = Some(pointer.into());
        self
    }

    /// Says in which row of a file.
    #[must_use]
    pub fn in_row(mut self, row: u64) -> Self {
        self.row = Some(row);
        self
    }

    /// Says in which column of a file or which parameter.
    #[must_use]
    pub fn in_column(mut self, column: impl Into<String>) -> Self {
        self.column = Some(column.into());
        self
    }
}

/// An answer that says what went wrong. Becomes a response with the right status and media type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Which problem, as a URI that stays the same.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "urn:voorveld:problem:invalid-request")]
    kind: ProblemType,
    /// What that problem is called, in Dutch.
    #[schema(value_type = String, example = "De aanvraag klopt niet")]
    title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599, example = 400)]
    status: u16,
    /// What happened this time and what to do.
    detail: String,
    /// The request id, as a URI: name it when you ask us about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "urn:uuid:0198c0de-0000-7000-8000-000000000000")]
    instance: Option<String>,
    /// Everything that is wrong, all at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<ProblemDetail>,
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// A problem of a type, with its title as detail until [`Problem::detail`] says more.
    #[must_use]
    pub fn new(kind: ProblemType) -> Self {
        Self {
            kind,
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: format!("{}.", kind.title()),
            instance: None,
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// Says what happened this time, in Dutch, without personal values.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }

    /// Adds one error; past [`ERRORS_MAX`] they are left out.
    #[must_use]
    pub fn error(mut self, error: ProblemDetail) -> Self {
        if self.errors.len() < ERRORS_MAX {
            self.errors.push(error);
        }
        self
    }

    /// Adds errors; past [`ERRORS_MAX`] they are left out.
    #[must_use]
    pub fn errors(self, errors: impl IntoIterator<Item = ProblemDetail>) -> Self {
        errors.into_iter().fold(self, Self::error)
    }

    /// Says when to come back, in whole seconds, as `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Which problem it is.
    #[must_use]
    pub fn kind(&self) -> ProblemType {
        self.kind
    }

    /// The errors it lists.
    #[must_use]
    pub fn listed(&self) -> &[ProblemDetail] {
        &self.errors
    }

    /// Our fault: logs the cause here, once, and tells the caller nothing of it.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(error = format!("{error:#}"), "a request failed");
        Self::new(ProblemType::Internal).detail(
            "Er ging iets mis aan onze kant. Probeer het later opnieuw; noem het kenmerk van de aanvraag als u ons belt.",
        )
    }
}

impl IntoResponse for Problem {
    fn into_response(mut self) -> Response {
        if self.instance.is_none() {
            self.instance = RequestId::current().map(RequestId::urn);
        }
        let body = serde_json::to_vec(&self).expect("a problem holds only text and numbers");
        let mut response = (self.kind.status(), body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if let Some(pause) = self.retry_after {
            let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() != 0);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// The fallback of a router: there is nothing at this address.
pub async fn not_found() -> Problem {
    Problem::new(ProblemType::NotFound).detail("Op dit adres is niets te vinden.")
}

/// The method fallback of a router: not with this method.
pub async fn method_not_allowed() -> Problem {
    Problem::new(ProblemType::MethodNotAllowed)
        .detail("Dit adres kent deze methode niet. De kop Allow noemt de methoden die wel kunnen.")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_problem_says_everything_at_once_in_its_own_media_type() {
        let response = Problem::new(ProblemType::InvalidRequest)
            .detail("Twee velden kloppen niet.")
            .error(ProblemDetail::new("required", "Vul een kenmerk in.").at("/reference"))
            .error(
                ProblemDetail::new("format", "Schrijf de datum als 2026-01-31.")
                    .in_row(3)
                    .in_column("datum"),
            )
            .into_response();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(response.headers()[header::CONTENT_TYPE], MEDIA_TYPE);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body,
            serde_json::json!({
                "type": "urn:voorveld:problem:invalid-request",
                "title": "De aanvraag klopt niet",
                "status": 400,
                "detail": "Twee velden kloppen niet.",
                "errors": [
                    {"code": "required", "detail": "Vul een kenmerk in.", "pointer": "/reference"},
                    {"code": "format", "detail": "Schrijf de datum als 2026-01-31.", "row": 3, "column": "datum"},
                ],
            })
        );
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        let response = Problem::new(ProblemType::Unavailable)
            .retry_after(Duration::from_millis(1_200))
            .into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn codes_are_unique() {
        let mut codes: Vec<_> = ProblemType::ALL.iter().map(|kind| kind.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), ProblemType::ALL.len());
    }
}
