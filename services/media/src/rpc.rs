//! `MediaService`: each RPC reads its request, asks who is in the room, and has the room's task and the engine do it.

use std::pin::Pin;

use futures::Stream;
use gochat_chassis::Caller;
use gochat_domain::{RoomId, Uid};
use gochat_proto::{
    media::{
        CreateSessionRequest, CreateSessionResponse, EndSessionRequest, EndSessionResponse,
        GetRoomMediaRequest, GetRoomMediaResponse, WatchSpeakersRequest, WatchSpeakersResponse,
        create_session_response::Result as Created, media_service_server::MediaService,
    },
    model::Refusal,
    parse::{at_most, field},
    status::{invalid, refuse},
};
use gochat_store::Store;
use tokio::time::Instant;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    engine::{MediaEngine, Place, Refused},
    meters,
    offers::Offers,
    rooms::Rooms,
    watch::{Seats, Watch, Watcher, elsewhere},
};

/// The longest offer, in bytes.
pub(crate) const OFFER_BYTES: usize = 64 * 1024;
/// The longest id of a session, in bytes.
const SESSION_BYTES: usize = 128;

/// The service.
pub(crate) struct Media<E> {
    pub store: Store,
    pub rooms: Rooms<E>,
    pub offers: Offers,
    pub seats: Seats,
}

type Answered<T> = Result<Response<T>, Status>;
type Updates = Pin<Box<dyn Stream<Item = Result<WatchSpeakersResponse, Status>> + Send>>;

#[async_trait]
impl<E: MediaEngine> MediaService for Media<E> {
    type WatchSpeakersStream = Updates;

    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Answered<CreateSessionResponse> {
        let (uid, asked) = open(request)?;
        let room = field("room_id", asked.room_id.as_str())?;
        let offer = at_most("offer_sdp", &asked.offer_sdp, OFFER_BYTES)?;
        self.admit(uid)?;
        let entry = self.store.entry_in(room, uid).await?;
        let created = self.rooms.open(Place { room, uid, entry }, offer).await;
        meters::offer(outcome(&created));
        Ok(Response::new(CreateSessionResponse { result: Some(created.map_err(refused)?) }))
    }

    /// Also of one who is in the room no more.
    async fn end_session(&self, request: Request<EndSessionRequest>) -> Answered<EndSessionResponse> {
        let (uid, asked) = open(request)?;
        let room: RoomId = field("room_id", asked.room_id.as_str())?;
        let session = at_most("session_id", &asked.session_id, SESSION_BYTES)?;
        self.rooms.engine().end_session(room, uid, &session).await;
        let elsewhere = self.rooms.elsewhere(room).await?;
        Ok(Response::new(EndSessionResponse { elsewhere }))
    }

    async fn get_room_media(&self, request: Request<GetRoomMediaRequest>) -> Answered<GetRoomMediaResponse> {
        let (watcher, room) = self.look(&request, &request.get_ref().room_id).await?;
        let engine = self.rooms.engine();
        Ok(Response::new(GetRoomMediaResponse {
            engine: E::NAME.to_owned(),
            slots: engine.slots(),
            ice_servers: watcher.map(|(uid, _)| engine.ice_servers(uid)).unwrap_or_default(),
            sessions: u32::try_from(engine.sessions(room).await.len()).unwrap_or(u32::MAX),
            elsewhere: self.rooms.elsewhere(room).await?,
        }))
    }

    async fn watch_speakers(&self, request: Request<WatchSpeakersRequest>) -> Answered<Updates> {
        let (watcher, room) = self.look(&request, &request.get_ref().room_id).await?;
        if let Some(node) = self.rooms.elsewhere(room).await? {
            return Ok(Response::new(Box::pin(elsewhere(node))));
        }
        let too_many = || refuse(Refusal::TooMany, "this user has too many streams");
        let seat = self.seats.take(watcher).ok_or_else(too_many)?;
        let watch = Watch::new(self.rooms.clone(), self.store.clone(), room, watcher);
        Ok(Response::new(Box::pin(watch.into_stream(seat))))
    }
}

impl<E: MediaEngine> Media<E> {
    /// Who looks at which room: one of its members, or a service of ours.
    async fn look<T>(&self, request: &Request<T>, room_id: &str) -> Result<(Watcher, RoomId), Status> {
        let room = field("room_id", room_id)?;
        let Some(uid) = Caller::of(request).subject() else {
            self.store.is_open(room).await?;
            return Ok((None, room));
        };
        let uid = field("uid", &uid)?;
        Ok((Some((uid, self.store.entry_in(room, uid).await?)), room))
    }

    fn admit(&self, uid: Uid) -> Result<(), Status> {
        if self.offers.admit(uid, Instant::now()) {
            return Ok(());
        }
        meters::offer("too_many");
        tracing::info!(%uid, "offers too often");
        Err(refuse(Refusal::TooMany, "too many offers; try again later"))
    }
}

/// Who calls, and what for.
fn open<T>(request: Request<T>) -> Result<(Uid, T), Status> {
    let caller = field("uid", &Caller::of(&request).require_subject()?)?;
    Ok((caller, request.into_inner()))
}

fn refused(why: Refused) -> Status {
    match why {
        Refused::Offer(why) => invalid("offer_sdp", why),
        Refused::TooMany => refuse(Refusal::TooMany, "there are as many sessions as there may be"),
        Refused::Unavailable => refuse(Refusal::Unavailable, "no session could be opened now; try again"),
    }
}

fn outcome(created: &Result<Created, Refused>) -> &'static str {
    match created {
        Ok(Created::Elsewhere(_)) => "elsewhere",
        Ok(_) => "answered",
        Err(Refused::Offer(_)) => "refused",
        Err(Refused::TooMany) => "too_many",
        Err(Refused::Unavailable) => "unavailable",
    }
}
