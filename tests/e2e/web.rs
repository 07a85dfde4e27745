//! People who use the documented HTTP API, and the notifications that each of them is sent.

use serde_json::{Value, json};

use crate::{
    web_stream::{Listening, Over, Told},
    world::{World, soon},
};

/// Somebody who is logged in.
pub(crate) struct Visitor {
    base: String,
    http: reqwest::Client,
    token: String,
    pub(crate) uid: u64,
    pub(crate) name: String,
    over: Over,
    stream: Option<Listening>,
    last_id: String,
    /// Every notification so far.
    told: Vec<Told>,
}

impl Visitor {
    pub(crate) async fn login(world: &World, name: &str) -> Self {
        let http = reqwest::Client::new();
        let base = world.url("");
        let answer = post(&http, &format!("{base}login"), "", &json!({ "nick_name": name })).await;
        let data = succeeded(&answer);
        let uid = data["uid"].as_u64().unwrap();
        let token = data["token"].as_str().unwrap().to_owned();
        assert_eq!(data, json!({ "uid": uid, "nick_name": name, "avatar": "", "token": token }));
        let (name, over, stream, last_id, told) = (name.to_owned(), Over::Sse, None, String::new(), vec![]);
        Self { base, http, token, uid, name, over, stream, last_id, told }
    }

    /// Somebody who is sent notifications in another way.
    pub(crate) fn over(self, over: Over) -> Self {
        Self { over, ..self }
    }

    /// Somebody whose client knows of no token.
    pub(crate) fn without_token(self) -> Self {
        Self { token: String::new(), ..self }
    }

    /// The whole answer to a call; `uid` goes along.
    pub(crate) async fn call(&self, method: &str, mut body: Value) -> Value {
        body["uid"] = self.uid.into();
        post(&self.http, &format!("{}{method}", self.base), &self.token, &body).await
    }

    /// The data of a call that succeeds.
    pub(crate) async fn data(&self, method: &str, body: Value) -> Value {
        succeeded(&self.call(method, body).await)
    }

    /// A call that succeeds, and has no data to give.
    pub(crate) async fn done(&self, method: &str, body: Value) {
        let answer = self.call(method, body).await;
        assert_eq!(answer, json!({ "ret": { "code": 0, "message": "succeed" } }), "{method}");
    }

    /// A call that is turned down with this code, in these words.
    pub(crate) async fn refused(&self, method: &str, body: Value, code: u32, words: &str) {
        let answer = self.call(method, body).await;
        assert_eq!(answer, json!({ "ret": { "code": code, "message": words } }), "{method}");
    }

    /// Begins to listen to a room, and gives the snapshot.
    pub(crate) async fn listen(&mut self, room: &str) -> Value {
        self.listen_on(room).await;
        self.sees("snapshot", 6000, |_| true).await
    }

    /// Begins to listen to a room, from what was seen last on.
    pub(crate) async fn listen_on(&mut self, room: &str) {
        let mut url = format!("{}events?room_id={room}&last_event_id={}", self.base, self.last_id);
        if self.token.is_empty() {
            url.push_str(&format!("&uid={}", self.uid));
        }
        let listening = Listening::begin(self.over, &self.http, &url, &self.token);
        self.stream = Some(soon("the stream", listening).await);
    }

    /// The id that was seen last.
    pub(crate) fn last_id(&self) -> &str {
        &self.last_id
    }

    /// Holds another id than the one that was seen last.
    pub(crate) fn forget_to(&mut self, id: String) {
        self.last_id = id;
    }

    /// Is cut off.
    pub(crate) fn cut(&mut self) {
        self.stream = None;
    }

