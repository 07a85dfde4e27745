//! Where the services are, and the connections to them, in plain text or by TLS.

use std::{fmt, time::Duration};

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::Error;

/// The addresses of the services, each `http://host:port` or `https://host:port`.
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
    /// Of the media service.
    pub media: String,
}

impl Endpoints {
    /// The services on one host, `http://host` or `https://host`, at their default ports (50051–50055).
    pub fn at(host: &str) -> Self {
        let host = host.trim_end_matches('/');
        let on = |port: u16| format!("{host}:{port}");
        Self { account: on(50051), room: on(50052), stage: on(50053), notifier: on(50054), media: on(50055) }
    }
}

impl Default for Endpoints {
    /// On this machine, at the default ports.
    fn default() -> Self {
        Self::at("http://127.0.0.1")
    }
}

/// How `https://` addresses are connected to. Whom nothing is said about, the machine's own
/// authorities vouch for.
#[derive(Clone, Default)]
pub struct Tls {
    authorities: Option<Certificate>,
    identity: Option<Identity>,
    server_name: Option<String>,
}

impl Tls {
    /// By the authorities that this machine believes, as nobody in particular.
    pub fn new() -> Self {
        Self::default()
    }

    /// Believes these authorities, certificates in PEM, and no others.
    #[must_use]
    pub fn authorities(mut self, pem: impl AsRef<[u8]>) -> Self {
        self.authorities = Some(Certificate::from_pem(pem));
        self
    }

    /// Shows a certificate, in PEM with those between it and its authority, and its private key in PEM.
    #[must_use]
    pub fn identity(mut self, certificate: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.identity = Some(Identity::from_pem(certificate, key));
        self
    }

    /// Demands this name of the services' certificates, instead of the host's in their addresses.
    #[must_use]
    pub fn server_name(mut self, name: &str) -> Self {
        self.server_name = Some(name.to_owned());
        self
    }

    fn config(&self) -> ClientTlsConfig {
        let config = ClientTlsConfig::new();
        let config = match &self.authorities {
            Some(authorities) => config.ca_certificate(authorities.clone()),
            None => config.with_native_roots(),
        };
        let config = self.identity.iter().fold(config, |config, own| config.identity(own.clone()));
        self.server_name.iter().fold(config, |config, name| config.domain_name(name))
    }
}

/// Without the key.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (own, name) = (self.identity.is_some(), &self.server_name);
        f.debug_struct("Tls").field("identity", &own).field("server_name", name).finish_non_exhaustive()
    }
}

/// A connection that is made when it is first needed, and again when it was lost.
/// Pings find a peer that has gone without a word.
pub(crate) fn channel(address: &str, tls: &Tls) -> Result<Channel, Error> {
    let invalid = |reason: String| Error::Address { address: address.to_owned(), reason };
    let endpoint = Endpoint::from_shared(address.to_owned()).map_err(|error| invalid(error.to_string()))?;
    let uri = endpoint.uri();
    let secured = match uri.scheme_str().filter(|_| uri.host().is_some()) {
        Some("http") => false,
        Some("https") => true,
        _ => return Err(invalid("it must look like http://host:port or https://host:port".to_owned())),
    };
    let endpoint = match secured {
        true => endpoint.tls_config(tls.config()).map_err(|error| invalid(why(&error)))?,
        false => endpoint,
    };
    let endpoint = endpoint
        .user_agent(concat!("gochat-client/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| invalid(error.to_string()))?
        .connect_timeout(Duration::from_secs(3))
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(5))
        .keep_alive_while_idle(true);
    Ok(endpoint.connect_lazy())
}

/// What tonic says, and what led to it.
fn why(error: &tonic::transport::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_ports_on_any_host() {
        let endpoints = Endpoints { stage: "http://elsewhere:7".into(), ..Endpoints::at("http://[::1]/") };
        assert_eq!(endpoints.account, "http://[::1]:50051");
        assert_eq!(endpoints.notifier, "http://[::1]:50054");
        assert_eq!(endpoints.media, "http://[::1]:50055");
        assert_eq!(endpoints.stage, "http://elsewhere:7");
        assert_eq!(Endpoints::default().room, "http://127.0.0.1:50052");
    }

    #[tokio::test]
    async fn addresses_are_checked_before_anything_is_sent() {
        assert!(channel("http://127.0.0.1:1", &Tls::new()).is_ok());
        for address in ["", "127.0.0.1:1", "localhost", "redis://localhost:1", "http://", "http://a b"] {
            let error = channel(address, &Tls::new()).unwrap_err();
            assert!(matches!(error, Error::Address { .. }), "{address}: {error}");
        }
    }

    #[tokio::test]
    async fn what_is_no_certificate_is_refused_before_anything_is_sent_and_keys_are_not_shown() {
        let key = "-----BEGIN PRIVATE KEY-----";
        let tls = Tls::new().authorities("none").identity("none", key).server_name("chat.example.org");
        assert!(!format!("{tls:?}").contains("PRIVATE"));
        let error = channel("https://localhost:1", &tls).unwrap_err();
        assert!(matches!(error, Error::Address { .. }), "{error}");
        assert!(channel("http://localhost:1", &tls).is_ok(), "nothing of it is needed");
    }
}
