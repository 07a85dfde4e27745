//! Traces: joined from callers, handed on to callees, sent to the collector.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use clap::Parser;
use futures::{FutureExt, future::BoxFuture};
use gochat_chassis::{
    Gate, Listeners, Readiness, Server, ServerArgs, ServiceTokens, Shutdown, TelemetryArgs, channel, request,
    telemetry,
};
use http::{Request, Response};
use tokio::sync::mpsc;
use tonic::{body::Body, client::Grpc, codegen::http::uri::PathAndQuery, server::NamedService};
use tonic_prost::ProstCodec;
use tower::Service;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    telemetry: TelemetryArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// Takes whatever it is sent, as a collector, and tells what it was.
#[derive(Clone)]
struct Collector(mpsc::Sender<Vec<u8>>);

impl NamedService for Collector {
    const NAME: &'static str = "opentelemetry.proto.collector.trace.v1.TraceService";
}

/// Answers with what a call made on its way would carry.
#[derive(Clone)]
struct Relay;

impl NamedService for Relay {
    const NAME: &'static str = "test.v1.Relay";
}

macro_rules! service {
    ($service:ident, $call:expr) => {
        impl Service<Request<Body>> for $service {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<Body>) -> Self::Future {
                let service = self.clone();
                async move { Ok($call(service, request).await) }.boxed()
            }
        }
    };
}

service!(Collector, async |collector: Collector, request: Request<Body>| {
    let body = axum::body::to_bytes(axum::body::Body::new(request.into_body()), 1 << 20).await.unwrap();
    collector.0.send(body.to_vec()).await.unwrap();
    empty_message()
});

service!(Relay, async |_: Relay, _: Request<Body>| {
    let call = request::carry(tonic::Request::new(())).unwrap();
    let mut response = empty_message();
    let parent = call.metadata().get("traceparent").unwrap().to_str().unwrap();
    response.headers_mut().insert("carried", parent.parse().unwrap());
    response
});

fn empty_message() -> Response<Body> {
    let mut response = Response::new(Body::new(axum::body::Body::from(vec![0; 5])));
    response.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    response.headers_mut().insert("grpc-status", "0".parse().unwrap());
    response
}

async fn relay(args: &ServerArgs) -> std::net::SocketAddr {
    let any = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let listeners = Listeners::bind("test", any, any).await.unwrap();
    let address = listeners.service_addr().unwrap();
    let gate = Gate::new(|_, _, _| true, |_| async { Ok(None) }.boxed(), ServiceTokens::none());
    let server = Server::new("test", args, gate, Readiness::new(&[]), &[]);
    tokio::spawn(server.add_service(Relay).serve(listeners, Shutdown::new()));
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_goes_through() {
    let (tell, mut told) = mpsc::channel(16);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
    let collector = tonic::transport::Server::builder().add_service(Collector(tell));
    tokio::spawn(collector.serve_with_incoming(incoming));
    let flags = Flags::try_parse_from(["test", "--otlp-endpoint", &endpoint]).unwrap();
    let guard = telemetry::start(&flags.telemetry, "test").unwrap();
    drop(telemetry::start(&flags.telemetry, "test").unwrap());

    let mut grpc = Grpc::new(channel(&format!("http://{}", relay(&flags.server).await)).unwrap());
    grpc.ready().await.unwrap();
    let mut call = tonic::Request::new(String::new());
    call.metadata_mut().insert("traceparent", PARENT.parse().unwrap());
    let codec = ProstCodec::<String, String>::default();
    let answer = grpc.unary(call, PathAndQuery::from_static("/test.v1.Relay/Any"), codec).await.unwrap();
    let carried = answer.metadata().get("carried").unwrap().to_str().unwrap();
    assert!(carried.contains(TRACE), "{carried}");
    assert_ne!(carried, PARENT, "it is a span of its own that is handed on");

    tokio::task::spawn_blocking(move || drop(guard)).await.unwrap();
    let sent = told.recv().await.unwrap();
    let has = |part: &[u8]| sent.windows(part.len()).any(|window| window == part);
    assert!(has(b"gochat-test"), "the process says its name");
    let trace: Vec<u8> =
        (0..16).map(|at| u8::from_str_radix(&TRACE[2 * at..2 * at + 2], 16).unwrap()).collect();
    assert!(has(&trace), "the span belongs to the caller's trace");
}
