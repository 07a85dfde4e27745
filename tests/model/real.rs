//! The store on a Redis of its own, and people who use it as the services do.

use std::collections::BTreeMap;

use clap::Parser;
use gochat_domain::{
    ClientId, InvitationToken, NickName, RoomId, Subject, Uid,
    rules::{
        BanTerms, Close, HostLoss, Invite, LeaveStage, LowerAllHands, LowerHand, MuteAll, RaiseHand,
        RemoveMember, Respond, Rule, SecondClient, SetMic, TransferHost, Unban, WithdrawInvitation,
    },
};
use gochat_proto::model::{self, Refusal};
use gochat_store::{
    Cursor, Digest, DueEntry, Entered, Error, Login, NewRoom, Order, Reaper, Request, Store, StoreArgs,
};
use gochat_suite::{PrivateRedis, private_redis::Options};
use redis::aio::MultiplexedConnection;
use std::time::Duration;

use crate::{
    act::{Act, Answer, Answered, Chance, Deed, List},
    casting::{CAST, nick},
    house::{Settings, stay::REASON},
    passing::pass,
};

/// What a store is opened with: all that ends does so at half minutes.
const FLAGS: [&str; 20] = [
    "--partitions",
    "4",
    "--lease",
    "150s",
    "--host-grace",
    "60s",
    "--invitation",
    "90s",
    "--session",
    "750s",
    "--member-limit",
    "5",
    "--member-limit-max",
    "6",
    "--seat-limit",
    "2",
    "--seat-limit-max",
    "3",
    "--log-least",
    "1000000",
];

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    store: StoreArgs,
}

/// Why a deed has no answer that could be compared.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The machine was too busy: nothing is known of the deed.
    Away(String),
    /// A fault.
    Fault(String),
}

impl From<redis::RedisError> for Trouble {
    fn from(error: redis::RedisError) -> Self {
        Self::from(Error::from(error))
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(_) => Self::Away(error.to_string()),
            _ => Self::Fault(error.to_string()),
        }
    }
}

/// A person's token, and where the last page of a list ended.
#[derive(Default)]
struct Person {
    uid: Option<Uid>,
    token: String,
    cursor: Option<(RoomId, List, Cursor)>,
}

/// A Redis, and stores of every setting on it.
pub(crate) struct Stage {
    _redis: PrivateRedis,
    stores: Vec<(Settings, Store)>,
    raw: MultiplexedConnection,
}

impl Stage {
    pub(crate) async fn build() -> Self {
        let redis = PrivateRedis::start(&Options { ephemeral: true, data_dir: None }).await.unwrap();
        let mut stores = Vec::new();
        for (promotes, rejects) in [(false, false), (false, true), (true, false), (true, true)] {
            let url = ["model", "--redis-url", redis.url(), "--log-most", "1000000"];
            let mut args = Flags::parse_from(url.into_iter().chain(FLAGS)).store;
            args.host_loss = if promotes { HostLoss::Promote } else { HostLoss::Close };
            args.second_client = if rejects { SecondClient::Reject } else { SecondClient::TakeOver };
            stores.push((Settings { promotes, rejects }, Store::open(args).await.unwrap()));
        }
        let client = redis::Client::open(redis.url()).unwrap();
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        let raw = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
        Self { _redis: redis, stores, raw }
    }
}

/// One case's world: everybody has just logged in.
pub(crate) struct Real {
    pub(crate) store: Store,
    pub(crate) raw: MultiplexedConnection,
    people: Vec<Person>,
    rooms: BTreeMap<RoomId, u64>,
}

impl Real {
    pub(crate) async fn begin(stage: &Stage, settings: Settings) -> Result<Self, Trouble> {
        let mut raw = stage.raw.clone();
        redis::cmd("FLUSHALL").query_async::<()>(&mut raw).await?;
        let found = stage.stores.iter().find(|(of, _)| *of == settings);
        let (_, store) = found.unwrap();
        let people = (0..CAST).map(|_| Person::default()).collect();
        let mut real = Self { store: store.clone(), raw, people, rooms: BTreeMap::new() };
        for who in 0..CAST {
            real.log_in(who, &nick(who)).await?.map_err(|refusal| Trouble::Fault(format!("{refusal:?}")))?;
        }
        Ok(real)
    }

    pub(crate) fn uids(&self) -> Vec<Uid> {
        self.people.iter().filter_map(|person| person.uid).collect()
    }

    /// By Redis's clock, in milliseconds.
    pub(crate) async fn time(&mut self) -> Result<i64, Trouble> {
        let (seconds, micros): (i64, i64) = redis::cmd("TIME").query_async(&mut self.raw).await?;
        Ok(seconds * 1_000 + micros / 1_000)
    }

