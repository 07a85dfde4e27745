//! A server of HTTP has the same life.

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use clap::Parser;
use futures::{StreamExt, stream};
use gochat_chassis::{
    Readiness, Shutdown,
    http::{HttpArgs, Peer},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::world::{self, args, listeners};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    http: HttpArgs,
}

fn http_args(flags: &str) -> HttpArgs {
    Flags::try_parse_from(["x"].into_iter().chain(flags.split_whitespace())).unwrap().http
}

async fn endless() -> Body {
    let first = stream::iter([Ok::<_, std::io::Error>("first")]);
    Body::from_stream(first.chain(stream::pending()))
}

#[tokio::test]
async fn an_endless_answer_is_cut_at_the_hard_end() {
    let router = Router::new()
        .route("/", get(async |ConnectInfo(Peer(peer)): ConnectInfo<Peer>| peer.ip().to_string()))
        .route("/endless", get(endless));
    let (listeners, service, admin) = listeners().await;
    let (readiness, shutdown) = (Readiness::new(&[]), Shutdown::new());
    let connections = args("--drain-timeout 200ms").connections;
    let serving = tokio::spawn({
        let (readiness, shutdown) = (readiness.clone(), shutdown.clone());
        async move {
            gochat_chassis::http::serve(
                "test",
                listeners,
                (&connections, &http_args(""), 2),
                router,
                readiness,
                shutdown,
                std::future::ready(()),
            )
            .await
        }
    });
    assert!(world::get(service, "/").await.ends_with("127.0.0.1"));
    assert!(world::get(admin, "/readyz").await.starts_with("HTTP/1.0 200"));
    let mut peer = TcpStream::connect(service).await.unwrap();
    peer.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"first\r\n") {
        peer.read_buf(&mut seen).await.unwrap();
    }
    shutdown.trigger();
    readiness.until(false).await;
    serving.await.unwrap().unwrap();
    let _ = peer.read_to_end(&mut seen).await;
    assert!(!seen.ends_with(b"0\r\n\r\n"), "the answer was cut, not ended");
}

#[tokio::test]
async fn what_is_served_beside_is_cut_at_the_shutdown() {
    let router = Router::new().route("/", get(async || "there")).route("/endless", get(endless));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (service, shutdown) = (listener.local_addr().unwrap(), Shutdown::new());
    let ends = shutdown.clone();
    let serving = tokio::spawn(async move {
        let (connections, http) = (args("").connections, http_args(""));
        gochat_chassis::http::serve_beside("test", listener, (&connections, &http), router, ends).await
    });
    assert!(world::get(service, "/").await.ends_with("there"));
    let mut peer = TcpStream::connect(service).await.unwrap();
    peer.write_all(b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"first\r\n") {
        peer.read_buf(&mut seen).await.unwrap();
    }
    shutdown.trigger();
    serving.await.unwrap().unwrap();
    let _ = peer.read_to_end(&mut seen).await;
    assert!(!seen.ends_with(b"0\r\n\r\n"), "the answer was cut, not ended");
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (connections, http) = (args("").connections, http_args(""));
    let refused = gochat_chassis::http::serve_beside(
        "test",
        everywhere,
        (&connections, &http),
        Router::new(),
        Shutdown::new(),
    );
    assert!(refused.await.unwrap_err().to_string().contains("GOCHAT_PLAIN_TEXT"));
}

/// What a peer sees that says this much and then waits, of a server with these flags.
async fn waits(said: &[u8], flags: &str) -> Vec<u8> {
    let router = Router::new().route("/", get(async || "there"));
    let (listeners, service, _) = listeners().await;
    let (connections, http) = (args("").connections, http_args(flags));
    let serving = tokio::spawn(async move {
        let (readiness, shutdown) = (Readiness::new(&[]), Shutdown::new());
        let (limits, last) = ((&connections, &http, 1), std::future::ready(()));
        gochat_chassis::http::serve("test", listeners, limits, router, readiness, shutdown, last).await
    });
    let mut peer = TcpStream::connect(service).await.unwrap();
    peer.write_all(said).await.unwrap();
    let mut seen = Vec::new();
    let _ = peer.read_to_end(&mut seen).await;
    serving.abort();
    seen
}

#[tokio::test]
async fn who_takes_too_long_is_given_up() {
    let asked = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let answered = waits(asked, "--header-timeout 100ms").await;
    assert!(answered.ends_with(b"there"), "and then the connection rested");
    assert_eq!(waits(b"GET / HTTP/1.1\r\nhost:", "--header-timeout 100ms").await, b"");
    assert_eq!(waits(b"", "--idle-timeout 100ms").await, b"", "not even a first word");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    assert!(!waits(preface, "--idle-timeout 100ms").await.is_empty(), "settings, and nothing to answer");
}

#[tokio::test]
async fn what_is_answered_before_the_end_ends_its_connection() {
    let router = Router::new().route("/", get(async || "there"));
    let (listeners, service, _) = listeners().await;
    let (connections, http) = (args("--drain-delay 5s --drain-timeout 10s").connections, http_args(""));
    let (readiness, shutdown) = (Readiness::new(&[]), Shutdown::new());
    let (is_ready, ends) = (readiness.clone(), shutdown.clone());
    let serving = tokio::spawn(async move {
        let (limits, last) = ((&connections, &http, 1), std::future::ready(()));
        gochat_chassis::http::serve("test", listeners, limits, router, readiness, shutdown, last).await
    });
    let mut peer = TcpStream::connect(service).await.unwrap();
    let mut seen = Vec::new();
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    while !seen.ends_with(b"there") {
        peer.read_buf(&mut seen).await.unwrap();
    }
    assert!(!String::from_utf8(seen).unwrap().contains("connection: close"));
    ends.trigger();
    is_ready.until(false).await;
    peer.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut seen = String::new();
    peer.read_to_string(&mut seen).await.unwrap();
    assert!(seen.contains("connection: close") && seen.ends_with("there"), "{seen}");
    assert!(!serving.is_finished(), "others are answered for a while");
    serving.abort();
}
