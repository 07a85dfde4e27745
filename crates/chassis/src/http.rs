//! An HTTP server with the same life as a gRPC server: admin port, drain, hard end.

use std::net::SocketAddr;

use axum::{Router, extract::connect_info::Connected, serve::IncomingStream};

use crate::{ConnectionArgs, Listeners, Readiness, Shutdown, connection::Incoming, drain};

/// Where a request came from; handlers take it as `ConnectInfo<Peer>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Connected<IncomingStream<'_, Incoming>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Incoming>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// Serves `router`, which the log calls `name`, over HTTP/1.1 until the shutdown, then ends in order: readiness turns false at once,
/// requests are still taken for the drain delay, what is open may finish until the hard end, and is cut
/// there. Streams are told to end by their owners, who hold the same `shutdown`.
pub async fn serve(
    name: &'static str,
    listeners: Listeners,
    args: &ConnectionArgs,
    router: Router,
    readiness: Readiness,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    drain::run(name, listeners, args, &readiness, &shutdown, |incoming, stop| async move {
        let service = router.into_make_service_with_connect_info::<Peer>();
        let stopped = stop.cancelled_owned();
        axum::serve(incoming, service).with_graceful_shutdown(stopped).await.map_err(Into::into)
    })
    .await
}
