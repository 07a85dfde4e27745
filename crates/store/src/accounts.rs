//! Who somebody is: sessions, nick names, and that they are still there.

use std::fmt;

use gochat_domain::{Entry, LeaveReason, NickName, Place, Refusal, RoomId, Uid};
use redis::cmd;
use sha2::{Digest as _, Sha256};

use crate::{
    Error, Result, Store,
    follow::Revoked,
    keys::{self, field},
    load::{Bytes, number, tag},
    record::read_head,
};

/// How long a service's own id for somebody is remembered after the last login.
const EXTERNAL_MS: u64 = 90 * 24 * 60 * 60 * 1_000;
/// How often a random user id that is taken is drawn again.
const DRAWS: usize = 8;

/// The SHA-256 of a token: all that is ever stored of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of a token or another text.
    pub fn of(text: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(text.as_ref()).into())
    }

    /// Its first eight bytes as a number.
    pub(crate) fn number(self) -> u64 {
        self.0.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Reads what `Display` wrote.
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Somebody about to log in.
#[derive(Clone, Debug)]
pub struct Login {
    /// Their name.
    pub nick_name: NickName,
    /// Their picture.
    pub avatar: String,
    /// The name of the service that logs them in, and its own id for them.
    pub external: Option<(String, String)>,
}

/// Somebody who is logged in now.
pub struct LoggedIn {
    /// Who.
    pub uid: Uid,
    /// What proves it: 64 hex digits. Given out here and kept nowhere.
    pub token: String,
}

/// A user as the store knows them.
#[derive(Clone, Debug)]
pub struct User {
    /// Their name.
    pub nick_name: NickName,
    /// Their picture.
    pub avatar: String,
}

/// What a heartbeat found.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// The room that the user is in.
    pub stay: Option<Stay>,
}

/// A user's stay in a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Stay {
    /// Which room.
    pub room: RoomId,
    /// Where it stands.
    pub place: Place,
    /// The last revision at which somebody came or went.
    pub roster_revision: u64,
}

/// A user's session, nick name's key, and what they hold.
type Account = (Option<String>, Option<String>, Option<String>);

impl Store {
    /// Takes a nick name and opens a session.
    ///
    /// # Errors
    /// [`Refusal::NickNameInUse`].
    pub async fn login(&self, login: &Login) -> Result<LoggedIn> {
        let known = match &login.external {
            Some((service, id)) => Some(self.external_uid(service, id).await?),
            None => None,
        };
        for _ in 0..DRAWS {
            let uid = known.map_or_else(random_uid, Ok)?;
            let nick = keys::nick(&Digest::of(login.nick_name.folded()).to_string());
            self.take_nick(&nick, uid).await?;
            let token = Digest(rand::random()).to_string();
            let session = Digest::of(&token).to_string();
            let Some((former, former_nick)) =
                self.enrol(uid, known.is_none(), login, &nick, &session).await?
            else {
                self.release_nick(&nick, uid).await?;
                continue;
            };
            let mut open = cmd("SET");
            open.arg(keys::session(&session)).arg(uid.get()).arg("PX").arg(self.session_ms());
            self.redis.command::<()>(&open).await?;
            if !former.is_empty() {
                self.end_session(&former).await?;
            }
            if !former_nick.is_empty() && former_nick != nick {
                self.release_nick(&former_nick, uid).await?;
            }
            return Ok(LoggedIn { uid, token });
        }
        Err(Error::Conflict)
    }

    /// The user whose token has this digest.
    pub async fn session(&self, digest: Digest) -> Result<Option<Uid>> {
        let uid: Option<u32> = self.redis.command(cmd("GET").arg(keys::session(&digest.to_string()))).await?;
        uid.map(|uid| uid.try_into().map_err(|why| Error::Unreadable(format!("session: {why}")))).transpose()
    }

    /// Has `act` called with the token's SHA-256 of each session that ends from now on, on any
    /// process; with nothing where some may have ended unheard, so that none is to be believed
    /// without being looked up anew.
    pub fn on_revoked(&self, act: impl Fn(Option<[u8; 32]>) + Send + Sync + 'static) {
        self.feed.on_revoked(move |revoked| match revoked {
            Revoked::Session(digest) => act(Digest::parse(digest).map(|digest| digest.0)),
            Revoked::Unheard => act(None),
        });
    }

