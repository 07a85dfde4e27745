//! Where services are, and how connections to them are made and secured.

use std::{fmt, io, time::Duration};

use anyhow::{Context, bail, ensure};
use http::{Uri, uri::InvalidUriParts};
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tower::ServiceExt;

use crate::{
    ClientTlsArgs,
    channel::{Channel, Connection, speak},
    tls::Trust,
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A service, and how connections to it are secured.
#[derive(Clone)]
pub struct Target {
    uri: Uri,
    secured: Option<Secured>,
}

#[derive(Clone)]
struct Secured {
    name: ServerName<'static>,
    trust: Trust,
}

/// The services at `urls`, each `http://host:port`, or `https://host:port` for one whose certificate is
/// verified as `args` say. The files that those name are looked at `every` so often; connections made after
/// one has changed go by what it says then. Needs a Tokio runtime where a URL is `https://`.
///
/// Fails for what isn't the address of a service, and for files that can't be used.
pub fn targets<const N: usize>(
    args: &ClientTlsArgs,
    every: Duration,
    urls: [&str; N],
) -> anyhow::Result<[Target; N]> {
    let secret = urls.iter().any(|url| url.starts_with("https://"));
    let trust = secret.then(|| Trust::new(args, every)).transpose()?;
    let targets: Vec<_> = urls.iter().map(|url| Target::at(url, trust.as_ref())).collect::<Result<_, _>>()?;
    targets.try_into().map_err(|_| anyhow::anyhow!("as many services as addresses"))
}

impl Target {
    /// The service at an `http://host:port`.
    pub(crate) fn plain(url: &str) -> anyhow::Result<Self> {
        Self::at(url, None)
    }

    fn at(url: &str, trust: Option<&Trust>) -> anyhow::Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("not a URL: {url:?}"))?;
        let host = uri.host().unwrap_or_default();
        ensure!(!host.is_empty(), "not the address of a service: {url:?}");
        let secured = match (uri.scheme_str(), trust) {
            (Some("http"), _) => None,
            (Some("https"), Some(trust)) => {
                Some(Secured { name: trust.name_at(host)?, trust: trust.clone() })
            }
            _ => bail!("not the address of a service: {url:?}; write it like http://127.0.0.1:50051"),
        };
        Ok(Self { uri, secured })
    }

    /// A channel to it, as [`channel`](crate::channel()) makes one.
    pub fn channel(&self) -> Channel {
        Channel::to(self.clone(), None)
    }

    /// The service at another address, which this one has named: of the same scheme, and secured in the same way.
    ///
    /// Fails for what isn't the address of such a service.
    pub fn beside(&self, url: &str) -> anyhow::Result<Self> {
        let other = Self::at(url, self.secured.as_ref().map(|secured| &secured.trust))?;
        ensure!(other.uri.scheme() == self.uri.scheme(), "not secured as {} is: {url:?}", self.uri);
        Ok(other)
    }

    /// The URI of what is called at `path`.
    pub(crate) fn whole(&self, path: Uri) -> Result<Uri, InvalidUriParts> {
        let (mut parts, own) = (path.into_parts(), self.uri.clone().into_parts());
        (parts.scheme, parts.authority) = (own.scheme, own.authority);
        Uri::from_parts(parts)
    }

    pub(crate) async fn connect(self) -> io::Result<Connection> {
        timeout(CONNECT_TIMEOUT, self.connected()).await?
    }

    async fn connected(self) -> io::Result<Connection> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        // Shared out among the addresses of a name.
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let stream = connector.oneshot(self.uri.clone()).await.map_err(io::Error::other)?.into_inner();
        match self.secured {
            None => speak(stream).await,
            Some(secured) => {
                let shaken = secured.shake_hands(stream).await.inspect_err(|error| {
                    tracing::warn!(service = %self.uri, %error, "no handshake with a service");
                });
                speak(shaken?).await
            }
        }
    }
}

impl Secured {
    async fn shake_hands(self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsConnector::from(self.trust.config()).connect(self.name, stream).await
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secured = self.secured.is_some();
        f.debug_struct("Target").field("uri", &self.uri).field("secured", &secured).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_services_are_taken() {
        assert!(Target::plain("http://127.0.0.1:1").is_ok());
        for url in ["", "127.0.0.1:50051", "https://example.org", "redis://127.0.0.1", "http://"] {
            assert!(Target::plain(url).is_err(), "{url:?}");
        }
    }

    #[tokio::test]
    async fn addresses_may_be_secret_or_plain() {
        let authority = crate::tls::testing::Authority::new();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.pem()).unwrap();
        let args = ClientTlsArgs { tls_ca: Some(file.path().to_owned()), ..Default::default() };
        let targets = |urls| targets(&args, Duration::from_secs(5), urls);
        let [plain, secret] = targets(["http://127.0.0.1:1", "https://[::1]:2"]).unwrap();
        assert!(plain.secured.is_none() && secret.secured.is_some());
        assert!(secret.beside("https://[::1]:3").unwrap().secured.is_some());
        assert!(plain.beside("http://[::1]:3").is_ok());
        assert!(
            secret.beside("http://[::1]:3").is_err(),
            "what is said to one may not be read on the way to another"
        );
        assert!(plain.beside("https://[::1]:3").is_err());
        assert_eq!(secret.whole(Uri::from_static("/a/B")).unwrap(), "https://[::1]:2/a/B");
        for url in ["https://", "https://a b", "redis://127.0.0.1", ""] {
            assert!(targets(["https://localhost", url]).is_err(), "{url:?}");
        }
    }
}
