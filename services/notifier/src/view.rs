//! One room as this node holds it, as a state machine without I/O: what the follower hands on
//! goes in, and who asks where to begin; frames and answers come out.

use std::sync::Arc;

use gochat_proto::model::{Commit, Place};
use gochat_store::{Mechanism, Mechanisms, Snapshot, Step};
use tokio::{
    sync::{broadcast, oneshot},
    time::Instant,
};

use crate::{base::Base, delivery::Delivery, ring::Ring};

/// Frames that wait for a reader who falls behind; more, and it is brought up to date.
const QUEUE: usize = 256;
/// As good as no bound, for the test that shows what it is good for.
const NO_BOUND: usize = 1 << 16;

/// A subscriber asks where to begin.
#[derive(Debug)]
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

/// Where a subscriber begins; then come the frames.
#[derive(Debug)]
pub(crate) enum Joined {
    /// With what it missed.
    Resumed(Vec<Arc<Delivery>>, Arc<Base>),
    /// With a snapshot.
    Anew(Arc<Base>),
    /// There is no such room.
    Gone,
    /// Redis doesn't answer.
    Unavailable,
}

/// What a view hands on.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    /// The next commit.
    Commit(Arc<Delivery>),
    /// The history was broken: everybody begins anew.
    Reset(Arc<Base>),
    /// The room is gone.
    Gone,
    /// This node is going away.
    Draining,
}

/// A channel for frames.
pub(crate) fn frames(mechanisms: Mechanisms) -> broadcast::Sender<Frame> {
    let bounded = mechanisms.has(Mechanism::BoundedQueue);
    broadcast::Sender::new(if bounded { QUEUE } else { NO_BOUND })
}

/// How many commits a log, and so a ring, keeps for so many members.
pub(crate) type Cap = Box<dyn Fn(u32) -> usize + Send>;

/// The part of the log that would lead to what the ring holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Its last revision.
    pub last: u64,
    /// Commits at the most.
    pub most: usize,
}

/// Whether the log was read for who holds an older place than the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Log {
    Unread,
    Reading,
    Read,
}

struct Waiting {
    ask: Ask,
    /// The comparison that must have been made.
    ticket: u64,
    until: Instant,
}

/// One room as this node holds it.
pub(crate) struct View {
    mechanisms: Mechanisms,
    cap: Cap,
    base: Option<Arc<Base>>,
    /// How often it has begun anew.
    beginning: u64,
    ring: Ring,
    log: Log,
    frames: broadcast::Sender<Frame>,
    /// For a comparison, in the order in which they asked.
    waiting: Vec<Waiting>,
    /// For the log, in the same order; each was compared.
    behind: Vec<Waiting>,
}

impl View {
    pub(crate) fn new(mechanisms: Mechanisms, cap: Cap, frames: broadcast::Sender<Frame>) -> Self {
        let (ring, log) = (Ring::default(), Log::Unread);
        let (waiting, behind) = (Vec::new(), Vec::new());
        Self { mechanisms, cap, base: None, beginning: 0, ring, log, frames, waiting, behind }
    }

    /// Whether there is no room, and nobody waits to be told.
    pub(crate) fn is_over(&self) -> bool {
        self.base.is_none() && !self.is_awaited()
    }

