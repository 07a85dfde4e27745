//! Credentials for a TURN server, good for a while: who has them can relay through it, and no longer than that.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use clap::Args;
use gochat_domain::Uid;
use gochat_proto::media::IceServer;
use str0m::crypto;

/// How long credentials are good for; what was set up with them lasts.
const GOOD_FOR: Duration = Duration::from_secs(60 * 60);

/// A relay for clients that UDP doesn't get through from.
#[derive(Clone, Debug, Args)]
pub struct TurnArgs {
    /// URLs of TURN servers that clients may use, separated by commas: `turn:turn.example.org:3478?transport=tcp`.
    #[arg(long = "turn-urls", env = "GOCHAT_MEDIA_TURN_URLS", value_delimiter = ',')]
    pub turn_urls: Vec<String>,
    /// A file with the secret that these servers share with us (`static-auth-secret` of coturn).
    #[arg(long = "turn-secret-file", env = "GOCHAT_MEDIA_TURN_SECRET_FILE")]
    pub turn_secret_file: Option<PathBuf>,
}

/// Gives out credentials.
pub(super) struct Turn {
    urls: Vec<String>,
    secret: Vec<u8>,
}

impl Turn {
    /// None where no server is configured.
    ///
    /// # Errors
    /// Where a URL isn't TURN's, or the secret can't be read.
    pub(super) fn new(args: &TurnArgs) -> anyhow::Result<Option<Self>> {
        let urls: Vec<_> = args.turn_urls.iter().map(|url| url.trim().to_owned()).collect();
        let urls: Vec<_> = urls.into_iter().filter(|url| !url.is_empty()).collect();
        if urls.is_empty() {
            return Ok(None);
        }
        for url in &urls {
            let turn = url.starts_with("turn:") || url.starts_with("turns:");
            ensure!(turn, "GOCHAT_MEDIA_TURN_URLS has {url:?}, which begins with neither turn: nor turns:");
        }
        let file = args.turn_secret_file.as_ref().filter(|path| !path.as_os_str().is_empty());
        let file = file.context("GOCHAT_MEDIA_TURN_URLS needs GOCHAT_MEDIA_TURN_SECRET_FILE")?;
        let secret = fs::read_to_string(file)
            .with_context(|| format!("GOCHAT_MEDIA_TURN_SECRET_FILE: cannot read {file:?}"))?;
        let secret = secret.trim().as_bytes().to_vec();
        ensure!(!secret.is_empty(), "GOCHAT_MEDIA_TURN_SECRET_FILE: {file:?} is empty");
        Ok(Some(Self { urls, secret }))
    }

    /// A user's own, as the servers' REST API has them (draft-uberti-behave-turn-rest).
    #[expect(
        clippy::disallowed_methods,
        reason = "the servers let credentials run out by clocks like this one"
    )]
    pub(super) fn credentials(&self, uid: Uid) -> IceServer {
        self.credentials_at(uid, SystemTime::now())
    }

    fn credentials_at(&self, uid: Uid, now: SystemTime) -> IceServer {
        let expiry = (now + GOOD_FOR).duration_since(UNIX_EPOCH).unwrap_or_default();
        let username = format!("{}:{uid}", expiry.as_secs());
        let sha1 = crypto::from_feature_flags().sha1_hmac_provider;
        let credential = BASE64_STANDARD.encode(sha1.sha1_hmac(&self.secret, &[username.as_bytes()]));
        IceServer { urls: self.urls.clone(), username, credential }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn args(urls: &[&str], secret: Option<&str>) -> (TurnArgs, Option<tempfile::NamedTempFile>) {
        let file = secret.map(|secret| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(secret.as_bytes()).unwrap();
            file
        });
        let turn_secret_file = file.as_ref().map(|file| file.path().to_owned());
        (TurnArgs { turn_urls: urls.iter().map(|url| url.to_string()).collect(), turn_secret_file }, file)
    }

    #[test]
    fn credentials_are_as_coturn_checks_them() {
        let (args, _file) = args(&["turn:a:3478", "turns:a:5349"], Some("north\n"));
        let turn = Turn::new(&args).unwrap().unwrap();
        let at = UNIX_EPOCH + Duration::from_secs(1_433_895_918 - 3_600);
        let server = turn.credentials_at(Uid::try_from(4242).unwrap(), at);
        assert_eq!(server.username, "1433895918:4242");
        // printf 1433895918:4242 | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!(server.credential, "FkQh0HAcnB5muqTaZ6wRLEeqads=");
        assert_eq!(server.urls, ["turn:a:3478", "turns:a:5349"]);
    }

    #[test]
    fn what_cannot_work_is_refused() {
        for (urls, secret) in
            [(&["stun:a"][..], Some("s")), (&["turn:a"][..], None), (&["turn:a"][..], Some(" \n"))]
        {
            let (args, _file) = args(urls, secret);
            assert!(Turn::new(&args).is_err(), "{urls:?} {secret:?}");
        }
        assert!(Turn::new(&args(&[""], None).0).unwrap().is_none());
    }
}
