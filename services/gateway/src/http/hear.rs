//! Who is refused while it still sends hears the refusal, and not a connection that broke: what it sends is read on, within limits.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::http::header::EXPECT;
use axum::middleware::Next;
use axum::response::Response;
use http_body::{Frame, SizeHint};
use tokio_stream::StreamExt as _;

/// Most that is read of what was refused. Whoever sends more may still see its connection broken.
const HEARD_OUT_BYTES: u64 = 1024 * 1024;
/// How long whoever was refused may take to send it.
const HEARD_OUT_FOR: Duration = Duration::from_secs(2);

/// A body that is still there when its handler is done with it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Body>>);

impl Shared {
    fn with<T>(&self, what: impl FnOnce(&mut Body) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HttpBody for Shared {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.with(|body| Pin::new(body).poll_frame(context))
    }

    fn is_end_stream(&self) -> bool {
        self.with(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.with(|body| body.size_hint())
    }
}

/// Answers after the rest of the body when the answer is a refusal.
pub async fn hear_out(request: Request, next: Next) -> Response {
    // Who asked first sends nothing before it is answered.
    if request.headers().contains_key(EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let shared = Shared(Arc::new(Mutex::new(body)));
    let request = Request::from_parts(parts, Body::new(shared.clone()));
    let response = next.run(request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let patience = tokio::time::timeout(HEARD_OUT_FOR, read_on(shared));
        // Too slow is as good as too much: it was answered.
        let _ = patience.await;
    }
    response
}

async fn read_on(shared: Shared) {
    if HEARD_OUT_BYTES < shared.size_hint().lower() {
        return;
    }
    let mut rest = Body::new(shared).into_data_stream();
    let mut heard = 0;
    while let Some(Ok(part)) = rest.next().await {
        heard += part.len() as u64;
        if HEARD_OUT_BYTES < heard {
            return;
        }
    }
}
