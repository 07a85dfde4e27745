//! Every documented method: what the services are asked, and what the client is answered.

use gochat_proto::{
    account::{HeartbeatRequest, HeartbeatResponse, LoginRequest, LoginResponse},
    model::{Member, Place, Refusal, Role, Room},
    room::{
        CreateRoomRequest, CreateRoomResponse, GetRoomResponse, JoinRoomRequest, JoinRoomResponse,
        ListMembersRequest, ListMembersResponse, ListRoomsRequest, ListRoomsResponse, MemberList,
    },
    stage::{
        Answer, InviteRequest, LeaveStageRequest, LowerHandRequest, MicSwitch, RaiseHandRequest,
        RespondToInvitationRequest, SetMicRequest,
    },
};
use serde_json::{Value, json};

use crate::{
    standin::{one, refused},
    world::{World, code, done, envelope, with},
};

const ROOM: &str = "123456789";

fn room() -> Room {
    Room {
        room_id: ROOM.into(),
        subject: "tea".into(),
        created_at: 50,
        host_uid: 7,
        host_name: "ann".into(),
        member_count: 2,
        on_stage_count: 1,
        ..Default::default()
    }
}

fn room_shown() -> Value {
    json!({ "room_id": ROOM, "subject": "tea", "create_time": 50, "creator_name": "ann", "creator_id": 7,
        "online_count": 2, "on_stage_count": 1 })
}

#[tokio::test]
async fn login_gives_a_token() {
    let mut world = World::start().await;
    let login = LoginResponse {
        uid: 7,
        nick_name: "ann".into(),
        avatar: String::new(),
        token: "secret".into(),
        heartbeat_interval_ms: 10_000,
    };
    world.services.will("Login", one(&login));
    let body = json!({ "nick_name": "ann", "common_data": { "platform": "ios" } }).to_string();
    // A token that may be long dead is not passed on: it would stand in the way.
    let response =
        world.post("login", body).bearer_auth("old").header("x-request-id", "r-1").send().await.unwrap();
    assert_eq!(response.headers()["x-request-id"], "r-1");
    let data = json!({ "uid": 7, "nick_name": "ann", "avatar": "", "token": "secret" });
    assert_eq!(envelope(response).await, with(data));
    let asked = world.services.asked("Login").await;
    assert_eq!(asked.message::<LoginRequest>().nick_name, "ann");
    assert_eq!((asked.header("authorization"), asked.header("x-request-id")), (None, Some("r-1")));
}

