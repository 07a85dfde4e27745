//! Event streams over WebSockets: the same frames as JSON, and closes that say whether to come back.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use gochat_proto::{
    model::{Refusal, event::Kind},
    notifier::{GoodbyeReason, KeepAlive, Roster, subscribe_response::Frame},
};
use http::{HeaderName, HeaderValue, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest},
};

use crate::{
    events::{commit, goodbye, joined, place, snapshot},
    standin::{Answer, Then, refused},
    world::{World, code},
};

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const TOKEN: (&str, &str) = ("authorization", "Bearer t");

impl World {
    /// Asks to upgrade; answers the socket, or what was answered in its stead.
    pub(crate) async fn socket(
        &self,
        query: &str,
        headers: &[(&str, &str)],
    ) -> Result<(Socket, Response<()>), Response<Vec<u8>>> {
        let url = self.url(&format!("events?room_id=123456789{query}")).replace("http:", "ws:");
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        match connect_async(request).await {
            Ok((socket, response)) => Ok((socket, response.map(|_| ()))),
            Err(Error::Http(response)) => Err(response.map(Option::unwrap_or_default)),
            Err(other) => panic!("{other}"),
        }
    }
}

/// The return code of what was answered in the stead of an upgrade.
pub(crate) fn not_upgraded(response: Result<(Socket, Response<()>), Response<Vec<u8>>>) -> (u16, u64) {
    let response = response.map(|(_, response)| response).unwrap_err();
    (response.status().as_u16(), code(&serde_json::from_slice(response.body()).unwrap()))
}

