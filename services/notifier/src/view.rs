//! One room as this node holds it: follows the room, keeps its members and the last
//! commits, and tells each new subscriber where to begin.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use gochat_domain::RoomId;
use gochat_proto::{
    model::{Commit, Invitation, Place, event::Kind},
    view::RoomView,
};
use gochat_store::{Follower, Snapshot, Step, Store};
use tokio::{
    sync::{broadcast, mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};

use crate::delivery::Delivery;

/// Commits kept for who comes back, and for who reads slowly.
const RING: usize = 1_024;
/// How long a view nobody follows is kept, for who comes back.
const IDLE: Duration = Duration::from_secs(30);
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// How long a subscriber waits for Redis.
const PATIENCE: Duration = Duration::from_millis(1_500);

/// A subscriber asks where to begin.
pub(crate) struct Ask {
    /// The place that the subscriber holds.
    pub token: Option<Place>,
    /// The place that it must not begin before.
    pub min: Option<Place>,
    /// Who it is; none for an observer.
    pub uid: Option<u32>,
    /// Where the answer goes.
    pub answer: oneshot::Sender<Joined>,
}

/// Where a subscriber begins.
pub(crate) enum Joined {
    /// With what it missed, then what comes.
    Resumed(Vec<Arc<Delivery>>, Arc<Base>, Frames),
    /// With a snapshot, then what comes.
    Anew(Arc<Base>, Frames),
    /// There is no such room.
    Gone,
    /// Redis doesn't answer.
    Unavailable,
}

pub(crate) type Frames = broadcast::Receiver<Frame>;

/// What a view hands on.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// The next commit.
    Commit(Arc<Delivery>),
    /// The history was broken: everybody begins anew.
    Reset(Arc<Base>),
    /// The room is gone.
    Gone,
}

/// A room at one place, with what is private in it.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    /// The room.
    pub view: RoomView,
    /// Unanswered invitations by who is invited, with their tokens.
    pub invitations: BTreeMap<u32, Invitation>,
    /// The commit that closed it, where it is closed.
    pub last: Option<Commit>,
}

impl Base {
    fn of(snapshot: Snapshot, last: Option<Commit>) -> Self {
        let invitations = snapshot.invitations.iter().map(|sent| (sent.target.get(), Invitation::of(sent)));
        Self { invitations: invitations.collect(), view: snapshot.view, last }
    }

    fn apply(&mut self, commit: &Commit) {
        // The follower hands on only what continues.
        if let Err(gap) = self.view.apply(commit) {
            tracing::error!(room = %commit.room_id, %gap, "a follower handed on what does not continue");
        }
        for event in &commit.events {
            match &event.kind {
                Some(Kind::InvitationSent(sent)) => {
                    if let Some(sent) = sent.invitation.as_ref().filter(|sent| !sent.token.is_empty()) {
                        self.invitations.insert(sent.target_uid, sent.clone());
                    }
                }
                Some(Kind::InvitationDeclined(gone)) => drop(self.invitations.remove(&gone.target_uid)),
                Some(Kind::InvitationWithdrawn(gone)) => drop(self.invitations.remove(&gone.target_uid)),
                Some(Kind::InvitationExpired(gone)) => drop(self.invitations.remove(&gone.target_uid)),
                Some(Kind::HostChanged(_)) => self.invitations.clear(),
                Some(Kind::MemberChanged(changed)) => {
                    if let Some(member) = changed.member.as_ref().filter(|member| member.on_stage_at != 0) {
                        self.invitations.remove(&member.uid);
                    }
                }
                Some(Kind::MemberLeft(left)) => {
                    if let Some(member) = &left.member {
                        self.invitations.remove(&member.uid);
                    }
                }
                _ => {}
            }
        }
        if self.view.closed {
            self.last = Some(commit.clone());
        }
    }
}

/// One room as this node holds it.
pub(crate) struct View {
    store: Store,
    room: RoomId,
    follower: Follower,
    base: Option<Arc<Base>>,
    ring: VecDeque<Arc<Delivery>>,
    stage_shown: u64,
    frames: broadcast::Sender<Frame>,
    waiting: Vec<(Ask, Instant)>,
    /// When somebody was last seen to listen or to wait.
    wanted: Instant,
}

impl View {
    /// Follows a room until nobody has asked for it or listened for a while, or it is gone.
    pub(crate) async fn run(store: Store, room: RoomId, mut asks: mpsc::Receiver<Ask>) {
        let follower = loop {
            match store.follow(room).await {
                Ok(follower) => break follower,
                Err(error) => {
                    tracing::warn!(%room, %error, "room can't be followed");
                    refuse_all(&mut asks);
                    sleep(BETWEEN_TRIES).await;
                }
            }
            if asks.is_closed() {
                return;
            }
        };
        let (frames, _) = broadcast::channel(RING);
        let ring = VecDeque::new();
        let mut view = Self {
            store,
            room,
            follower,
            base: None,
            ring,
            stage_shown: 0,
            frames,
            waiting: Vec::new(),
            wanted: Instant::now(),
        };
        while view.turn(&mut asks).await {}
        asks.close();
        while let Some(ask) = asks.recv().await {
            // Who asks in this moment is told to ask the next view.
            drop(ask.answer);
        }
    }

