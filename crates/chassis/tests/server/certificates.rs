//! Certificates, made as the tests run, in files of a folder of their own.

use std::{fs, path::PathBuf};

use gochat_chassis::ClientTlsArgs;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};

/// Where the files are; they go with it.
pub(crate) struct Folder(tempfile::TempDir);

/// Somebody who issues certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM.
pub(crate) struct Held {
    certificate: String,
    key: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// One for this DNS name, address or, where it has a scheme, URI.
    pub(crate) fn issue(&self, name: &str) -> Held {
        self.sign(params(name))
    }

    /// One that was good until a while ago.
    pub(crate) fn issue_expired(&self, name: &str) -> Held {
        let mut params = params(name);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 1, 1));
        self.sign(params)
    }

    fn sign(&self, params: CertificateParams) -> Held {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Held { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn params(name: &str) -> CertificateParams {
    if !name.contains("://") {
        return CertificateParams::new([name.to_owned()]).unwrap();
    }
    let mut params = CertificateParams::default();
    params.subject_alt_names.push(SanType::URI(name.try_into().unwrap()));
    params
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a text where another may be, at once.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let (next, path) = (self.path("next"), self.path(name));
        fs::write(&next, text).unwrap();
        fs::rename(next, &path).unwrap();
        path
    }

    /// Puts a certificate there, with its key.
    pub(crate) fn hold(&self, name: &str, held: &Held) {
        self.write(&format!("{name}.pem"), &held.certificate);
        self.write(&format!("{name}.key"), &held.key);
    }

    /// Puts the certificate of an authority there.
    pub(crate) fn believe(&self, name: &str, authority: &Authority) {
        self.write(&format!("{name}.pem"), &authority.0.pem());
    }

    /// The flags of a server that shows the certificate `server`, and besides these, in which `@` is the folder.
    pub(crate) fn flags(&self, others: &str) -> String {
        let flags = format!("--tls-cert @/server.pem --tls-key @/server.key --reload-interval 5ms {others}");
        flags.replace('@', &self.0.path().display().to_string())
    }

    /// What a client believes and shows.
    pub(crate) fn client(&self, authority: &str, own: Option<&str>) -> ClientTlsArgs {
        ClientTlsArgs {
            tls_ca: Some(self.path(&format!("{authority}.pem"))),
            tls_client_cert: own.map(|own| self.path(&format!("{own}.pem"))),
            tls_client_key: own.map(|own| self.path(&format!("{own}.key"))),
            tls_server_name: None,
        }
    }
}
