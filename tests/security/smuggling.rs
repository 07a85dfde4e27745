//! Headers that say more than their sender may: they are refused, never read in one way here and another there.

use std::{
    collections::VecDeque,
    convert::Infallible,
    future,
    pin::Pin,
    task::{Context, Poll},
};

use gochat_proto::room::CloseRoomRequest;
use gochat_suite::SuiteConfig;
use http_body::Frame;
use prost::{Message, bytes::Bytes};
use serde_json::{Value, json};
use tonic::{
    body::Body,
    codegen::{Service, http},
};

use crate::{
    wire::{Headers, acting, bearer, call, channel, unknown, word},
    world::{ACTING, LOOKING, Person, World, soon},
};

/// A body of these frames.
struct Frames(VecDeque<Frame<Bytes>>);

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

fn on_behalf_of(value: impl ToString) -> (&'static str, String) {
    ("gochat-on-behalf-of", value.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_somebody_else_by_a_header() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let lea = Person::listener(&client, "lea", &host.room).await;
    let lines = |all: &[(&'static str, String)]| all.to_vec();
    let (own, hosts, service) = (bearer(lea.token()), bearer(host.token()), bearer(ACTING));
    let refused: Vec<Headers> = vec![
        // A user, and nobody, name a user.
        [own.clone(), lines(&[on_behalf_of(host.uid())])].concat(),
        lines(&[on_behalf_of(host.uid())]),
        // Two of a header, the same or not, of the same kind or not.
        [own.clone(), own.clone()].concat(),
        [own.clone(), hosts.clone()].concat(),
        [hosts.clone(), own.clone()].concat(),
        [own.clone(), service.clone()].concat(),
        [service.clone(), own.clone(), lines(&[on_behalf_of(host.uid())])].concat(),
        [acting(ACTING, lea.uid()), lines(&[on_behalf_of(host.uid())])].concat(),
        [acting(ACTING, lea.uid()), lines(&[on_behalf_of(lea.uid())])].concat(),
        lines(&[("authorization", format!("Bearer {}, Bearer {}", lea.token(), host.token()))]),
        // What isn't quite a uid.
        [service.clone(), lines(&[on_behalf_of(format!("{}, {}", lea.uid(), host.uid()))])].concat(),
        [service.clone(), lines(&[on_behalf_of(format!("0{}", lea.uid()))])].concat(),
        [service.clone(), lines(&[on_behalf_of(format!("+{}", lea.uid()))])].concat(),
        [service.clone(), lines(&[on_behalf_of(format!("{}.0", lea.uid()))])].concat(),
        [service.clone(), lines(&[on_behalf_of(0)])].concat(),
        [service.clone(), lines(&[on_behalf_of(u64::from(lea.uid()) + (1 << 32))])].concat(),
        [service.clone(), lines(&[on_behalf_of("")])].concat(),
    ];
    for headers in refused {
        for (path, answer) in world.knock(&headers, &host.room).await {
            unknown(&format!("{path} {headers:?}"), &answer);
        }
    }
    for (path, answer) in world.knock(&acting(LOOKING, lea.uid()), &host.room).await {
        assert_eq!(word(&answer), "NOT_PERMITTED", "{path}");
    }
    let itself = [own, lines(&[on_behalf_of(lea.uid())])].concat();
    for headers in [itself, acting(ACTING, lea.uid())] {
        for (path, answer) in world.knock(&headers, &host.room).await {
            assert_eq!(word(&answer), "ok", "{path} {headers:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_after_the_message_proves_nothing() {
    let world = World::start().await;
    let host = Person::host(&world.client(), "host").await;
    let path = "/gochat.account.v1.AccountService/Heartbeat";
    let mut trailers = http::HeaderMap::new();
    trailers.insert("authorization", format!("Bearer {}", host.token()).parse().unwrap());
    let empty = Bytes::from_static(&[0; 5]);
    let body = Frames([Frame::data(empty), Frame::trailers(trailers)].into());
    let request = http::Request::post(path)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(body))
        .unwrap();
    let mut channel = world.at(path).clone();
    soon("the connection", future::poll_fn(|cx| Service::poll_ready(&mut channel, cx))).await.unwrap();
    let answer = soon("the answer", Service::call(&mut channel, request)).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "16", "{answer:?}");
}

/// What a client of the gateway might send to be somebody else at the services.
fn smuggled(uid: u32) -> Headers {
    vec![
        on_behalf_of(uid),
        ("grpc-metadata-gochat-on-behalf-of", uid.to_string()),
        ("x-gochat-on-behalf-of", uid.to_string()),
        ("x-forwarded-user", uid.to_string()),
        ("grpc-timeout", "1n".to_owned()),
        ("grpc-encoding", "gzip".to_owned()),
        ("te", "trailers".to_owned()),
        ("connection", "close, authorization".to_owned()),
    ]
}

/// Lea quits the room with headers that name the host: it is lea who has left.
async fn quits_as_oneself(world: &World, proves_it: bool) {
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let lea = client.login("lea", "").await.unwrap();
    lea.join_room(&host.room).await.unwrap();
    let own = if proves_it { bearer(lea.token().unwrap()) } else { Vec::new() };
    let headers = [own, smuggled(host.uid())].concat();
    let asked = json!({ "uid": lea.uid(), "room_id": host.room });
    let closed = world.post("close_room", &headers, &asked).await;
    assert_ne!(closed["ret"]["code"], 0, "{closed}");
    let quit = world.post("quit_room", &headers, &asked).await;
    assert_eq!(quit["ret"]["code"], 0, "{quit}");
    let members = host.session.members(&host.room, Default::default(), Default::default()).await.unwrap();
    assert_eq!(members.members.iter().map(|member| member.uid).collect::<Vec<_>>(), [host.uid()]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_passes_on_nothing_that_it_was_not_told_to() {
    let world = World::start().await;
    quits_as_oneself(&world, true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_a_gateway_that_believes_uids_believe_headers() {
    let mut config = SuiteConfig::for_tests().unwrap();
    config.gateway.identity.trust_uid = true;
    let world = World::of(config.with_token_of_its_own()).await;
    quits_as_oneself(&world, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tokens_the_gateway_takes_neither() {
    let world = World::start().await;
    let client = world.client();
    let host = Person::host(&client, "host").await;
    let lea = Person::listener(&client, "lea", &host.room).await;
    let (own, hosts) = (bearer(lea.token()), bearer(host.token()));
    for headers in
        [[own.clone(), hosts.clone()].concat(), [hosts, own.clone()].concat(), [own.clone(), own].concat()]
    {
        let answer = world.post("heartbeat", &headers, &json!({ "uid": lea.uid(), "room_id": "" })).await;
        assert_eq!(answer, refused(), "{headers:?}");
        let mut asked = reqwest::Client::new().get(format!("{}?room_id={}", world.url("events"), host.room));
        for (name, value) in &headers {
            asked = asked.header(*name, value);
        }
        let answer: Value = soon("the answer", asked.send()).await.unwrap().json().await.unwrap();
        assert_eq!(answer, refused(), "{headers:?}");
    }
}

fn refused() -> Value {
    json!({ "ret": { "code": 80012, "message": "not logged in" } })
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_is_no_way_to_the_services() {
    let world = World::start().await;
    let host = Person::host(&world.client(), "host").await;
    let gateway = channel(&world.suite.gateway_url());
    let close = CloseRoomRequest { room_id: host.room.clone(), ..Default::default() }.encode_to_vec();
    for path in ["/gochat.room.v1.RoomService/CloseRoom", "/chat_room/gochat.room.v1.RoomService/CloseRoom"] {
        let answer = call(&gateway, path, &bearer(host.token()), close.clone()).await;
        assert!(answer.is_err(), "{path}");
    }
    assert!(host.session.heartbeat(Some(&host.room)).await.is_ok(), "the room is open");
}