    /// Ends whatever session somebody has, as [`Store::logout`] does, but before anything else:
    /// whatever fails after that, the token is good for nothing more.
    pub async fn revoke_sessions(&self, uid: Uid) -> Result<()> {
        let session: Option<String> =
            self.redis.command(cmd("HGET").arg(keys::user(uid)).arg("session")).await?;
        if let Some(session) = session {
            self.end_session(&session).await?;
        }
        self.logout(uid).await
    }

    /// Leaves the room that the user is in, ends the session and gives up the nick name.
    pub async fn logout(&self, uid: Uid) -> Result<()> {
        let (session, nick, held): Account =
            self.redis.command(cmd("HMGET").arg(keys::user(uid)).arg(&["session", "nick", "held"])).await?;
        if let Some((_, room)) = held.as_deref().and_then(parse_held) {
            match self.release(uid, room, LeaveReason::LoggedOut, None).await {
                Ok(_) | Err(Error::Refused(Refusal::RoomNotFound)) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(nick) = nick {
            self.release_nick(&nick, uid).await?;
        }
        self.redis.command::<()>(cmd("DEL").arg(keys::user(uid))).await?;
        match session {
            Some(session) => self.end_session(&session).await,
            None => Ok(()),
        }
    }

    /// Renews the session, the nick name and the lease that the user holds; makes none.
    /// With a room, says whether the user is in that one.
    ///
    /// # Errors
    /// [`Error::NotLoggedIn`]; with a room [`Refusal::RoomNotFound`] and [`Refusal::NotInRoom`].
    pub async fn heartbeat(&self, uid: Uid, asked: Option<RoomId>) -> Result<Presence> {
        let mut read = redis::pipe();
        read.hmget(keys::user(uid), &["session", "nick", "held"]).pttl(keys::user(uid));
        let ((session, nick, held), left): (Account, i64) = self.redis.pipeline("presence", &read).await?;
        let (Some(session), Some(nick)) = (session, nick) else { return Err(Error::NotLoggedIn) };
        if left < (self.session_ms() / 2) as i64 {
            self.renew_session(uid, &session, &nick).await?;
        }
        let held = held.as_deref().and_then(parse_held);
        let stay = match (held, asked) {
            (Some((entry, room)), asked) if asked.is_none_or(|asked| asked == room) => {
                self.renew(uid, room, entry).await
            }
            (_, Some(asked)) => self.renew(uid, asked, Entry(0)).await,
            (_, None) => return Ok(Presence { stay: None }),
        };
        match stay {
            Err(Error::Refused(_)) if asked.is_none() => Ok(Presence { stay: None }),
            stay => Ok(Presence { stay: Some(stay?) }),
        }
    }

    /// Moves the lease of one entry, if it stands.
    async fn renew(&self, uid: Uid, room: RoomId, entry: Entry) -> Result<Stay> {
        let keys = self.keys(room);
        let (lease, grace) = (self.args.lease.as_millis() as u64, self.args.host_grace.as_millis() as u64);
        let mut call = self.scripts.renew.prepare_invoke();
        call.key(keys.due()).key(keys.hash());
        call.arg(keys::due_name(room, gochat_domain::rules::Due::Lease(uid, entry)));
        call.arg(lease).arg(lease + grace).arg(field::HOST).arg(uid.get());
        call.arg(&[field::HEAD, field::REV, field::TAG, field::ROSTER_REV]);
        let (stood, values): (bool, Vec<Bytes>) = self.redis.write("renew", &call).await?;
        let head = values[0].as_deref().map(read_head).transpose()?;
        if head.is_none_or(|head| head.closed) {
            return Err(Refusal::RoomNotFound.into());
        }
        if !stood {
            return Err(Refusal::NotInRoom.into());
        }
        let place = Place { revision: number(values[1].as_deref())?, tag: tag(values[2].as_deref())? };
        Ok(Stay { room, place, roster_revision: number(values[3].as_deref())? })
    }

    /// A session whose name has gone to somebody else ends, and so does one that is to end of
    /// age before the next heartbeat would come: by itself it would end without a word to anybody.
    async fn renew_session(&self, uid: Uid, session: &str, nick: &str) -> Result<()> {
        let mut prolong = self.scripts.prolong.prepare_invoke();
        prolong.key(keys::user(uid)).arg(self.session_ms()).arg("since").arg(self.session_max_ms());
        let left: u64 = self.redis.write("prolong", &prolong).await?;
        if left > self.args.heartbeat().as_millis() as u64 {
            let mut hold = self.scripts.hold.prepare_invoke();
            hold.key(nick).arg(uid.get()).arg(left);
            let named: bool = self.redis.write("hold", &hold).await?;
            let open: bool = self.redis.command(cmd("PEXPIRE").arg(keys::session(session)).arg(left)).await?;
            if named && open {
                return Ok(());
            }
        }
        self.logout(uid).await?;
        Err(Error::NotLoggedIn)
    }

    /// The same id of the same service gives the same uid.
    async fn external_uid(&self, service: &str, id: &str) -> Result<Uid> {
        let key = keys::external(&Digest::of(format!("{service}\0{id}")).to_string());
        let fresh = random_uid()?;
        match self.claim(&key, fresh, EXTERNAL_MS).await? {
            None => Ok(fresh),
            Some(uid) => {
                self.redis.command::<()>(cmd("PEXPIRE").arg(&key).arg(EXTERNAL_MS)).await?;
                uid.try_into().map_err(|why| Error::Unreadable(format!("external: {why}")))
            }
        }
    }

    async fn take_nick(&self, key: &str, uid: Uid) -> Result<()> {
        match self.claim(key, uid, self.session_ms()).await? {
            None => Ok(()),
            Some(holder) if holder == uid.get() => {
                self.redis.command(cmd("PEXPIRE").arg(key).arg(self.session_ms())).await
            }
            Some(_) => Err(Refusal::NickNameInUse.into()),
        }
    }

    /// Writes a user under a key that is free; else whoever has it.
    async fn claim(&self, key: &str, uid: Uid, ms: u64) -> Result<Option<u32>> {
        let mut claim = cmd("SET");
        claim.arg(key).arg(uid.get()).arg("NX").arg("GET").arg("PX").arg(ms);
        self.redis.command(&claim).await
    }

    async fn release_nick(&self, key: &str, uid: Uid) -> Result<()> {
        let mut call = self.scripts.hold.prepare_invoke();
        call.key(key).arg(uid.get()).arg(0);
        Ok(self.redis.write("hold", &call).await?)
    }

    /// Writes the user; the session and the nick name's key before, '' for none; nothing where the
    /// uid is taken.
    async fn enrol(
        &self,
        uid: Uid,
        must_be_new: bool,
        login: &Login,
        nick: &str,
        session: &str,
    ) -> Result<Option<(String, String)>> {
        let mut call = self.scripts.enrol.prepare_invoke();
        call.key(keys::user(uid))
            .arg(i32::from(must_be_new))
            .arg(self.session_ms())
            .arg("since")
            .arg("session")
            .arg("nick");
        call.arg("name").arg(login.nick_name.as_str()).arg("avatar").arg(&login.avatar);
        call.arg("nick").arg(nick).arg("session").arg(session);
        let (written, session, nick): (bool, String, String) = self.redis.write("enrol", &call).await?;
        Ok(written.then_some((session, nick)))
    }

    async fn end_session(&self, session: &str) -> Result<()> {
        self.redis.command::<()>(cmd("DEL").arg(keys::session(session))).await?;
        self.redis.command(cmd("PUBLISH").arg(keys::REVOKED).arg(session)).await
    }

    fn session_ms(&self) -> u64 {
        self.args.session.as_millis() as u64
    }

    fn session_max_ms(&self) -> u64 {
        self.args.session_max.as_millis() as u64
    }
}

/// Nine digits, as clients expect a user id to look.
fn random_uid() -> Result<Uid> {
    let number = rand::random_range(100_000_000..=999_999_999_u32);
    number.try_into().map_err(|why| Error::Unreadable(format!("uid: {why}")))
}

/// Reads what a user holds: `<entry> <room>`; none where the room has been left.
pub(crate) fn parse_held(held: &str) -> Option<(Entry, RoomId)> {
    let (entry, room) = held.split_once(' ')?;
    Some((Entry(entry.parse().ok()?), room.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_come_back() {
        let digest = Digest::of("token");
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        for text in ["", "00", &"g".repeat(64), &"é".repeat(32), &"+f".repeat(32)] {
            assert_eq!(Digest::parse(text), None);
        }
    }

    #[test]
    fn a_room_that_was_left_is_not_held() {
        assert_eq!(parse_held("12 123456789"), Some((Entry(12), "123456789".parse().unwrap())));
        assert_eq!(parse_held("12 "), None);
        assert_eq!(parse_held(""), None);
    }
}
