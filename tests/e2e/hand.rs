//! Flow 2.3: a listener raises a hand and is invited; it accepts, or declines.

use gochat_client::{ChangeCause, Kind, MemberList, Page, Refusal};
use serde_json::json;

use crate::{
    sdk,
    web::{self, own_change},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn accepted_through_the_sdk() {
    let world = World::start().await;
    let [mut host, mut lea, mut leo] = sdk::three(&world).await;
    let (room, uid) = (host.room(), lea.uid());
    lea.session.raise_hand(&room).await.unwrap();
    for person in [&mut host, &mut lea, &mut leo] {
        assert!(person.change(uid, ChangeCause::HandRaised).await.hand_raised_at > 0);
    }
    let hands = host.session.members(&room, MemberList::Hands, Page::default()).await.unwrap();
    assert_eq!(hands.members.iter().map(|member| member.uid).collect::<Vec<_>>(), [uid]);
    host.session.invite(&room, uid).await.unwrap();
    let token = lea.invitation().await;

    let before = host.members().await;
    let wrong = lea.session.respond(&room, "wrong", true).await;
    sdk::refused(wrong, Refusal::InvitationInvalid, "the invitation is not valid");
    let anothers = leo.session.respond(&room, &token, true).await;
    sdk::refused(anothers, Refusal::InvitationInvalid, "the invitation is not valid");
    assert_eq!(host.members().await, before);

    lea.session.respond(&room, &token, true).await.unwrap();
    for person in [&mut host, &mut lea, &mut leo] {
        sdk::is_guest(&person.change(uid, ChangeCause::InvitationAccepted).await);
    }
    assert!(!leo.was_told(|event| matches!(event, Kind::InvitationSent(_))));
    let before = host.members().await;
    let twice = lea.session.respond(&room, &token, true).await;
    sdk::refused(twice, Refusal::InvitationInvalid, "the invitation is not valid");
    assert_eq!(host.members().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_through_the_sdk() {
    let world = World::start().await;
    let [mut host, mut lea, mut leo] = sdk::three(&world).await;
    let (room, uid) = (host.room(), lea.uid());
    lea.session.raise_hand(&room).await.unwrap();
    host.change(uid, ChangeCause::HandRaised).await;
    host.session.invite(&room, uid).await.unwrap();
    let token = lea.invitation().await;
    lea.session.respond(&room, &token, false).await.unwrap();
    let declined = |event: &Kind| matches!(event, Kind::InvitationDeclined(_));
    host.event("the refusal", |event| declined(event).then_some(())).await;
    lea.session.lower_hand(&room).await.unwrap();
    for person in [&mut lea, &mut leo] {
        sdk::is_listener(&person.change(uid, ChangeCause::HandLowered).await);
        assert!(!person.was_told(declined));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_through_http() {
    let world = World::start().await;
    let ([mut host, mut lea, mut leo], room) = web::three(&world).await;
    lea.done("operate_raise_hand", json!({ "room_id": room, "type": 2 })).await;
    for user in [host.change(1, &lea, lea.uid).await, leo.change(1, &lea, lea.uid).await] {
        web::is(&user, 1, 1, 1, 2);
    }
    own_change(&mut lea, 1).await;
    let hands = host.data("get_raise_hand_list", json!({ "room_id": room })).await;
    assert_eq!(hands["attendee_list"].as_array().unwrap().len(), 1);
    assert_eq!(hands["attendee_list"][0]["uid"], lea.uid);
    host.done("invite_onstage", json!({ "room_id": room, "target_uid": lea.uid })).await;
    let token = lea.invitation(host.uid).await;

    let before = host.attendees(&room).await;
    let answer = |token: &str| json!({ "room_id": room, "invite_token": token, "respond": 2 });
    for (who, token) in [(&lea, "wrong"), (&leo, token.as_str())] {
        let method = "response_onstage_invite";
        who.refused(method, answer(token), 80014, "the invitation is not valid").await;
    }
    assert_eq!(host.attendees(&room).await, before);

    lea.done("response_onstage_invite", answer(&token)).await;
    for user in [host.change(3, &lea, lea.uid).await, leo.change(3, &lea, lea.uid).await] {
        web::is_guest(&user);
    }
    assert!(!leo.was_told(6004) && !host.was_told(6004));
    let before = host.attendees(&room).await;
    lea.refused("response_onstage_invite", answer(&token), 80014, "the invitation is not valid").await;
    assert_eq!(host.attendees(&room).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_through_http() {
    let world = World::start().await;
    let ([mut host, mut lea, mut leo], room) = web::three(&world).await;
    lea.done("operate_raise_hand", json!({ "room_id": room, "type": 2 })).await;
    leo.change(1, &lea, lea.uid).await;
    host.done("invite_onstage", json!({ "room_id": room, "target_uid": lea.uid })).await;
    let token = lea.invitation(host.uid).await;
    let decline = json!({ "room_id": room, "invite_token": token, "respond": 1 });
    lea.done("response_onstage_invite", decline).await;
    let told = host.sees("custom_command", 6005, |_| true).await;
    assert_eq!(told, json!({ "target_uid": host.uid, "uid": lea.uid, "nick_name": "lea" }));
    lea.done("operate_raise_hand", json!({ "room_id": room, "type": 1 })).await;
    web::is_listener(&leo.change(1, &lea, lea.uid).await);
    assert!(!leo.was_told(6005));
    // Lowering what is not raised is no error.
    lea.done("operate_raise_hand", json!({ "room_id": room, "type": 1 })).await;
}
