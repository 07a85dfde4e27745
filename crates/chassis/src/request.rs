//! What a request carries along its way through the processes: its id, and its trace.

use std::{fmt, future::Future};

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context, global,
    propagation::{Extractor, Injector},
    trace::{TraceContextExt, TraceId},
};
use tonic::{Request, Status, metadata::MetadataMap};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The header that carries a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const TRACE: &str = "traceparent";
/// Of what is passed on as it came: version, trace, span and flags, in hexadecimal digits.
const TRACE_LENGTH: usize = 55;
const MAX_ID: usize = 64;

tokio::task_local! {
    static CURRENT: RequestId;
}

/// What a request is called in logs and answers: 1 to 64 of `A-Z a-z 0-9 - _ .`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    id: HeaderValue,
    /// The caller's `traceparent`, for calls that are made where no traces are collected.
    trace: Option<HeaderValue>,
}

impl RequestId {
    /// The id that the caller gave, or a new one if it gave none that can be used.
    pub fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(REQUEST_ID).filter(|value| is_id(value.as_bytes()));
        let mut id = given.cloned().unwrap_or_else(drawn);
        // No two requests have the same: HTTP/2 need not remember it for the next one.
        id.set_sensitive(true);
        let mut trace = headers.get(TRACE).filter(|value| value.len() == TRACE_LENGTH).cloned();
        trace.iter_mut().for_each(|trace| trace.set_sensitive(true));
        Self { id, trace }
    }

    /// The id of the request being answered, inside [`RequestId::scope`].
    pub fn current() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    /// Runs `answering` as the answer to the request of this id.
    pub fn scope<F: Future>(self, answering: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, answering)
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        self.id.to_str().unwrap_or("-")
    }

    /// The id as the value of a header.
    pub fn header(&self) -> HeaderValue {
        self.id.clone()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_id(text: &[u8]) -> bool {
    (1..=MAX_ID).contains(&text.len())
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

/// 128 random bits in 32 hexadecimal digits.
fn drawn() -> HeaderValue {
    let id = format!("{:032x}", rand::random::<u128>());
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("-"))
}

/// Makes `span` a part of the caller's trace, if the headers name one (W3C Trace Context), and records under `trace_id`,
/// if it has such a field, which trace it is in. Must come before the span is entered.
pub fn join_trace(span: &Span, headers: &HeaderMap) {
    if span.is_disabled() {
        return;
    }
    let caller = headers.contains_key(TRACE).then(|| {
        let caller = global::get_text_map_propagator(|propagator| propagator.extract(&Read(headers)));
        // Fails where no traces are exported.
        let _ = span.set_parent(caller.clone());
        caller
    });
    let own = Some(span.context());
    if let Some(id) = [own, caller].into_iter().flatten().find_map(|context| trace_id(&context)) {
        span.record("trace_id", tracing::field::display(id));
    }
}

fn trace_id(context: &Context) -> Option<TraceId> {
    let span = context.span();
    let named = span.span_context();
    named.is_valid().then(|| named.trace_id())
}

/// Hands id and trace of the request being answered on to a call made for it: an interceptor for clients,
/// as in `RoomServiceClient::with_interceptor(channel, request::carry)`.
#[allow(clippy::result_large_err, reason = "the signature is tonic's")]
pub fn carry(mut call: Request<()>) -> Result<Request<()>, Status> {
    let span = Span::current();
    // Nobody listens, and so there is no trace, where the span is none.
    let here = (!span.is_disabled()).then(|| span.context());
    if let Some(RequestId { id, trace }) = RequestId::current() {
        let mut headers = std::mem::take(call.metadata_mut()).into_headers();
        headers.insert(REQUEST_ID, id);
        if let Some(trace) = trace.filter(|_| here.as_ref().and_then(trace_id).is_none()) {
            headers.insert(TRACE, trace);
        }
        *call.metadata_mut() = MetadataMap::from_headers(headers);
    }
    if let Some(here) = here {
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&here, &mut Write(call.metadata_mut()));
        });
    }
    Ok(call)
}

struct Read<'a>(&'a HeaderMap);

impl Extractor for Read<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

struct Write<'a>(&'a mut MetadataMap);

impl Injector for Write<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) =
            (tonic::metadata::MetadataKey::from_bytes(key.as_bytes()), value.parse())
        {
            self.0.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(id: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(REQUEST_ID, HeaderValue::from_static(id))])
    }

    #[test]
    fn a_callers_id_is_kept_if_it_can_be_printed() {
        assert_eq!(RequestId::of(&headers("a-1_b.C")).as_str(), "a-1_b.C");
        for bad in ["", "two words", "line\tfeed", "x=1"] {
            assert_eq!(RequestId::of(&headers(bad)).as_str().len(), 32, "{bad:?}");
        }
        assert_ne!(RequestId::of(&HeaderMap::new()), RequestId::of(&HeaderMap::new()));
    }

    #[test]
    fn what_no_other_request_has_is_not_remembered_for_it() {
        for headers in [headers("order-66"), HeaderMap::new()] {
            assert!(RequestId::of(&headers).header().is_sensitive(), "{headers:?}");
        }
    }

    #[tokio::test]
    async fn calls_made_for_a_request_carry_its_id() {
        let id = RequestId::of(&headers("order-66"));
        let call = id.scope(async { carry(Request::new(())).unwrap() }).await;
        assert_eq!(call.metadata().get("x-request-id").unwrap(), "order-66");
        assert!(carry(Request::new(())).unwrap().metadata().get("x-request-id").is_none());
    }

    #[tokio::test]
    async fn a_trace_is_passed_on_where_none_is_collected() {
        let mut headers = headers("order-66");
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        headers.insert(TRACE, HeaderValue::from_static(trace));
        let call = RequestId::of(&headers).scope(async { carry(Request::new(())).unwrap() }).await;
        assert_eq!(call.metadata().get(TRACE).unwrap(), trace);
        headers.insert(TRACE, HeaderValue::from_static("00-0af7"));
        let call = RequestId::of(&headers).scope(async { carry(Request::new(())).unwrap() }).await;
        assert!(call.metadata().get(TRACE).is_none());
    }
}
