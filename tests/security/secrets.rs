//! Secrets stay secret: whatever a process is told to log, none that was given out or presented is in it.

use std::{fs, os::unix::fs::PermissionsExt};

use gochat_client::{Backoff, Client, Session};
use gochat_rig::{Deployment, Plan, SERVICE_TOKEN};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{invited, soon};

/// The secret of the media provider's key.
const MEDIA_SECRET: &str = "media-secret-of-32-characters-00";
/// The key of event tickets.
const TICKET_KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// A token that was never given out: whoever mistypes one doesn't want it in a log either.
const UNKNOWN: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
const ORIGIN: &str = "https://chat.example.org";

/// What was given out or presented, and what it is.
type Secrets = Vec<(&'static str, String)>;

fn file(dir: &TempDir, name: &str, text: &str) -> String {
    let path = dir.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

/// Five processes that log all there is.
async fn talkative(dir: &TempDir) -> Deployment {
    let plan = Plan::whole()
        .with("GOCHAT_LOG", "trace")
        .with("GOCHAT_LOG_FORMAT", "json")
        .with("GOCHAT_GATEWAY_COOKIE", "lax")
        .with("GOCHAT_GATEWAY_ORIGINS", ORIGIN)
        .with("GOCHAT_GATEWAY_TICKET_KEY_FILE", &file(dir, "ticket-key", TICKET_KEY))
        .with("GOCHAT_GATEWAY_SERVICE_TOKEN_FILE", &file(dir, "service-token", SERVICE_TOKEN))
        .with("GOCHAT_MEDIA_TOKENS", "livekit")
        .with("GOCHAT_LIVEKIT_KEY", "key")
        .with("GOCHAT_LIVEKIT_SECRET_FILE", &file(dir, "media-secret", MEDIA_SECRET));
    Deployment::of(plan).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_logged_at_any_level() {
    let dir = tempfile::tempdir().unwrap();
    let mut deployment = talkative(&dir).await;
    let mut secrets: Secrets = vec![
        ("a service token", SERVICE_TOKEN.to_owned()),
        ("the media secret", MEDIA_SECRET.to_owned()),
        ("the ticket key", TICKET_KEY.to_owned()),
        ("an unknown token", UNKNOWN.to_owned()),
    ];
    by_http(&deployment, &mut secrets).await;
    by_grpc(&deployment, &mut secrets).await;
    assert_eq!(secrets.len(), 12, "each was given out");
    for process in deployment.outside_in() {
        process.terminate().await;
    }
    for process in deployment.servers.iter().chain(&deployment.notifiers) {
        let said = process.said();
        assert!(said.contains("TRACE"), "gochat-{} says little", process.name);
        for (what, secret) in &secrets {
            let at = said.lines().find(|line| line.contains(secret.as_str()));
            assert!(at.is_none(), "gochat-{} told {what}: {}", process.name, at.unwrap());
        }
    }
}

/// Tokens, a cookie, tickets and a media token, as the documented HTTP API gives and takes them.
async fn by_http(deployment: &Deployment, secrets: &mut Secrets) {
    let login = json!({ "nick_name": "ann" });
    let answer = post(deployment, "login", &[("origin", ORIGIN)], &login).await;
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    let data = data(answer).await;
    let (token, uid) = (data["token"].as_str().unwrap().to_owned(), data["uid"].clone());
    assert!(cookie.contains(&token));
    secrets.push(("the token that login gave", token.clone()));
    let (own, cookie) = (format!("Bearer {token}"), format!("gochat_token={token}"));
    for proof in [[("authorization", own.as_str()), ("x-any", "")], [("cookie", &cookie), ("origin", ORIGIN)]]
    {
        post(deployment, "heartbeat", &proof, &json!({ "uid": uid, "room_id": "" })).await;
    }
    let unknown = format!("Bearer {UNKNOWN}");
    for headers in [[("authorization", unknown.as_str())], [("cookie", &unknown)]] {
        post(deployment, "heartbeat", &headers, &json!({ "uid": uid, "room_id": "" })).await;
    }
    let proof = [("authorization", own.as_str())];
    let room =
        self::data(post(deployment, "create_room", &proof, &json!({ "uid": uid, "subject": "tea" })).await);
    let room = room.await["room_id"].as_str().unwrap().to_owned();
    let asked = json!({ "uid": uid });
    for use_up in [true, false] {
        let ticket = self::data(post(deployment, "misc/get_event_ticket", &proof, &asked).await).await;
        let ticket = ticket["ticket"].as_str().unwrap().to_owned();
        if use_up {
            let url = format!("{}?room_id={room}&ticket={ticket}", deployment.url("events"));
            let mut stream = soon("the stream", reqwest::get(&url)).await.unwrap();
            soon("the beginning", stream.chunk()).await.unwrap().unwrap();
            soon("a refusal", reqwest::get(url)).await.unwrap();
        }
        secrets.push(("an event ticket", ticket));
    }
    by_websocket(deployment, &room, &token).await;
    let media = post(deployment, "misc/get_web_token", &proof, &json!({ "uid": uid, "ttl": 0 })).await;
    secrets.push(("a media token", self::data(media).await["token"].as_str().unwrap().to_owned()));
    post(deployment, "logout", &proof, &asked).await;
    post(deployment, "heartbeat", &proof, &json!({ "uid": uid, "room_id": "" })).await;
}

/// The token as browsers say it, who can set no headers.
async fn by_websocket(deployment: &Deployment, room: &str, token: &str) {
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;
    let url = format!("{}?room_id={room}", deployment.url("events")).replacen("http", "ws", 1);
    let mut request = url.into_client_request().unwrap();
    let protocols = format!("gochat.events, gochat.bearer.{token}").parse().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", protocols);
    request.headers_mut().insert("origin", ORIGIN.parse().unwrap());
    soon("the socket", tokio_tungstenite::connect_async(request)).await.unwrap();
}

/// Tokens of users and services, and an invitation, as the SDK gives and takes them.
async fn by_grpc(deployment: &Deployment, secrets: &mut Secrets) {
    let client = Client::connect(&deployment.endpoints()).unwrap().with_retries(Backoff::NONE);
    let [host, lea]: [Session; 2] =
        [client.login("host", "").await.unwrap(), client.login("lea", "").await.unwrap()];
    for session in [&host, &lea] {
        secrets.push(("a token that Login gave", session.token().unwrap().to_owned()));
    }
    let room = host.create_room("tea").await.unwrap().room.room_id;
    let entered = lea.join_room(&room).await.unwrap();
    let mut feed = lea.subscribe(&room).min(entered.place);
    host.invite(&room, lea.uid()).await.unwrap();
    let token = loop {
        let update = soon("the invitation", feed.next()).await.unwrap().unwrap();
        if let Some(token) = invited(&update) {
            break token;
        }
    };
    secrets.push(("an invitation's token", token.clone()));
    assert!(lea.respond(&room, &format!("{token}0"), true).await.is_err());
    lea.respond(&room, &token, true).await.unwrap();
    for token in [SERVICE_TOKEN, UNKNOWN] {
        let service = client.as_service(token).unwrap();
        assert_eq!(service.room(&room).await.is_ok(), token == SERVICE_TOKEN);
        assert!(service.acting_for(lea.uid()).raise_hand(&room).await.is_err());
        let _ = service.login("crm", "", "crm/7").await.map(|crm| {
            secrets.push(("the token of a service's user", crm.token().unwrap().to_owned()));
        });
    }
    host.logout().await.unwrap();
}

async fn post(
    deployment: &Deployment,
    method: &str,
    headers: &[(&'static str, &str)],
    body: &Value,
) -> reqwest::Response {
    let mut asked = reqwest::Client::new().post(deployment.url(method)).json(body);
    for (name, value) in headers {
        asked = asked.header(*name, *value);
    }
    soon(method, asked.send()).await.unwrap()
}

async fn data(answer: reqwest::Response) -> Value {
    let answer: Value = soon("the body", answer.json()).await.unwrap();
    assert_eq!(answer["ret"]["code"], 0, "{answer}");
    answer["data"].clone()
}
