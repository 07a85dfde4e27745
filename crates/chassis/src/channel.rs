//! Connections to gRPC services: made when first needed, kept alive, made again when lost.

use std::{fmt, io, time::Duration};

use anyhow::{Context, bail};
use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};

use crate::{ClientTlsArgs, tls::Trust};

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
fn endpoint(url: &str) -> anyhow::Result<Endpoint> {
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

/// A service, and how connections to it are secured.
#[derive(Clone)]
pub struct Target {
    endpoint: Endpoint,
    secured: Option<Secured>,
}

#[derive(Clone)]
struct Secured {
    host: String,
    port: u16,
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
    let secret = urls.iter().any(|url| url.starts_with(HTTPS));
    let trust = secret.then(|| Trust::new(args, every)).transpose()?;
    let targets: Vec<_> = urls.iter().map(|url| Target::at(url, trust.as_ref())).collect::<Result<_, _>>()?;
    targets.try_into().map_err(|_| anyhow::anyhow!("as many services as addresses"))
}

const HTTPS: &str = "https://";

impl Target {
    fn at(url: &str, trust: Option<&Trust>) -> anyhow::Result<Self> {
        let (Some(rest), Some(trust)) = (url.strip_prefix(HTTPS), trust) else {
            return Ok(Self { endpoint: endpoint(url)?, secured: None });
        };
        // The transport is ours, so tonic is told of a plain one; requests say what it is.
        let endpoint = endpoint(&format!("http://{rest}")).with_context(|| format!("the address {url:?}"))?;
        let origin: Uri = url.parse().with_context(|| format!("not a URL: {url:?}"))?;
        let host = origin.host().unwrap_or_default();
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let (port, name) = (origin.port_u16().unwrap_or(443), trust.name_at(host)?);
        let secured = Secured { host: bare, port, name, trust: trust.clone() };
        Ok(Self { endpoint: endpoint.origin(origin), secured: Some(secured) })
    }

    /// A channel to it, as [`channel`] makes one.
    pub fn channel(&self) -> Channel {
        match &self.secured {
            None => self.endpoint.connect_lazy(),
            Some(secured) => {
                let secured = secured.clone();
                let connect = move |_: Uri| secured.clone().connect();
                self.endpoint.connect_with_connector_lazy(tower::service_fn(connect))
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secured = self.secured.is_some();
        f.debug_struct("Target").field("uri", self.endpoint.uri()).field("secured", &secured).finish()
    }
}

impl Secured {
    async fn connect(self) -> io::Result<TokioIo<TlsStream<TcpStream>>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(self.trust.config());
        let connected = connector.connect(self.name, stream).await.inspect_err(|error| {
            tracing::warn!(host = self.host, port = self.port, %error, "no handshake with a service");
        });
        connected.map(TokioIo::new)
    }
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

    #[tokio::test]
    async fn addresses_may_be_secret_or_plain() {
        let authority = crate::tls::testing::Authority::new();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.pem()).unwrap();
        let args = ClientTlsArgs { tls_ca: Some(file.path().to_owned()), ..Default::default() };
        let targets = |urls| targets(&args, Duration::from_secs(5), urls);
        let [plain, secret] = targets(["http://127.0.0.1:1", "https://[::1]:2"]).unwrap();
        assert!(plain.secured.is_none());
        let secured = secret.secured.as_ref().unwrap();
        assert_eq!((secured.host.as_str(), secured.port), ("::1", 2));
        for url in ["https://", "https://a b", "redis://127.0.0.1", ""] {
            assert!(targets(["https://localhost", url]).is_err(), "{url:?}");
        }
    }
}
