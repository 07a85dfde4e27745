//! Calls that a connection never sent, because its server was just taking its leave, go by the next.
//!
//! Between a channel's word that it is ready and the request there is time enough for the server's GOAWAY. Nobody
//! has seen such a request, so it can be made again whatever it asks for; an HTTP client could not know that.

use std::{
    error::Error,
    task::{Context, Poll},
};

use axum::body::{Body as Bytes, to_bytes};
use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::{body::Body, codegen::StdError};
use tower::{Service, ServiceExt};

/// How often a request is handed on, after the first time.
const RESENT: u32 = 3;
/// The most that a request has, in bytes. Those of the documented API are far smaller.
const MOST: usize = 1024 * 1024;

/// Hands to `S` what `S` itself says was never sent, a few times.
#[derive(Clone, Debug)]
pub(crate) struct Resent<S>(S);

impl<S> Resent<S> {
    pub(crate) fn new(inner: S) -> Self {
        Self(inner)
    }
}

impl<S> Service<Request<Body>> for Resent<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error: Into<StdError>, Future: Send>
        + Clone
        + Send
        + 'static,
{
    type Response = Response<Body>;
    type Error = StdError;
    type Future = BoxFuture<'static, Result<Response<Body>, StdError>>;

    /// Each try waits for what is inside by itself.
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut inner = self.0.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = to_bytes(Bytes::new(body), MOST).await?;
            let mut resent = 0;
            loop {
                let body = Body::new(Bytes::from(body.clone()));
                let request = Request::from_parts(head.clone(), body);
                let inner = inner.ready().await.map_err(Into::into)?;
                match inner.call(request).await.map_err(Into::into) {
                    Err(error) if resent < RESENT && was_never_sent(&*error) => resent += 1,
                    answered => return answered,
                }
            }
        })
    }
}

/// Whether the connection gave the request back as it was.
fn was_never_sent(error: &(dyn Error + 'static)) -> bool {
    let is_canceled = |error: &hyper::Error| error.is_canceled();
    error.downcast_ref().is_some_and(is_canceled) || error.source().is_some_and(was_never_sent)
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
    };

    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tower::service_fn;

    use super::*;

    /// What a connection says that has ended before it could send.
    async fn never_sent() -> StdError {
        let (io, _peer) = tokio::io::duplex(1024);
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io));
        let (mut sender, connection) = handshake.await.unwrap();
        drop(connection);
        Box::new(sender.send_request(Request::new(Body::empty())).await.unwrap_err())
    }

    /// Whether a call is answered, and how often it was tried, where so many tries fail so.
    async fn answered<F>(failures: u32, fail: impl Fn() -> F + Clone + Send + 'static) -> (bool, u32)
    where
        F: Future<Output = StdError> + Send,
    {
        let tries = Arc::new(AtomicU32::new(0));
        let counted = tries.clone();
        let inner = service_fn(move |request: Request<Body>| {
            let (fail, tries) = (fail.clone(), counted.clone());
            async move {
                let (head, body) = request.into_parts();
                assert_eq!(
                    (head.uri.path(), to_bytes(Bytes::new(body), MOST).await.unwrap().as_ref()),
                    ("/x", &b"asked"[..])
                );
                let tried = tries.fetch_add(1, Ordering::Relaxed);
                if tried < failures { Err(fail().await) } else { Ok(Response::new(Body::empty())) }
            }
        });
        let asked = Request::builder().uri("/x").body(Body::new(Bytes::from("asked"))).unwrap();
        let answer = Resent::new(inner).oneshot(asked).await;
        (answer.is_ok(), tries.load(Ordering::Relaxed))
    }

    #[tokio::test]
    async fn what_was_never_sent_is_sent_again_and_nothing_else() {
        assert_eq!(answered(0, never_sent).await, (true, 1));
        assert_eq!(answered(RESENT, never_sent).await, (true, RESENT + 1));
        assert_eq!(answered(RESENT + 1, never_sent).await, (false, RESENT + 1));
        let broke = || async { StdError::from(io::Error::from(io::ErrorKind::ConnectionReset)) };
        assert_eq!(answered(1, broke).await, (false, 1), "it may have been done");
    }
}
