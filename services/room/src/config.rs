//! The configuration of the room service: flags and `GOCHAT_*` variables.

use std::net::SocketAddr;

use clap::Parser;
use gochat_chassis::{ServerArgs, TelemetryArgs};
use gochat_store::StoreArgs;

/// Rooms, and who is in them.
#[derive(Clone, Debug, Parser)]
#[command(name = "gochat-room", version)]
pub struct Config {
    /// Where gRPC callers are served; port 0 picks a free one.
    #[arg(long, env = "GOCHAT_ROOM_LISTEN", default_value = "127.0.0.1:50052")]
    pub listen: SocketAddr,
    /// Where health and metrics are served; port 0 picks a free one.
    #[arg(long, env = "GOCHAT_ROOM_ADMIN_LISTEN", default_value = "127.0.0.1:9092")]
    pub admin_listen: SocketAddr,
    /// State.
    #[command(flatten)]
    pub store: StoreArgs,
    /// Callers, limits and the end.
    #[command(flatten)]
    pub server: ServerArgs,
    /// Logs and traces.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

impl gochat_chassis::Config for Config {
    fn listen(&self) -> SocketAddr {
        self.listen
    }

    fn admin_listen(&self) -> SocketAddr {
        self.admin_listen
    }

    fn telemetry(&self) -> &TelemetryArgs {
        &self.telemetry
    }

    fn check(&self) -> anyhow::Result<()> {
        self.server.connections.check(self.listen)?;
        self.store.check().map_err(anyhow::Error::msg)
    }
}
