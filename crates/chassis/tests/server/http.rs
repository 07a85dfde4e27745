//! A server of HTTP has the same life.

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use futures::{StreamExt, stream};
use gochat_chassis::{Readiness, Shutdown, http::Peer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::world::{self, args, listeners};

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
            gochat_chassis::http::serve("test", listeners, &connections, router, readiness, shutdown).await
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
