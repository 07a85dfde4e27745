//! What is seen of each call from outside: a span, a line in the log, a place in a histogram.

use std::{
    collections::HashMap,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Frame, SizeHint};
use metrics::{Label, SharedString};
use prost::Message;
use tonic::{Code, Status, body::Body};
use tracing::{Span, field::Empty};

use crate::request::{REQUEST_ID, RequestId, join_trace};

/// How long calls took, in seconds, by `service`, `method` and `code`. A stream counts when it ends.
pub(crate) const DURATION: &str = "gochat_rpc_duration_seconds";

/// The RPCs that are told apart, by their HTTP/2 path; any other is one `unknown`, so that callers can't
/// make names up.
pub(crate) struct Methods {
    known: HashMap<String, Method>,
    unknown: Method,
}

#[derive(Clone)]
struct Method {
    service: SharedString,
    name: SharedString,
}

impl Methods {
    /// Those of encoded `google.protobuf.FileDescriptorSet`s.
    pub(crate) fn of(descriptors: &[&[u8]]) -> anyhow::Result<Self> {
        let mut known = HashMap::new();
        for encoded in descriptors {
            let set = prost_types::FileDescriptorSet::decode(*encoded).context("not a descriptor set")?;
            for file in &set.file {
                known.extend(file.service.iter().flat_map(|service| of_service(file.package(), service)));
            }
        }
        let unknown = Method { service: "unknown".into(), name: "unknown".into() };
        Ok(Self { known, unknown })
    }

    fn get(&self, path: &str) -> &Method {
        self.known.get(path).unwrap_or(&self.unknown)
    }
}

fn of_service(
    package: &str,
    service: &prost_types::ServiceDescriptorProto,
) -> impl Iterator<Item = (String, Method)> {
    let full = format!("{package}.{}", service.name());
    service.method.iter().map(move |rpc| {
        let method = Method { service: full.clone().into(), name: rpc.name().to_owned().into() };
        (format!("/{full}/{}", rpc.name()), method)
    })
}

/// A call from its beginning to its end, which is when this is dropped.
pub(crate) struct Call {
    method: Method,
    id: RequestId,
    span: Span,
    began: Instant,
    /// Unless it is answered, it was given up by its caller.
    code: Code,
}

impl Call {
    pub(crate) fn begin(methods: &Methods, request: &Request<Body>) -> Self {
        let method = methods.get(request.uri().path()).clone();
        let id = RequestId::of(request.headers());
        let span = tracing::info_span!(
            "rpc",
            otel.name = format_args!("{}/{}", method.service, method.name),
            otel.kind = "server",
            rpc.system = "grpc",
            rpc.service = &*method.service,
            rpc.method = &*method.name,
            rpc.grpc.status_code = Empty,
            request_id = id.as_str(),
            trace_id = Empty,
        );
        join_trace(&span, request.headers());
        Self { method, id, span, began: Instant::now(), code: Code::Cancelled }
    }

    pub(crate) fn id(&self) -> RequestId {
        self.id.clone()
    }

    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Follows the answer to its end. It bears the request's id, for callers to quote.
    pub(crate) fn follow(mut self, mut response: Response<Body>) -> Response<Body> {
        response.headers_mut().insert(REQUEST_ID, self.id.header());
        match code(response.headers()) {
            // Refused: there is no more to come.
            Some(code) => {
                self.code = code;
                response
            }
            None => response.map(|body| Body::new(Followed { body, call: self })),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let took = self.began.elapsed();
        let labels = vec![
            Label::new("service", self.method.service.clone()),
            Label::new("method", self.method.name.clone()),
            Label::from_static_parts("code", name(self.code)),
        ];
        metrics::histogram!(DURATION, labels).record(took);
        let _entered = self.span.enter();
        self.span.record("rpc.grpc.status_code", self.code as i32);
        let (code, took_ms) = (name(self.code), took.as_millis() as u64);
        match self.code {
            Code::Internal | Code::Unknown | Code::DataLoss => tracing::error!(code, took_ms, "rpc failed"),
            _ => tracing::debug!(code, took_ms, "rpc ended"),
        }
    }
}

/// An answer's body, whose trailers say how the call ended.
struct Followed {
    body: Body,
    call: Call,
}

impl http_body::Body for Followed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                if let Some(code) = frame.trailers_ref().and_then(code) {
                    self.call.code = code;
                }
            }
            Some(Err(status)) => self.call.code = status.code(),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn code(headers: &HeaderMap) -> Option<Code> {
    headers.get(Status::GRPC_STATUS).map(|value| Code::from_bytes(value.as_bytes()))
}

/// A code as the gRPC specification writes it.
fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
