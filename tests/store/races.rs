//! Concurrent decisions on the same thing: never do both win.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

use gochat_domain::{
    Change, ClientId, Loaded, Refusal, Uid,
    rules::{LeaveStage, Load, LowerAllHands, RaiseHand, Respond, Rule, WithdrawInvitation},
};
use gochat_store::Error;

use crate::{
    checker::check,
    world::{World, at_once, request},
};

async fn people(world: &World, count: usize) -> Vec<Uid> {
    let mut people = Vec::with_capacity(count);
    for n in 0..count {
        people.push(world.user(&format!("user {n}")).await);
    }
    people
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_seat_is_taken_once() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 0, 1).await;
    let people = people(&world, 40).await;
    for uid in &people {
        world.join(*uid, room).await;
    }
    for round in 0..5 {
        let mut accepts = Vec::new();
        for uid in &people {
            let token = world.invite(room, host, *uid).await;
            let (store, caller) = (world.store.clone(), *uid);
            accepts.push(async move {
                let rule = Respond { caller, token, accept: true };
                store.transact(room, &rule, None, |_, _| ()).await.map(|_| caller)
            });
        }
        let answers = at_once(accepts).await;
        let up: Vec<&Uid> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
        assert_eq!(up.len(), 1, "round {round}");
        let others = answers.iter().filter_map(|answer| answer.as_ref().err());
        for error in others {
            assert!(matches!(error, Error::Refused(Refusal::StageFull) | Error::Conflict), "{error}");
        }
        check(&world.store, &world.raw).await;
        let rule = LeaveStage { caller: host, target: *up[0] };
        world.store.transact(room, &rule, None, |_, _| ()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_taken_exactly() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 11, 1).await;
    let joins = people(&world, 50).await.into_iter().map(|uid| {
        let store = world.store.clone();
        async move { store.join(uid, room, ClientId::default(), None).await.is_ok() }
    });
    let joined = at_once(joins).await.into_iter().filter(|joined| *joined).count();
    assert_eq!(joined, 10);
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_answered_or_withdrawn_but_not_both() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 0, 0).await;
    let guest = world.user("guest").await;
    world.join(guest, room).await;
    for round in 0..40 {
        let token = world.invite(room, host, guest).await;
        let answer = |accept: bool| {
            let (store, token) = (world.store.clone(), token.clone());
            async move {
                let rule = Respond { caller: guest, token, accept };
                store
                    .transact(room, &rule, None, |_, change| !change.is_nothing())
                    .await
                    .is_ok_and(|c| c.reply)
            }
        };
        let withdraw = {
            let store = world.store.clone();
            async move {
                let rule = WithdrawInvitation { caller: host, target: guest };
                store
                    .transact(room, &rule, None, |_, change| !change.is_nothing())
                    .await
                    .is_ok_and(|c| c.reply)
            }
        };
        let (accepted, declined, withdrawn) =
            tokio::join!(tokio::spawn(answer(true)), tokio::spawn(answer(false)), tokio::spawn(withdraw));
        let won = [accepted.unwrap(), declined.unwrap(), withdrawn.unwrap()];
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}: {won:?}");
        let rule = LeaveStage { caller: host, target: guest };
        world.store.transact(room, &rule, None, |_, _| ()).await.unwrap();
    }
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

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_several_rooms_at_once_is_in_one() {
    let world = World::start().await;
    let mut rooms = Vec::new();
    for name in ["ann", "ben", "cid"] {
        let host = world.user(name).await;
        rooms.push(world.room(host, 0, 0).await);
    }
    let guest = world.user("guest").await;
    for round in 0..30 {
        let joins = rooms.clone().into_iter().map(|room| {
            let store = world.store.clone();
            async move { store.join(guest, room, ClientId::default(), None).await.is_ok() }
        });
        at_once(joins).await;
        let mut within = Vec::new();
        for room in &rooms {
            if world.store.snapshot(*room).await.unwrap().unwrap().view.members.contains_key(&guest.get()) {
                within.push(*room);
            }
        }
        assert!(within.len() <= 1, "round {round}: in {within:?}");
        let held = world.store.heartbeat(guest, None).await.unwrap().stay.map(|stay| stay.room);
        assert_eq!(within.first().copied(), held, "round {round}: what is held is where the user is");
    }
    check(&world.store, &world.raw).await;
}

/// A rule that decides only when it is let, the first time: others are faster.
struct Slow<R> {
    rule: R,
    loaded: SyncSender<()>,
    go: Mutex<Receiver<()>>,
    tries: AtomicUsize,
}

impl<R: Rule> Rule for Slow<R> {
    fn load(&self) -> Load {
        self.rule.load()
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        if self.tries.fetch_add(1, Ordering::SeqCst) == 0 {
            self.loaded.send(()).unwrap();
            self.go.lock().unwrap().recv().unwrap();
        }
        self.rule.decide(room)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_that_goes_up_while_all_are_lowered_is_lowered_too() {
    let world = World::start().await;
    let (host, guest) = (world.user("host").await, world.user("guest").await);
    let room = world.room(host, 0, 0).await;
    world.join(guest, room).await;
    let ((loaded, is_loaded), (go, let_go)) = (sync_channel(1), sync_channel(1));
    let rule = LowerAllHands { caller: host };
    let slow = Arc::new(Slow { rule, loaded, go: Mutex::new(let_go), tries: AtomicUsize::new(0) });
    let (store, lowering) = (world.store.clone(), slow.clone());
    let lowered = tokio::spawn(async move { store.transact(room, &*lowering, None, |_, _| ()).await });
    tokio::task::spawn_blocking(move || is_loaded.recv()).await.unwrap().unwrap();
    // Later than what the other has loaded, by Redis's clock.
    let before = world.time().await;
    while world.time().await == before {}
    world.store.transact(room, &RaiseHand { caller: guest }, None, |_, _| ()).await.unwrap();
    go.send(()).unwrap();
    lowered.await.unwrap().unwrap();
    assert_eq!(slow.tries.load(Ordering::SeqCst), 2, "it is decided again");
    check(&world.store, &world.raw).await;
}
