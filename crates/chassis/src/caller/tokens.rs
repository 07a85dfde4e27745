//! The services that may call: a list of hashed tokens and of names on certificates, from a file or made in memory.

use std::{fmt, fs, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, bail, ensure};
use sha2::Sha256;
use subtle::{ConditionallySelectable, ConstantTimeEq};

use super::Digest;
use crate::{
    files::{Followed, is_open_to_all},
    tls::{Names, read_name},
};

/// The right to name, in `gochat-on-behalf-of`, the user that a call is for.
const ACT_FOR_USERS: &str = "act-for-users";
/// All that a line may give; what the others are good for, the table of the gate says. None follows from another.
const RIGHTS: [&str; 2] = [ACT_FOR_USERS, "revoke-sessions"];

/// Which services may call, by the SHA-256 of their tokens, or by a name on their certificates.
///
/// The file has one of these a line: a name (`a-z 0-9 -`, at most 32), the token's SHA-256 in 64 hex digits
/// or the certificate's name after its kind (`dns:` or `uri:`),
/// and the rights of the service, of which it has none unless it stands there: `act-for-users` if it may name, in
/// `gochat-on-behalf-of`, the user that a call is for; `revoke-sessions` if it may end anybody's session.
/// A name may have several lines, so that a token can be replaced without a pause. `#` starts a comment.
///
/// ```text
/// # made by: openssl rand -hex 32; hashed by: printf %s "$TOKEN" | sha256sum
/// gateway  5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef  act-for-users
/// gateway  dns:gateway.gochat.svc  act-for-users
/// media    9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
/// watchman uri:spiffe://example.org/watchman  revoke-sessions
/// ```
#[derive(Clone, Default)]
pub struct ServiceTokens {
    entries: Vec<Entry>,
    /// Those of files, as they are at any time.
    followed: Vec<Followed<Vec<Entry>>>,
}

#[derive(Clone)]
struct Entry {
    proof: Proof,
    service: Known,
}

/// What a service proves itself by.
#[derive(Clone, PartialEq, Eq)]
enum Proof {
    Token(Digest),
    /// A name, as [`Names`] has it.
    Certificate(String),
}

/// A service that has proved itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: Arc<str>,
    /// Of [`RIGHTS`].
    pub(super) rights: Arc<[&'static str]>,
}

impl Known {
    pub(super) fn acts_for_users(&self) -> bool {
        self.rights.contains(&ACT_FOR_USERS)
    }

    /// Has what the other has besides.
    fn and(&mut self, other: &Self) {
        let more = other.rights.iter().filter(|right| !self.rights.contains(right));
        self.rights = self.rights.iter().chain(more).copied().collect();
    }
}

impl ServiceTokens {
    /// No service may call.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a service by its token, for who composes several services in one process.
    pub fn with(self, name: &str, token: &str, acts_for_users: bool) -> Self {
        self.with_rights(name, token, acts_for_users.then_some(ACT_FOR_USERS).as_slice())
    }

    /// As [`ServiceTokens::with`], with the rights that its line would name.
    pub fn with_rights(mut self, name: &str, token: &str, rights: &[&'static str]) -> Self {
        let service = Known { name: name.into(), rights: rights.into() };
        self.entries.push(Entry { proof: Proof::Token(digest(token)), service });
        self
    }

    /// Adds a service by a name on its certificate, as [`Names`] has it.
    #[cfg(test)]
    pub(super) fn with_certificate(mut self, service: &str, name: &str, acts_for_users: bool) -> Self {
        let rights = acts_for_users.then_some(ACT_FOR_USERS).as_slice().into();
        let service = Known { name: service.into(), rights };
        self.entries.push(Entry { proof: Proof::Certificate(name.to_owned()), service });
        self
    }

    /// Those of both.
    pub fn and(mut self, others: Self) -> Self {
        self.entries.extend(others.entries);
        self.followed.extend(others.followed);
        self
    }

    /// Reads a file, as it is now. A bad line is an error that names file and line, and never what stands there.
    /// Logs a warning if everybody on the machine may read it.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        Ok(Self { entries: read(path)?, followed: Vec::new() })
    }

    /// As [`ServiceTokens::load`], and `every` so often anew if the file has changed: a service whose line is gone
    /// is one no more. A file that has become bad changes nothing, and the log says why. Needs a Tokio runtime.
    pub fn follow(path: &Path, every: Duration) -> anyhow::Result<Self> {
        let file = path.to_owned();
        let followed = Followed::follow("service tokens", vec![file.clone()], every, move || read(&file))?;
        Ok(Self { entries: Vec::new(), followed: vec![followed] })
    }

    /// How many tokens and names are known.
    pub fn len(&self) -> usize {
        self.entries.len() + self.followed.iter().map(|file| file.get().len()).sum::<usize>()
    }