/// The next frame that is text.
pub(crate) async fn told(socket: &mut Socket) -> Value {
    loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Everything up to the close, its code and its reason.
pub(crate) async fn rest(socket: &mut Socket) -> (Vec<Value>, u16, String) {
    let mut frames = Vec::new();
    while let Some(message) = socket.next().await {
        match message.unwrap() {
            Message::Text(text) => frames.push(serde_json::from_str(&text).unwrap()),
            Message::Close(Some(close)) => return (frames, close.code.into(), close.reason.to_string()),
            other => assert!(matches!(other, Message::Ping(_)), "{other:?}"),
        }
    }
    panic!("ended without a close, after {frames:?}")
}

fn snapshot_of(id: &str, revision: u64, complete: bool) -> Value {
    let room = json!({ "create_time": 0, "creator_id": 0, "creator_name": "", "on_stage_count": 0,
        "online_count": 0, "room_id": "123456789", "subject": "" });
    let data = json!({ "attendee_list": [], "complete": complete, "room": room, "seq": revision });
    json!({ "id": id, "event": "snapshot", "data": { "cmd": 6000, "data": data } })
}

#[tokio::test]
async fn frames_are_those_of_the_event_stream() {
    let mut world = World::start().await;
    world.stands_at(2);
    let alive = Frame::KeepAlive(KeepAlive { resume_token: place(4).to_token() });
    let frames = snapshot(2).into_iter().chain([commit(3, joined(8)), alive, goodbye(GoodbyeReason::MaxAge)]);
    world.will_stream(frames, Then::Ends);
    let (mut socket, _) = world.socket("&uid=7", &[TOKEN]).await.unwrap();
    let (frames, code, reason) = rest(&mut socket).await;
    let user = json!({ "avatar": "", "delta": 1, "login_timestamp": 0, "mic": 1, "nick_name": "",
        "onstage_state": 1, "onstage_timestamp": 0, "raise_hand": 1, "raise_hand_timestamp": 0, "role": 1,
        "room_id": "123456789", "type": 5, "uid": 8 });
    let entered = json!({ "cmd": 6003, "data": { "after": 2, "seq": 3, "users": [user] } });
    let expected = [
        snapshot_of("2-000000000000000a", 2, true),
        json!({ "id": "3-000000000000000a", "event": "room_extra_info", "data": entered }),
        json!({ "id": "4-000000000000000a", "event": "keep_alive", "data": {} }),
        json!({ "id": "9-000000000000000a", "event": "retry", "data": { "after": 1500 } }),
    ];
    assert_eq!(frames, expected);
    assert_eq!((code, reason.as_str()), (1012, "come back"));
    world.services.asked("GetRoom").await;
    let asked = world.services.asked("Subscribe").await;
    assert_eq!(asked.header("authorization"), Some("Bearer t"));
    assert_eq!(asked.header("gochat-on-behalf-of"), Some("7"));
    assert_eq!(asked.header("x-request-id").map(str::len), Some(32));
}

#[tokio::test]
async fn a_socket_goes_on_from_what_was_seen_last_and_of_whom() {
    let mut world = World::start().await;
    for (id, roster) in [("2-000000000000000a", Roster::All), ("2-000000000000000as", Roster::Stage)] {
        world.will_stream([goodbye(GoodbyeReason::Left)], Then::Ends);
        let (mut socket, _) = world.socket(&format!("&last_event_id={id}"), &[TOKEN]).await.unwrap();
        assert_eq!(rest(&mut socket).await, (vec![], 1000, "left".to_owned()));
        let asked = world.subscribed().await;
        assert_eq!((asked.resume_token.as_str(), asked.held()), ("2-000000000000000a", roster));
    }
}

#[tokio::test]
async fn who_logged_out_is_not_asked_to_come_back() {
    let world = World::start().await;
    let farewell = goodbye(GoodbyeReason::LoggedOut);
    world.will_stream(snapshot(2).into_iter().chain([farewell]), Then::Ends);
    let (mut socket, _) = world.socket("&last_event_id=1-000000000000000a", &[TOKEN]).await.unwrap();
    let expected = (vec![snapshot_of("2-000000000000000a", 2, true)], 1000, "logged_out".to_owned());
    assert_eq!(rest(&mut socket).await, expected);
}

#[tokio::test]
async fn a_refusal_is_told_by_the_close() {
    let world = World::start().await;
    for (refusal, closed) in [
        (Refusal::NotInRoom, 4011),
        (Refusal::RoomNotFound, 4002),
        (Refusal::NotLoggedIn, 4012),
        (Refusal::Unavailable, 1013),
    ] {
        world.services.will("GetRoom", refused(refusal));
        let (mut socket, _) = world.socket("", &[TOKEN]).await.unwrap();
        let (frames, code, reason) = rest(&mut socket).await;
        assert_eq!((frames, code), (vec![], closed));
        assert_eq!(reason, if code == 1013 { "try again" } else { "because" });
    }
}

#[tokio::test]
async fn the_token_may_come_as_a_subprotocol() {
    let mut world = World::start().await;
    for (offered, selected) in [
        ("gochat.bearer.secret", "gochat.bearer.secret"),
        ("gochat.events, gochat.bearer.secret", "gochat.events"),
    ] {
        world.will_stream([goodbye(GoodbyeReason::Left)], Then::Ends);
        let headers = [("sec-websocket-protocol", offered)];
        let (_socket, response) = world.socket("&last_event_id=2-000000000000000a", &headers).await.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], selected);
        let asked = world.services.asked("Subscribe").await;
        assert_eq!(asked.header("authorization"), Some("Bearer secret"));
    }
}

#[tokio::test]
async fn what_is_no_upgrade_is_answered_as_a_call() {
    let world = World::start().await;
    assert_eq!(not_upgraded(world.socket("", &[]).await), (200, 80012));
    assert_eq!(not_upgraded(world.socket("&uid=x", &[TOKEN]).await), (200, 80001));
    let old = [TOKEN, ("sec-websocket-version", "8")];
    assert_eq!(not_upgraded(world.socket("", &old).await), (400, 80001));
}

