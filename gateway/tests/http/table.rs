//! Each method with each of its answers: the document's own examples, and whatever is wrong with a body.

use std::collections::{BTreeMap, BTreeSet};

use gochat_proto::{
    account::{GetMediaTokenResponse, HeartbeatResponse, LoginResponse},
    model::{Ban, Member, Mic, Place, Refusal, Role, Room},
    room::{
        CreateRoomResponse, GetRoomResponse, JoinRoomResponse, ListBansResponse, ListMembersResponse,
        ListRoomsResponse,
    },
    status,
};
use serde_json::{Value, json};

use crate::{
    standin::{Answer, one},
    world::World,
};

const ROOM: &str = "100000042";
const ANN: u32 = 100_000_001;
const BOB: u32 = 100_000_002;
const PLACE: Option<Place> = Some(Place { revision: 3, tag: 1 });

fn examples() -> BTreeMap<String, Value> {
    let mut examples: BTreeMap<_, _> = serde_json::from_str(include_str!("../../src/examples.json")).unwrap();
    examples.remove("events");
    examples
}

fn room() -> Room {
    Room {
        room_id: ROOM.into(),
        subject: "tea".into(),
        created_at: 1_700_000_000_000,
        host_uid: ANN,
        host_name: "ann".into(),
        member_count: 2,
        on_stage_count: 1,
        ..Default::default()
    }
}

fn ann() -> Member {
    Member {
        uid: ANN,
        nick_name: "ann".into(),
        role: Role::Host.into(),
        joined_at: 1_700_000_000_000,
        mic: Some(Mic { on: true, ..Default::default() }),
        on_stage_at: 1_700_000_000_000,
        ..Default::default()
    }
}

fn bob() -> Member {
    Member {
        uid: BOB,
        nick_name: "bob".into(),
        role: Role::Listener.into(),
        joined_at: 1_700_000_060_000,
        hand_raised_at: 1_700_000_120_000,
        ..Default::default()
    }
}

fn members(members: Vec<Member>) -> Answer {
    one(&ListMembersResponse { members, place: PLACE, roster_revision: 2, ..Default::default() })
}

fn empty() -> Answer {
    one(&())
}

/// The RPC behind a method, and what it answers where it succeeds.
fn behind(method: &str) -> (&'static str, Answer) {
    let room = Some(room());
    match method {
        "login" => {
            let token = "0123456789abcdef".repeat(4);
            ("Login", one(&LoginResponse { uid: BOB, nick_name: "bob".into(), token, ..Default::default() }))
        }
        "logout" => ("Logout", empty()),
        "heartbeat" | "misc/get_event_ticket" => {
            let (room_id, interval_ms) = (ROOM.into(), 10_000);
            ("Heartbeat", one(&HeartbeatResponse { interval_ms, room_id, roster_revision: 2, place: PLACE }))
        }
        "misc/get_web_token" => {
            let token = "fedcba9876543210".repeat(4);
            ("GetMediaToken", one(&GetMediaTokenResponse { token, expires_at: 1 }))
        }
        "get_room_list" => {
            ("ListRooms", one(&ListRoomsResponse { rooms: room.into_iter().collect(), ..Default::default() }))
        }
        "create_room" => ("CreateRoom", one(&CreateRoomResponse { room, ..Default::default() })),
        "login_room" => ("JoinRoom", one(&JoinRoomResponse { room, ..Default::default() })),
        "quit_room" => ("LeaveRoom", empty()),
        "close_room" => ("CloseRoom", empty()),
        "get_attendee_list" => ("ListMembers", members(vec![ann(), bob()])),
        "get_raise_hand_list" => ("ListMembers", members(vec![bob()])),
        "get_stateful_list" => ("ListMembers", members(vec![ann()])),
        "operate_raise_hand" => ("RaiseHand", empty()),
        "set_user_info" => ("SetMic", empty()),
        "invite_onstage" => ("Invite", empty()),
        "response_onstage_invite" => ("RespondToInvitation", empty()),
        "x/withdraw_invite" => ("WithdrawInvitation", empty()),
        "x/lower_hand" => ("LowerHand", empty()),
        "x/lower_all_hands" => ("LowerAllHands", empty()),
        "x/mute_all" => ("MuteAll", empty()),
        "x/remove_member" => ("RemoveMember", empty()),
        "x/unban" => ("Unban", empty()),
        "x/transfer_host" => ("TransferHost", empty()),
        "x/get_ban_list" => {
            let (since, until) = (1_700_000_180_000, 1_700_003_780_000);
            let bans = vec![Ban { uid: BOB, reason: "noise".into(), since, until }];
            ("ListBans", one(&ListBansResponse { bans, ..Default::default() }))
        }
        other => panic!("what is behind {other}?"),
    }
}

/// A refusal as a service words it.
fn refused(name: &str, answer: &Value) -> Answer {
    let words = answer["ret"]["message"].as_str().unwrap();
    let refusal = Refusal::from_str_name(&format!("REFUSAL_{name}")).unwrap();
    Answer::Refused(match refusal {
        Refusal::InvalidArgument => {
            let (field, wrong) = words.split_once(": ").unwrap();
            status::invalid(field, wrong)
        }
        Refusal::Unavailable => status::refuse(refusal, "redis is away"),
        _ => status::refuse(refusal, words),
    })
}

