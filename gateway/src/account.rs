//! Who somebody is, and that they are still there: `login`, `logout`, `heartbeat`.

use axum::extract::State;
use gochat_proto::account::{
    HeartbeatRequest, HeartbeatResponse, LoginRequest, LoginResponse, LogoutRequest,
};
use serde::{Deserialize, Serialize};

use crate::{
    caller::{Call, OpenCall},
    json::{Answer, Data, Done},
    upstream::Upstreams,
};

#[derive(Deserialize)]
pub(crate) struct Login {
    nick_name: String,
    /// Documented as required, but not sent by shipping clients.
    avatar: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct Identity {
    uid: u32,
    nick_name: String,
    avatar: String,
    token: String,
}

impl From<LoginResponse> for Identity {
    fn from(login: LoginResponse) -> Self {
        Self { uid: login.uid, nick_name: login.nick_name, avatar: login.avatar, token: login.token }
    }
}

pub(crate) async fn login(
    State(mut up): State<Upstreams>,
    OpenCall { caller, body }: OpenCall<Login>,
) -> Answer<Data<Identity>> {
    let avatar = body.avatar.unwrap_or_default();
    let request = LoginRequest { nick_name: body.nick_name, avatar, ..Default::default() };
    let login = up.account.login(caller.request(request)).await?;
    Ok(Data(login.into_inner().into()))
}

/// A call without parameters beyond the caller.
#[derive(Deserialize)]
pub(crate) struct Nothing {}

pub(crate) async fn logout(
    State(mut up): State<Upstreams>,
    Call { caller, .. }: Call<Nothing>,
) -> Answer<Done> {
    up.account.logout(caller.request(LogoutRequest {})).await?;
    Ok(Done)
}

#[derive(Deserialize)]
pub(crate) struct Heartbeat {
    room_id: Option<String>,
}

impl Heartbeat {
    /// The room that the caller believes to be in. Outside of one clients send null, or
    /// a text that names none, or nothing at all.
    fn room_id(self) -> String {
        self.room_id.filter(|id| id.contains(|c: char| c.is_ascii_digit())).unwrap_or_default()
    }
}

#[derive(Serialize)]
pub(crate) struct Pulse {
    /// Seconds until the next heartbeat.
    interval: u32,
    attendee_list_seq: u64,
    gb_personal_state_seq: u64,
}

impl From<HeartbeatResponse> for Pulse {
    fn from(heartbeat: HeartbeatResponse) -> Self {
        Self {
            interval: (heartbeat.interval_ms / 1000).max(1),
            attendee_list_seq: heartbeat.roster_revision,
            gb_personal_state_seq: heartbeat.place.unwrap_or_default().revision,
        }
    }
}

pub(crate) async fn heartbeat(
    State(mut up): State<Upstreams>,
    Call { caller, body, .. }: Call<Heartbeat>,
) -> Answer<Data<Pulse>> {
    let request = HeartbeatRequest { room_id: body.room_id() };
    let heartbeat = up.account.heartbeat(caller.request(request)).await?;
    Ok(Data(heartbeat.into_inner().into()))
}
