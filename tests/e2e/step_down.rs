//! Flow 2.5: the host makes a guest speaker a listener again, or the guest steps down.

use gochat_client::{ChangeCause, Refusal};
use serde_json::json;

use crate::{
    sdk,
    web::{self, own_change},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn through_the_sdk() {
    let world = World::start().await;
    let [mut host, mut lea, mut leo] = sdk::three(&world).await;
    let (room, uid) = (host.room(), lea.uid());
    for cause in [ChangeCause::TakenOffStage, ChangeCause::LeftStage] {
        sdk::onto_stage(&mut host, &mut lea).await;
        leo.change(uid, ChangeCause::InvitationAccepted).await;
        let before = host.members().await;
        let by_listener = leo.session.take_off_stage(&room, uid).await;
        sdk::refused(by_listener, Refusal::NotPermitted, "not permitted");
        assert_eq!(host.members().await, before);
        if cause == ChangeCause::TakenOffStage {
            host.session.take_off_stage(&room, uid).await.unwrap();
        } else {
            lea.session.leave_stage(&room).await.unwrap();
        }
        for person in [&mut host, &mut lea, &mut leo] {
            sdk::is_listener(&person.change(uid, cause).await);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_http() {
    let world = World::start().await;
    let ([mut host, mut lea, mut leo], room) = web::three(&world).await;
    let down = json!({ "room_id": room, "target_uid": lea.uid, "type": 2, "on_stage": 1, "mic": 2 });
    web::onto_stage(&mut host, &mut lea, &room).await;
    leo.change(3, &lea, lea.uid).await;
    let before = host.attendees(&room).await;
    leo.refused("set_user_info", down.clone(), 80010, "not permitted").await;
    assert_eq!(host.attendees(&room).await, before);
    host.done("set_user_info", down.clone()).await;
    for user in [lea.change(3, &host, lea.uid).await, leo.change(3, &host, lea.uid).await] {
        web::is_listener(&user);
    }
    let uid = lea.uid;
    host.sees("room_extra_info", 6002, |data| data["users"][0]["uid"] == uid && data["type"] == 3).await;

    web::onto_stage(&mut host, &mut lea, &room).await;
    leo.change(3, &lea, lea.uid).await;
    lea.done("set_user_info", down.clone()).await;
    for user in [host.change(3, &lea, uid).await, leo.change(3, &lea, uid).await] {
        web::is_listener(&user);
    }
    web::is_listener(&own_change(&mut lea, 3).await);
    // Clients send it on every way out: for a listener it changes nothing.
    let before = host.attendees(&room).await;
    lea.done("set_user_info", down).await;
    assert_eq!(host.attendees(&room).await, before);
}
