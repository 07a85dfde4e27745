//! The life of a server: ready or not, draining, finished, cut.

use std::time::Duration;

use gochat_chassis::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout},
};
use tonic::{Code, Streaming};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};

use crate::world::{World, get};

const HANG: &str = "/test.v1.Probe/Hang";

async fn watch(world: &World, service: &str) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(world.channel.clone()).watch(request).await.unwrap().into_inner()
}

async fn next(watching: &mut Streaming<HealthCheckResponse>) -> ServingStatus {
    watching.message().await.unwrap().unwrap().status()
}

#[tokio::test]
async fn health_and_readyz_follow_readiness() {
    let world = World::start("").await;
    let (mut server, mut probe) = (watch(&world, "").await, watch(&world, "test.v1.Probe").await);
    assert_eq!(next(&mut server).await, ServingStatus::NotServing);
    assert_eq!(next(&mut probe).await, ServingStatus::NotServing);
    let answer = get(world.admin, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.0 503") && answer.ends_with("not ready: redis\n"), "{answer}");
    assert!(get(world.admin, "/healthz").await.starts_with("HTTP/1.0 200"));

    world.readiness.set("redis", true);
    assert_eq!(next(&mut server).await, ServingStatus::Serving);
    assert_eq!(next(&mut probe).await, ServingStatus::Serving);
    assert!(get(world.admin, "/readyz").await.starts_with("HTTP/1.0 200"));

    world.readiness.set("redis", false);
    assert_eq!(next(&mut server).await, ServingStatus::NotServing);
    let unknown = HealthCheckRequest { service: "test.v1.Other".to_owned() };
    let refusal = HealthClient::new(world.channel.clone()).check(unknown).await.unwrap_err();
    assert_eq!(refusal.code(), Code::NotFound);
}

#[tokio::test]
async fn the_admin_port_shows_nothing_else() {
    let world = World::start("").await;
    for path in ["/", "/healthz/", "/debug", "/metrics/x", "/config"] {
        assert!(get(world.admin, path).await.starts_with("HTTP/1.0 404"), "{path}");
    }
    assert!(get(world.admin, "/metrics").await.contains("text/plain; version=0.0.4"));
}

#[tokio::test]
async fn a_draining_server_says_so_and_still_serves_for_the_delay() {
    let world = World::start("--drain-delay 1h --drain-timeout 2h").await;
    world.readiness.set("redis", true);
    world.release();
    let mut health = watch(&world, "").await;
    while next(&mut health).await != ServingStatus::Serving {}
    world.shutdown.trigger();
    assert_eq!(next(&mut health).await, ServingStatus::NotServing);
    assert!(get(world.admin, "/readyz").await.ends_with("not ready: draining\n"));
    assert!(get(world.admin, "/healthz").await.starts_with("HTTP/1.0 200"));
    let late = gochat_chassis::channel(&format!("http://{}", world.service)).unwrap();
    HealthClient::new(late).check(HealthCheckRequest::default()).await.unwrap();
    world.call(HANG, &[], "").await.unwrap();
    world.serving.abort();
}

#[tokio::test]
async fn calls_in_flight_finish_and_watchers_are_sent_home() {
    let world = World::start("--drain-timeout 1h").await;
    let mut health = watch(&world, "").await;
    assert_eq!(next(&mut health).await, ServingStatus::NotServing);
    let stop = async {
        world.probe.hanging.notified().await;
        world.shutdown.trigger();
        while let Some(status) = health.message().await.unwrap() {
            assert_eq!(status.status(), ServingStatus::NotServing);
        }
        assert!(TcpStream::connect(world.service).await.is_err(), "nobody is let in any more");
        world.release();
    };
    let (answer, ()) = tokio::join!(world.call(HANG, &[], ""), stop);
    assert_eq!(answer.unwrap().into_inner(), "released");
    world.serving.await.unwrap().unwrap();
    assert!(TcpStream::connect(world.admin).await.is_err(), "the admin port has ended");
}

#[tokio::test]
async fn a_stream_that_never_ends_is_cut_at_the_hard_end() {
    let world = World::start("--drain-timeout 200ms").await;
    let mut stream = world.stream().await;
    // One that speaks HTTP/2 no further than its greeting, and one that says nothing at all.
    let mut deaf = TcpStream::connect(world.service).await.unwrap();
    deaf.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut mute = TcpStream::connect(world.service).await.unwrap();
    let stopped = Instant::now();
    world.shutdown.trigger();
    world.serving.await.unwrap().unwrap();
    assert!(stopped.elapsed() >= Duration::from_millis(200));
    stream.message().await.unwrap_err();
    for peer in [&mut deaf, &mut mute] {
        let _ = peer.read_to_end(&mut Vec::new()).await;
    }
}

#[tokio::test]
async fn a_delay_longer_than_the_hard_end_does_not_move_it() {
    let world = World::start("--drain-delay 1h --drain-timeout 100ms").await;
    let _stream = world.stream().await;
    world.shutdown.trigger();
    tokio::time::timeout(Duration::from_secs(30), world.serving).await.unwrap().unwrap().unwrap();
}

/// A caller that stays on its connection would never find a replica that is ready.
#[tokio::test]
async fn a_server_that_turns_away_ends_its_connections_while_it_is_not_ready() {
    let world = World::with("", Server::turning_away).await;
    world.readiness.set("redis", true);
    let mut connection = TcpStream::connect(world.service).await.unwrap();
    connection.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    world.readiness.set("redis", false);
    let mut read = Vec::new();
    let ended = timeout(Duration::from_secs(20), connection.read_to_end(&mut read)).await;
    assert!(ended.is_ok(), "the connection is still open");
    // Who comes meanwhile is served, and stays.
    world.call("/test.v1.Probe/Core", &[], "").await.unwrap();
    world.readiness.set("redis", true);
    world.call("/test.v1.Probe/Core", &[], "").await.unwrap();
}
