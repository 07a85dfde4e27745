//! Calls to a gRPC service by one connection, which is made when first needed, kept alive, and made again when lost.

use std::{
    error::Error,
    fmt,
    future::Future,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::to_bytes;
use futures::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use http::{
    HeaderMap, HeaderValue, Request, Response,
    header::{HeaderName, USER_AGENT},
};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tonic::{ConnectError, TimeoutExpired, body::Body, codegen::StdError};
use tower::Service;

use crate::target::Target;

/// How often a silent peer is asked whether it is there, and how long it has to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(10));
/// How often a request is handed on to the next connection, where nobody took it from one.
const RESENT: u32 = 3;
/// The most that a request has, in bytes. It is whole before it is sent, so that it can be sent again.
const MOST: usize = 4 * 1024 * 1024;
/// How long the caller waits for an answer.
const PATIENCE: HeaderName = HeaderName::from_static("grpc-timeout");
const NAME: HeaderValue = HeaderValue::from_static(concat!("gochat/", env!("CARGO_PKG_VERSION")));

/// A channel to the service at `url` (`http://host:port`). Nothing is connected yet, so the service
/// may come later; calls fail with UNAVAILABLE while it isn't there. A connection lives on the runtime of the
/// call that it is made for.
pub fn channel(url: &str) -> anyhow::Result<Channel> {
    Ok(Target::plain(url)?.channel())
}

/// As [`channel`]; calls that aren't answered within `timeout` fail. Of a stream, this is its beginning.
pub fn channel_with_timeout(url: &str, timeout: Duration) -> anyhow::Result<Channel> {
    Ok(Channel::to(Target::plain(url)?, Some(timeout)))
}

/// A client's transport. Clones are one and the same. Calls are handed to the connection by whoever makes them,
/// with no task between. What nobody took from a connection, because its server was just taking its leave, goes by
/// the next, whatever it asks for.
#[derive(Clone)]
pub struct Channel(Arc<Line>);

struct Line {
    target: Target,
    timeout: Option<Duration>,
    /// What all calls share until it is lost.
    latest: Mutex<Option<Connecting>>,
}

/// One connection, to send requests by.
pub(crate) type Connection = http2::SendRequest<Body>;
type Connecting = Shared<BoxFuture<'static, Result<Connection, Arc<io::Error>>>>;

impl Channel {
    pub(crate) fn to(target: Target, timeout: Option<Duration>) -> Self {
        Self(Arc::new(Line { target, timeout, latest: Mutex::new(None) }))
    }

    async fn answer(self, mut request: Request<Body>) -> Result<Response<Body>, StdError> {
        *request.uri_mut() = self.0.target.whole(std::mem::take(request.uri_mut()))?;
        request.headers_mut().insert(USER_AGENT, NAME);
        let patience = patience(request.headers()).into_iter().chain(self.0.timeout).min();
        let answering = send(request, || self.connection());
        let answered = match patience {
            Some(patience) => timeout(patience, answering).await.map_err(|_| TimeoutExpired(()))?,
            None => answering.await,
        };
        Ok(answered?.map(Body::new))
    }

    /// The connection that is open or on its way; a new one where there is none.
    async fn connection(&self) -> Result<Connection, ConnectError> {
        let connecting = {
            let mut latest = self.latest();
            match latest.as_ref().map(Shared::peek) {
                Some(Some(Ok(open))) if !open.is_closed() => return Ok(open.clone()),
                Some(None) => {}
                _ => *latest = None,
            }
            latest.get_or_insert_with(|| connect(self.0.target.clone())).clone()
        };
        connecting.await.map_err(|error| ConnectError(error.into()))
    }

    fn latest(&self) -> MutexGuard<'_, Option<Connecting>> {
        self.0.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes on whether the call that it began for waits or not: more may have come to wait for it.
fn connect(target: Target) -> Connecting {
    let connecting = tokio::spawn(target.connect());
    let connected = async { connecting.await.unwrap_or_else(|gone| Err(io::Error::other(gone))) };
    connected.map(|connected| connected.map_err(Arc::new)).boxed().shared()
}

/// Sends by one connection after the other, until somebody has taken the request.
async fn send<F>(request: Request<Body>, connection: impl Fn() -> F) -> Result<Response<Incoming>, StdError>
where
    F: Future<Output = Result<Connection, ConnectError>>,
{
    let (head, body) = request.into_parts();
    let body = to_bytes(axum::body::Body::new(body), MOST).await?;
    let mut resent = 0;
    loop {
        let request = Request::from_parts(head.clone(), Body::new(axum::body::Body::from(body.clone())));
        let failed = match connection().await?.send_request(request).await {
            Ok(response) => return Ok(response),
            Err(failed) => failed,
        };
        if !was_never_taken(&failed) {
            return Err(failed.into());
        }
        if resent == RESENT {
            return Err(ConnectError(failed.into()).into());
        }
        resent += 1;
    }
}

/// Whether nobody has looked at the request: the connection has not sent it, or the server was taking its leave (GOAWAY,
/// RFC 9113, 6.8) before it came to it, or put it back unread (REFUSED_STREAM, 8.7). A request may leave as the server
/// does, which therefore says which was the last that it took.
fn was_never_taken(failed: &hyper::Error) -> bool {
    let is_beyond_the_last = |error: &h2::Error| {
        let took_leave = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
        let put_back = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
        error.is_remote() && (took_leave || put_back)
    };
    let of_http2 = failed.source().and_then(|source| source.downcast_ref::<h2::Error>());
    failed.is_canceled() || of_http2.is_some_and(is_beyond_the_last)
}

/// Speaks HTTP/2 on `io`, for as long as both sides will.
pub(crate) async fn speak(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> io::Result<Connection> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(io))
        .await
        .map_err(io::Error::other)?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to a service was lost");
        }
    });
    Ok(sender)
}

/// What the headers say of how long the caller waits (gRPC over HTTP/2, `Timeout`).
fn patience(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(PATIENCE)?.to_str().ok()?;
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u32 = number.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(3_600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    unit.checked_mul(number)
}

impl Service<Request<Body>> for Channel {
    type Response = Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<'static, Result<Response<Body>, StdError>>;

    /// A connection takes any number of requests; each call waits for it by itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Channel").field(&self.0.target).finish()
    }
}

#[cfg(test)]
mod tests;
