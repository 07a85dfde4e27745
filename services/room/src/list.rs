//! The list of open rooms, rebuilt at most once a second however many poll it.

use std::{sync::Arc, time::Duration};

use gochat_domain::Uid;
use gochat_proto::model::Room;
use gochat_store::{Error, Store};
use tokio::{sync::Mutex, time::Instant};

/// How old the newest rooms may be.
const FRESH: Duration = Duration::from_secs(1);
/// How many of the newest rooms are kept at hand: the largest page.
const NEWEST: usize = 1_000;

/// The newest rooms, as they were at most a second ago.
pub(crate) struct RoomList {
    store: Store,
    newest: Mutex<Option<(Instant, Arc<Vec<Room>>)>>,
}

impl RoomList {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, newest: Mutex::new(None) }
    }

    /// A page of rooms created by then, newest first, and whether there are more. The
    /// first page always holds the caller's own room.
    pub(crate) async fn page(
        &self,
        caller: Option<Uid>,
        created_until: Option<i64>,
        size: usize,
    ) -> Result<(Vec<Room>, bool), Error> {
        let mut rooms = match created_until {
            Some(until) => self.store.rooms(Some(until), size + 1).await?,
            None => self.newest_with_own(caller).await?,
        };
        let more = rooms.len() > size;
        rooms.truncate(size);
        Ok((rooms, more))
    }

    async fn newest_with_own(&self, caller: Option<Uid>) -> Result<Vec<Room>, Error> {
        let mut rooms = self.newest().await?.to_vec();
        let Some(caller) = caller else { return Ok(rooms) };
        let Some(held) = self.store.room_held(caller).await? else { return Ok(rooms) };
        let held_id = held.to_string();
        if rooms.iter().any(|room| room.room_id == held_id) {
            return Ok(rooms);
        }
        if let Ok(own) = self.store.room(held).await {
            let at = rooms.partition_point(|room| room.created_at > own.room.created_at);
            rooms.insert(at, own.room);
        }
        Ok(rooms)
    }

    /// Who comes while it is being rebuilt waits for that, instead of rebuilding it too.
    async fn newest(&self) -> Result<Arc<Vec<Room>>, Error> {
        let mut newest = self.newest.lock().await;
        if let Some((at, rooms)) = &*newest
            && at.elapsed() < FRESH
        {
            return Ok(rooms.clone());
        }
        let rooms = Arc::new(self.store.rooms(None, NEWEST + 1).await?);
        *newest = Some((Instant::now(), rooms.clone()));
        Ok(rooms)
    }
}