#[tokio::test]
async fn each_method_answers_each_of_its_codes() {
    let mut world = World::start().await;
    for (method, example) in examples() {
        for (name, answer) in example["answers"].as_object().unwrap() {
            let (rpc, success) = behind(&method);
            world.services.will(rpc, if name == "ok" { success } else { refused(name, answer) });
            world
                .services
                .will("GetRoom", one(&GetRoomResponse { room: Some(room()), ..Default::default() }));
            let mut given = world.call(&method, example["call"].clone()).await;
            if method == "misc/get_event_ticket" && name == "ok" {
                assert!(given["data"]["ticket"].as_str().is_some_and(|ticket| !ticket.is_empty()));
                given["data"]["ticket"] = answer["data"]["ticket"].clone();
            }
            assert_eq!(given, *answer, "{method} {name}");
            world.services.asked(rpc).await;
            if name == "ALREADY_IN_ROOM" {
                world.services.asked("GetRoom").await;
            }
        }
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_body_is_told() {
    let mut world = World::start().await;
    let wrong: BTreeMap<String, Vec<(Value, String)>> =
        serde_json::from_str(include_str!("wrong.json")).unwrap();
    assert_eq!(wrong.keys().collect::<Vec<_>>(), examples().keys().collect::<Vec<_>>());
    for (method, cases) in wrong {
        for (body, words) in cases {
            let expected = json!({ "ret": { "code": 80001, "message": words } });
            assert_eq!(world.call(&method, body.clone()).await, expected, "{method} {body}");
            assert!(world.services.was_left_alone(), "{method} {body}");
        }
    }
}

#[tokio::test]
async fn a_parameter_that_is_not_needed_may_be_left_out_or_unknown() {
    let world = World::start().await;
    let document = document(&world).await;
    for (method, example) in examples() {
        let schema = &operation(&document, &method)["requestBody"]["content"]["application/json"]["schema"];
        let required: BTreeSet<&str> =
            schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        let mut call = example["call"].clone();
        call.as_object_mut().unwrap().retain(|name, _| required.contains(name.as_str()));
        if method == "set_user_info" {
            call["mic"] = 1.into();
        }
        call["common_data"] = json!({ "platform": [1] });
        world.services.will(behind(&method).0, behind(&method).1);
        assert_eq!(world.call(&method, call.clone()).await["ret"]["code"], 0, "{method} {call}");
    }
}

async fn document(world: &World) -> Value {
    let response = world.client.get(world.page("openapi.json")).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &"application/json".parse().unwrap())
    );
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

fn operation<'a>(document: &'a Value, method: &str) -> &'a Value {
    &document["paths"][format!("/chat_room/{method}")]["post"]
}

/// What is routed, read from the source: a router doesn't tell.
fn routed() -> BTreeSet<String> {
    let named = |text: &'static str, call: &'static str| {
        text.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
    };
    let (routes, pages) = (include_str!("../../src/routes.rs"), include_str!("../../src/pages.rs"));
    let routes = routes.split("#[cfg(test)]").next().unwrap();
    let methods = named(routes, ".method(").map(|name| format!("/chat_room/{name}"));
    methods.chain(named(routes, ".route(").chain(named(pages, ".route(")).map(str::to_owned)).collect()
}

#[tokio::test]
async fn what_is_documented_is_what_is_served() {
    let world = World::start().await;
    let document = document(&world).await;
    assert_eq!(document["openapi"], "3.1.0");
    let mut documented: BTreeSet<String> = document["paths"].as_object().unwrap().keys().cloned().collect();
    for path in &documented {
        let response = world.client.put(world.page(&path[1..])).send().await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
    }
    documented.extend(["/openapi.json", "/docs"].map(str::to_owned));
    assert_eq!(documented, routed());
    let page = world.client.get(world.page("docs")).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
    let page = page.text().await.unwrap();
    assert!(examples().keys().all(|method| page.contains(&format!("/chat_room/{method}<"))));
    assert!(!page.contains("src=") && !page.contains("href="), "nothing is loaded from elsewhere");
}

#[tokio::test]
async fn the_examples_show_all_codes_that_are_documented_and_no_other() {
    let world = World::start().await;
    let document = document(&world).await;
    for (method, example) in examples() {
        let content = &operation(&document, &method)["responses"]["200"]["content"]["application/json"];
        let mut documented: BTreeSet<u64> = BTreeSet::new();
        for form in content["schema"]["anyOf"].as_array().unwrap() {
            let code = &form["properties"]["ret"]["properties"]["code"];
            documented.extend(
                code["enum"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .chain(code.get("const"))
                    .filter_map(Value::as_u64),
            );
        }
        let answers = example["answers"].as_object().unwrap().values();
        let mut shown: BTreeSet<u64> =
            answers.map(|answer| answer["ret"]["code"].as_u64().unwrap()).collect();
        // Bad parameters have cases of their own.
        shown.insert(80001);
        assert_eq!(documented, shown, "{method}");
        assert_eq!(
            content["examples"].as_object().unwrap().len(),
            example["answers"].as_object().unwrap().len()
        );
    }
}
