//! A decision is held after it has loaded; others are faster; then it goes on.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use gochat_domain::{
    Change, ClientId, Entry, LeaveReason, Loaded, NickName, Refusal, RoomId, Uid,
    rules::{
        BanTerms, Close, ExpireInvitation, Invite, Join, Leave, Load, LowerAllHands, MuteAll, Newcomer,
        RaiseHand, RemoveMember, Respond, Rule, SecondClient, SetMic, WithdrawInvitation,
    },
};
use gochat_store::{Committed, Error, Request, Result};
use tokio::task::JoinHandle;

use crate::{
    checker::check,
    world::{World, request},
};

/// A rule that decides only when it is let, the first time.
struct Slow<R> {
    rule: R,
    loaded: tokio::sync::Notify,
    go: Mutex<Receiver<()>>,
    tries: AtomicUsize,
}

impl<R: Rule> Rule for Slow<R> {
    fn load(&self) -> Load {
        self.rule.load()
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        if self.tries.fetch_add(1, Ordering::SeqCst) == 0 {
            self.loaded.notify_one();
            tokio::task::block_in_place(|| self.go.lock().unwrap().recv().unwrap());
        }
        self.rule.decide(room)
    }
}

/// A decision that has loaded and not yet decided.
struct Held<R> {
    slow: Arc<Slow<R>>,
    go: SyncSender<()>,
    task: JoinHandle<Result<Committed<()>>>,
}

impl<R> Held<R> {
    /// Lets it go on; gives what came of it, and how often it was decided.
    async fn go_on(self) -> (Result<Committed<()>>, usize) {
        self.go.send(()).unwrap();
        let answer = self.task.await.unwrap();
        (answer, self.slow.tries.load(Ordering::SeqCst))
    }

    /// Lets it go on; it must be decided again, and be refused.
    async fn ends_refused(self, why: Refusal) {
        match self.go_on().await {
            (Err(Error::Refused(refusal)), 2) => assert_eq!(refusal, why),
            other => panic!("{other:?}"),
        }
    }
}

impl World {
    async fn hold<R: Rule + 'static>(&self, room: RoomId, rule: R, request: Option<Request>) -> Held<R> {
        let (go, let_go) = sync_channel(1);
        let loaded = tokio::sync::Notify::new();
        let slow = Arc::new(Slow { rule, loaded, go: Mutex::new(let_go), tries: AtomicUsize::new(0) });
        let (store, held) = (self.store.clone(), slow.clone());
        let task =
            tokio::spawn(async move { store.transact(room, &*held, request.as_ref(), |_, _| ()).await });
        slow.loaded.notified().await;
        Held { slow, go, task }
    }

    /// Waits until Redis's clock has passed a moment.
    async fn pass(&self, moment: u64) {
        while self.time().await <= moment {}
    }
}

/// Somebody on the way in, without an account: what a room decides is all that counts here.
fn newcomer(entry: u64) -> Newcomer {
    Newcomer {
        uid: Uid::try_from(7).unwrap(),
        nick_name: NickName::parse("new").unwrap(),
        avatar: String::new(),
        client: ClientId::parse(&format!("{entry}")).unwrap(),
        entry: Entry(entry),
    }
}

fn join(entry: u64) -> Join {
    Join { newcomer: newcomer(entry), second_client: SecondClient::TakeOver }
}

