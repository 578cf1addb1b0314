//! What every HTTP door has in common: a request id, one canonical log line, security headers, a caught panic, and an
//! orderly end.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::clock::Stopwatch;
use crate::problem::Problem;

/// The header that carries the request id, both ways.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// What may run on pages of our own: nothing from elsewhere, nothing inline, no framing.
pub const PAGES_CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// An API answers data: nothing of it may run.
pub const API_CSP: &str = "default-src 'none'; frame-ancestors 'none'";

tokio::task_local! {
    static CURRENT: RequestId;
}

/// Names one request on its way through HTTP, log, match and task. A UUID: a caller's own id is kept when it is one, for
/// free text could hold a person's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(Uuid);

impl RequestId {
    /// A new one.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "each is different, so none is the default"
    )]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of the request that this task is answering.
    #[must_use]
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|id| *id).ok()
    }

    /// The id as it is written in headers and logs.
    #[must_use]
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The id as a URI.
    #[must_use]
    pub fn urn(self) -> String {
        self.0.urn().to_string()
    }

    /// The caller's own id: `X-Request-Id` when it is a UUID, else the trace id of `traceparent`.
    fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let own = headers
            .get(&REQUEST_ID_HEADER)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| Uuid::try_parse(text).ok());
        let traced = || {
            let text = headers.get("traceparent")?.to_str().ok()?;
            let mut parts = text.split('-');
            let (_version, trace) = (parts.next()?, parts.next()?);
            (trace.len() == 32)
                .then(|| Uuid::try_parse(trace).ok())
                .flatten()
        };
        own.or_else(traced).filter(|id| !id.is_nil()).map(Self)
    }
}

impl std::fmt::Display for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Counters of one door.
#[derive(Debug, Clone)]
pub struct HttpMetrics {
    requests: IntCounterVec,
    seconds: HistogramVec,
}

impl HttpMetrics {
    /// Registers `voorveld_<role>_http_requests_total` and `voorveld_<role>_http_request_seconds`.
    pub fn register(registry: &Registry, role: &'static str) -> prometheus::Result<Self> {
        let requests = IntCounterVec::new(
            Opts::new(
                format!("voorveld_{role}_http_requests_total"),
                "Requests answered, by route, method and status",
            ),
            &["route", "method", "status"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                format!("voorveld_{role}_http_request_seconds"),
                "Time to answer a request, by route",
            ),
            &["route"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(seconds.clone()))?;
        Ok(Self { requests, seconds })
    }
}

/// How a door dresses its answers.
#[derive(Debug, Clone)]
pub struct Dress {
    /// Which role answers: in the log line.
    pub role: &'static str,
    /// The content security policy: [`API_CSP`] or [`PAGES_CSP`].
    pub csp: &'static str,
    /// Tell browsers to use HTTPS only. Off by default: it is a promise about the name, not about this process.
    pub strict_transport: bool,
    /// Where requests are counted.
    pub metrics: HttpMetrics,
}

/// Gives every answer of a router its request id, security headers, canonical log line and counters, and turns a panic
/// into a problem. Call it last, after all routes and fallbacks.
pub fn dress(router: Router, dress: Dress) -> Router {
    router.layer(middleware::from_fn_with_state(dress, wrap))
}

async fn wrap(State(dress): State<Dress>, mut request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let id = RequestId::from_headers(request.headers()).unwrap_or_else(RequestId::new);
    request.extensions_mut().insert(id);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let method = known_method(request.method());
    let span = tracing::info_span!("request", request.id = %id);
    let answer = async {
        std::panic::AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .await
            .unwrap_or_else(|_panic| Problem::internal("a handler panicked").into_response())
    };
    let mut response = CURRENT.scope(id, answer.instrument(span.clone())).await;
    set_headers(response.headers_mut(), id, &dress);

    let status = response.status();
    dress
        .metrics
        .requests
        .with_label_values(&[route.as_str(), method, status.as_str()])
        .inc();
    dress
        .metrics
        .seconds
        .with_label_values(&[route.as_str()])
        .observe(watch.elapsed().as_secs_f64());
    // The route, never the path: a path may hold what a caller should not have put there.
    span.in_scope(|| {
        tracing::info!(
            role = dress.role,
            http.method = method,
            http.route = route,
            http.status = status.as_u16(),
            millis = watch.millis(),
            "{method} {route} {}",
            status.as_u16(),
        );
    });
    response
}

/// Methods are a closed set in labels; anybody can invent one in a request.
fn known_method(method: &axum::http::Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

fn set_headers(headers: &mut HeaderMap, id: RequestId, dress: &Dress) {
    let id = HeaderValue::try_from(id.to_string()).expect("a UUID is plain ASCII");
    headers.insert(REQUEST_ID_HEADER, id);
    let fixed = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, dress.csp),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A handler may allow caching of what is the same for everybody (style sheets, the API document).
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    if dress.strict_transport {
        headers.insert(
            header::STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000; includeSubDomains"),
        );
    }
}

/// Opens a door.
pub async fn bind(what: &'static str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("opening the {what} door on {address} failed"))
}

/// Serves until told to drain; then takes no new connections and finishes the requests in hand. Handlers can read the
/// caller's address as `ConnectInfo<SocketAddr>`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    draining: CancellationToken,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service)
        .with_graceful_shutdown(draining.cancelled_owned())
        .await
}

