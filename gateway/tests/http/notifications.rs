//! The notifications that the document shows are those that are sent.

use gochat_proto::{
    model::{
        ChangeCause, Commit, Event, Invitation, InvitationDeclined, Member, MemberChanged, MemberJoined, Mic,
        Place, Role, Room, RoomClosed, event::Kind,
    },
    notifier::{Goodbye, GoodbyeReason, Personal, SnapshotPart, subscribe_response::Frame},
    room::GetRoomResponse,
};
use serde_json::Value;

use crate::{
    standin::{Answer, Then, one},
    world::World,
};

const ROOM: &str = "100000042";
const ANN: u32 = 100_000_001;
const BOB: u32 = 100_000_002;

fn place(revision: u64) -> Place {
    Place { revision, tag: 0x9f2c_0000_0000_0001 }
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

fn bob(hand_raised_at: i64) -> Member {
    let (nick_name, role, joined_at) = ("bob".into(), Role::Listener.into(), 1_700_000_060_000);
    Member { uid: BOB, nick_name, role, joined_at, hand_raised_at, ..Default::default() }
}

fn snapshot() -> Frame {
    let room = Room {
        room_id: ROOM.into(),
        subject: "tea".into(),
        created_at: 1_700_000_000_000,
        host_uid: ANN,
        host_name: "ann".into(),
        member_count: 1,
        on_stage_count: 1,
        ..Default::default()
    };
    Frame::Snapshot(SnapshotPart {
        place: Some(place(1)),
        room: Some(room),
        members: vec![ann()],
        stage: vec![ANN],
        member_count: 1,
        last: true,
        ..Default::default()
    })
}

fn invited() -> Frame {
    let invitation = Invitation {
        target_uid: BOB,
        host_uid: ANN,
        host_name: "ann".into(),
        sent_at: 1_700_000_000_000,
        expires_at: 1_700_000_060_000,
        token: "b3f1c2d4e5a60718".into(),
    };
    Frame::Personal(Personal { place: Some(place(1)), invitation: Some(invitation), ..Default::default() })
}

fn commit(revision: u64, operator: (u32, &str), to: Vec<u32>, kind: Kind) -> Frame {
    Frame::Commit(Commit {
        revision,
        after: if revision == 5 { 3 } else { revision - 1 },
        tag: place(0).tag,
        tag_before: place(0).tag,
        room_id: ROOM.into(),
        committed_at: 1_700_000_120_000,
        operator_uid: operator.0,
        operator_name: operator.1.into(),
        events: vec![Event { to, kind: Some(kind) }],
    })
}

#[tokio::test]
async fn the_notifications_of_the_document_are_those_that_are_sent() {
    let world = World::start().await;
    let joined = Kind::MemberJoined(MemberJoined { member: Some(bob(0)) });
    let raised =
        MemberChanged { member: Some(bob(1_700_000_120_000)), cause: ChangeCause::HandRaised.into() };
    let declined = InvitationDeclined { target_uid: BOB, target_name: "bob".into() };
    let frames = vec![
        snapshot(),
        invited(),
        commit(2, (BOB, "bob"), vec![], joined),
        commit(3, (BOB, "bob"), vec![], Kind::MemberChanged(raised)),
        commit(4, (BOB, "bob"), vec![ANN], Kind::InvitationDeclined(declined)),
        commit(5, (ANN, "ann"), vec![], Kind::RoomClosed(RoomClosed::default())),
        Frame::Goodbye(Goodbye { reason: GoodbyeReason::RoomClosed.into(), ..Default::default() }),
    ];
    world.services.will("Subscribe", Answer::Stream(frames, Then::Ends));
    world.services.will("GetRoom", one(&GetRoomResponse { place: Some(place(1)), room: None }));
    let stream = world.client.get(world.url(&format!("events?room_id={ROOM}&uid={BOB}"))).bearer_auth("t");
    let told = stream.send().await.unwrap().text().await.unwrap();

    let document = world.client.get(world.page("openapi.json")).send().await.unwrap();
    let document: Value = serde_json::from_str(&document.text().await.unwrap()).unwrap();
    let content = &document["paths"]["/chat_room/events"]["get"]["responses"]["200"]["content"];
    let examples = content["text/event-stream"]["examples"].as_object().unwrap();
    let shown: Vec<&str> = examples.values().map(|example| example["value"].as_str().unwrap()).collect();
    let told: Vec<&str> = told.split_inclusive("\n\n").collect();
    assert_eq!(told.len(), shown.len(), "{told:?}");
    for frame in &told {
        assert!(shown.contains(frame), "{frame:?}");
    }
}
