//! A room's voice: offers and answers as they are, and what is said where there is none.

use std::io::Write;

use gochat_proto::{
    media::{
        CreateSessionRequest, CreateSessionResponse, Elsewhere, EndSessionRequest, EndSessionResponse,
        GetRoomMediaRequest, GetRoomMediaResponse, IceServer, Provider, Session,
        create_session_response::Result as Created,
    },
    model::Refusal,
    status,
};
use http::Method;
use reqwest::{RequestBuilder, Response};
use serde_json::json;
use tempfile::NamedTempFile;

use crate::{
    standin::{Answer, Standin, one, refused},
    world::{World, code, envelope, with},
};

const ROOM: &str = "123456789";
const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
const ANSWER: &str = "v=0\r\no=- 2 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n";

fn session() -> Answer {
    let session = Session {
        session_id: "c0ffee-1".into(),
        answer_sdp: ANSWER.into(),
        slots: vec!["1".into(), "2".into()],
    };
    one(&CreateSessionResponse { result: Some(Created::Session(session)) })
}

fn at(node: &Standin) -> Elsewhere {
    Elsewhere { url: format!("http://{}", node.address) }
}

impl World {
    fn voice(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.url(&format!("{path}?room_id={ROOM}")))
    }

    fn offer(&self) -> RequestBuilder {
        self.voice(Method::POST, "media").header("content-type", "application/sdp").body(OFFER)
    }

    /// Each of the calls about a room's voice, by somebody with the token "t".
    fn calls(&self) -> [RequestBuilder; 3] {
        let (info, end) = (Method::GET, Method::DELETE);
        [self.offer(), self.voice(info, "media/info"), self.voice(end, "media/c0ffee-1")]
            .map(|request| request.bearer_auth("t"))
    }
}

async fn status_and_code(request: RequestBuilder) -> (u16, u64) {
    let response = request.send().await.unwrap();
    (response.status().as_u16(), code(&envelope(response).await))
}

async fn assert_answered(response: Response, location: &str) {
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers()["location"], location);
    assert_eq!(response.headers()["content-type"], "application/sdp");
    assert_eq!(response.text().await.unwrap(), ANSWER);
}

#[tokio::test]
async fn an_offer_is_answered_and_a_session_ended() {
    let mut world = World::start().await;
    world.services.will("CreateSession", session());
    let offer = world.offer().bearer_auth("t").header("origin", "https://a.example");
    let response = offer.send().await.unwrap();
    let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("location"), "a page must read it: {exposed}");
    assert_answered(response, "/chat_room/media/c0ffee-1?room_id=123456789").await;
    let asked = world.services.asked("CreateSession").await;
    assert_eq!(
        (asked.header("authorization"), asked.header("gochat-on-behalf-of")),
        (Some("Bearer t"), None)
    );
    assert_eq!(asked.header("grpc-timeout"), Some("5000000u"));
    let asked: CreateSessionRequest = asked.message();
    assert_eq!((asked.room_id.as_str(), asked.offer_sdp.as_str()), (ROOM, OFFER));

    for answer in [one(&()), refused(Refusal::NotInRoom), refused(Refusal::RoomNotFound)] {
        world.services.will("EndSession", answer);
        let end = world.voice(Method::DELETE, "media/c0ffee-1").bearer_auth("t").send().await.unwrap();
        assert_eq!(end.status(), 204, "with the stay, or the room, it has ended by itself");
        assert_eq!(end.text().await.unwrap(), "");
        let asked: EndSessionRequest = world.services.asked("EndSession").await.message();
        assert_eq!((asked.room_id.as_str(), asked.session_id.as_str()), (ROOM, "c0ffee-1"));
    }
}

#[tokio::test]
async fn a_provider_is_named_instead() {
    let mut world = World::start().await;
    let provider = Provider {
        kind: "livekit".into(),
        url: "wss://sfu.example".into(),
        token: "jwt".into(),
        expires_at: 1_700_000_000_000,
    };
    let answer = CreateSessionResponse { result: Some(Created::Provider(provider)) };
    world.services.will("CreateSession", one(&answer));
    let response = world.voice(Method::POST, "media").bearer_auth("t").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let expected = json!({ "kind": "livekit", "url": "wss://sfu.example", "token": "jwt",
        "expires_at": 1_700_000_000_000_i64 });
    assert_eq!(envelope(response).await, with(expected));
    let asked: CreateSessionRequest = world.services.asked("CreateSession").await.message();
    assert_eq!(asked.offer_sdp, "");
}

