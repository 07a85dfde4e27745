//! What each command costs in Redis: the table in `keys.rs`, counted.

use std::{future::Future, time::Duration};

use futures::StreamExt;
use gochat_domain::{ClientId, RoomId, Uid, rules::RaiseHand};
use gochat_store::Reaper;
use redis::AsyncCommands;

use crate::{
    checker::check,
    world::{World, login},
};

impl World {
    /// How many commands reach Redis while something is done; those that scripts call and
    /// the connection's own PINGs apart.
    async fn cost<T>(&self, of: impl Future<Output = T>) -> (usize, T) {
        let client = redis::Client::open(self.redis.url()).unwrap();
        let monitor = client.get_async_monitor().await.unwrap();
        let mut lines = monitor.into_on_message::<String>();
        let done = of.await;
        let _: Option<String> = self.raw.clone().get("the end").await.unwrap();
        let mut seen = Vec::new();
        loop {
            let line = tokio::time::timeout(Duration::from_secs(10), lines.next()).await.unwrap().unwrap();
            if line.contains("the end") {
                return (seen.len(), done);
            }
            if !line.contains(" lua] ") && !line.to_uppercase().contains("\"PING\"") {
                seen.push(line);
            }
        }
    }
}

/// Does everything once, since the first of each loads its script. Who hosts a room, and that.
async fn warm_up(world: &World) -> (Uid, RoomId) {
    let store = &world.store;
    let warm = world.user("warm").await;
    let room = world.room(warm, 0, 0).await;
    let other = world.user("other").await;
    world.join(other, room).await;
    store.transact(room, &RaiseHand { caller: other }, None, |_, _| ()).await.unwrap();
    let nearly_over: bool = world.raw.clone().pexpire(gochat_store::keys::user(other), 50_000).await.unwrap();
    assert!(nearly_over);
    store.heartbeat(other, None).await.unwrap();
    store.logout(other).await.unwrap();
    store.ages().await.unwrap();
    store.claim_media(room, "http://other", 0, Duration::from_secs(10)).await.unwrap();
    store.release_media(room, "http://nobody", 1).await.unwrap();
    (warm, room)
}

#[tokio::test]
async fn each_command_costs_what_the_table_says() {
    let world = World::start().await;
    let store = &world.store;
    let (warm, room) = warm_up(&world).await;
    let lease = Duration::from_secs(10);

    let (cost, logged_in) = world.cost(store.login(&login("ann"))).await;
    assert_eq!(cost, 3, "log in");
    let ann = logged_in.unwrap().uid;
    let client = ClientId::default;
    let external = gochat_store::Login { external: Some(("web".to_owned(), "7".to_owned())), ..login("ben") };
    let (cost, logged_in) = world.cost(store.login(&external)).await;
    assert_eq!(cost, 4, "log in with an id of a service's own");
    let ben = logged_in.unwrap().uid;
    assert_eq!(world.cost(store.heartbeat(ann, None)).await.0, 2, "heartbeat");
    assert_eq!(world.cost(store.join(ann, room, client(), None)).await.0, 4, "join");
    assert_eq!(world.cost(store.heartbeat(ann, Some(room))).await.0, 3, "heartbeat in a room");
    let raise = RaiseHand { caller: ann };
    assert_eq!(world.cost(store.transact(room, &raise, None, |_, _| ())).await.0, 2, "a mutation");
    assert_eq!(world.cost(store.leave(ann, room, None)).await.0, 3, "leave");
    let (cost, created) = world.cost(store.create(ben, client(), world.new_room(0, 0), None)).await;
    assert_eq!(cost, 5, "create");
    created.unwrap();
    assert_eq!(world.cost(store.join(ben, room, client(), None)).await.0, 6, "join, leaving a room behind");
    let (cost, created) = world.cost(store.create(ben, client(), world.new_room(0, 0), None)).await;
    assert_eq!(cost, 7, "create, leaving a room behind");
    created.unwrap();
    assert_eq!(world.cost(store.logout(ben)).await.0, 8, "log out of a room");
    let nearly_over: bool = world.raw.clone().pexpire(gochat_store::keys::user(ann), 50_000).await.unwrap();
    assert!(nearly_over);
    assert_eq!(world.cost(store.heartbeat(ann, None)).await.0, 5, "heartbeat that renews the session");
    assert_eq!(world.cost(store.logout(ann)).await.0, 5, "log out");
    let cyd = world.user("cyd").await;
    let opening = async {
        store.entry_in(room, warm).await?;
        store.claim_media(room, "http://other", 0, lease).await
    };
    assert_eq!(world.cost(opening).await.0, 2, "open a media session");
    assert_eq!(
        world.cost(store.claim_media(room, "http://other", 7, lease)).await.0,
        1,
        "keep a room's media"
    );
    assert_eq!(world.cost(store.places(&[room])).await.0, 1, "compare a room");
    assert_eq!(world.cost(store.media_node(room)).await.0, 1, "look where a room's media is");
    assert_eq!(world.cost(store.revoke_sessions(cyd)).await.0, 3 + 5, "revoke sessions");
    let sweep = async {
        store.ages().await?;
        store.sweep(Reaper(1), 1, 1).await
    };
    let partitions = usize::from(store.args().partitions);
    assert_eq!(world.cost(sweep).await.0, 2 + partitions, "sweep");
    check(store, &world.raw).await;
}
