//! Channels against servers that answer, leave, break off and fall silent.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures::future::{join_all, pending};
use hyper::{server, service::service_fn};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tonic::{Code, Status};

use super::*;

fn asked(headers: &[(&'static str, &'static str)]) -> Request<Body> {
    let request = Request::builder().method("POST").uri("http://service/x");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(Body::new("asked".to_owned())).unwrap()
}

/// Answers what is asked on `io` with the same, until it has answered so often.
async fn answer(io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static, times: usize) {
    let answered = Arc::new(AtomicUsize::new(0));
    let counted = answered.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Ok::<_, Infallible>(Response::new(request.into_body())) }
    });
    let server = server::conn::http2::Builder::new(TokioExecutor::new());
    let mut serving = std::pin::pin!(server.serve_connection(TokioIo::new(io), service));
    std::future::poll_fn(|cx| {
        let polled = serving.as_mut().poll(cx);
        if answered.load(Ordering::Relaxed) == times {
            serving.as_mut().graceful_shutdown();
        }
        polled
    })
    .await
    .unwrap();
}

/// A connection to one that answers.
async fn open() -> Connection {
    let (near, far) = tokio::io::duplex(1024);
    tokio::spawn(answer(far, usize::MAX));
    speak(near).await.unwrap()
}

/// A connection that ends before it sends anything.
async fn ending() -> Connection {
    let (near, _far) = tokio::io::duplex(1024);
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(near));
    let (sender, connection) = handshake.await.unwrap();
    drop(connection);
    sender
}

/// A connection to one that takes a request and is gone.
async fn breaking() -> Connection {
    let (near, far) = tokio::io::duplex(1024);
    let service = service_fn(|_| async { Err::<Response<Body>, _>(io::Error::other("no luck")) });
    let server = server::conn::http2::Builder::new(TokioExecutor::new());
    tokio::spawn(server.serve_connection(TokioIo::new(far), service));
    speak(near).await.unwrap()
}

/// A connection to one that takes its leave when the request is on its way already, and says that it took none.
async fn leaving() -> Connection {
    let (near, mut far) = tokio::io::duplex(1024);
    let sender = speak(near).await.unwrap();
    tokio::spawn(async move {
        let (settings, leave) =
            ([0, 0, 0, 4, 0, 0, 0, 0, 0], [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        far.write_all(&settings).await.unwrap();
        let (mut heard, headers) = (Vec::new(), [1, 0x4, 0, 0, 0, 1]);
        while !heard.windows(headers.len()).any(|part| part == headers) {
            far.read_buf(&mut heard).await.unwrap();
        }
        far.write_all(&leave).await.unwrap();
    });
    sender
}

/// What a request comes to where so many connections fail so, and how many it took.
async fn sent<F: Future<Output = Connection>>(
    failures: u32,
    fail: impl Fn() -> F,
) -> (Result<(), Code>, u32) {
    let tries = std::cell::Cell::new(0);
    let connection = || async {
        tries.set(tries.get() + 1);
        Ok(if tries.get() <= failures { fail().await } else { open().await })
    };
    let answer = match send(asked(&[]), connection).await {
        Ok(answer) => answer.into_body(),
        Err(error) => return (Err(Status::from_error(error).code()), tries.get()),
    };
    assert_eq!(to_bytes(axum::body::Body::new(answer), 9).await.unwrap(), "asked");
    (Ok(()), tries.get())
}

#[tokio::test]
async fn what_nobody_took_is_sent_again_and_nothing_else() {
    assert_eq!(sent(0, ending).await, (Ok(()), 1));
    assert_eq!(sent(RESENT, ending).await, (Ok(()), RESENT + 1));
    assert_eq!(sent(RESENT + 1, ending).await, (Err(Code::Unavailable), RESENT + 1));
    assert_eq!(sent(RESENT, leaving).await, (Ok(()), RESENT + 1));
    assert_eq!(sent(1, breaking).await, (Err(Code::Internal), 1), "it may have been done");
}

/// A channel to a service that serves so many requests by each connection, and the number of those.
async fn service(times: usize) -> (Channel, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let channel = channel(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        loop {
            let (io, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(answer(io, times));
        }
    });
    (channel, connections)
}

/// Whether the latest connection takes no more requests.
fn is_lost(channel: &Channel) -> bool {
    let latest = channel.latest();
    matches!(latest.as_ref().map(Shared::peek), Some(Some(Ok(connection))) if connection.is_closed())
}

#[tokio::test]
async fn calls_share_a_connection_until_it_is_lost() {
    let (mut channel, connections) = service(3).await;
    for made in 1..=3 {
        let calls: Vec<_> = (0..3).map(|_| channel.call(asked(&[]))).collect();
        assert!(join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(connections.load(Ordering::Relaxed), made);
        while !is_lost(&channel) {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn who_is_not_there_may_come_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut channel = channel(&format!("http://{address}")).unwrap();
    let refused = channel.call(asked(&[])).await.unwrap_err();
    assert_eq!(Status::from_error(refused).code(), Code::Unavailable);
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move { answer(listener.accept().await.unwrap().0, usize::MAX).await });
    channel.call(asked(&[])).await.unwrap();
}

#[tokio::test]
async fn a_call_ends_when_its_caller_waits_no_longer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut channel = channel(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    tokio::spawn(async move {
        let _silent = listener.accept().await;
        pending::<()>().await;
    });
    let late = channel.call(asked(&[("grpc-timeout", "50m")])).await.unwrap_err();
    assert!(late.is::<TimeoutExpired>(), "{late}");
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_falls_silent_is_given_up() {
    let (near, _silent) = tokio::io::duplex(1024);
    let connection = speak(near).await.unwrap();
    let given_up = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        while !connection.is_closed() {
            ticks.tick().await;
        }
    };
    timeout(KEEP_ALIVE.0 + KEEP_ALIVE.1 + Duration::from_secs(1), given_up).await.expect("it is kept");
}

#[test]
fn patience_is_read_as_grpc_says_it() {
    let said =
        |text: &'static str| patience(&HeaderMap::from_iter([(PATIENCE, HeaderValue::from_static(text))]));
    assert_eq!(said("5000000u"), Some(Duration::from_secs(5)));
    assert_eq!(
        ["2H", "3M", "7n"].map(said),
        [7_200_000_000_000, 180_000_000_000, 7].map(|n| Some(Duration::from_nanos(n)))
    );
    assert_eq!(["", "5", "u", "-5S", "5s", "99999999999S"].map(said), [None; 6]);
}
