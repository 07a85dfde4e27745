//! Whose gate is open in one room, as a state machine without I/O: what is known of the room and of the sessions
//! goes in; what the engine is to do comes out.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use gochat_domain::{Entry, RoomId, Uid, rules::may_be_heard};
use gochat_store::Step;
use tokio::time::Instant;

use crate::{
    engine::Place,
    stays::{Stays, Turn},
};

/// Nothing is opened on what is known if that is older than this: two comparisons with Redis have failed.
const FRESH: Duration = Duration::from_secs(4);
/// Comparisons that are remembered while they wait for Redis.
const ASKED: usize = 16;

/// What the engine is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Let this one's sound through, or no longer.
    Set(Place, bool),
    /// End the session: its stay ended.
    End(Place),
}

/// The gates of one room.
#[derive(Debug)]
pub(crate) struct Gates {
    room: RoomId,
    /// How long what was open stays open without word from Redis.
    patience: Duration,
    stays: Option<Stays>,
    over: bool,
    /// Comparisons under way, by their numbers, and when they were asked for.
    asked: VecDeque<(u64, Instant)>,
    /// What is known of the room was so then, or later.
    sure: Option<Instant>,
    sessions: BTreeMap<(Uid, Entry), Session>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    since: Instant,
    open: bool,
}

/// How far what is known of the room can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    Fresh,
    Stale,
    Lost,
}

impl Gates {
    /// Of a room of which nothing is known yet.
    pub(crate) fn new(room: RoomId, patience: Duration) -> Self {
        let (asked, sessions) = (VecDeque::new(), BTreeMap::new());
        Self { room, patience, stays: None, over: false, asked, sure: None, sessions }
    }

    /// Whether nobody has a session.
    pub(crate) fn are_none(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether the room is closed, or gone.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// When what is open has to be shut unless Redis is heard of before.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let open = self.sessions.values().any(|session| session.open);
        self.sure.filter(|_| open).map(|at| at + self.patience)
    }

    /// A session was opened, its gate shut.
    pub(crate) fn opened(&mut self, place: Place, now: Instant) -> Option<Act> {
        let key = (place.uid, place.entry);
        self.sessions.insert(key, Session { since: now, open: false });
        self.judge(key, now)
    }

    /// A comparison with Redis was asked for.
    pub(crate) fn asked(&mut self, number: u64, now: Instant) {
        if self.asked.len() == ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((number, now));
    }

    /// Takes what happened in the room.
    pub(crate) fn take(&mut self, step: &Step, now: Instant) -> Vec<Act> {
        match step {
            Step::Snapshot(snapshot) => {
                self.stays = Some(Stays::of(&snapshot.view));
                self.over = snapshot.view.closed;
                self.judge_all(now)
            }
            Step::Commit(commit) => {
                let Some(stays) = &mut self.stays else { return Vec::new() };
                let turns = stays.apply(commit);
                self.over = !stays.is_open();
                turns.into_iter().flat_map(|turn| self.turn(turn, now)).collect()
            }
            Step::Gone => {
                self.over = true;
                Vec::new()
            }
            Step::Verified(number) => {
                while let Some((_, at)) = self.asked.front().filter(|(asked, _)| asked <= number).copied() {
                    self.sure = self.sure.max(Some(at));
                    self.asked.pop_front();
                }
                self.judge_all(now)
            }
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now: Instant) -> Vec<Act> {
        self.judge_all(now)
    }

    /// Compares with the sessions that the engine has, and which of them it lets through.
    pub(crate) fn reconcile(&mut self, actual: &[(Place, bool)], now: Instant) -> Vec<Act> {
        let former = std::mem::take(&mut self.sessions);
        for (place, open) in actual {
            let key = (place.uid, place.entry);
            let since = former.get(&key).map_or(now, |session| session.since);
            self.sessions.insert(key, Session { since, open: *open });
        }
        self.judge_all(now)
    }

    fn judge_all(&mut self, now: Instant) -> Vec<Act> {
        let keys: Vec<_> = self.sessions.keys().copied().collect();
        keys.into_iter().filter_map(|key| self.judge(key, now)).collect()
    }

    /// Judges those whom a commit concerns.
    fn turn(&mut self, turn: Turn, now: Instant) -> Vec<Act> {
        let (uid, ended) = match turn {
            Turn::Stands(uid) => (uid, None),
            Turn::Left(uid, entry) => (uid, Some(entry)),
        };
        let of_user = (uid, Entry(0))..=(uid, Entry(u64::MAX));
        let keys: Vec<_> = self.sessions.range(of_user).map(|(key, _)| *key).collect();
        let judge = |key: (Uid, Entry)| {
            if ended.is_some_and(|ended| key.1 <= ended) { self.end(key) } else { self.judge(key, now) }
        };
        keys.into_iter().filter_map(judge).collect()
    }

    /// Shuts or opens a gate, or ends the session, if that is not how it is.
    fn judge(&mut self, key: (Uid, Entry), now: Instant) -> Option<Act> {
        let session = *self.sessions.get(&key)?;
        let stays = self.stays.as_ref()?;
        let (uid, entry) = key;
        let present = stays.of_user(uid);
        let is_gone = match present {
            Some((present, _)) if present >= entry => present > entry,
            // Whoever came but now may be known only by what was asked since.
            _ => self.sure.is_some_and(|at| at >= session.since),
        };
        if is_gone {
            return self.end(key);
        }
        let may = may_be_heard(stays.is_open(), present, entry);
        let open = may
            && match self.trust(now) {
                Trust::Fresh => true,
                Trust::Stale => session.open,
                Trust::Lost => false,
            };
        self.sessions.insert(key, Session { open, ..session });
        (open != session.open).then_some(Act::Set(self.place(key), open))
    }

    fn end(&mut self, key: (Uid, Entry)) -> Option<Act> {
        self.sessions.remove(&key)?;
        Some(Act::End(self.place(key)))
    }

    fn trust(&self, now: Instant) -> Trust {
        match self.sure.map(|at| now.saturating_duration_since(at)) {
            Some(age) if age >= self.patience => Trust::Lost,
            Some(age) if age < FRESH => Trust::Fresh,
            Some(_) => Trust::Stale,
            None => Trust::Lost,
        }
    }

    fn place(&self, (uid, entry): (Uid, Entry)) -> Place {
        Place { room: self.room, uid, entry }
    }
}

#[cfg(test)]
#[path = "gates_tests.rs"]
mod tests;
