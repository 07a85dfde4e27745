//! A person at a client, by the SDK or by the documented HTTP API, who tries again where no
//! answer came and goes on heartbeating for as long as they are held.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use gochat_client::{Backoff, Banned, Client, Error, KeepAlive, Presence, Refusal, Session};
use gochat_rig::Deployment;
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};

/// How people call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Sdk,
    Http,
}

/// What somebody does, in a room.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// By this subject.
    Create(String),
    Join(String),
    Leave(String),
    Close(String),
    RaiseHand(String),
    LowerHand(String),
    LowerAllHands(String),
    Invite(String, u32),
    Withdraw(String, u32),
    /// By the token of the invitation; whether it is accepted.
    Answer(String, String, bool),
    SetMic(String, bool),
    SetMicOf(String, u32, bool),
    MuteAll(String),
    LeaveStage(String),
    /// With a ban that outlasts the test.
    Ban(String, u32),
    Unban(String, u32),
    Transfer(String, u32),
    Heartbeat(String),
    Logout,
}

/// Goes silent when it is dropped.
pub(crate) struct Person {
    pub(crate) uid: u32,
    pub(crate) caller: Caller,
    alive: Alive,
}

/// What a person's calls are made with.
#[derive(Clone)]
pub(crate) enum Caller {
    Sdk(Box<Session>),
    Http(Visitor),
}

enum Alive {
    Sdk(KeepAlive),
    Http { lost: Arc<Mutex<Option<String>>>, _task: JoinSet<()> },
}

/// Calls go on for about half a minute.
const PATIENT: Backoff =
    Backoff { first: Duration::from_millis(50), most: Duration::from_millis(400), limit: 80 };
/// How often those who call by HTTP say that they are there: twice a lease, as the shortest asks for.
const HEARTBEAT: Duration = Duration::from_secs(2);
/// And after one that failed.
const AGAIN: Duration = Duration::from_millis(500);

impl Person {
    /// Takes the name, or, where an answer that was lost took it already, one like it.
    pub(crate) async fn login(way: Way, at: Where, name: String) -> Self {
        let mut name = name;
        let mut looks = interval(AGAIN);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            match Caller::login(way, &at, &name).await {
                Ok((uid, caller)) => return Self { uid, alive: caller.keep_alive(), caller },
                Err(taken) if taken == NICK_NAME_IN_USE => name.push('+'),
                Err(_) => {}
            }
        }
    }

    /// What the heartbeats found lost; none while all is well.
    pub(crate) fn lost(&self) -> Option<String> {
        match &self.alive {
            Alive::Sdk(alive) => Some(alive.presence())
                .filter(|presence| *presence != Presence::Kept)
                .map(|p| format!("{p:?}")),
            Alive::Http { lost, .. } => lost.lock().unwrap().clone(),
        }
    }
}

/// Where people find the services.
#[derive(Clone)]
pub(crate) struct Where {
    client: Client,
    url: String,
}

impl Where {
    pub(crate) fn of(deployment: &Deployment) -> Self {
        let client = Client::connect(&deployment.endpoints()).unwrap().with_retries(PATIENT);
        Self { client, url: deployment.url("") }
    }
}

const NICK_NAME_IN_USE: &str = "nick name in use";

impl Caller {
    async fn login(way: Way, at: &Where, name: &str) -> Result<(u32, Self), String> {
        match way {
            Way::Sdk => match at.client.login(name, "").await {
                Ok(session) => Ok((session.uid(), Self::Sdk(session.into()))),
                Err(error) if error.refusal() == Some(Refusal::NickNameInUse) => Err(NICK_NAME_IN_USE.into()),
                Err(error) => Err(error.to_string()),
            },
            Way::Http => {
                let visitor =
                    Visitor { http: reqwest::Client::new(), url: at.url.clone(), ..Visitor::default() };
                let (code, data) = visitor.once("login", json!({ "nick_name": name })).await?;
                match code {
                    0 => {
                        let uid = data["uid"].as_u64().unwrap() as u32;
                        let token = data["token"].as_str().unwrap().to_owned();
                        Ok((uid, Self::Http(Visitor { uid, token, ..visitor })))
                    }
                    80_000 => Err(NICK_NAME_IN_USE.into()),
                    code => Err(format!("code {code}")),
                }
            }
        }
    }

