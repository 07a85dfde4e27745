//! The gateway's configuration: flags and `GOCHAT_*` variables.

use std::{net::SocketAddr, num::NonZeroU16};

use clap::Parser;
pub use gochat_chassis::Origins;
use gochat_chassis::{ClientTlsArgs, ConnectionArgs, TelemetryArgs, http::HttpArgs};

use crate::{identity::IdentityArgs, rate::RateArgs};

/// Serves the documented HTTP API on top of the gRPC services.
#[derive(Clone, Debug, Parser)]
#[command(name = "gochat-gateway", version)]
pub struct Config {
    /// Where HTTP clients are served; port 0 picks a free one.
    #[arg(long, env = "GOCHAT_GATEWAY_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where health and metrics are served; port 0 picks a free one.
    #[arg(long, env = "GOCHAT_GATEWAY_ADMIN_LISTEN", default_value = "127.0.0.1:9095")]
    pub admin_listen: SocketAddr,
    /// On how many cores requests are served, each with a runtime of its own; as many as there are,
    /// unless it is said.
    #[arg(long, env = "GOCHAT_GATEWAY_CORES")]
    pub cores: Option<NonZeroU16>,
    /// The origins whose pages may call, separated by commas, like `https://chat.example.org`; `*` for all.
    #[arg(long, env = "GOCHAT_GATEWAY_ORIGINS", default_value = "*")]
    pub origins: Origins,
    /// Whether the browser client is served, at `/`.
    #[arg(long, env = "GOCHAT_GATEWAY_WEB", default_value_t = true, action = clap::ArgAction::Set)]
    pub web: bool,
    /// How callers may say who they are.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// The services behind the gateway.
    #[command(flatten)]
    pub upstream: UpstreamArgs,
    /// Connections and their end.
    #[command(flatten)]
    pub connections: ConnectionArgs,
    /// How long clients may take.
    #[command(flatten)]
    pub http: HttpArgs,
    /// How often they may call.
    #[command(flatten)]
    pub rate: RateArgs,
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
        self.connections.check(self.listen)?;
        self.identity.check(&self.origins)?;
        self.rate.check()
    }
}

/// Where the services are.
#[derive(clap::Args, Clone, Debug)]
pub struct UpstreamArgs {
    /// The account service.
    #[arg(long, env = "GOCHAT_ACCOUNT_URL", default_value = "http://127.0.0.1:50051")]
    pub account_url: String,
    /// The room service.
    #[arg(long, env = "GOCHAT_ROOM_URL", default_value = "http://127.0.0.1:50052")]
    pub room_url: String,
    /// The stage service.
    #[arg(long, env = "GOCHAT_STAGE_URL", default_value = "http://127.0.0.1:50053")]
    pub stage_url: String,
    /// The notifier service.
    #[arg(long, env = "GOCHAT_NOTIFIER_URL", default_value = "http://127.0.0.1:50054")]
    pub notifier_url: String,
    /// The media service; empty for chat rooms without voice.
    #[arg(long, env = "GOCHAT_MEDIA_URL", default_value = "http://127.0.0.1:50055")]
    pub media_url: String,
    /// Connections to the notifier, over which event streams are spread.
    #[arg(long, env = "GOCHAT_GATEWAY_NOTIFIER_CONNECTIONS", default_value = "16")]
    pub notifier_connections: NonZeroU16,
    /// How those at `https://` are connected to.
    #[command(flatten)]
    pub tls: ClientTlsArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_documented() {
        let config = Config::try_parse_from(["gochat-gateway"]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9095");
        assert_eq!(config.upstream.notifier_url, "http://127.0.0.1:50054");
        assert_eq!(config.upstream.media_url, "http://127.0.0.1:50055");
        assert_eq!(config.origins, Origins::All);
    }
}
