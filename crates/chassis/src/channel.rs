//! Connections to gRPC services: made when first needed, kept alive, made again when lost.

use std::time::Duration;

use anyhow::{Context, bail};
use tonic::transport::{Channel, Endpoint};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a silent peer is asked whether it is there, and how long it has to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(10));

/// A channel to the service at `url` (`http://host:port`). Nothing is connected yet, so the service
/// may come later; calls fail with UNAVAILABLE while it isn't there. It lives on the runtime that it
/// is made on.
pub fn channel(url: &str) -> anyhow::Result<Channel> {
    Ok(endpoint(url)?.connect_lazy())
}

/// As [`channel`]; calls that aren't answered within `timeout` fail. Of a stream, this is its beginning.
pub fn channel_with_timeout(url: &str, timeout: Duration) -> anyhow::Result<Channel> {
    Ok(endpoint(url)?.timeout(timeout).connect_lazy())
}

/// The service at `url` (`http://host:port`), to be connected as [`channel`] does.
pub fn endpoint(url: &str) -> anyhow::Result<Endpoint> {
    let endpoint = Endpoint::from_shared(url.to_owned()).with_context(|| format!("not a URL: {url:?}"))?;
    match endpoint.uri().scheme_str() {
        Some("http") => {}
        _ => bail!("not the address of a service: {url:?}; write it like http://127.0.0.1:50051"),
    }
    Ok(endpoint
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_addresses_of_services_are_taken() {
        assert!(channel("http://127.0.0.1:1").is_ok());
        for url in ["", "127.0.0.1:50051", "https://example.org", "redis://127.0.0.1", "http://"] {
            assert!(channel(url).is_err(), "{url:?}");
        }
    }
}
