//! The task of one room: its follower and its view, and what they need of Redis.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use gochat_domain::RoomId;
use gochat_proto::model::Commit;
use gochat_store::{Follower, Mark, Mechanisms, Result, Step, Store};
use tokio::{
    sync::{broadcast, mpsc},
    time::{Instant, sleep, sleep_until},
};
use tracing::Span;

use crate::{
    meters,
    view::{Ask, Frame, Joined, View},
};

/// How long a view nobody follows is kept, for who comes back.
const IDLE: Duration = Duration::from_secs(30);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// How long a subscriber waits for Redis.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// What a room's task is told.
pub(crate) enum Order {
    /// Somebody wants to know where to begin.
    Join(Ask),
    /// Redis was read when this was held, and stands here.
    Compared(Mark, Option<gochat_domain::Place>),
}

/// What a room's view holds, for who compares it with Redis.
#[derive(Clone, Default)]
pub(crate) struct Held(Arc<Mutex<Option<Mark>>>);

impl Held {
    pub(crate) fn mark(&self) -> Option<Mark> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, mark: Option<Mark>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }
}

/// One room's task.
pub(crate) struct Room {
    store: Store,
    id: RoomId,
    held: Held,
    frames: broadcast::Sender<Frame>,
    follower: Follower,
    view: View,
    /// The part of the log that the view wants.
    tail: Option<BoxFuture<'static, Result<Vec<Commit>>>>,
    /// When somebody was last seen to listen or to wait.
    wanted: Instant,
}

impl Room {
    /// Follows a room until nobody has asked for it or listened for a while, or it is gone.
    pub(crate) async fn run(
        store: Store,
        mechanisms: Mechanisms,
        id: RoomId,
        held: Held,
        frames: broadcast::Sender<Frame>,
        mut orders: mpsc::Receiver<Order>,
    ) {
        let Some(follower) = begin(&store, mechanisms, id, &mut orders).await else { return };
        let args = store.args().clone();
        let cap = Box::new(move |members| usize::try_from(args.log_cap(members)).unwrap_or(usize::MAX));
        let view = View::new(mechanisms, cap, frames.clone());
        let wanted = Instant::now();
        let mut room = Self { store, id, held, frames, follower, view, tail: None, wanted };
        while room.turn(&mut orders).await {}
        orders.close();
        // Who asks in this moment is told to ask the next view.
        while orders.recv().await.is_some() {}
    }

    /// One step; false at the end.
    async fn turn(&mut self, orders: &mut mpsc::Receiver<Order>) -> bool {
        if self.tail.is_none() {
            let tail = self.view.wants();
            self.tail = tail.map(|tail| {
                let (store, id) = (self.store.clone(), self.id);
                async move { store.tail(id, tail.last, tail.most as u64).await }.boxed()
            });
        }
        if self.frames.receiver_count() > 0 || self.view.is_awaited() {
            self.wanted = Instant::now();
        }
        let patience = self.view.patience();
        tokio::select! {
            step = self.follower.next() => {
                let span = self.seen(&step);
                span.in_scope(|| self.view.take(step));
                self.held.set(self.follower.mark());
                return !self.view.is_over();
            }
            order = orders.recv() => match order {
                Some(order) => self.obey(order),
                None => return false,
            },
            Some(read) = OptionFuture::from(self.tail.as_mut()) => {
                self.tail = None;
                self.view.read(read.inspect_err(|error| tracing::warn!(room = %self.id, %error, "no log")).ok());
            }
            () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {
                self.view.give_up(Instant::now());
            }
            () = sleep_until(self.wanted + IDLE) => return self.frames.receiver_count() > 0,
        }
        true
    }

    /// Takes note of a commit that is about to be handed on, if somebody hears it.
    fn seen(&mut self, step: &Step) -> Span {
        let Step::Commit(commit) = step else { return Span::none() };
        let trace = self.follower.trace(commit.place().into());
        if self.frames.receiver_count() == 0 {
            return Span::none();
        }
        meters::handed_on(&self.store, commit, trace)
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Join(ask) => {
                let (steady, until) = (self.follower.is_steady(), Instant::now() + PATIENCE);
                self.view.hear(ask, until, steady, || self.follower.verify());
            }
            Order::Compared(mark, found) => self.follower.compared(mark, found),
        }
    }
}

/// Subscribes to the feed; whoever asks meanwhile is refused each time that fails. None when
/// nobody asks any more.
async fn begin(
    store: &Store,
    mechanisms: Mechanisms,
    id: RoomId,
    orders: &mut mpsc::Receiver<Order>,
) -> Option<Follower> {
    loop {
        match store.follow(id, mechanisms).await {
            Ok(follower) => return Some(follower),
            Err(error) => tracing::warn!(room = %id, %error, "room can't be followed"),
        }
        while let Ok(order) = orders.try_recv() {
            if let Order::Join(ask) = order {
                let _ = ask.answer.send(Joined::Unavailable);
            }
        }
        sleep(BETWEEN_TRIES).await;
        if orders.is_closed() {
            return None;
        }
    }
}
