//! Seats and places run short, and rooms close, while many want in.

use gochat_domain::{
    ClientId, Refusal,
    rules::{Close, LeaveStage, Respond},
};
use gochat_store::Error;

use crate::{
    checker::check,
    world::{World, at_once},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_last_seat_is_taken_once() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 0, 1).await;
    let people = world.people(200).await;
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
        let (up, down): (Vec<_>, Vec<_>) = at_once(accepts).await.into_iter().partition(Result::is_ok);
        assert_eq!(up.len(), 1, "round {round}");
        for refused in down {
            assert!(matches!(refused, Err(Error::Refused(Refusal::StageFull))), "{refused:?}");
        }
        check(&world.store, &world.raw).await;
        let rule = LeaveStage { caller: host, target: *up[0].as_ref().unwrap() };
        world.store.transact(room, &rule, None, |_, _| ()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn places_are_taken_exactly() {
    let world = World::start().await;
    let host = world.user("host").await;
    let people = world.people(500).await;
    for round in 0..3 {
        let room = world.room(host, 101, 1).await;
        let joins = people.iter().map(|uid| {
            let (store, uid) = (world.store.clone(), *uid);
            async move { store.join(uid, room, ClientId::default(), None).await.map(|_| uid) }
        });
        let (within, without): (Vec<_>, Vec<_>) = at_once(joins).await.into_iter().partition(Result::is_ok);
        assert_eq!(within.len(), 100, "round {round}");
        for refused in without {
            assert!(matches!(refused, Err(Error::Refused(Refusal::RoomFull))), "{refused:?}");
        }
        let view = world.view(room).await;
        assert!(within.iter().flatten().all(|uid| view.members.contains_key(&uid.get())), "round {round}");
        check(&world.store, &world.raw).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_while_the_room_closes_is_in_before_or_not_at_all() {
    const ROUNDS: usize = 20;
    let world = World::start().await;
    let host = world.user("host").await;
    let people = world.people(100).await;
    for round in 0..ROUNDS {
        let room = world.room(host, 0, 0).await;
        // Each round it closes a little later.
        let before = people.len() * round / ROUNDS;
        let close = {
            let store = world.store.clone();
            async move { store.transact(room, &Close { caller: host }, None, |_, _| ()).await.map(|_| None) }
        };
        let mut tasks: Vec<futures::future::BoxFuture<'static, _>> = Vec::new();
        for uid in people.iter().copied() {
            let store = world.store.clone();
            tasks.push(Box::pin(async move {
                let entered = store.join(uid, room, ClientId::default(), None).await;
                entered.map(|entered| Some((uid, entered.place.revision)))
            }));
        }
        tasks.insert(before, Box::pin(close));
        let answers = at_once(tasks).await;
        let view = world.view(room).await;
        assert!(view.closed, "round {round}: {:?}", answers[before]);
        let mut entered = 0;
        for answer in answers {
            match answer {
                Ok(Some((uid, revision))) => {
                    assert!(revision < view.place.revision && view.members.contains_key(&uid.get()));
                    entered += 1;
                }
                Ok(None) => {}
                Err(Error::Refused(Refusal::RoomNotFound) | Error::Conflict) => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        assert_eq!(view.roster.len(), 1 + entered, "round {round}: those who were told, and the host");
        check(&world.store, &world.raw).await;
        world.forget_deadlines(room).await;
        for uid in &people {
            let stay = world.store.heartbeat(*uid, None).await.unwrap().stay;
            assert_eq!(stay, None, "round {round}: {uid} was left behind");
        }
    }
}
