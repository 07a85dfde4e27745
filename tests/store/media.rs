//! The node that has a room's media: one at a time, by numbers that go up, and for a while only.

use std::time::Duration;

use gochat_store::{MediaNode, keys::RoomKeys};
use redis::AsyncCommands;

use crate::world::World;

const LEASE: Duration = Duration::from_secs(10);
const ONE: &str = "http://one:50055";
const TWO: &str = "http://two:50055";

fn number(node: MediaNode) -> u64 {
    match node {
        MediaNode::Here(number) => number,
        MediaNode::Elsewhere(url) => panic!("{url} has it"),
    }
}

#[tokio::test]
async fn a_room_is_one_nodes_until_it_gives_it_up_or_is_gone() {
    let world = World::start().await;
    let (store, room) = (&world.store, "123456789".parse().unwrap());
    let key = RoomKeys::new(room, store.args().partitions).media();
    let elsewhere = |url: &str| MediaNode::Elsewhere(url.to_owned());
    assert_eq!(store.media_node(room).await.unwrap(), None);
    let first = number(store.claim_media(room, ONE, 0, LEASE).await.unwrap());
    assert_eq!(store.claim_media(room, TWO, 0, LEASE).await.unwrap(), elsewhere(ONE));
    assert_eq!(store.media_node(room).await.unwrap().as_deref(), Some(ONE));
    let nearly_over: bool = world.raw.clone().pexpire(&key, 5_000).await.unwrap();
    assert!(nearly_over);
    assert_eq!(store.claim_media(room, ONE, first, LEASE).await.unwrap(), MediaNode::Here(first), "kept");
    let lives: i64 = world.raw.clone().pttl(&key).await.unwrap();
    assert!(lives > 5_000, "{lives} ms");

    store.release_media(room, ONE, first - 1).await.unwrap();
    store.release_media(room, TWO, first).await.unwrap();
    assert_eq!(store.media_node(room).await.unwrap().as_deref(), Some(ONE), "that was not this lease");
    store.release_media(room, ONE, first).await.unwrap();
    let second = number(store.claim_media(room, TWO, 0, LEASE).await.unwrap());
    assert!(second > first);
    assert_eq!(store.claim_media(room, ONE, first, LEASE).await.unwrap(), elsewhere(TWO), "it was lost");

    let forgotten: bool = world.raw.clone().del(&key).await.unwrap();
    assert!(forgotten);
    let third = number(store.claim_media(room, TWO, second, LEASE).await.unwrap());
    assert!(third > second, "taken anew");
}

#[tokio::test]
async fn a_process_takes_over_from_the_one_before_at_its_address() {
    let world = World::start().await;
    let (store, room) = (&world.store, "123456789".parse().unwrap());
    let former = number(store.claim_media(room, ONE, 0, LEASE).await.unwrap());
    let now = number(store.claim_media(room, ONE, 0, LEASE).await.unwrap());
    assert!(now > former);
    let late = store.claim_media(room, ONE, former, LEASE).await.unwrap();
    assert_eq!(late, MediaNode::Elsewhere(ONE.to_owned()), "the one before has it no more");
    store.release_media(room, ONE, former).await.unwrap();
    assert_eq!(store.claim_media(room, ONE, now, LEASE).await.unwrap(), MediaNode::Here(now));
}

#[tokio::test]
async fn somebody_is_in_a_room_by_an_entry() {
    let world = World::start().await;
    let (host, guest) = (world.user("host").await, world.user("guest").await);
    let room = world.room(host, 0, 0).await;
    let refused = |entry: gochat_store::Result<_>| entry.unwrap_err().to_string();
    assert_eq!(refused(world.store.entry_in(room, guest).await), "not in the room");
    world.join(guest, room).await;
    let first = world.store.entry_in(room, guest).await.unwrap();
    world.store.leave(guest, room, None).await.unwrap();
    world.join(guest, room).await;
    assert!(world.store.entry_in(room, guest).await.unwrap() > first);
    world.store.is_open(room).await.unwrap();
    world.store.leave(host, room, None).await.unwrap();
    assert_eq!(refused(world.store.entry_in(room, guest).await), "the room does not exist");
    assert!(world.store.is_open(room).await.is_err());
}