#[tokio::test]
async fn what_a_client_says_is_passed_over_but_not_at_any_length() {
    let mut world = World::start().await;
    world.will_stream([], Then::Lasts);
    let (mut socket, _) = world.socket("&last_event_id=2-000000000000000a", &[TOKEN]).await.unwrap();
    world.subscribed().await;
    socket.send(Message::text("hello")).await.unwrap();
    socket.send(Message::Ping("still there?".into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong("still there?".into()));
    socket.send(Message::text("x".repeat(5000))).await.unwrap();
    while let Some(Ok(message)) = socket.next().await {
        assert!(!message.is_text(), "{message}");
    }
}

#[tokio::test]
async fn sockets_are_told_to_come_back_when_the_gateway_ends() {
    let world = World::start().await;
    world.will_stream(snapshot(2), Then::Lasts);
    let (mut socket, _) = world.socket("&last_event_id=1-000000000000000a", &[TOKEN]).await.unwrap();
    assert_eq!(told(&mut socket).await, snapshot_of("2-000000000000000a", 2, true));
    world.shutdown.trigger();
    let (frames, code, _) = rest(&mut socket).await;
    assert_eq!((frames.len(), code), (1, 1012));
    let after = frames[0]["data"]["after"].as_u64().unwrap();
    assert!(frames[0]["event"] == "retry" && (500..=3000).contains(&after), "{frames:?}");
}

#[tokio::test]
async fn a_gateway_does_not_end_before_its_sockets() {
    let mut world = World::start().await;
    let mut serving = world.serving.take().unwrap();
    world.will_stream(snapshot(2), Then::Lasts);
    // A client that never answers a close.
    let url = world.url("events?room_id=123456789&last_event_id=1-000000000000000a");
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut client = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "GET /{path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer t\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    );
    client.write_all(request.as_bytes()).await.unwrap();
    read_to(&mut client, "snapshot").await;
    world.shutdown.trigger();
    read_to(&mut client, "come back").await;
    let early = timeout(Duration::from_millis(200), &mut serving).await;
    assert!(early.is_err(), "the close is not answered yet: {early:?}");
    drop(client);
    serving.await.unwrap().unwrap();
}

async fn read_to(client: &mut TcpStream, text: &str) {
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains(text) {
        assert_ne!(client.read_buf(&mut read).await.unwrap(), 0, "{}", String::from_utf8_lossy(&read));
    }
}

#[tokio::test]
async fn a_gateway_that_goes_away_sends_sockets_elsewhere() {
    let world = World::with(&["--drain-delay=1h", "--drain-timeout=2h"]).await;
    world.shutdown.trigger();
    let (mut socket, _) = world.socket("", &[TOKEN]).await.unwrap();
    let (frames, code, _) = rest(&mut socket).await;
    assert_eq!((frames[0]["event"].as_str(), code), (Some("retry"), 1012));
}

#[tokio::test]
async fn a_stream_that_leaves_listeners_out_says_so_in_every_id() {
    let mut world = World::start().await;
    world.stands_at(2);
    let [Frame::Snapshot(mut part), personal] = snapshot(2) else { unreachable!() };
    part.roster = Roster::Stage.into();
    let frames = || [Frame::Snapshot(part.clone()), personal.clone(), commit(3, closed())];
    world.will_stream(frames(), Then::Ends);
    world.will_stream([goodbye(GoodbyeReason::MaxAge)], Then::Ends);
    let (mut socket, _) = world.socket("", &[TOKEN]).await.unwrap();
    let (told, ..) = rest(&mut socket).await;
    assert_eq!(told[0], snapshot_of("2-000000000000000as", 2, false));
    let ids: Vec<_> = told.iter().map(|frame| frame["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["2-000000000000000as", "3-000000000000000as", "9-000000000000000as"]);
    world.services.asked("GetRoom").await;
    assert_eq!(world.subscribed().await.held(), Roster::Unspecified);
    let resumed = world.subscribed().await;
    assert_eq!((resumed.resume_token.clone(), resumed.held()), (place(3).to_token(), Roster::Stage));

    // A browser's own resumption says it as well.
    world.will_stream(frames(), Then::Lasts);
    let mut sse = world.events("", Some("1-000000000000000as")).await;
    let text = crate::events::read_until(&mut sse, "id: 3-000000000000000as\n\n").await;
    assert!(text.contains(r#""complete":false"#) && text.contains("id: 2-000000000000000as\n"), "{text}");
    let asked = world.subscribed().await;
    assert_eq!((asked.resume_token.as_str(), asked.held()), ("1-000000000000000a", Roster::Stage));
}

fn closed() -> Kind {
    Kind::RoomClosed(Default::default())
}

#[tokio::test]
async fn a_connection_without_a_way_to_upgrade_is_told_so() {
    let world = World::start().await;
    world.services.will("Subscribe", Answer::Stream(vec![], Then::Ends));
    let request = world.client.get(world.url("events?room_id=123456789")).bearer_auth("t");
    let response = request.header("upgrade", "websocket").send().await.unwrap();
    assert_eq!(response.status(), 400, "no connection header");
}
