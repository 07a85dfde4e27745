//! A room's media is on one node, by a lease in Redis: taken by the node that is asked first, kept while it has
//! sessions there.

use std::{sync::Arc, time::Duration};

use futures::{
    FutureExt,
    future::{BoxFuture, pending},
};
use gochat_domain::RoomId;
use gochat_store::{MediaNode, Result, Store};
use tokio::{sync::oneshot, time::Instant};

/// Where a room's media is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Here,
    /// On the node with this address.
    Elsewhere(String),
    /// Redis doesn't say.
    Unknown,
}

/// This node, as it takes leases.
#[derive(Clone)]
pub(crate) struct Node {
    pub store: Store,
    /// Where other nodes' callers find it.
    pub url: Arc<str>,
    /// How long a lease lives after it was last taken or kept.
    pub length: Duration,
}

/// The lease of one room, as far as this node has it.
pub(crate) struct Lease {
    node: Node,
    room: RoomId,
    /// By which it was taken; 0 while it isn't held.
    number: u64,
    until: Instant,
    claim: Option<(Instant, BoxFuture<'static, Result<MediaNode>>)>,
    waiting: Vec<oneshot::Sender<Held>>,
}

impl Lease {
    pub(crate) fn new(node: Node, room: RoomId) -> Self {
        Self { node, room, number: 0, until: Instant::now(), claim: None, waiting: Vec::new() }
    }

    /// Whether it was taken, and not lost as far as is known.
    pub(crate) fn is_held(&self) -> bool {
        self.number != 0
    }

    /// Whether nobody waits to hear where the room is.
    pub(crate) fn is_quiet(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Tells where the room is: at once while the lease is good.
    pub(crate) fn ask(&mut self, answer: oneshot::Sender<Held>) {
        if self.is_held() && Instant::now() < self.until {
            let _ = answer.send(Held::Here);
            return;
        }
        self.waiting.push(answer);
        self.claim();
    }

    /// Takes or keeps it, unless that is under way.
    pub(crate) fn claim(&mut self) {
        let (Node { store, url, length }, room, number) = (self.node.clone(), self.room, self.number);
        let claim = || async move { store.claim_media(room, &url, number, length).await }.boxed();
        self.claim.get_or_insert_with(|| (Instant::now(), claim()));
    }

    /// What came of a claim; waits for one. Safe to cancel.
    pub(crate) async fn answered(&mut self) -> Held {
        let Some((sent, claim)) = &mut self.claim else { return pending().await };
        let (sent, answer) = (*sent, claim.await);
        self.claim = None;
        let held = match answer {
            Ok(MediaNode::Here(number)) => {
                (self.number, self.until) = (number, sent + self.node.length);
                Held::Here
            }
            Ok(MediaNode::Elsewhere(url)) => {
                self.number = 0;
                Held::Elsewhere(url)
            }
            Err(error) => {
                tracing::warn!(room = %self.room, %error, "no telling where the room's media is");
                Held::Unknown
            }
        };
        self.waiting.drain(..).for_each(|answer| drop(answer.send(held.clone())));
        held
    }

    /// Gives it up, so that another node may have the room at once; else it ends by itself.
    pub(crate) async fn release(self) {
        if !self.is_held() {
            return;
        }
        let Node { store, url, .. } = &self.node;
        if let Err(error) = store.release_media(self.room, url, self.number).await {
            tracing::warn!(room = %self.room, %error, "lease not given up; it will end");
        }
    }
}