    fn keep_alive(&self) -> Alive {
        match self {
            Self::Sdk(session) => Alive::Sdk(session.keep_alive()),
            Self::Http(visitor) => {
                let (lost, mut task) = (Arc::<Mutex<Option<String>>>::default(), JoinSet::new());
                task.spawn(visitor.clone().beat(lost.clone()));
                Alive::Http { lost, _task: task }
            }
        }
    }

    /// Does it, again and again until there is an answer. A refusal is an error; but not one of what
    /// may have been done by a call whose answer was lost.
    pub(crate) async fn does(self, deed: Deed) -> Result<(), String> {
        match self {
            Self::Sdk(session) => by_sdk(&session, &deed).await.map_err(|error| format!("{deed:?}: {error}")),
            Self::Http(visitor) => visitor.does(&deed).await.map_err(|code| format!("{deed:?}: code {code}")),
        }
    }
}

async fn by_sdk(session: &Session, deed: &Deed) -> Result<(), Error> {
    use Deed::*;
    match deed {
        Create(subject) => session.create_room(subject.as_str()).await.map(drop),
        Join(room) => session.join_room(room).await.map(drop),
        Leave(room) => session.leave_room(room).await.map(drop),
        Close(room) => done_if(session.close_room(room).await, Refusal::RoomNotFound),
        RaiseHand(room) => session.raise_hand(room).await.map(drop),
        LowerHand(room) => session.lower_hand(room).await.map(drop),
        LowerAllHands(room) => session.lower_all_hands(room).await.map(drop),
        Invite(room, uid) => session.invite(room, *uid).await.map(drop),
        Withdraw(room, uid) => session.withdraw_invitation(room, *uid).await.map(drop),
        Answer(room, token, accept) => session.respond(room, token, *accept).await.map(drop),
        SetMic(room, on) => session.set_mic(room, *on).await.map(drop),
        SetMicOf(room, uid, on) => session.set_mic_of(room, *uid, *on).await.map(drop),
        MuteAll(room) => session.mute_all(room).await.map(drop),
        LeaveStage(room) => session.leave_stage(room).await.map(drop),
        Ban(room, uid) => session.remove_member(room, *uid, Some(Banned::default())).await.map(drop),
        Unban(room, uid) => session.unban(room, *uid).await.map(drop),
        Transfer(room, uid) => session.transfer_host(room, *uid).await.map(drop),
        Heartbeat(room) => again(|| async { session.heartbeat(Some(room)).await.map(drop) }).await,
        Logout => done_if(again(|| session.logout()).await, Refusal::NotLoggedIn),
    }
}

fn done_if<T>(answer: Result<T, Error>, refusal: Refusal) -> Result<(), Error> {
    match answer {
        Err(error) if error.refusal() == Some(refusal) => Ok(()),
        answer => answer.map(drop),
    }
}

/// Makes a call again that the SDK makes only once.
async fn again<F: Future<Output = Result<(), Error>>>(call: impl Fn() -> F) -> Result<(), Error> {
    let mut tries = interval(AGAIN);
    tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tries.tick().await;
        match call().await {
            Err(error) if error.is_transient() => {}
            answer => return answer,
        }
    }
}

/// Somebody who uses the documented HTTP API.
#[derive(Clone, Default)]
pub(crate) struct Visitor {
    http: reqwest::Client,
    url: String,
    uid: u32,
    token: String,
}

/// What says that there was no answer.
const INTERNAL_FAULT: u64 = 100_001;
const OFFLINE: u64 = 80_012;

