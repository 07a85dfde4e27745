//! An HTTP server with the same life as a gRPC server: admin port, drain, hard end.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use futures::StreamExt;
use hyper::{
    Request, Response, StatusCode, Version, body,
    header::{CONNECTION, HeaderValue, RETRY_AFTER},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use tokio::{net::TcpListener, sync::Semaphore, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;
use tower::{Service, ServiceExt};

use crate::{
    ConnectionArgs, Listeners, Readiness, Shutdown,
    args::{at_least_one, duration},
    arriving::{Arriving, more_than},
    connection::{Connection, Incoming},
    cores::{self, Handed},
    drain::{self, Manner},
    idle::{Greeted, Idle},
    server::{KEEP_ALIVE, MAX_AT_FAULT, MAX_TAKEN_BACK},
    tls::{Acceptor, Speaks},
};

/// The most that the head of a request may have, in bytes.
const HEAD_LIMIT: usize = 32 * 1024;
/// Requests and streams at a time on one HTTP/2 connection; more wait at the client.
const MAX_STREAMS: u32 = 256;
/// How long a body may take to come, and how much of it is waited for, in bytes, before it is looked at.
const BODY_TIME: Duration = Duration::from_secs(10);
const BODY_AHEAD: usize = 64 * 1024;
/// What is kept of an answer that isn't read, of each HTTP/2 stream, in bytes.
const SEND_BUFFER: usize = 64 * 1024;

/// How long clients may take.
#[derive(clap::Args, Clone, Debug)]
pub struct HttpArgs {
    /// How long the head of a request may take, and an HTTP/1.1 connection rest between two requests.
    #[arg(long, env = "GOCHAT_HTTP_HEADER_TIMEOUT", default_value = "15s", value_parser = duration)]
    pub header_timeout: Duration,
    /// How long nothing may move on a connection. Longer than streams are silent.
    #[arg(long, env = "GOCHAT_HTTP_IDLE_TIMEOUT", default_value = "60s", value_parser = duration)]
    pub idle_timeout: Duration,
    /// Requests being answered at a time, over all connections; more are answered 503. Streams count until they begin.
    #[arg(long, env = "GOCHAT_HTTP_MAX_IN_FLIGHT", default_value = "4096", value_parser = at_least_one)]
    pub max_in_flight: u32,
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
    let (greeting, ends) = (connections.greeting_timeout, shutdown.clone());
    let taking = Taking { http: http.clone(), greeting, places: places(http), ends };
    drain::run(
        Manner { name, speaks: Speaks::Http, turns_away: false },
        listeners,
        connections,
        &readiness,
        &shutdown,
        |incoming, stop| async move {
            let server = move |handed| async move {
                take(handed, &taking, service).await;
                last.await;
                Ok(())
            };
            cores::serve(name, cores, incoming, &stop, server).await.map_err(Into::into)
        },
    )
    .await
}

/// Serves `service` as well, beside what else the process serves and within the same bounds, on one core, until the
/// shutdown; what is open is cut there. Fails where the listener may not be served so, or the server fails.
pub async fn serve_beside(
    name: &'static str,
    listener: TcpListener,
    (connections, http): (&ConnectionArgs, &HttpArgs),
    service: impl Answers,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    connections.check(listener.local_addr()?)?;
    let tls = Acceptor::new(&connections.tls, Speaks::Http, connections.reload_interval)?;
    let (incoming, _cutter) = Incoming::new(listener, connections.max_connections, tls);
    let (greeting, ends) = (connections.greeting_timeout, shutdown.clone());
    let taking = Taking { http: http.clone(), greeting, places: places(http), ends };
    let server = move |handed| async move {
        take(handed, &taking, service).await;
        Ok(())
    };
    let never = CancellationToken::new();
    tokio::select! {
        ended = cores::serve(name, 1, incoming, &never, server) => {
            ended?;
            anyhow::bail!("the server ended by itself");
        }
        () = shutdown.triggered() => Ok(()),
    }
}

/// How connections are taken, on whichever core.
#[derive(Clone)]
struct Taking {
    http: HttpArgs,
    greeting: Duration,
    places: Arc<Semaphore>,
    ends: Shutdown,
}

fn places(args: &HttpArgs) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(args.max_in_flight as usize))
}

/// What answers while there is a place among those that are being answered.
#[derive(Clone)]
struct InTurn<S> {
    service: S,
    places: Arc<Semaphore>,
    ends: Shutdown,
}

impl<S: Answers> InTurn<S> {
    /// What is answered before the end tells HTTP/1.1 clients to ask no more on this connection: the end of one
    /// that rests can cross a request on its way.
    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let (ends, version) = (self.ends.clone(), request.version());
        let mut answer = self.in_turn(request).await?;
        let is_last = ends.is_triggered() && version < Version::HTTP_2;
        if is_last && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(answer)
    }

    async fn in_turn(self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        let mut request = request.map(Arriving::new);
        // Who sends slowly takes nobody's place meanwhile.
        if timeout(BODY_TIME, request.body_mut().until(more_than(BODY_AHEAD))).await.is_err() {
            return Ok(empty(StatusCode::REQUEST_TIMEOUT));
        }
        let Ok(_place) = self.places.try_acquire() else {
            tracing::warn!("more requests at a time than allowed");
            let mut refused = empty(StatusCode::SERVICE_UNAVAILABLE);
            refused.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            return Ok(refused);
        };
        self.service.oneshot(request.map(Body::new)).await
    }
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Takes a core's connections until they end, then waits until what is asked on them is answered.
async fn take(mut handed: Handed, taking: &Taking, service: impl Answers) {
    let builder = builder(&taking.http);
    let open = GracefulShutdown::new();
    while let Some(connection) = handed.next().await {
        // One that was lost on the way is logged there; one without a peer is gone.
        let Ok(connection) = connection else { continue };
        let Some(peer) = connection.connect_info().remote_addr() else { continue };
        let greeted = Greeted::new(connection, taking.greeting);
        let idle = Idle::new(greeted, taking.http.idle_timeout);
        let service =
            InTurn { service: service.clone(), places: taking.places.clone(), ends: taking.ends.clone() };
        serve_one(&builder, &open, idle, Peer(peer), service);
    }
    open.shutdown().await;
}

fn serve_one(
    builder: &Builder<TokioExecutor>,
    open: &GracefulShutdown,
    connection: Idle<Greeted<Connection>>,
    peer: Peer,
    service: InTurn<impl Answers>,
) {
    let answer = service_fn(move |mut request: Request<body::Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        service.clone().answer(request.map(Body::new))
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
        .max_header_list_size(HEAD_LIMIT as u32)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_TAKEN_BACK)
        .max_local_error_reset_streams(MAX_AT_FAULT)
        .keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1);
    builder
}
