//! Following a room: its verified history, whatever messages are lost on the way.
//!
//! A follower subscribes first, then reads a snapshot, then hands on commits that continue
//! what it holds, by revision and tag. Whatever doesn't is repaired from the log; past the
//! log's end, or in another history, by a fresh snapshot.

mod feed;
mod mechanism;
mod track;
#[cfg(test)]
mod track_tests;
mod trail;

use std::time::Duration;

use futures::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use gochat_domain::{Place, RoomId};
use gochat_proto::model;
use tokio::time::sleep;

pub(crate) use feed::{Feed, Revoked};
use feed::{Listener, Message};
pub use mechanism::{Mechanism, Mechanisms};
pub use track::{Answer, Mark, Read, Track};

use crate::{
    Result, Snapshot, Store,
    keys::field,
    load::{Bytes, number, tag},
    trace::{Trace, Traces},
    transact::decode_commit,
};

/// How long a follower waits before it asks a Redis again that did not answer.
const BETWEEN_TRIES: Duration = Duration::from_millis(200);
/// Rooms whose places are read in one round trip.
const AT_ONCE: usize = 4_096;

/// What a follower hands on.
#[derive(Clone, Debug)]
pub enum Step {
    /// The room as it is now; whatever was held before is to be forgotten.
    Snapshot(Box<Snapshot>),
    /// The next commit.
    Commit(Box<model::Commit>),
    /// There is no such room (any more).
    Gone,
    /// A comparison asked for has been made, and all that came before it handed on: the one of
    /// this number, and those before it.
    Verified(u64),
}

/// The history of one room, from now on.
pub struct Follower {
    store: Store,
    room: RoomId,
    listener: Listener,
    track: Track,
    /// Goes on until it is answered, though nobody waits for a step.
    reading: Option<BoxFuture<'static, (Answer, Traces)>>,
    /// Of commits that have come and were not handed on yet.
    traces: Traces,
}

impl Store {
    /// Follows a room. The first step is a snapshot, read after the feed is subscribed.
    pub async fn follow(&self, room: RoomId, mechanisms: Mechanisms) -> Result<Follower> {
        let listener = self.feed.listen(self.keys(room).feed()).await?;
        let track = Track::new(mechanisms);
        Ok(Follower { store: self.clone(), room, listener, track, reading: None, traces: Traces::default() })
    }

    /// Where rooms stand, in one round trip for some thousands of them; none for a room that
    /// is not there.
    pub async fn places(&self, rooms: &[RoomId]) -> Result<Vec<Option<Place>>> {
        let mut places = Vec::with_capacity(rooms.len());
        for some in rooms.chunks(AT_ONCE) {
            let mut pipeline = redis::pipe();
            for room in some {
                pipeline.cmd("HMGET").arg(self.keys(*room).hash()).arg(field::REV).arg(field::TAG);
            }
            let found: Vec<(Bytes, Bytes)> = self.redis.pipeline("places", &pipeline).await?;
            for (revision, tagged) in &found {
                let place = Place { revision: number(revision.as_deref())?, tag: tag(tagged.as_deref())? };
                places.push(revision.is_some().then_some(place));
            }
        }
        Ok(places)
    }

    /// The last commits of a room's log, as many at the most, the oldest first.
    pub async fn tail(&self, room: RoomId, last: u64, most: u64) -> Result<Vec<model::Commit>> {
        let mut commits = self.history(room, (last + 1).saturating_sub(most)).await?.commits;
        commits.retain(|commit| commit.revision <= last);
        Ok(commits)
    }

    async fn read(&self, room: RoomId, read: Read) -> Result<(Answer, Traces)> {
        let answer = match read {
            Read::Snapshot => Answer::Snapshot(self.snapshot(room).await?.map(Box::new)),
            Read::Log(held) => {
                let history = self.history(room, held.revision + 1).await?;
                return Ok((Answer::Log(history.place, history.commits), history.traces));
            }
            Read::Place => Answer::Place(self.places(&[room]).await?.pop().flatten()),
        };
        Ok((answer, Traces::default()))
    }

    /// Reads until Redis answers.
    async fn read_at_last(self, room: RoomId, read: Read) -> (Answer, Traces) {
        loop {
            match self.read(room, read).await {
                Ok(answer) => return answer,
                Err(error) => tracing::warn!(%room, %error, "follower waits for redis"),
            }
            sleep(BETWEEN_TRIES).await;
        }
    }
}

impl Follower {
    /// The next step. Waits for Redis as long as it takes. Safe to cancel.
    pub async fn next(&mut self) -> Step {
        loop {
            if let Some(step) = self.track.step() {
                return step;
            }
            if self.reading.is_none() {
                let read = self.track.send();
                self.reading = read.map(|read| self.store.clone().read_at_last(self.room, read).boxed());
            }
            tokio::select! {
                Some((answer, traces)) = OptionFuture::from(self.reading.as_mut()) => {
                    self.reading = None;
                    self.traces.extend(traces);
                    self.track.answer(answer);
                }
                message = self.listener.next(), if self.track.is_steady() => match message {
                    Message::Commit(bytes) => self.take(&bytes),
                    Message::Missed => self.track.missed(),
                },
            }
        }
    }

    /// In which trace the commit of a place that was just handed on was made, if in any that is collected.
    pub fn trace(&mut self, place: Place) -> Option<Trace> {
        self.traces.take(place)
    }

    /// Asks for a comparison with Redis: see [`Step::Verified`].
    pub fn verify(&mut self) -> u64 {
        self.track.verify()
    }

    /// Whether nothing is known to be missing.
    pub fn is_steady(&self) -> bool {
        self.track.is_steady()
    }

    /// What is held now, to be compared with a read that is sent after this.
    pub fn mark(&self) -> Option<Mark> {
        self.track.mark()
    }

    /// Compares with what a read found that was sent when `mark` was held.
    pub fn compared(&mut self, mark: Mark, found: Option<Place>) {
        self.track.compared(mark, found);
    }

    fn take(&mut self, bytes: &[u8]) {
        match decode_commit(bytes) {
            Ok(commit) => {
                self.traces.note(commit.place().into(), bytes);
                self.track.message(commit);
            }
            Err(error) => {
                metrics::counter!("gochat_feed_garbage_total").increment(1);
                tracing::warn!(room = %self.room, %error, "feed message dropped");
            }
        }
    }
}