#[tokio::test]
async fn how_a_rooms_sound_is_carried() {
    let mut world = World::start().await;
    let turn =
        IceServer { urls: vec!["turn:t.example".into()], username: "9:7".into(), credential: "c".into() };
    let stun = IceServer { urls: vec!["stun:s.example".into()], ..Default::default() };
    let answer = GetRoomMediaResponse {
        engine: "embedded".into(),
        slots: 10,
        ice_servers: vec![stun, turn],
        sessions: 3,
        elsewhere: None,
    };
    world.services.will("GetRoomMedia", one(&answer));
    let response = world.voice(Method::GET, "media/info").bearer_auth("t").send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["cache-control"]),
        (200, &"no-store".parse().unwrap())
    );
    let servers = json!([{ "urls": ["stun:s.example"] },
        { "urls": ["turn:t.example"], "username": "9:7", "credential": "c" }]);
    let expected = json!({ "engine": "embedded", "slots": 10, "ice_servers": servers });
    assert_eq!(envelope(response).await, with(expected));
    assert_eq!(world.services.asked("GetRoomMedia").await.message::<GetRoomMediaRequest>().room_id, ROOM);
}

#[tokio::test]
async fn each_refusal_of_an_offer_has_its_status_and_code() {
    let world = World::start().await;
    let answers = [
        (Answer::Refused(status::invalid("offer_sdp", "no audio line")), (400, 80001)),
        (refused(Refusal::InvalidArgument), (400, 80001)),
        (Answer::Refused(status::invalid("room_id", "must be nine digits")), (200, 80002)),
        (refused(Refusal::RoomNotFound), (200, 80002)),
        (refused(Refusal::NotInRoom), (200, 80011)),
        (refused(Refusal::NotPermitted), (200, 80010)),
        (refused(Refusal::NotLoggedIn), (200, 80012)),
        (refused(Refusal::Unavailable), (200, 100_001)),
        (refused(Refusal::Internal), (200, 100_001)),
        (one(&()), (200, 100_001)),
    ];
    for (answer, expected) in answers {
        world.services.will("CreateSession", answer);
        assert_eq!(status_and_code(world.offer().bearer_auth("t")).await, expected);
    }
    world.services.will("CreateSession", refused(Refusal::TooMany));
    let response = world.offer().bearer_auth("t").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (429, &b"1"[..]));
    assert_eq!(code(&envelope(response).await), 80001);
    // An id that can be no part of an address.
    let session = Session { session_id: "a/../b\r\n".into(), ..Default::default() };
    let answer = CreateSessionResponse { result: Some(Created::Session(session)) };
    world.services.will("CreateSession", one(&answer));
    assert_eq!(status_and_code(world.offer().bearer_auth("t")).await, (200, 100_001));

    for (rpc, request) in ["GetRoomMedia", "EndSession"].into_iter().zip([1, 2]) {
        world.services.will(rpc, refused(Refusal::NotLoggedIn));
        let [_, info, end] = world.calls();
        assert_eq!(status_and_code(if request == 1 { info } else { end }).await, (200, 80012), "{rpc}");
    }
    world.services.will("GetRoomMedia", refused(Refusal::NotInRoom));
    let [_, info, _] = world.calls();
    assert_eq!(status_and_code(info).await, (200, 80011));
}

#[tokio::test]
async fn what_is_no_offer_reaches_no_service() {
    let mut world = World::start().await;
    let post = || world.voice(Method::POST, "media").bearer_auth("t");
    let sdp = || post().header("content-type", "application/sdp");
    let wrong = [
        (post().header("content-type", "text/plain").body(OFFER), (415, 80001)),
        (post().header("content-type", "application/json").body("{}"), (415, 80001)),
        (post().body(OFFER), (415, 80001)),
        (sdp().header("content-encoding", "br").body(OFFER), (415, 80001)),
        (sdp().body("x".repeat(64 * 1024 + 1)), (413, 80001)),
        (sdp().body(vec![0xff, 0xfe]), (400, 80001)),
        (world.client.post(world.url("media")).bearer_auth("t"), (200, 80001)),
        (world.client.post(world.url("media?room_id=1&uid=x")).bearer_auth("t"), (200, 80001)),
        (world.client.post(world.url("media?room_id=1&uid=0")).bearer_auth("t"), (200, 80012)),
        (world.voice(Method::GET, "media").bearer_auth("t"), (405, 80001)),
        (world.voice(Method::GET, "media/c0ffee-1").bearer_auth("t"), (405, 80001)),
        (world.voice(Method::DELETE, "media/c0ffee-1/x").bearer_auth("t"), (404, 80001)),
    ];
    for (request, expected) in wrong {
        assert_eq!(status_and_code(request).await, expected);
    }
    let [offer, info, end] = [
        world.offer(),
        world.voice(Method::GET, "media/info"),
        world.voice(Method::DELETE, "media/c0ffee-1"),
    ];
    for request in [offer, info, end] {
        assert_eq!(status_and_code(request).await, (200, 80012), "nobody in particular");
    }
    assert!(world.services.was_left_alone());
    let whole = "x".repeat(64 * 1024);
    world.services.will("CreateSession", session());
    let media_type = "Application/SDP; charset=utf-8";
    let request = world.voice(Method::POST, "media").bearer_auth("t").header("content-type", media_type);
    assert_eq!(request.body(whole).send().await.unwrap().status(), 201, "64 KiB are not too many");
}

