//! The server's side: its certificate, what it asks of clients, and how many it shakes hands with at a time.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use futures::future::BoxFuture;
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
};
use tokio::{net::TcpStream, sync::Semaphore, time::timeout};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{client::named, pem};
use crate::{
    args::{at_least_one, duration},
    files::Followed,
};

/// How a server is reached in secret, and whom it believes.
#[derive(clap::Args, Clone, Debug)]
pub struct TlsArgs {
    /// The certificate that is shown to clients, in PEM, with those between it and its authority. With it, nothing
    /// but TLS is spoken. Read anew when it changes.
    #[arg(long, env = "GOCHAT_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM.
    #[arg(long, env = "GOCHAT_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// The authorities whose certificates tell services from others, in PEM; gRPC clients are then asked for
    /// one. Which name is which service stands among the service tokens.
    #[arg(long, env = "GOCHAT_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// Whether gRPC clients may come without a certificate, as users do.
    #[arg(long, env = "GOCHAT_TLS_CLIENT_CERTIFICATES", value_enum, default_value = "optional")]
    pub tls_client_certificates: ClientCertificates,
    /// How long a handshake may take.
    #[arg(long, env = "GOCHAT_TLS_HANDSHAKE_TIMEOUT", default_value = "5s", value_parser = duration)]
    pub tls_handshake_timeout: Duration,
    /// Handshakes at a time; more wait.
    #[arg(long, env = "GOCHAT_TLS_MAX_HANDSHAKES", default_value = "1024", value_parser = at_least_one)]
    pub tls_max_handshakes: u32,
}

/// Whether a client has to show a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ClientCertificates {
    /// Who shows none is no service.
    Optional,
    /// Who shows none isn't let in.
    Required,
}

/// What a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// gRPC, to services and users.
    Grpc,
    /// The same, and gRPC-Web to pages in browsers.
    GrpcWeb,
    /// HTTP, to users alone.
    Http,
}

impl Speaks {
    /// What is agreed on in the handshake (RFC 7301), the best first.
    fn protocols(self) -> Vec<Vec<u8>> {
        let names: &[&str] = if self == Self::Grpc { &["h2"] } else { &["h2", "http/1.1"] };
        names.iter().map(|name| name.as_bytes().to_vec()).collect()
    }
}

impl TlsArgs {
    /// Whether there is a certificate.
    pub fn is_on(&self) -> bool {
        named(self.tls_cert.as_ref()).is_some()
    }

    /// Whether these make sense together, and the files can be used.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.read(Speaks::Grpc).map(drop)
    }

    /// What handshakes are made with; nothing where there is no certificate.
    fn read(&self, speaks: Speaks) -> anyhow::Result<Option<ServerConfig>> {
        let authorities = named(self.tls_client_ca.as_ref());
        let (cert, key) = match (named(self.tls_cert.as_ref()), named(self.tls_key.as_ref())) {
            (Some(cert), Some(key)) => (cert, key),
            (None, None) => {
                ensure!(
                    authorities.is_none(),
                    "GOCHAT_TLS_CLIENT_CA needs GOCHAT_TLS_CERT and GOCHAT_TLS_KEY"
                );
                return Ok(None);
            }
            (Some(_), None) => bail!("GOCHAT_TLS_CERT needs GOCHAT_TLS_KEY"),
            (None, Some(_)) => bail!("GOCHAT_TLS_KEY needs GOCHAT_TLS_CERT"),
        };
        ensure!(
            authorities.is_some() || self.tls_client_certificates == ClientCertificates::Optional,
            "GOCHAT_TLS_CLIENT_CERTIFICATES=required needs GOCHAT_TLS_CLIENT_CA"
        );
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("TLS")?;
        let authorities = authorities.filter(|_| speaks != Speaks::Http);
        let builder = match authorities {
            Some(path) => builder.with_client_cert_verifier(self.verifier(path)?),
            None => builder.with_no_client_auth(),
        };
        let own = builder.with_single_cert(pem::certificates(cert)?, pem::key(key)?);
        let wrong = || format!("{} and {} are no certificate with its key", cert.display(), key.display());
        let mut config = own.with_context(wrong)?;
        config.alpn_protocols = speaks.protocols();
        if authorities.is_some() {
            // A session that is resumed isn't verified again: its certificate may be no good any more.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Some(config))
    }

    fn verifier(&self, authorities: &Path) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
        let roots = Arc::new(pem::authorities(authorities)?);
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::new(ring::default_provider()));
        let builder = match self.tls_client_certificates {
            ClientCertificates::Optional => builder.allow_unauthenticated(),
            ClientCertificates::Required => builder,
        };
        builder.build().with_context(|| format!("{}", authorities.display()))
    }
}

/// Shakes hands with clients.
#[derive(Clone)]
pub(crate) struct Acceptor {
    config: Followed<ServerConfig>,
    places: Arc<Semaphore>,
    limit: Duration,
}

/// A handshake under way.
pub(super) type Handshake = BoxFuture<'static, io::Result<TlsStream<TcpStream>>>;

impl Acceptor {
    /// By these files, which are looked at `every` so often; nothing where there is no certificate.
    /// Needs a Tokio runtime.
    pub(crate) fn new(args: &TlsArgs, speaks: Speaks, every: Duration) -> anyhow::Result<Option<Self>> {
        if args.read(speaks)?.is_none() {
            return Ok(None);
        }
        let files = [&args.tls_cert, &args.tls_key, &args.tls_client_ca].into_iter().flatten();
        let (files, again) = (files.cloned().collect(), args.clone());
        let read = move || again.read(speaks)?.context("there is no certificate");
        Ok(Some(Self {
            config: Followed::follow("certificate", files, every, read)?,
            places: Arc::new(Semaphore::new(args.tls_max_handshakes as usize)),
            limit: args.tls_handshake_timeout,
        }))
    }

    /// Shakes hands, in turn and within the limit, with what the files say by now.
    pub(super) fn shake_hands(self, stream: TcpStream) -> Handshake {
        Box::pin(async move {
            let within = timeout(self.limit, async {
                // Fails only when the semaphore is closed, which nobody does.
                let _place = self.places.acquire().await;
                TlsAcceptor::from(self.config.get()).accept(stream).await
            });
            let done = within.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
            done.inspect_err(|error| {
                tracing::debug!(%error, "no handshake");
                metrics::counter!("gochat_tls_handshakes_failed_total").increment(1);
            })
        })
    }
}
