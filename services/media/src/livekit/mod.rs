//! The LiveKit engine: sound goes by a LiveKit deployment, where this process says who may publish.

mod api;
mod args;
mod identity;
mod keys;
mod meters;
mod plan;
mod room;
#[cfg(test)]
mod tests;
mod webhook;
mod wire;

use std::{
    collections::HashMap,
    convert::Infallible,
    future::pending,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use anyhow::Context;
use gochat_chassis::{
    ConnectionArgs, Shutdown,
    http::{HttpArgs, serve_beside},
};
use gochat_domain::{RoomId, Uid};
use gochat_proto::media::{IceServer, Provider, create_session_response};
use tokio::{net::TcpListener, sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;

pub use self::args::LiveKitArgs;
use self::{
    api::Api,
    args::Settings,
    identity::Identity,
    keys::{Keys, now},
    plan::Plan,
    room::{Pace, Room, Work},
    wire::Webhook,
};
use crate::{
    embedded::Boards,
    engine::{Heard, MediaEngine, Place, Refused},
};

/// What clients are told the provider to be.
const KIND: &str = <LiveKit as MediaEngine>::NAME;
/// How long a call to the API may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Rooms that may be seen to at a time on this node.
const MOST_ROOMS: usize = 20_000;
/// How long clients of the webhook listener may take, and how many at a time.
const HTTP: HttpArgs = HttpArgs {
    header_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(60),
    max_in_flight: 64,
};
/// LiveKit mixes nothing and drops nobody: all who may speak are heard.
const SLOTS: u32 = u32::MAX;

/// The engine. Clones are one and the same; with the last, all rooms are left as they are.
#[derive(Clone)]
pub(crate) struct LiveKit(Arc<Inner>);

struct Inner {
    url: String,
    api: Arc<Api>,
    keys: Arc<Keys>,
    pace: Pace,
    boards: Boards,
    rooms: Mutex<HashMap<RoomId, Kept>>,
}

/// A room, and its task.
struct Kept {
    room: Arc<Room>,
    _task: AbortOnDropHandle<()>,
}

impl LiveKit {
    /// Connects to nothing yet. Needs a Tokio runtime later on.
    ///
    /// # Errors
    /// Where the arguments don't do.
    pub(crate) fn new(args: &LiveKitArgs) -> anyhow::Result<Self> {
        Self::with(args.read()?, Pace::default(), PATIENCE)
    }

    fn with(Settings { url, api, keys }: Settings, pace: Pace, patience: Duration) -> anyhow::Result<Self> {
        let keys = Arc::new(keys);
        let api = Api::new(api, keys.clone(), patience)?.into();
        let (boards, rooms) = (Boards::default(), Mutex::default());
        Ok(Self(Inner { url, api, keys, pace, boards, rooms }.into()))
    }

    /// Takes webhooks at `listen`, if it is said, until the shutdown, and then waits for ever.
    ///
    /// # Errors
    /// Where that can't be listened on, or mustn't in plain text.
    pub(crate) async fn webhooks(
        self,
        listen: Option<SocketAddr>,
        connections: &ConnectionArgs,
        shutdown: Shutdown,
    ) -> anyhow::Result<Infallible> {
        if let Some(listen) = listen {
            let listener = TcpListener::bind(listen).await.with_context(|| {
                format!("cannot listen on {listen}; set GOCHAT_LIVEKIT_WEBHOOK_LISTEN to another address")
            })?;
            tracing::info!(listen = ?listener.local_addr().ok(), "listening for livekit's webhooks");
            self.take_webhooks(listener, connections, shutdown).await?;
        }
        pending().await
    }

    async fn take_webhooks(
        self,
        listener: TcpListener,
        connections: &ConnectionArgs,
        shutdown: Shutdown,
    ) -> anyhow::Result<()> {
        let router = webhook::router(self);
        serve_beside("livekit webhooks", listener, (connections, &HTTP), router, shutdown).await
    }

    fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// Looks at the room that a webhook is about, if there is reason to.
    fn told(&self, webhook: Webhook) {
        let Some(room) = webhook.room().and_then(|name| name.parse().ok()) else { return };
        let Some(room) = self.room(room) else { return };
        let is_news = match webhook.participant() {
            Some(Some(participant)) => room.plan().is_news(&participant),
            // Not one that is seen to here.
            Some(None) => false,
            None => true,
        };
        if is_news {
            room.tell(Plan::ask_to_look);
        }
    }

    fn room(&self, id: RoomId) -> Option<Arc<Room>> {
        self.rooms().get(&id).map(|kept| kept.room.clone())
    }

    /// Changes a room's plan, beginning with the room if need be.
    fn begin(&self, id: RoomId, change: impl FnOnce(&mut Plan)) -> Result<(), Refused> {
        let mut rooms = self.rooms();
        if rooms.len() >= MOST_ROOMS && !rooms.contains_key(&id) {
            return Err(Refused::TooMany);
        }
        let kept = rooms.entry(id).or_insert_with(|| {
            let room = Arc::new(Room::new(id, self.0.boards.of(id)));
            let work = Work::new(room.clone(), self.0.api.clone(), self.0.pace);
            let inner = Arc::downgrade(&self.0);
            let task = tokio::spawn(work.run(move || forget(&inner, id)));
            Kept { room, _task: AbortOnDropHandle::new(task) }
        });
        // While the rooms are locked, so that none is forgotten that somebody comes to.
        kept.room.tell(change);
        Ok(())
    }

    /// Changes the plan of a room that is seen to.
    fn tell(&self, id: RoomId, change: impl FnOnce(&mut Plan)) {
        if let Some(room) = self.room(id) {
            room.tell(change);
        }
    }

    fn rooms(&self) -> MutexGuard<'_, HashMap<RoomId, Kept>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets a room, unless there is something to see to after all.
fn forget(inner: &Weak<Inner>, id: RoomId) -> bool {
    let Some(inner) = inner.upgrade() else { return true };
    let mut rooms = inner.rooms.lock().unwrap_or_else(PoisonError::into_inner);
    let is_over = rooms.get(&id).is_none_or(|kept| kept.room.plan().is_over());
    if is_over {
        rooms.remove(&id);
    }
    is_over
}

impl MediaEngine for LiveKit {
    const NAME: &'static str = "livekit";

    /// What is offered isn't looked at: clients and LiveKit agree among themselves.
    async fn create_session(
        &self,
        place: Place,
        _offer: String,
    ) -> Result<create_session_response::Result, Refused> {
        // Where that can't be done, nobody could be silenced either.
        if let Err(failed) = self.0.api.open(&place.room.to_string()).await {
            tracing::warn!(room = %place.room, %failed, "livekit has no room for a session");
            return Err(Refused::Unavailable);
        }
        let identity = Identity::draw(place);
        self.begin(place.room, |plan| plan.admit(identity, Instant::now()))?;
        let (token, expires_at) = self.keys().admission(place.room, identity, now());
        let (kind, url) = (KIND.to_owned(), self.0.url.clone());
        Ok(create_session_response::Result::Provider(Provider { kind, url, token, expires_at }))
    }

    /// A session's id is the identity in its token.
    async fn end_session(&self, room: RoomId, uid: Uid, session: &str) {
        let Ok(session) = session.parse::<Identity>() else { return };
        self.tell(room, |plan| plan.end(uid, |own| own == session, Instant::now()));
    }

    async fn set_gate(&self, place: Place, open: bool) {
        self.tell(place.room, |plan| plan.set_gate(place.uid, place.entry, open));
    }

    async fn end_stay(&self, place: Place) {
        self.tell(place.room, |plan| plan.end(place.uid, |own| own.entry == place.entry, Instant::now()));
    }

    async fn end_room(&self, room: RoomId) {
        self.tell(room, |plan| plan.end_all(Instant::now()));
    }

    /// Its sound goes on; another node says who may publish.
    async fn leave_room(&self, room: RoomId) {
        self.rooms().remove(&room);
    }

    async fn sessions(&self, room: RoomId) -> Vec<(Place, bool)> {
        self.room(room).map(|kept| kept.plan().sessions(room)).unwrap_or_default()
    }

    /// LiveKit tells clients itself who speaks, and nobody else.
    fn speakers(&self, room: RoomId) -> watch::Receiver<Arc<[Heard]>> {
        self.0.boards.of(room).subscribe()
    }

    /// LiveKit tells clients itself.
    fn ice_servers(&self, _: Uid) -> Vec<IceServer> {
        Vec::new()
    }

    fn slots(&self) -> u32 {
        SLOTS
    }
}
