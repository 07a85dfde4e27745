//! Invitations answered, withdrawn and void at the same time; people step up as all are muted.

use std::sync::Arc;

use futures::future::BoxFuture;
use gochat_domain::{
    Refusal, RoomId, Uid,
    rules::{Invite, LeaveStage, MuteAll, Respond, Rule, WithdrawInvitation},
};
use gochat_store::{Error, Result};
use tokio::sync::Semaphore;

use crate::{
    checker::check,
    world::{World, at_once},
};

impl World {
    /// Decides and commits by itself; gives whether anything was done, and the revision.
    pub(super) fn acting(
        &self,
        room: RoomId,
        rule: impl Rule + 'static,
    ) -> BoxFuture<'static, Result<(bool, u64)>> {
        let store = self.store.clone();
        Box::pin(async move {
            let committed = store.transact(room, &rule, None, |_, change| !change.is_nothing()).await?;
            Ok((committed.reply, committed.place.revision))
        })
    }
}

async fn host_and_guest() -> (World, RoomId, Uid, Uid) {
    let world = World::start().await;
    let (host, guest) = (world.user("host").await, world.user("guest").await);
    let room = world.room(host, 0, 0).await;
    world.join(guest, room).await;
    (world, room, host, guest)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_answered_or_withdrawn_but_not_both() {
    let (world, room, host, guest) = host_and_guest().await;
    for round in 0..100 {
        let token = world.invite(room, host, guest).await;
        let respond = |accept| Respond { caller: guest, token: token.clone(), accept };
        let tasks = [
            world.acting(room, respond(true)),
            world.acting(room, respond(false)),
            world.acting(room, WithdrawInvitation { caller: host, target: guest }),
        ];
        let won: Vec<bool> =
            at_once(tasks).await.into_iter().map(|answer| answer.is_ok_and(|(done, _)| done)).collect();
        assert_eq!(won.iter().filter(|won| **won).count(), 1, "round {round}: {won:?}");
        world.act(room, LeaveStage { caller: host, target: guest }).await.unwrap();
    }
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_does_not_outlive_the_stay_it_was_for() {
    let (world, room, host, guest) = host_and_guest().await;
    for round in 0..200 {
        let token = gochat_domain::InvitationToken(format!("round {round}"));
        let lifetime = world.store.args().invitation;
        let invite = Invite { caller: host, target: guest, token: token.clone(), lifetime };
        let store = world.store.clone();
        let leave: BoxFuture<'static, _> =
            Box::pin(async move { Ok((true, store.leave(guest, room, None).await?.place.revision)) });
        let tasks = if round % 2 == 0 {
            [world.acting(room, invite), leave]
        } else {
            [leave, world.acting(room, invite)]
        };
        for answer in at_once(tasks).await {
            assert!(
                matches!(answer, Ok(_) | Err(Error::Refused(Refusal::TargetNotInRoom))),
                "round {round}: {answer:?}"
            );
        }
        let snapshot = world.store.snapshot(room).await.unwrap().unwrap();
        assert!(snapshot.invitations.is_empty() && !snapshot.view.members.contains_key(&guest.get()));
        assert_eq!(world.deadlines(room).await.len(), 1, "round {round}: the host's lease alone");
        world.join(guest, room).await;
        let late = world.act(room, Respond { caller: guest, token, accept: true }).await;
        assert!(matches!(late, Err(Error::Refused(Refusal::InvitationInvalid))), "round {round}: {late:?}");
    }
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stepped_up_before_all_were_muted_is_muted() {
    let world = World::start().await;
    let host = world.user("host").await;
    let room = world.room(host, 0, 20).await;
    let people = world.people(20).await;
    for uid in &people {
        world.join(*uid, room).await;
    }
    for round in 0..20 {
        let up = Arc::new(Semaphore::new(0));
        let mut tasks: Vec<BoxFuture<'static, _>> = Vec::new();
        for uid in &people {
            let token = world.invite(room, host, *uid).await;
            let (accept, up) =
                (world.acting(room, Respond { caller: *uid, token, accept: true }), up.clone());
            tasks.push(Box::pin(async move {
                let answer = accept.await;
                up.add_permits(1);
                answer
            }));
        }
        // The later the round, the more are up when all are muted; never nobody.
        let mute = world.acting(room, MuteAll { caller: host });
        tasks.push(Box::pin(async move {
            let _enough = up.acquire_many(round + 1).await.unwrap();
            mute.await
        }));
        let mut answers = at_once(tasks).await;
        let mute = match answers.remove(people.len()) {
            // Beaten each time: asked again, as the caller is told to.
            Err(Error::Conflict) => world.act(room, MuteAll { caller: host }).await.unwrap(),
            answer => answer.unwrap().1,
        };
        let mut muted = 0;
        let view = world.view(room).await;
        for (uid, answer) in people.iter().zip(answers) {
            let stepped_up = answer.unwrap().1;
            let by_host = view.members[&uid.get()].mic.unwrap().muted_by_host;
            assert_eq!(by_host, stepped_up < mute, "round {round}: up at {stepped_up}, muted at {mute}");
            muted += u32::from(by_host);
            world.act(room, LeaveStage { caller: host, target: *uid }).await.unwrap();
        }
        assert!(muted > round, "round {round}: {muted} are muted");
    }
    check(&world.store, &world.raw).await;
}