    /// Whether no service may call.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is the token of a service. Takes the same time whichever it is, if any.
    pub fn knows(&self, token: &str) -> bool {
        self.find(&digest(token)).is_some()
    }

    /// The service whose token has this digest. Takes the same time whichever it is, if any.
    pub(super) fn find(&self, digest: &Digest) -> Option<Known> {
        let files = self.followed.iter().map(|file| by_token(&file.get(), digest));
        files.fold(by_token(&self.entries, digest), Option::or)
    }

    /// The service that bears one of these names; it has the rights of each of its lines.
    /// Names of several services are a contradiction.
    pub(super) fn certified(&self, names: &Names) -> Result<Option<Known>, Ambiguous> {
        let mut found = None;
        for file in &self.followed {
            by_name(&file.get(), names, &mut found)?;
        }
        by_name(&self.entries, names, &mut found)?;
        Ok(found)
    }
}

/// A certificate bears the names of several services.
pub(super) struct Ambiguous;

fn by_token(entries: &[Entry], digest: &Digest) -> Option<Known> {
    let mut found = u32::MAX;
    for (index, entry) in (0..).zip(entries) {
        if let Proof::Token(token) = &entry.proof {
            found.conditional_assign(&index, token.ct_eq(digest));
        }
    }
    entries.get(found as usize).map(|entry| entry.service.clone())
}

fn by_name(entries: &[Entry], names: &Names, found: &mut Option<Known>) -> Result<(), Ambiguous> {
    let bears = |entry: &&Entry| matches!(&entry.proof, Proof::Certificate(name) if names.iter().any(|other| other == name));
    for Entry { service, .. } in entries.iter().filter(bears) {
        match found {
            Some(other) if other.name != service.name => return Err(Ambiguous),
            Some(other) => other.and(service),
            None => *found = Some(service.clone()),
        }
    }
    Ok(())
}

fn read(path: &Path) -> anyhow::Result<Vec<Entry>> {
    let at = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read service tokens from {at}"))?;
    // Hashes can't be turned back, but whoever may read them may often write them too.
    if is_open_to_all(path) {
        tracing::warn!(path = %at, "everybody on this machine may read the service tokens");
    }
    parse(&text).with_context(|| format!("service tokens in {at}"))
}

/// The entries of a file's text.
fn parse(text: &str) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::<Entry>::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let entry = parse_line(line).with_context(|| format!("line {number}"))?;
        let twice = entries.iter().any(|other| other.proof == entry.proof);
        ensure!(!twice, "line {number}: the same token or name stands above");
        entries.push(entry);
    }
    Ok(entries)
}

impl fmt::Debug for ServiceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut list = f.debug_list();
        let names =
            |entries: &[Entry]| entries.iter().map(|entry| entry.service.name.clone()).collect::<Vec<_>>();
        list.entries(names(&self.entries));
        for file in &self.followed {
            list.entries(names(&file.get()));
        }
        list.finish()
    }
}

/// SHA-256 of a token, as it is looked up and stored: tokens themselves are kept nowhere.
pub fn digest(token: &str) -> Digest {
    <Sha256 as sha2::Digest>::digest(token).into()
}

fn parse_line(line: &str) -> anyhow::Result<Entry> {
    let mut words = line.split_whitespace();
    let (Some(name), Some(proof)) = (words.next(), words.next()) else {
        bail!("expected `name sha256-hex|dns:name|uri:name`, and its rights");
    };
    let rights = words.map(parse_right).collect::<anyhow::Result<_>>()?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ensure!(name.len() <= 32 && name.bytes().all(plain), "a name has at most 32 of a-z, 0-9 and -");
    let proof = match read_name(proof) {
        Some(named) => Proof::Certificate(named.map_err(anyhow::Error::msg)?),
        None => Proof::Token(parse_hex(proof).context("the hash isn't 64 hex digits")?),
    };
    Ok(Entry { proof, service: Known { name: name.into(), rights } })
}

