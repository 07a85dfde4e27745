//! `AccountService`: each RPC reads its request, calls the store, answers.

use std::time::Duration;

use gochat_chassis::Caller;
use gochat_domain::{RoomId, Uid};
use gochat_proto::{
    account::{
        GetMediaTokenRequest, GetMediaTokenResponse, HeartbeatRequest, HeartbeatResponse, LoginRequest,
        LoginResponse, LogoutRequest, LogoutResponse, RevokeSessionsRequest, RevokeSessionsResponse,
        StampRequest, StampResponse, account_service_server::AccountService,
    },
    model::Refusal,
    parse::{at_most, field},
    status::{invalid, refuse},
};
use gochat_store::{Carrier, Error, Login, Order, Presence, Store};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    media::{Grant, MediaTokens},
    pulse::Pulse,
};

/// More than any stage has seats.
const STAGE_MOST: usize = 1_000;
const AVATAR_BYTES: usize = 1_024;
const EXTERNAL_ID_BYTES: usize = 128;

/// The service.
pub(crate) struct Accounts {
    store: Store,
    media: MediaTokens,
    pulse: Pulse,
}

impl Accounts {
    pub(crate) fn new(store: Store, media: MediaTokens, pulse: Pulse) -> Self {
        Self { store, media, pulse }
    }

    fn heartbeat_interval_ms(&self) -> u32 {
        self.store.args().heartbeat().as_millis() as u32
    }
}

#[async_trait]
impl AccountService for Accounts {
    async fn login(&self, request: Request<LoginRequest>) -> Result<Response<LoginResponse>, Status> {
        let login = read_login(&request)?;
        let logged_in = self.store.login(&login).await?;
        Ok(Response::new(LoginResponse {
            uid: logged_in.uid.get(),
            nick_name: login.nick_name.as_str().to_owned(),
            avatar: login.avatar,
            token: logged_in.token,
            heartbeat_interval_ms: self.heartbeat_interval_ms(),
        }))
    }

    async fn logout(&self, request: Request<LogoutRequest>) -> Result<Response<LogoutResponse>, Status> {
        self.store.logout(caller(&request)?).await?;
        Ok(Response::new(LogoutResponse {}))
    }

    async fn revoke_sessions(
        &self,
        request: Request<RevokeSessionsRequest>,
    ) -> Result<Response<RevokeSessionsResponse>, Status> {
        let uid: Uid = field("uid", &request.get_ref().uid)?;
        self.store.revoke_sessions(uid).await?;
        tracing::info!(%uid, by = service(&request), "sessions revoked");
        Ok(Response::new(RevokeSessionsResponse {}))
    }

    async fn heartbeat(
        &self,
        request: Request<HeartbeatRequest>,
    ) -> Result<Response<HeartbeatResponse>, Status> {
        let (caller, room) = (caller(&request)?, room_or_none(&request.get_ref().room_id)?);
        let heartbeat = self.store.heartbeat(caller, room).await;
        self.pulse.note(&heartbeat);
        let Presence { stay } = heartbeat?;
        Ok(Response::new(HeartbeatResponse {
            interval_ms: self.heartbeat_interval_ms(),
            room_id: stay.as_ref().map(|stay| stay.room.to_string()).unwrap_or_default(),
            roster_revision: stay.as_ref().map_or(0, |stay| stay.roster_revision),
            place: stay.map(|stay| stay.place.into()),
        }))
    }

    async fn stamp(&self, _: Request<StampRequest>) -> Result<Response<StampResponse>, Status> {
        self.pulse.stamp(Carrier::Gateway).await?;
        Ok(Response::new(StampResponse { interval_ms: self.store.args().pulse().as_millis() as u32 }))
    }

    /// A room that the caller isn't in is none: the token then admits nowhere.
    async fn get_media_token(
        &self,
        request: Request<GetMediaTokenRequest>,
    ) -> Result<Response<GetMediaTokenResponse>, Status> {
        let uid = caller(&request)?;
        let asked = request.into_inner();
        let (room, ttl) = (room_or_none(&asked.room_id)?, lifetime(asked.ttl_ms)?);
        let (room, on_stage) = self.standing(uid, room).await?;
        let grant = Grant { uid, room, on_stage, issued_at: self.store.now().await?, ttl };
        let issued = self.media.issue(&grant);
        Ok(Response::new(GetMediaTokenResponse { token: issued.token, expires_at: issued.expires_at.0 }))
    }
}

impl Accounts {
    /// The room that somebody is in, if it is the one asked for or none is, and whether they are on stage.
    async fn standing(&self, uid: Uid, asked: Option<RoomId>) -> Result<(Option<RoomId>, bool), Status> {
        let held = self.store.room_held(uid).await?;
        let Some(room) = held.filter(|held| asked.is_none_or(|asked| asked == *held)) else {
            return Ok((None, false));
        };
        match self.store.members(room, Some(uid), Order::Stage, None, 0, STAGE_MOST).await {
            Ok(stage) => Ok((Some(room), stage.members.iter().any(|member| member.uid == uid))),
            Err(Error::Refused(_)) => Ok((None, false)),
            Err(error) => Err(error.into()),
        }
    }
}

fn caller<T>(request: &Request<T>) -> Result<Uid, Status> {
    field("uid", &Caller::of(request).require_subject()?)
}

/// The service that calls; the table lets nobody else.
fn service<T>(request: &Request<T>) -> &str {
    match Caller::of(request) {
        Caller::Service { name, .. } => name,
        _ => "",
    }
}

/// Only a service names somebody by an id of its own.
fn read_login(request: &Request<LoginRequest>) -> Result<Login, Status> {
    let asked = request.get_ref();
    let external = match (Caller::of(request), asked.external_id.as_str()) {
        (_, "") => None,
        (Caller::Service { name, .. }, id) => {
            Some((name.to_string(), at_most("external_id", id, EXTERNAL_ID_BYTES)?))
        }
        _ => return Err(refuse(Refusal::NotPermitted, "external_id is for services")),
    };
    Ok(Login {
        nick_name: field("nick_name", asked.nick_name.as_str())?,
        avatar: at_most("avatar", &asked.avatar, AVATAR_BYTES)?,
        external,
    })
}

fn room_or_none(room_id: &str) -> Result<Option<RoomId>, Status> {
    if room_id.is_empty() { Ok(None) } else { field("room_id", room_id).map(Some) }
}

fn lifetime(ttl_ms: i64) -> Result<Duration, Status> {
    let ms = u64::try_from(ttl_ms).map_err(|_| invalid("ttl_ms", "must not be negative"))?;
    Ok(Duration::from_millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_service_may_name_somebody_by_its_own_id() {
        let asked = |external_id: &str| {
            Request::new(LoginRequest {
                nick_name: "ann".to_owned(),
                external_id: external_id.to_owned(),
                ..LoginRequest::default()
            })
        };
        assert!(read_login(&asked("")).unwrap().external.is_none());
        assert_eq!(read_login(&asked("7")).unwrap_err().code(), tonic::Code::PermissionDenied);
        let mut service = asked("7");
        service.extensions_mut().insert(Caller::Service { name: "web".into(), on_behalf_of: None });
        assert_eq!(read_login(&service).unwrap().external, Some(("web".to_owned(), "7".to_owned())));
    }
}
