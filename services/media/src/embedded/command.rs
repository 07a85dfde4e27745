//! What a media thread is told to do.

use gochat_domain::{RoomId, Uid};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::offer::Agreed;
use crate::engine::{Place, Refused};

/// An order to a media thread. Each is answered when it is done: what is forbidden then isn't heard any more.
pub(super) enum Command {
    /// Takes in a session, with its gate shut. The user's former one in the room ends.
    Join {
        place: Place,
        agreed: Box<Agreed>,
        counted: OwnedSemaphorePermit,
        done: oneshot::Sender<Result<(), Refused>>,
    },
    /// Opens or shuts a gate.
    Gate { place: Place, open: bool, done: oneshot::Sender<()> },
    /// Ends a session.
    End { room: RoomId, uid: Uid, which: Which, done: oneshot::Sender<()> },
    /// Ends all of a room's.
    EndRoom { room: RoomId, done: oneshot::Sender<()> },
    /// Asks who has a session, and whether its gate is open.
    Sessions { room: RoomId, done: oneshot::Sender<Vec<(Place, bool)>> },
}

/// Which of a user's sessions is meant: another one stays.
pub(super) enum Which {
    /// The one with this id.
    Session(String),
    /// The one of this stay.
    Stay(gochat_domain::Entry),
}
