//! The LiveKit engine's configuration: where LiveKit is, and with which key.

use std::{fs, net::SocketAddr, path::PathBuf};

use anyhow::{Context, ensure};
use http::Uri;

use super::keys::Keys;

/// Sound over WebRTC, from a LiveKit deployment.
#[derive(clap::Args, Clone, Debug)]
pub struct LiveKitArgs {
    /// Where clients find LiveKit: `wss://livekit.example.org`, or `ws://` with a port in development.
    #[arg(long, env = "GOCHAT_LIVEKIT_URL", default_value = "")]
    pub livekit_url: String,
    /// Where its API is called, `https://` or `http://`; the clients' address, unless it is said.
    #[arg(long, env = "GOCHAT_LIVEKIT_API_URL", default_value = "")]
    pub livekit_api_url: String,
    /// LiveKit's API key.
    #[arg(long, env = "GOCHAT_LIVEKIT_KEY", default_value = "")]
    pub livekit_key: String,
    /// A file with the secret of that key.
    #[arg(long, env = "GOCHAT_LIVEKIT_SECRET_FILE")]
    pub livekit_secret_file: Option<PathBuf>,
    /// Where LiveKit's webhooks are taken, at `/livekit/webhook`; nowhere, unless it is said: then who comes is
    /// found by looking alone.
    #[arg(long, env = "GOCHAT_LIVEKIT_WEBHOOK_LISTEN")]
    pub livekit_webhook_listen: Option<SocketAddr>,
}

/// What the arguments say, read.
pub(super) struct Settings {
    /// The clients' address.
    pub(super) url: String,
    /// The scheme and authority of the API.
    pub(super) api: Uri,
    pub(super) keys: Keys,
}

impl LiveKitArgs {
    /// What is wrong with them, if something is.
    ///
    /// # Errors
    /// In words for who configured it.
    pub fn check(&self) -> anyhow::Result<()> {
        self.read().map(drop)
    }

    pub(super) fn read(&self) -> anyhow::Result<Settings> {
        let url = self.livekit_url.trim().trim_end_matches('/');
        ensure!(!url.is_empty(), "GOCHAT_MEDIA_ENGINE=livekit needs GOCHAT_LIVEKIT_URL");
        let from_clients = api_of(url, "wss", "ws").with_context(|| {
            format!("GOCHAT_LIVEKIT_URL is {url:?}; write it like wss://livekit.example.org")
        })?;
        let api = match self.livekit_api_url.trim().trim_end_matches('/') {
            "" => from_clients,
            said => api_of(said, "https", "http").with_context(|| {
                format!("GOCHAT_LIVEKIT_API_URL is {said:?}; write it like https://livekit.example.org")
            })?,
        };
        let key = self.livekit_key.trim();
        ensure!(!key.is_empty(), "GOCHAT_MEDIA_ENGINE=livekit needs GOCHAT_LIVEKIT_KEY");
        Ok(Settings { url: url.to_owned(), api, keys: Keys::new(key, self.secret()?) })
    }

    fn secret(&self) -> anyhow::Result<String> {
        let file = self.livekit_secret_file.as_ref().filter(|path| !path.as_os_str().is_empty());
        let file = file.context("GOCHAT_MEDIA_ENGINE=livekit needs GOCHAT_LIVEKIT_SECRET_FILE")?;
        let secret = fs::read_to_string(file)
            .with_context(|| format!("GOCHAT_LIVEKIT_SECRET_FILE: cannot read {file:?}"))?;
        let secret = secret.trim();
        ensure!(!secret.is_empty(), "GOCHAT_LIVEKIT_SECRET_FILE: {file:?} is empty");
        Ok(secret.to_owned())
    }
}

/// The API at an address that is written with one of two schemes, the secured one first.
fn api_of(url: &str, secured: &str, plain: &str) -> anyhow::Result<Uri> {
    let uri: Uri = url.parse()?;
    let scheme = match uri.scheme_str() {
        Some(scheme) if scheme == secured => "https",
        Some(scheme) if scheme == plain => "http",
        _ => anyhow::bail!("it is neither {secured}:// nor {plain}://"),
    };
    let authority =
        uri.authority().filter(|authority| !authority.host().is_empty()).context("it has no host")?;
    ensure!(!authority.as_str().contains('@'), "it names a user");
    ensure!(uri.path() == "/" && uri.query().is_none(), "it has a path");
    Ok(Uri::builder().scheme(scheme).authority(authority.clone()).path_and_query("/").build()?)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        livekit: LiveKitArgs,
    }

    fn args(flags: &[&str]) -> LiveKitArgs {
        Flags::try_parse_from(["x"].iter().chain(flags)).unwrap().livekit
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let mut flags = vec![];
        let refused = |flags: &[&str], what: &str| {
            let error = format!("{:#}", args(flags).check().unwrap_err());
            assert!(error.contains(what), "{error}");
        };
        refused(&flags, "GOCHAT_LIVEKIT_URL");
        for url in ["livekit", "https://a.example", "ws://", "wss://a.example/path", "wss://user@a.example"] {
            refused(&["--livekit-url", url], "GOCHAT_LIVEKIT_URL is");
        }
        flags.extend(["--livekit-url", "wss://a.example/"]);
        refused(&flags, "GOCHAT_LIVEKIT_KEY");
        flags.extend(["--livekit-key", "key"]);
        refused(&flags, "GOCHAT_LIVEKIT_SECRET_FILE");
        flags.extend(["--livekit-secret-file", &path]);
        refused(&flags, "is empty");
        writeln!(file, "secret").unwrap();
        assert!(args(&flags).check().is_ok());
        flags.extend(["--livekit-api-url", "wss://a.example"]);
        refused(&flags, "GOCHAT_LIVEKIT_API_URL is");
    }

    #[test]
    fn the_api_is_where_clients_go_unless_it_is_said() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "secret").unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let api = |url: &str, api: &str| {
            let named = ["--livekit-url", url, "--livekit-api-url", api, "--livekit-key", "key"];
            let flags: Vec<_> = named.into_iter().chain(["--livekit-secret-file", &path]).collect();
            let settings = args(&flags).read().unwrap();
            (settings.url, settings.api.to_string())
        };
        let said = |url: &str, api: &str| (url.to_owned(), api.to_owned());
        assert_eq!(api("wss://a.example/", ""), said("wss://a.example", "https://a.example/"));
        assert_eq!(api("ws://[::1]:7880", ""), said("ws://[::1]:7880", "http://[::1]:7880/"));
        assert_eq!(
            api("wss://a.example", "http://livekit:7880"),
            said("wss://a.example", "http://livekit:7880/")
        );
    }
}
