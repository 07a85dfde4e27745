//! The task of one room that has sessions here: follows the room, and has the engine let through who may be heard.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, pending},
};
use gochat_domain::RoomId;
use gochat_proto::media::MediaEndedReason;
use gochat_store::{Follower, Mechanisms, Step, Store};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    engine::{MediaEngine, Place},
    gates::{Act, Gates},
    lease::{Held, Lease, Node},
    meters,
};

/// How often what is known of the room is compared with Redis.
const COMPARE: Duration = Duration::from_secs(2);
/// How often the engine's sessions and gates are compared with what they should be.
const RECONCILE: Duration = Duration::from_secs(5);
/// How long a room is kept in which nobody has a session.
const IDLE: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// What a room's task is told.
pub(crate) enum Order {
    /// Somebody is about to open a session: is the room here?
    Hold(oneshot::Sender<Held>),
    /// A session was opened. Who doesn't hear back ends it.
    Opened(Place, oneshot::Sender<()>),
}

/// Why a room's task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nobody has a session, or the room couldn't be taken.
    Idle,
    /// The room is closed, or gone.
    Closed,
    /// Another node has the room.
    Lost(String),
    /// This node goes.
    Leaving,
}

impl End {
    /// What those who watch are told, if anything.
    pub(crate) fn reason(&self) -> Option<MediaEndedReason> {
        match self {
            Self::Idle => None,
            Self::Closed => Some(MediaEndedReason::RoomClosed),
            Self::Lost(_) | Self::Leaving => Some(MediaEndedReason::Moved),
        }
    }
}

/// One room's task.
pub(crate) struct Room<E> {
    engine: Arc<E>,
    id: RoomId,
    store: Store,
    gates: Gates,
    following: Following,
    lease: Lease,
    compare: Interval,
    reconcile: Interval,
    renew: Interval,
    /// When somebody last had a session here or was about to.
    wanted: Instant,
}

impl<E: MediaEngine> Room<E> {
    /// `patience`: how long what was open stays open without word from Redis.
    pub(crate) fn new(engine: Arc<E>, node: Node, id: RoomId, patience: Duration) -> Self {
        Self {
            engine,
            id,
            store: node.store.clone(),
            gates: Gates::new(id, patience),
            following: Following::NotYet,
            compare: every(COMPARE),
            reconcile: every(RECONCILE),
            renew: every(node.length * 3 / 10),
            lease: Lease::new(node, id),
            wanted: Instant::now(),
        }
    }

    /// Goes on until nobody has had a session for a while, the room or its lease is gone, or `leaving`.
    pub(crate) async fn run(mut self, mut orders: mpsc::Receiver<Order>, leaving: CancellationToken) -> End {
        let end = loop {
            if let Some(end) = self.turn(&mut orders, &leaving).await {
                break end;
            }
        };
        orders.close();
        // Where another is to have the room, it's free before anybody is told to look for it.
        self.lease.release().await;
        match end {
            End::Closed => self.engine.end_room(self.id).await,
            End::Idle | End::Lost(_) | End::Leaving => self.engine.leave_room(self.id).await,
        }
        // Who isn't answered asks the next one.
        while let Some(order) = orders.recv().await {
            if let (Order::Hold(answer), End::Lost(url)) = (order, &end) {
                let _ = answer.send(Held::Elsewhere(url.clone()));
            }
        }
        tracing::info!(room = %self.id, ?end, "room's media ended");
        end
    }

    /// One step; the end, if that was the last.
    async fn turn(&mut self, orders: &mut mpsc::Receiver<Order>, leaving: &CancellationToken) -> Option<End> {
        if !self.gates.are_none() || !self.lease.is_quiet() {
            self.wanted = Instant::now();
        }
        let deadline = self.gates.deadline();
        tokio::select! {
            step = self.following.next() => {
                // At the beginning nobody is heard until what is read has been compared.
                let Some(step) = step else { self.compare(); return None };
                let acts = self.gates.take(&step, Instant::now());
                self.perform(acts).await;
                return self.gates.is_over().then_some(End::Closed);
            }
            order = orders.recv() => match order {
                Some(order) => self.obey(order).await,
                None => return Some(End::Idle),
            },
            held = self.lease.answered() => return self.held(held),
            _ = self.compare.tick() => self.compare(),
            _ = self.reconcile.tick() => self.reconcile().await,
            _ = self.renew.tick(), if self.lease.is_held() => self.lease.claim(),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                tracing::warn!(room = %self.id, "no word from redis for too long: everybody is silenced");
                let acts = self.gates.tick(Instant::now());
                self.perform(acts).await;
            }
            () = sleep_until(self.wanted + IDLE) => return Some(End::Idle),
            () = leaving.cancelled() => return Some(End::Leaving),
        }
        None
    }

    async fn obey(&mut self, order: Order) {
        match order {
            Order::Hold(answer) => {
                self.wanted = Instant::now();
                self.lease.ask(answer);
            }
            Order::Opened(place, done) => {
                let act = self.gates.opened(place, Instant::now());
                self.perform(act).await;
                let _ = done.send(());
                // Whoever has just come may not be known here yet.
                self.compare();
            }
        }
    }

    /// The lease was asked for.
    fn held(&mut self, held: Held) -> Option<End> {
        match held {
            Held::Here => {
                self.following.begin(&self.store, self.id);
                None
            }
            Held::Elsewhere(url) => {
                if !self.gates.are_none() {
                    meters::lease_lost();
                    tracing::warn!(room = %self.id, url, "another node has the room: its sessions here end");
                }
                Some(End::Lost(url))
            }
            Held::Unknown => (!self.lease.is_held()).then_some(End::Idle),
        }
    }

    fn compare(&mut self) {
        if let Following::On(follower) = &mut self.following {
            self.gates.asked(follower.verify(), Instant::now());
        }
    }

    async fn reconcile(&mut self) {
        let actual = self.engine.sessions(self.id).await;
        let acts = self.gates.reconcile(&actual, Instant::now());
        meters::mended(acts.len());
        self.perform(acts).await;
    }

    async fn perform(&mut self, acts: impl IntoIterator<Item = Act>) {
        for act in acts {
            match act {
                Act::Set(place, open) => {
                    tracing::debug!(room = %self.id, uid = %place.uid, open, "gate");
                    meters::gate(open);
                    self.engine.set_gate(place, open).await;
                }
                Act::End(place) => self.engine.end_stay(place).await,
            }
        }
    }
}

/// The follower, once the feed is subscribed.
enum Following {
    NotYet,
    Beginning(BoxFuture<'static, Follower>),
    On(Box<Follower>),
}

impl Following {
    /// Begins, if it hasn't.
    fn begin(&mut self, store: &Store, room: RoomId) {
        if let Self::NotYet = self {
            *self = Self::Beginning(begin(store.clone(), room).boxed());
        }
    }

    /// What happens next in the room; none when it begins to be followed. Safe to cancel.
    async fn next(&mut self) -> Option<Step> {
        match self {
            Self::On(follower) => Some(follower.next().await),
            Self::Beginning(beginning) => {
                *self = Self::On(Box::new(beginning.await));
                None
            }
            Self::NotYet => pending().await,
        }
    }
}

async fn begin(store: Store, room: RoomId) -> Follower {
    loop {
        match store.follow(room, Mechanisms::default()).await {
            Ok(follower) => return follower,
            Err(error) => tracing::warn!(%room, %error, "room can't be followed: nobody is heard in it"),
        }
        sleep(BETWEEN_TRIES).await;
    }
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
