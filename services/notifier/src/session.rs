//! One subscriber's stream as a state machine without I/O: frames of the view in, frames
//! of the contract out.

use std::{collections::VecDeque, sync::Arc};

use gochat_proto::{
    model::{Event, Place, event::Kind},
    notifier::{Counts, Goodbye, GoodbyeReason, KeepAlive, subscribe_response::Frame as Out},
};
use gochat_store::{Mechanism, Mechanisms};

use crate::{base::Base, delivery::Delivery, meters, ready::Ready, view::Frame};

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a gap has to be closed"]
pub(crate) enum Taken {
    /// It was taken, or is held already.
    Well,
    /// Something between what is held and the frame is missing.
    Gap,
    /// The node is going away: the stream is to end.
    Draining,
}

/// One subscriber's stream.
pub(crate) struct Session {
    mechanisms: Mechanisms,
    uid: Option<u32>,
    entry: u64,
    only_stage: bool,
    /// Of the view that it was last told of.
    beginning: u64,
    held: Place,
    member_count: u32,
    /// None where it isn't known what the subscriber was told.
    counts_told: Option<u32>,
    out: VecDeque<Ready>,
    ended: bool,
}

impl Session {
    /// The session of a member, or of an observer, in a room as it is now; none for who is
    /// not in it. `only_stage` leaves listeners out.
    pub(crate) fn new(
        mechanisms: Mechanisms,
        uid: Option<u32>,
        base: &Base,
        only_stage: bool,
    ) -> Option<Self> {
        let entry = match uid {
            Some(uid) => base.view.members.get(&uid)?.entry,
            None => 0,
        };
        let member_count = base.view.room.member_count;
        Some(Self {
            mechanisms,
            uid,
            entry,
            only_stage,
            beginning: base.beginning,
            held: base.view.place,
            member_count,
            counts_told: None,
            out: VecDeque::new(),
            ended: false,
        })
    }

    /// The next frame to send.
    pub(crate) fn pop(&mut self) -> Option<Ready> {
        self.out.pop_front()
    }

    /// Whether nothing comes after what is still to be sent.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
    }

    /// Whether it is told of listeners by their number alone.
    pub(crate) fn counts(&self) -> bool {
        self.only_stage
    }

    /// The place up to which nothing is missing.
    pub(crate) fn held(&self) -> Place {
        self.held
    }

    /// Begins with the room as it is.
    pub(crate) fn begin(&mut self, base: &Base) {
        if base.view.closed {
            return self.begin_closed(base);
        }
        self.beginning = base.beginning;
        self.held = base.view.place;
        self.member_count = base.view.room.member_count;
        self.counts_told = Some(self.member_count);
        self.out.extend(base.parts(self.only_stage).iter().cloned());
        self.out.push_back(base.personal(self.uid));
    }

    /// Goes on from a place that the subscriber holds, with what it missed up to the room as
    /// it is now.
    pub(crate) fn resume(&mut self, from: Place, missed: &[Arc<Delivery>], base: &Base) {
        self.beginning = base.beginning;
        self.held = from;
        for delivery in missed {
            // What leads on from the place has no gaps.
            let _ = self.deliver(delivery);
        }
        self.member_count = base.view.room.member_count;
        if base.view.closed {
            self.goodbye(GoodbyeReason::RoomClosed, 0);
        }
    }

    /// Takes what the view hands on.
    pub(crate) fn take(&mut self, frame: &Frame) -> Taken {
        match frame {
            Frame::Commit(delivery) if delivery.beginning() < self.beginning => {}
            Frame::Commit(delivery) => return self.deliver(delivery),
            Frame::Reset(base) if base.beginning <= self.beginning => {}
            Frame::Reset(base) => self.start_over(base),
            Frame::Gone => self.goodbye(GoodbyeReason::RoomClosed, 0),
            Frame::Draining => return Taken::Draining,
        }
        Taken::Well
    }

    /// Begins again with the room as it is, if the subscriber is still the one who is in it.
    pub(crate) fn start_over(&mut self, base: &Base) {
        let member = self.uid.map(|uid| base.view.members.get(&uid));
        match member {
            None => self.begin(base),
            Some(Some(member)) if member.entry == self.entry => self.begin(base),
            Some(Some(_)) => self.goodbye(GoodbyeReason::Replaced, 0),
            Some(None) => self.goodbye(GoodbyeReason::Left, 0),
        }
    }

    /// Says how many members there are, if listeners are left out and it has changed.
    pub(crate) fn tell_counts(&mut self) {
        if self.only_stage && Some(self.member_count) != self.counts_told {
            self.counts_told = Some(self.member_count);
            self.push(Out::Counts(Counts { place: Some(self.held), member_count: self.member_count }));
        }
    }

    /// Says that the stream is alive.
    pub(crate) fn keep_alive(&mut self) {
        self.push(Out::KeepAlive(KeepAlive { resume_token: self.held.to_token() }));
    }

    /// Ends the stream; `retry_after_ms` for who may come back.
    pub(crate) fn goodbye(&mut self, reason: GoodbyeReason, retry_after_ms: u32) {
        if self.ended {
            return;
        }
        self.ended = true;
        meters::goodbye(reason);
        let resume_token = self.held.to_token();
        if self.mechanisms.has(Mechanism::Goodbye) {
            self.push(Out::Goodbye(Goodbye { reason: reason.into(), resume_token, retry_after_ms }));
        }
    }

    fn begin_closed(&mut self, base: &Base) {
        if let Some(closing) = &base.closing {
            let delivery = Delivery::new(closing.clone(), base.beginning, 0);
            self.held = delivery.place();
            self.out.extend(delivery.cut_for(self.uid, self.only_stage));
        }
        self.goodbye(GoodbyeReason::RoomClosed, 0);
    }

    /// Hands on the next commit; what is held already is passed over.
    fn deliver(&mut self, delivery: &Delivery) -> Taken {
        if self.ended {
            return Taken::Well;
        }
        let place = delivery.place();
        if !self.continues(delivery) {
            let held = place.revision < self.held.revision || place == self.held;
            return if held || !self.mechanisms.has(Mechanism::GapCheck) { Taken::Well } else { Taken::Gap };
        }
        self.held = place;
        self.count(&delivery.commit().events);
        self.out.extend(delivery.cut_for(self.uid, self.only_stage));
        if let Some(reason) = delivery.end_of(self.uid, self.entry) {
            self.goodbye(reason, 0);
        }
        Taken::Well
    }

    fn continues(&self, delivery: &Delivery) -> bool {
        let (commit, held) = (delivery.commit(), self.held);
        if !self.mechanisms.has(Mechanism::GapCheck) {
            return commit.revision > held.revision;
        }
        if !self.mechanisms.has(Mechanism::TagCheck) {
            return commit.revision == held.revision + 1;
        }
        commit.continues(held)
    }

    fn count(&mut self, events: &[Event]) {
        if !self.only_stage {
            return;
        }
        for event in events {
            match &event.kind {
                Some(Kind::MemberJoined(_)) => self.member_count += 1,
                Some(Kind::MemberLeft(_)) => self.member_count = self.member_count.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn push(&mut self, frame: Out) {
        self.out.push_back(Ready::of(frame));
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
