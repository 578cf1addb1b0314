//! The style sheet, the mark and the one small script, built into the binary.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

/// Where the style sheet is.
pub const STYLE_PATH: &str = "/static/voorveld.css";

/// How long a browser may keep an asset: long enough for a morning, short enough for a release.
const CACHE: &str = "public, max-age=600";

/// What every door serves to everybody.
pub fn asset_routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route(
            STYLE_PATH,
            get(async || {
                asset(
                    "text/css; charset=utf-8",
                    include_str!("../assets/voorveld.css"),
                )
            }),
        )
        .route(
            "/static/voorveld.svg",
            get(async || asset("image/svg+xml", include_str!("../assets/voorveld.svg"))),
        )
        .route(
            "/static/refresh.js",
            get(async || {
                asset(
                    "text/javascript; charset=utf-8",
                    include_str!("../assets/refresh.js"),
                )
            }),
        )
}

fn asset(kind: &'static str, body: &'static str) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, CACHE)],
        body,
    )
}
