//! How callers may say who they are, as flags and `GOCHAT_GATEWAY_*` variables.

use std::{fmt, fs, path::PathBuf};

use anyhow::{Context, ensure};

use crate::config::Origins;

/// How callers may say who they are, besides by their token.
#[derive(clap::Args, Clone, Debug)]
pub struct IdentityArgs {
    /// Whether login gives browsers a cookie that says who they are, and the `SameSite` that it has. Needs named origins.
    #[arg(long, env = "GOCHAT_GATEWAY_COOKIE", value_enum, default_value = "off")]
    pub cookie: CookieMode,
    /// Whether a call without a token is believed its uid: for clients written for the original. Whoever can
    /// reach the gateway can then act as anybody. Needs a service token.
    #[arg(long, env = "GOCHAT_GATEWAY_TRUST_UID", default_value_t = false, action = clap::ArgAction::Set)]
    pub trust_uid: bool,
    /// The file with the token by which the services know the gateway. With it, nobody who comes through the
    /// gateways is taken for lost while they are away; to believe uids, it must be one that may act for users.
    #[arg(long, env = "GOCHAT_GATEWAY_SERVICE_TOKEN_FILE")]
    pub service_token_file: Option<PathBuf>,
    /// The token itself, for who composes several services in one process; it goes before the file's.
    #[arg(skip)]
    pub service_token: Option<Secret>,
    /// The file with the key that seals event tickets, 64 hex digits, the same for all gateways: a ticket of one is then
    /// good at another. Without, a gateway knows its own alone.
    #[arg(long, env = "GOCHAT_GATEWAY_TICKET_KEY_FILE")]
    pub ticket_key_file: Option<PathBuf>,
}

/// Whether there is a cookie, and which pages' requests carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CookieMode {
    /// There is none.
    Off,
    /// Of pages of the gateway's own site.
    Lax,
    /// Of any page, so far as browsers let it.
    None,
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl IdentityArgs {
    /// Whether these make sense together and with the origins that may call, and the files can be read.
    pub(crate) fn check(&self, origins: &Origins) -> anyhow::Result<()> {
        let named = self.cookie == CookieMode::Off || *origins != Origins::All;
        ensure!(
            named,
            "GOCHAT_GATEWAY_COOKIE needs GOCHAT_GATEWAY_ORIGINS to name the origins that may use it"
        );
        self.trusted()?;
        self.ticket_key()?;
        Ok(())
    }

    /// The token by which the gateway acts for whom it trusts to be somebody; none where it trusts nobody.
    pub(crate) fn trusted(&self) -> anyhow::Result<Option<Secret>> {
        if !self.trust_uid {
            return Ok(None);
        }
        let token = self.own_token()?;
        ensure!(token.is_some(), "GOCHAT_GATEWAY_TRUST_UID needs GOCHAT_GATEWAY_SERVICE_TOKEN_FILE");
        Ok(token)
    }

    /// The token by which the services know the gateway, if it has one.
    pub(crate) fn own_token(&self) -> anyhow::Result<Option<Secret>> {
        match (&self.service_token, named(self.service_token_file.as_ref())) {
            (Some(token), _) => Ok(Some(token.clone())),
            (None, Some(path)) => secret(path).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The key of event tickets; none where each gateway makes its own.
    pub(crate) fn ticket_key(&self) -> anyhow::Result<Option<[u8; 32]>> {
        let Some(path) = named(self.ticket_key_file.as_ref()) else { return Ok(None) };
        let key = super::hex::read(secret(path)?.expose()).and_then(|bytes| bytes.try_into().ok());
        let wrong = || format!("{}: expected 64 hex digits, as of: openssl rand -hex 32", path.display());
        key.map(Some).with_context(wrong)
    }
}

/// An empty name, as of a variable that is set to nothing, is none.
fn named(path: Option<&PathBuf>) -> Option<&PathBuf> {
    path.filter(|path| !path.as_os_str().is_empty())
}

fn secret(path: &PathBuf) -> anyhow::Result<Secret> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    ensure!(plain, "{}: expected one word of plain characters", path.display());
    Ok(Secret(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use gochat_chassis::Config as _;

    use crate::Config;

    fn refused(flags: &[&str]) -> String {
        let flags = ["gochat-gateway"].iter().chain(flags);
        format!("{:#}", Config::try_parse_from(flags).unwrap().check().unwrap_err())
    }

    #[test]
    fn nothing_but_a_token_is_believed_unless_told_so() {
        let config = Config::try_parse_from(["gochat-gateway"]).unwrap();
        assert_eq!(config.identity.cookie, super::CookieMode::Off);
        assert_eq!((config.identity.trusted().unwrap(), config.identity.ticket_key().unwrap()), (None, None));
        config.check().unwrap();
    }

    #[test]
    fn what_does_not_fit_together_is_refused_with_what_to_set() {
        assert!(refused(&["--cookie=lax"]).contains("GOCHAT_GATEWAY_ORIGINS"));
        assert!(refused(&["--trust-uid=true"]).contains("GOCHAT_GATEWAY_SERVICE_TOKEN_FILE"));
        assert!(refused(&["--ticket-key-file=/nowhere/key"]).contains("/nowhere/key"));
        assert!(Config::try_parse_from(["gochat-gateway", "--cookie=strict"]).is_err());
        assert!(Config::try_parse_from(["gochat-gateway", "--trust-uid=maybe"]).is_err());
    }

    #[test]
    fn secrets_come_from_files_and_are_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let key = format!("--ticket-key-file={}", file("key", &format!("{}\n", "0a".repeat(32))));
        let token = format!("--service-token-file={}", file("token", "hush\n"));
        let config = Config::try_parse_from(["gochat-gateway", "--trust-uid=true", &key, &token]).unwrap();
        config.check().unwrap();
        assert_eq!(config.identity.ticket_key().unwrap(), Some([10; 32]));
        let token = config.identity.trusted().unwrap().unwrap();
        assert_eq!((token.expose(), format!("{token:?}").as_str()), ("hush", "Secret(..)"));
        for (name, text) in [("short", "0a"), ("odd", "0"), ("words", "two words"), ("none", "")] {
            let path = file(name, text);
            assert!(refused(&[&format!("--ticket-key-file={path}")]).contains(&path), "{name}");
        }
    }
}
