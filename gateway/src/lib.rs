//! The documented HTTP API, translated: documented name to RPC, JSON to protobuf, refusal
//! to return code. No rule, no store, no room state.

mod account;
mod address;
mod caller;
mod config;
mod cors;
mod error;
mod events;
mod identity;
mod json;
mod media;
mod methods;
mod model;
mod moderation;
mod observe;
mod openapi;
mod pages;
mod rate;
mod room;
mod routes;
mod stage;
mod upstream;

use std::sync::Arc;

use futures::FutureExt;
use gochat_chassis::{Listeners, Readiness, Shutdown, cores, http};

pub use config::{Config, Origins, UpstreamArgs};
use events::Streams;
use identity::Policy;
pub use identity::{CookieMode, IdentityArgs, Secret};
pub use rate::RateArgs;
use rate::Rates;
use upstream::PerCore;

/// What every request is served with. Clones are one and the same.
#[derive(Clone)]
struct Gateway {
    upstreams: PerCore,
    shutdown: Shutdown,
    policy: Arc<Policy>,
    rates: Arc<Rates>,
    streams: Streams,
}

impl Gateway {
    fn new(config: &Config, shutdown: Shutdown) -> anyhow::Result<Self> {
        Ok(Self {
            upstreams: PerCore::new(&config.upstream, cores(config.cores))?,
            shutdown,
            policy: Arc::new(Policy::new(&config.identity, &config.origins)?),
            rates: Arc::new(Rates::new(&config.rate)?),
            streams: Streams::default(),
        })
    }
}

/// Serves until the shutdown; event streams are then told to come back elsewhere. The
/// services may come and go meanwhile. Fails where an address of a service is none, a
/// secret can't be read, or the server fails.
pub async fn serve(config: Config, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
    let gateway = Gateway::new(&config, shutdown.clone())?;
    let streams = gateway.streams.clone();
    let router = routes::router(gateway, cors::layer(&config));
    let args = (&config.connections, &config.http, cores(config.cores).get());
    let ended = streams.ended().boxed().shared();
    http::serve("gateway", listeners, args, router, Readiness::new(&[]), shutdown, ended).await
}
