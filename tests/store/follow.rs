//! Following a room: a snapshot, then every commit once and in order, whatever is lost on the way.

use std::time::Duration;

use gochat_domain::{
    RoomId, Uid,
    rules::{LowerHand, RaiseHand},
};
use gochat_store::{Follower, Mechanisms, Step};
use tokio::time::{interval, timeout};

use crate::{checker::check, world::World};

async fn next(follower: &mut Follower) -> Step {
    timeout(Duration::from_secs(10), follower.next()).await.unwrap()
}

/// So many commits; gives the revision of the last.
async fn wave(world: &World, room: RoomId, caller: Uid, commits: usize) -> u64 {
    let mut last = 0;
    for n in 0..commits {
        let committed = if n % 2 == 0 {
            world.store.transact(room, &RaiseHand { caller }, None, |_, _| ()).await
        } else {
            world.store.transact(room, &LowerHand { caller, target: caller }, None, |_, _| ()).await
        };
        last = committed.unwrap().place.revision;
    }
    last
}

/// Kills the feed's connection, waiting for one that is still being made.
async fn cut_the_feed(world: &World) {
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("pubsub");
    let mut ticks = interval(Duration::from_millis(20));
    timeout(Duration::from_secs(10), async {
        while kill.query_async::<u32>(&mut world.raw.clone()).await.unwrap() == 0 {
            ticks.tick().await;
        }
    })
    .await
    .unwrap();
}

/// Follows up to a revision, and says which commits came on the way.
async fn up_to(follower: &mut Follower, last: u64) -> Vec<u64> {
    let mut revisions = Vec::new();
    while revisions.last() != Some(&last) {
        match next(follower).await {
            Step::Commit(commit) => revisions.push(commit.revision),
            other => panic!("{other:?}"),
        }
    }
    revisions
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_comes_once_and_in_order_though_the_feed_is_cut() {
    let world = World::start().await;
    let (ann, ben) = (world.user("ann").await, world.user("ben").await);
    let (room, other) = (world.room(ann, 0, 0).await, world.room(ben, 0, 0).await);
    let guest = world.user("guest").await;
    world.join(guest, room).await;
    let elsewhere = world.user("elsewhere").await;
    world.join(elsewhere, other).await;

    let mut follower = world.store.follow(room, Mechanisms::default()).await.unwrap();
    let Step::Snapshot(snapshot) = next(&mut follower).await else { panic!("a snapshot comes first") };
    let mut held = snapshot.view.place.revision;
    for _ in 0..5 {
        wave(&world, other, elsewhere, 2).await;
        let last = wave(&world, room, guest, 4).await;
        assert_eq!(up_to(&mut follower, last).await, (held + 1..=last).collect::<Vec<_>>());
        cut_the_feed(&world).await;
        let unheard = wave(&world, room, guest, 4).await;
        assert_eq!(up_to(&mut follower, unheard).await, (last + 1..=unheard).collect::<Vec<_>>());
        held = unheard;
    }
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn past_the_end_of_the_log_a_snapshot_stands_in() {
    let world = World::start().await;
    let (ann, guest) = (world.user("ann").await, world.user("guest").await);
    let room = world.room(ann, 0, 0).await;
    world.join(guest, room).await;
    let mut follower = world.store.follow(room, Mechanisms::default()).await.unwrap();
    assert!(matches!(next(&mut follower).await, Step::Snapshot(_)));
    // More than wait for a follower that doesn't listen.
    let last = wave(&world, room, guest, 1_100).await;
    let keys = gochat_store::keys::RoomKeys::new(room, world.store.args().partitions);
    let mut trim = redis::cmd("XTRIM");
    trim.arg(keys.log()).arg("MAXLEN").arg(1);
    let _: u32 = trim.query_async(&mut world.raw.clone()).await.unwrap();
    let Step::Snapshot(snapshot) = next(&mut follower).await else { panic!("the log is too short") };
    assert_eq!(snapshot.view.place.revision, last);
    let ticket = follower.verify();
    assert!(matches!(next(&mut follower).await, Step::Verified(number) if number == ticket));
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_nothing_to_follow_where_there_is_no_room() {
    let world = World::start().await;
    let mut follower = world.store.follow(RoomId::from_number(7), Mechanisms::default()).await.unwrap();
    assert!(matches!(next(&mut follower).await, Step::Gone));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_places_of_many_rooms_are_read_in_one_round_trip() {
    let world = World::start().await;
    let mut rooms = Vec::new();
    for name in ["ann", "ben"] {
        let host = world.user(name).await;
        rooms.push(world.room(host, 0, 0).await);
    }
    rooms.insert(1, RoomId::from_number(7));
    let places = world.store.places(&rooms).await.unwrap();
    assert_eq!(places[1], None);
    for (room, place) in [(rooms[0], places[0]), (rooms[2], places[2])] {
        let there = world.store.room(room).await.unwrap().place;
        assert_eq!(place.map(Into::into), Some(there));
    }
}
