//! The notifier: what happens in a room, streamed as it happens. One view per room and
//! node follows the room; sessions are fed from it, on the core that serves their connection.

mod base;
mod config;
mod delivery;
mod hub;
mod meters;
mod ready;
mod relay;
mod ring;
mod room;
mod rpc;
mod session;
mod stream;
mod streams;
#[cfg(test)]
mod traces;
mod view;

use anyhow::Context;
use gochat_chassis::{Gate, Listeners, Readiness, Server, Shutdown, Unavailable, cores};
use gochat_store::Store;

pub use config::Config;

/// Serves until the shutdown. Fails where Redis can't be relied on, or the server fails.
pub async fn serve(config: Config, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
    let (pace, mechanisms, cores) =
        (stream::Pace::of(&config), config.mechanisms(), cores(config.cores).get());
    meters::register();
    let streams = streams::Streams::new(config.streams_per_user.get(), config.streams_per_room.get());
    let store = Store::open(config.store).await.context("cannot use redis (GOCHAT_REDIS_URL)")?;
    let gate = Gate::new(gochat_proto::may_call, store.sessions(Unavailable), config.server.tokens()?);
    let readiness = Readiness::new(&["redis"]);
    let (revoked, ready, redis) = (gate.clone(), readiness.clone(), store.clone());
    store.on_revoked(move |session| revoked.forget(session));
    let hub = hub::Hub::new(store, mechanisms, cores, &shutdown);
    let (roster_limit, ends) = (config.roster_limit, shutdown.clone());
    let notifier =
        rpc::Notifier { hub: hub.clone(), streams, pace, mechanisms, roster_limit, shutdown: ends };
    let server = Server::new("notifier", &config.server, gate, readiness, gochat_proto::DESCRIPTORS)
        .add_service(rpc::NotifierService::new(notifier))
        .on_cores(cores);
    tokio::select! {
        served = server.serve(listeners, shutdown) => served,
        () = redis.watch(move |there| ready.set("redis", there)) => Ok(()),
        () = hub.compare() => Ok(()),
    }
}
