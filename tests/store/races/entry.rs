//! One user on the way into several rooms, or into one several times.

use futures::future::BoxFuture;
use gochat_domain::{ClientId, RoomId, Uid};
use gochat_store::Error;

use crate::{
    checker::check,
    world::{World, at_once, request},
};

/// Three rooms, each with a host of its own, and somebody in none.
async fn three_rooms() -> (World, Vec<RoomId>, Uid) {
    let world = World::start().await;
    let mut rooms = Vec::new();
    for name in ["ann", "ben", "cid"] {
        let host = world.user(name).await;
        rooms.push(world.room(host, 0, 0).await);
    }
    let guest = world.user("guest").await;
    (world, rooms, guest)
}

impl World {
    fn joining(&self, uid: Uid, room: RoomId, client: &str) -> BoxFuture<'static, bool> {
        let (store, client) = (self.store.clone(), ClientId::parse(client).unwrap());
        Box::pin(async move { store.join(uid, room, client, None).await.is_ok() })
    }

    fn leaving(&self, uid: Uid, room: RoomId) -> BoxFuture<'static, bool> {
        let store = self.store.clone();
        Box::pin(async move { store.leave(uid, room, None).await.is_ok() })
    }

    /// Where somebody is, what they hold and their leases are one and the same.
    async fn agrees(&self, uid: Uid, rooms: &[RoomId], round: usize) -> Option<RoomId> {
        let stays = self.stays(uid, rooms).await;
        let held = self.held(uid).await;
        assert_eq!(stays, Vec::from_iter(held), "round {round}: in what is held, and nowhere else");
        assert_eq!(self.leases(uid, rooms).await, stays, "round {round}: a lease for where one is");
        let renewed = self.store.heartbeat(uid, None).await.unwrap().stay.map(|stay| stay.room);
        let within = held.map(|(room, _)| room);
        assert_eq!(renewed, within, "round {round}: heartbeats renew it");
        within
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_several_rooms_at_once_is_in_one() {
    let (world, rooms, guest) = three_rooms().await;
    for round in 0..500 {
        // Two rooms or three; with one client, or with one for each.
        let to = &rooms[round % 2..];
        let joins = to.iter().enumerate().map(|(n, room)| {
            let client = if round % 4 < 2 { String::new() } else { format!("{round} {n}") };
            world.joining(guest, *room, &client)
        });
        at_once(joins).await;
        assert!(world.agrees(guest, &rooms, round).await.is_some(), "round {round}: in one room");
    }
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_entering_is_in_one_or_in_none() {
    let (world, rooms, guest) = three_rooms().await;
    let mut out = 0;
    for round in 0..200 {
        let tasks = [
            world.joining(guest, rooms[round % 3], &format!("{round}")),
            world.leaving(guest, rooms[round % 3]),
            world.joining(guest, rooms[(round + 1) % 3], &format!("{round}")),
            world.leaving(guest, rooms[(round + 2) % 3]),
        ];
        at_once(tasks).await;
        out += usize::from(world.agrees(guest, &rooms, round).await.is_none());
    }
    assert!(out < 200, "nobody was ever in");
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_of_one_request_are_done_once() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 0, 0).await;
    let guest = world.user("guest").await;
    for round in 0..20 {
        let twins = (0..4).map(|_| {
            let (store, request) = (world.store.clone(), request(guest, &format!("join {round}")));
            async move { store.join(guest, room, ClientId::default(), Some(&request)).await }
        });
        let answers = at_once(twins).await;
        let places: Vec<_> = answers.iter().flatten().map(|entered| entered.place).collect();
        assert!(!places.is_empty() && places.iter().all(|place| *place == places[0]), "{answers:?}");
        world.store.leave(guest, room, None).await.unwrap();
    }
    let other = gochat_store::Request { digest: 2, ..request(guest, "join 19") };
    let reused = world.store.join(guest, room, ClientId::default(), Some(&other)).await;
    assert!(matches!(reused, Err(Error::RequestIdReused)));
    check(&world.store, &world.raw).await;
}
