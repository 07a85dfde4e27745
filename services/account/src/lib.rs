//! The account service: who somebody is, and that they are still there.

mod config;
mod media;
mod pulse;
mod rpc;

use anyhow::Context;
use gochat_chassis::{Gate, Listeners, Readiness, Server, Shutdown, Unavailable};
use gochat_proto::account::account_service_server::AccountServiceServer;
use gochat_store::Store;

pub use config::Config;
pub use media::{MediaArgs, Provider};

/// Serves until the shutdown. Fails where Redis can't be relied on, or the server fails.
pub async fn serve(config: Config, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
    let media = media::MediaTokens::new(&config.media)?;
    let store = Store::open(config.store).await.context("cannot use redis (GOCHAT_REDIS_URL)")?;
    let gate = Gate::new(gochat_proto::may_call, store.sessions(Unavailable), config.server.tokens()?);
    let readiness = Readiness::new(&["redis", "heartbeats"]);
    let (revoked, ready, beats, redis) = (gate.clone(), readiness.clone(), readiness.clone(), store.clone());
    store.on_revoked(move |session| revoked.forget(session));
    let pulse = pulse::Pulse::new(store.clone());
    let server = Server::new("account", &config.server, gate, readiness, gochat_proto::DESCRIPTORS)
        .turning_away()
        .add_service(AccountServiceServer::new(rpc::Accounts::new(store, media, pulse.clone())));
    tokio::select! {
        served = server.serve(listeners, shutdown) => served,
        () = redis.watch(move |there| ready.set("redis", there)) => Ok(()),
        () = pulse.run(|through| beats.set("heartbeats", through)) => Ok(()),
    }
}
