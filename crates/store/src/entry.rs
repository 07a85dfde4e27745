//! One room per user. Entering takes a number that is never given twice; whichever entry
//! has the higher one wins, in the room and in what the user holds.

use gochat_domain::{
    ClientId, Entry, LeaveReason, Limits, Millis, Refusal, RoomId, Subject, Uid,
    rules::{Create, Join, Leave, Load, Newcomer},
};
use gochat_proto::{model, room::JoinRoomResponse};
use redis::cmd;
use tokio::time::timeout;

use crate::{
    Committed, Error, Request, Result, Store, User,
    accounts::{Digest, parse_held},
    keys,
};

/// How long a create time stays reserved; no clock goes back further.
const RESERVED_MS: u64 = 60_000;
/// How many neighbours of a taken create time, or other numbers of a taken room, are tried.
const TRIES: u64 = 64;

/// A room about to be opened.
#[derive(Clone, Debug)]
pub struct NewRoom {
    /// What it is about.
    pub subject: Subject,
    /// How many it takes.
    pub limits: Limits,
}

/// Somebody who is in a room now.
#[derive(Clone, Debug, PartialEq)]
pub struct Entered {
    /// Where the room stood then.
    pub place: model::Place,
    /// The room then.
    pub room: model::Room,
    /// The one who entered.
    pub member: model::Member,
}

/// What became of an entry when it was to be held.
enum Settled {
    /// It is held; this was before.
    Held(Option<(Entry, RoomId)>),
    /// A later one is held.
    Overtaken,
    /// The user is gone.
    Gone,
}

impl Store {
    /// Opens a room; its creator leaves the one before.
    ///
    /// # Errors
    /// [`Refusal::NoRoomId`], [`Refusal::Overtaken`], [`Error::NotLoggedIn`].
    pub async fn create(
        &self,
        uid: Uid,
        client: ClientId,
        new: NewRoom,
        request: Option<&Request>,
    ) -> Result<Entered> {
        self.in_time(async {
            let newcomer = self.newcomer(uid, client).await?;
            let created_at = self.reserve_moment((newcomer.entry.0 / 1_000) as i64).await?;
            let NewRoom { subject, limits } = new;
            let rule = Create { host: newcomer, subject, limits, created_at };
            for attempt in 0..TRIES {
                let room = room_number(request, attempt);
                match self.transact(room, &rule, request, entered_reply(uid)).await {
                    Err(Error::Refused(Refusal::NoRoomId)) => {}
                    committed => return self.settle(uid, room, committed?).await,
                }
            }
            Err(Refusal::NoRoomId.into())
        })
        .await
    }

    /// Enters a room; leaves the one before.
    ///
    /// # Errors
    /// [`Refusal::RoomNotFound`], [`Refusal::AlreadyInRoom`], [`Refusal::Banned`],
    /// [`Refusal::RoomFull`], [`Refusal::Overtaken`], [`Error::NotLoggedIn`]. A refused
    /// join changes nothing: what was held is still held.
    pub async fn join(
        &self,
        uid: Uid,
        room: RoomId,
        client: ClientId,
        request: Option<&Request>,
    ) -> Result<Entered> {
        self.in_time(async {
            let second_client = self.args.second_client;
            let rule = Join { newcomer: self.newcomer(uid, client).await?, second_client };
            match self.transact(room, &rule, request, entered_reply(uid)).await {
                Err(Error::Refused(Refusal::AlreadyInRoom)) => self.take_up(&rule.newcomer, room).await,
                committed => self.settle(uid, room, committed?).await,
            }
        })
        .await
    }

    /// Leaves a room, if it is the one that the user holds; a host closes it by that.
    ///
    /// # Errors
    /// [`Refusal::RoomNotFound`].
    pub async fn leave(&self, uid: Uid, room: RoomId, request: Option<&Request>) -> Result<Committed<()>> {
        self.release(uid, room, LeaveReason::Left, request).await
    }

    /// Gives up a room that the user holds, then leaves it for this reason.
    pub(crate) async fn release(
        &self,
        uid: Uid,
        room: RoomId,
        reason: LeaveReason,
        request: Option<&Request>,
    ) -> Result<Committed<()>> {
        // What came before gives up nothing: the user may have entered again since.
        if let Some(request) = request
            && let Some(committed) = self.answered(room, request).await?
        {
            return Ok(committed);
        }
        let mut call = self.scripts.release.prepare_invoke();
        call.key(keys::user(uid)).arg(room.to_string());
        let number: u64 = self.redis.write("release", &call).await?;
        let rule = Leave { uid, entry: Some(Entry(number)), reason };
        self.transact(room, &rule, request, |_, _| ()).await
    }

