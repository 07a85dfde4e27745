//! A stand-in of LiveKit: rooms, participants and their rights behind RoomService, and webhooks that tell of them.

use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use gochat_chassis::jwt;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::watch, time::timeout};

use super::super::keys::now;

pub(super) const KEY: &str = "APIkey";
pub(super) const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    Well,
    /// 503, to everything.
    Down,
    /// Does as it is told, and never says so.
    Silent,
}

/// Somebody who is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Client {
    pub(super) may_publish: bool,
    /// What it publishes, and whether that is muted.
    pub(super) tracks: BTreeMap<String, bool>,
    pub(super) kind: &'static str,
}

impl Client {
    /// Whether anybody would hear it.
    pub(super) fn is_loud(&self) -> bool {
        self.tracks.values().any(|muted| !muted)
    }
}

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) rooms: HashMap<String, BTreeMap<String, Client>>,
    /// Method and identity, as they were asked.
    pub(super) calls: Vec<(String, String)>,
    pub(super) mood: Mood,
    /// Whether it leaves published what may be no longer, as it might.
    pub(super) lets_go_on: bool,
}

pub(super) struct Provider {
    pub(super) address: SocketAddr,
    world: Mutex<World>,
    changed: watch::Sender<u64>,
}

impl Provider {
    pub(super) async fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let world = World { rooms: HashMap::new(), calls: Vec::new(), mood: Mood::Well, lets_go_on: false };
        let (address, changed) = (listener.local_addr().unwrap(), watch::Sender::new(0));
        let provider = Arc::new(Self { address, world: Mutex::new(world), changed });
        let router = Router::new().route("/twirp/livekit.RoomService/{method}", post(answer));
        let serving = axum::serve(listener, router.with_state(provider.clone())).into_future();
        tokio::spawn(serving);
        provider
    }

    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    /// Changes something.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let changed = change(&mut self.world());
        self.changed.send_modify(|number| *number += 1);
        changed
    }

    /// Waits until the world is so.
    pub(super) async fn until(&self, what: &str, is_so: impl Fn(&World) -> bool) {
        let mut changed = self.changed.subscribe();
        let so = changed.wait_for(|_| is_so(&self.world()));
        let so = timeout(Duration::from_secs(20), so).await.map(|_| ());
        so.unwrap_or_else(|_| panic!("{what}: {:?}", self.world()));
    }

    /// What was asked of these methods so far, and is forgotten.
    pub(super) fn take_calls(&self, methods: &[&str]) -> Vec<(String, String)> {
        let calls = std::mem::take(&mut self.world().calls);
        calls.into_iter().filter(|(method, _)| methods.contains(&method.as_str())).collect()
    }

    /// Somebody connects with a token, as LiveKit checks it; the identity.
    pub(super) fn connect(&self, token: &str) -> Option<String> {
        let claims = jwt::verify(SECRET.as_bytes(), token, now())?;
        let video = &claims["video"];
        let (room, identity) = (video["room"].as_str()?.to_owned(), claims["sub"].as_str()?.to_owned());
        (claims["iss"] == KEY && video["roomJoin"] == true).then_some(())?;
        let may_publish = video["canPublish"] == true;
        self.arrive(&room, &identity, Client { may_publish, tracks: BTreeMap::new(), kind: "STANDARD" });
        Some(identity)
    }

    pub(super) fn arrive(&self, room: &str, identity: &str, client: Client) {
        self.change(|world| {
            world.rooms.entry(room.to_owned()).or_default().insert(identity.to_owned(), client)
        });
    }

    /// Somebody publishes a microphone, if it may.
    pub(super) fn publish(&self, room: &str, identity: &str) -> bool {
        self.change(|world| {
            let Some(client) = world.rooms.get_mut(room).and_then(|room| room.get_mut(identity)) else {
                return false;
            };
            if client.may_publish {
                let number = client.tracks.len();
                client.tracks.insert(format!("TR_{number}"), false);
            }
            client.may_publish
        })
    }

    pub(super) fn client(&self, room: &str, identity: &str) -> Option<Client> {
        self.world().rooms.get(room)?.get(identity).cloned()
    }
}

