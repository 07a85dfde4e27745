//! Each call inside the commit script, made to fail, leaves nothing behind.

use std::collections::BTreeMap;

use gochat_domain::{
    RoomId, Uid,
    rules::{BanTerms, Close, LowerAllHands, RaiseHand, RemoveMember, Rule},
};
use gochat_store::{Error, Store, keys::RoomKeys};
use redis::{AsyncCommands, aio::MultiplexedConnection};

use crate::world::{World, args};

/// Everything in Redis, byte for byte; what passes with time apart.
async fn dump(raw: &mut MultiplexedConnection) -> BTreeMap<String, Vec<u8>> {
    let names: Vec<String> = raw.keys("*").await.unwrap();
    let mut all = BTreeMap::new();
    for name in names {
        let bytes: Vec<u8> = redis::cmd("DUMP").arg(&name).query_async(raw).await.unwrap();
        all.insert(name, bytes);
    }
    all
}

async fn fails_whole(
    store: &Store,
    raw: &mut MultiplexedConnection,
    room: RoomId,
    rule: &impl Rule,
    why: &str,
) {
    let before = dump(raw).await;
    let answer = store.transact(room, rule, None, |_, _| ()).await;
    assert!(matches!(answer, Err(Error::Rejected(_))), "{why}: {answer:?}");
    assert!(dump(raw).await == before, "{why}: something was left behind");
}

struct Scene {
    world: World,
    room: RoomId,
    host: Uid,
    guest: Uid,
}

async fn scene() -> Scene {
    let world = World::start().await;
    let (host, guest) = (world.user("host").await, world.user("guest").await);
    let room = world.room(host, 0, 0).await;
    world.join(guest, room).await;
    Scene { world, room, host, guest }
}

#[tokio::test]
async fn a_key_of_another_type_stops_the_whole_commit() {
    let Scene { world, room, host, guest } = scene().await;
    let keys = RoomKeys::new(room, world.store.args().partitions);
    let mut raw = world.raw.clone();
    let ban = BanTerms { duration: None, reason: String::new() };
    let remove = RemoveMember { caller: host, target: guest, ban: Some(ban) };
    for key in [keys.log(), keys.roster(), keys.bans(), keys.due()] {
        let _: bool = raw.rename_nx(&key, "kept").await.unwrap_or(false);
        let _: () = raw.set(&key, "planted").await.unwrap();
        fails_whole(&world.store, &mut raw, room, &remove, &key).await;
        let _: () = raw.del(&key).await.unwrap();
        let _: bool = raw.rename_nx("kept", &key).await.unwrap_or(false);
    }
    let raise = RaiseHand { caller: guest };
    let _: () = raw.set(keys.hands(), "planted").await.unwrap();
    fails_whole(&world.store, &mut raw, room, &raise, "hands").await;
    let _: () = raw.del(keys.hands()).await.unwrap();
    world.store.transact(room, &raise, None, |_, _| ()).await.unwrap();
    world.store.transact(room, &remove, None, |_, _| ()).await.unwrap();
    crate::checker::check(&world.store, &world.raw).await;
}

#[tokio::test]
async fn a_call_that_is_not_allowed_stops_the_whole_commit() {
    let Scene { world, room, host, guest } = scene().await;
    let mut raw = world.raw.clone();
    let raise = RaiseHand { caller: guest };
    world.store.transact(room, &raise, None, |_, _| ()).await.unwrap();
    let url = world.redis.url();
    for command in ["xadd", "hset", "zadd", "zrem", "hdel", "unlink", "pexpire", "spublish"] {
        let name = format!("without-{command}");
        let rules = ["on", "nopass", "~*", "&*", "+@all", &format!("-{command}")].map(str::to_owned);
        let mut user = redis::cmd("ACL");
        user.arg("SETUSER").arg(&name).arg(&rules[..]);
        let _: () = user.query_async(&mut raw).await.unwrap();
        let store = Store::open(args(&format!("{url}?user={name}&pass=any"))).await.unwrap();
        let remove = RemoveMember {
            caller: host,
            target: guest,
            ban: Some(BanTerms { duration: None, reason: String::new() }),
        };
        match command {
            "unlink" => fails_whole(&store, &mut raw, room, &LowerAllHands { caller: host }, command).await,
            "pexpire" => fails_whole(&store, &mut raw, room, &Close { caller: host }, command).await,
            _ => fails_whole(&store, &mut raw, room, &remove, command).await,
        }
    }
    crate::checker::check(&world.store, &world.raw).await;
}
