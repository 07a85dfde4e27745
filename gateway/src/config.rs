//! The gateway's configuration: flags and `GOCHAT_*` variables.

use std::{net::SocketAddr, num::NonZeroU16, str::FromStr};

use clap::Parser;
use gochat_chassis::{ConnectionArgs, TelemetryArgs};
use http::{HeaderValue, Uri};

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
    /// The origins whose pages may call, separated by commas, like `https://chat.example.org`; `*` for all.
    #[arg(long, env = "GOCHAT_GATEWAY_ORIGINS", default_value = "*")]
    pub origins: Origins,
    /// The services behind the gateway.
    #[command(flatten)]
    pub upstream: UpstreamArgs,
    /// Connections and their end.
    #[command(flatten)]
    pub connections: ConnectionArgs,
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
    /// Connections to the notifier, over which event streams are spread.
    #[arg(long, env = "GOCHAT_GATEWAY_NOTIFIER_CONNECTIONS", default_value = "16")]
    pub notifier_connections: NonZeroU16,
}

/// The origins whose pages may call (CORS).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origins {
    /// Every origin.
    All,
    /// These alone: scheme, host and, where it isn't the scheme's own, port.
    These(Vec<HeaderValue>),
}

impl FromStr for Origins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.trim() {
            "*" => Ok(Self::All),
            list => list
                .split(',')
                .map(|origin| origin_header(origin.trim()))
                .collect::<Result<_, _>>()
                .map(Self::These),
        }
    }
}

/// An origin as browsers send it. What they would never send is refused, since it
/// would match nothing.
fn origin_header(origin: &str) -> Result<HeaderValue, String> {
    let wrong = || format!("not an origin: {origin:?}; write it like https://chat.example.org");
    let uri: Uri = origin.parse().map_err(|_| wrong())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(wrong()) };
    let bare = format!("{scheme}://{authority}");
    if bare != origin || bare != bare.to_ascii_lowercase() || authority.as_str().contains('@') {
        return Err(wrong());
    }
    HeaderValue::from_str(origin).map_err(|_| wrong())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_send_them() {
        assert_eq!("*".parse(), Ok(Origins::All));
        let two = ["https://chat.example.org", "http://localhost:3000"].map(HeaderValue::from_static);
        let list = "https://chat.example.org, http://localhost:3000";
        assert_eq!(list.parse(), Ok(Origins::These(two.to_vec())));
        let wrong = [
            "",
            "chat.example.org",
            "https://a.org/",
            "https://a.org/x",
            "https://A.org",
            "https://u@a.org",
            "https://a.org,",
            "https://a.org,*",
        ];
        for text in wrong {
            assert!(text.parse::<Origins>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn defaults_are_those_documented() {
        let config = Config::try_parse_from(["gochat-gateway"]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9095");
        assert_eq!(config.upstream.notifier_url, "http://127.0.0.1:50054");
        assert_eq!(config.origins, Origins::All);
    }
}
