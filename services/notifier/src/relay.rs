//! A room's frames on one core: heard once from the room's view, and handed to all sessions
//! that are served there, so that they wake without leaving their core.

use std::{
    collections::HashMap,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures::{FutureExt, future::FusedFuture};
use gochat_chassis::Shutdown;
use gochat_domain::RoomId;
use tokio::sync::broadcast::{Receiver, Sender, WeakSender, error::RecvError};
use tokio_util::task::AbortOnDropHandle;

use crate::view::Frame;

/// The relays of one core. A relay lives as long as a session listens to it.
pub(crate) struct Relays {
    by_room: Mutex<HashMap<RoomId, Weak<Relay>>>,
    shutdown: Shutdown,
}

/// One room's relay.
pub(crate) struct Relay {
    /// Its task holds the sender: when that ends, so does what is received.
    frames: WeakSender<Frame>,
    _task: AbortOnDropHandle<()>,
}

/// A room's frames as one session hears them.
pub(crate) struct Frames {
    receiver: Receiver<Frame>,
    _relay: Arc<Relay>,
}

impl Frames {
    /// The next frame, unless the session fell behind, or the view has ended: then it has to
    /// ask where to begin.
    pub(crate) async fn next(&mut self) -> Result<Frame, RecvError> {
        self.receiver.recv().await
    }
}

impl Relays {
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        Self { by_room: Mutex::default(), shutdown }
    }

    /// Listens to a room on this core: `room` is its view's, `queue` makes one for this core.
    pub(crate) fn listen(
        &self,
        id: RoomId,
        room: &Sender<Frame>,
        queue: impl FnOnce() -> Sender<Frame>,
    ) -> Frames {
        let mut relays = self.lock();
        let there = relays.get(&id).and_then(Weak::upgrade);
        if let Some((relay, frames)) = there.and_then(|relay| Some((relay.clone(), relay.frames.upgrade()?)))
        {
            return Frames { receiver: frames.subscribe(), _relay: relay };
        }
        relays.retain(|_, relay| relay.strong_count() > 0);
        let queue = queue();
        let (receiver, frames) = (queue.subscribe(), queue.downgrade());
        let relaying = relay(room.subscribe(), queue, self.shutdown.clone());
        let task = AbortOnDropHandle::new(tokio::spawn(relaying));
        let relay = Arc::new(Relay { frames, _task: task });
        relays.insert(id, Arc::downgrade(&relay));
        Frames { receiver, _relay: relay }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Weak<Relay>>> {
        self.by_room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands frames on until the view ends, or this relay falls behind: then all of its sessions
/// ask where to begin.
async fn relay(mut room: Receiver<Frame>, sessions: Sender<Frame>, shutdown: Shutdown) {
    let mut draining = pin!(shutdown.triggered().fuse());
    loop {
        let frame = tokio::select! {
            frame = room.recv() => match frame {
                Ok(frame) => frame,
                Err(_) => return,
            },
            // Who listens from now on sees the shutdown by itself.
            () = &mut draining, if !draining.is_terminated() => Frame::Draining,
        };
        // Nobody may be there to be told.
        let _ = sessions.send(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Sender<Frame> {
        Sender::new(8)
    }

    #[tokio::test]
    async fn a_room_is_heard_once_on_a_core_and_by_all_its_sessions() {
        let (relays, room, id) = (Relays::new(Shutdown::new()), queue(), RoomId::from_number(1));
        let mut first = relays.listen(id, &room, queue);
        let mut second = relays.listen(id, &room, queue);
        assert_eq!(room.receiver_count(), 1);
        room.send(Frame::Gone).unwrap();
        assert!(matches!(first.next().await, Ok(Frame::Gone)));
        assert!(matches!(second.next().await, Ok(Frame::Gone)));
        drop((first, second));
        while room.receiver_count() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn sessions_ask_again_when_the_view_ends_and_when_the_relay_falls_behind() {
        let (relays, id) = (Relays::new(Shutdown::new()), RoomId::from_number(1));
        let room = Sender::new(2);
        let mut frames = relays.listen(id, &room, queue);
        (0..4).for_each(|_| drop(room.send(Frame::Gone)));
        assert_eq!(frames.next().await.unwrap_err(), RecvError::Closed, "nothing is passed over");
        let mut again = relays.listen(id, &room, queue);
        drop(room);
        assert_eq!(again.next().await.unwrap_err(), RecvError::Closed);
    }

    #[tokio::test]
    async fn the_end_of_the_node_is_told_once() {
        let (shutdown, room, id) = (Shutdown::new(), queue(), RoomId::from_number(1));
        let mut frames = Relays::new(shutdown.clone()).listen(id, &room, queue);
        shutdown.trigger();
        assert!(matches!(frames.next().await, Ok(Frame::Draining)));
        room.send(Frame::Gone).unwrap();
        assert!(matches!(frames.next().await, Ok(Frame::Gone)));
    }
}
