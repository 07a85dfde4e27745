//! The client's side: whose word it takes for who a server is, and its own certificate.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};

use super::pem;
use crate::files::Followed;

/// How the services behind a process are reached by `https://`.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ClientTlsArgs {
    /// The authorities that vouch for the services, in PEM; without, those that this machine believes.
    #[arg(long, env = "GOCHAT_TLS_CA")]
    pub tls_ca: Option<PathBuf>,
    /// The name that the services' certificates must bear, where it isn't the one in their addresses.
    #[arg(long, env = "GOCHAT_TLS_SERVER_NAME")]
    pub tls_server_name: Option<String>,
    /// The certificate that is shown to services, in PEM. Read anew when it changes.
    #[arg(long, env = "GOCHAT_TLS_CLIENT_CERT")]
    pub tls_client_cert: Option<PathBuf>,
    /// That certificate's private key, in PEM.
    #[arg(long, env = "GOCHAT_TLS_CLIENT_KEY")]
    pub tls_client_key: Option<PathBuf>,
}

/// What handshakes with services are made with. Clones are one and the same.
#[derive(Clone)]
pub(crate) struct Trust {
    config: Followed<ClientConfig>,
    name: Option<ServerName<'static>>,
}

impl Trust {
    /// By these files, which are looked at `every` so often. Needs a Tokio runtime.
    pub(crate) fn new(args: &ClientTlsArgs, every: Duration) -> anyhow::Result<Self> {
        let files = [&args.tls_ca, &args.tls_client_cert, &args.tls_client_key].into_iter().flatten();
        let (files, again) = (files.cloned().collect(), args.clone());
        let config = Followed::follow("client certificate", files, every, move || again.read())?;
        Ok(Self { config, name: args.server_name()? })
    }

    /// As the files say by now.
    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.config.get()
    }

    /// The name that a server's certificate must bear that is reached at `host`.
    pub(crate) fn name_at(&self, host: &str) -> anyhow::Result<ServerName<'static>> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => server_name(host),
        }
    }
}

impl ClientTlsArgs {
    fn read(&self) -> anyhow::Result<ClientConfig> {
        let roots = match named(self.tls_ca.as_ref()) {
            Some(path) => pem::authorities(path)?,
            None => of_this_machine()?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("TLS")?
            .with_root_certificates(roots);
        let mut config = match (named(self.tls_client_cert.as_ref()), named(self.tls_client_key.as_ref())) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let own = builder.with_client_auth_cert(pem::certificates(cert)?, pem::key(key)?);
                let (cert, key) = (cert.display(), key.display());
                own.with_context(|| format!("{cert} and {key} are no certificate with its key"))?
            }
            _ => bail!("GOCHAT_TLS_CLIENT_CERT and GOCHAT_TLS_CLIENT_KEY need each other"),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    fn server_name(&self) -> anyhow::Result<Option<ServerName<'static>>> {
        let name = self.tls_server_name.as_deref().filter(|name| !name.is_empty());
        name.map(server_name).transpose().context("GOCHAT_TLS_SERVER_NAME")
    }
}

fn server_name(name: &str) -> anyhow::Result<ServerName<'static>> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    ServerName::try_from(bare.to_owned())
        .with_context(|| format!("no certificate can bear the name {name:?}"))
}

/// Whom this machine believes; what of it can't be read is left out.
fn of_this_machine() -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (_, unusable) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if unusable > 0 {
        tracing::debug!(unusable, "authorities of this machine are left out");
    }
    ensure!(!roots.is_empty(), "this machine believes no authority; name one with GOCHAT_TLS_CA");
    Ok(roots)
}

/// An empty name, as of a variable that is set to nothing, is none.
pub(super) fn named(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
}