fn parse_right(word: &str) -> anyhow::Result<&'static str> {
    let known = RIGHTS.into_iter().find(|right| *right == word);
    known.with_context(|| {
        format!("after the hash or the certificate's name, only rights may stand: {RIGHTS:?}")
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `test`.
    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn tokens(text: &str) -> anyhow::Result<ServiceTokens> {
        Ok(ServiceTokens { entries: parse(text)?, followed: Vec::new() })
    }

    /// Name and right of the service that bears these names; nothing where they are several services'.
    fn certified(tokens: &ServiceTokens, names: &[&str]) -> Option<Option<(String, bool)>> {
        let found = tokens.certified(&Names::from_list(names)).ok()?;
        Some(found.map(|known| (known.name.to_string(), known.acts_for_users())))
    }

    #[test]
    fn lines_name_services() {
        let text =
            format!("# ours\n\nmedia {HASH} # no more\n  gateway\t{}  act-for-users\n", "0".repeat(64));
        let tokens = tokens(&text).unwrap();
        let media = tokens.find(&digest("test")).unwrap();
        assert_eq!((&*media.name, &*media.rights), ("media", [].as_slice()));
        let gateway = tokens.find(&[0; 32]).unwrap();
        assert_eq!((&*gateway.name, &*gateway.rights), ("gateway", [ACT_FOR_USERS].as_slice()));
        assert_eq!(tokens.find(&[1; 32]), None);
        assert_eq!(ServiceTokens::none().find(&[0; 32]), None);
        assert!(tokens.knows("test") && !tokens.knows("Test"));
    }

    #[test]
    fn lines_name_certificates() {
        let text = "gateway dns:Gateway.example.org act-for-users\ngateway uri:spiffe://example.org/gateway\n\
                    media dns:media.example.org\n";
        let tokens = tokens(text).unwrap();
        let [gateway, media] = ["dns:gateway.example.org", "dns:media.example.org"];
        let of_gateway = |acts| Some(Some(("gateway".to_owned(), acts)));
        assert_eq!(certified(&tokens, &[gateway]), of_gateway(true));
        assert_eq!(certified(&tokens, &["uri:spiffe://example.org/gateway"]), of_gateway(false));
        assert_eq!(certified(&tokens, &["uri:spiffe://example.org/gateway", gateway]), of_gateway(true));
        assert_eq!(certified(&tokens, &[media, "dns:x"]), Some(Some(("media".to_owned(), false))));
        assert_eq!(certified(&tokens, &["dns:x", "uri:gateway.example.org"]), Some(None));
        assert_eq!(certified(&tokens, &[]), Some(None));
        assert_eq!(certified(&tokens, &[gateway, media]), None);
    }

    #[test]
    fn a_service_has_the_rights_that_it_is_given_and_no_others() {
        let text = format!(
            "bot dns:a.example.org revoke-sessions\nbot dns:b.example.org act-for-users revoke-sessions\n\
             bot {HASH} revoke-sessions act-for-users\n"
        );
        let tokens = tokens(&text).unwrap();
        let rights = |names: &[&str]| {
            let service = tokens.certified(&Names::from_list(names)).ok().flatten();
            service.unwrap().rights.to_vec()
        };
        let [a, b] = ["dns:a.example.org", "dns:b.example.org"];
        assert_eq!(rights(&[a]), ["revoke-sessions"]);
        assert_eq!(rights(&[a, b]), rights(&[b, a]));
        assert_eq!(rights(&[b]), [ACT_FOR_USERS, "revoke-sessions"]);
        let by_token = tokens.find(&digest("test")).unwrap();
        assert!(by_token.acts_for_users() && by_token.rights.contains(&"revoke-sessions"));
        assert_eq!(rights(&[a, b]).len(), 2);
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
            format!("media {HASH} revoke_sessions"),
            format!("media {HASH}\nother {HASH}"),
            "media dns:".to_owned(),
            "media dns:*.example.org".to_owned(),
            "media uri:media".to_owned(),
            "media dns:a\nother dns:A".to_owned(),
        ] {
            let error = format!("{:#}", parse(&format!("# first\n{line}")).err().unwrap());
            assert!(error.contains("line 2") || error.contains("line 3"), "{line}: {error}");
            assert!(!error.contains(short), "{error}");
        }
    }

    #[tokio::test]
    async fn two_tokens_are_good_until_one_is_taken_out() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let write = |tokens: &[&str]| {
            let hex = |token: &str| digest(token).map(|byte| format!("{byte:02x}")).concat();
            let lines: Vec<_> = tokens.iter().map(|token| format!("media {}\n", hex(token))).collect();
            fs::write(file.path(), lines.concat()).unwrap();
        };
        let settled = async |tokens: &ServiceTokens, known: &[bool; 2]| {
            let become_so = async {
                while ["old", "new"].map(|token| tokens.knows(token)) != *known {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(30), become_so).await.expect("it isn't read anew");
        };
        write(&["old"]);
        let tokens = ServiceTokens::follow(file.path(), Duration::from_millis(1)).unwrap();
        let tokens = ServiceTokens::none().with("bot", "bot", false).and(tokens);
        assert_eq!((tokens.len(), format!("{tokens:?}")), (2, "[\"bot\", \"media\"]".to_owned()));
        settled(&tokens, &[true, false]).await;
        write(&["old", "new"]);
        settled(&tokens, &[true, true]).await;
        write(&["new"]);
        settled(&tokens, &[false, true]).await;
        assert!(tokens.knows("bot"));
    }

    #[test]
    fn tokens_and_hashes_are_not_shown() {
        let tokens = ServiceTokens::none().with("gateway", "test", true);
        assert_eq!(format!("{tokens:?}"), "[\"gateway\"]");
        assert_eq!(tokens.find(&parse_hex(HASH).unwrap()).unwrap().name, "gateway".into());
    }
}
