//! Around every request: its id, its trace, its line in the log, and how it fails while the gateway drains.

use std::convert::Infallible;

use axum::{extract::Request, response::Response};
use gochat_chassis::{
    http::Answers,
    request::{self, REQUEST_ID, RequestId},
};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};
use tracing::Instrument;

use crate::{Gateway, error::ReturnCode};

/// `inner`, whose requests are seen from outside.
pub(crate) fn observed(gateway: Gateway, inner: impl Answers) -> impl Answers {
    service_fn(move |request| observe(gateway.clone(), inner.clone(), request))
}

/// Names the request and the answer after it. Queries are not logged: they may carry secrets.
async fn observe(gateway: Gateway, inner: impl Answers, request: Request) -> Result<Response, Infallible> {
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
        let Ok(mut response) = inner.oneshot(request).await;
        if gateway.shutdown.is_triggered() {
            send_elsewhere(&mut response);
        }
        let code = response.extensions().get::<ReturnCode>().map_or(0, |code| *code as u32);
        tracing::debug!(status = response.status().as_u16(), code, elapsed = ?began.elapsed(), "answered");
        response
    };
    let mut response = id.scope(answering.instrument(span)).await;
    response.headers_mut().insert(REQUEST_ID, header);
    Ok(response)
}

/// While the gateway goes away, and the services perhaps with it, a fault is the
/// transport's: whoever stands in front asks another gateway.
fn send_elsewhere(response: &mut Response) {
    if response.extensions().get() == Some(&ReturnCode::Fault) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
}
