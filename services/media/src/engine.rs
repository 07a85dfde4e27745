//! What an engine is to the service: it carries sound between sessions, and lets through only who was let.

use std::{future::Future, sync::Arc};

use gochat_domain::{Entry, RoomId, Uid};
use gochat_proto::media::{IceServer, create_session_response};
use tokio::sync::watch;

/// Somebody's media in a room: of one entry, as streams are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    pub room: RoomId,
    pub uid: Uid,
    pub entry: Entry,
}

/// Why no session was opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// What was offered can't be answered; says why in words that are the offerer's to read.
    #[error("bad offer: {0}")]
    Offer(&'static str),
    /// As many sessions as the engine takes, or offers as this user may make.
    #[error("too many sessions or offers")]
    TooMany,
    /// The engine, or the provider behind it, can't be reached.
    #[error("the engine is not available")]
    Unavailable,
}

/// Who can be heard in a room, and where; the loudest first of those who speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub uid: Uid,
    pub slot: Option<u32>,
    pub speaking: bool,
}

/// Carries a room's sound. Everybody's gate is shut until it is opened; what a client sends decides nothing.
pub(crate) trait MediaEngine: Send + Sync + 'static {
    /// As the contract calls it.
    const NAME: &'static str;

    /// Opens a session with its gate shut. One that the same user has in the room ends.
    fn create_session(
        &self,
        place: Place,
        offer: String,
    ) -> impl Future<Output = Result<create_session_response::Result, Refused>> + Send;

    /// Ends a session of this user's, by its id; one that is not there is no error.
    fn end_session(&self, room: RoomId, uid: Uid, session: &str) -> impl Future<Output = ()> + Send;

    /// Lets a user's sound through, or no longer, from now on. Of no effect for one who has no session of that entry.
    fn set_gate(&self, place: Place, open: bool) -> impl Future<Output = ()> + Send;

    /// Ends the session of somebody whose stay ended.
    fn end_stay(&self, place: Place) -> impl Future<Output = ()> + Send;

    /// Ends all that a room has.
    fn end_room(&self, room: RoomId) -> impl Future<Output = ()> + Send;

    /// Gives a room up to another node: as its end, unless the sound doesn't go through this one.
    fn leave_room(&self, room: RoomId) -> impl Future<Output = ()> + Send {
        self.end_room(room)
    }

    /// Who has a session in a room, and whether its gate is open; for reconciling.
    fn sessions(&self, room: RoomId) -> impl Future<Output = Vec<(Place, bool)>> + Send;

    /// Who can be heard, as it changes; at most every 300 ms. Nobody, in a room that has no sessions yet or no
    /// longer; should the sender go, it is asked for anew.
    fn speakers(&self, room: RoomId) -> watch::Receiver<Arc<[Heard]>>;

    /// For a client's RTCPeerConnection.
    fn ice_servers(&self, uid: Uid) -> Vec<IceServer>;

    /// How many can be heard at once.
    fn slots(&self) -> u32;
}
