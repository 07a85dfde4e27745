//! Event streams from their first byte to their last.

use gochat_proto::{
    model::{Commit, Event, HandsLowered, Member, MemberJoined, Place, Refusal, Role, Room, event::Kind},
    notifier::{
        Goodbye, GoodbyeReason, KeepAlive, Personal, SnapshotPart, SubscribeRequest,
        subscribe_response::Frame,
    },
    room::GetRoomResponse,
};
use reqwest::Response;

use crate::{
    standin::{Answer, Then, one, refused},
    world::{World, code, envelope},
};

const TOKEN: &str = "2-000000000000000a";

pub(crate) fn place(revision: u64) -> Place {
    Place { revision, tag: 10 }
}

pub(crate) fn snapshot(revision: u64) -> [Frame; 2] {
    let part = SnapshotPart {
        place: Some(place(revision)),
        room: Some(Room { room_id: "123456789".into(), ..Default::default() }),
        last: true,
        ..Default::default()
    };
    [Frame::Snapshot(part), Frame::Personal(Personal { place: Some(place(revision)), ..Default::default() })]
}

pub(crate) fn commit(revision: u64, kind: Kind) -> Frame {
    Frame::Commit(Commit {
        revision,
        after: revision - 1,
        tag: 10,
        tag_before: 10,
        room_id: "123456789".into(),
        events: vec![Event { to: vec![], kind: Some(kind) }],
        ..Default::default()
    })
}

pub(crate) fn joined(uid: u32) -> Kind {
    let member = Member { uid, role: Role::Listener.into(), ..Default::default() };
    Kind::MemberJoined(MemberJoined { member: Some(member) })
}

pub(crate) fn goodbye(reason: GoodbyeReason) -> Frame {
    let resume_token = place(9).to_token();
    Frame::Goodbye(Goodbye { reason: reason.into(), resume_token, retry_after_ms: 1500 })
}

pub(crate) const SNAPSHOT_2: &str = r#"event: snapshot
data: {"cmd":6000,"data":{"attendee_list":[],"complete":true,"room":{"create_time":0,"creator_id":0,"creator_name":"","on_stage_count":0,"online_count":0,"room_id":"123456789","subject":""},"seq":2}}
id: 2-000000000000000a

"#;

impl World {
    pub(crate) async fn events(&self, query: &str, resume: Option<&str>) -> Response {
        let request = self.client.get(self.url(&format!("events?room_id=123456789{query}"))).bearer_auth("t");
        let request = match resume {
            Some(token) => request.header("last-event-id", token),
            None => request,
        };
        request.send().await.unwrap()
    }

    pub(crate) async fn subscribed(&mut self) -> SubscribeRequest {
        self.services.asked("Subscribe").await.message()
    }

    pub(crate) fn will_stream(&self, frames: impl IntoIterator<Item = Frame>, then: Then) {
        self.services.will("Subscribe", Answer::Stream(frames.into_iter().collect(), then));
    }

    pub(crate) fn stands_at(&self, revision: u64) {
        self.services.will("GetRoom", one(&GetRoomResponse { place: Some(place(revision)), room: None }));
    }
}