/// The caller's address, where the router was served by [`serve`].
#[must_use]
pub fn caller(request: &Request) -> Option<SocketAddr> {
    request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|info| info.0)
}

/// An answer without a body.
#[must_use]
pub fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::routing::get;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    fn door(registry: &Registry) -> Router {
        let router = Router::new()
            .route("/fine/{id}", get(async || "fine"))
            .route("/broken", get(broken))
            .fallback(crate::problem::not_found);
        dress(
            router,
            Dress {
                role: "test",
                csp: API_CSP,
                strict_transport: false,
                metrics: HttpMetrics::register(registry, "test").unwrap(),
            },
        )
    }

    async fn broken() -> &'static str {
        panic!("a planted panic with a secret in it")
    }

    async fn ask(path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String, String) {
        let registry = Registry::new();
        let mut request = Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = door(&registry)
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let metrics = prometheus::TextEncoder::new()
            .encode_to_string(&registry.gather())
            .unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (parts.status, parts.headers, text, metrics)
    }

    #[tokio::test]
    async fn every_answer_carries_a_request_id_and_security_headers() {
        let (status, headers, _, metrics) = ask("/fine/123456782", &[]).await;
        assert_eq!(status, StatusCode::OK);
        assert!(Uuid::try_parse(headers["x-request-id"].to_str().unwrap()).is_ok());
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        assert_eq!(headers["content-security-policy"], API_CSP);
        assert!(!headers.contains_key("strict-transport-security"));
        assert!(metrics.contains(r#"route="/fine/{id}""#), "{metrics}");
        assert!(!metrics.contains("123456782"), "a path is no label");
    }

    #[tokio::test]
    async fn a_callers_id_is_kept_only_when_it_is_a_uuid() {
        let own = "0198c0de-0000-7000-8000-000000000001";
        let (_, headers, ..) = ask("/fine/1", &[("x-request-id", own)]).await;
        assert_eq!(headers["x-request-id"], own);
        let (_, headers, ..) = ask("/fine/1", &[("x-request-id", "123456782")]).await;
        assert_ne!(headers["x-request-id"], "123456782");
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let (_, headers, ..) = ask("/fine/1", &[("traceparent", trace)]).await;
        assert_eq!(
            headers["x-request-id"],
            "0af76519-16cd-43dd-8448-eb211c80319c"
        );
    }

    #[tokio::test]
    async fn a_panic_becomes_a_problem_that_tells_nothing_but_the_request_id() {
        let (status, headers, body, _) = ask("/broken", &[]).await;
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(!body.contains("secret"));
        assert!(body.contains(headers["x-request-id"].to_str().unwrap()));
    }

    #[tokio::test]
    async fn an_unknown_address_is_a_problem_too() {
        let (status, headers, ..) = ask("/nowhere", &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(headers["content-type"], crate::problem::MEDIA_TYPE);
    }
}
