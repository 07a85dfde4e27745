//! Around every request: its id, its trace, its line in the log, and how it fails while the gateway drains.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use gochat_chassis::request::{self, REQUEST_ID, RequestId};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use tokio::time::Instant;
use tracing::Instrument;

use crate::{Gateway, error::ReturnCode};

/// Names the request and the answer after it. Queries are not logged: they may carry secrets.
pub(crate) async fn observe(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let id = RequestId::of(request.headers());
    let span = tracing::info_span!(
        "request",
        method = %request.method(),
        path = request.uri().path(),
        request_id = id.as_str(),
        believed_uid = tracing::field::Empty,
    );
    request::join_trace(&span, request.headers());
    let header = id.header();
    let began = Instant::now();
    let answering = async {
        let mut response = next.run(request).await;
        if gateway.shutdown.is_triggered() {
            send_elsewhere(&mut response);
        }
        let code = response.extensions().get::<ReturnCode>().map_or(0, |code| *code as u32);
        tracing::debug!(status = response.status().as_u16(), code, elapsed = ?began.elapsed(), "answered");
        response
    };
    let mut response = id.scope(answering.instrument(span)).await;
    response.headers_mut().insert(REQUEST_ID, header);
    response
}

/// While the gateway goes away, and the services perhaps with it, a fault is the
/// transport's: whoever stands in front asks another gateway.
fn send_elsewhere(response: &mut Response) {
    if response.extensions().get() == Some(&ReturnCode::Fault) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
}
