//! Where the four services are, and the connections to them.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};

use crate::Error;

/// The addresses of the four services, as `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// Of the account service.
    pub account: String,
    /// Of the room service.
    pub room: String,
    /// Of the stage service.
    pub stage: String,
    /// Of the notifier.
    pub notifier: String,
}

impl Endpoints {
    /// The four services on one host, `http://host`, at their default ports
    /// (50051–50054).
    pub fn at(host: &str) -> Self {
        let host = host.trim_end_matches('/');
        let on = |port: u16| format!("{host}:{port}");
        Self { account: on(50051), room: on(50052), stage: on(50053), notifier: on(50054) }
    }
}

impl Default for Endpoints {
    /// On this machine, at the default ports.
    fn default() -> Self {
        Self::at("http://127.0.0.1")
    }
}

/// A connection that is made when it is first needed, and again when it was lost.
/// Pings find a peer that has gone without a word.
pub(crate) fn channel(address: &str) -> Result<Channel, Error> {
    let invalid = |reason: String| Error::Address { address: address.to_owned(), reason };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|error| invalid(error.to_string()))?;
    let uri = endpoint.uri();
    if uri.scheme_str() != Some("http") || uri.host().is_none() {
        return Err(invalid("it must look like http://host:port".to_owned()));
    }
    let endpoint = endpoint
        .user_agent(concat!("gochat-client/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| invalid(error.to_string()))?
        .connect_timeout(Duration::from_secs(3))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_lazy())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ports_on_any_host() {
        let endpoints = Endpoints { stage: "http://elsewhere:7".into(), ..Endpoints::at("http://[::1]/") };
        assert_eq!(endpoints.account, "http://[::1]:50051");
        assert_eq!(endpoints.notifier, "http://[::1]:50054");
        assert_eq!(endpoints.stage, "http://elsewhere:7");
        assert_eq!(Endpoints::default().room, "http://127.0.0.1:50052");
    }

    #[tokio::test]
    async fn addresses_are_checked_before_anything_is_sent() {
        assert!(channel("http://127.0.0.1:1").is_ok());
        for address in ["", "127.0.0.1:1", "localhost", "https://localhost:1", "http://", "http://a b"] {
            let error = channel(address).unwrap_err();
            assert!(matches!(error, Error::Address { .. }), "{address}: {error}");
        }
    }
}