async fn answer(
    State(provider): State<Arc<Provider>>,
    Path(method): Path<String>,
    headers: HeaderMap,
    Json(asked): Json<Value>,
) -> Response {
    let mood = provider.world().mood;
    if mood == Mood::Down {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    if !is_allowed(&headers, &method, &asked) {
        return refusal(StatusCode::FORBIDDEN, "permission_denied");
    }
    let answered = provider.change(|world| {
        let identity = asked["identity"].as_str().unwrap_or_default().to_owned();
        world.calls.push((method.clone(), identity));
        perform(world, &method, &asked)
    });
    if mood == Mood::Silent {
        std::future::pending::<()>().await;
    }
    answered
        .map_or_else(|| refusal(StatusCode::NOT_FOUND, "not_found"), |answer| Json(answer).into_response())
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "code": code, "msg": "as it is" }))).into_response()
}

/// As the methods' comments in LiveKit's protocol say.
fn is_allowed(headers: &HeaderMap, method: &str, asked: &Value) -> bool {
    let token = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let Some(claims) = token.and_then(|token| jwt::verify(SECRET.as_bytes(), token, now())) else {
        return false;
    };
    let video = &claims["video"];
    claims["iss"] == KEY
        && match method {
            "CreateRoom" | "DeleteRoom" => video["roomCreate"] == true,
            _ => video["roomAdmin"] == true && video["room"] == asked["room"],
        }
}

fn perform(world: &mut World, method: &str, asked: &Value) -> Option<Value> {
    let lets_go_on = world.lets_go_on;
    let (room, identity) = (asked["room"].as_str(), asked["identity"].as_str());
    match method {
        "CreateRoom" => {
            let name = asked["name"].as_str()?;
            world.rooms.entry(name.to_owned()).or_default();
            return Some(json!({ "sid": "RM_1", "name": name }));
        }
        "DeleteRoom" => return world.rooms.remove(room?).map(|_| json!({})),
        _ => {}
    }
    let clients = world.rooms.get_mut(room?)?;
    if method == "ListParticipants" {
        let all: Vec<_> = clients.iter().map(|(identity, client)| info(identity, client)).collect();
        return Some(json!({ "participants": all }));
    }
    let identity = identity?;
    let client = clients.get_mut(identity)?;
    match method {
        "RemoveParticipant" => {
            clients.remove(identity);
            Some(json!({}))
        }
        "UpdateParticipant" => {
            let permission = &asked["permission"];
            assert_eq!(
                (&permission["can_subscribe"], &permission["can_publish_data"]),
                (&true.into(), &false.into())
            );
            client.may_publish = permission["can_publish"].as_bool()?;
            if !client.may_publish && !lets_go_on {
                client.tracks.clear();
            }
            Some(info(identity, client))
        }
        "MutePublishedTrack" => {
            *client.tracks.get_mut(asked["track_sid"].as_str()?)? = asked["muted"].as_bool()?;
            Some(json!({}))
        }
        _ => None,
    }
}

/// `ParticipantInfo` as the API writes it.
fn info(identity: &str, client: &Client) -> Value {
    let tracks = client.tracks.iter();
    let tracks: Vec<_> = tracks
        .map(|(sid, muted)| json!({ "sid": sid, "type": "AUDIO", "source": "MICROPHONE", "muted": muted }))
        .collect();
    json!({
        "sid": "PA_1", "identity": identity, "state": "ACTIVE", "kind": client.kind, "metadata": "",
        "joined_at": "1700000000", "tracks": tracks,
        "permission": { "can_subscribe": true, "can_publish": client.may_publish, "can_publish_data": false },
    })
}

/// A webhook, and the header that comes with it: a body as protobuf's JSON, signed as LiveKit signs.
pub(super) fn webhook(event: &str, room: &str, identity: Option<(&str, bool)>) -> (String, String) {
    let mut body = json!({
        "event": event, "id": "EV_1", "createdAt": now().as_secs().to_string(), "room": { "sid": "RM_1", "name": room },
    });
    if let Some((identity, may_publish)) = identity {
        let mut permission = json!({ "canSubscribe": true });
        if may_publish {
            permission["canPublish"] = true.into();
        }
        body["participant"] =
            json!({ "sid": "PA_1", "identity": identity, "state": "ACTIVE", "permission": permission });
    }
    let body = body.to_string();
    let sum = BASE64_STANDARD.encode(Sha256::digest(body.as_bytes()));
    let at = now().as_secs();
    let claims = json!({ "iss": KEY, "nbf": at, "exp": at + 300, "sha256": sum });
    (jwt::sign(SECRET.as_bytes(), &claims), body)
}
