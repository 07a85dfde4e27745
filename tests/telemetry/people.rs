//! Two people in a room, as a page brings them there: by the documented HTTP API.

use std::collections::VecDeque;

use futures::{StreamExt, stream::BoxStream};
use gochat_rig::{AT_MOST, Deployment};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Somebody who is logged in.
pub(crate) struct Person {
    pub(crate) uid: u64,
    token: String,
}

/// Calls on a deployment, all in one trace of the caller's.
pub(crate) struct Page<'a> {
    pub(crate) deployment: &'a Deployment,
    /// As `traceparent`; empty for none.
    pub(crate) trace: String,
}

/// What comes over an event stream.
pub(crate) struct Events {
    answer: BoxStream<'static, String>,
    heard: VecDeque<String>,
}

impl Page<'_> {
    /// Calls a method; what is answered.
    pub(crate) async fn answer(&self, person: Option<&Person>, method: &str, body: Value) -> Value {
        let url = self.deployment.url(method);
        self.send(reqwest::Client::new().post(url).json(&body), person).await.json().await.unwrap()
    }

    /// Calls a method, which must succeed; its data.
    pub(crate) async fn call(&self, person: Option<&Person>, method: &str, body: Value) -> Value {
        let answer = self.answer(person, method, body).await;
        assert_eq!(answer["ret"]["code"], 0, "{method}: {answer}");
        answer["data"].clone()
    }

    pub(crate) async fn login(&self, name: &str) -> Person {
        let data = self.call(None, "login", json!({ "nick_name": name })).await;
        Person { uid: data["uid"].as_u64().unwrap(), token: data["token"].as_str().unwrap().to_owned() }
    }

    /// Begins to follow a room, whose snapshot has come.
    pub(crate) async fn follow(&self, person: &Person, room: &str) -> Events {
        let url = format!("{}?room_id={room}&uid={}", self.deployment.url("events"), person.uid);
        let answer = self.send(reqwest::Client::new().get(url), Some(person)).await;
        let mut events = Events { answer: text(answer), heard: VecDeque::new() };
        events.until("\"cmd\":6000").await;
        events
    }

    async fn send(&self, request: RequestBuilder, person: Option<&Person>) -> Response {
        let request = match person {
            Some(person) => request.bearer_auth(&person.token),
            None => request,
        };
        let traced = !self.trace.is_empty();
        let request = if traced { request.header("traceparent", &self.trace) } else { request };
        timeout(AT_MOST, request.send()).await.unwrap().unwrap()
    }

    /// A host and a listener meet; the listener's hand goes up, and the host is told.
    pub(crate) async fn meeting(&self) -> Meeting {
        let host = self.login("ann").await;
        let opened =
            self.call(Some(&host), "create_room", json!({ "uid": host.uid, "subject": "tea" })).await;
        let room = opened["room_id"].as_str().unwrap().to_owned();
        let events = self.follow(&host, &room).await;
        let guest = self.login("bob").await;
        self.call(Some(&guest), "login_room", json!({ "uid": guest.uid, "room_id": room })).await;
        let mut meeting = Meeting { host, guest, room, events };
        self.raise_hand(&mut meeting).await;
        meeting
    }

    /// The listener's hand goes up; it is down again afterwards.
    pub(crate) async fn raise_hand(&self, meeting: &mut Meeting) {
        for raised in [2, 1] {
            let asked = json!({ "uid": meeting.guest.uid, "room_id": meeting.room, "type": raised });
            self.call(Some(&meeting.guest), "operate_raise_hand", asked).await;
            meeting.events.until(&format!("\"raise_hand\":{raised}")).await;
        }
    }
}

/// Two in a room.
pub(crate) struct Meeting {
    pub(crate) host: Person,
    pub(crate) guest: Person,
    pub(crate) room: String,
    /// As the host hears them.
    pub(crate) events: Events,
}

impl Events {
    /// Waits for an event with this in it.
    pub(crate) async fn until(&mut self, part: &str) -> String {
        let heard = async {
            loop {
                while let Some(line) = self.heard.pop_front() {
                    if line.contains(part) {
                        return line;
                    }
                }
                let text = self.answer.next().await.unwrap();
                self.heard.extend(text.lines().map(str::to_owned));
            }
        };
        timeout(AT_MOST, heard).await.unwrap_or_else(|_| panic!("no {part}"))
    }
}

/// What of an answer comes at a time; the small events of these tests come whole.
fn text(answer: Response) -> BoxStream<'static, String> {
    let text =
        async |bytes: reqwest::Result<_>| String::from_utf8_lossy(&Vec::from(bytes.unwrap())).into_owned();
    answer.bytes_stream().then(text).boxed()
}