    /// Does a deed; gives the answer, and what chance had a hand in.
    pub(crate) async fn perform(&mut self, deed: &Deed) -> Result<(Answered, Chance), Trouble> {
        let before = self.time().await?;
        let answered = self.act(deed).await?;
        let after = self.time().await?;
        let opened = match (&deed.act, &answered) {
            (Act::Create { .. }, Ok(Answer::Entered { room, .. })) => room.room_id.parse().ok(),
            _ => None,
        };
        if let Some(room) = opened {
            self.rooms.entry(room).or_default();
        }
        let commits = self.commits().await?;
        Ok((answered, Chance { before, after, commits, opened }))
    }

    /// What was committed since this was last asked, in any room.
    async fn commits(&mut self) -> Result<Vec<model::Commit>, Trouble> {
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        let places = self.store.places(&rooms).await?;
        let mut commits = Vec::new();
        for (room, place) in rooms.into_iter().zip(places) {
            let known = self.rooms.entry(room).or_default();
            let now = place.map_or(*known, |place| place.revision);
            if now != *known {
                commits.extend(self.store.tail(room, now, now - *known).await?);
                *known = now;
            }
        }
        Ok(commits)
    }

    /// The deadlines that have passed.
    pub(crate) async fn sweep(&mut self) -> Result<Vec<DueEntry>, Trouble> {
        let sweeps = self.store.sweep(Reaper(1), rand::random(), 1_000).await?;
        Ok(sweeps.into_iter().flat_map(|sweep| sweep.due).collect())
    }

    async fn act(&mut self, deed: &Deed) -> Result<Answered, Trouble> {
        match &deed.act {
            Act::Pass { ms } => {
                pass(&mut self.raw, *ms).await?;
                return Ok(Ok(Answer::Done));
            }
            Act::Expire { entry } => return answered(self.store.expire(entry.0).await.map(Answer::Expired)),
            Act::Login { nick } => return self.log_in(deed.by, nick).await,
            _ => {}
        }
        // As a server's gate does.
        let person = &self.people[deed.by];
        let Some(uid) = self.store.session(Digest::of(&person.token)).await? else {
            return Ok(Err(Refusal::NotLoggedIn));
        };
        match &deed.act {
            Act::Logout => answered(self.store.logout(uid).await.map(|()| Answer::Done)),
            Act::Heartbeat { room } => {
                let stay = |stay: gochat_store::Stay| (stay.room, stay.place.into(), stay.roster_revision);
                let presence = self.store.heartbeat(uid, *room).await;
                answered(presence.map(|presence| Answer::Staying(presence.stay.map(stay))))
            }
            Act::Create { .. } | Act::Join { .. } => self.enter(deed, uid).await,
            Act::Members { .. } | Act::Bans { .. } | Act::Room { .. } | Act::Rooms { .. } => {
                self.read(deed, uid).await
            }
            act => self.mutate(deed, uid, act).await,
        }
    }

    async fn log_in(&mut self, who: usize, name: &str) -> Result<Answered, Trouble> {
        let nick_name = NickName::parse(name).unwrap();
        let external = Some(("model".to_owned(), who.to_string()));
        let login = Login { nick_name, avatar: format!("{name}.png"), external };
        match self.store.login(&login).await {
            Ok(logged_in) => {
                let former = std::mem::replace(&mut self.people[who].token, logged_in.token);
                if self.store.session(Digest::of(&former)).await?.is_some() {
                    return Err(Trouble::Fault("a session goes on after a later login".to_owned()));
                }
                self.people[who].uid = Some(logged_in.uid);
                Ok(Ok(Answer::LoggedIn(logged_in.uid)))
            }
            Err(error) => refused(error),
        }
    }

    async fn enter(&self, deed: &Deed, uid: Uid) -> Result<Answered, Trouble> {
        let request = request(deed, uid);
        let store = &self.store;
        let entered = match &deed.act {
            Act::Create { subject, client, members, seats } => {
                let limits = store.args().limits(*members, *seats);
                let new = NewRoom { subject: Subject::parse(subject).unwrap(), limits };
                store.create(uid, ClientId::parse(client).unwrap(), new, request.as_ref()).await
            }
            Act::Join { room, client } => {
                store.join(uid, *room, ClientId::parse(client).unwrap(), request.as_ref()).await
            }
            other => unreachable!("{other:?} enters no room"),
        };
        answered(entered.map(|Entered { place, room, member }| Answer::Entered { place, room, member }))
    }

