//! A Redis for one test alone, and people in a room.

use std::{future::Future, time::Duration};

use clap::Parser;
use gochat_domain::{
    ClientId, Entry, InvitationToken, Millis, NickName, RoomId, Subject, Uid,
    rules::{Due, Invite, Rule},
};
use gochat_proto::view::RoomView;
use gochat_store::{
    DueEntry, Login, NewRoom, Request, Result, Store, StoreArgs,
    keys::{self, RoomKeys},
};
use gochat_suite::{PrivateRedis, private_redis::Options};
use redis::{AsyncCommands, AsyncConnectionConfig, aio::MultiplexedConnection};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    store: StoreArgs,
}

/// Arguments of a store with the cap of its logs lifted, so that histories can be replayed.
pub(crate) fn args(url: &str) -> StoreArgs {
    let flags = ["test", "--redis-url", url, "--log-least", "1000000", "--log-most", "1000000"];
    Flags::parse_from(flags).store
}

/// A store on a Redis of its own.
pub(crate) struct World {
    pub(crate) redis: PrivateRedis,
    pub(crate) store: Store,
    pub(crate) raw: MultiplexedConnection,
}

impl World {
    pub(crate) async fn start() -> Self {
        let redis = PrivateRedis::start(&Options { ephemeral: true, data_dir: None }).await.unwrap();
        let store = Store::open(args(redis.url())).await.unwrap();
        let client = redis::Client::open(redis.url()).unwrap();
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(Duration::from_secs(10)));
        let raw = client.get_multiplexed_async_connection_with_config(&patient).await.unwrap();
        Self { redis, store, raw }
    }

    pub(crate) async fn user(&self, name: &str) -> Uid {
        self.store.login(&login(name)).await.unwrap().uid
    }

    pub(crate) async fn people(&self, count: usize) -> Vec<Uid> {
        let mut people = Vec::with_capacity(count);
        for n in 0..count {
            people.push(self.user(&format!("user {n}")).await);
        }
        people
    }

    /// Opens a room for so many members and seats.
    pub(crate) async fn room(&self, host: Uid, members: u32, seats: u32) -> RoomId {
        let entered = self.store.create(host, ClientId::default(), self.new_room(members, seats), None).await;
        entered.unwrap().room.room_id.parse().unwrap()
    }

    pub(crate) fn new_room(&self, members: u32, seats: u32) -> NewRoom {
        NewRoom { subject: Subject::parse("tea").unwrap(), limits: self.store.args().limits(members, seats) }
    }

    /// By Redis's clock, in milliseconds.
    pub(crate) async fn time(&self) -> u64 {
        let (seconds, micros): (u64, u64) =
            redis::cmd("TIME").query_async(&mut self.raw.clone()).await.unwrap();
        seconds * 1_000 + micros / 1_000
    }

    pub(crate) async fn join(&self, uid: Uid, room: RoomId) {
        self.store.join(uid, room, ClientId::default(), None).await.unwrap();
    }

    pub(crate) async fn invite(&self, room: RoomId, host: Uid, target: Uid) -> InvitationToken {
        let token = InvitationToken(format!("for {target}"));
        let lifetime = Duration::from_secs(60);
        let rule = Invite { caller: host, target, token: token.clone(), lifetime };
        self.store.transact(room, &rule, None, |_, _| ()).await.unwrap();
        token
    }

    /// Decides and commits; gives the revision after it.
    pub(crate) async fn act(&self, room: RoomId, rule: impl Rule) -> Result<u64> {
        let committed = self.store.transact(room, &rule, None, |_, _| ()).await?;
        Ok(committed.place.revision)
    }

    /// The room as everybody may see it.
    pub(crate) async fn view(&self, room: RoomId) -> RoomView {
        self.store.snapshot(room).await.unwrap().unwrap().view
    }

    /// Which of these rooms somebody is in, and by which entry.
    pub(crate) async fn stays(&self, uid: Uid, rooms: &[RoomId]) -> Vec<(RoomId, Entry)> {
        let mut stays = Vec::new();
        for room in rooms {
            let members = self.view(*room).await.members;
            stays.extend(members.get(&uid.get()).map(|member| (*room, Entry(member.entry))));
        }
        stays
    }

    /// The leases of somebody in these rooms.
    pub(crate) async fn leases(&self, uid: Uid, rooms: &[RoomId]) -> Vec<(RoomId, Entry)> {
        let mut leases = Vec::new();
        for room in rooms {
            let deadlines = self.deadlines(*room).await;
            leases.extend(deadlines.into_iter().filter_map(|entry| match entry.due {
                Due::Lease(whose, number) if whose == uid => Some((*room, number)),
                _ => None,
            }));
        }
        leases
    }

    /// What somebody holds, as their hash has it.
    pub(crate) async fn held(&self, uid: Uid) -> Option<(RoomId, Entry)> {
        let held: Option<String> = self.raw.clone().hget(keys::user(uid), "held").await.unwrap();
        let (number, room) = held.as_deref()?.split_once(' ')?;
        (!room.is_empty()).then(|| (room.parse().unwrap(), Entry(number.parse().unwrap())))
    }

    /// All deadlines of a room.
    pub(crate) async fn deadlines(&self, room: RoomId) -> Vec<DueEntry> {
        let key = RoomKeys::new(room, self.store.args().partitions).due();
        let names: Vec<(String, i64)> = self.raw.clone().zrange_withscores(key, 0, -1).await.unwrap();
        let deadlines = names.iter().map(|(name, deadline)| {
            let (room, due) = keys::parse_due(name).unwrap();
            DueEntry { room, due, deadline: Millis(*deadline) }
        });
        deadlines.filter(|entry| entry.room == room).collect()
    }

    /// Has the deadlines of a closed room done as if they had passed: none stays.
    pub(crate) async fn forget_deadlines(&self, room: RoomId) {
        for entry in self.deadlines(room).await {
            assert!(self.store.expire(entry).await.unwrap(), "{entry:?}");
        }
        assert_eq!(self.deadlines(room).await, [], "of a closed room");
    }
}

pub(crate) fn login(name: &str) -> Login {
    Login { nick_name: NickName::parse(name).unwrap(), avatar: String::new(), external: None }
}

pub(crate) fn request(caller: Uid, id: &str) -> Request {
    Request { caller, id: id.to_owned(), digest: 1 }
}

/// Does many things at once, and gives what came of each.
pub(crate) async fn at_once<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = tasks.into_iter().map(tokio::spawn).collect();
    let mut answers = Vec::with_capacity(tasks.len());
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}