    /// Whether somebody waits for an answer.
    pub(crate) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty() || !self.behind.is_empty()
    }

    /// Until when who has waited longest will wait.
    pub(crate) fn patience(&self) -> Option<Instant> {
        let longest = [self.waiting.first(), self.behind.first()];
        longest.into_iter().flatten().map(|waiting| waiting.until).min()
    }

    /// Answers who waits no longer.
    pub(crate) fn give_up(&mut self, now: Instant) {
        for list in [&mut self.waiting, &mut self.behind] {
            for gone in list.extract_if(.., |waiting| waiting.until <= now) {
                give(gone.ask, Joined::Unavailable);
            }
        }
    }

    /// Answers at once who can be answered so; others once Redis was compared with, by a read
    /// that is sent after this: `verify` asks for it. `steady`: nothing is known to be missing.
    pub(crate) fn hear(&mut self, ask: Ask, until: Instant, steady: bool, verify: impl FnOnce() -> u64) {
        match self.at_once(&ask, steady) {
            Some(joined) => give(ask, joined),
            None => self.waiting.push(Waiting { ask, ticket: verify(), until }),
        }
    }

    /// Takes what the follower hands on.
    pub(crate) fn take(&mut self, step: Step) {
        match step {
            Step::Snapshot(snapshot) => self.begin(*snapshot),
            Step::Commit(commit) => self.apply(*commit),
            Step::Verified(ticket) => self.verified(ticket),
            Step::Gone => {
                self.forget();
                self.base = None;
                // Nobody may be there to be told.
                let _ = self.frames.send(Frame::Gone);
            }
        }
    }

    /// What of the log is wanted, if anything; it must then be told to [`View::read`].
    pub(crate) fn wants(&mut self) -> Option<Tail> {
        let base = self.base.as_ref()?;
        if self.behind.is_empty() || self.log == Log::Reading {
            return None;
        }
        self.log = Log::Reading;
        let last = self.ring.first_base(base.view.place).revision;
        Some(Tail { last, most: (self.cap)(base.view.room.member_count) })
    }

    /// Takes what was read of the log; none where Redis did not answer.
    pub(crate) fn read(&mut self, commits: Option<Vec<Commit>>) {
        let answered = commits.is_some();
        if let (Some(commits), Some(base)) = (commits, &self.base) {
            self.ring.extend_back(commits, base.view.place);
        }
        self.log = if answered { Log::Read } else { Log::Unread };
        for waiting in std::mem::take(&mut self.behind) {
            let joined = if answered { self.settle(&waiting.ask) } else { Joined::Unavailable };
            give(waiting.ask, joined);
        }
        self.tidy();
    }

    fn at_once(&self, ask: &Ask, steady: bool) -> Option<Joined> {
        let base = self.base.as_ref()?;
        let known = ask.uid.is_none_or(|uid| base.view.members.contains_key(&uid));
        if !known || !self.has(ask.min) {
            return None;
        }
        match ask.token {
            Some(token) => self.resume(token),
            None => steady.then(|| Joined::Anew(base.clone())),
        }
    }

    /// Where somebody begins now that Redis was asked.
    fn settle(&self, ask: &Ask) -> Joined {
        let Some(base) = &self.base else { return Joined::Gone };
        let resumed = ask.token.filter(|_| self.has(ask.min)).and_then(|token| self.resume(token));
        resumed.unwrap_or_else(|| Joined::Anew(base.clone()))
    }

    fn resume(&self, token: Place) -> Option<Joined> {
        let base = self.base.as_ref()?;
        let missed = if base.view.place == token { Vec::new() } else { self.ring.after(token)? };
        Some(Joined::Resumed(missed, base.clone()))
    }

    /// Whether the room is known to have been at a place.
    fn has(&self, place: Option<Place>) -> bool {
        let now = self.base.as_ref().map(|base| base.view.place);
        place.is_none_or(|place| now == Some(place) || self.ring.holds(place))
    }

    /// Whether the log may lead on from where somebody is, and the ring doesn't.
    fn may_be_in_log(&self, ask: &Ask) -> bool {
        let (Some(base), Some(token)) = (&self.base, ask.token) else { return false };
        let first = self.ring.first_base(base.view.place).revision;
        let reach = (self.cap)(base.view.room.member_count) as u64;
        self.log != Log::Read && token.revision < first && token.revision + reach >= base.view.place.revision
    }

    fn verified(&mut self, ticket: u64) {
        let answered: Vec<_> = self.waiting.extract_if(.., |waiting| waiting.ticket <= ticket).collect();
        for waiting in answered {
            if self.may_be_in_log(&waiting.ask) {
                self.behind.push(waiting);
            } else {
                let joined = self.settle(&waiting.ask);
                give(waiting.ask, joined);
            }
        }
    }

    fn begin(&mut self, snapshot: Snapshot) {
        self.forget();
        let base = Arc::new(Base::of(snapshot, self.beginning));
        self.base = Some(base.clone());
        let _ = self.frames.send(Frame::Reset(base));
    }

    fn forget(&mut self) {
        self.beginning += 1;
        self.ring = Ring::new(self.beginning);
        // What is being read leads nowhere: it doesn't continue to what comes.
        if self.log == Log::Read {
            self.log = Log::Unread;
        }
    }

    fn apply(&mut self, commit: Commit) {
        let Some(base) = &mut self.base else { return };
        Arc::make_mut(base).apply(&commit, self.mechanisms);
        let most = (self.cap)(base.view.room.member_count);
        let delivery = self.ring.push(commit, most);
        let _ = self.frames.send(Frame::Commit(delivery));
        self.tidy();
    }

    /// Forgets all at once what it should keep, where a test wants to see what comes of that.
    fn tidy(&mut self) {
        if !self.mechanisms.has(Mechanism::Ring) {
            self.ring = Ring::new(self.beginning);
            self.log = Log::Unread;
        }
    }
}

fn give(ask: Ask, joined: Joined) {
    let begin = match &joined {
        Joined::Resumed(..) => "resumed",
        Joined::Anew(_) => "snapshot",
        Joined::Gone => "gone",
        Joined::Unavailable => "unavailable",
    };
    metrics::counter!("gochat_subscriptions_total", "begin" => begin).increment(1);
    // Who has gone meanwhile needs no answer.
    let _ = ask.answer.send(joined);
}
