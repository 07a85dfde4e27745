//! `NotifierService`: Subscribe reads its request, finds the room's view, begins a session.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{FutureExt, Stream, future::BoxFuture};
use gochat_chassis::{Caller, Shutdown};
use gochat_domain::{Refusal, RoomId, Uid};
use gochat_proto::{
    model,
    notifier::{Roster, SubscribeRequest, notifier_service_server::SERVICE_NAME},
    parse::{field, resume_token},
};
use gochat_store::{Error, Mechanisms};
use tonic::{
    Request, Response, Status,
    body::Body,
    codegen::{Service, http},
    server::{Grpc, NamedService, ServerStreamingService},
};

use crate::{
    hub::Hub,
    ready::{Ready, ReadyCodec},
    session::Session,
    stream::{Feeding, Pace},
    streams::Streams,
    view::{Ask, Joined},
};

/// What every Subscribe needs.
pub(crate) struct Notifier {
    pub hub: Hub,
    pub streams: Streams,
    pub pace: Pace,
    pub mechanisms: Mechanisms,
    pub roster_limit: u32,
    pub shutdown: Shutdown,
}

impl Notifier {
    async fn subscribe(&self, request: Request<SubscribeRequest>) -> Result<Response<Frames>, Status> {
        let uid = Caller::of(&request).subject().map(|uid| field("uid", &uid)).transpose()?;
        let asked = request.into_inner();
        let room = field("room_id", asked.room_id.as_str())?;
        let token = resume_token(&asked.resume_token)?;
        let place = self.streams.admit(room, uid.map(Uid::get))?;
        let feeding = self.begin(room, uid, token, &asked).await?;
        Ok(Response::new(Box::pin(feeding.into_stream(place))))
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
        let (joined, frames) = self.hub.join(room, |answer| Ask { token, min, uid, answer }).await?;
        let (missed, base) = match joined {
            Joined::Resumed(missed, base) => (Some(missed), base),
            Joined::Anew(base) => (None, base),
            Joined::Gone => return Err(Refusal::RoomNotFound.into()),
            Joined::Unavailable => return Err(Error::Unavailable("no answer in time".to_owned())),
        };
        let imposed = base.view.room.member_count > self.roster_limit;
        let only_stage = imposed || asked.roster() == Roster::Stage;
        let mut session = Session::new(self.mechanisms, uid, &base, only_stage).ok_or(Refusal::NotInRoom)?;
        match (missed, token) {
            (Some(missed), Some(token)) if holds_stage(asked) == only_stage => {
                session.resume(token, &missed, &base);
            }
            _ => session.begin(&base),
        }
        Ok(Feeding::new((self.hub.clone(), room, uid), session, frames, self.pace, &self.shutdown))
    }
}

/// Whether what the token's stream was about leaves listeners out: what somebody holds who has
/// not been told of listeners can't be made whole by what happens next.
fn holds_stage(asked: &SubscribeRequest) -> bool {
    let held = if asked.held() == Roster::Unspecified { asked.roster() } else { asked.held() };
    held == Roster::Stage
}

type Frames = Pin<Box<dyn Stream<Item = Result<Ready, Status>> + Send>>;

/// The service as tonic serves it, with the codec that writes ready bytes: the generated one
/// would encode each frame for each subscriber.
#[derive(Clone)]
pub(crate) struct NotifierService(Arc<Notifier>);

impl NotifierService {
    pub(crate) fn new(notifier: Notifier) -> Self {
        Self(Arc::new(notifier))
    }
}

impl NamedService for NotifierService {
    const NAME: &'static str = SERVICE_NAME;
}

impl ServerStreamingService<SubscribeRequest> for NotifierService {
    type Response = Ready;
    type ResponseStream = Frames;
    type Future = BoxFuture<'static, Result<Response<Frames>, Status>>;

    fn call(&mut self, request: Request<SubscribeRequest>) -> Self::Future {
        let notifier = self.0.clone();
        async move { notifier.subscribe(request).await }.boxed()
    }
}

impl Service<http::Request<Body>> for NotifierService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let service = self.clone();
        let path = request.uri().path();
        if path.strip_prefix('/').and_then(|path| path.strip_prefix(SERVICE_NAME)) != Some("/Subscribe") {
            let unknown = Status::unimplemented("no such method").into_http();
            return async move { Ok(unknown) }.boxed();
        }
        async move { Ok(Grpc::new(ReadyCodec).server_streaming(service, request).await) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_what_was_asked_for_unless_it_is_said() {
        let held = |roster: Roster, held: Roster| {
            holds_stage(&SubscribeRequest { roster: roster.into(), held: held.into(), ..Default::default() })
        };
        assert!(!held(Roster::Unspecified, Roster::Unspecified) && !held(Roster::All, Roster::Unspecified));
        assert!(held(Roster::Stage, Roster::Unspecified));
        assert!(held(Roster::All, Roster::Stage), "it had been imposed");
        assert!(!held(Roster::Stage, Roster::All));
    }
}
