//! The rooms that this node streams: one view for each, however many follow it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gochat_chassis::Shutdown;
use gochat_domain::RoomId;
use gochat_store::{Error, Mechanism, Mechanisms, Result, Store};
use tokio::{
    runtime::Handle,
    sync::{broadcast, mpsc, oneshot},
    time::{MissedTickBehavior, interval},
};

use crate::{
    meters::Longest,
    relay::{Frames, Relays},
    room::{Held, Order, Room},
    view::{Ask, Frame, Joined, frames},
};

/// Subscribers that wait for one view to answer.
const WAITING: usize = 1_024;
/// How often a view that is just ending is asked anew.
const TRIES: usize = 3;
/// How often all views are compared with Redis.
const COMPARE: Duration = Duration::from_secs(2);

/// The views of this node.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Inner>);

struct Inner {
    store: Store,
    mechanisms: Mechanisms,
    /// Where views run, whoever asks for them.
    node: Handle,
    rooms: Mutex<HashMap<RoomId, Entry>>,
    /// By core.
    relays: Vec<Relays>,
}

/// A room's view, as others reach it.
#[derive(Clone)]
struct Entry {
    orders: mpsc::Sender<Order>,
    frames: broadcast::Sender<Frame>,
    held: Held,
}

impl Hub {
    /// Runs views on the runtime that this is called on, for sessions on so many cores.
    pub(crate) fn new(store: Store, mechanisms: Mechanisms, cores: usize, shutdown: &Shutdown) -> Self {
        let relays = (0..cores.max(1)).map(|_| Relays::new(shutdown.clone())).collect();
        Self(Arc::new(Inner { store, mechanisms, node: Handle::current(), rooms: Mutex::default(), relays }))
    }

    /// Asks a room's view for a place to begin, starting the view where there is none. Frames
    /// are heard from before the view was asked: what comes twice, the session passes over.
    pub(crate) async fn join(
        &self,
        room: RoomId,
        ask: impl Fn(oneshot::Sender<Joined>) -> Ask,
    ) -> Result<(Joined, Frames)> {
        for _ in 0..TRIES {
            let entry = self.room(room);
            let frames = self.relays().listen(room, &entry.frames, || frames(self.0.mechanisms));
            let (answer, answered) = oneshot::channel();
            if entry.orders.send(Order::Join(ask(answer))).await.is_err() {
                continue;
            }
            if let Ok(joined) = answered.await {
                return Ok((joined, frames));
            }
        }
        Err(Error::Unavailable("the room's view ended".to_owned()))
    }

    /// Compares all views with Redis, again and again: what was lost last of all in a room
    /// would otherwise be missed until something else happens there.
    pub(crate) async fn compare(self) {
        let mut ticks = interval(COMPARE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        if !self.0.mechanisms.has(Mechanism::Comparison) {
            std::future::pending::<()>().await;
        }
        loop {
            ticks.tick().await;
            let held = |(id, entry): (&RoomId, &Entry)| Some((*id, entry.held.mark()?, entry.orders.clone()));
            self.measure();
            let views: Vec<_> = self.lock().iter().filter_map(held).collect();
            let rooms: Vec<RoomId> = views.iter().map(|(room, ..)| *room).collect();
            match self.0.store.places(&rooms).await {
                Ok(places) => {
                    for ((_, mark, orders), place) in views.into_iter().zip(places) {
                        // A view that has that much to do is compared next time.
                        let _ = orders.try_send(Order::Compared(mark, place));
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, rooms = rooms.len(), "views can't be compared with redis")
                }
            }
        }
    }

    fn measure(&self) {
        let longest = Longest::default();
        for Entry { frames, orders, .. } in self.lock().values() {
            longest.room(frames.len(), orders.max_capacity() - orders.capacity());
        }
        longest.tell();
    }

    fn relays(&self) -> &Relays {
        &self.0.relays[gochat_chassis::core() % self.0.relays.len()]
    }

    fn room(&self, id: RoomId) -> Entry {
        let mut rooms = self.lock();
        if let Some(entry) = rooms.get(&id).filter(|entry| !entry.orders.is_closed()) {
            return entry.clone();
        }
        let (orders, queue) = mpsc::channel(WAITING);
        let entry = Entry { orders, frames: frames(self.0.mechanisms), held: Held::default() };
        rooms.insert(id, entry.clone());
        metrics::gauge!("gochat_views").set(rooms.len() as f64);
        let (hub, Entry { held, frames, .. }) = (self.clone(), entry.clone());
        self.0.node.spawn(async move {
            Room::run(hub.0.store.clone(), hub.0.mechanisms, id, held, frames, queue).await;
            hub.forget_closed(id);
        });
        entry
    }

    /// Forgets a view that has ended, unless another has taken its place.
    fn forget_closed(&self, room: RoomId) {
        let mut rooms = self.lock();
        if rooms.get(&room).is_some_and(|entry| entry.orders.is_closed()) {
            rooms.remove(&room);
        }
        metrics::gauge!("gochat_views").set(rooms.len() as f64);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, Entry>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
