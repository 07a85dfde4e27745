//! A suite for one test alone, with three services that may call: one that acts for users, one that ends sessions, one
//! that looks on.

use std::{future::Future, time::Duration};

use gochat_chassis::Shutdown;
use gochat_client::{Backoff, Client, Service, Session, Subscription, Update};
use gochat_proto::{
    account::HeartbeatRequest, media::GetRoomMediaRequest, notifier::SubscribeRequest,
    room::ListMembersRequest, stage::RaiseHandRequest,
};
use gochat_suite::{Running, SuiteConfig, start};
use prost::Message;
use serde_json::Value;
use tonic::{Status, transport::Channel};

use crate::wire::{Headers, call, channel};

/// How long anything may take that is waited for.
pub(crate) const AT_MOST: Duration = Duration::from_secs(10);
/// The token of a service that may act for users …
pub(crate) const ACTING: &str = "acting-0123456789abcdef";
/// … of one that may end anybody's session …
pub(crate) const REVOKING: &str = "revoking-0123456789abcdef";
/// … and of one that may do neither.
pub(crate) const LOOKING: &str = "looking-0123456789abcdef";
/// Nobody's stay, session or invitation ends by itself while a test runs.
const LONG: Duration = Duration::from_secs(900);

/// One RPC of each service that only users may call, by its path.
pub(crate) const DOORS: [&str; 5] = [
    "/gochat.account.v1.AccountService/Heartbeat",
    "/gochat.room.v1.RoomService/ListMembers",
    "/gochat.stage.v1.StageService/RaiseHand",
    "/gochat.notifier.v1.NotifierService/Subscribe",
    "/gochat.media.v1.MediaService/GetRoomMedia",
];

/// A suite on free ports with a Redis of its own; it ends when it is dropped.
pub(crate) struct World {
    pub(crate) suite: Running,
    /// The service that looks on.
    pub(crate) onlooker: Service,
    channels: [Channel; 5],
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::of(SuiteConfig::for_tests().unwrap()).await
    }

    /// Of that configuration, which counts nobody's calls and lets nothing end by itself.
    pub(crate) async fn of(config: SuiteConfig) -> Self {
        let config = config
            .with_store(|store| {
                (store.lease, store.session, store.invitation) = (LONG, LONG, LONG);
            })
            .with_server(|server| {
                let tokens = server.service_tokens.clone();
                let tokens = tokens.with("acting", ACTING, true).with("looking", LOOKING, false);
                server.service_tokens = tokens.with_rights("revoking", REVOKING, &["revoke-sessions"]);
            });
        let mut config = config;
        config.gateway.rate.rate = 0;
        let suite = start(config, Shutdown::new()).await.unwrap();
        let onlooker = Client::connect(&suite.endpoints()).unwrap().as_service(LOOKING).unwrap();
        let at = suite.endpoints();
        let channels = [at.account, at.room, at.stage, at.notifier, at.media].map(|url| channel(&url));
        Self { suite, onlooker, channels }
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.suite.endpoints()).unwrap().with_retries(Backoff::NONE)
    }

    /// A connection of the test's own to Redis.
    pub(crate) async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.suite.redis().unwrap().url()).unwrap();
        let patient = redis::AsyncConnectionConfig::new().set_response_timeout(Some(AT_MOST));
        client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
    }

    /// Calls an RPC, named by its path, at the service that has it.
    pub(crate) async fn call(&self, path: &str, headers: &Headers, body: Vec<u8>) -> Result<Vec<u8>, Status> {
        call(self.at(path), path, headers, body).await
    }

    /// The connection to the service that has an RPC.
    pub(crate) fn at(&self, path: &str) -> &Channel {
        let services = ["account", "room", "stage", "notifier", "media"];
        let at = services.iter().position(|name| path.starts_with(&format!("/gochat.{name}."))).unwrap();
        &self.channels[at]
    }

    /// What each service answers to these headers, by the path that was called.
    pub(crate) async fn knock(
        &self,
        headers: &Headers,
        room: &str,
    ) -> [(&'static str, Result<Vec<u8>, Status>); 5] {
        let mut answers = Vec::new();
        for path in DOORS {
            answers.push((path, self.call(path, headers, question(path, room)).await));
        }
        answers.try_into().unwrap()
    }

    /// The address of a method of the documented HTTP API.
    pub(crate) fn url(&self, method: &str) -> String {
        format!("{}/chat_room/{method}", self.suite.gateway_url())
    }

    /// What the gateway answers to a body with these headers.
    pub(crate) async fn post(&self, method: &str, headers: &Headers, body: &Value) -> Value {
        let mut asked = reqwest::Client::new().post(self.url(method)).json(body);
        for (name, value) in headers {
            asked = asked.header(*name, value);
        }
        let answer = soon(method, asked.send()).await.unwrap();
        soon(method, answer.json()).await.unwrap()
    }
}

