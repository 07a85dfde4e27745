//! What is said about requests themselves: bodies, paths, methods, origins, services that are away.

use gochat_proto::model::Refusal;
use http::Method;
use serde_json::json;

use crate::{
    standin::{Standin, refused},
    world::{World, code, done, envelope},
};

#[tokio::test]
async fn what_cannot_be_read_is_a_bad_parameter() {
    let mut world = World::start().await;
    let bodies = [
        "",
        "{",
        "null",
        r#"["ann",""]"#,
        r#"{"uid":7}"#,
        r#"{"room_id":"123456789"}"#,
        r#"{"uid":"7","room_id":"123456789"}"#,
        r#"{"uid":7.5,"room_id":"123456789"}"#,
        r#"{"uid":7,"room_id":123456789}"#,
        r#"{"uid":7,"room_id":null}"#,
    ];
    for body in bodies {
        // Before anything else, whoever it is that sends it.
        let response = world.post("quit_room", body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(code(&envelope(response).await), 80001, "{body}");
    }
    let response = world.client.post(world.url("quit_room")).send().await.unwrap();
    assert_eq!((response.status().as_u16(), code(&envelope(response).await)), (200, 80001), "no body at all");
    let response = world.post("login", r#"["ann",""]"#).send().await.unwrap();
    assert_eq!(code(&envelope(response).await), 80001, "an array is no object");
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn what_reaches_no_method_has_a_status_of_its_own() {
    let world = World::start().await;
    let too_long = format!(r#"{{"nick_name":"{}"}}"#, "x".repeat(64 * 1024));
    let text = |media_type: &str| {
        let request = world.client.post(world.url("login")).body(r#"{"nick_name":"ann"}"#);
        if media_type.is_empty() { request } else { request.header("content-type", media_type) }
    };
    let requests = [
        (404, world.post("nowhere", "{}")),
        (404, world.client.get(world.url("../nowhere"))),
        (405, world.client.get(world.url("login"))),
        (405, world.post("events", "{}")),
        (413, world.post("login", too_long)),
        (415, text("text/plain")),
        (415, text("application/jsonp")),
        (415, text("")),
        (200, text("Application/JSON ; charset=utf-8")),
    ];
    for (status, request) in requests {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status);
        assert_eq!(response.headers().contains_key("allow"), status == 405);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert!(response.headers().contains_key("x-request-id"));
        assert_eq!(envelope(response).await["ret"]["code"] != json!(0), status != 200);
    }
}

#[tokio::test]
async fn pages_of_named_origins_may_call() {
    let world = World::with(&["--origins=https://a.example,https://b.example"]).await;
    let preflight = |origin: &str| {
        let request = world.client.request(Method::OPTIONS, world.url("login")).header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        request.header("access-control-request-headers", "authorization,content-type,x-own").send()
    };
    let allowed = preflight("https://b.example").await.unwrap();
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://b.example");
    assert_eq!(allowed.headers()["access-control-allow-methods"], "GET,POST,DELETE");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "authorization,content-type,x-own");
    let other = preflight("https://c.example").await.unwrap();
    assert!(!other.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn services_that_are_away_may_be_back_later() {
    let mut world = World::start().await;
    // Nobody listens where the services were.
    drop(std::mem::replace(&mut world.services, Standin::start().await));
    let answer = world.call("logout", json!({ "uid": 7 })).await;
    assert_eq!(code(&answer), 100_001);
    assert!(answer["ret"]["message"].as_str().unwrap().contains("try again"));
    let response =
        world.client.get(world.url("events?room_id=123456789")).bearer_auth("t").send().await.unwrap();
    assert_eq!((response.status().as_u16(), code(&envelope(response).await)), (200, 100_001));
}

#[tokio::test]
async fn a_gateway_that_goes_away_sends_clients_elsewhere() {
    let world = World::with(&["--drain-delay=1h", "--drain-timeout=2h"]).await;
    world.shutdown.trigger();
    // What the services still answer is passed on.
    assert_eq!(world.call("logout", json!({ "uid": 7 })).await, done());
    let request = || world.client.get(world.url("events?room_id=123456789")).bearer_auth("t").send();
    let events = request().await.unwrap();
    assert_eq!(events.status(), 200, "browsers don't come back from any other");
    assert!(events.text().await.unwrap().starts_with("retry: "));

    world.services.will("Logout", refused(Refusal::Unavailable));
    let response = world.post("logout", r#"{"uid":7}"#).bearer_auth("t").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["retry-after"].as_bytes()), (503, &b"1"[..]));
    assert_eq!(code(&envelope(response).await), 100_001);
}
