//! The judge: whether a subscriber got every event meant for it once and in order, or a
//! snapshot that stands for those it missed, by what really happened.

mod end;
mod frames;
mod objection;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use gochat_proto::{
    model::Place,
    notifier::{GoodbyeReason, Roster, subscribe_response::Frame},
};

pub(crate) use self::{
    end::{has_caught_up, replays},
    objection::{Objection, Wrong},
};
use crate::{
    cut::Audience,
    history::{History, Past},
    record::{Holding, Record, What},
};

/// What may be asked of a record beyond what must always hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expect {
    /// Every stream that began ends with Goodbye (or is stopped by its subscriber).
    pub(crate) goodbye: bool,
    /// The subscriber holds, in the end, all that concerns it, and sees the room as it is.
    pub(crate) caught_up: bool,
    /// Sessions may have been lost, and who had one be turned away.
    pub(crate) logged_out: bool,
    /// Above so many members the server leaves listeners out for everybody.
    pub(crate) roster_limit: u32,
}

impl Default for Expect {
    fn default() -> Self {
        Self { goodbye: false, caught_up: true, logged_out: false, roster_limit: 1_000 }
    }
}

/// What was in a record, so that a test can ask for something to have happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) commits: u64,
    pub(crate) events: u64,
    /// Of those, the ones for this person alone or for a few.
    pub(crate) private: u64,
    pub(crate) snapshots: u64,
    /// Snapshots of a history that doesn't have what was held.
    pub(crate) gone_back: u64,
    /// Streams asked for with a token that went on from it without a snapshot.
    pub(crate) resumes: u64,
    pub(crate) keep_alives: u64,
    pub(crate) goodbyes: u64,
    /// Streams that ended without a goodbye, by no doing of the subscriber's.
    pub(crate) breaks: u64,
    /// Calls that failed, so that no stream began.
    pub(crate) unanswered: u64,
}

/// Judges one subscriber's record.
pub(crate) fn judge(record: &Record, history: &History, expect: Expect) -> Result<Verdict, Objection> {
    let object = |at: usize, held, wrong| Objection {
        room_id: record.room_id.clone(),
        uid: record.uid,
        at,
        time: record.got.get(at).map(|got| got.at),
        held,
        wrong: Box::new(wrong),
    };
    let Some(past) = history.room(&record.room_id) else {
        return Err(object(0, None, Wrong::NoHistory));
    };
    let mut walk = Walk::new(record, past, expect);
    for (at, got) in record.got.iter().enumerate() {
        walk.step(&got.what).map_err(|wrong| object(at, walk.holding.place(), wrong))?;
    }
    walk.caught_up().map_err(|wrong| object(record.got.len(), walk.holding.place(), wrong))?;
    Ok(walk.verdict)
}

/// A way through a record, with what the client holds on the way.
struct Walk<'a> {
    record: &'a Record,
    past: &'a Past,
    expect: Expect,
    holding: Holding,
    /// What of the room is shown to this subscriber, as the last snapshot had it.
    audience: Audience,
    stream: Stream,
    /// The commits that were delivered.
    delivered: HashSet<Place>,
    /// Nothing is expected to come any more.
    over: bool,
    verdict: Verdict,
}

/// The present stream.
#[derive(Debug, Default)]
struct Stream {
    /// With a token, which was held.
    resumes: bool,
    /// What it must not begin before.
    min: Option<Place>,
    /// Frames so far.
    frames: u64,
    /// Commits are told on top of what is held.
    begun: bool,
    /// Why this person's entry ended, by the last commit.
    left: Option<GoodbyeReason>,
    /// Only this goodbye may follow.
    due: Option<GoodbyeReason>,
    goodbye: bool,
    ended: bool,
}

impl<'a> Walk<'a> {
    fn new(record: &'a Record, past: &'a Past, expect: Expect) -> Self {
        let roster = if record.roster == Roster::Stage { Roster::Stage } else { Roster::All };
        Self {
            record,
            past,
            expect,
            holding: Holding::new(roster),
            audience: Audience { uid: record.uid, roster },
            stream: Stream { ended: true, ..Stream::default() },
            delivered: HashSet::new(),
            over: false,
            verdict: Verdict::default(),
        }
    }

    fn step(&mut self, what: &What) -> Result<(), Wrong> {
        match what {
            What::Asked { token, min } => self.asked(*token, *min),
            What::Frame(frame) => {
                self.in_turn(frame)?;
                self.frame(frame)?;
                self.stream.frames += 1;
                self.holding.take(frame);
                Ok(())
            }
            What::Ended(end) => self.ended(end),
        }
    }

    fn asked(&mut self, token: Option<Place>, min: Option<Place>) -> Result<(), Wrong> {
        if !self.stream.ended || token.is_some_and(|token| Some(token) != self.holding.place()) {
            return Err(Wrong::Subscriber("asked for what it doesn't hold, or twice at once"));
        }
        self.holding.begin();
        self.stream = Stream { resumes: token.is_some(), begun: token.is_some(), min, ..Stream::default() };
        Ok(())
    }

    /// Whether a frame may come now, whatever is in it.
    fn in_turn(&self, frame: &Frame) -> Result<(), Wrong> {
        if self.stream.ended || self.stream.goodbye {
            return Err(Wrong::AfterGoodbye);
        }
        match (self.stream.due, frame) {
            (Some(due), Frame::Goodbye(goodbye)) if goodbye.reason() == due => {}
            (Some(due), _) => return Err(Wrong::AfterTheEnd { due }),
            _ => {}
        }
        match (self.holding.coming(), self.holding.awaits_personal(), frame) {
            (None, ..) | (Some(_), true, Frame::Personal(_)) | (Some(_), false, Frame::Snapshot(_)) => Ok(()),
            (Some(coming), true, _) => Err(Wrong::NoPersonal { place: coming.place }),
            (Some(_), false, _) => Err(Wrong::Parts("broken off")),
        }
    }
}