/// What is asked at one of the doors.
fn question(path: &str, room: &str) -> Vec<u8> {
    let room_id = room.to_owned();
    match path {
        "/gochat.account.v1.AccountService/Heartbeat" => HeartbeatRequest { room_id }.encode_to_vec(),
        "/gochat.room.v1.RoomService/ListMembers" => {
            ListMembersRequest { room_id, ..Default::default() }.encode_to_vec()
        }
        "/gochat.stage.v1.StageService/RaiseHand" => {
            RaiseHandRequest { room_id, ..Default::default() }.encode_to_vec()
        }
        "/gochat.media.v1.MediaService/GetRoomMedia" => GetRoomMediaRequest { room_id }.encode_to_vec(),
        _ => SubscribeRequest { room_id, ..Default::default() }.encode_to_vec(),
    }
}

/// What comes within 10 s; fails with `what` otherwise.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(AT_MOST, coming).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Somebody in a room, who listens to what happens there.
pub(crate) struct Person {
    pub(crate) session: Session,
    pub(crate) room: String,
    feed: Subscription,
}

impl Person {
    /// Logs in and opens a room.
    pub(crate) async fn host(client: &Client, name: &str) -> Self {
        let session = client.login(name, "").await.unwrap();
        let entered = session.create_room("tea").await.unwrap();
        Self::listen(session, entered).await
    }

    /// Logs in and joins a room.
    pub(crate) async fn listener(client: &Client, name: &str, room: &str) -> Self {
        let session = client.login(name, "").await.unwrap();
        let entered = session.join_room(room).await.unwrap();
        Self::listen(session, entered).await
    }

    async fn listen(session: Session, entered: gochat_client::Entered) -> Self {
        let room = entered.room.room_id;
        let feed = session.subscribe(&room).min(entered.place);
        let mut person = Self { session, room, feed };
        person.sees("the room", |update| (*update == Update::Snapshot).then_some(())).await;
        person
    }

    pub(crate) fn uid(&self) -> u32 {
        self.session.uid()
    }

    pub(crate) fn token(&self) -> &str {
        self.session.token().unwrap()
    }

    /// What a stream of theirs could go on from.
    pub(crate) fn resume_token(&self) -> String {
        self.feed.resume_token().to_owned()
    }

    /// Waits for an update of which `pick` takes something.
    pub(crate) async fn sees<T>(&mut self, what: &str, pick: impl Fn(&Update) -> Option<T>) -> T {
        loop {
            let update = soon(what, self.feed.next()).await.expect("the stream goes on").unwrap();
            if let Some(found) = pick(&update) {
                return found;
            }
        }
    }

    /// Waits for the end of the stream, and gives its reason.
    pub(crate) async fn end(&mut self) -> gochat_client::GoodbyeReason {
        self.sees("the end of the stream", |update| match update {
            Update::Ended(reason) => Some(*reason),
            _ => None,
        })
        .await
    }
}

/// The token of an invitation that an update brings to its person.
pub(crate) fn invited(update: &Update) -> Option<String> {
    let invitation = match update {
        Update::Event { event: gochat_client::Kind::InvitationSent(sent), .. } => sent.invitation.as_ref()?,
        Update::Invitation(invitation) => invitation,
        _ => return None,
    };
    Some(invitation.token.clone()).filter(|token| !token.is_empty())
}
