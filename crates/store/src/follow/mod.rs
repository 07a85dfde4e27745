//! Following a room: its verified history, whatever messages are lost on the way.
//!
//! A follower subscribes first, then reads a snapshot, then hands on commits that continue
//! what it holds, by revision and tag. Whatever doesn't is repaired from the log; past the
//! log's end, or in another history, by a fresh snapshot.

mod feed;

use std::time::Duration;

use bytes::Bytes;
use gochat_domain::{Place, RoomId};
use gochat_proto::model;
use tokio::time::sleep;

pub(crate) use feed::Feed;
use feed::{Listener, Message};

use crate::{Result, Snapshot, Store, transact::decode_commit};

/// How long a follower waits before it asks a Redis again that did not answer.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);

/// What a follower hands on.
#[derive(Clone, Debug)]
pub enum Step {
    /// The room as it is now; whatever was held before is to be forgotten.
    Snapshot(Box<Snapshot>),
    /// The next commit.
    Commit(Box<model::Commit>),
    /// There is no such room (any more).
    Gone,
}

/// The history of one room, from now on.
pub struct Follower {
    store: Store,
    room: RoomId,
    listener: Listener,
    /// Where the last step left the reader; none before the first snapshot.
    held: Option<Place>,
    /// Read but not yet handed on, the next one last.
    ready: Vec<model::Commit>,
    /// Something may be missing: look into the log before going on.
    behind: bool,
}

impl Store {
    /// Follows a room. The first step is a snapshot, read after the feed is subscribed.
    pub async fn follow(&self, room: RoomId) -> Result<Follower> {
        let listener = self.feed.listen(self.keys(room).feed()).await?;
        Ok(Follower { store: self.clone(), room, listener, held: None, ready: Vec::new(), behind: true })
    }
}

/// What becomes of a message, given what is held.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is the next one.
    Next,
    /// It is held already.
    Old,
    /// Something is missing between the two, or they belong to different histories.
    Behind,
}

fn judge(held: Place, commit: &model::Commit) -> Verdict {
    if commit.continues(held.into()) {
        Verdict::Next
    } else if commit.revision < held.revision || commit.place() == held.into() {
        Verdict::Old
    } else {
        Verdict::Behind
    }
}

impl Follower {
    /// The next step. Waits for Redis as long as it takes. Safe to cancel.
    pub async fn next(&mut self) -> Step {
        loop {
            if let Some(step) = self.step().await {
                return step;
            }
        }
    }

    /// One move: hands on what is ready, or compares, or hears a message.
    async fn step(&mut self) -> Option<Step> {
        if let Some(commit) = self.ready.pop() {
            self.held = Some(commit.place().into());
            return Some(Step::Commit(Box::new(commit)));
        }
        if self.behind {
            return match self.catch_up().await {
                Ok(step) => step,
                Err(error) => {
                    tracing::warn!(room = %self.room, %error, "follower waits for redis");
                    sleep(BETWEEN_TRIES).await;
                    None
                }
            };
        }
        match self.listener.next().await {
            Message::Commit(bytes) => self.take(&bytes),
            Message::Missed => self.behind = true,
        }
        None
    }

    /// As [`Follower::next`], but also says when a comparison found nothing new.
    pub async fn next_or_verified(&mut self) -> Option<Step> {
        let compares = self.behind;
        loop {
            if compares && self.is_verified() {
                return None;
            }
            if let Some(step) = self.step().await {
                return Some(step);
            }
        }
    }

    /// Compares with Redis now: whatever was committed before this call is handed on
    /// before anything that comes after.
    pub fn verify(&mut self) {
        self.behind = true;
    }

    /// Whether a comparison is still to be made, or its findings to be handed on.
    pub fn is_verified(&self) -> bool {
        !self.behind && self.ready.is_empty()
    }

    fn take(&mut self, bytes: &Bytes) {
        let commit = match decode_commit(bytes) {
            Ok(commit) => commit,
            Err(error) => {
                metrics::counter!("gochat_feed_garbage_total").increment(1);
                tracing::warn!(room = %self.room, %error, "feed message dropped");
                return;
            }
        };
        match self.held.map(|held| judge(held, &commit)) {
            Some(Verdict::Next) => self.ready.push(commit),
            Some(Verdict::Old) => {}
            Some(Verdict::Behind) | None => self.behind = true,
        }
    }

    /// Reads what came after the place held: from the log where it goes on from there,
    /// else anew.
    async fn catch_up(&mut self) -> Result<Option<Step>> {
        if let Some(held) = self.held {
            let mut history = self.store.history(self.room, held.revision + 1).await?;
            if goes_on(held, history.place, &history.commits) {
                if !history.commits.is_empty() {
                    metrics::counter!("gochat_gaps_repaired_total", "source" => "log").increment(1);
                }
                history.commits.reverse();
                self.ready = history.commits;
                self.behind = false;
                return Ok(None);
            }
            metrics::counter!("gochat_gaps_repaired_total", "source" => "snapshot").increment(1);
        }
        let snapshot = self.store.snapshot(self.room).await?;
        self.behind = false;
        Ok(Some(match snapshot {
            Some(snapshot) => {
                self.held = Some(snapshot.view.place.into());
                Step::Snapshot(Box::new(snapshot))
            }
            None => {
                self.held = None;
                Step::Gone
            }
        }))
    }
}

/// Whether the commits read lead from the place held to where the room stands.
fn goes_on(held: Place, now: Place, commits: &[model::Commit]) -> bool {
    let mut at: model::Place = held.into();
    for commit in commits {
        if !commit.continues(at) {
            return false;
        }
        at = commit.place();
    }
    at == now.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(revision: u64, tag: u64) -> Place {
        Place { revision, tag }
    }

    fn commit(revision: u64, tag_before: u64, tag: u64) -> model::Commit {
        model::Commit { revision, tag_before, tag, ..model::Commit::default() }
    }

    #[test]
    fn only_what_continues_by_revision_and_tag_is_next() {
        let held = place(5, 50);
        assert_eq!(judge(held, &commit(6, 50, 60)), Verdict::Next);
        assert_eq!(judge(held, &commit(6, 51, 60)), Verdict::Behind, "of another history");
        assert_eq!(judge(held, &commit(7, 60, 70)), Verdict::Behind, "one is missing");
        assert_eq!(judge(held, &commit(5, 40, 50)), Verdict::Old, "held already");
        assert_eq!(judge(held, &commit(5, 40, 51)), Verdict::Behind, "the same number in another history");
        assert_eq!(judge(held, &commit(4, 30, 40)), Verdict::Old);
    }

    #[test]
    fn a_log_repairs_only_what_it_leads_on_from() {
        let held = place(5, 50);
        let log = [commit(6, 50, 60), commit(7, 60, 70)];
        assert!(goes_on(held, place(7, 70), &log));
        assert!(goes_on(held, held, &[]));
        assert!(!goes_on(held, place(7, 70), &log[1..]), "capped");
        assert!(!goes_on(held, place(8, 80), &log), "short");
        assert!(!goes_on(place(5, 51), place(7, 70), &log), "another history");
        assert!(!goes_on(held, place(4, 40), &[]), "redis went back");
        assert!(!goes_on(held, place(5, 51), &[]), "redis went back and on");
    }
}
