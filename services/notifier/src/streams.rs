//! How many streams are open on this node, by user and by room, and when one more is too many.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gochat_domain::RoomId;
use gochat_proto::{model::Refusal, status};
use tonic::Status;

/// Counts the streams of this node. Clones are one and the same.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    per_user: u32,
    per_room: u32,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    users: HashMap<u32, u32>,
    rooms: HashMap<RoomId, u32>,
}

/// A stream's place among those that are open; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: RoomId,
    uid: Option<u32>,
    open: Arc<Mutex<Open>>,
}

impl Streams {
    pub(crate) fn new(per_user: u32, per_room: u32) -> Self {
        Self { per_user, per_room, open: Arc::default() }
    }

    /// A place for one more; RESOURCE_EXHAUSTED where the user, or the room, has all it may. Who looks on is no user.
    #[allow(clippy::result_large_err, reason = "what a handler answers is tonic's")]
    pub(crate) fn admit(&self, room: RoomId, uid: Option<u32>) -> Result<Place, Status> {
        let mut open = lock(&self.open);
        let of_user = uid.and_then(|uid| open.users.get(&uid)).copied().unwrap_or_default();
        let of_room = open.rooms.get(&room).copied().unwrap_or_default();
        if of_user >= self.per_user || of_room >= self.per_room {
            metrics::counter!("gochat_streams_refused_total").increment(1);
            tracing::info!(%room, uid, of_user, of_room, "one stream too many");
            let whose = if of_user >= self.per_user { "this user" } else { "this room" };
            return Err(status::refuse(Refusal::TooMany, format!("{whose} has too many streams")));
        }
        if let Some(uid) = uid {
            *open.users.entry(uid).or_default() += 1;
        }
        *open.rooms.entry(room).or_default() += 1;
        Ok(Place { room, uid, open: self.open.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = lock(&self.open);
        if let Some(uid) = self.uid {
            give_back(&mut open.users, uid);
        }
        give_back(&mut open.rooms, self.room);
    }
}

/// What nobody has is not kept.
fn give_back<K: Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

fn lock(open: &Mutex<Open>) -> MutexGuard<'_, Open> {
    open.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn room(id: &str) -> RoomId {
        id.parse().unwrap()
    }

    #[test]
    fn a_user_has_so_many_streams_and_a_place_that_is_given_back_is_anothers() {
        let (streams, here) = (Streams::new(2, 100), room("100000001"));
        let first = streams.admit(here, Some(7)).unwrap();
        let _second = streams.admit(room("100000002"), Some(7)).unwrap();
        let refused = streams.admit(here, Some(7)).unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(status::refusal(&refused), Some(Refusal::TooMany));
        let _other = streams.admit(here, Some(8)).unwrap();
        drop(first);
        streams.admit(here, Some(7)).unwrap();
    }

    #[test]
    fn a_room_has_so_many_streams_those_of_onlookers_included() {
        let (streams, here) = (Streams::new(2, 3), room("100000001"));
        let _open: Vec<_> =
            [Some(1), None, None].into_iter().map(|uid| streams.admit(here, uid).unwrap()).collect();
        assert_eq!(streams.admit(here, None).unwrap_err().code(), Code::ResourceExhausted);
        streams.admit(room("100000002"), None).unwrap();
    }

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let streams = Streams::new(2, 3);
        drop([
            streams.admit(room("100000001"), Some(1)).unwrap(),
            streams.admit(room("100000001"), None).unwrap(),
        ]);
        let open = lock(&streams.open);
        assert!(open.users.is_empty() && open.rooms.is_empty());
    }
}