    /// An entry that takes longer than a lease less a heartbeat might be reaped before it
    /// is answered: it is given up before that.
    async fn in_time<T>(&self, entering: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.args.lease - self.args.heartbeat(), entering)
            .await
            .unwrap_or_else(|_| Err(Error::Unavailable("entering took too long".to_owned())))
    }

    async fn newcomer(&self, uid: Uid, client: ClientId) -> Result<Newcomer> {
        let mut call = self.scripts.number.prepare_invoke();
        call.key(keys::user(uid)).arg(&["name", "avatar"]);
        let answer: Option<(u64, [Option<String>; 2])> = self.redis.write("number", &call).await?;
        let Some((number, [Some(name), Some(avatar)])) = answer else { return Err(Error::NotLoggedIn) };
        let User { nick_name, avatar } = read_user(&name, avatar)?;
        Ok(Newcomer { uid, nick_name, avatar, client, entry: Entry(number) })
    }

    /// A create time that no other room has.
    async fn reserve_moment(&self, first: i64) -> Result<Millis> {
        for ms in first..first + TRIES as i64 {
            let mut reserve = cmd("SET");
            reserve.arg(keys::created(ms)).arg(1).arg("NX").arg("PX").arg(RESERVED_MS);
            if self.redis.command(&reserve).await? {
                return Ok(Millis(ms));
            }
        }
        Err(Error::Conflict)
    }

    /// Makes a committed entry the one that the user holds, and ends whichever lost.
    async fn settle(
        &self,
        uid: Uid,
        room: RoomId,
        committed: Committed<JoinRoomResponse>,
    ) -> Result<Entered> {
        let entered = entered(committed)?;
        let entry = Entry(entered.member.entry);
        match self.hold(uid, room, entry).await? {
            Settled::Held(Some((former, before))) if before != room => {
                // Nothing is lost where this fails: that lease is renewed no more.
                if let Err(error) = self.leave_entry(uid, before, former, LeaveReason::Replaced).await {
                    tracing::warn!(%uid, room = %before, %error, "former room not left; its lease will end");
                }
                Ok(entered)
            }
            Settled::Held(_) => Ok(entered),
            Settled::Overtaken => {
                self.leave_entry(uid, room, entry, LeaveReason::Replaced).await?;
                Err(Refusal::Overtaken.into())
            }
            Settled::Gone => {
                self.leave_entry(uid, room, entry, LeaveReason::LoggedOut).await?;
                Err(Error::NotLoggedIn)
            }
        }
    }

    /// An entry of the same client that was cut off before it was held is held now.
    ///
    /// # Errors
    /// [`Refusal::AlreadyInRoom`] where none was cut off.
    async fn take_up(&self, newcomer: &Newcomer, room: RoomId) -> Result<Entered> {
        let uid = newcomer.uid;
        let loaded = self.load(room, &Load::people([uid]), None).await?.loaded;
        let member = loaded.people.get(&uid).and_then(|person| person.member.as_ref());
        let member = member.filter(|member| member.client == newcomer.client);
        let (Some(head), Some(member)) = (&loaded.head, member) else {
            return Err(Refusal::AlreadyInRoom.into());
        };
        if self.held(uid).await? == Some((member.entry, room)) {
            return Err(Refusal::AlreadyInRoom.into());
        }
        let reply = JoinRoomResponse {
            place: None,
            room: Some(model::Room::of(room, head, loaded.counts)),
            member: Some(member.into()),
        };
        self.settle(uid, room, Committed { place: loaded.place, reply }).await
    }

    async fn hold(&self, uid: Uid, room: RoomId, entry: Entry) -> Result<Settled> {
        let mut call = self.scripts.settle.prepare_invoke();
        call.key(keys::user(uid)).arg(entry.0).arg(room.to_string());
        let answer: Option<(bool, String)> = self.redis.write("settle", &call).await?;
        Ok(match answer {
            None => Settled::Gone,
            Some((true, former)) => Settled::Held(parse_held(&former)),
            // The same request came before.
            Some((false, held)) if parse_held(&held) == Some((entry, room)) => Settled::Held(None),
            Some((false, _)) => Settled::Overtaken,
        })
    }

    /// Ends one entry, and no other.
    async fn leave_entry(&self, uid: Uid, room: RoomId, entry: Entry, reason: LeaveReason) -> Result<()> {
        let rule = Leave { uid, entry: Some(entry), reason };
        match self.transact(room, &rule, None, |_, _| ()).await {
            Ok(_) | Err(Error::Refused(Refusal::RoomNotFound)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// The number of a room: of the request, where it has an id, so that it comes to the same
/// room again; else drawn.
fn room_number(request: Option<&Request>, attempt: u64) -> RoomId {
    let number = match request {
        None => rand::random(),
        Some(Request { caller, id, .. }) => Digest::of(format!("{caller}\0{id}\0{attempt}")).number(),
    };
    RoomId::from_number(number)
}

/// The room after an entry, and who entered.
fn entered_reply(
    uid: Uid,
) -> impl Fn(&gochat_domain::Loaded, &gochat_domain::Change) -> JoinRoomResponse + Send + Sync {
    move |loaded, change| {
        let mut counts = loaded.counts;
        let former = loaded.people.get(&uid).and_then(|person| person.member.as_ref());
        match former {
            None => counts.members += 1,
            Some(former) => counts.speakers -= u32::from(former.standing.is_guest_speaker()),
        }
        let head = change.head.as_ref().or(loaded.head.as_ref());
        JoinRoomResponse {
            place: None,
            room: head.map(|head| model::Room::of(loaded.room, head, counts)),
            member: change.members.get(&uid).and_then(Option::as_ref).map(Into::into),
        }
    }
}

fn entered(committed: Committed<JoinRoomResponse>) -> Result<Entered> {
    match committed.reply {
        JoinRoomResponse { room: Some(room), member: Some(member), .. } => {
            Ok(Entered { place: committed.place.into(), room, member })
        }
        _ => Err(Error::Unreadable("an entry names its room and member".to_owned())),
    }
}

fn read_user(name: &str, avatar: String) -> Result<User> {
    let nick_name =
        gochat_domain::NickName::parse(name).map_err(|why| Error::Unreadable(format!("nick name: {why}")))?;
    Ok(User { nick_name, avatar })
}
