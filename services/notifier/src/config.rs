//! The configuration of the notifier service: flags and `GOCHAT_*` variables.

use std::{
    net::SocketAddr,
    num::{NonZeroU16, NonZeroU32},
    time::Duration,
};

use clap::Parser;
use gochat_chassis::{ServerArgs, TelemetryArgs};
use gochat_store::{Mechanisms, StoreArgs};

/// What happens in a room, streamed as it happens.
#[derive(Clone, Debug, Parser)]
#[command(name = "gochat-notifier", version)]
pub struct Config {
    /// Where gRPC callers are served; port 0 picks a free one.
    #[arg(long, env = "GOCHAT_NOTIFIER_LISTEN", default_value = "127.0.0.1:50054")]
    pub listen: SocketAddr,
    /// Where health and metrics are served; port 0 picks a free one.
    #[arg(long, env = "GOCHAT_NOTIFIER_ADMIN_LISTEN", default_value = "127.0.0.1:9094")]
    pub admin_listen: SocketAddr,
    /// How old a stream gets, give or take a tenth, before its client is asked to come
    /// back, so that load spreads.
    #[arg(long, env = "GOCHAT_STREAM_AGE", default_value = "30m", value_parser = humantime::parse_duration)]
    pub stream_age: Duration,
    /// How often a quiet stream says that it is alive.
    #[arg(long, env = "GOCHAT_KEEP_ALIVE", default_value = "10s", value_parser = humantime::parse_duration)]
    pub keep_alive: Duration,
    /// Above so many members, comings and goings are streamed as counts only.
    #[arg(long, env = "GOCHAT_ROSTER_LIMIT", default_value_t = 1_000)]
    pub roster_limit: u32,
    /// Streams that one user may have open at a time on this node; one more is refused.
    #[arg(long, env = "GOCHAT_STREAMS_PER_USER", default_value = "16")]
    pub streams_per_user: NonZeroU32,
    /// Streams of one room that may be open at a time on this node; one more is refused.
    #[arg(long, env = "GOCHAT_STREAMS_PER_ROOM", default_value = "20000")]
    pub streams_per_room: NonZeroU32,
    /// On how many cores connections are served, each with a runtime of its own; as many as
    /// there are, unless it is said.
    #[arg(long, env = "GOCHAT_NOTIFIER_CORES")]
    pub cores: Option<NonZeroU16>,
    /// A mechanism to do without, in tests.
    #[cfg(feature = "switches")]
    #[arg(long, value_enum, hide = true)]
    pub without: Option<gochat_store::Mechanism>,
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

impl Config {
    pub(crate) fn mechanisms(&self) -> Mechanisms {
        #[cfg(feature = "switches")]
        return Mechanisms::without(self.without);
        #[cfg(not(feature = "switches"))]
        Mechanisms::default()
    }
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