    /// One step; false at the end.
    async fn turn(&mut self, asks: &mut mpsc::Receiver<Ask>) -> bool {
        let patience = self.waiting.first().map(|(_, until)| *until);
        if self.frames.receiver_count() > 0 || !self.waiting.is_empty() {
            self.wanted = Instant::now();
        }
        tokio::select! {
            step = self.follower.next_or_verified() => self.take(step).await,
            ask = asks.recv() => match ask {
                Some(ask) => self.hear(ask),
                None => return false,
            },
            () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {
                self.give_up_waiting();
            }
            () = sleep_until(self.wanted + IDLE) => return self.frames.receiver_count() > 0,
        }
        !(self.base.is_none() && self.follower.is_verified() && self.waiting.is_empty())
    }

    /// Answers at once who can be, and has the view compared with Redis for the others.
    fn hear(&mut self, ask: Ask) {
        if let Some(base) = self.base.clone().filter(|base| self.is_enough(base, &ask)) {
            self.answer(ask, base);
            return;
        }
        self.follower.verify();
        self.waiting.push((ask, Instant::now() + PATIENCE));
    }

    /// Whether the view can answer without asking Redis: it holds what the subscriber
    /// holds or has made, and knows the person.
    fn is_enough(&self, base: &Base, ask: &Ask) -> bool {
        let known = ask.uid.is_none_or(|uid| base.view.members.contains_key(&uid));
        let held = |place: Option<Place>| place.is_none_or(|place| self.holds(base, place));
        self.follower.is_verified() && known && held(ask.token) && held(ask.min)
    }

    fn holds(&self, base: &Base, place: Place) -> bool {
        base.view.place == place || self.ring.iter().any(|delivery| delivery.place() == place)
    }

    fn answer(&self, ask: Ask, base: Arc<Base>) {
        let frames = self.frames.subscribe();
        let missed = ask.token.and_then(|token| self.missed(&base, token));
        let joined = match missed {
            Some(missed) => Joined::Resumed(missed, base, frames),
            None => Joined::Anew(base, frames),
        };
        // Who has gone meanwhile needs no answer.
        let _ = ask.answer.send(joined);
    }

    /// The commits after a place, if the ring leads on from there.
    fn missed(&self, base: &Base, token: Place) -> Option<Vec<Arc<Delivery>>> {
        if base.view.place == token {
            return Some(Vec::new());
        }
        let continues = |delivery: &Arc<Delivery>| delivery.commit().continues(token);
        let first = self.ring.iter().position(continues)?;
        Some(self.ring.iter().skip(first).cloned().collect())
    }

    async fn take(&mut self, step: Option<Step>) {
        match step {
            Some(Step::Snapshot(snapshot)) => self.reset(*snapshot).await,
            Some(Step::Commit(commit)) => self.apply(*commit),
            Some(Step::Gone) => {
                self.base = None;
                self.ring.clear();
                let _ = self.frames.send(Frame::Gone);
            }
            None => {}
        }
        if self.follower.is_verified() {
            for (ask, _) in std::mem::take(&mut self.waiting) {
                match self.base.clone() {
                    Some(base) => self.answer(ask, base),
                    None => drop(ask.answer.send(Joined::Gone)),
                }
            }
        }
    }

    async fn reset(&mut self, snapshot: Snapshot) {
        let last = if snapshot.view.closed {
            self.store.commit_at(self.room, snapshot.view.place.revision).await.ok().flatten()
        } else {
            None
        };
        self.stage_shown = snapshot.view.place.revision;
        let base = Arc::new(Base::of(snapshot, last));
        self.ring.clear();
        self.base = Some(base.clone());
        let _ = self.frames.send(Frame::Reset(base));
    }

    fn apply(&mut self, commit: Commit) {
        let Some(base) = &mut self.base else { return };
        Arc::make_mut(base).apply(&commit);
        let delivery = Arc::new(Delivery::new(commit, self.stage_shown));
        if delivery.is_on_stage() {
            self.stage_shown = delivery.place().revision;
        }
        if self.ring.len() == RING {
            self.ring.pop_front();
        }
        self.ring.push_back(delivery.clone());
        let _ = self.frames.send(Frame::Commit(delivery));
    }

    fn give_up_waiting(&mut self) {
        let now = Instant::now();
        for (ask, until) in std::mem::take(&mut self.waiting) {
            if until <= now {
                let _ = ask.answer.send(Joined::Unavailable);
            } else {
                self.waiting.push((ask, until));
            }
        }
    }
}

fn refuse_all(asks: &mut mpsc::Receiver<Ask>) {
    while let Ok(ask) = asks.try_recv() {
        let _ = ask.answer.send(Joined::Unavailable);
    }
}
