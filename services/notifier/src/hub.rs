//! The rooms that this node streams: one view for each, however many follow it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use gochat_domain::RoomId;
use gochat_store::{Error, Result, Store};
use tokio::sync::{mpsc, oneshot};

use crate::view::{Ask, Joined, View};

/// Subscribers that wait for one view to answer.
const WAITING: usize = 1_024;
/// How often a view that is just ending is asked anew.
const TRIES: usize = 3;

/// The views of this node.
#[derive(Clone)]
pub(crate) struct Hub {
    store: Store,
    views: Arc<Mutex<HashMap<RoomId, mpsc::Sender<Ask>>>>,
}

impl Hub {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, views: Arc::default() }
    }

    /// Asks a room's view for a place to begin, starting the view where there is none.
    pub(crate) async fn join(
        &self,
        room: RoomId,
        ask: impl Fn(oneshot::Sender<Joined>) -> Ask,
    ) -> Result<Joined> {
        for _ in 0..TRIES {
            let (answer, answered) = oneshot::channel();
            if self.view(room).send(ask(answer)).await.is_err() {
                continue;
            }
            if let Ok(joined) = answered.await {
                return Ok(joined);
            }
        }
        Err(Error::Unavailable("the room's view ended".to_owned()))
    }

    fn view(&self, room: RoomId) -> mpsc::Sender<Ask> {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = views.get(&room).filter(|view| !view.is_closed()) {
            return view.clone();
        }
        let (asks, queue) = mpsc::channel(WAITING);
        views.insert(room, asks.clone());
        let (store, hub) = (self.store.clone(), self.clone());
        tokio::spawn(async move {
            View::run(store, room, queue).await;
            hub.forget_closed(room);
        });
        metrics::gauge!("gochat_views").set(views.len() as f64);
        asks
    }

    /// Forgets a view that has ended, unless another has taken its place.
    fn forget_closed(&self, room: RoomId) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if views.get(&room).is_some_and(mpsc::Sender::is_closed) {
            views.remove(&room);
        }
        metrics::gauge!("gochat_views").set(views.len() as f64);
    }
}
