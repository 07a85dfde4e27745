//! What a host may do to all, or to somebody's stay; and one room at a time for everybody.

use gochat_client::{Banned, ChangeCause, GoodbyeReason, Kind, Page, Refusal, Update};

use crate::{
    sdk::{self, refused},
    world::{World, soon},
};

#[tokio::test(flavor = "multi_thread")]
async fn who_is_banned_is_out_and_stays_out_until_the_ban_is_lifted() {
    let world = World::start().await;
    let [host, mut lea, leo] = sdk::three(&world).await;
    let (room, uid) = (host.room(), lea.uid());
    refused(leo.session.remove_member(&room, uid, None).await, Refusal::NotPermitted, "not permitted");
    let ban = Banned { reason: "noise".to_owned(), ..Banned::default() };
    host.session.remove_member(&room, uid, Some(ban)).await.unwrap();
    lea.sees("the end", |update| *update == Update::Ended(GoodbyeReason::Removed)).await;
    refused(lea.session.join_room(&room).await, Refusal::Banned, "banned from the room");
    let bans = host.session.bans(&room, Page::default()).await.unwrap().bans;
    assert_eq!((bans[0].uid, bans[0].reason.as_str(), bans[0].until), (uid, "noise", 0));
    host.session.unban(&room, uid).await.unwrap();
    assert_eq!(lea.session.join_room(&room).await.unwrap().member.uid, uid);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_are_muted_and_all_hands_lowered_at_once() {
    let world = World::start().await;
    let [mut host, mut lea, leo] = sdk::three(&world).await;
    let room = host.room();
    sdk::onto_stage(&mut host, &mut lea).await;
    leo.session.raise_hand(&room).await.unwrap();
    refused(leo.session.mute_all(&room).await, Refusal::NotPermitted, "not permitted");
    host.session.mute_all(&room).await.unwrap();
    assert!(!sdk::mic_on(&lea.change(lea.uid(), ChangeCause::MutedByHost).await));
    refused(lea.session.set_mic(&room, true).await, Refusal::MutedByHost, "muted by the host");
    host.session.lower_all_hands(&room).await.unwrap();
    lea.event("hands down", |event| matches!(event, Kind::HandsLowered(_)).then_some(())).await;
    assert!(host.members().await.iter().all(|member| member.hand_raised_at == 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_enters_another_room_has_left_the_one_before() {
    let world = World::start().await;
    let [mut host, mut lea, _leo] = sdk::three(&world).await;
    let other = lea.session.create_room("coffee").await.unwrap();
    lea.sees("the end", |update| *update == Update::Ended(GoodbyeReason::Replaced)).await;
    let uid = lea.uid();
    let left = |event: &Kind| match event {
        Kind::MemberLeft(left) => left.member.clone().filter(|member| member.uid == uid),
        _ => None,
    };
    host.event("lea leaving", left).await;
    assert_eq!(lea.session.heartbeat(None).await.unwrap().room_id.as_ref(), Some(&other.room.room_id));
    refused(lea.session.join_room(&other.room.room_id).await, Refusal::AlreadyInRoom, "already in the room");

    // A host who goes elsewhere closes the room.
    host.session.join_room(&other.room.room_id).await.unwrap();
    host.sees("the end", |update| *update == Update::Ended(GoodbyeReason::RoomClosed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_can_be_taken_back_and_ends_by_itself() {
    let world = World::with(|store| store.invitation = std::time::Duration::from_secs(1)).await;
    let [mut host, mut lea, _leo] = sdk::three(&world).await;
    let (room, uid) = (host.room(), lea.uid());
    host.session.invite(&room, uid).await.unwrap();
    let token = lea.invitation().await;
    host.session.withdraw_invitation(&room, uid).await.unwrap();
    lea.event("taken back", |event| matches!(event, Kind::InvitationWithdrawn(_)).then_some(())).await;
    let invalid = "the invitation is not valid";
    refused(lea.session.respond(&room, &token, true).await, Refusal::InvitationInvalid, invalid);

    host.session.invite(&room, uid).await.unwrap();
    let token = lea.invitation().await;
    for person in [&mut lea, &mut host] {
        person.event("its end", |event| matches!(event, Kind::InvitationExpired(_)).then_some(())).await;
    }
    refused(lea.session.respond(&room, &token, true).await, Refusal::InvitationInvalid, invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_logs_out_is_gone_and_the_name_is_free() {
    let world = World::start().await;
    let [mut host, lea, _leo] = sdk::three(&world).await;
    let uid = lea.uid();
    lea.session.logout().await.unwrap();
    let gone = |event: &Kind| matches!(event, Kind::MemberLeft(left) if left.member.as_ref().is_some_and(|member| member.uid == uid));
    host.event("lea leaving", |event| gone(event).then_some(())).await;
    soon("the name", world.client().login("LEA", "")).await.unwrap();
    assert!(lea.session.raise_hand(&host.room()).await.is_err());
}
