//! A room's voice: offer in, answer out, as WHIP has it (RFC 9725), and where a member's session ends.
//!
//! A session is opened by `POST /chat_room/media` with an SDP offer, and ended by `DELETE` of the `Location` that came
//! with the answer. Whether somebody is heard is for the media service to say, by what the room's stage says.

mod nodes;

use std::time::Duration;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, MatchedPath, Path, Query, Request, State},
    response::{IntoResponse, Response},
};
use gochat_proto::{
    media::{
        CreateSessionRequest, EndSessionRequest, GetRoomMediaRequest, GetRoomMediaResponse, Provider,
        create_session_response::Result as Created,
    },
    model::Refusal,
    status,
};
use http::{
    StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION},
    request::Parts,
};
use serde::{Deserialize, Serialize};
use tonic::Status;
use utoipa::ToSchema;

use crate::{
    Gateway,
    caller::Caller,
    error::{Failure, ReturnCode},
    json::{self, Answer, Data},
    rate::Who,
    upstream::Upstreams,
};
pub(crate) use nodes::{Client, Nodes};

/// The names of what is served here, as histograms have them.
pub(crate) const NAMES: [&str; 3] = ["media", INFO, SESSION];
const INFO: &str = "media/info";
const SESSION: &str = "media/{session}";

const SDP: &str = "application/sdp";
/// When whom the media service has no room for, or who offers too often, may come again.
const AGAIN: Duration = Duration::from_secs(1);

/// The name that a method's path has in the table: a session's, whatever its id is.
pub(crate) fn name(path: &str) -> &str {
    match path.strip_prefix("media/") {
        Some(id) if id != "info" && !id.contains('/') => SESSION,
        _ => path,
    }
}

/// Somebody who asks about a room's voice.
pub(crate) struct InRoom {
    caller: Caller,
    room_id: String,
}

#[derive(Deserialize)]
struct RoomQuery {
    room_id: String,
    uid: Option<i64>,
}

impl FromRequestParts<Gateway> for InRoom {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let up = gateway.upstreams.here();
        nodes(&up)?;
        let Query(query) = Query::<RoomQuery>::try_from_uri(&parts.uri)
            .map_err(|refused| Failure::new(ReturnCode::BadParameter, refused.body_text()))?;
        let caller = gateway.policy.watcher(&parts.headers, None, query.uid)?;
        let path = parts.extensions.get::<MatchedPath>().map_or("", MatchedPath::as_str);
        gateway.rates.admit(path, &Who::of(&caller))?;
        Ok(Self { caller: caller.admit(&up).await?, room_id: query.room_id })
    }
}

/// The media service. Fails with HTTP 404 where rooms have no voice.
fn nodes(up: &Upstreams) -> Result<&Nodes, Failure> {
    up.media().ok_or_else(|| Failure::transport(StatusCode::NOT_FOUND, "rooms have no voice here"))
}

/// An SDP offer; empty where a provider's token is asked for.
pub(crate) struct Offer(String);

impl FromRequest<Gateway> for Offer {
    type Rejection = Failure;

    async fn from_request(mut request: Request, _: &Gateway) -> Result<Self, Failure> {
        let headers = std::mem::take(request.headers_mut());
        let body: Bytes = json::body_of(SDP, &headers, request).await?;
        let wrong = |_| Failure::transport(StatusCode::BAD_REQUEST, "the offer must be text in UTF-8");
        String::from_utf8(body.into()).map(Self).map_err(wrong)
    }
}

/// Admission to a media provider's own servers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Admission {
    /// Whose servers: `livekit`.
    kind: String,
    url: String,
    /// Lets nobody be heard by itself.
    token: String,
    expires_at: i64,
}

impl From<Provider> for Admission {
    fn from(Provider { kind, url, token, expires_at }: Provider) -> Self {
        Self { kind, url, token, expires_at }
    }
}

