//! The door as HTTP: routes, extractors and what every answer has in common.

mod answers;
mod completeness;
mod deliveries;
mod document;
mod hear;
mod read;
mod signals;
mod templates;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::Response;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use voorveld_chassis::Lifecycle;
use voorveld_chassis::http::{API_CSP, Dress, dress};
use voorveld_chassis::problem::{Problem, ProblemType, method_not_allowed, not_found};
use voorveld_store::StoreError;

use crate::auth::Partners;
use crate::config::{Config, RETRY_AFTER};
use crate::intake::gather::Gathering;
use crate::intake::{Intake, TakeError};
use crate::metrics::Metrics;

pub use answers::{DeliveryAnswer, Place, SignalResult, SignalResults, Status};
pub(crate) use read::broken_off;

/// The full version of the API, in every answer.
pub const API_VERSION: &str = "1.0.0";
/// Where the first major version lives.
pub const BASE: &str = "/v1";
const API_VERSION_HEADER: HeaderName = HeaderName::from_static("api-version");

/// What every handler needs. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Door {
    pub(crate) intake: Intake,
    pub(crate) gathering: Gathering,
    pub(crate) partners: Arc<Partners>,
    pub(crate) config: Arc<Config>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) metrics: Metrics,
    document: Arc<String>,
}

impl Door {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        intake: Intake,
        partners: Arc<Partners>,
        config: Config,
        lifecycle: Lifecycle,
        metrics: Metrics,
    ) -> Self {
        let document = openapi(config.public_url.as_deref())
            .to_json()
            .expect("the document is plain values");
        Self {
            gathering: Gathering::new(intake.clone(), lifecycle.clone()),
            intake,
            partners,
            config: Arc::new(config),
            lifecycle,
            metrics,
            document: Arc::new(document),
        }
    }

    /// The problem a caller sees when the database said no.
    pub(crate) fn store_problem(&self, error: &StoreError) -> Problem {
        if error.is_transient() {
            tracing::warn!(%error, "the database is down");
            self.unavailable()
        } else {
            Problem::internal(error)
        }
    }

    /// The problem a caller sees when its signals could not be taken in.
    pub(crate) fn take_problem(&self, error: &TakeError) -> Problem {
        if error.is_transient() {
            tracing::warn!(%error, "the database or the log is down");
            self.unavailable()
        } else {
            Problem::internal(error)
        }
    }

    fn unavailable(&self) -> Problem {
        self.metrics.unavailable.inc();
        Problem::new(ProblemType::Unavailable)
            .detail("Wij kunnen nu niets bevestigen. Stuur hetzelfde straks opnieuw: dubbel sturen kan geen kwaad.")
            .retry_after(RETRY_AFTER)
    }
}

fn described() -> OpenApiRouter<Door> {
    OpenApiRouter::with_openapi(document::base())
        .routes(routes!(signals::deliver_signals))
        .routes(routes!(signals::read_signal, signals::correct_signal))
        .routes(routes!(signals::withdraw_signal))
        .routes(routes!(deliveries::deliver_file))
        .routes(routes!(deliveries::read_delivery))
        .routes(routes!(deliveries::read_results))
        .routes(routes!(
            completeness::say_completeness,
            completeness::read_completeness
        ))
        .routes(routes!(templates::list_kinds))
        .routes(routes!(templates::read_template))
        .routes(routes!(document::read_document))
}

/// The API document. `public_url` is how partners reach this gateway.
#[must_use]
pub fn openapi(public_url: Option<&str>) -> OpenApi {
    document::finish(described().split_for_parts().1, public_url)
}

/// The whole door.
pub fn router(door: Door) -> Router {
    let dressed = Dress {
        role: "gateway",
        csp: API_CSP,
        strict_transport: door.config.strict_transport,
        metrics: door.metrics.http.clone(),
    };
    let (routes, _) = described().split_for_parts();
    let routes = Router::new()
        .nest(BASE, routes)
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(door)
        .layer(middleware::from_fn(hear::hear_out))
        .layer(middleware::from_fn(with_version));
    dress(routes, dressed)
}

async fn with_version(request: axum::extract::Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .insert(API_VERSION_HEADER, HeaderValue::from_static(API_VERSION));
    response
}
