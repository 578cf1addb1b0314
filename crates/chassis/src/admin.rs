//! The admin port, apart from the public one: is it alive, is it ready, what does it count, how much does it log.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::{Registry, TextEncoder};
use tokio_util::sync::CancellationToken;

use crate::problem::{Problem, ProblemType};
use crate::telemetry::LogFilter;

/// What must be well before this process should get work. Copies are handles to the same list.
#[derive(Debug, Clone)]
pub struct Health {
    checks: Arc<Mutex<BTreeMap<&'static str, Option<String>>>>,
    draining: CancellationToken,
}

impl Health {
    /// Nothing to wait for yet; not ready once `draining` is cancelled.
    #[must_use]
    pub fn new(draining: CancellationToken) -> Self {
        Self {
            checks: Arc::default(),
            draining,
        }
    }

    /// Adds something to wait for. It is not ready until it says so.
    #[must_use]
    pub fn check(&self, name: &'static str) -> HealthCheck {
        let check = HealthCheck {
            name,
            health: self.clone(),
        };
        check.failing("starting");
        check
    }

    /// Whether all checks are well and the process is not draining.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        !self.draining.is_cancelled() && self.report().values().all(|state| state == "ok")
    }

    /// Each check with `ok` or why not.
    #[must_use]
    pub fn report(&self) -> BTreeMap<&'static str, String> {
        let mut report: BTreeMap<_, _> = self
            .lock()
            .iter()
            .map(|(name, trouble)| (*name, trouble.clone().unwrap_or_else(|| "ok".to_owned())))
            .collect();
        if self.draining.is_cancelled() {
            report.insert("draining", "stopping".to_owned());
        }
        report
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<&'static str, Option<String>>> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One thing to wait for.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    name: &'static str,
    health: Health,
}

impl HealthCheck {
    /// It is well.
    pub fn ok(&self) {
        self.health.lock().insert(self.name, None);
    }

    /// It is not, and why (no personal values: this is shown).
    pub fn failing(&self, why: impl Into<String>) {
        self.health.lock().insert(self.name, Some(why.into()));
    }
}

/// What the admin port shows.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The checks behind `/health/ready`.
    pub health: Health,
    /// The counters behind `/metrics`.
    pub registry: Registry,
    /// The filter behind `/log-filter`.
    pub log_filter: LogFilter,
}

impl Admin {
    /// The routes of the admin port.
    pub fn router(self) -> Router {
        Router::new()
            .route("/health/live", get(async || "ok\n"))
            .route("/health/ready", get(ready))
            .route("/metrics", get(metrics))
            .route("/log-filter", get(show_filter).put(set_filter))
            .fallback(crate::problem::not_found)
            .method_not_allowed_fallback(crate::problem::method_not_allowed)
            .with_state(self)
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    let ready = admin.health.is_ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({ "ready": ready, "checks": admin.health.report() });
    (status, Json(body)).into_response()
}

async fn metrics(State(admin): State<Admin>) -> Result<Response, Problem> {
    let text = TextEncoder::new()
        .encode_to_string(&admin.registry.gather())
        .map_err(Problem::internal)?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

async fn show_filter(State(admin): State<Admin>) -> String {
    format!("{}\n", admin.log_filter.current())
}

async fn set_filter(State(admin): State<Admin>, filter: String) -> Result<String, Problem> {
    admin.log_filter.set(filter.trim()).map_err(|error| {
        Problem::new(ProblemType::InvalidRequest)
            .detail(format!("the filter was not taken: {error}"))
    })?;
    tracing::info!(filter = filter.trim(), "log filter changed");
    Ok(format!("{}\n", admin.log_filter.current()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, String) {
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn of(path: &str) -> Request<Body> {
        Request::builder().uri(path).body(Body::empty()).unwrap()
    }

    #[tokio::test]
    async fn ready_means_every_check_is_well_and_nobody_is_leaving() {
        let draining = CancellationToken::new();
        let health = Health::new(draining.clone());
        let check = health.check("database");
        let router = Admin {
            health,
            registry: Registry::new(),
            log_filter: LogFilter::detached(),
        }
        .router();
        assert_eq!(ask(&router, of("/health/live")).await.0, StatusCode::OK);
        let (status, body) = ask(&router, of("/health/ready")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(body.contains("starting"), "{body}");
        check.ok();
        assert_eq!(ask(&router, of("/health/ready")).await.0, StatusCode::OK);
        check.failing("no answer");
        assert!(
            ask(&router, of("/health/ready"))
                .await
                .1
                .contains("no answer")
        );
        check.ok();
        draining.cancel();
        let (status, _) = ask(&router, of("/health/ready")).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[tokio::test]
    async fn the_log_filter_can_be_changed_and_a_bad_one_is_refused() {
        let router = Admin {
            health: Health::new(CancellationToken::new()),
            registry: Registry::new(),
            log_filter: LogFilter::detached(),
        }
        .router();
        let put = |text: &'static str| Request::put("/log-filter").body(Body::from(text)).unwrap();
        assert_eq!(
            ask(&router, put("debug")).await,
            (StatusCode::OK, "debug\n".to_owned())
        );
        assert_eq!(ask(&router, put("a=b=c")).await.0, StatusCode::BAD_REQUEST);
        assert_eq!(ask(&router, of("/log-filter")).await.1, "debug\n");
    }
}
