//! Flow 2.4: the host invites a listener who didn't ask.

use gochat_client::{ChangeCause, Kind, Refusal};
use serde_json::json;

use crate::{sdk, web, world::World};

#[tokio::test(flavor = "multi_thread")]
async fn through_the_sdk() {
    let world = World::start().await;
    let [mut host, mut lea, mut leo] = sdk::three(&world).await;
    let room = host.room();
    let before = host.members().await;
    let by_listener = lea.session.invite(&room, leo.uid()).await;
    sdk::refused(by_listener, Refusal::NotPermitted, "not permitted");
    let stranger = world.client().login("stranger", "").await.unwrap();
    let of_stranger = host.session.invite(&room, stranger.uid()).await;
    sdk::refused(of_stranger, Refusal::TargetNotInRoom, "the other user is not in the room");
    assert_eq!(host.members().await, before);

    sdk::onto_stage(&mut host, &mut lea).await;
    sdk::is_guest(&leo.change(lea.uid(), ChangeCause::InvitationAccepted).await);
    assert!(!leo.was_told(|event| matches!(event, Kind::InvitationSent(_))));
    let again = host.session.invite(&room, lea.uid()).await;
    sdk::refused(again, Refusal::AlreadyOnStage, "already on stage");
}

#[tokio::test(flavor = "multi_thread")]
async fn through_http() {
    let world = World::start().await;
    let ([mut host, mut lea, mut leo], room) = web::three(&world).await;
    let before = host.attendees(&room).await;
    let invite = |uid: u64| json!({ "room_id": room, "target_uid": uid });
    lea.refused("invite_onstage", invite(leo.uid), 80010, "not permitted").await;
    let stranger = web::Visitor::login(&world, "stranger").await;
    let words = "the other user is not in the room";
    host.refused("invite_onstage", invite(stranger.uid), 80011, words).await;
    stranger.refused("invite_onstage", invite(lea.uid), 80011, "not in the room").await;
    assert_eq!(host.attendees(&room).await, before);

    web::onto_stage(&mut host, &mut lea, &room).await;
    web::is_guest(&leo.change(3, &lea, lea.uid).await);
    assert!(!leo.was_told(6004));
    host.refused("invite_onstage", invite(lea.uid), 80006, "already on stage").await;
}
