//! The stream of who speaks in a room: no task of its own, and a reader that doesn't read costs nothing, since it
//! is given what holds when it reads.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{Stream, stream};
use gochat_domain::{Entry, Refusal, RoomId, Uid};
use gochat_proto::media::{
    Elsewhere, MediaEnded, MediaEndedReason, Speaker, Speakers, WatchSpeakersResponse,
    watch_speakers_response::Update,
};
use gochat_store::{Error, Store};
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use tonic::Status;

use crate::{
    endings::Ending,
    engine::{Heard, MediaEngine},
    meters::Watching,
    rooms::Rooms,
};

/// How often it is looked whether the watcher is still in the room, and the room here. What happens in a room that
/// has sessions here is told at once.
const LOOK: Duration = Duration::from_secs(5);
/// Streams that one user may have open on this node.
const PER_USER: u32 = 4;

/// Who watches: a user, by its entry into the room, or a service of ours.
pub(crate) type Watcher = Option<(Uid, Entry)>;

/// One stream.
pub(crate) struct Watch<E> {
    rooms: Rooms<E>,
    store: Store,
    room: RoomId,
    watcher: Watcher,
    heard: watch::Receiver<Arc<[Heard]>>,
    ending: Ending,
    look: Interval,
    over: bool,
    _watching: Watching,
}

impl<E: MediaEngine> Watch<E> {
    pub(crate) fn new(rooms: Rooms<E>, store: Store, room: RoomId, watcher: Watcher) -> Self {
        let mut heard = rooms.engine().speakers(room);
        heard.mark_changed();
        let ending = rooms.endings().of(room);
        let mut look = interval_at(Instant::now() + LOOK, LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { rooms, store, room, watcher, heard, ending, look, over: false, _watching: Watching::new() }
    }

    /// The stream that the watcher reads. It has its seat as long as it is open.
    pub(crate) fn into_stream(
        self,
        seat: Seat,
    ) -> impl Stream<Item = Result<WatchSpeakersResponse, Status>> + Send {
        stream::unfold((self, seat), |(mut watch, seat)| async move {
            let update = watch.next().await?;
            Some((Ok(WatchSpeakersResponse { update: Some(update) }), (watch, seat)))
        })
    }

    async fn next(&mut self) -> Option<Update> {
        while !self.over {
            let closed = self.heard.has_changed().is_err();
            let reason = tokio::select! {
                reason = self.ending.told() => Some(reason),
                () = self.rooms.left() => Some(MediaEndedReason::Moved),
                changed = self.heard.changed(), if !closed => {
                    if changed.is_ok() {
                        return Some(Update::Speakers(speakers(&self.heard.borrow_and_update())));
                    }
                    None
                }
                _ = self.look.tick() => {
                    if closed {
                        self.heard = self.rooms.engine().speakers(self.room);
                        self.heard.mark_changed();
                    }
                    self.look().await
                }
            };
            if let Some(reason) = reason {
                self.over = true;
                return Some(Update::Ended(MediaEnded { reason: reason.into() }));
            }
        }
        None
    }

    /// Why there is no more to watch, if that is so. Where Redis doesn't say, it is asked again.
    async fn look(&self) -> Option<MediaEndedReason> {
        let present = match self.watcher {
            Some((uid, entry)) => self.store.entry_in(self.room, uid).await.map(|now| now == entry),
            None => self.store.is_open(self.room).await.map(|()| true),
        };
        match present {
            Ok(true) => {}
            Ok(false) | Err(Error::Refused(Refusal::NotInRoom)) => return Some(MediaEndedReason::Left),
            Err(Error::Refused(_)) => return Some(MediaEndedReason::RoomClosed),
            Err(_) => return None,
        }
        let elsewhere = self.rooms.elsewhere(self.room).await.ok().flatten();
        elsewhere.map(|_| MediaEndedReason::Moved)
    }
}

/// The only word of a stream about a room that another node has.
pub(crate) fn elsewhere(node: Elsewhere) -> impl Stream<Item = Result<WatchSpeakersResponse, Status>> + Send {
    stream::iter([Ok(WatchSpeakersResponse { update: Some(Update::Elsewhere(node)) })])
}

fn speakers(heard: &[Heard]) -> Speakers {
    let speaker =
        |heard: &Heard| Speaker { uid: heard.uid.get(), slot: heard.slot, speaking: heard.speaking };
    Speakers { speakers: heard.iter().map(speaker).collect() }
}

/// Counts the streams of each user. Clones are one and the same.
#[derive(Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<HashMap<Uid, u32>>>);

/// A stream's place among its user's; given back when it is dropped. A service's is counted nowhere.
pub(crate) struct Seat(Option<(Uid, Seats)>);

impl Seats {
    /// None where the user has all it may.
    pub(crate) fn take(&self, watcher: Watcher) -> Option<Seat> {
        let Some((uid, _)) = watcher else { return Some(Seat(None)) };
        let mut taken = self.lock();
        let of_user = taken.entry(uid).or_default();
        if *of_user >= PER_USER {
            return None;
        }
        *of_user += 1;
        Some(Seat(Some((uid, self.clone()))))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uid, u32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some((uid, seats)) = &self.0 else { return };
        let mut taken = seats.lock();
        if let Some(of_user) = taken.get_mut(uid) {
            *of_user -= 1;
        }
        if taken.get(uid) == Some(&0) {
            taken.remove(uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_so_many_seats_and_a_service_any_number() {
        let (seats, watcher) = (Seats::default(), Some((Uid::try_from(7).unwrap(), Entry(1))));
        let mut taken: Vec<_> = (0..PER_USER).map(|_| seats.take(watcher).unwrap()).collect();
        assert!(seats.take(watcher).is_none());
        assert!((0..100).all(|_| seats.take(None).is_some()));
        taken.pop();
        assert!(seats.take(watcher).is_some());
        drop(taken);
        assert!(seats.lock().is_empty());
    }
}
