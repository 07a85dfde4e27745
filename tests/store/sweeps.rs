//! What a sweep finds and costs, the stamps around it, and how much it says.

use std::time::Duration;

use gochat_domain::{Entry, Millis, Uid, rules::Due};
use gochat_store::{Ages, Carrier, DueEntry, Reaper, keys};
use redis::{AsyncCommands, InfoDict};

use crate::world::World;

const ONE: Reaper = Reaper(1);
const OTHER: Reaper = Reaper(2);
const MOST: usize = 1_000;
/// Beyond any test.
const FAR: i64 = 4_000_000_000_000;

#[tokio::test]
async fn a_sweep_finds_what_is_due_and_the_stamp_before() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 0, 0).await;
    let partition = usize::from(keys::partition(room, world.store.args().partitions));
    let first = world.store.sweep(ONE, 11, MOST).await.unwrap();
    assert_eq!(first.len(), usize::from(world.store.args().partitions));
    assert!(first.iter().all(|sweep| sweep.former.is_none() && sweep.due.is_empty()));

    let (late, deadline) = (Due::Lease(Uid::try_from(7).unwrap(), Entry(3)), Millis(1));
    let due_key = keys::due(partition as u16);
    let _: () = world.raw.clone().zadd(due_key, keys::due_name(room, late), deadline.0).await.unwrap();
    let second = world.store.sweep(ONE, 12, MOST).await.unwrap();
    assert!(second.iter().all(|sweep| sweep.former == Some(11)));
    assert_eq!(second[partition].due, [DueEntry { room, due: late, deadline }]);
    let now = Millis(i64::try_from(world.time().await).unwrap());
    assert!(second[partition].now <= now && second[partition].now.0 > now.0 - 10_000);
    let others = world.store.sweep(OTHER, 13, MOST).await.unwrap();
    assert!(others.iter().all(|sweep| sweep.former.is_none()), "stamps are a reaper's own");
}

#[tokio::test]
async fn at_most_so_many_are_taken_the_oldest_first() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 0, 0).await;
    let partition = keys::partition(room, world.store.args().partitions);
    for uid in 1..=9 {
        let name = keys::due_name(room, Due::Invitation(Uid::try_from(uid).unwrap()));
        let _: () = world.raw.clone().zadd(keys::due(partition), name, 100 - i64::from(uid)).await.unwrap();
    }
    let sweeps = world.store.sweep(ONE, 1, 3).await.unwrap();
    let deadlines: Vec<i64> = sweeps[usize::from(partition)].due.iter().map(|due| due.deadline.0).collect();
    assert_eq!(deadlines, [91, 92, 93]);
}

#[tokio::test]
async fn a_redis_that_went_back_has_lost_the_stamp() {
    let world = World::start().await;
    world.store.sweep(ONE, 1, MOST).await.unwrap();
    let copy: Vec<u8> = redis::cmd("DUMP")
        .arg(keys::sweep_stamp(0, ONE.0))
        .query_async(&mut world.raw.clone())
        .await
        .unwrap();
    world.store.sweep(ONE, 2, MOST).await.unwrap();
    let _: () = redis::cmd("RESTORE")
        .arg(keys::sweep_stamp(0, ONE.0))
        .arg(0)
        .arg(copy)
        .arg("REPLACE")
        .query_async(&mut world.raw.clone())
        .await
        .unwrap();
    let sweeps = world.store.sweep(ONE, 3, MOST).await.unwrap();
    assert_eq!((sweeps[0].former, sweeps[1].former), (Some(1), Some(2)));
}

#[tokio::test]
async fn carriers_stamps_have_an_age_and_an_end() {
    let world = World::start().await;
    let store = &world.store;
    assert_eq!(store.ages().await.unwrap(), Ages { account: None, gateway: None });
    store.stamp(Carrier::Account).await.unwrap();
    let Ages { account: Some(age), gateway: None } = store.ages().await.unwrap() else {
        panic!("the account service alone has left a stamp")
    };
    assert!(age < Duration::from_secs(10), "{age:?}");
    store.stamp(Carrier::Gateway).await.unwrap();
    let an_hour_ago = world.time().await - 3_600_000;
    let _: () = world.raw.clone().set(keys::stamp(Carrier::Account), an_hour_ago).await.unwrap();
    let ages = store.ages().await.unwrap();
    assert!(
        ages.account.unwrap() >= Duration::from_secs(3_600)
            && ages.gateway.unwrap() < age + Duration::from_secs(10)
    );
    let left: i64 = world.raw.clone().pttl(keys::stamp(Carrier::Gateway)).await.unwrap();
    assert!(left > 0 && left <= store.args().session.as_millis() as i64);
}

#[tokio::test]
async fn a_sweep_costs_the_same_however_many_are_alive() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 0, 0).await;
    for uid in world.people(100).await {
        world.join(uid, room).await;
    }
    // The first of each loads its script.
    cost_of_a_sweep(&world).await;
    let few = cost_of_a_sweep(&world).await;
    let mut leases = redis::pipe();
    for n in 0..100_000_u32 {
        let room = gochat_domain::RoomId::from_number(u64::from(n % 500));
        let name = keys::due_name(room, Due::Lease(Uid::try_from(n + 1).unwrap(), Entry(1)));
        leases.zadd(keys::due(keys::partition(room, world.store.args().partitions)), name, FAR).ignore();
    }
    let _: () = leases.query_async(&mut world.raw.clone()).await.unwrap();
    assert_eq!(cost_of_a_sweep(&world).await, few);
}

/// Commands, bytes sent to Redis and bytes sent back, for one sweep and its look at the stamps.
async fn cost_of_a_sweep(world: &World) -> [u64; 3] {
    let mut raw = world.raw.clone();
    let _: () = redis::cmd("CONFIG").arg("RESETSTAT").query_async(&mut raw).await.unwrap();
    world.store.ages().await.unwrap();
    world.store.sweep(ONE, 1, MOST).await.unwrap();
    let info: InfoDict = redis::cmd("INFO").arg("stats").query_async(&mut raw).await.unwrap();
    ["total_commands_processed", "total_net_input_bytes", "total_net_output_bytes"]
        .map(|name| info.get::<u64>(name).unwrap_or_else(|| panic!("no {name}")))
}
