//! What happens to a single call: its caller, its limits, and what is seen of it.

use std::{pin::pin, time::Duration};

use gochat_chassis::channel::{channel, channel_with_timeout};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt;

use crate::world::{World, get};

const WHO: &str = "/test.v1.Probe/Who";
const HANG: &str = "/test.v1.Probe/Hang";
const PANIC: &str = "/test.v1.Probe/Panic";

#[tokio::test]
async fn a_service_learns_its_caller_and_not_the_token() {
    let world = World::start("").await;
    let user = [("authorization", "Bearer x"), ("x-request-id", "id-1")];
    let answer = world.call(WHO, &user, "").await.unwrap();
    assert_eq!(answer.get_ref(), "user 7, id-1");
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "id-1");
    let gateway =
        [("authorization", "Bearer gateway"), ("gochat-on-behalf-of", "9"), ("x-request-id", "id-2")];
    assert_eq!(world.call(WHO, &gateway, "").await.unwrap().into_inner(), "gateway for Some(9), id-2");
    let refusal = world.call(WHO, &[], "").await.unwrap_err();
    assert_eq!(refusal.code(), Code::Unauthenticated);
    assert_eq!(refusal.get_details_error_info().unwrap().reason, "NOT_LOGGED_IN");
    assert!(refusal.metadata().contains_key("x-request-id"));
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_ended_and_a_stream_is_not() {
    let world = World::start("--request-timeout 50ms").await;
    let mut stream = world.stream().await;
    let slow = world.call(HANG, &[], "").await.unwrap_err();
    assert_eq!(slow.code(), Code::DeadlineExceeded);
    // More time than a call may take has passed.
    world.release();
    assert_eq!(stream.message().await.unwrap().unwrap(), "second");
}

#[tokio::test]
async fn a_caller_can_wait_less_than_the_server_would() {
    let mut world = World::start("").await;
    let url = format!("http://{}", world.service);
    world.channel = channel_with_timeout(&url, Duration::from_millis(50)).unwrap();
    assert_eq!(world.call(HANG, &[], "").await.unwrap_err().message(), "Timeout expired");
}

#[tokio::test]
async fn a_connection_has_so_many_streams_and_headers_so_many_bytes() {
    let world = World::start("--max-streams 1").await;
    world.release();
    let stream = world.stream().await;
    let mut second = pin!(world.call(HANG, &[], ""));
    // Long enough for a second stream, if there could be one: many calls come through beside it.
    let beside = async {
        let other = channel(&format!("http://{}", world.service)).unwrap();
        for _ in 0..20 {
            HealthClient::new(other.clone()).check(HealthCheckRequest::default()).await.unwrap();
        }
    };
    tokio::select! {
        biased;
        answer = &mut second => panic!("a second stream was opened: {answer:?}"),
        () = beside => {}
    }
    drop(stream);
    second.await.unwrap();
    let long: &'static str = "x".repeat(17 * 1024).leak();
    world.call(HANG, &[("x-long", long)], "").await.unwrap_err();
}

#[tokio::test]
async fn a_panic_costs_its_own_call() {
    let world = World::start("").await;
    let status = world.call(PANIC, &[], "").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    world.release();
    world.call(HANG, &[], "").await.unwrap();
}

#[tokio::test]
async fn a_large_message_is_refused() {
    let world = World::start("--max-message 1000").await;
    world.release();
    // The text has a prefix of its own in its message.
    world.call(HANG, &[], &"x".repeat(997)).await.unwrap();
    let refusal = world.call(HANG, &[], &"x".repeat(998)).await.unwrap_err();
    assert_eq!(refusal.code(), Code::InvalidArgument);
    assert_eq!(refusal.get_details_error_info().unwrap().reason, "INVALID_ARGUMENT");
}

#[tokio::test]
async fn more_calls_than_allowed_are_refused() {
    let world = World::start("--max-in-flight 1").await;
    let refused = async {
        world.probe.hanging.notified().await;
        let refusal = world.call(HANG, &[], "").await.unwrap_err();
        world.release();
        refusal
    };
    let (first, refusal) = tokio::join!(world.call(HANG, &[], ""), refused);
    assert_eq!(first.unwrap().into_inner(), "released");
    assert_eq!(refusal.code(), Code::ResourceExhausted);
    assert_eq!(refusal.get_details_error_info().unwrap().reason, "TOO_MANY");
    // The place is free again.
    world.call(HANG, &[], "").await.unwrap();
}

#[tokio::test]
async fn calls_are_counted_under_names_of_the_contract_alone() {
    let world = World::start("").await;
    world.call("/test.v1.Probe/Invented", &[], "").await.unwrap_err();
    world.call("/test.v1.Elsewhere/Invented", &[], "").await.unwrap_err();
    world.call(PANIC, &[], "").await.unwrap_err();
    drop(world.stream().await);
    let count = |method: &'static str, code: &'static str| {
        let line = move |line: &str| {
            line.starts_with("gochat_rpc_duration_seconds_count{")
                && line.contains(&format!("method=\"{method}\""))
                && line.contains(&format!("code=\"{code}\""))
        };
        async move { get(world.admin, "/metrics").await.lines().any(line) }
    };
    let metrics = get(world.admin, "/metrics").await;
    assert!(!metrics.contains("Invented"), "{metrics}");
    assert!(metrics.contains("gochat_rpc_duration_seconds_bucket{"), "{metrics}");
    assert!(count("unknown", "UNIMPLEMENTED").await);
    assert!(count("Panic", "INTERNAL").await);
    // The stream counts once the server has seen that its caller is gone.
    while !count("Stream", "CANCELLED").await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn the_contract_can_be_read_where_that_is_switched_on() {
    let listed = |flags: &'static str| async move {
        let world = World::start(flags).await;
        let ask = ServerReflectionRequest {
            message_request: Some(MessageRequest::ListServices(String::new())),
            ..Default::default()
        };
        let mut client = ServerReflectionClient::new(world.channel.clone());
        let mut answers = client.server_reflection_info(tokio_stream::once(ask)).await?.into_inner();
        match answers.message().await?.unwrap().message_response {
            Some(MessageResponse::ListServicesResponse(list)) => Ok::<_, tonic::Status>(
                list.service.into_iter().map(|service| service.name).collect::<Vec<_>>(),
            ),
            other => panic!("{other:?}"),
        }
    };
    let names = listed("--reflection true").await.unwrap();
    assert!(names.contains(&"test.v1.Probe".to_owned()), "{names:?}");
    assert!(names.contains(&"grpc.health.v1.Health".to_owned()), "{names:?}");
    assert_eq!(listed("").await.unwrap_err().code(), Code::Unimplemented);
}
