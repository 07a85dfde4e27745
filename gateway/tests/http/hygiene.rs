//! What is asked of any HTTP server: encodings, protocols, lengths, and how often somebody may call.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use gochat_proto::{model::Room, room::ListRoomsResponse};
use http::Version;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    standin::one,
    world::{World, code, done, envelope},
};

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn bodies_may_be_compressed_both_ways() {
    let world = World::start().await;
    let rooms = (0..50).map(|_| Room { subject: "tea".into(), ..Default::default() }).collect();
    world.services.will("ListRooms", one(&ListRoomsResponse { rooms, ..Default::default() }));
    let asked = world.post("get_room_list", zipped(r#"{"uid":7}"#)).header("content-encoding", "gzip");
    let response = asked.header("accept-encoding", "gzip").bearer_auth("t").send().await.unwrap();
    assert_eq!(response.headers()["content-encoding"], "gzip");
    assert_eq!(response.headers()["content-type"], "application/json");
    let mut text = String::new();
    GzDecoder::new(&*response.bytes().await.unwrap()).read_to_string(&mut text).unwrap();
    let answer: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(answer["data"]["room_list"].as_array().unwrap().len(), 50);

    let short = world.post("logout", r#"{"uid":7}"#).header("accept-encoding", "gzip").bearer_auth("t");
    let short = short.send().await.unwrap();
    assert!(!short.headers().contains_key("content-encoding"), "it would only get longer");
    assert_eq!(envelope(short).await, done());
}

#[tokio::test]
async fn the_limit_is_on_what_was_compressed() {
    let mut world = World::start().await;
    let send =
        |body: Vec<u8>, encoding: &str| world.post("login", body).header("content-encoding", encoding).send();
    let bomb = zipped(&format!(r#"{{"nick_name":"ann","x":"{}"}}"#, "x".repeat(1024 * 1024)));
    assert!(bomb.len() < 16 * 1024);
    for (body, encoding, status) in
        [(bomb, "gzip", 413), (b"{}".to_vec(), "br", 415), (b"{}".to_vec(), "gzip", 200)]
    {
        let response = send(body, encoding).await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(code(&envelope(response).await), 80001);
    }
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn the_same_is_served_over_http_2_and_1() {
    let world = World::start().await;
    let http2 = Client::builder().http2_prior_knowledge().build().unwrap();
    for (client, version) in [(http2, Version::HTTP_2), (Client::new(), Version::HTTP_11)] {
        let request = client.post(world.url("logout")).json(&json!({ "uid": 7 })).bearer_auth("t");
        let response = request.send().await.unwrap();
        assert_eq!(response.version(), version);
        assert_eq!(envelope(response).await, done());
    }
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    let world = World::with(&["--header-timeout=100ms"]).await;
    let address = world.page("");
    let address = address.trim_start_matches("http://").trim_end_matches('/');
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"POST /chat_room/login HTTP/1.1\r\nhost: x\r\n").await.unwrap();
    assert_eq!(slow.read_to_end(&mut Vec::new()).await.unwrap(), 0);
}

async fn too_many(response: Response) {
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (429, &b"1"[..]));
    assert_eq!(code(&envelope(response).await), 80001);
}

#[tokio::test]
async fn a_user_may_call_a_method_so_many_times_a_second() {
    let world = World::with(&["--rate=2"]).await;
    let call = |method: &str, token: &str| world.post(method, r#"{"uid":7}"#).bearer_auth(token).send();
    for _ in 0..2 {
        assert_eq!(envelope(call("logout", "t").await.unwrap()).await, done());
    }
    too_many(call("logout", "t").await.unwrap()).await;
    // Another user, though with the same uid, and another method are counted by themselves.
    assert_eq!(call("logout", "u").await.unwrap().status(), 200);
    assert_eq!(call("get_room_list", "t").await.unwrap().status(), 200);
}

#[tokio::test]
async fn logins_are_counted_by_the_address_that_they_come_from() {
    let world = World::with(&["--rate=1", "--trusted-proxies=127.0.0.0/8"]).await;
    let login = |from: &str| {
        world.post("login", r#"{"nick_name":"ann"}"#).header("x-forwarded-for", from.to_owned()).send()
    };
    assert_eq!(login("203.0.113.1").await.unwrap().status(), 200);
    too_many(login("203.0.113.1").await.unwrap()).await;
    too_many(login("198.51.100.7, 203.0.113.1").await.unwrap()).await;
    assert_eq!(login("203.0.113.2").await.unwrap().status(), 200);

    let world = World::with(&["--rate=1"]).await;
    let login = |from: &str| {
        world.post("login", r#"{"nick_name":"ann"}"#).header("x-forwarded-for", from.to_owned()).send()
    };
    assert_eq!(login("203.0.113.1").await.unwrap().status(), 200);
    too_many(login("203.0.113.2").await.unwrap()).await;
}

#[tokio::test]
async fn services_are_not_counted() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    // SHA-256 of `test`.
    let digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    writeln!(file, "bot {digest} act-for-users").unwrap();
    let world = World::with(&["--rate=1", "--service-tokens-file", file.path().to_str().unwrap()]).await;
    for _ in 0..5 {
        let request = world.post("logout", r#"{"uid":7}"#).bearer_auth("test").send();
        assert_eq!(request.await.unwrap().status(), 200);
    }
}