/// Reads until the stream holds this text.
pub(crate) async fn read_until(response: &mut Response, text: &str) -> String {
    let mut read = String::new();
    while !read.contains(text) {
        let chunk = response.chunk().await.unwrap().expect("the stream ended early");
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    read
}

#[tokio::test]
async fn a_stream_begins_with_a_snapshot_no_older_than_the_room() {
    let mut world = World::start().await;
    world.stands_at(2);
    let alive = Frame::KeepAlive(KeepAlive { resume_token: place(4).to_token() });
    let frames = snapshot(2).into_iter().chain([commit(3, joined(8)), alive, goodbye(GoodbyeReason::MaxAge)]);
    world.will_stream(frames, Then::Ends);
    let response = world.events("&uid=7", None).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let expected = format!(
        r#"{SNAPSHOT_2}event: room_extra_info
data: {{"cmd":6003,"data":{{"after":2,"seq":3,"users":[{{"avatar":"","delta":1,"login_timestamp":0,"mic":1,"nick_name":"","onstage_state":1,"onstage_timestamp":0,"raise_hand":1,"raise_hand_timestamp":0,"role":1,"room_id":"123456789","type":5,"uid":8}}]}}}}
id: 3-000000000000000a

: keep-alive
id: 4-000000000000000a

retry: 1500
id: 9-000000000000000a

"#
    );
    assert_eq!(response.text().await.unwrap(), expected);
    world.services.asked("GetRoom").await;
    let asked = world.services.asked("Subscribe").await;
    assert_eq!(asked.header("authorization"), Some("Bearer t"));
    assert_eq!(asked.header("gochat-on-behalf-of"), Some("7"));
    let asked: SubscribeRequest = asked.message();
    assert_eq!((asked.room_id.as_str(), asked.min), ("123456789", Some(place(2))));
}

#[tokio::test]
async fn a_stream_goes_on_from_what_was_seen_last() {
    let mut world = World::start().await;
    for (query, header) in [
        ("", Some(TOKEN)),
        ("&last_event_id=2-000000000000000a", None),
        ("&last_event_id=1-000000000000000a", Some(TOKEN)),
    ] {
        world.will_stream([goodbye(GoodbyeReason::Left)], Then::Ends);
        assert_eq!(world.events(query, header).await.text().await.unwrap(), "");
        let asked = world.subscribed().await;
        assert_eq!((asked.resume_token.as_str(), asked.min), (TOKEN, None));
    }
}

#[tokio::test]
async fn who_has_just_come_back_is_not_refused_by_a_notifier_that_lags() {
    let mut world = World::start().await;
    world.services.will("Subscribe", refused(Refusal::NotInRoom));
    world.stands_at(2);
    world.will_stream(snapshot(2), Then::Lasts);
    let mut response = world.events("", Some(TOKEN)).await;
    assert_eq!(read_until(&mut response, "\n\n").await, SNAPSHOT_2);
    assert_eq!(world.subscribed().await.min, None);
    world.services.asked("GetRoom").await;
    let again = world.subscribed().await;
    assert_eq!((again.resume_token.as_str(), again.min), (TOKEN, Some(place(2))));
}

#[tokio::test]
async fn a_refusal_is_answered_like_any_other() {
    let world = World::start().await;
    world.services.will("Subscribe", refused(Refusal::NotInRoom));
    assert_eq!(code(&envelope(world.events("", None).await).await), 80011);
    world.services.will("GetRoom", refused(Refusal::RoomNotFound));
    assert_eq!(code(&envelope(world.events("", None).await).await), 80002);
    assert_eq!(code(&envelope(world.events("&uid=x", None).await).await), 80001);
    assert_eq!(code(&envelope(world.events("&uid=0", None).await).await), 80012);
    let roomless = world.client.get(world.url("events")).send().await.unwrap();
    assert_eq!(code(&envelope(roomless).await), 80001);
    let nobody = world.client.get(world.url("events?room_id=123456789")).send().await.unwrap();
    assert_eq!(code(&envelope(nobody).await), 80012);
}

#[tokio::test]
async fn streams_are_opened_no_more_often_than_methods_are_called() {
    let world = World::with(&["--rate=1"]).await;
    world.will_stream([goodbye(GoodbyeReason::Left)], Then::Ends);
    assert_eq!(world.events("", Some(TOKEN)).await.status(), 200);
    let response = world.events("", Some(TOKEN)).await;
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (429, &b"1"[..]));
}

#[tokio::test]
async fn a_snapshot_stands_in_for_hands_lowered_at_once() {
    let mut world = World::start().await;
    world.will_stream([commit(2, Kind::HandsLowered(HandsLowered {}))], Then::Lasts);
    world.will_stream(snapshot(2), Then::Lasts);
    let mut response = world.events("", Some("1-000000000000000a")).await;
    assert_eq!(read_until(&mut response, "\n\n").await, SNAPSHOT_2);
    world.subscribed().await;
    let anew = world.subscribed().await;
    assert_eq!((anew.resume_token.as_str(), anew.min), ("", Some(place(2))));
}

#[tokio::test]
async fn streams_are_spread_over_connections() {
    let mut world = World::start().await;
    let mut peers = Vec::new();
    for _ in 0..2 {
        world.will_stream([goodbye(GoodbyeReason::Left)], Then::Ends);
        world.events("", Some(TOKEN)).await;
        peers.push(world.services.asked("Subscribe").await.peer.unwrap());
    }
    assert_ne!(peers[0], peers[1]);
}

#[tokio::test]
async fn streams_end_with_the_gateway() {
    let world = World::start().await;
    world.will_stream(snapshot(2), Then::Lasts);
    let mut response = world.events("", Some(TOKEN)).await;
    let began = read_until(&mut response, "\n\n").await;
    world.shutdown.trigger();
    assert_resumable(&(began + &response.text().await.unwrap()));
}

/// A snapshot, and when to come back.
pub(crate) fn assert_resumable(text: &str) {
    let rest = text.strip_prefix(SNAPSHOT_2).unwrap();
    let millis: u32 = rest.strip_prefix("retry: ").unwrap().trim().parse().unwrap();
    assert!((500..=3000).contains(&millis));
}
