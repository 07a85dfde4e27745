//! Who watches a room is told when the room's media ends here, and why.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gochat_domain::RoomId;
use gochat_proto::media::MediaEndedReason;
use tokio::sync::watch;

type Ends = HashMap<RoomId, watch::Sender<Option<MediaEndedReason>>>;

/// The rooms that somebody watches. Clones are one and the same.
#[derive(Clone, Default)]
pub(crate) struct Endings(Arc<Mutex<Ends>>);

/// Waits for the end of one room's media.
pub(crate) struct Ending {
    room: RoomId,
    told: watch::Receiver<Option<MediaEndedReason>>,
    endings: Endings,
}

impl Endings {
    pub(crate) fn of(&self, room: RoomId) -> Ending {
        let told = self.lock().entry(room).or_insert_with(|| watch::Sender::new(None)).subscribe();
        Ending { room, told, endings: self.clone() }
    }

    /// Tells all who watch a room; whoever comes later is not told of it.
    pub(crate) fn tell(&self, room: RoomId, reason: MediaEndedReason) {
        if let Some(sender) = self.lock().remove(&room) {
            sender.send_replace(Some(reason));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ending {
    /// Returns the reason once there is one. Safe to cancel.
    pub(crate) async fn told(&mut self) -> MediaEndedReason {
        // The sender goes only after it has told.
        let told = self.told.wait_for(Option::is_some).await;
        told.ok().and_then(|reason| *reason).unwrap_or(MediaEndedReason::Moved)
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut ends = self.endings.lock();
        let untold = self.told.has_changed().is_ok();
        // This one is still counted.
        if untold && ends.get(&self.room).is_some_and(|sender| sender.receiver_count() <= 1) {
            ends.remove(&self.room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_watch_are_told_and_forgotten() {
        let (endings, room) = (Endings::default(), RoomId::from_number(1));
        let (mut first, second) = (endings.of(room), endings.of(room));
        drop(second);
        endings.tell(room, MediaEndedReason::RoomClosed);
        let mut later = endings.of(room);
        assert_eq!(first.told().await, MediaEndedReason::RoomClosed);
        drop(first);
        endings.tell(room, MediaEndedReason::Left);
        assert_eq!(later.told().await, MediaEndedReason::Left);
        drop(endings.of(room));
        assert!(endings.lock().is_empty());
    }
}
