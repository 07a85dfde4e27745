//! Clients that know of no token, where the operator lets a mere uid be believed.

use gochat_suite::SuiteConfig;
use serde_json::json;

use crate::{
    web::{Visitor, own_change},
    web_stream::Over,
    world::World,
};

/// A deployment whose gateway may act for users, and believes mere uids.
async fn trusting() -> World {
    let mut config = SuiteConfig::for_tests().unwrap();
    config.gateway.identity.trust_uid = true;
    World::of(config.with_token_of_its_own()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unmodified_client_is_served() {
    let world = trusting().await;
    let mut host = Visitor::login(&world, "host").await.without_token();
    let opened = host.data("create_room", json!({ "subject": "tea" })).await;
    let room = opened["room_id"].as_str().unwrap().to_owned();
    host.listen(&room).await;
    let mut lea = Visitor::login(&world, "lea").await.without_token().over(Over::WebSocket);
    lea.data("login_room", json!({ "room_id": room })).await;
    lea.listen(&room).await;
    lea.done("operate_raise_hand", json!({ "room_id": room, "type": 2 })).await;
    host.change(1, &lea, lea.uid).await;
    own_change(&mut lea, 1).await;
    host.done("invite_onstage", json!({ "room_id": room, "target_uid": lea.uid })).await;
    lea.invitation(host.uid).await;
    lea.done("logout", json!({})).await;
    lea.ends().await;
    for method in ["heartbeat", "get_room_list", "quit_room", "get_event_ticket"] {
        let path = if method == "get_event_ticket" { "misc/get_event_ticket" } else { method };
        let answer = lea.call(path, json!({ "room_id": room })).await;
        assert_eq!(answer["ret"]["code"], 80012, "{method}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mere_uid_is_not_believed_unless_the_operator_says_so() {
    let world = World::start().await;
    let ann = Visitor::login(&world, "ann").await.without_token();
    let answer = ann.call("create_room", json!({ "subject": "tea" })).await;
    assert_eq!(answer, json!({ "ret": { "code": 80012, "message": "not logged in" } }));
}
