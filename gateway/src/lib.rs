//! The documented HTTP API, translated: documented name to RPC, JSON to protobuf, refusal
//! to return code. No rule, no store, no room state.

mod account;
mod address;
mod alive;
#[cfg(feature = "fuzz")]
pub mod border;
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
mod voice;
mod web;

use std::{ops::Deref, sync::Arc};

use futures::FutureExt;
use gochat_chassis::{Listeners, Readiness, Shutdown, cores, http};

use caller::Caller;
pub use config::{Config, Origins, UpstreamArgs};
use events::{Speakers, Streams};
use identity::Policy;
pub use identity::{CookieMode, IdentityArgs, Secret};
pub use rate::RateArgs;
use rate::Rates;
use upstream::PerCore;

/// What every request is served with. Clones are one and the same.
#[derive(Clone)]
struct Gateway(Arc<Parts>);

struct Parts {
    upstreams: PerCore,
    shutdown: Shutdown,
    policy: Policy,
    rates: Rates,
    streams: Streams,
    /// Whether the browser client is served.
    web: bool,
}

impl Deref for Gateway {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Gateway {
    fn new(config: &Config, shutdown: Shutdown) -> anyhow::Result<Self> {
        let reload = config.connections.reload_interval;
        let (own, voice) = (own(config)?, !config.upstream.media_url.is_empty());
        if voice && own.is_none() {
            tracing::info!("without GOCHAT_GATEWAY_SERVICE_TOKEN_FILE event streams don't tell who speaks");
        }
        Ok(Self(Arc::new(Parts {
            upstreams: PerCore::new(&config.upstream, reload, cores(config.cores))?,
            shutdown,
            policy: Policy::new(&config.identity, &config.origins)?,
            rates: Rates::new(&config.rate, reload)?,
            streams: Streams::of(Speakers::watched_by(own)),
            web: config.web,
        })))
    }
}

/// Serves until the shutdown; event streams are then told to come back elsewhere. The
/// services may come and go meanwhile. Fails where an address of a service is none, a
/// secret can't be read, or the server fails.
pub async fn serve(config: Config, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
    let gateway = Gateway::new(&config, shutdown.clone())?;
    let streams = gateway.streams.clone();
    let alive = alive(gateway.upstreams.clone(), own(&config)?);
    let service = routes::service(gateway, cors::layer(&config));
    let args = (&config.connections, &config.http, cores(config.cores).get());
    let ended = streams.ended().boxed().shared();
    tokio::select! {
        served = http::serve("gateway", listeners, args, service, Readiness::new(&[]), shutdown, ended) => served,
        () = alive => Ok(()),
    }
}

/// The gateway as the services know it, if they do.
fn own(config: &Config) -> anyhow::Result<Option<Caller>> {
    let token = config.identity.own_token()?.and_then(|token| identity::bearer(token.expose()));
    Ok(token.map(|token| Caller::proved(token, None)))
}

/// Goes on for ever; idle where the services don't know the gateway.
async fn alive(upstreams: PerCore, own: Option<Caller>) {
    match own {
        Some(own) => alive::run(upstreams.account(), own).await,
        None => std::future::pending().await,
    }
}