/// A room for three with so many seats, its host, and a guest.
async fn scene(seats: u32) -> (World, RoomId, Uid, Uid) {
    let world = World::start().await;
    let (host, guest) = (world.user("host").await, world.user("guest").await);
    let room = world.room(host, 3, seats).await;
    world.join(guest, room).await;
    (world, room, host, guest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hand_that_goes_up_while_all_are_lowered_is_lowered_too() {
    let (world, room, host, guest) = scene(1).await;
    let lowering = world.hold(room, LowerAllHands { caller: host }, None).await;
    // Later than what the other has loaded, by Redis's clock.
    world.pass(world.time().await).await;
    world.act(room, RaiseHand { caller: guest }).await.unwrap();
    let (lowered, tries) = lowering.go_on().await;
    lowered.unwrap();
    assert_eq!(tries, 2, "it is decided again");
    assert!(world.view(room).await.hands.is_empty());
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_withdrawn_meanwhile_is_not_accepted() {
    let (world, room, host, guest) = scene(1).await;
    let token = world.invite(room, host, guest).await;
    let accept = world.hold(room, Respond { caller: guest, token, accept: true }, None).await;
    world.act(room, WithdrawInvitation { caller: host, target: guest }).await.unwrap();
    accept.ends_refused(Refusal::InvitationInvalid).await;
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_expired_meanwhile_is_not_accepted() {
    let (world, room, host, guest) = scene(1).await;
    let token = gochat_domain::InvitationToken("short".to_owned());
    let lifetime = Duration::from_millis(200);
    world.act(room, Invite { caller: host, target: guest, token: token.clone(), lifetime }).await.unwrap();
    let accept = world.hold(room, Respond { caller: guest, token, accept: true }, None).await;
    let invitation = world.store.snapshot(room).await.unwrap().unwrap().invitations.remove(0);
    world.pass(invitation.expires_at.0 as u64).await;
    world.act(room, ExpireInvitation { target: guest, deadline: invitation.expires_at }).await.unwrap();
    accept.ends_refused(Refusal::InvitationInvalid).await;
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_twin_that_loaded_before_the_first_is_not_done_after_it() {
    let (world, room, ..) = scene(1).await;
    let once = request(newcomer(1).uid, "once");
    let twin = world.hold(room, join(1), Some(once.clone())).await;
    let first = world.store.transact(room, &join(1), Some(&once), |_, _| ()).await.unwrap();
    let leave = Leave { uid: newcomer(1).uid, entry: None, reason: LeaveReason::Left };
    let left = world.act(room, leave).await.unwrap();
    let (twin, tries) = twin.go_on().await;
    assert_eq!((twin.unwrap(), tries), (first, 1), "it is given the first one's answer");
    assert_eq!(world.view(room).await.place.revision, left, "nothing is done");
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn muting_all_does_not_undo_what_a_speaker_did_meanwhile() {
    let (world, room, host, guest) = scene(1).await;
    let token = world.invite(room, host, guest).await;
    world.act(room, Respond { caller: guest, token, accept: true }).await.unwrap();
    let mute = world.hold(room, MuteAll { caller: host }, None).await;
    world.act(room, SetMic { caller: guest, target: guest, on: false }).await.unwrap();
    let (muted, tries) = mute.go_on().await;
    muted.unwrap();
    assert_eq!(tries, 2, "it is decided again");
    let mic = world.view(room).await.members[&guest.get()].mic.unwrap();
    assert!(mic.muted_by_self && mic.muted_by_host, "{mic:?}");
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_steps_up_while_all_are_muted_is_muted() {
    let (world, room, host, guest) = scene(2).await;
    let other = world.user("other").await;
    world.join(other, room).await;
    let token = world.invite(room, host, guest).await;
    world.act(room, Respond { caller: guest, token, accept: true }).await.unwrap();
    let token = world.invite(room, host, other).await;
    let mute = world.hold(room, MuteAll { caller: host }, None).await;
    world.act(room, Respond { caller: other, token, accept: true }).await.unwrap();
    assert_eq!(mute.go_on().await.1, 2, "it is decided again");
    let view = world.view(room).await;
    for uid in [guest, other] {
        assert!(view.members[&uid.get()].mic.unwrap().muted_by_host, "{uid}");
    }
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_meanwhile_does_not_enter() {
    let (world, room, caller, _) = scene(1).await;
    let entering = world.hold(room, join(1), None).await;
    let ban = Some(BanTerms { duration: None, reason: String::new() });
    world.act(room, RemoveMember { caller, target: newcomer(1).uid, ban }).await.unwrap();
    entering.ends_refused(Refusal::Banned).await;
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_enters_a_room_that_closed_meanwhile() {
    let (world, room, caller, _) = scene(1).await;
    let entering = world.hold(room, join(1), None).await;
    world.act(room, Close { caller }).await.unwrap();
    entering.ends_refused(Refusal::RoomNotFound).await;
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_place_taken_meanwhile_is_taken() {
    let (world, room, ..) = scene(1).await;
    let entering = world.hold(room, join(1), None).await;
    let other = world.user("other").await;
    world.join(other, room).await;
    entering.ends_refused(Refusal::RoomFull).await;
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_seat_taken_meanwhile_is_taken() {
    let (world, room, host, guest) = scene(1).await;
    let other = world.user("other").await;
    world.join(other, room).await;
    let token = world.invite(room, host, guest).await;
    let accept = world.hold(room, Respond { caller: guest, token, accept: true }, None).await;
    let token = world.invite(room, host, other).await;
    world.act(room, Respond { caller: other, token, accept: true }).await.unwrap();
    accept.ends_refused(Refusal::StageFull).await;
    check(&world.store, &world.raw).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lower_entry_does_not_displace_a_higher() {
    let (world, room, ..) = scene(1).await;
    let lower = world.hold(room, join(1), None).await;
    world.act(room, join(2)).await.unwrap();
    lower.ends_refused(Refusal::Overtaken).await;
    let stays = world.stays(newcomer(2).uid, &[room]).await;
    assert_eq!(stays, [(room, Entry(2))]);
    let leave = Leave { uid: newcomer(1).uid, entry: Some(Entry(1)), reason: LeaveReason::Replaced };
    world.act(room, leave).await.unwrap();
    assert_eq!(world.stays(newcomer(2).uid, &[room]).await, stays, "nor does its end remove a higher");
    let leave = Leave { uid: newcomer(2).uid, entry: Some(Entry(2)), reason: LeaveReason::Left };
    world.act(room, leave).await.unwrap();
    check(&world.store, &world.raw).await;
}