impl Visitor {
    /// The code and the data of an answer.
    async fn once(&self, method: &str, mut body: Value) -> Result<(u64, Value), String> {
        body["uid"] = self.uid.into();
        let call = self.http.post(format!("{}{method}", self.url)).bearer_auth(&self.token).json(&body);
        let answer = call.timeout(Duration::from_secs(5)).send().await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(answer.status().to_string());
        }
        let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        Ok((answer["ret"]["code"].as_u64().unwrap(), answer["data"].take()))
    }

    async fn does(&self, deed: &Deed) -> Result<(), u64> {
        let (method, body) = documented(self.uid, deed);
        let mut tries = interval(AGAIN);
        tries.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for tried in 0.. {
            tries.tick().await;
            match self.once(method, body.clone()).await {
                Ok((0, _)) => return Ok(()),
                Err(_) | Ok((INTERNAL_FAULT, _)) => {}
                // It had been done.
                Ok(_) if tried > 0 => return Ok(()),
                Ok((code, _)) => return Err(code),
            }
        }
        unreachable!("it is tried for ever")
    }

    /// Heartbeats in the room that the person is in, and tells of a session that is lost.
    async fn beat(self, lost: Arc<Mutex<Option<String>>>) {
        let mut beats = interval(HEARTBEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            match self.once("heartbeat", json!({})).await {
                Ok((OFFLINE, _)) => *lost.lock().unwrap() = Some("offline".to_owned()),
                Err(_) | Ok((INTERNAL_FAULT, _)) => beats.reset_after(AGAIN),
                Ok(_) => {}
            }
        }
    }
}

/// The method and the body by which somebody does something.
fn documented(own: u32, deed: &Deed) -> (&'static str, Value) {
    use Deed::*;
    let switch = |on: bool| if on { 2 } else { 1 };
    match deed {
        Create(subject) => ("create_room", json!({ "subject": subject })),
        Join(room) => ("login_room", json!({ "room_id": room })),
        Leave(room) => ("quit_room", json!({ "room_id": room })),
        Close(room) => ("close_room", json!({ "room_id": room })),
        RaiseHand(room) => ("operate_raise_hand", json!({ "room_id": room, "type": 2 })),
        LowerHand(room) => ("operate_raise_hand", json!({ "room_id": room, "type": 1 })),
        LowerAllHands(room) => ("x/lower_all_hands", json!({ "room_id": room })),
        Invite(room, uid) => ("invite_onstage", json!({ "room_id": room, "target_uid": uid })),
        Withdraw(room, uid) => ("x/withdraw_invite", json!({ "room_id": room, "target_uid": uid })),
        Answer(room, token, accept) => (
            "response_onstage_invite",
            json!({ "room_id": room, "invite_token": token, "respond": switch(*accept) }),
        ),
        SetMic(room, on) => {
            ("set_user_info", json!({ "room_id": room, "type": 1, "mic": switch(*on), "target_uid": own }))
        }
        SetMicOf(room, uid, on) => {
            ("set_user_info", json!({ "room_id": room, "type": 1, "mic": switch(*on), "target_uid": uid }))
        }
        MuteAll(room) => ("x/mute_all", json!({ "room_id": room })),
        LeaveStage(room) => {
            ("set_user_info", json!({ "room_id": room, "type": 2, "on_stage": 1, "target_uid": own }))
        }
        Ban(room, uid) => {
            ("x/remove_member", json!({ "room_id": room, "target_uid": uid, "ban_seconds": 3_600 }))
        }
        Unban(room, uid) => ("x/unban", json!({ "room_id": room, "target_uid": uid })),
        Transfer(room, uid) => ("x/transfer_host", json!({ "room_id": room, "target_uid": uid })),
        Heartbeat(room) => ("heartbeat", json!({ "room_id": room })),
        Logout => ("logout", json!({})),
    }
}
