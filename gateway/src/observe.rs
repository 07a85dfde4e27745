//! Around every request: its id, its trace, its line in the log, its place in a histogram, and how it fails while the
//! gateway drains.

use std::{collections::HashSet, convert::Infallible, sync::Arc};

use axum::{extract::Request, response::Response};
use gochat_chassis::{
    http::Answers,
    request::{self, REQUEST_ID, RequestId},
};
use http::{HeaderValue, StatusCode, header::RETRY_AFTER};
use metrics::{Unit, describe_gauge, describe_histogram, gauge, histogram};
use tokio::time::Instant;
use tower::{ServiceExt, service_fn};
use tracing::{Instrument, Span, field::Empty};

use crate::{Gateway, error::ReturnCode, voice};

/// How long methods took, in seconds, by `method` and return `code`; an event stream, until it begins.
const DURATION: &str = "gochat_http_duration_seconds";
const STREAMS: &str = "gochat_event_streams";
const METHODS: &str = "/chat_room/";

/// The methods that are told apart; any other path is one `other`, so that callers can't make names up.
#[derive(Clone)]
pub(crate) struct Names(Arc<HashSet<&'static str>>);

impl Names {
    /// Those of the methods, and of the event stream.
    pub(crate) fn of(methods: impl IntoIterator<Item = &'static str>) -> Self {
        describe_histogram!(DURATION, Unit::Seconds, "How long methods took, by return code");
        describe_gauge!(STREAMS, "Event streams that are relayed");
        gauge!(STREAMS).set(0.0);
        Self(Arc::new(methods.into_iter().chain(["events"]).collect()))
    }

    fn name(&self, path: &str) -> &'static str {
        let name = path.strip_prefix(METHODS).map(voice::name);
        name.and_then(|name| self.0.get(name)).copied().unwrap_or("other")
    }
}

/// `inner`, whose requests are seen from outside.
pub(crate) fn observed(gateway: Gateway, names: Names, inner: impl Answers) -> impl Answers {
    service_fn(move |request: Request| {
        let method = names.name(request.uri().path());
        observe(gateway.clone(), method, inner.clone(), request)
    })
}

/// Names the request and the answer after it. Queries are not logged: they may carry secrets.
async fn observe(
    gateway: Gateway,
    method: &'static str,
    inner: impl Answers,
    request: Request,
) -> Result<Response, Infallible> {
    let id = RequestId::of(request.headers());
    let span = span(method, &request, &id);
    request::join_trace(&span, request.headers());
    let header = id.header();
    let began = Instant::now();
    let answering = async {
        let Ok(mut response) = inner.oneshot(request).await;
        if gateway.shutdown.is_triggered() {
            send_elsewhere(&mut response);
        }
        let (status, code) = (response.status().as_u16(), code(&response));
        histogram!(DURATION, "method" => method, "code" => code).record(began.elapsed());
        Span::current().record("http.response.status_code", status).record("gochat.code", code);
        tracing::debug!(status, code, elapsed = ?began.elapsed(), "answered");
        response
    };
    let mut response = id.scope(answering.instrument(span)).await;
    response.headers_mut().insert(REQUEST_ID, header);
    Ok(response)
}

fn span(method: &'static str, request: &Request, id: &RequestId) -> Span {
    tracing::info_span!(
        "request",
        otel.name = format_args!("{} {method}", request.method()),
        otel.kind = "server",
        http.request.method = %request.method(),
        url.path = request.uri().path(),
        http.response.status_code = Empty,
        gochat.code = Empty,
        request_id = id.as_str(),
        trace_id = Empty,
        believed_uid = Empty,
    )
}

/// The return code of an answer, as it is documented; 0 for success.
fn code(response: &Response) -> &'static str {
    let Some(code) = response.extensions().get::<ReturnCode>() else { return "0" };
    match code {
        ReturnCode::NickNameInUse => "80000",
        ReturnCode::BadParameter => "80001",
        ReturnCode::RoomNotFound => "80002",
        ReturnCode::RoomFull => "80003",
        ReturnCode::AlreadyInRoom => "80004",
        ReturnCode::StageFull => "80005",
        ReturnCode::AlreadyOnStage => "80006",
        ReturnCode::NoRoomId => "80007",
        ReturnCode::NotPermitted => "80010",
        ReturnCode::NotInRoom => "80011",
        ReturnCode::NotLoggedIn => "80012",
        ReturnCode::InvitationInvalid => "80014",
        ReturnCode::Banned => "80015",
        ReturnCode::Fault => "100001",
    }
}

/// An event stream that is relayed, until it is dropped.
pub(crate) struct Open(());

impl Open {
    pub(crate) fn new() -> Self {
        gauge!(STREAMS).increment(1.0);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!(STREAMS).decrement(1.0);
    }
}

/// While the gateway goes away, and the services perhaps with it, a fault is the
/// transport's: whoever stands in front asks another gateway.
fn send_elsewhere(response: &mut Response) {
    if response.extensions().get() == Some(&ReturnCode::Fault) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_cannot_make_names_up() {
        let names = Names::of(["login", "x/unban"].into_iter().chain(voice::NAMES));
        let found =
            ["/chat_room/login", "/chat_room/x/unban", "/chat_room/events", "/chat_room/nonsense", "/login"]
                .map(|path| names.name(path));
        assert_eq!(found, ["login", "x/unban", "events", "other", "other"]);
        let voice = ["media", "media/info", "media/c0ffee", "media/c0ffee/x", "medial"]
            .map(|name| names.name(&format!("/chat_room/{name}")));
        assert_eq!(voice, ["media", "media/info", "media/{session}", "other", "other"]);
    }

    #[test]
    fn codes_are_as_they_are_documented() {
        for documented in [ReturnCode::NickNameInUse, ReturnCode::Banned, ReturnCode::Fault] {
            let mut response = Response::new(axum::body::Body::empty());
            assert_eq!(code(&response), "0");
            response.extensions_mut().insert(documented);
            assert_eq!(code(&response), (documented as u32).to_string());
        }
    }
}
