//! An HTTP server with the same life as a gRPC server: admin port, drain, hard end.

use std::{convert::Infallible, net::SocketAddr, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use futures::StreamExt;
use hyper::{Request, Response, body, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tonic::transport::server::Connected;
use tower::{Service, ServiceExt};

use crate::{
    ConnectionArgs, Listeners, Readiness, Shutdown,
    args::duration,
    connection::Connection,
    cores::{self, Handed},
    drain::{self, Manner},
    idle::Idle,
    tls::Speaks,
};

/// The most that the head of a request may have, in bytes.
const HEAD_LIMIT: usize = 32 * 1024;
/// Requests and streams at a time on one HTTP/2 connection; more wait at the client.
const MAX_STREAMS: u32 = 256;

/// How long clients may take.
#[derive(clap::Args, Clone, Debug)]
pub struct HttpArgs {
    /// How long the head of a request may take, and an HTTP/1.1 connection rest between two requests.
    #[arg(long, env = "GOCHAT_HTTP_HEADER_TIMEOUT", default_value = "15s", value_parser = duration)]
    pub header_timeout: Duration,
    /// How long nothing may move on a connection. Longer than streams are silent.
    #[arg(long, env = "GOCHAT_HTTP_IDLE_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub idle_timeout: Duration,
}

/// Where a request came from; handlers take it as `ConnectInfo<Peer>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// What answers requests: a router, and whatever is around it. Each request has a clone.
pub trait Answers:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> Answers for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + Send
        + 'static
{
}

/// Serves `service`, which the log calls `name`, over HTTP/1.1 and HTTP/2 (without TLS, with prior knowledge),
/// on so many [cores](crate::core), until the shutdown, then ends in order: readiness turns false at once, requests are still taken for the
/// drain delay, what is open may finish until the hard end, and is cut there. Streams are told to end by their
/// owners, who hold the same `shutdown`. `last` is waited for when all requests are answered: connections that were
/// upgraded are cut no sooner.
pub async fn serve(
    name: &'static str,
    listeners: Listeners,
    (connections, http, cores): (&ConnectionArgs, &HttpArgs, usize),
    service: impl Answers,
    readiness: Readiness,
    shutdown: Shutdown,
    last: impl Future<Output = ()> + Clone + Send + 'static,
) -> anyhow::Result<()> {
    let http = http.clone();
    drain::run(
        Manner { name, speaks: Speaks::Http, turns_away: false },
        listeners,
        connections,
        &readiness,
        &shutdown,
        |incoming, stop| async move {
            let server = move |handed| async move {
                take(handed, &http, service).await;
                last.await;
                Ok(())
            };
            cores::serve(name, cores, incoming, &stop, server).await.map_err(Into::into)
        },
    )
    .await
}

/// Takes a core's connections until they end, then waits until what is asked on them is answered.
async fn take(mut handed: Handed, args: &HttpArgs, service: impl Answers) {
    let builder = builder(args);
    let open = GracefulShutdown::new();
    while let Some(connection) = handed.next().await {
        // One that was lost on the way is logged there; one without a peer is gone.
        let Ok(connection) = connection else { continue };
        let Some(peer) = connection.connect_info().remote_addr() else { continue };
        let idle = Idle::new(connection, args.idle_timeout);
        serve_one(&builder, &open, idle, Peer(peer), service.clone());
    }
    open.shutdown().await;
}

fn serve_one(
    builder: &Builder<TokioExecutor>,
    open: &GracefulShutdown,
    connection: Idle<Connection>,
    peer: Peer,
    service: impl Answers,
) {
    let answer = service_fn(move |mut request: Request<body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        service.clone().oneshot(request.map(Body::new))
    });
    let serving = builder.serve_connection_with_upgrades(TokioIo::new(connection), answer).into_owned();
    let serving = open.watch(serving);
    tokio::spawn(async move {
        if let Err(error) = serving.await {
            tracing::debug!(%error, peer = %peer.0, "connection ended");
        }
    });
}

fn builder(args: &HttpArgs) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    let mut http1 = builder.http1();
    http1.timer(TokioTimer::new()).header_read_timeout(args.header_timeout).max_buf_size(HEAD_LIMIT);
    let mut http2 = builder.http2();
    http2
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(HEAD_LIMIT as u32);
    builder
}
