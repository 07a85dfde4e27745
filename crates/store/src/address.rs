//! Where Redis is, who is asked for there, and how the connection is secured.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use redis::{Client, ClientTlsConfig, ConnectionAddr, IntoConnectionInfo, TlsCertificates};

use crate::StoreArgs;

impl StoreArgs {
    /// Names a Redis, whatever named one before.
    pub fn use_redis(&mut self, url: &str) {
        url.clone_into(&mut self.redis_url);
        (self.redis_url_file, self.redis_ca, self.redis_client_cert, self.redis_client_key) =
            Default::default();
    }

    /// Whether a Redis is named.
    pub fn names_redis(&self) -> bool {
        !self.redis_url.is_empty() || named(self.redis_url_file.as_ref()).is_some()
    }

    /// What connections are made by. Nothing is connected yet. Fails for what is no address, for files that can't be
    /// used, and for another machine without TLS unless that is allowed; no error has the address in it, which may
    /// carry a password.
    pub(crate) fn client(&self) -> Result<Client, String> {
        let url = match named(self.redis_url_file.as_ref()) {
            Some(path) => text(path)?.trim().to_owned(),
            None => self.redis_url.clone(),
        };
        let info = url.into_connection_info().map_err(|why| format!("redis url: {why}"))?;
        if let ConnectionAddr::Tcp(host, _) = info.addr()
            && !self.redis_plain_text
            && !is_this_machine(host)
        {
            return Err(format!(
                "redis at {host} would be spoken to in plain text, and other machines may listen: name it by \
                 rediss://, or allow plain text with GOCHAT_REDIS_PLAIN_TEXT=true"
            ));
        }
        let secured = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        let certificates = self.certificates()?;
        if secured {
            // The client makes its connections by whichever is the process's own. Another was chosen before: that one.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let client = match (certificates, secured) {
            (Some(certificates), true) => Client::build_with_tls(info, certificates),
            (None, _) => Client::open(info),
            (Some(_), false) => {
                return Err("certificates for redis are named, and its address isn't rediss://".to_owned());
            }
        };
        client.map_err(|why| format!("redis url: {why}"))
    }

    /// Whom Redis is believed by, and what is shown to it; nothing where nothing is said.
    fn certificates(&self) -> Result<Option<TlsCertificates>, String> {
        let own = (named(self.redis_client_cert.as_ref()), named(self.redis_client_key.as_ref()));
        let client_tls = match own {
            (None, None) => None,
            (Some(cert), Some(key)) => {
                Some(ClientTlsConfig { client_cert: text(cert)?.into(), client_key: text(key)?.into() })
            }
            _ => {
                return Err("GOCHAT_REDIS_CLIENT_CERT and GOCHAT_REDIS_CLIENT_KEY need each other".to_owned());
            }
        };
        let root_cert = named(self.redis_ca.as_ref()).map(text).transpose()?.map(String::into_bytes);
        let is_said = client_tls.is_some() || root_cert.is_some();
        Ok(is_said.then_some(TlsCertificates { client_tls, root_cert }))
    }
}

/// A name may stand for any machine, but for the one that is this one's everywhere.
fn is_this_machine(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || plain.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

/// An empty name, as of a variable that is set to nothing, is none.
fn named(path: Option<&PathBuf>) -> Option<&Path> {
    path.map(PathBuf::as_path).filter(|path| !path.as_os_str().is_empty())
}

fn text(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|why| format!("cannot read {}: {why}", path.display()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        store: StoreArgs,
    }

    fn args(flags: &[&str]) -> StoreArgs {
        Cli::parse_from(["test"].iter().chain(flags)).store
    }

    #[test]
    fn plain_text_stays_on_this_machine_unless_allowed() {
        let made = |url: &str, allowed: &str| {
            args(&["--redis-url", url, "--redis-plain-text", allowed]).client().map(drop)
        };
        for url in
            ["redis://127.0.0.1", "redis://127.9.8.7:1", "redis://[::1]:1", "redis://localhost", "unix:///r"]
        {
            assert_eq!(made(url, "false"), Ok(()), "{url}");
        }
        for host in ["redis", "192.0.2.1", "localhost.example.org", "2001:db8::1"] {
            let shown = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
            let error = made(&format!("redis://ann:secret@{shown}"), "false").unwrap_err();
            for part in [host, "rediss://", "GOCHAT_REDIS_PLAIN_TEXT=true"] {
                assert!(error.contains(part) && !error.contains("secret"), "{error}");
            }
            assert_eq!(made(&format!("redis://{shown}"), "true"), Ok(()), "{host}");
            assert_eq!(made(&format!("rediss://{shown}"), "false"), Ok(()), "{host}");
        }
    }

    #[test]
    fn the_address_comes_from_a_file_if_one_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "redis://ann:secret@redis.example.org:6380\n").unwrap();
        let path = file.path().display().to_string();
        let plain = ["--redis-plain-text", "true"];
        let from = |flags: &[&str]| args(&[&plain, flags].concat());
        let client = from(&["--redis-url", "redis://elsewhere", "--redis-url-file", &path]).client().unwrap();
        assert_eq!(client.get_connection_info().addr().to_string(), "redis.example.org:6380");
        let settings = client.get_connection_info().redis_settings();
        assert_eq!((settings.username(), settings.password()), (Some("ann"), Some("secret")));
        let mut elsewhere = from(&["--redis-url", "redis://elsewhere"]);
        elsewhere.redis_url_file = Some(PathBuf::new());
        let elsewhere = elsewhere.client().unwrap();
        assert_eq!(elsewhere.get_connection_info().addr().to_string(), "elsewhere:6379");
    }

    #[test]
    fn what_cannot_be_used_is_named_and_no_password() {
        let refused = |flags: &[&str]| args(flags).client().map(drop).unwrap_err();
        for (flag, of) in [
            ("--redis-url-file", &["--redis-url", "redis://a"][..]),
            ("--redis-ca", &["--redis-url", "rediss://a"]),
        ] {
            let error = refused(&[of, &[flag, "/nowhere/file"]].concat());
            assert!(error.contains("/nowhere/file"), "{error}");
        }
        let half = refused(&["--redis-url", "rediss://a", "--redis-client-cert", "/nowhere/cert"]);
        assert!(half.contains("GOCHAT_REDIS_CLIENT_KEY"), "{half}");
        let bad = refused(&["--redis-url", "http://ann:secret@a"]);
        assert!(bad.contains("redis url") && !bad.contains("secret"), "{bad}");
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let plain = refused(&["--redis-url", "redis://localhost", "--redis-ca", &path]);
        assert!(plain.contains("isn't rediss://"), "{plain}");
    }

    #[test]
    fn another_redis_leaves_nothing_of_the_one_before() {
        let mut args = args(&["--redis-url-file", "/nowhere/url", "--redis-ca", "/nowhere/ca"]);
        args.use_redis("unix:///run/redis.sock");
        assert!(args.client().is_ok() && args.names_redis());
        args.use_redis("");
        assert!(!args.names_redis());
    }
}
