//! Flow 2.1: the host logs in, keeps a heartbeat, and creates a room.

use gochat_client::{Error, Page, Refusal, Role};
use serde_json::json;

use crate::{
    sdk::{self, Person},
    web::{self, Visitor, try_login},
    world::World,
};

#[tokio::test(flavor = "multi_thread")]
async fn through_the_sdk() {
    let world = World::start().await;
    let host = Person::host(&world.client(), "ann").await;
    let member = &host.entered.member;
    assert_eq!((member.uid, member.role()), (host.uid(), Role::Host));
    assert!(member.on_stage_at > 0 && sdk::mic_on(member) && member.hand_raised_at == 0);
    let room = &host.entered.room;
    assert_eq!((room.host_uid, room.host_name.as_str(), room.subject.as_str()), (host.uid(), "ann", "tea"));
    assert_eq!((room.member_count, room.on_stage_count), (1, 1));
    assert!(room.room_id.len() == 9 && room.room_id.bytes().all(|digit| digit.is_ascii_digit()));
    let beat = host.session.heartbeat(Some(&host.room())).await.unwrap();
    assert_eq!(beat.room_id, Some(host.room()));
    assert_eq!(beat.interval.as_secs(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn through_the_sdk_not_everything_goes() {
    let world = World::start().await;
    let client = world.client();
    for name in ["", "sixteen-letters-"] {
        match client.login(name, "").await.unwrap_err() {
            Error::Refused { refusal, field, .. } => {
                assert_eq!((refusal, field.as_deref()), (Refusal::InvalidArgument, Some("nick_name")));
            }
            other => panic!("{other:?}"),
        }
    }
    let ann = client.login("ann", "").await.unwrap();
    sdk::refused(client.login("ANN", "").await, Refusal::NickNameInUse, "the nick name is in use");
    let gone = ann.heartbeat(Some("999999999")).await;
    sdk::refused(gone, Refusal::RoomNotFound, "the room does not exist");
    assert!(ann.list_rooms(Page::default()).await.unwrap().rooms.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn through_http() {
    let world = World::start().await;
    let mut host = Visitor::login(&world, "ann").await;
    let pulse = host.data("heartbeat", json!({ "room_id": null })).await;
    assert_eq!(pulse, json!({ "interval": 10, "attendee_list_seq": 0, "gb_personal_state_seq": 0 }));
    let room = host.data("create_room", json!({ "subject": "tea" })).await;
    let id = room["room_id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 9);
    let expected = json!({
        "room_id": id, "subject": "tea", "create_time": room["create_time"].as_u64().unwrap(),
        "creator_name": "ann", "creator_id": host.uid, "online_count": 1, "on_stage_count": 1,
    });
    assert_eq!(room, expected);
    let snapshot = host.listen(&id).await;
    let me = &snapshot["attendee_list"][0];
    web::is(me, 3, 2, 2, 1);
    let expected = json!({
        "room": room, "attendee_list": [{
            "room_id": id, "uid": host.uid, "nick_name": "ann", "avatar": "", "role": 3,
            "login_timestamp": me["login_timestamp"].as_u64().unwrap(), "mic": 2, "raise_hand": 1,
            "raise_hand_timestamp": 0, "onstage_state": 2,
            "onstage_timestamp": me["onstage_timestamp"].as_u64().unwrap(),
        }],
        "seq": snapshot["seq"].as_u64().unwrap(), "complete": true,
    });
    assert_eq!(snapshot, expected);
    host.data("heartbeat", json!({ "room_id": id })).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn through_http_not_everything_goes() {
    let world = World::start().await;
    for name in ["", "sixteen-letters-"] {
        let answer = try_login(&world, name).await;
        assert_eq!(answer["ret"]["code"], 80001, "{answer}");
        assert!(answer["ret"]["message"].as_str().unwrap().starts_with("nick_name: "), "{answer}");
        assert_eq!(answer.get("data"), None);
    }
    let ann = Visitor::login(&world, "ann").await;
    let answer = try_login(&world, "Ann").await;
    assert_eq!(answer, json!({ "ret": { "code": 80000, "message": "the nick name is in use" } }));
    let nowhere = json!({ "room_id": "999999999" });
    for method in ["login_room", "heartbeat", "close_room", "get_raise_hand_list"] {
        ann.refused(method, nowhere.clone(), 80002, "the room does not exist").await;
    }
    let rooms = ann.data("get_room_list", json!({ "count": 1000 })).await;
    assert_eq!(rooms, json!({ "room_list": [] }));
}
