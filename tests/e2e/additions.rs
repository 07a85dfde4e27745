//! What is offered beyond the documented methods: what a host may do over HTTP, tokens for a media provider, and voice.

mod voice;

use std::io::Write;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use gochat_suite::SuiteConfig;
use serde_json::{Value, json};

use crate::{
    web::{Visitor, is_listener, onto_stage, three},
    world::World,
};

#[tokio::test]
async fn hands_and_invitations_go_down_by_the_host() {
    let world = World::start().await;
    let ([mut host, mut lea, leo], room) = three(&world).await;
    let raise = json!({ "room_id": room, "type": 2 });
    for listener in [&lea, &leo] {
        listener.done("operate_raise_hand", raise.clone()).await;
    }
    leo.refused("x/lower_hand", json!({ "room_id": room, "target_uid": lea.uid }), 80010, "not permitted")
        .await;
    host.done("x/lower_hand", json!({ "room_id": room, "target_uid": lea.uid })).await;
    is_listener(
        &lea.sees("room_extra_info", 6002, |data| data["operator_uid"] == host.uid).await["users"][0],
    );
    let hands = host.data("get_raise_hand_list", json!({ "room_id": room })).await;
    assert_eq!(hands["attendee_list"].as_array().unwrap().len(), 1, "{hands}");
    host.done("x/lower_all_hands", json!({ "room_id": room })).await;
    let hands = host.data("get_raise_hand_list", json!({ "room_id": room })).await;
    assert_eq!(hands["attendee_list"], json!([]));

    host.done("invite_onstage", json!({ "room_id": room, "target_uid": lea.uid })).await;
    let token = lea.invitation(host.uid).await;
    host.done("x/withdraw_invite", json!({ "room_id": room, "target_uid": lea.uid })).await;
    let accept = json!({ "room_id": room, "invite_token": token, "respond": 2 });
    lea.refused("response_onstage_invite", accept, 80014, "the invitation is not valid").await;

    onto_stage(&mut host, &mut lea, &room).await;
    leo.refused("x/mute_all", json!({ "room_id": room }), 80010, "not permitted").await;
    host.done("x/mute_all", json!({ "room_id": room })).await;
    let muted = lea.sees("room_extra_info", 6002, |data| data["type"] == 2).await;
    assert_eq!(muted["users"][0]["mic"], 1);
}

#[tokio::test]
async fn who_is_banned_stays_out_until_let_in_and_a_room_changes_hands() {
    let world = World::start().await;
    let ([host, mut lea, leo], room) = three(&world).await;
    let about = |who: &Visitor| json!({ "room_id": room, "target_uid": who.uid });
    let (here, mut ban) = (json!({ "room_id": room }), about(&lea));
    ban["ban_seconds"] = 600.into();
    ban["reason"] = "noise".into();
    leo.refused("x/remove_member", ban.clone(), 80010, "not permitted").await;
    host.done("x/remove_member", ban).await;
    lea.ends().await;
    lea.refused("login_room", here.clone(), 80015, "banned from the room").await;
    let list = host.data("x/get_ban_list", here.clone()).await;
    let since = list["ban_list"][0]["since"].as_i64().unwrap();
    let expected = json!({ "uid": lea.uid, "reason": "noise", "since": since, "until": since + 600_000 });
    assert_eq!(list, json!({ "room_id": room, "ban_list": [expected] }));
    host.done("x/unban", about(&lea)).await;
    lea.data("login_room", here.clone()).await;
    // Taken out without a ban, one comes back.
    host.done("x/remove_member", about(&lea)).await;
    lea.data("login_room", here.clone()).await;

    host.done("x/transfer_host", about(&leo)).await;
    let shown = leo.attendees(&room).await;
    assert_eq!(
        (&shown["attendee_list"][0]["uid"], &shown["attendee_list"][0]["role"]),
        (&json!(leo.uid), &json!(3))
    );
    host.refused("close_room", here.clone(), 80010, "not permitted").await;
    Visitor::login(&world, "out").await.refused("close_room", here.clone(), 80010, "not in the room").await;
    leo.done("close_room", here).await;
}

/// What a token of LiveKit's says that its holder may do.
fn rights(data: &Value) -> Value {
    let claims = data["token"].as_str().unwrap().split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap() == 60);
    let video = &claims["video"];
    json!([video["room"], video["roomJoin"], video["canSubscribe"], video["canPublish"]])
}

#[tokio::test]
async fn a_media_token_admits_to_the_room_that_its_holder_is_in() {
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"0123456789abcdef0123456789abcdef").unwrap();
    let mut config = SuiteConfig::for_tests().unwrap();
    config.account.media.media_tokens = clap::ValueEnum::from_str("livekit", false).unwrap();
    config.account.media.livekit_key = "key".to_owned();
    config.account.media.livekit_secret_file = Some(secret.path().to_owned());
    let world = World::of(config).await;
    let ([mut host, mut lea, _leo], room) = three(&world).await;
    let outsider = Visitor::login(&world, "out").await;
    let lobby = json!({ "ttl": 60, "room_id": "" });
    let nowhere = json!(["", false, false, false]);
    for body in [lobby.clone(), json!({ "ttl": 60 }), json!({ "ttl": 60, "room_id": room })] {
        assert_eq!(rights(&outsider.data("misc/get_web_token", body).await), nowhere);
    }
    onto_stage(&mut host, &mut lea, &room).await;
    for who in [&host, &lea] {
        let token = who.data("misc/get_web_token", lobby.clone()).await;
        assert_eq!(rights(&token), json!([room, true, true, false]), "the provider is told who may publish");
    }
    let other = json!({ "ttl": 60, "room_id": "999999999" });
    assert_eq!(rights(&lea.data("misc/get_web_token", other).await), nowhere);
    let wrong = json!({ "ttl": 60, "room_id": "12" });
    assert_eq!(lea.call("misc/get_web_token", wrong).await["ret"]["code"], 80001);
    lea.done("quit_room", json!({ "room_id": room })).await;
    assert_eq!(rights(&lea.data("misc/get_web_token", lobby).await), nowhere);
}
