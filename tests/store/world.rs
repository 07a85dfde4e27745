//! A Redis for one test alone, and people in a room.

use std::{future::Future, time::Duration};

use clap::Parser;
use gochat_domain::{ClientId, InvitationToken, NickName, RoomId, Subject, Uid, rules::Invite};
use gochat_store::{Login, NewRoom, Request, Store, StoreArgs};
use gochat_suite::{PrivateRedis, private_redis::Options};
use redis::aio::MultiplexedConnection;

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
        let raw = client.get_multiplexed_async_connection().await.unwrap();
        Self { redis, store, raw }
    }

    pub(crate) async fn user(&self, name: &str) -> Uid {
        self.store.login(&login(name)).await.unwrap().uid
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
