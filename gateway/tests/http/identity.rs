//! How callers say who they are: by a token, a ticket, a cookie, a mere uid; and who is not believed.

use std::io::Write;

use gochat_proto::{account::LoginResponse, model::Refusal, notifier::GoodbyeReason};
use http::Method;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{
    events::goodbye,
    standin::{Then, one, refused},
    websocket::{not_upgraded, rest},
    world::{World, code, done, envelope},
};

const PAGE: &str = "https://a.example";
const EVIL: &str = "https://evil.example";
const COOKIE: &str = "gochat_token=secret";
const RESUMED: &str = "&last_event_id=2-000000000000000a";

/// A gateway that gives cookies to pages of one origin.
async fn with_cookies() -> World {
    World::with(&["--cookie=none", &format!("--origins={PAGE}")]).await
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

impl World {
    /// A call in whose name the request says.
    async fn answer(&self, request: RequestBuilder) -> Value {
        envelope(request.send().await.unwrap()).await
    }

    /// A ticket of somebody with the token "t", whom the account service knows.
    async fn ticket(&mut self) -> String {
        let answer = self.call("misc/get_event_ticket", json!({ "uid": 7 })).await;
        let asked = self.services.asked("Heartbeat").await;
        assert_eq!(asked.header("authorization"), Some("Bearer t"));
        assert_eq!(answer["data"]["expires_in"], 30);
        answer["data"]["ticket"].as_str().unwrap().to_owned()
    }

    fn ends_at_once(&self) {
        self.will_stream([goodbye(GoodbyeReason::Left)], Then::Ends);
    }

    fn stream(&self, query: &str) -> RequestBuilder {
        self.client.get(self.url(&format!("events?room_id=123456789{RESUMED}{query}")))
    }

    /// Whose stream was asked for: the token, and the uid.
    async fn streams_for(&mut self) -> (String, Option<String>) {
        let asked = self.services.asked("Subscribe").await;
        let header = |name: &str| asked.header(name).map(str::to_owned);
        (header("authorization").unwrap(), header("gochat-on-behalf-of"))
    }
}

fn by(token: &str, uid: Option<&str>) -> (String, Option<String>) {
    (format!("Bearer {token}"), uid.map(str::to_owned))
}

#[tokio::test]
async fn a_ticket_is_good_for_one_stream() {
    let mut world = World::start().await;
    let ticket = world.ticket().await;
    world.ends_at_once();
    let query = format!("&ticket={ticket}");
    assert_eq!(world.stream(&query).send().await.unwrap().text().await.unwrap(), "");
    assert_eq!(world.streams_for().await, by("t", Some("7")));
    assert_eq!(code(&world.answer(world.stream(&query)).await), 80012, "used");
    let query = format!("{RESUMED}{query}");
    assert_eq!(not_upgraded(world.socket(&query, &[]).await), (200, 80012), "used");

    let query = format!("{RESUMED}&ticket={}", world.ticket().await);
    world.ends_at_once();
    let (mut socket, _) = world.socket(&query, &[]).await.unwrap();
    assert_eq!(rest(&mut socket).await.1, 1000);
    assert_eq!(world.streams_for().await, by("t", Some("7")));

    // A ticket is of somebody, and for streams alone.
    let ticket = world.ticket().await;
    assert_eq!(code(&world.answer(world.stream(&format!("&uid=8&ticket={ticket}"))).await), 80012);
    let ticket = world.ticket().await;
    let call = world.post(&format!("logout?ticket={ticket}"), r#"{"uid":7}"#);
    assert_eq!(code(&world.answer(call).await), 80012);
    assert_eq!(code(&world.answer(world.stream("&ticket=")).await), 80012);
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn a_ticket_is_for_who_is_logged_in() {
    let world = World::start().await;
    world.services.will("Heartbeat", refused(Refusal::NotLoggedIn));
    assert_eq!(code(&world.call("misc/get_event_ticket", json!({ "uid": 7 })).await), 80012);
    let call = world.post("misc/get_event_ticket", r#"{"uid":7}"#);
    assert_eq!(code(&world.answer(call).await), 80012);
}

#[tokio::test]
async fn a_ticket_is_good_at_every_gateway_that_has_the_key() {
    let key = file(&"5a".repeat(32));
    let flag = format!("--ticket-key-file={}", key.path().display());
    let (mut one, mut other, stranger) =
        (World::with(&[&flag]).await, World::with(&[&flag]).await, World::start().await);
    let query = format!("&ticket={}", one.ticket().await);
    assert_eq!(code(&stranger.answer(stranger.stream(&query)).await), 80012);
    other.ends_at_once();
    other.stream(&query).send().await.unwrap().text().await.unwrap();
    assert_eq!(other.streams_for().await, by("t", Some("7")));
}

#[tokio::test]
async fn what_proves_most_goes_first() {
    let mut world = with_cookies().await;
    let ticket = world.ticket().await;
    let mut headers = vec![
        ("cookie", COOKIE),
        ("sec-websocket-protocol", "gochat.bearer.protocol"),
        ("authorization", "Bearer header"),
    ];
    let query = format!("{RESUMED}&ticket={ticket}");
    let expected = [by("header", None), by("protocol", None), by("t", Some("7")), by("secret", None)];
    for (step, expected) in expected.into_iter().enumerate() {
        world.ends_at_once();
        let query = if step < 3 { &query } else { RESUMED };
        world.socket(query, &headers).await.unwrap();
        assert_eq!(world.streams_for().await, expected, "step {step}");
        if headers.len() > 1 {
            headers.pop();
        }
    }
    // What goes first counts, be it good or not.
    let used = format!("{RESUMED}&ticket={ticket}");
    assert_eq!(not_upgraded(world.socket(&used, &[("cookie", COOKIE)]).await), (200, 80012));
}

#[tokio::test]
async fn a_cookie_is_given_and_believed_where_the_operator_says_so() {
    let mut world = with_cookies().await;
    let login =
        LoginResponse { uid: 7, nick_name: "ann".into(), token: "secret".into(), ..Default::default() };
    world.services.will("Login", one(&login));
    let request = world.post("login", r#"{"nick_name":"ann"}"#).header("origin", PAGE);
    let response = request.send().await.unwrap();
    let cookie = "gochat_token=secret; Path=/chat_room; HttpOnly; Secure; SameSite=None";
    assert_eq!(response.headers()["set-cookie"], cookie);
    assert_eq!(response.headers()["access-control-allow-origin"], PAGE);
    assert_eq!(response.headers()["access-control-allow-credentials"], "true");
    assert_eq!(envelope(response).await["data"]["token"], "secret");
    world.services.asked("Login").await;

    for origin in [Some(PAGE), None] {
        let said = |request: RequestBuilder| {
            let request = request.header("cookie", COOKIE);
            if let Some(origin) = origin { request.header("origin", origin) } else { request }
        };
        let response = said(world.post("logout", r#"{"uid":7}"#)).send().await.unwrap();
        let cookie = "gochat_token=; Path=/chat_room; HttpOnly; Secure; SameSite=None; Max-Age=0";
        assert_eq!(response.headers()["set-cookie"], cookie, "is taken back");
        assert_eq!(envelope(response).await, done());
        let asked = world.services.asked("Logout").await;
        assert_eq!(asked.header("authorization"), Some("Bearer secret"));
        assert_eq!(asked.header("gochat-on-behalf-of"), Some("7"));
        world.ends_at_once();
        said(world.stream("&uid=7")).send().await.unwrap().text().await.unwrap();
        assert_eq!(world.streams_for().await, by("secret", Some("7")));
        world.ends_at_once();
        let headers = [("cookie", COOKIE), ("origin", origin.unwrap_or(PAGE))];
        world.socket(RESUMED, &headers).await.unwrap();
        assert_eq!(world.streams_for().await, by("secret", None));
    }
}

#[tokio::test]
async fn without_cookies_none_is_given_or_believed() {
    let mut world = World::with(&[&format!("--origins={PAGE}")]).await;
    let login = world.post("login", r#"{"nick_name":"ann"}"#).header("origin", PAGE).send().await.unwrap();
    assert!(!login.headers().contains_key("set-cookie"));
    assert!(!login.headers().contains_key("access-control-allow-credentials"));
    world.services.asked("Login").await;
    let call = world.post("logout", r#"{"uid":7}"#).header("cookie", COOKIE).header("origin", PAGE);
    assert_eq!(code(&world.answer(call).await), 80012);
    assert!(world.services.was_left_alone());
}

/// Cross-site WebSocket hijacking: a page of another site upgrades, and the browser adds the cookie.
#[tokio::test]
async fn a_foreign_page_gets_no_stream_by_the_cookie() {
    let mut world = with_cookies().await;
    for origin in
        [EVIL, "null", "https://a.example.evil.example", "http://a.example", "https://a.example:8443"]
    {
        let headers = [("cookie", COOKIE), ("origin", origin)];
        assert_eq!(not_upgraded(world.socket(RESUMED, &headers).await), (200, 80012), "{origin}");
        let stream = world.stream("&uid=7").header("cookie", COOKIE).header("origin", origin);
        let response = stream.send().await.unwrap();
        assert!(!response.headers().contains_key("access-control-allow-origin"));
        assert_eq!(code(&envelope(response).await), 80012, "{origin}");
    }
    // As of an image, which names no origin.
    let stream = world.stream("&uid=7").header("cookie", COOKIE).header("sec-fetch-site", "cross-site");
    assert_eq!(code(&world.answer(stream).await), 80012);
    assert!(world.services.was_left_alone());
}

/// Form CSRF: what a page of another site can send without asking first.
#[tokio::test]
async fn a_foreign_form_does_nothing_by_the_cookie() {
    let mut world = with_cookies().await;
    let body = r#"{"uid":7,"room_id":"123456789","x":"="}"#;
    for origin in [Some(EVIL), Some("null"), None] {
        for media_type in ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"] {
            let request = world.client.post(world.url("close_room")).body(body).header("cookie", COOKIE);
            let request = request.header("content-type", media_type);
            let request = if let Some(origin) = origin { request.header("origin", origin) } else { request };
            assert_eq!(request.send().await.unwrap().status(), 415, "{origin:?} {media_type}");
        }
    }
    // What a browser would ask about first isn't allowed, and isn't done either.
    let preflight = world.client.request(Method::OPTIONS, world.url("close_room")).header("origin", EVIL);
    let preflight = preflight.header("access-control-request-method", "POST").send().await.unwrap();
    assert!(!preflight.headers().contains_key("access-control-allow-origin"));
    let request = world.post("close_room", body).header("cookie", COOKIE).header("origin", EVIL);
    assert_eq!(code(&world.answer(request).await), 80012);
    assert!(world.services.was_left_alone());
}

/// Login CSRF: a page of another site logs a browser in as somebody of its own.
#[tokio::test]
async fn a_foreign_page_logs_nobody_in() {
    let mut world = with_cookies().await;
    let login = LoginResponse { uid: 9, token: "evil".into(), ..Default::default() };
    for (name, value) in [("origin", EVIL), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        world.services.will("Login", one(&login));
        let request = world.post("login", r#"{"nick_name":"eve"}"#).header(name, value);
        let response = request.header("cookie", COOKIE).send().await.unwrap();
        assert!(!response.headers().contains_key("set-cookie"), "{value}");
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{value}");
        world.services.asked("Login").await;
    }
    let form = world.client.post(world.url("login")).body(r#"{"nick_name":"eve","x":"="}"#);
    let response = form.header("content-type", "text/plain").send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers().contains_key("set-cookie")), (415, false));
    // Nor out.
    let request = world.post("logout", r#"{"uid":7}"#).header("origin", EVIL).header("cookie", COOKIE);
    let response = request.send().await.unwrap();
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(code(&envelope(response).await), 80012);
    // Nor by a cookie of theirs beside one's own.
    let request =
        world.post("logout", r#"{"uid":7}"#).header("cookie", "gochat_token=evil; gochat_token=secret");
    assert_eq!(code(&world.answer(request).await), 80012);
    assert!(world.services.was_left_alone());
}

#[tokio::test]
async fn a_gateway_with_a_token_shows_in_its_own_name_that_it_is_there() {
    let own = file("own-token\n");
    let path = format!("--service-token-file={}", own.path().display());
    let mut world = World::with(&[&path]).await;
    for _ in 0..2 {
        let stamp = world.services.stamped().await;
        assert_eq!(stamp.header("authorization"), Some("Bearer own-token"));
        assert_eq!(stamp.header("gochat-on-behalf-of"), None);
    }
}

#[tokio::test]
async fn a_mere_uid_is_believed_where_the_operator_says_so() {
    let own = file("own-token\n");
    let path = format!("--service-token-file={}", own.path().display());
    let mut world = World::with(&["--trust-uid=true", &path]).await;
    let call = world.post("quit_room", r#"{"uid":7,"room_id":"123456789"}"#);
    assert_eq!(world.answer(call).await, done());
    for rpc in ["Heartbeat", "LeaveRoom"] {
        let asked = world.services.asked(rpc).await;
        assert_eq!(asked.header("authorization"), Some("Bearer own-token"));
        assert_eq!(asked.header("gochat-on-behalf-of"), Some("7"));
    }

    // Of somebody, who has to be logged in.
    world.services.will("Heartbeat", refused(Refusal::NotLoggedIn));
    let call = world.post("quit_room", r#"{"uid":8,"room_id":"123456789"}"#);
    assert_eq!(code(&world.answer(call).await), 80012);
    world.services.asked("Heartbeat").await;
    world.services.will("Heartbeat", refused(Refusal::NotLoggedIn));
    assert_eq!(code(&world.answer(world.stream("&uid=8")).await), 80012);
    world.services.asked("Heartbeat").await;
    assert_eq!(code(&world.answer(world.stream("")).await), 80012);
    assert!(world.services.was_left_alone());

    // Streams, and tickets for them.
    let call = world.post("misc/get_event_ticket", r#"{"uid":7}"#);
    let answer = world.answer(call).await;
    let ticket = answer["data"]["ticket"].as_str().unwrap();
    world.services.asked("Heartbeat").await;
    world.services.asked("Heartbeat").await;
    for query in ["&uid=7".to_owned(), format!("&ticket={ticket}")] {
        world.ends_at_once();
        world.stream(&query).send().await.unwrap().text().await.unwrap();
        world.services.asked("Heartbeat").await;
        assert_eq!(world.streams_for().await, by("own-token", Some("7")));
    }

    // Whoever has a token is who that says.
    assert_eq!(world.call("logout", json!({ "uid": 7 })).await, done());
    assert_eq!(world.services.asked("Logout").await.header("authorization"), Some("Bearer t"));
}

#[tokio::test]
async fn a_ticket_by_a_mere_uid_is_good_only_where_that_is_believed() {
    let (own, key) = (file("own-token"), file(&"5a".repeat(32)));
    let path = format!("--service-token-file={}", own.path().display());
    let key = format!("--ticket-key-file={}", key.path().display());
    let trusting = World::with(&["--trust-uid=true", &path, &key]).await;
    let mut strict = World::with(&[&path, &key]).await;
    let answer = trusting.answer(trusting.post("misc/get_event_ticket", r#"{"uid":7}"#)).await;
    let query = format!("&uid=7&ticket={}", answer["data"]["ticket"].as_str().unwrap());
    assert_eq!(code(&strict.answer(strict.stream(&query)).await), 80012);
    assert!(strict.services.was_left_alone());
}
