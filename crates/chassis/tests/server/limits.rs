//! What nobody gets more of than is allowed: time to greet, time to wait, calls without a name, requests at a time.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, routing::get};
use clap::Parser;
use futures::FutureExt;
use gochat_chassis::{Readiness, Shutdown, http::HttpArgs};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
    task::JoinHandle,
    time::timeout,
};
use tonic::Code;
use tonic_types::StatusExt;

use crate::world::{self, World, args, listeners};

const HANG: &str = "/test.v1.Probe/Hang";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    http: HttpArgs,
}

/// Says this much, and reads until the server ends the connection.
async fn says(world: &World, words: &[u8]) {
    let mut peer = TcpStream::connect(world.service).await.unwrap();
    peer.write_all(words).await.unwrap();
    let ended = timeout(Duration::from_secs(30), peer.read_to_end(&mut Vec::new())).await;
    // It may be reset, or closed.
    let _ = ended.expect("the server holds the connection");
}

#[tokio::test]
async fn who_does_not_greet_in_time_is_cut_and_who_did_may_be_silent() {
    for cores in [0, 1] {
        let world = World::start_on(cores, "--greeting-timeout 100ms").await;
        let mut stream = world.stream().await;
        says(&world, b"").await;
        says(&world, &PREFACE[..20]).await;
        world.release();
        // This one has rested for longer than a greeting may take.
        assert_eq!(stream.message().await.unwrap().unwrap(), "second");
    }
}

/// The beginning of a call of `Hang` whose message doesn't come: its headers (RFC 7541), and no more.
fn half_a_call() -> Vec<u8> {
    let path = HANG.as_bytes();
    let mut block = vec![0x83, 0x86, 0x01, 1, b'x', 0x04, path.len() as u8];
    block.extend(path);
    block.extend([0x0f, 0x10, 16]);
    block.extend(b"application/grpc");
    let mut bytes = [PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat();
    bytes.extend([0, 0, block.len() as u8, 1, 4, 0, 0, 0, 1]);
    bytes.extend(block);
    bytes
}

#[tokio::test]
async fn who_sends_no_message_takes_nobodys_place() {
    let world = World::start("--max-in-flight 1").await;
    world.release();
    let mut slow = TcpStream::connect(world.service).await.unwrap();
    slow.write_all(&half_a_call()).await.unwrap();
    // The answer to a ping, which comes after the headers: they have been read.
    slow.write_all(b"\0\0\x08\x06\0\0\0\0\0pingpong").await.unwrap();
    let mut seen = Vec::new();
    while !seen.windows(8).any(|bytes| bytes == b"pingpong") {
        slow.read_buf(&mut seen).await.unwrap();
    }
    for _ in 0..20 {
        world.call(HANG, &[], "").await.unwrap();
    }
}

#[tokio::test]
async fn a_caller_waits_no_longer_than_the_server_lets_it() {
    let world = World::start("--request-timeout 50ms").await;
    let hours = [("grpc-timeout", "100H")];
    let slow = timeout(Duration::from_secs(30), world.call(HANG, &hours, "")).await.unwrap().unwrap_err();
    assert_eq!(slow.code(), Code::DeadlineExceeded);
}

#[tokio::test]
async fn strangers_call_so_often_and_who_is_known_as_they_like() {
    let world = World::start("--anonymous-rate 2").await;
    world.release();
    for _ in 0..2 {
        world.call(HANG, &[], "").await.unwrap();
    }
    let refused = world.call(HANG, &[], "").await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "TOO_MANY");
    for _ in 0..5 {
        world.call(HANG, &[("authorization", "Bearer x")], "").await.unwrap();
    }
}

/// Answers one request at a time, over HTTP.
async fn serve_one_at_a_time(router: Router) -> (SocketAddr, JoinHandle<anyhow::Result<()>>) {
    let (listeners, service, _) = listeners().await;
    let http = Flags::try_parse_from(["x", "--max-in-flight", "1"]).unwrap().http;
    let connections = args("").connections;
    let serving = tokio::spawn(async move {
        let (readiness, shutdown) = (Readiness::new(&[]), Shutdown::new());
        let (limits, last) = ((&connections, &http, 2), std::future::ready(()));
        gochat_chassis::http::serve("test", listeners, limits, router, readiness, shutdown, last).await
    });
    (service, serving)
}

#[tokio::test]
async fn who_sends_half_a_body_takes_nobodys_place() {
    let asked = Arc::new(Notify::new());
    let waiting = {
        let asked = asked.clone();
        async move |body: Body| {
            asked.notify_one();
            axum::body::to_bytes(body, 100).await.map(|whole| whole.len().to_string()).unwrap_or_default()
        }
    };
    let router = Router::new().route("/", get(async || "there").post(waiting));
    let (service, serving) = serve_one_at_a_time(router).await;
    let mut slow = TcpStream::connect(service).await.unwrap();
    slow.write_all(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhal")
        .await
        .unwrap();
    for _ in 0..20 {
        let other = world::get(service, "/").await;
        assert!(other.ends_with("there"), "{other}");
    }
    assert!(asked.notified().now_or_never().is_none(), "nobody answers half a body");
    slow.write_all(b"ve").await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with('5'), "{answer}");
    serving.abort();
}

#[tokio::test]
async fn more_requests_than_allowed_are_sent_away() {
    let (asked, released) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let hang = {
        let (asked, released) = (asked.clone(), released.clone());
        async move || {
            asked.notify_one();
            released.notified().await;
            "there"
        }
    };
    let router = Router::new().route("/hang", get(hang)).route("/", get(async || "there"));
    let (service, serving) = serve_one_at_a_time(router).await;
    let first = tokio::spawn(async move { world::get(service, "/hang").await });
    asked.notified().await;
    let refused = world::get(service, "/").await;
    assert!(refused.starts_with("HTTP/1.0 503") && refused.contains("retry-after: 1"), "{refused}");
    released.notify_one();
    assert!(first.await.unwrap().ends_with("there"));
    assert!(world::get(service, "/").await.ends_with("there"), "the place is free again");
    serving.abort();
}
