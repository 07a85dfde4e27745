//! Flow 2.6: the host mutes a guest, who stays on stage; the guest has a switch of its own.

use gochat_client::{ChangeCause, Refusal, Role};
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
    sdk::onto_stage(&mut host, &mut lea).await;
    let before = host.members().await;
    let by_listener = leo.session.set_mic_of(&room, uid, false).await;
    sdk::refused(by_listener, Refusal::NotPermitted, "not permitted");
    let off_stage = leo.session.set_mic(&room, true).await;
    sdk::refused(off_stage, Refusal::NotOnStage, "not on stage");
    assert_eq!(host.members().await, before);

    host.session.set_mic_of(&room, uid, false).await.unwrap();
    for person in [&mut host, &mut lea, &mut leo] {
        let muted = person.change(uid, ChangeCause::MutedByHost).await;
        assert_eq!(muted.role(), Role::GuestSpeaker);
        assert!(muted.on_stage_at > 0 && !sdk::mic_on(&muted), "{muted:?}");
    }
    let before = host.members().await;
    let held = lea.session.set_mic(&room, true).await;
    sdk::refused(held, Refusal::MutedByHost, "muted by the host");
    assert_eq!(host.members().await, before);

    host.session.set_mic_of(&room, uid, true).await.unwrap();
    assert!(!sdk::mic_on(&lea.change(uid, ChangeCause::MuteLifted).await));
    for on in [true, false, true] {
        lea.session.set_mic(&room, on).await.unwrap();
        for person in [&mut host, &mut lea, &mut leo] {
            assert_eq!(sdk::mic_on(&person.change(uid, ChangeCause::MicSwitched).await), on);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn through_http() {
    let world = World::start().await;
    let ([mut host, mut lea, mut leo], room) = web::three(&world).await;
    let uid = lea.uid;
    web::onto_stage(&mut host, &mut lea, &room).await;
    let mic = |mic: u32| json!({ "room_id": room, "target_uid": uid, "type": 1, "mic": mic });
    let before = host.attendees(&room).await;
    leo.refused("set_user_info", mic(1), 80010, "not permitted").await;
    host.refused("set_user_info", mic(2), 80010, "not permitted").await;
    assert_eq!(host.attendees(&room).await, before);

    for now in [1, 2, 1] {
        lea.done("set_user_info", mic(now)).await;
        for user in [host.change(2, &lea, uid).await, leo.change(2, &lea, uid).await] {
            web::is(&user, 2, 2, now, 1);
        }
        own_change(&mut lea, 2).await;
    }
    lea.done("set_user_info", mic(2)).await;
    own_change(&mut lea, 2).await;
    leo.change(2, &lea, uid).await;

    host.done("set_user_info", mic(1)).await;
    for user in [lea.change(2, &host, uid).await, leo.change(2, &host, uid).await] {
        web::is(&user, 2, 2, 1, 1);
    }
    let before = host.attendees(&room).await;
    lea.refused("set_user_info", mic(2), 80010, "muted by the host").await;
    assert_eq!(host.attendees(&room).await, before);
}
