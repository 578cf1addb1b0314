//! Reading a request strictly: bodies with a limit, parameters without surprises, and a problem for whatever does not fit.

use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;
use voorveld_chassis::problem::{Problem, ProblemDetail, ProblemType};

use crate::config::{BODY_PATIENCE, MAX_REQUEST_BYTES};

/// The id in the path.
#[derive(Debug, Clone, Copy)]
pub struct PathId(pub Uuid);

impl<S: Send + Sync> FromRequestParts<S> for PathId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        use axum::extract::Path;
        let path = <Path<String> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        path.ok()
            .filter(|Path(raw)| raw.len() == 36)
            .and_then(|Path(raw)| Uuid::try_parse(&raw).ok())
            .map(Self)
            .ok_or_else(|| {
                Problem::new(ProblemType::InvalidRequest)
                    .detail("Het id in het adres klopt niet.")
                    .error(
                        ProblemDetail::new("uuid_format", "Gebruik het id dat u van ons kreeg.")
                            .in_column("id"),
                    )
            })
    }
}

/// The word in the path.
#[derive(Debug, Clone)]
pub struct PathWord(pub String);

impl<S: Send + Sync> FromRequestParts<S> for PathWord {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        use axum::extract::Path;
        <Path<String> as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .map(|Path(raw)| Self(raw))
            .map_err(|_| {
                Problem::new(ProblemType::InvalidRequest).detail("Het adres is niet te lezen.")
            })
    }
}

/// The parameters behind the question mark; an unknown one is refused.
#[derive(Debug, Clone)]
pub struct Asked<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        use axum::extract::Query;
        <Query<T> as FromRequestParts<S>>::from_request_parts(parts, state)
            .await
            .map(|Query(asked)| Self(asked))
            .map_err(|_| {
                // The reason may hold the value, so it is not told.
                Problem::new(ProblemType::InvalidRequest)
                    .detail("Een parameter in het adres kennen wij niet, staat er dubbel in, of heeft een waarde die niet past.")
                    .error(ProblemDetail::new(
                        "parameter_invalid",
                        "Kijk in /v1/openapi.json welke parameters er zijn.",
                    ))
            })
    }
}

/// The media type of a body, lower case, without parameters.
pub fn media_type(headers: &HeaderMap) -> Option<String> {
    let raw = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    let essence = raw.split(';').next().unwrap_or_default();
    Some(essence.trim().to_ascii_lowercase())
}

/// A body that came in another wrapping than we can open.
pub fn unsupported(expected: &str) -> Problem {
    Problem::new(ProblemType::UnsupportedMediaType).detail(format!("Stuur dit als {expected}."))
}

/// Refuses a compressed body: its real size is only known too late.
pub fn refuse_encoded(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        None => Ok(()),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(Problem::new(ProblemType::UnsupportedMediaType)
            .detail("Stuur de inhoud zonder Content-Encoding.")),
    }
}

/// What a body that takes too long, or ends too soon, is called.
pub fn broken_off() -> Problem {
    Problem::new(ProblemType::UnreadableBody)
        .detail("De inhoud brak af voor het einde. Stuur het opnieuw.")
}

fn too_large(limit: &str) -> Problem {
    Problem::new(ProblemType::TooLarge).detail(format!("De inhoud is groter dan {limit}."))
}

/// Reads a small body whole, within its limit.
pub async fn small_body(request: Request) -> Result<Bytes, Problem> {
    let mut body = request.into_body().into_data_stream();
    let mut whole = BytesMut::new();
    let reading = async {
        while let Some(part) = body.next().await {
            let part = part.map_err(|_| broken_off())?;
            if whole.len() + part.len() > MAX_REQUEST_BYTES {
                return Err(too_large("2 MiB"));
            }
            whole.extend_from_slice(&part);
        }
        Ok(whole.freeze())
    };
    tokio::time::timeout(BODY_PATIENCE, reading)
        .await
        .unwrap_or_else(|_late| Err(Problem::new(ProblemType::RequestTimeout)))
}

/// Reads a JSON body. The text of a fault names a place and never a value.
pub fn json(body: &[u8]) -> Result<Value, Problem> {
    let unreadable = |detail: String| Problem::new(ProblemType::UnreadableBody).detail(detail);
    let text =
        std::str::from_utf8(body).map_err(|_| unreadable("De inhoud is geen UTF-8.".to_owned()))?;
    serde_json::from_str(text).map_err(|error| {
        unreadable(format!(
            "De inhoud is geen JSON: kijk bij regel {}, teken {}.",
            error.line(),
            error.column()
        ))
    })
}
