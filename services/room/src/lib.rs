//! The room service: rooms, and who is in them.

mod config;
mod grace;
mod list;
mod meters;
mod reaper;
mod rpc;

use anyhow::Context;
use gochat_chassis::{Gate, Listeners, Readiness, Server, Shutdown, Unavailable, request::RequestId};
use gochat_proto::room::room_service_server::RoomServiceServer;
use gochat_store::Store;

pub use config::Config;

/// Serves until the shutdown. Fails where Redis can't be relied on, or the server fails.
pub async fn serve(config: Config, listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
    let store = Store::open(config.store).await.context("cannot use redis (GOCHAT_REDIS_URL)")?;
    let store = store.naming_requests(|| RequestId::current().map(|id| id.to_string()));
    let gate = Gate::new(gochat_proto::may_call, store.sessions(Unavailable), config.server.tokens()?);
    let readiness = Readiness::new(&["redis"]);
    let (revoked, ready, redis) = (gate.clone(), readiness.clone(), store.clone());
    store.on_revoked(move |session| revoked.forget(session));
    let server = Server::new("room", &config.server, gate, readiness, gochat_proto::DESCRIPTORS)
        .add_service(RoomServiceServer::new(rpc::Rooms::new(store)));
    tokio::select! {
        served = server.serve(listeners, shutdown) => served,
        () = redis.watch(move |there| ready.set("redis", there)) => Ok(()),
        () = reaper::run(redis.clone()) => Ok(()),
    }
}
