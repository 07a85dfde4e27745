//! Bans against joins, and one host's place given to two.

use futures::future::BoxFuture;
use gochat_domain::{
    ClientId, Refusal, RoomId, Uid,
    rules::{BanTerms, RemoveMember, TransferHost, Unban},
};
use gochat_store::Error;

use crate::{
    checker::check,
    world::{World, at_once},
};

impl World {
    /// Bans, as often as it takes; then says whether the banned is in.
    fn banning(&self, room: RoomId, caller: Uid, target: Uid) -> BoxFuture<'static, bool> {
        let store = self.store.clone();
        let terms = BanTerms { duration: None, reason: "noise".to_owned() };
        Box::pin(async move {
            let rule = RemoveMember { caller, target, ban: Some(terms) };
            let mut answer = store.transact(room, &rule, None, |_, _| ()).await;
            while matches!(answer, Err(Error::Conflict)) {
                answer = store.transact(room, &rule, None, |_, _| ()).await;
            }
            answer.unwrap();
            let view = store.snapshot(room).await.unwrap().unwrap().view;
            view.members.contains_key(&target.get())
        })
    }
}

/// A ban in the midst of a hundred joins of the one who is banned.
async fn ban_against_joins(a_member: bool) {
    const ROUNDS: usize = 20;
    const JOINS: usize = 100;
    let world = World::start().await;
    let (host, target) = (world.user("host").await, world.user("target").await);
    let room = world.room(host, 0, 0).await;
    for round in 0..ROUNDS {
        if a_member {
            world.join(target, room).await;
        }
        let mut tasks: Vec<BoxFuture<'static, bool>> = Vec::new();
        for n in 0..JOINS {
            let (store, client) = (world.store.clone(), ClientId::parse(&format!("{round} {n}")).unwrap());
            tasks.push(Box::pin(async move { store.join(target, room, client, None).await.is_ok() }));
        }
        let place = JOINS * round / ROUNDS;
        tasks.insert(place, world.banning(room, host, target));
        let mut answers = at_once(tasks).await;
        assert!(!answers.remove(place), "round {round}: in, after the ban was answered");
        assert_eq!(world.stays(target, &[room]).await, [], "round {round}");
        assert_eq!(world.leases(target, &[room]).await, [], "round {round}");
        assert_eq!(world.store.heartbeat(target, None).await.unwrap().stay, None, "round {round}");
        let again = world.store.join(target, room, ClientId::default(), None).await;
        assert!(matches!(again, Err(Error::Refused(Refusal::Banned))), "round {round}: {again:?}");
        check(&world.store, &world.raw).await;
        world.act(room, Unban { caller: host, target }).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_who_is_banned_does_not_come_back() {
    ban_against_joins(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_who_is_banned_does_not_come_in() {
    ban_against_joins(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hosts_place_goes_to_one() {
    let world = World::start().await;
    let mut host = world.user("host").await;
    let room = world.room(host, 0, 1).await;
    let mut members = world.people(2).await;
    for uid in &members {
        world.join(*uid, room).await;
    }
    for round in 0..200 {
        let transfers = members.iter().map(|target| {
            let (store, target) = (world.store.clone(), *target);
            async move {
                let rule = TransferHost { caller: host, target };
                store.transact(room, &rule, None, |_, _| ()).await
            }
        });
        let answers = at_once(transfers).await;
        let won: Vec<usize> = (0..2).filter(|n| answers[*n].is_ok()).collect();
        assert_eq!(won.len(), 1, "round {round}: {answers:?}");
        let lost = &answers[1 - won[0]];
        assert!(matches!(lost, Err(Error::Refused(Refusal::NotPermitted))), "round {round}: {lost:?}");
        std::mem::swap(&mut host, &mut members[won[0]]);
        assert_eq!(world.view(room).await.room.host_uid, host.get(), "round {round}");
        if round % 20 == 0 {
            check(&world.store, &world.raw).await;
        }
    }
    check(&world.store, &world.raw).await;
}
