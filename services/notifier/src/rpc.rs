//! `NotifierService`: Subscribe reads its request, finds the room's view, begins a session.

use std::pin::Pin;

use futures::Stream;
use gochat_chassis::{Caller, Shutdown};
use gochat_domain::{Refusal, RoomId, Uid};
use gochat_proto::{
    model,
    notifier::{Roster, SubscribeRequest, SubscribeResponse, notifier_service_server::NotifierService},
    parse::{field, resume_token},
};
use gochat_store::Error;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    hub::Hub,
    session::Session,
    stream::{Feeding, Pace},
    view::{Ask, Joined},
};

/// The service.
pub(crate) struct Notifier {
    hub: Hub,
    pace: Pace,
    roster_limit: u32,
    shutdown: Shutdown,
}

impl Notifier {
    pub(crate) fn new(hub: Hub, pace: Pace, roster_limit: u32, shutdown: Shutdown) -> Self {
        Self { hub, pace, roster_limit, shutdown }
    }

    /// Begins a stream: with what was missed where the token's place is at hand, else with
    /// a snapshot.
    async fn begin(
        &self,
        room: RoomId,
        uid: Option<Uid>,
        token: Option<model::Place>,
        asked: &SubscribeRequest,
    ) -> Result<Feeding, Error> {
        let (min, uid) = (asked.min, uid.map(Uid::get));
        let joined = self.hub.join(room, |answer| Ask { token, min, uid, answer }).await?;
        let (missed, base, frames) = match joined {
            Joined::Resumed(missed, base, frames) => (Some(missed), base, frames),
            Joined::Anew(base, frames) => (None, base, frames),
            Joined::Gone => return Err(Refusal::RoomNotFound.into()),
            Joined::Unavailable => return Err(Error::Unavailable("no answer in time".to_owned())),
        };
        let only_stage = asked.roster() == Roster::Stage || base.view.room.member_count > self.roster_limit;
        let mut session = Session::new(uid, &base, only_stage).ok_or(Refusal::NotInRoom)?;
        match (missed, token) {
            (Some(missed), Some(token)) => session.resume(token, &missed),
            _ => session.begin(&base),
        }
        Ok(Feeding::new(self.hub.clone(), room, uid, session, frames, self.pace, self.shutdown.clone()))
    }
}

#[async_trait]
impl NotifierService for Notifier {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<SubscribeResponse, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let uid = Caller::of(&request).subject().map(|uid| field("uid", &uid)).transpose()?;
        let asked = request.into_inner();
        let room = field("room_id", asked.room_id.as_str())?;
        let token = resume_token(&asked.resume_token)?;
        let feeding = self.begin(room, uid, token, &asked).await?;
        Ok(Response::new(Box::pin(feeding.into_stream())))
    }
}
