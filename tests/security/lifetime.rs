//! How long a session lives: as long as heartbeats come, but not for ever.

use std::time::Duration;

use clap::Parser;
use gochat_domain::{ClientId, NickName, RoomId, Subject, Uid};
use gochat_proto::model::{LeaveReason, event::Kind};
use gochat_store::{
    Digest, Error, LoggedIn, Login, NewRoom, Store, StoreArgs,
    keys::{self, RoomKeys},
};
use gochat_suite::{PrivateRedis, private_redis::Options};
use redis::{AsyncCommands, aio::MultiplexedConnection};

const SESSION: Duration = Duration::from_secs(100);
const MOST: Duration = Duration::from_secs(1_000);

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    store: StoreArgs,
}

/// A store on a Redis of its own.
struct Accounts {
    store: Store,
    raw: MultiplexedConnection,
    _redis: PrivateRedis,
}

impl Accounts {
    async fn start() -> Self {
        let redis = PrivateRedis::start(&Options { ephemeral: true, data_dir: None }).await.unwrap();
        let mut args = Flags::parse_from(["test", "--redis-url", redis.url()]).store;
        (args.session, args.session_max) = (SESSION, MOST);
        let store = Store::open(args).await.unwrap();
        let client = redis::Client::open(redis.url()).unwrap();
        let raw = client.get_multiplexed_async_connection().await.unwrap();
        Self { store, raw, _redis: redis }
    }

    async fn login(&self, name: &str) -> LoggedIn {
        let nick_name = NickName::parse(name).unwrap();
        self.store.login(&Login { nick_name, avatar: String::new(), external: None }).await.unwrap()
    }

    /// Somebody logged in so long ago, who has to renew the session now.
    async fn is_of_age(&self, uid: Uid, age: Duration) {
        let mut raw = self.raw.clone();
        let since: u64 = raw.hget(keys::user(uid), "since").await.unwrap();
        let since = since - u64::try_from(age.as_millis()).unwrap();
        let _: () = raw.hset(keys::user(uid), "since", since).await.unwrap();
        let _: () = raw.pexpire(keys::user(uid), 40_000).await.unwrap();
    }

    /// How long user, session and name live from now, in ms.
    async fn left(&self, who: &LoggedIn) -> [i64; 3] {
        let mut raw = self.raw.clone();
        let user = keys::user(who.uid);
        let nick: String = raw.hget(&user, "nick").await.unwrap();
        let session = keys::session(&Digest::of(&who.token).to_string());
        [raw.pttl(user).await.unwrap(), raw.pttl(session).await.unwrap(), raw.pttl(nick).await.unwrap()]
    }
}

#[tokio::test]
async fn heartbeats_prolong_a_session_up_to_an_age() {
    let accounts = Accounts::start().await;
    let ann = accounts.login("ann").await;
    for (age, most) in [(500, 100_000), (950, 50_000)] {
        accounts.is_of_age(ann.uid, Duration::from_secs(age)).await;
        accounts.store.heartbeat(ann.uid, None).await.unwrap();
        let left = accounts.left(&ann).await;
        assert!(left.iter().all(|ms| (most - 10_000..=most).contains(ms)), "{age} s old: {left:?}");
        let _: () = accounts.raw.clone().hincr(keys::user(ann.uid), "since", age * 1_000).await.unwrap();
    }
}

#[tokio::test]
async fn a_session_from_before_ages_were_kept_is_of_age_from_its_next_renewal() {
    let accounts = Accounts::start().await;
    let ann = accounts.login("ann").await;
    accounts.is_of_age(ann.uid, Duration::ZERO).await;
    let _: () = accounts.raw.clone().hdel(keys::user(ann.uid), "since").await.unwrap();
    accounts.store.heartbeat(ann.uid, None).await.unwrap();
    let since: Option<u64> = accounts.raw.clone().hget(keys::user(ann.uid), "since").await.unwrap();
    assert!(since.is_some());
}

/// A room that can't be read can't be left; the token is good for nothing all the same.
#[tokio::test]
async fn whatever_fails_after_that_a_revoked_session_is_over() {
    let accounts = Accounts::start().await;
    let (store, ann) = (&accounts.store, accounts.login("ann").await);
    let new = NewRoom { subject: Subject::parse("tea").unwrap(), limits: store.args().limits(0, 0) };
    let room = store.create(ann.uid, ClientId::default(), new, None).await.unwrap().room.room_id;
    let room = RoomKeys::new(room.parse().unwrap(), store.args().partitions).hash();
    let _: () = accounts.raw.clone().hset(room, "head", "unreadable").await.unwrap();
    assert!(store.revoke_sessions(ann.uid).await.is_err());
    assert_eq!(store.session(Digest::of(&ann.token)).await.unwrap(), None);
}

/// It would die before the next heartbeat; so it is ended in order, while somebody still can be told.
#[tokio::test]
async fn at_the_most_age_a_heartbeat_logs_the_user_out() {
    let accounts = Accounts::start().await;
    let store = &accounts.store;
    for (name, age) in [("ann", MOST - Duration::from_secs(5)), ("ben", MOST + Duration::from_secs(5))] {
        let [host, who] = [accounts.login("host").await, accounts.login(name).await];
        let new = NewRoom { subject: Subject::parse("tea").unwrap(), limits: store.args().limits(0, 0) };
        let room = store.create(host.uid, ClientId::default(), new, None).await.unwrap().room.room_id;
        let room: RoomId = room.parse().unwrap();
        store.join(who.uid, room, ClientId::default(), None).await.unwrap();
        accounts.is_of_age(who.uid, age).await;
        let answer = store.heartbeat(who.uid, Some(room)).await;
        assert!(matches!(answer, Err(Error::NotLoggedIn)), "{name}: {answer:?}");
        assert_eq!(store.session(Digest::of(&who.token)).await.unwrap(), None, "{name}");
        accounts.login(name).await;
        let place = store.places(&[room]).await.unwrap()[0].unwrap();
        let last = store.tail(room, place.revision, 1).await.unwrap();
        let Some(Kind::MemberLeft(left)) = &last[0].events[0].kind else { panic!("{last:?}") };
        assert_eq!(left.reason(), LeaveReason::LoggedOut, "{name}");
        store.logout(host.uid).await.unwrap();
    }
}