    async fn mutate(&self, deed: &Deed, uid: Uid, act: &Act) -> Result<Answered, Trouble> {
        let (caller, room) = (uid, act.room().unwrap());
        let target = |whom: &usize| self.people[*whom].uid.unwrap();
        let token = |token: &String| InvitationToken(token.clone());
        match act {
            Act::Leave { .. } => {
                let left = self.store.leave(uid, room, request(deed, uid).as_ref()).await;
                answered(left.map(|left| Answer::Place(left.place.into())))
            }
            Act::Close { .. } => self.decide(deed, Close { caller }).await,
            Act::RaiseHand { .. } => self.decide(deed, RaiseHand { caller }).await,
            Act::LowerHand { whom, .. } => {
                self.decide(deed, LowerHand { caller, target: target(whom) }).await
            }
            Act::LowerAllHands { .. } => self.decide(deed, LowerAllHands { caller }).await,
            Act::Invite { whom, token: shown, .. } => {
                let lifetime = self.store.args().invitation;
                self.decide(deed, Invite { caller, target: target(whom), token: token(shown), lifetime })
                    .await
            }
            Act::Withdraw { whom, .. } => {
                self.decide(deed, WithdrawInvitation { caller, target: target(whom) }).await
            }
            Act::Respond { token: shown, accept, .. } => {
                self.decide(deed, Respond { caller, token: token(shown), accept: *accept }).await
            }
            Act::LeaveStage { whom, .. } => {
                self.decide(deed, LeaveStage { caller, target: target(whom) }).await
            }
            Act::SetMic { whom, on, .. } => {
                self.decide(deed, SetMic { caller, target: target(whom), on: *on }).await
            }
            Act::MuteAll { .. } => self.decide(deed, MuteAll { caller }).await,
            Act::Remove { whom, ban, .. } => {
                let terms = |ms: Option<i64>| BanTerms {
                    duration: ms.map(|ms| Duration::from_millis(ms as u64)),
                    reason: REASON.to_owned(),
                };
                self.decide(deed, RemoveMember { caller, target: target(whom), ban: ban.map(terms) }).await
            }
            Act::Unban { whom, .. } => self.decide(deed, Unban { caller, target: target(whom) }).await,
            Act::Transfer { whom, .. } => {
                self.decide(deed, TransferHost { caller, target: target(whom) }).await
            }
            other => unreachable!("{other:?} changes no room"),
        }
    }

    async fn decide(&self, deed: &Deed, rule: impl Rule) -> Result<Answered, Trouble> {
        let room = deed.act.room().unwrap();
        let request = self.people[deed.by].uid.and_then(|uid| request(deed, uid));
        let committed = self.store.transact(room, &rule, request.as_ref(), |_, _| ()).await;
        answered(committed.map(|committed| Answer::Place(committed.place.into())))
    }

    async fn read(&mut self, deed: &Deed, uid: Uid) -> Result<Answered, Trouble> {
        match &deed.act {
            Act::Room { room } => {
                answered(self.store.room(*room).await.map(|found| Answer::Room(found.place, found.room)))
            }
            Act::Rooms { until, most } => answered(self.store.rooms(*until, *most).await.map(Answer::Rooms)),
            Act::Bans { room, size } => self.bans(*room, uid, *size).await,
            Act::Members { room, list, size, skip, go_on } => {
                let person = &mut self.people[deed.by];
                let cursor = person.cursor.filter(|held| *go_on && (held.0, held.1) == (*room, *list));
                let order = match list {
                    List::All => Order::All,
                    List::Hands => Order::Hands,
                    List::Stage => Order::Stage,
                };
                let from = cursor.map(|held| held.2);
                match self.store.members(*room, Some(uid), order, from, *skip, *size).await {
                    Ok(page) => {
                        person.cursor = page.next.map(|next| (*room, *list, next));
                        Ok(Ok(Answer::Members {
                            members: page.members.iter().map(Into::into).collect(),
                            more: page.next.is_some(),
                            place: page.place.into(),
                            roster_revision: page.roster_revision,
                        }))
                    }
                    Err(error) => refused(error),
                }
            }
            other => unreachable!("{other:?} reads nothing"),
        }
    }

    /// All pages, one after another.
    async fn bans(&self, room: RoomId, uid: Uid, size: usize) -> Result<Answered, Trouble> {
        let (mut bans, mut from) = (Vec::new(), None);
        loop {
            let page = match self.store.bans(room, Some(uid), from, size).await {
                Ok(page) => page,
                Err(error) => return refused(error),
            };
            if page.bans.len() > size {
                return Err(Trouble::Fault(format!("a page of {size} bans has {}", page.bans.len())));
            }
            bans.extend(page.bans.iter().map(|(uid, ban)| model::Ban::of(*uid, ban)));
            match page.next {
                Some(next) => from = Some(next),
                None => return Ok(Ok(Answer::Bans(bans))),
            }
        }
    }
}

fn request(deed: &Deed, caller: Uid) -> Option<Request> {
    let id = deed.once.clone()?;
    Some(Request { caller, id, digest: deed.act.digest() })
}

fn answered(answer: gochat_store::Result<Answer>) -> Result<Answered, Trouble> {
    answer.map_or_else(refused, |answer| Ok(Ok(answer)))
}

/// A refusal is an answer; anything else is trouble.
fn refused(error: Error) -> Result<Answered, Trouble> {
    match error {
        Error::Refused(refusal) => Ok(Err(refusal.into())),
        Error::NotLoggedIn => Ok(Err(Refusal::NotLoggedIn)),
        Error::RequestIdReused => Ok(Err(Refusal::RequestIdReused)),
        Error::Conflict => Err(Trouble::Fault("nobody else was there to conflict with".to_owned())),
        error => Err(error.into()),
    }
}