#[tokio::test]
async fn without_a_media_service_rooms_have_no_voice() {
    let mut world = World::with(&["--media-url="]).await;
    for request in world.calls() {
        assert_eq!(status_and_code(request).await, (404, 80001));
    }
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn calls_are_counted_whatever_the_session_is_called() {
    let world = World::with(&["--rate=1"]).await;
    for name in ["media/info", "media/one"] {
        let method = if name == "media/info" { Method::GET } else { Method::DELETE };
        let request = world.voice(method.clone(), name).bearer_auth("t").send().await.unwrap();
        assert!(request.status().is_success());
        let name = name.replace("one", "another");
        let response = world.voice(method, &name).bearer_auth("t").send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), response.headers()["retry-after"].as_bytes()),
            (429, &b"1"[..])
        );
    }
    world.services.will("CreateSession", session());
    assert_eq!(world.offer().bearer_auth("t").send().await.unwrap().status(), 201);
    assert_eq!(status_and_code(world.offer().bearer_auth("t")).await, (429, 80001));
}

#[tokio::test]
async fn a_rooms_own_node_is_asked_where_it_is_named_and_no_other() {
    let (mut world, mut owner) = (World::start().await, Standin::start().await);
    let created = |node: &Standin| one(&CreateSessionResponse { result: Some(Created::Elsewhere(at(node))) });
    let info = |elsewhere| {
        one(&GetRoomMediaResponse { engine: "embedded".into(), slots: 10, elsewhere, ..Default::default() })
    };
    let ended = |elsewhere| one(&EndSessionResponse { elsewhere });
    let answers: [(&str, Answer, Answer, Answer, u16); 3] = [
        ("CreateSession", created(&owner), session(), created(&world.services), 201),
        ("GetRoomMedia", info(Some(at(&owner))), info(None), info(Some(at(&world.services))), 200),
        ("EndSession", ended(Some(at(&owner))), ended(None), ended(Some(at(&world.services))), 204),
    ];
    for (index, (rpc, named, answer, back, status)) in answers.into_iter().enumerate() {
        world.services.will(rpc, named);
        owner.will(rpc, answer);
        let request = world.calls().into_iter().nth(index).unwrap();
        assert_eq!(request.send().await.unwrap().status(), status, "{rpc}");
        world.services.asked(rpc).await;
        let asked = owner.asked(rpc).await;
        assert_eq!(asked.header("authorization"), Some("Bearer t"), "{rpc}");
        if rpc == "CreateSession" {
            assert_eq!(asked.message::<CreateSessionRequest>().offer_sdp, OFFER);
        }

        // Two nodes that name each other are followed once.
        let named = match rpc {
            "CreateSession" => created(&owner),
            "GetRoomMedia" => info(Some(at(&owner))),
            _ => ended(Some(at(&owner))),
        };
        world.services.will(rpc, named);
        owner.will(rpc, back);
        let request = world.calls().into_iter().nth(index).unwrap();
        assert_eq!(status_and_code(request).await, (200, 100_001), "{rpc}");
        world.services.asked(rpc).await;
        owner.asked(rpc).await;
        assert!(world.services.was_left_alone() && owner.was_left_alone(), "{rpc}");
    }
    // A node that is gone may be another's soon.
    world.services.will("CreateSession", created(&owner));
    drop(owner);
    assert_eq!(status_and_code(world.offer().bearer_auth("t")).await, (200, 100_001));
}

#[tokio::test]
async fn cookies_are_believed_from_the_pages_that_may_use_them() {
    let mut world = World::with(&["--cookie=none", "--origins=https://a.example"]).await;
    let from =
        |origin: &str| world.offer().header("cookie", "gochat_token=secret").header("origin", origin).send();
    world.services.will("CreateSession", session());
    assert_eq!(from("https://a.example").await.unwrap().status(), 201);
    assert_eq!(code(&envelope(from("https://evil.example").await.unwrap()).await), 80012);
    assert_eq!(world.services.asked("CreateSession").await.header("authorization"), Some("Bearer secret"));
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn a_believed_uid_stands_in_the_location_as_well() {
    let mut own = NamedTempFile::new().unwrap();
    own.write_all(b"hush").unwrap();
    let path = format!("--service-token-file={}", own.path().display());
    let mut world = World::with(&["--trust-uid=true", &path]).await;
    world.services.will("CreateSession", session());
    let url = world.url(&format!("media?room_id={ROOM}&uid=7"));
    let request = world.client.post(url).header("content-type", "application/sdp").body(OFFER);
    let location = "/chat_room/media/c0ffee-1?room_id=123456789&uid=7";
    assert_answered(request.send().await.unwrap(), location).await;
    world.services.asked("Heartbeat").await;
    let asked = world.services.asked("CreateSession").await;
    assert_eq!(asked.header("authorization"), Some("Bearer hush"));
    assert_eq!(asked.header("gochat-on-behalf-of"), Some("7"));
    let end = world.client.delete(world.page(&location[1..])).send().await.unwrap();
    assert_eq!(end.status(), 204);
}
