//! The admin port: plain text for probes and for Prometheus. It changes nothing and reveals nothing else.

use std::{future::Future, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;

use crate::{Readiness, connection::Incoming, metrics};

/// Probes and scrapers at a time.
const MAX_CONNECTIONS: u32 = 64;
/// How often recorded metrics are folded into buckets.
const TIDY: Duration = Duration::from_secs(5);

/// Answers until dropped; its connections end with it.
///
/// `GET /healthz`: 200 while the process lives. `GET /readyz`: 200, or 503 with the names of what is
/// missing. `GET /metrics`: everything recorded in the process. Anything else: 404.
pub(crate) fn serve(listener: TcpListener, readiness: Readiness) -> impl Future<Output = ()> + Send {
    let router = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(readiness);
    let (incoming, cutter) = Incoming::new(listener, MAX_CONNECTIONS, None);
    async move {
        let _cutter = cutter;
        tokio::select! {
            served = async { axum::serve(incoming, router).await } => {
                if let Err(error) = served {
                    tracing::error!(%error, "the admin port is gone");
                }
            }
            () = tidy() => {}
        }
    }
}

async fn tidy() {
    let mut ticks = tokio::time::interval(TIDY);
    loop {
        ticks.tick().await;
        metrics::tidy();
    }
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, String) {
    let missing = readiness.missing();
    if missing.is_empty() {
        return (StatusCode::OK, "ready\n".to_owned());
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", ")))
}

async fn metrics() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics::render())
}
