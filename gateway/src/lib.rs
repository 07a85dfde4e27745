//! The documented HTTP API, translated: documented name to RPC, JSON to protobuf, refusal
//! to return code. No rule, no store, no room state.

mod account;
mod caller;
mod config;
mod error;
mod events;
mod json;
mod model;
mod observe;
mod room;
mod routes;
mod stage;
mod upstream;

use gochat_chassis::{Listeners, Readiness, Shutdown, http};

pub use config::{Config, Origins, UpstreamArgs};
use upstream::Upstreams;

/// What every request is served with. Clones are one and the same.
#[derive(Clone)]
struct Gateway {
    upstreams: Upstreams,
    shutdown: Shutdown,
}

/// Serves until the shutdown; event streams are then told to come back elsewhere. The
/// services may come and go meanwhile. Fails where an address of a service is none, or
/// the server fails.
pub async fn serve(config: Config, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
    let gateway = Gateway { upstreams: Upstreams::new(&config.upstream)?, shutdown: shutdown.clone() };
    let router = routes::router(gateway, &config.origins);
    http::serve("gateway", listeners, &config.connections, router, Readiness::new(&[]), shutdown).await
}
