//! The way of every call through the server: seen, held to the limits, let through the gate, answered.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response, header::AUTHORIZATION};
use tonic::{body::Body, service::Routes};
use tower::Service;
use tracing::Instrument;

use crate::{
    Caller, Gate,
    connection::Link,
    limits::Limits,
    observe::{Call, Methods},
    status,
    strangers::Strangers,
};

/// Everything that stands before a server's services.
#[derive(Clone)]
pub(crate) struct Edge {
    pub(crate) methods: Arc<Methods>,
    pub(crate) limits: Limits,
    pub(crate) strangers: Strangers,
    pub(crate) gate: Gate,
    pub(crate) routes: Routes,
}

impl Service<Request<Body>> for Edge {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { methods, limits, strangers, gate, routes } = self.clone();
        let call = Call::begin(&methods, &request);
        let (id, span) = (call.id(), call.span());
        let answering =
            async move { limits.hold(request, |request| pass((gate, strangers), routes, request)).await };
        async move { Ok(call.follow(id.scope(answering).await)) }.instrument(span).boxed()
    }
}

/// Hands the request to its service if the gate lets it pass, with its caller and without its token.
async fn pass(
    (gate, strangers): (Gate, Strangers),
    mut routes: Routes,
    mut request: Request<Body>,
) -> Response<Body> {
    let link = request.extensions().get::<Link>();
    let (names, remote) = (link.map(Link::names).unwrap_or_default(), link.and_then(Link::remote_addr));
    let caller = match gate.admit(request.uri().path(), request.headers(), &names).await {
        Ok(caller) => caller,
        Err(refusal) => return refusal.into_http(),
    };
    if caller == Caller::Nobody
        && names.iter().next().is_none()
        && remote.is_some_and(|remote| !strangers.admit(remote.ip()))
    {
        return status::too_often().into_http();
    }
    request.headers_mut().remove(AUTHORIZATION);
    request.extensions_mut().insert(caller);
    let Ok(response) = routes.call(request).await;
    response
}
