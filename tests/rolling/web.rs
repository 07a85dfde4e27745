//! People who use the documented HTTP API: some stay in a room, others come and go. Nothing is asked twice.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use crate::ledger::Ledger;

/// How often each does something.
const PACE: Duration = Duration::from_millis(250);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// What is no rule's answer: a wrong question, an unknown caller or room, an internal fault.
const FAULTS: [u64; 4] = [80001, 80002, 80012, 100_001];

/// Somebody who is logged in, with the connections of one device.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    pub(crate) token: String,
    uid: u64,
    ledger: Ledger,
}

impl Person {
    pub(crate) async fn login(base: &str, name: &str, ledger: &Ledger) -> Result<Self, String> {
        let (http, base, ledger) = (reqwest::Client::new(), base.to_owned(), ledger.clone());
        Self { http, base, token: String::new(), uid: 0, ledger }.again(name).await
    }

    /// Logs in anew, over the connections that there are.
    async fn again(mut self, name: &str) -> Result<Self, String> {
        self.token = String::new();
        let data = self.call("login", json!({ "nick_name": name })).await?;
        let parts = data["uid"].as_u64().zip(data["token"].as_str());
        let (uid, token) = parts.ok_or_else(|| format!("login: {data}"))?;
        self.uid = uid;
        self.token = token.to_owned();
        Ok(self)
    }

    /// The data of a call that was answered, by whatever rule.
    pub(crate) async fn call(&self, method: &'static str, mut body: Value) -> Result<Value, String> {
        if !self.token.is_empty() {
            body["uid"] = self.uid.into();
        }
        let asked = self.http.post(format!("{}/{method}", self.base)).timeout(PATIENCE).json(&body);
        let asked = if self.token.is_empty() { asked } else { asked.bearer_auth(&self.token) };
        let answer = asked.send().await.map_err(|error| format!("{method}: {error:?}"))?;
        let status = answer.status();
        let answer: Value = answer.json().await.map_err(|error| format!("{method}: {status} {error:?}"))?;
        match answer["ret"]["code"].as_u64().filter(|code| !FAULTS.contains(code)) {
            Some(_) if status == 200 => {
                self.ledger.done(method);
                Ok(answer["data"].clone())
            }
            _ => Err(format!("{method}: {status} {answer}")),
        }
    }

    async fn note(&self, method: &'static str, body: Value) {
        if let Err(failed) = self.call(method, body).await {
            self.ledger.failed(failed);
        }
    }
}

/// Stays in the room and does what a client does there, until the ledger says that it is over.
pub(crate) async fn stays(person: Person, room_id: String) {
    let deeds = [
        ("heartbeat", json!({ "room_id": room_id })),
        ("operate_raise_hand", json!({ "room_id": room_id, "type": 2 })),
        ("get_raise_hand_list", json!({ "room_id": room_id, "page": 1, "page_size": 50 })),
        ("operate_raise_hand", json!({ "room_id": room_id, "type": 1 })),
        ("get_room_list", json!({ "count": 1000 })),
        ("set_user_info", json!({ "room_id": room_id, "target_uid": person.uid, "type": 1, "mic": 1 })),
        ("get_attendee_list", json!({ "room_id": room_id, "page": 1, "page_size": 50 })),
    ];
    let mut turns = interval(PACE);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for (method, body) in deeds.iter().cycle() {
        turns.tick().await;
        if !person.ledger.goes_on() {
            return;
        }
        person.note(method, body.clone()).await;
    }
}

/// So many people who come, enter the room, leave it and go, again and again.
pub(crate) fn come(base: &str, room_id: &str, people: usize, ledger: &Ledger) -> JoinSet<()> {
    let mut visits = JoinSet::new();
    for person in 0..people {
        visits.spawn(come_and_go(base.to_owned(), room_id.to_owned(), person, ledger.clone()));
    }
    visits
}

async fn come_and_go(base: String, room_id: String, person: usize, ledger: Ledger) {
    let mut turns = interval(4 * PACE);
    let mut known: Option<Person> = None;
    for visit in 0.. {
        turns.tick().await;
        if !ledger.goes_on() {
            return;
        }
        let name = format!("w{person} {visit}");
        let came = match known.take() {
            Some(person) => person.again(&name).await,
            None => Person::login(&base, &name, &ledger).await,
        };
        match came {
            Ok(person) => {
                person.note("login_room", json!({ "room_id": room_id })).await;
                person.note("quit_room", json!({ "room_id": room_id })).await;
                person.note("logout", json!({})).await;
                known = Some(person);
            }
            Err(failed) => ledger.failed(failed),
        }
    }
}

/// What the room's list of attendees says, by who they are; none where it isn't told in time.
pub(crate) async fn attendees(person: &Person, room_id: &str) -> Option<Vec<Value>> {
    let asked = person.call("get_attendee_list", json!({ "room_id": room_id, "page": 1, "page_size": 1000 }));
    let data = timeout(PATIENCE, asked).await.ok()?.ok()?;
    Some(by_uid(data["attendee_list"].as_array()?.clone()))
}

/// Attendees in one order.
pub(crate) fn by_uid(mut attendees: Vec<Value>) -> Vec<Value> {
    attendees.sort_by_key(|attendee| attendee["uid"].as_u64());
    attendees
}
