//! Voice: whoever may speak on a room's stage is heard in the room, and nobody else. Each room that has sessions
//! here is followed, and its gates go by what happens in it.

mod config;
mod embedded;
mod endings;
mod engine;
mod gates;
mod lease;
#[cfg(feature = "livekit")]
mod livekit;
mod meters;
mod offers;
mod room;
mod rooms;
mod rpc;
mod stays;
mod watch;

use std::{convert::Infallible, future::pending, sync::Arc};

use anyhow::Context;
use gochat_chassis::{Gate, Listeners, Readiness, Server, Shutdown, Unavailable, metrics};
use gochat_proto::media::media_service_server::MediaServiceServer;
use gochat_store::Store;
use tokio::time::sleep;

pub use config::{Config, Engine};
#[cfg(feature = "fuzz")]
pub use embedded::border;
pub use embedded::{EmbeddedArgs, TurnArgs};
#[cfg(feature = "livekit")]
pub use livekit::LiveKitArgs;

use self::engine::MediaEngine;

/// What a message holds besides an offer, in bytes.
const BESIDES: u32 = 1_024;

/// Serves until the shutdown. Fails where Redis can't be relied on, a port for sound is taken, or the server fails.
pub async fn serve(config: Config, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
    metrics::install();
    meters::register();
    match config.engine {
        Engine::Embedded => {
            let engine = embedded::Embedded::start(&config.embedded)?;
            serve_with(engine, pending(), config, listeners, shutdown).await
        }
        #[cfg(feature = "livekit")]
        Engine::Livekit => {
            let engine = livekit::LiveKit::new(&config.livekit)?;
            let (listen, connections) =
                (config.livekit.livekit_webhook_listen, config.server.connections.clone());
            let webhooks = engine.clone().webhooks(listen, &connections, shutdown.clone());
            serve_with(engine, webhooks, config, listeners, shutdown).await
        }
    }
}

/// Serves with this engine, and what runs `beside` it, until the shutdown or its failure.
async fn serve_with<E: MediaEngine>(
    engine: E,
    beside: impl Future<Output = anyhow::Result<Infallible>>,
    mut config: Config,
    listeners: Listeners,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let url = config.advertised(listeners.service_addr()?);
    // An offer has its own limit.
    let longest = rpc::OFFER_BYTES as u32 + BESIDES;
    config.server.max_message = config.server.max_message.max(longest);
    let store = Store::open(config.store).await.context("cannot use redis (GOCHAT_REDIS_URL)")?;
    let node = lease::Node { store: store.clone(), url: url.into(), length: config.media_lease };
    let rooms = rooms::Rooms::new(Arc::new(engine), node, config.patience);
    let gate = Gate::new(gochat_proto::may_call, store.sessions(Unavailable), config.server.tokens()?);
    let readiness = Readiness::new(&["redis"]);
    let (revoked, ready, redis) = (gate.clone(), readiness.clone(), store.clone());
    store.on_revoked(move |session| revoked.forget(session));
    let offers = offers::Offers::new(config.offers);
    let service = rpc::Media { store, rooms: rooms.clone(), offers, seats: watch::Seats::default() };
    let server = Server::new("media", &config.server, gate, readiness, gochat_proto::DESCRIPTORS)
        .add_service(MediaServiceServer::new(service));
    let (delay, ends) = (config.server.connections.drain_delay, shutdown.clone());
    let leaving = async {
        ends.triggered().await;
        // Until then callers may not know that this node goes, and would come back to it.
        sleep(delay).await;
        rooms.leave().await;
        Ok(())
    };
    tokio::select! {
        served = async { tokio::try_join!(server.serve(listeners, shutdown), leaving) } => served.map(drop),
        failed = beside => match failed? {},
        () = redis.watch(move |there| ready.set("redis", there)) => Ok(()),
    }
}