    /// Waits for a notification, and gives its data.
    pub(crate) async fn sees(&mut self, kind: &str, cmd: u32, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let told = soon(&format!("{kind} {cmd}"), self.next()).await;
            self.told.push(told.clone());
            if told.event == kind && told.body["cmd"] == cmd && wanted(&told.body["data"]) {
                return told.body["data"].clone();
            }
        }
    }

    /// Waits for a change of state of this type, and gives the person as it is then.
    pub(crate) async fn change(&mut self, of_type: u32, by: &Visitor, of: u64) -> Value {
        let data = self.sees("room_extra_info", 6002, |data| data["type"] == of_type).await;
        let user = data["users"][0].clone();
        assert_eq!(user["uid"], of);
        let expected = json!({
            "operator_uid": by.uid, "operator_name": by.name, "type": of_type, "users": [user],
            "seq": data["seq"], "after": data["after"],
        });
        assert_eq!(data, expected);
        assert!(data["after"].as_u64().unwrap() < data["seq"].as_u64().unwrap());
        user
    }

    /// Waits for an invitation by `host`, and gives its token.
    pub(crate) async fn invitation(&mut self, host: u64) -> String {
        let data = self.sees("custom_command", 6004, |_| true).await;
        let token = data["invite_token"].as_str().unwrap().to_owned();
        let expires = data["expires_at"].as_u64().unwrap();
        let expected = json!({
            "target_uid": self.uid, "operator_uid": host, "invite_token": token, "expires_at": expires,
        });
        assert_eq!(data, expected);
        token
    }

    /// Waits for the end of the stream, which doesn't ask to come back.
    pub(crate) async fn ends(&mut self) {
        let stream = self.stream.take().expect("listens to a room");
        soon("the end of the stream", stream.ends()).await;
    }

    /// Everything told so far, in order.
    pub(crate) fn told(&self) -> &[Told] {
        &self.told
    }

    /// Whether a notification so far had this number.
    pub(crate) fn was_told(&self, cmd: u32) -> bool {
        self.told.iter().any(|told| told.body["cmd"] == cmd)
    }

    /// The list of everybody, as it is given.
    pub(crate) async fn attendees(&self, room: &str) -> Value {
        self.data("get_attendee_list", json!({ "room_id": room, "page": 1, "page_size": 100 })).await
    }

    async fn next(&mut self) -> Told {
        let told = self.stream.as_mut().expect("listens to a room").next().await.expect("the stream goes on");
        self.last_id = told.id.clone().unwrap_or_else(|| self.last_id.clone());
        told
    }
}

async fn post(http: &reqwest::Client, url: &str, token: &str, body: &Value) -> Value {
    let request = http.post(url).bearer_auth(token).json(body);
    let request = if token.is_empty() { http.post(url).json(body) } else { request };
    let answer = soon(url, request.send()).await.unwrap();
    assert_eq!(answer.status(), 200, "{url}");
    answer.json().await.unwrap()
}

fn succeeded(answer: &Value) -> Value {
    assert_eq!(answer["ret"], json!({ "code": 0, "message": "succeed" }), "{answer}");
    answer["data"].clone()
}

/// The answer to a login, whatever it is.
pub(crate) async fn try_login(world: &World, name: &str) -> Value {
    post(&reqwest::Client::new(), &world.url("login"), "", &json!({ "nick_name": name })).await
}

/// A host with two listeners, lea and leo, in a room, all of whom listen.
pub(crate) async fn three(world: &World) -> ([Visitor; 3], String) {
    let mut host = Visitor::login(world, "host").await;
    let opened = host.data("create_room", json!({ "subject": "tea" })).await;
    let room = opened["room_id"].as_str().unwrap().to_owned();
    host.listen(&room).await;
    let [mut lea, mut leo] = [Visitor::login(world, "lea").await, Visitor::login(world, "leo").await];
    for listener in [&mut lea, &mut leo] {
        listener.data("login_room", json!({ "room_id": room })).await;
        listener.listen(&room).await;
    }
    ([host, lea, leo], room)
}

/// Invites `guest` and has it accept; waits until both have seen that.
pub(crate) async fn onto_stage(host: &mut Visitor, guest: &mut Visitor, room: &str) {
    host.done("invite_onstage", json!({ "room_id": room, "target_uid": guest.uid })).await;
    let token = guest.invitation(host.uid).await;
    let accept = json!({ "room_id": room, "invite_token": token, "respond": 2 });
    guest.done("response_onstage_invite", accept).await;
    for user in [host.change(3, guest, guest.uid).await, own_change(guest, 3).await] {
        is_guest(&user);
    }
}

/// Waits until somebody sees its own change, made by itself.
pub(crate) async fn own_change(person: &mut Visitor, of_type: u32) -> Value {
    let data = person.sees("room_extra_info", 6002, |data| data["type"] == of_type).await;
    let uid = person.uid;
    assert_eq!((&data["operator_uid"], &data["users"][0]["uid"]), (&json!(uid), &json!(uid)));
    data["users"][0].clone()
}

/// Role, stage, microphone and hand in the documented numbers.
#[track_caller]
pub(crate) fn is(user: &Value, role: u32, on_stage: u32, mic: u32, hand: u32) {
    let found = ["role", "onstage_state", "mic", "raise_hand"].map(|name| user[name].clone());
    assert_eq!(found, [role, on_stage, mic, hand].map(Value::from), "{user}");
    assert_eq!(user["onstage_timestamp"] != 0, on_stage == 2, "{user}");
    assert_eq!(user["raise_hand_timestamp"] != 0, hand == 2, "{user}");
}

#[track_caller]
pub(crate) fn is_guest(user: &Value) {
    is(user, 2, 2, 2, 1);
}

#[track_caller]
pub(crate) fn is_listener(user: &Value) {
    is(user, 1, 1, 1, 1);
}
