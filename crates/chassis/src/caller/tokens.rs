//! The services that may call: a list of hashed tokens, from a file or made in memory.

use std::{fmt, fs, path::Path, sync::Arc};

use anyhow::{Context, bail, ensure};
use sha2::Sha256;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::Digest;

const ACT_FOR_USERS: &str = "act-for-users";

/// Which services may call, by the SHA-256 of their tokens.
///
/// The file has one token a line: a name (`a-z 0-9 -`, at most 32), the token's SHA-256 in 64 hex digits,
/// and `act-for-users` if the service may name, in `gochat-on-behalf-of`, the user that a call is for.
/// A name may have several lines, so that a token can be replaced without a pause. `#` starts a comment.
///
/// ```text
/// # made by: openssl rand -hex 32; hashed by: printf %s "$TOKEN" | sha256sum
/// gateway  5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef  act-for-users
/// media    9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
/// ```
#[derive(Clone, Default)]
pub struct ServiceTokens {
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    digest: Digest,
    service: Known,
}

/// A service whose token was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: Arc<str>,
    pub(super) acts_for_users: bool,
}

impl ServiceTokens {
    /// No service may call.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a service by its token, for who composes several services in one process.
    pub fn with(mut self, name: &str, token: &str, acts_for_users: bool) -> Self {
        let service = Known { name: name.into(), acts_for_users };
        self.entries.push(Entry { digest: digest(token), service });
        self
    }

    /// Those of both.
    pub fn and(mut self, others: Self) -> Self {
        self.entries.extend(others.entries);
        self
    }

    /// Reads a file. A bad line is an error that names file and line, and never what stands there.
    /// Logs a warning if everybody on the machine may read it.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let at = path.display();
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read service tokens from {at}"))?;
        if is_open_to_all(path) {
            tracing::warn!(path = %at, "everybody on this machine may read the service tokens");
        }
        Self::parse(&text).with_context(|| format!("service tokens in {at}"))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut tokens = Self::none();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            let entry = parse_line(line).with_context(|| format!("line {number}"))?;
            let twice = tokens.entries.iter().any(|other| other.digest == entry.digest);
            ensure!(!twice, "line {number}: the same token stands above");
            tokens.entries.push(entry);
        }
        Ok(tokens)
    }

    /// How many tokens are known.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no service may call.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether this is the token of a service. Takes the same time whichever it is, if any.
    pub fn knows(&self, token: &str) -> bool {
        self.find(&digest(token)).is_some()
    }

    /// The service whose token has this digest. Takes the same time whichever it is, if any.
    pub(super) fn find(&self, digest: &Digest) -> Option<&Known> {
        let mut found = u32::MAX;
        for (index, entry) in (0..).zip(&self.entries) {
            found.conditional_assign(&index, entry.digest.ct_eq(digest));
        }
        self.entries.get(found as usize).map(|entry| &entry.service)
    }
}

impl fmt::Debug for ServiceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.service.name)).finish()
    }
}

/// SHA-256 of a token, as it is looked up and stored: tokens themselves are kept nowhere.
pub fn digest(token: &str) -> Digest {
    <Sha256 as sha2::Digest>::digest(token).into()
}

fn parse_line(line: &str) -> anyhow::Result<Entry> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(hash)) = (words.next(), words.next()) else {
        bail!("expected `name sha256-hex [{ACT_FOR_USERS}]`");
    };
    let acts_for_users = match words.next() {
        None => false,
        Some(ACT_FOR_USERS) => true,
        Some(_) => bail!("after the hash, only `{ACT_FOR_USERS}` may stand"),
    };
    ensure!(words.next().is_none(), "nothing may stand after `{ACT_FOR_USERS}`");
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(name.len() <= 32 && name.bytes().all(plain), "a name has at most 32 of a-z, 0-9 and -");
    let digest = parse_hex(hash).context("the hash isn't 64 hex digits")?;
    Ok(Entry { digest, service: Known { name: name.into(), acts_for_users } })
}

fn parse_hex(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(digest)
}

/// Whether everybody on the machine may read a file. Hashes can't be turned back, but whoever may read them
/// may often write them too.
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `test`.
    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[test]
    fn lines_name_services() {
        let text =
            format!("# ours\n\nmedia {HASH} # no more\n  gateway\t{}  act-for-users\n", "0".repeat(64));
        let tokens = ServiceTokens::parse(&text).unwrap();
        let media = tokens.find(&digest("test")).unwrap();
        assert_eq!((&*media.name, media.acts_for_users), ("media", false));
        let gateway = tokens.find(&[0; 32]).unwrap();
        assert_eq!((&*gateway.name, gateway.acts_for_users), ("gateway", true));
        assert_eq!(tokens.find(&[1; 32]), None);
        assert_eq!(ServiceTokens::none().find(&[0; 32]), None);
        assert!(tokens.knows("test") && !tokens.knows("Test"));
    }

    #[test]
    fn bad_lines_are_refused_by_number_and_without_their_text() {
        let short = &HASH[1..];
        for line in [
            "media".to_owned(),
            format!("media {short}"),
            format!("media {short}g"),
            format!("media +{short}"),
            format!("Media {HASH}"),
            format!("{} {HASH}", "m".repeat(33)),
            format!("media {HASH} act"),
            format!("media {HASH} act-for-users too"),
            format!("media {HASH}\nother {HASH}"),
        ] {
            let error = format!("{:#}", ServiceTokens::parse(&format!("# first\n{line}")).unwrap_err());
            assert!(error.contains("line 2") || error.contains("line 3"), "{line}: {error}");
            assert!(!error.contains(short), "{error}");
        }
    }

    #[test]
    fn a_file_for_everybody_is_noticed() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, open) in [(0o600, false), (0o640, false), (0o644, true)] {
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_all(file.path()), open, "{mode:o}");
        }
    }

    #[test]
    fn tokens_and_hashes_are_not_shown() {
        let tokens = ServiceTokens::none().with("gateway", "test", true);
        assert_eq!(format!("{tokens:?}"), "[\"gateway\"]");
        assert_eq!(tokens.find(&parse_hex(HASH).unwrap()).unwrap().name, "gateway".into());
    }
}
