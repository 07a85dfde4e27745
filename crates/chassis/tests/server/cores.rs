//! A server on cores of its own: it spreads its connections, and has the same life and the same limits.

use std::{future::Future, pin::pin, time::Duration};

use futures::future::join_all;
use gochat_chassis::Channel;
use tokio::{net::TcpStream, time::timeout};
use tonic::Streaming;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use crate::world::{World, call, stream};

const CORE: &str = "/test.v1.Probe/Core";
const HANG: &str = "/test.v1.Probe/Hang";

/// Which core answers on a connection, and the name of its thread.
async fn core(connection: &Channel) -> String {
    call(connection, CORE, &[], "").await.unwrap().into_inner()
}

/// Two connections, one on each of the two cores.
async fn one_on_each(world: &World) -> [Channel; 2] {
    let connections = [world.connection(), world.connection()];
    assert_eq!(core(&connections[0]).await, "0 gochat-test-0");
    assert_eq!(core(&connections[1]).await, "1 gochat-test-1");
    assert_eq!(*world.probe.threads.borrow(), 2);
    connections
}

async fn watch(connection: &Channel) -> Streaming<HealthCheckResponse> {
    let request = HealthCheckRequest::default();
    HealthClient::new(connection.clone()).watch(request).await.unwrap().into_inner()
}

/// Waits for the end of the threads that answered.
async fn threads_end(world: &World) {
    let mut threads = world.probe.threads.subscribe();
    soon(threads.wait_for(|threads| *threads == 0)).await.unwrap();
}

async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(30), event).await.expect("it takes too long")
}

#[tokio::test]
async fn connections_are_spread_evenly_and_stay_where_they_are() {
    let world = World::start_on(2, "").await;
    let connections: Vec<_> = (0..6).map(|_| world.connection()).collect();
    let first = join_all(connections.iter().map(core)).await;
    for name in ["0 gochat-test-0", "1 gochat-test-1"] {
        assert_eq!(first.iter().filter(|core| *core == name).count(), 3, "{first:?}");
    }
    assert_eq!(join_all(connections.iter().map(core)).await, first);
}

#[tokio::test]
async fn without_cores_a_server_stays_on_its_runtime() {
    let world = World::start("").await;
    let here = std::thread::current().name().unwrap().to_owned();
    assert_eq!(core(&world.channel).await, format!("0 {here}"));
}

#[tokio::test]
async fn health_is_the_same_on_every_core() {
    let world = World::start_on(2, "").await;
    for connection in one_on_each(&world).await {
        let mut health = watch(&connection).await;
        let before = health.message().await.unwrap().unwrap();
        world.readiness.set("redis", before.status != 1);
        assert_ne!(soon(health.message()).await.unwrap().unwrap().status, before.status);
    }
}

#[tokio::test]
async fn the_limit_of_connections_is_that_of_all_cores_and_a_place_goes_to_the_core_that_lost_one() {
    let world = World::start_on(2, "--max-connections 2").await;
    let [first, second] = one_on_each(&world).await;
    let third = world.connection();
    let mut waiting = pin!(core(&third));
    let beside = async {
        for _ in 0..20 {
            core(&first).await;
        }
    };
    tokio::select! {
        biased;
        answer = &mut waiting => panic!("a third connection was let in: {answer}"),
        () = beside => {}
    }
    // The next in turn would be core 0.
    drop(second);
    assert_eq!(soon(waiting).await, "1 gochat-test-1");
}

#[tokio::test]
async fn calls_in_flight_finish_on_every_core_and_watchers_are_sent_home() {
    let world = World::start_on(2, "--drain-timeout 1h").await;
    let connections = one_on_each(&world).await;
    let mut hanging = Vec::new();
    for connection in connections.clone() {
        hanging.push(tokio::spawn(async move { call(&connection, HANG, &[], "").await }));
        soon(world.probe.hanging.notified()).await;
    }
    let mut watchers = join_all(connections.iter().map(watch)).await;
    world.shutdown.trigger();
    for watcher in &mut watchers {
        while soon(watcher.message()).await.unwrap().is_some() {}
    }
    assert!(TcpStream::connect(world.service).await.is_err(), "nobody is let in any more");
    assert!(!world.serving.is_finished(), "calls are still open");
    world.release();
    for call in hanging {
        assert_eq!(soon(call).await.unwrap().unwrap().into_inner(), "released");
    }
    threads_end(&world).await;
    soon(world.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn streams_that_never_end_are_cut_on_every_core_at_the_hard_end() {
    let world = World::start_on(2, "--drain-timeout 200ms").await;
    let connections = one_on_each(&world).await;
    let streams = join_all(connections.iter().map(stream)).await;
    world.shutdown.trigger();
    for mut stream in streams {
        soon(stream.message()).await.unwrap_err();
    }
    threads_end(&world).await;
    soon(world.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_server_that_is_dropped_ends_its_threads() {
    let world = World::start_on(2, "").await;
    let connections = one_on_each(&world).await;
    let streams = join_all(connections.iter().map(stream)).await;
    world.serving.abort();
    for mut stream in streams {
        soon(stream.message()).await.unwrap_err();
    }
    threads_end(&world).await;
}