/// Opens the caller's media: the answer to an offer, or what a provider's software asks for.
pub(crate) async fn open(
    State(up): State<Upstreams>,
    InRoom { caller, room_id }: InRoom,
    Offer(offer_sdp): Offer,
) -> Answer<Response> {
    let question = CreateSessionRequest { room_id: room_id.clone(), offer_sdp };
    let asked = nodes(&up)?.ask(|mut node| {
        let request = caller.request(question.clone());
        async move { node.create_session(request).await }
    });
    match asked.await.map_err(refused)?.result {
        Some(Created::Session(session)) => {
            let location = location(&session.session_id, &room_id, &caller)?;
            let headers = [(LOCATION, location), (CONTENT_TYPE, SDP.to_owned())];
            Ok((StatusCode::CREATED, headers, session.answer_sdp).into_response())
        }
        Some(Created::Provider(provider)) => Ok(Data(Admission::from(provider)).into_response()),
        Some(Created::Elsewhere(_)) | None => Err(Failure::unavailable()),
    }
}

/// Where a session is ended. Its id and the room's are the services' own; what else they say is a fault.
fn location(session: &str, room_id: &str, caller: &Caller) -> Result<String, Failure> {
    let plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    if !plain(session) || !plain(room_id) {
        tracing::error!(session, room_id, "a session that no address can name");
        return Err(Failure::new(ReturnCode::Fault, "internal fault"));
    }
    let uid = caller.on_behalf_of().filter(|_| caller.is_believed());
    let uid = uid.map(|uid| format!("&uid={uid}")).unwrap_or_default();
    Ok(format!("/chat_room/media/{session}?room_id={room_id}{uid}"))
}

/// Ends a session of the caller's. With the stay, or the room, it has ended by itself.
pub(crate) async fn end(
    State(up): State<Upstreams>,
    InRoom { caller, room_id }: InRoom,
    Path(session_id): Path<String>,
) -> Answer<StatusCode> {
    let question = EndSessionRequest { room_id, session_id };
    let asked = nodes(&up)?.ask(|mut node| {
        let request = caller.request(question.clone());
        async move { node.end_session(request).await }
    });
    match asked.await.map_err(Failure::from) {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(over) if matches!(over.code, ReturnCode::RoomNotFound | ReturnCode::NotInRoom) => {
            Ok(StatusCode::NO_CONTENT)
        }
        Err(failure) => Err(failure),
    }
}

/// Where and how a room's media is.
#[derive(Serialize, ToSchema)]
pub(crate) struct RoomMedia {
    /// `embedded` or `livekit`.
    engine: String,
    /// How many speakers can be heard at once.
    slots: u32,
    ice_servers: Vec<IceServer>,
}

/// As `RTCIceServer` of WebRTC. Its credentials are good for a while only.
#[derive(Serialize, ToSchema)]
pub(crate) struct IceServer {
    urls: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    username: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schema(required = false)]
    credential: String,
}

impl From<GetRoomMediaResponse> for RoomMedia {
    fn from(GetRoomMediaResponse { engine, slots, ice_servers, .. }: GetRoomMediaResponse) -> Self {
        let ice_servers = ice_servers.into_iter();
        let ice_servers = ice_servers.map(|server| IceServer {
            urls: server.urls,
            username: server.username,
            credential: server.credential,
        });
        Self { engine, slots, ice_servers: ice_servers.collect() }
    }
}

/// Says how a room's media is, before anything is opened.
pub(crate) async fn info(
    State(up): State<Upstreams>,
    InRoom { caller, room_id }: InRoom,
) -> Answer<impl IntoResponse> {
    let question = GetRoomMediaRequest { room_id };
    let asked = nodes(&up)?.ask(|mut node| {
        let request = caller.request(question.clone());
        async move { node.get_room_media(request).await }
    });
    Ok(([(CACHE_CONTROL, "no-store")], Data(RoomMedia::from(asked.await.map_err(Failure::from)?))))
}

/// What an offer is answered that opens nothing: what a WHIP client reads of it is the HTTP status.
fn refused(refusal: Status) -> Failure {
    let too_many = status::refusal(&refusal) == Some(Refusal::TooMany);
    match Failure::from(refusal) {
        _ if too_many => Failure::too_many(AGAIN),
        bad if bad.code == ReturnCode::BadParameter => bad.with_status(StatusCode::BAD_REQUEST),
        other => other,
    }
}
