//! The configuration of the media service: flags and `GOCHAT_*` variables.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use anyhow::{Context, ensure};
use clap::{Parser, ValueEnum};
use gochat_chassis::{ServerArgs, TelemetryArgs};
use gochat_store::StoreArgs;
use tonic::codegen::http::Uri;

use crate::EmbeddedArgs;
#[cfg(feature = "livekit")]
use crate::LiveKitArgs;

/// What carries sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// This process.
    Embedded,
    /// A LiveKit deployment.
    #[cfg(feature = "livekit")]
    Livekit,
}

/// Whoever may speak on a room's stage is heard in the room, and nobody else.
#[derive(Clone, Debug, Parser)]
#[command(name = "gochat-media", version)]
pub struct Config {
    /// Where gRPC callers are served; port 0 picks a free one.
    #[arg(long, env = "GOCHAT_MEDIA_LISTEN", default_value = "127.0.0.1:50055")]
    pub listen: SocketAddr,
    /// Where health and metrics are served; port 0 picks a free one.
    #[arg(long, env = "GOCHAT_MEDIA_ADMIN_LISTEN", default_value = "127.0.0.1:9096")]
    pub admin_listen: SocketAddr,
    /// Where the gateway finds this node, and no other, for the rooms whose sound is here: `http://host:port` or
    /// `https://host:port`. Where it listens, unless it is said.
    #[arg(long, env = "GOCHAT_MEDIA_ADVERTISE")]
    pub advertise: Option<String>,
    /// How long a room stays a node's whose process is gone. It is renewed three times in that time.
    #[arg(long, env = "GOCHAT_MEDIA_LEASE", default_value = "10s", value_parser = humantime::parse_duration)]
    pub media_lease: Duration,
    /// How long those who are heard stay so while Redis can't be reached; nobody else is heard meanwhile.
    #[arg(long, env = "GOCHAT_MEDIA_PATIENCE", default_value = "15s", value_parser = humantime::parse_duration)]
    pub patience: Duration,
    /// Offers that one user may make a minute in the long run; ten more at once.
    #[arg(long, env = "GOCHAT_MEDIA_OFFERS", default_value = "30")]
    pub offers: NonZeroU32,
    /// What carries sound: this process (embedded) or a LiveKit deployment (livekit).
    #[arg(long, env = "GOCHAT_MEDIA_ENGINE", value_enum, default_value = "embedded")]
    pub engine: Engine,
    /// Where the embedded engine's clients reach it, and its bounds.
    #[command(flatten)]
    pub embedded: EmbeddedArgs,
    /// Where LiveKit is, and with which key.
    #[cfg(feature = "livekit")]
    #[command(flatten)]
    pub livekit: LiveKitArgs,
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
    /// Where others find this node, which serves there.
    pub(crate) fn advertised(&self, serves: SocketAddr) -> String {
        if let Some(url) = self.advertise.as_deref().filter(|url| !url.is_empty()) {
            return url.trim_end_matches('/').to_owned();
        }
        if serves.ip().is_unspecified() {
            tracing::warn!(listen = %serves, "only this machine finds this node; set GOCHAT_MEDIA_ADVERTISE");
        }
        let scheme = if self.server.connections.tls.is_on() { "https" } else { "http" };
        format!("{scheme}://{}", from_here(serves))
    }
}

/// Who listens everywhere is reached on the loopback.
fn from_here(address: SocketAddr) -> SocketAddr {
    let loopback: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    if address.ip().is_unspecified() { SocketAddr::new(loopback, address.port()) } else { address }
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
        self.store.check().map_err(anyhow::Error::msg)?;
        match self.engine {
            Engine::Embedded => self.embedded.check()?,
            #[cfg(feature = "livekit")]
            Engine::Livekit => self.livekit.check()?,
        }
        ensure!(self.media_lease >= Duration::from_secs(1), "GOCHAT_MEDIA_LEASE is 1s at least");
        if let Some(url) = self.advertise.as_deref().filter(|url| !url.is_empty()) {
            is_node(url).with_context(|| format!("GOCHAT_MEDIA_ADVERTISE: {url} is no http://host:port"))?;
        }
        Ok(())
    }
}

/// Whether a node can be called at an address.
fn is_node(url: &str) -> anyhow::Result<()> {
    let uri: Uri = url.parse()?;
    ensure!(matches!(uri.scheme_str(), Some("http" | "https")), "its scheme is neither http nor https");
    ensure!(matches!(uri.path(), "" | "/") && uri.query().is_none(), "it has a path");
    ensure!(uri.port().is_some(), "it has no port");
    Ok(())
}

#[cfg(test)]
mod tests {
    use gochat_chassis::Config as _;

    use super::*;

    fn config(flags: &[&str]) -> Config {
        Config::try_parse_from([&["gochat-media"], flags].concat()).unwrap()
    }

    #[test]
    fn defaults_are_those_documented() {
        let config = config(&[]);
        assert_eq!(config.listen.to_string(), "127.0.0.1:50055");
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9096");
        assert_eq!(config.embedded.udp_listen.to_string(), "0.0.0.0:7882");
        assert_eq!((config.media_lease, config.patience), (Duration::from_secs(10), Duration::from_secs(15)));
    }

    #[test]
    fn a_node_is_found_where_it_listens_unless_it_is_said() {
        let serves = |address: &str| config(&[]).advertised(address.parse().unwrap());
        assert_eq!(serves("192.0.2.1:5"), "http://192.0.2.1:5");
        assert_eq!(serves("0.0.0.0:5"), "http://127.0.0.1:5");
        assert_eq!(serves("[::]:5"), "http://[::1]:5");
        let said = config(&["--advertise", "https://media-0.media:50055/"]);
        said.check().unwrap();
        assert_eq!(said.advertised("0.0.0.0:5".parse().unwrap()), "https://media-0.media:50055");
    }

    #[test]
    fn what_can_be_no_node_is_refused() {
        for url in ["media:50055", "ftp://media:50055", "http://media", "http://media:50055/x", "http://"] {
            assert!(config(&["--advertise", url]).check().is_err(), "{url}");
        }
    }
}
