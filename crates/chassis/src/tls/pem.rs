//! Certificates and keys, read from PEM files (RFC 7468).

use std::path::Path;

use anyhow::{Context, ensure};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

/// The certificates of a file, in their order; at least one.
pub(super) fn certificates(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let at = path.display();
    let read = CertificateDer::pem_file_iter(path).with_context(|| format!("cannot read {at}"))?;
    let certificates: Vec<_> =
        read.collect::<Result<_, _>>().with_context(|| format!("{at}: not certificates in PEM"))?;
    ensure!(!certificates.is_empty(), "{at}: there is no certificate in it");
    Ok(certificates)
}

/// The private key of a file (PKCS #8, PKCS #1 or SEC 1). Logs a warning if everybody on the machine may read it.
pub(super) fn key(path: &Path) -> anyhow::Result<PrivateKeyDer<'static>> {
    let at = path.display();
    let key =
        PrivateKeyDer::from_pem_file(path).with_context(|| format!("cannot read a private key from {at}"))?;
    if crate::files::is_open_to_all(path) {
        tracing::warn!(path = %at, "everybody on this machine may read the private key");
    }
    Ok(key)
}

/// The authorities of a file, as who is believed.
pub(super) fn authorities(path: &Path) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.with_context(|| format!("{}: not the certificate of an authority", path.display()))?;
    }
    Ok(roots)
}
