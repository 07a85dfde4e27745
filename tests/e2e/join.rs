//! Flow 2.2: a listener finds the room and joins; everybody hears of it; the list of attendees.

use gochat_client::{GoodbyeReason, Kind, MemberList, Page, Refusal, Role, Update};
use gochat_domain::rules::SecondClient;
use serde_json::{Value, json};

use crate::{
    sdk::{self, Person},
    web::{self, Visitor},
    world::{World, soon},
};

#[tokio::test(flavor = "multi_thread")]
async fn through_the_sdk() {
    let world = World::start().await;
    let client = world.client();
    let mut host = Person::host(&client, "host").await;
    let room = host.room();
    let seeker = client.login("seeker", "").await.unwrap();
    let listed = async {
        loop {
            let rooms = seeker.list_rooms(Page::default()).await.unwrap().rooms;
            if rooms.iter().any(|listed| listed.room_id == room) {
                return rooms;
            }
        }
    };
    assert_eq!(soon("the room in the list", listed).await[0].host_name, "host");

    let lea = Person::listener(&client, "lea", &room).await;
    let uid = lea.uid();
    let joined = host.event("lea", |event| match event {
        Kind::MemberJoined(joined) => joined.member.clone().filter(|member| member.uid == uid),
        _ => None,
    });
    sdk::is_listener(&joined.await);
    let members = lea.members().await;
    assert_eq!(members.iter().map(|member| member.uid).collect::<Vec<_>>(), [host.uid(), uid]);
    assert_eq!(members[0].role(), Role::Host);

    let stranger = seeker.members(&room, MemberList::All, Page::default()).await;
    sdk::refused(stranger, Refusal::NotInRoom, "not in the room");
    let nowhere = seeker.join_room("999999999").await;
    sdk::refused(nowhere, Refusal::RoomNotFound, "the room does not exist");
    assert_eq!(lea.members().await, members);
}

#[tokio::test(flavor = "multi_thread")]
async fn through_http() {
    let world = World::start().await;
    let mut host = Visitor::login(&world, "host").await;
    let opened = host.data("create_room", json!({ "subject": "tea" })).await;
    let room = opened["room_id"].as_str().unwrap();
    host.listen(room).await;
    let lea = Visitor::login(&world, "lea").await;
    let listed = async {
        loop {
            let list = lea.data("get_room_list", json!({ "count": 1000 })).await;
            if list["room_list"] == json!([opened]) {
                return;
            }
        }
    };
    soon("the room in the list", listed).await;

    let joined = lea.data("login_room", json!({ "room_id": room })).await;
    let mut expected = opened.clone();
    expected["online_count"] = 2.into();
    assert_eq!(joined, expected);
    let told = host.sees("room_extra_info", 6003, |_| true).await;
    let user = &told["users"][0];
    let expected = json!({
        "users": [{
            "room_id": room, "uid": lea.uid, "nick_name": "lea", "avatar": "", "role": 1,
            "login_timestamp": user["login_timestamp"].as_u64().unwrap(), "mic": 1, "raise_hand": 1,
            "raise_hand_timestamp": 0, "onstage_state": 1, "onstage_timestamp": 0, "type": 5, "delta": 1,
        }],
        "seq": told["seq"].as_u64().unwrap(), "after": told["after"].as_u64().unwrap(),
    });
    assert_eq!(told, expected);

    let list = lea.attendees(room).await;
    let attendees = list["attendee_list"].as_array().unwrap();
    assert_eq!(attendees.len(), 2);
    web::is(&attendees[0], 3, 2, 2, 1);
    web::is_listener(&attendees[1]);
    let expected = json!({
        "attendee_list_seq": list["attendee_list_seq"].as_u64().unwrap(),
        "gb_personal_state_seq": list["gb_personal_state_seq"].as_u64().unwrap(),
        "room_id": room, "attendee_list": attendees,
    });
    assert_eq!(list, expected);
    let stage = lea.data("get_stateful_list", json!({ "room_id": room })).await;
    assert_eq!(stage["attendee_list"], json!([attendees[0]]));

    let stranger = Visitor::login(&world, "stranger").await;
    let page = json!({ "room_id": room, "page": 1, "page_size": 100 });
    stranger.refused("get_attendee_list", page, 80011, "not in the room").await;
    let nowhere = json!({ "room_id": "999999999" });
    stranger.refused("login_room", nowhere, 80002, "the room does not exist").await;
    let again = lea.call("login_room", json!({ "room_id": room })).await;
    let told = json!({ "ret": { "code": 80004, "message": "already in the room" }, "data": joined });
    assert_eq!(again, told);
    assert_eq!(lea.attendees(room).await, list);
}

/// Joins the room that somebody is in with another client of the same user.
async fn join_again(world: &World, person: &Person) -> Value {
    let asked = reqwest::Client::new()
        .post(world.url("login_room"))
        .bearer_auth(person.session.token().unwrap())
        .json(&json!({ "uid": person.uid(), "room_id": person.room() }))
        .send();
    soon("the answer", asked).await.unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_client_takes_over() {
    let world = World::start().await;
    let [_host, mut lea, _leo] = sdk::three(&world).await;
    let joined = join_again(&world, &lea).await;
    assert_eq!(joined["ret"]["code"], 0, "{joined}");
    lea.sees("the end", |update| *update == Update::Ended(GoodbyeReason::Replaced)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_client_is_refused_where_the_deployment_says_so() {
    let world = World::with(|store| store.second_client = SecondClient::Reject).await;
    let [mut host, mut lea, _leo] = sdk::three(&world).await;
    sdk::onto_stage(&mut host, &mut lea).await;
    let there = lea.members().await;
    let refused = join_again(&world, &lea).await;
    assert_eq!(refused["ret"], json!({ "code": 80004, "message": "already in the room" }));
    let room = &refused["data"];
    assert_eq!((&room["room_id"], &room["online_count"]), (&json!(lea.room()), &json!(3)));
    assert_eq!(lea.members().await, there, "nothing has changed for the first");

    lea.session.leave_room(&lea.room()).await.unwrap();
    let joined = join_again(&world, &lea).await;
    assert_eq!(joined["ret"]["code"], 0, "{joined}");
}
