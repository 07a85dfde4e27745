//! The rooms that have sessions on this node, and who watches them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gochat_domain::RoomId;
use gochat_proto::media::{Elsewhere, create_session_response};
use tokio::sync::{mpsc, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::Instrument;

use crate::{
    endings::Endings,
    engine::{MediaEngine, Place, Refused},
    lease::{Held, Node},
    meters,
    room::{Order, Room},
};

/// What waits for one room's task; more wait outside.
const WAITING: usize = 1_024;
/// How often a task that is just ending is asked anew.
const TRIES: usize = 3;

/// The rooms of this node. Clones are one and the same.
pub(crate) struct Rooms<E>(Arc<Inner<E>>);

struct Inner<E> {
    engine: Arc<E>,
    node: Node,
    patience: Duration,
    rooms: Mutex<HashMap<RoomId, mpsc::Sender<Order>>>,
    endings: Endings,
    tasks: TaskTracker,
    leaving: CancellationToken,
    left: CancellationToken,
}

impl<E> Clone for Rooms<E> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<E: MediaEngine> Rooms<E> {
    /// `patience`: how long what was open stays open without word from Redis.
    pub(crate) fn new(engine: Arc<E>, node: Node, patience: Duration) -> Self {
        Self(Arc::new(Inner {
            engine,
            node,
            patience,
            rooms: Mutex::default(),
            endings: Endings::default(),
            tasks: TaskTracker::new(),
            leaving: CancellationToken::new(),
            left: CancellationToken::new(),
        }))
    }

    pub(crate) fn engine(&self) -> &E {
        &self.0.engine
    }

    pub(crate) fn endings(&self) -> &Endings {
        &self.0.endings
    }

    /// Opens a session where the room is this node's to have; its gate goes by the room from then on. Goes on where
    /// the caller doesn't wait for it: nobody has a session that isn't looked after.
    pub(crate) async fn open(
        &self,
        place: Place,
        offer: String,
    ) -> Result<create_session_response::Result, Refused> {
        let rooms = self.clone();
        let opening = async move { rooms.open_here(place, offer).await };
        tokio::spawn(opening.in_current_span()).await.unwrap_or(Err(Refused::Unavailable))
    }

    async fn open_here(
        &self,
        place: Place,
        offer: String,
    ) -> Result<create_session_response::Result, Refused> {
        let room = match self.hold(place.room).await {
            (Held::Here, Some(room)) => room,
            (Held::Elsewhere(url), _) => {
                return Ok(create_session_response::Result::Elsewhere(Elsewhere { url }));
            }
            _ => return Err(Refused::Unavailable),
        };
        let answer = self.0.engine.create_session(place, offer).await?;
        let (done, opened) = oneshot::channel();
        if room.send(Order::Opened(place, done)).await.is_err() || opened.await.is_err() {
            self.0.engine.end_stay(place).await;
            return Err(Refused::Unavailable);
        }
        Ok(answer)
    }

    /// Takes a room for this node, where no other has it.
    async fn hold(&self, room: RoomId) -> (Held, Option<mpsc::Sender<Order>>) {
        for _ in 0..TRIES {
            let Some(orders) = self.room(room) else { break };
            let (answer, answered) = oneshot::channel();
            if orders.send(Order::Hold(answer)).await.is_ok()
                && let Ok(held) = answered.await
            {
                return (held, Some(orders));
            }
        }
        (Held::Unknown, None)
    }

    /// The address of the other node that has a room; none where this one has it, or nobody.
    pub(crate) async fn elsewhere(&self, room: RoomId) -> gochat_store::Result<Option<Elsewhere>> {
        if self.is_here(room) {
            return Ok(None);
        }
        let Node { store, url, .. } = &self.0.node;
        let other = store.media_node(room).await?.filter(|node| **node != **url);
        Ok(other.map(|url| Elsewhere { url }))
    }

    /// Whether a room is looked after here.
    fn is_here(&self, room: RoomId) -> bool {
        self.lock().get(&room).is_some_and(|orders| !orders.is_closed())
    }

    /// A room's task, begun where there is none; none where this node goes.
    fn room(&self, id: RoomId) -> Option<mpsc::Sender<Order>> {
        let mut rooms = self.lock();
        if let Some(orders) = rooms.get(&id).filter(|orders| !orders.is_closed()) {
            return Some(orders.clone());
        }
        if self.0.leaving.is_cancelled() {
            return None;
        }
        let (orders, queue) = mpsc::channel(WAITING);
        rooms.insert(id, orders.clone());
        meters::rooms(rooms.len());
        let room = Room::new(self.0.engine.clone(), self.0.node.clone(), id, self.0.patience);
        let (all, leaving) = (self.clone(), self.0.leaving.clone());
        self.0.tasks.spawn(async move {
            let end = room.run(queue, leaving).await;
            all.forget_closed(id);
            if let Some(reason) = end.reason() {
                all.0.endings.tell(id, reason);
            }
        });
        Some(orders)
    }

    /// Ends all that is here, so that other nodes can have the rooms; returns once that is done.
    pub(crate) async fn leave(&self) {
        {
            // Whoever has begun a room before this is waited for, and none is begun after.
            let _rooms = self.lock();
            self.0.leaving.cancel();
            self.0.tasks.close();
        }
        self.0.tasks.wait().await;
        self.0.left.cancel();
    }

    /// Returns once this node has nothing any more.
    pub(crate) async fn left(&self) {
        self.0.left.cancelled().await;
    }

    /// Forgets a task that has ended, unless another has taken its place.
    fn forget_closed(&self, room: RoomId) {
        let mut rooms = self.lock();
        if rooms.get(&room).is_some_and(mpsc::Sender::is_closed) {
            rooms.remove(&room);
        }
        meters::rooms(rooms.len());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomId, mpsc::Sender<Order>>> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