#[tokio::test]
async fn the_services_learn_who_calls_and_who_that_says_to_be() {
    let mut world = World::start().await;
    assert_eq!(world.call("logout", json!({ "uid": 7 })).await, done());
    let asked = world.services.asked("Logout").await;
    assert_eq!(asked.header("authorization"), Some("Bearer t"));
    assert_eq!(asked.header("gochat-on-behalf-of"), Some("7"));
    assert_eq!(asked.header("x-request-id").map(str::len), Some(32));
    assert_eq!(asked.header("grpc-timeout"), Some("5000000u"), "no call waits for ever");

    // Who can't be anybody is not asked about.
    for uid in [json!(0), json!(-7), json!(5_000_000_000_u64)] {
        assert_eq!(code(&world.call("logout", json!({ "uid": uid })).await), 80012);
    }
    let response = world.post("logout", r#"{"uid":7}"#).send().await.unwrap();
    assert_eq!(code(&envelope(response).await), 80012);
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn a_heartbeat_names_a_room_or_none() {
    let mut world = World::start().await;
    let pulse = HeartbeatResponse {
        interval_ms: 10_000,
        room_id: ROOM.into(),
        roster_revision: 5,
        place: Some(Place { revision: 9, tag: 1 }),
    };
    let bodies = [
        (json!({ "uid": 7, "room_id": ROOM }), ROOM),
        (json!({ "uid": 7, "room_id": null }), ""),
        (json!({ "uid": 7, "room_id": "" }), ""),
        (json!({ "uid": 7, "room_id": "undefined" }), ""),
        (json!({ "uid": 7 }), ""),
    ];
    for (body, room_id) in bodies {
        world.services.will("Heartbeat", one(&pulse));
        let data = json!({ "interval": 10, "attendee_list_seq": 5, "gb_personal_state_seq": 9 });
        assert_eq!(world.call("heartbeat", body).await, with(data));
        assert_eq!(world.services.asked("Heartbeat").await.message::<HeartbeatRequest>().room_id, room_id);
    }
}

#[tokio::test]
async fn rooms_are_created_entered_left_and_closed() {
    let mut world = World::start().await;
    world.services.will("CreateRoom", one(&CreateRoomResponse { room: Some(room()), ..Default::default() }));
    assert_eq!(world.call("create_room", json!({ "uid": 7, "subject": "tea" })).await, with(room_shown()));
    let asked = world.services.asked("CreateRoom").await;
    assert_eq!(asked.message::<CreateRoomRequest>().subject, "tea");

    let body = json!({ "uid": 7, "room_id": ROOM });
    world.services.will("JoinRoom", one(&JoinRoomResponse { room: Some(room()), ..Default::default() }));
    assert_eq!(world.call("login_room", body.clone()).await, with(room_shown()));
    assert_eq!(world.services.asked("JoinRoom").await.message::<JoinRoomRequest>().room_id, ROOM);

    assert_eq!(world.call("quit_room", body.clone()).await, done());
    world.services.asked("LeaveRoom").await;
    assert_eq!(world.call("close_room", body).await, done());
    world.services.asked("CloseRoom").await;
}

#[tokio::test]
async fn who_is_in_the_room_already_is_shown_it_all_the_same() {
    let world = World::start().await;
    world.services.will("JoinRoom", refused(Refusal::AlreadyInRoom));
    world.services.will("GetRoom", one(&GetRoomResponse { room: Some(room()), ..Default::default() }));
    let answer = world.call("login_room", json!({ "uid": 7, "room_id": ROOM })).await;
    assert_eq!(answer, json!({ "ret": { "code": 80004, "message": "because" }, "data": room_shown() }));
}

#[tokio::test]
async fn the_room_list_is_cut_at_a_thousand() {
    let mut world = World::start().await;
    let bodies = [
        (json!({ "uid": 7 }), (100, 0)),
        (json!({ "uid": 7, "count": 0, "begin_timestamp": 0 }), (100, 0)),
        (json!({ "uid": 7, "count": 20, "begin_timestamp": 49 }), (20, 49)),
        (json!({ "uid": 7, "count": 5000 }), (1000, 0)),
    ];
    for (body, (page_size, created_until)) in bodies {
        world
            .services
            .will("ListRooms", one(&ListRoomsResponse { rooms: vec![room()], ..Default::default() }));
        assert_eq!(world.call("get_room_list", body).await, with(json!({ "room_list": [room_shown()] })));
        let asked: ListRoomsRequest = world.services.asked("ListRooms").await.message();
        assert_eq!((asked.page_size, asked.created_until), (page_size, created_until));
    }
    assert_eq!(world.call("get_room_list", json!({ "uid": 7 })).await, with(json!({ "room_list": [] })));
}

fn page(uid: u32, next_page_token: &str) -> ListMembersResponse {
    ListMembersResponse {
        members: vec![Member { uid, role: Role::Listener.into(), ..Default::default() }],
        next_page_token: next_page_token.into(),
        place: Some(Place { revision: 9, tag: 1 }),
        roster_revision: 5,
    }
}

fn list(uids: &[u32]) -> Value {
    let attendee = |uid| {
        json!({ "room_id": ROOM, "uid": uid, "nick_name": "", "avatar": "", "role": 1, "login_timestamp": 0,
            "mic": 1, "raise_hand": 1, "raise_hand_timestamp": 0, "onstage_state": 1, "onstage_timestamp": 0 })
    };
    let attendees: Vec<Value> = uids.iter().map(attendee).collect();
    with(json!({ "attendee_list_seq": 5, "gb_personal_state_seq": 9, "room_id": ROOM,
        "attendee_list": attendees }))
}

#[tokio::test]
async fn attendees_come_in_numbered_pages() {
    let mut world = World::start().await;
    for (number, skip) in [(1, 0), (3, 400), (u64::MAX, u32::MAX)] {
        world.services.will("ListMembers", one(&page(8, "more")));
        let body = json!({ "uid": 7, "room_id": ROOM, "page": number, "page_size": 200 });
        assert_eq!(world.call("get_attendee_list", body).await, list(&[8]));
        let asked: ListMembersRequest = world.services.asked("ListMembers").await.message();
        assert_eq!((asked.list(), asked.page_size, asked.skip), (MemberList::All, 200, skip));
    }
    for (number, size) in [(0, 10), (1, 0), (1, 1001)] {
        let body = json!({ "uid": 7, "room_id": ROOM, "page": number, "page_size": size });
        assert_eq!(code(&world.call("get_attendee_list", body).await), 80001);
    }
}

#[tokio::test]
async fn hands_and_stage_come_whole() {
    let mut world = World::start().await;
    let methods = [("get_raise_hand_list", MemberList::Hands), ("get_stateful_list", MemberList::Stage)];
    for (method, members) in methods {
        world.services.will("ListMembers", one(&page(8, "more")));
        world.services.will("ListMembers", one(&page(9, "")));
        let body = json!({ "uid": 7, "room_id": ROOM });
        assert_eq!(world.call(method, body).await, list(&[8, 9]));
        for token in ["", "more"] {
            let asked: ListMembersRequest = world.services.asked("ListMembers").await.message();
            assert_eq!((asked.list(), asked.page_token.as_str()), (members, token));
        }
    }
}

#[tokio::test]
async fn a_hand_goes_down_and_up() {
    let mut world = World::start().await;
    let body = |number| json!({ "uid": 7, "room_id": ROOM, "type": number });
    assert_eq!(world.call("operate_raise_hand", body(1)).await, done());
    let lowered: LowerHandRequest = world.services.asked("LowerHand").await.message();
    assert_eq!((lowered.room_id.as_str(), lowered.target_uid), (ROOM, 0));
    assert_eq!(world.call("operate_raise_hand", body(2)).await, done());
    assert_eq!(world.services.asked("RaiseHand").await.message::<RaiseHandRequest>().room_id, ROOM);
    for wrong in [0, 3] {
        assert_eq!(code(&world.call("operate_raise_hand", body(wrong)).await), 80001);
    }
}

#[tokio::test]
async fn user_info_changes_only_what_its_type_names() {
    let mut world = World::start().await;
    for (target, named) in [(7, 0), (8, 8)] {
        let body = |number, mic| json!({ "uid": 7, "room_id": ROOM, "target_uid": target, "type": number, "mic": mic, "on_stage": 1 });
        for (mic, switch) in [(1, MicSwitch::Off), (2, MicSwitch::On)] {
            assert_eq!(world.call("set_user_info", body(1, mic)).await, done());
            let asked: SetMicRequest = world.services.asked("SetMic").await.message();
            assert_eq!((asked.target_uid, asked.mic()), (named, switch));
        }
        assert_eq!(world.call("set_user_info", body(2, 1)).await, done());
        let asked: LeaveStageRequest = world.services.asked("LeaveStage").await.message();
        assert_eq!((asked.room_id.as_str(), asked.target_uid), (ROOM, named));
    }
    let wrong = [
        json!({ "target_uid": 8, "type": 1 }),
        json!({ "target_uid": 8, "type": 1, "mic": 3 }),
        json!({ "target_uid": 8, "type": 2, "mic": 1 }),
        json!({ "target_uid": 8, "type": 2, "on_stage": 2 }),
        json!({ "target_uid": 8, "type": 3, "mic": 1, "on_stage": 1 }),
        json!({ "target_uid": 0, "type": 1, "mic": 1 }),
        json!({ "type": 1, "mic": 1 }),
    ];
    for mut body in wrong {
        body["uid"] = 7.into();
        body["room_id"] = ROOM.into();
        assert_eq!(code(&world.call("set_user_info", body.clone()).await), 80001, "{body}");
    }
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn invitations_are_sent_and_answered() {
    let mut world = World::start().await;
    let body = json!({ "uid": 7, "room_id": ROOM, "target_uid": 8 });
    assert_eq!(world.call("invite_onstage", body).await, done());
    let asked: InviteRequest = world.services.asked("Invite").await.message();
    assert_eq!((asked.room_id.as_str(), asked.target_uid), (ROOM, 8));

    for (respond, answer) in [(1, Answer::Decline), (2, Answer::Accept)] {
        let body = json!({ "uid": 8, "room_id": ROOM, "invite_token": "i", "respond": respond });
        assert_eq!(world.call("response_onstage_invite", body).await, done());
        let asked: RespondToInvitationRequest = world.services.asked("RespondToInvitation").await.message();
        assert_eq!(
            (asked.room_id.as_str(), asked.invitation_token.as_str(), asked.answer()),
            (ROOM, "i", answer)
        );
    }
}

#[tokio::test]
async fn a_refusal_is_a_return_code() {
    let world = World::start().await;
    world.services.will("Invite", refused(Refusal::StageFull));
    let answer = world.call("invite_onstage", json!({ "uid": 7, "room_id": ROOM, "target_uid": 8 })).await;
    assert_eq!(answer, json!({ "ret": { "code": 80005, "message": "because" } }));
}
