//! Who somebody is, and that they are still there: `login`, `logout`, `heartbeat`.

use axum::extract::State;
use gochat_proto::account::{
    HeartbeatRequest, HeartbeatResponse, LoginRequest, LoginResponse, LogoutRequest,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Gateway,
    caller::{Call, OpenCall},
    identity::{CookieJar, CookieLine, TICKET_SECONDS},
    json::{Answer, Data, Done},
    upstream::Upstreams,
};

#[derive(Deserialize, ToSchema)]
pub(crate) struct Login {
    #[schema(min_length = 1, max_length = 15)]
    nick_name: String,
    /// Documented as required, but not sent by shipping clients.
    #[schema(max_length = 1024)]
    avatar: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct Identity {
    uid: u32,
    nick_name: String,
    avatar: String,
    /// To be sent with every other call as `Authorization: Bearer <token>`.
    token: String,
}

impl From<LoginResponse> for Identity {
    fn from(login: LoginResponse) -> Self {
        Self { uid: login.uid, nick_name: login.nick_name, avatar: login.avatar, token: login.token }
    }
}

pub(crate) async fn login(
    State(up): State<Upstreams>,
    cookies: CookieJar,
    OpenCall { caller, body }: OpenCall<Login>,
) -> Answer<(CookieLine, Data<Identity>)> {
    let avatar = body.avatar.unwrap_or_default();
    let request = LoginRequest { nick_name: body.nick_name, avatar, ..Default::default() };
    let login = up.account().login(caller.request(request)).await?.into_inner();
    Ok((cookies.give(&login.token), Data(login.into())))
}

/// A call without parameters beyond the caller.
#[derive(Deserialize, ToSchema)]
pub(crate) struct Nothing {}

pub(crate) async fn logout(
    State(up): State<Upstreams>,
    cookies: CookieJar,
    Call { caller, .. }: Call<Nothing>,
) -> Answer<(CookieLine, Done)> {
    up.account().logout(caller.request(LogoutRequest {})).await?;
    Ok((cookies.take(), Done))
}

/// What stands in for a token in the address of an event stream: browsers set no headers there.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventTicket {
    /// Good for one stream.
    ticket: String,
    /// Seconds that it is good for.
    expires_in: u64,
}

pub(crate) async fn get_event_ticket(
    State(gateway): State<Gateway>,
    Call { caller, .. }: Call<Nothing>,
) -> Answer<Data<EventTicket>> {
    caller.confirm(&gateway.upstreams.here()).await?;
    Ok(Data(EventTicket { ticket: gateway.policy.ticket(&caller)?, expires_in: TICKET_SECONDS }))
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct Heartbeat {
    /// The room that the caller believes to be in; null, empty or absent outside of one.
    room_id: Option<String>,
}

impl Heartbeat {
    /// The room that the caller believes to be in. Outside of one clients send null, or
    /// a text that names none, or nothing at all.
    fn room_id(self) -> String {
        self.room_id.filter(|id| id.contains(|c: char| c.is_ascii_digit())).unwrap_or_default()
    }
}

#[derive(Serialize, ToSchema)]
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
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<Heartbeat>,
) -> Answer<Data<Pulse>> {
    let request = HeartbeatRequest { room_id: body.room_id() };
    let heartbeat = up.account().heartbeat(caller.request(request)).await?;
    Ok(Data(heartbeat.into_inner().into()))
}
