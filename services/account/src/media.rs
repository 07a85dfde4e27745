//! Tokens for the media provider: what they allow, how long, and which provider reads them.

mod livekit;
mod zego;

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use clap::ValueEnum;
use gochat_domain::{Millis, RoomId, Uid};

/// The longest that a token lives.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest that a token lives which carries the right to publish: it can't be taken back here.
const LONGEST_TO_PUBLISH: Duration = Duration::from_secs(10 * 60);

/// Who carries the voice, and whose tokens are given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// Nobody yet: tokens are opaque ones of ours, for clients that insist on having one.
    None,
    /// ZEGOCLOUD: Token04.
    Zego,
    /// LiveKit: a JWT.
    Livekit,
}

/// The media provider, and what its tokens are made with.
#[derive(clap::Args, Clone, Debug)]
pub struct MediaArgs {
    /// Whose tokens are given out: none, zego or livekit.
    #[arg(long, env = "GOCHAT_MEDIA_TOKENS", value_enum, default_value = "none")]
    pub media_tokens: Provider,
    /// ZEGOCLOUD's number of the app.
    #[arg(long, env = "GOCHAT_ZEGO_APP_ID", default_value = "0")]
    pub zego_app_id: u32,
    /// A file with the app's server secret of 32 characters.
    #[arg(long, env = "GOCHAT_ZEGO_SECRET_FILE")]
    pub zego_secret_file: Option<PathBuf>,
    /// LiveKit's API key.
    #[arg(long, env = "GOCHAT_LIVEKIT_KEY", default_value = "")]
    pub livekit_key: String,
    /// A file with the secret of that key.
    #[arg(long, env = "GOCHAT_LIVEKIT_SECRET_FILE")]
    pub livekit_secret_file: Option<PathBuf>,
}

/// What somebody may do with the media provider. Times are Unix milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) uid: Uid,
    /// The room that may be entered; without one, none may.
    pub(crate) room: Option<RoomId>,
    pub(crate) on_stage: bool,
    pub(crate) issued_at: Millis,
    /// How long it was asked to be good for; zero for the longest allowed.
    pub(crate) ttl: Duration,
}

/// A token, and when it ends in Unix milliseconds.
#[derive(Debug)]
pub(crate) struct MediaToken {
    pub(crate) token: String,
    pub(crate) expires_at: Millis,
}

/// Makes the tokens of one provider.
#[derive(Clone)]
pub(crate) enum MediaTokens {
    None,
    Zego(zego::Issuer),
    Livekit(livekit::Issuer),
}

impl MediaTokens {
    /// Fails where what the provider needs is missing, or can't be right.
    pub(crate) fn new(args: &MediaArgs) -> anyhow::Result<Self> {
        Ok(match args.media_tokens {
            Provider::None => Self::None,
            Provider::Zego => {
                ensure!(args.zego_app_id != 0, "GOCHAT_MEDIA_TOKENS=zego needs GOCHAT_ZEGO_APP_ID");
                let secret = secret("GOCHAT_ZEGO_SECRET_FILE", args.zego_secret_file.as_ref())?;
                Self::Zego(zego::Issuer::new(args.zego_app_id, &secret)?)
            }
            Provider::Livekit => {
                let key = args.livekit_key.trim();
                ensure!(!key.is_empty(), "GOCHAT_MEDIA_TOKENS=livekit needs GOCHAT_LIVEKIT_KEY");
                let secret = secret("GOCHAT_LIVEKIT_SECRET_FILE", args.livekit_secret_file.as_ref())?;
                Self::Livekit(livekit::Issuer::new(key, secret))
            }
        })
    }

    /// A token for this grant. Once given out, only the provider can take it back.
    pub(crate) fn issue(&self, grant: &Grant) -> MediaToken {
        let lifetime = lifetime(grant.ttl, self.lets_publish(grant));
        let expires_at = grant.issued_at + lifetime;
        let token = match self {
            Self::None => format!("{:032x}{:032x}", rand::random::<u128>(), rand::random::<u128>()),
            Self::Zego(issuer) => issuer.issue(grant, expires_at),
            Self::Livekit(issuer) => issuer.issue(grant, expires_at),
        };
        MediaToken { token, expires_at }
    }

    /// Whether the token itself says that its holder may speak.
    fn lets_publish(&self, grant: &Grant) -> bool {
        matches!(self, Self::Zego(_)) && grant.on_stage
    }
}

fn lifetime(asked: Duration, lets_publish: bool) -> Duration {
    let longest = if lets_publish { LONGEST_TO_PUBLISH } else { LONGEST };
    if asked.is_zero() { longest } else { asked.min(longest) }
}

fn secret(variable: &str, file: Option<&PathBuf>) -> anyhow::Result<String> {
    let file = file.filter(|path| !path.as_os_str().is_empty());
    let file = file.with_context(|| format!("GOCHAT_MEDIA_TOKENS needs {variable}"))?;
    let text = fs::read_to_string(file).with_context(|| format!("{variable}: cannot read {file:?}"))?;
    let text = text.trim().to_owned();
    ensure!(!text.is_empty(), "{variable}: {file:?} is empty");
    Ok(text)
}

/// As providers count time.
fn seconds(at: Millis) -> i64 {
    at.0 / 1_000
}

#[cfg(test)]
mod tests;
