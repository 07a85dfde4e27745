//! One subscriber's stream as a state machine without I/O: frames of the view in, frames
//! of the contract out.

use std::{collections::VecDeque, sync::Arc};

use gochat_proto::{
    model::{Commit, LeaveReason, Member, Place, event::Kind},
    notifier::{
        Counts, Goodbye, GoodbyeReason, KeepAlive, Personal, SnapshotPart, SubscribeResponse,
        subscribe_response::Frame as Out,
    },
};
use prost::Message;

use crate::{
    delivery::Delivery,
    view::{Base, Frame},
};

/// The members in one part of a snapshot take at most so many bytes.
const PART: usize = 48 * 1024;

/// One subscriber's stream.
pub(crate) struct Session {
    uid: Option<u32>,
    entry: u64,
    only_stage: bool,
    held: Place,
    member_count: u32,
    counts_told: u32,
    out: VecDeque<SubscribeResponse>,
    ended: bool,
}

impl Session {
    /// The session of a member, or of an observer, in a room as it is now; none for who is
    /// not in it. `only_stage` leaves listeners out.
    pub(crate) fn new(uid: Option<u32>, base: &Base, only_stage: bool) -> Option<Self> {
        let entry = match uid {
            Some(uid) => base.view.members.get(&uid)?.entry,
            None => 0,
        };
        let member_count = base.view.room.member_count;
        Some(Self {
            uid,
            entry,
            only_stage,
            held: base.view.place,
            member_count,
            counts_told: member_count,
            out: VecDeque::new(),
            ended: false,
        })
    }

    /// The next frame to send.
    pub(crate) fn pop(&mut self) -> Option<SubscribeResponse> {
        self.out.pop_front()
    }

    /// Whether nothing comes after what is still to be sent.
    pub(crate) fn is_ended(&self) -> bool {
        self.ended
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
        self.held = base.view.place;
        self.member_count = base.view.room.member_count;
        self.counts_told = self.member_count;
        for part in parts(base, self.only_stage) {
            self.push(Out::Snapshot(part));
        }
        self.push(Out::Personal(personal(base, self.uid)));
    }

    /// Goes on from a place that the subscriber holds.
    pub(crate) fn resume(&mut self, from: Place, missed: &[Arc<Delivery>]) {
        self.held = from;
        for delivery in missed {
            self.deliver(delivery);
        }
    }

    /// Takes what the view hands on.
    pub(crate) fn take(&mut self, frame: &Frame) {
        match frame {
            Frame::Commit(delivery) => self.deliver(delivery),
            Frame::Reset(base) => match self.member(base) {
                Some(member) if member.entry == self.entry => self.begin(base),
                Some(_) => self.goodbye(GoodbyeReason::Replaced, 0),
                None if self.uid.is_none() => self.begin(base),
                None => self.goodbye(GoodbyeReason::Left, 0),
            },
            Frame::Gone => self.goodbye(GoodbyeReason::RoomClosed, 0),
        }
    }

    /// Says how many members there are, if listeners are left out and it has changed.
    pub(crate) fn tell_counts(&mut self) {
        if self.only_stage && self.member_count != self.counts_told {
            self.counts_told = self.member_count;
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
        let resume_token = self.held.to_token();
        self.push(Out::Goodbye(Goodbye { reason: reason.into(), resume_token, retry_after_ms }));
    }

    fn begin_closed(&mut self, base: &Base) {
        if let Some(last) = &base.last {
            let delivery = Delivery::new(last.clone(), last.after);
            if let Some(commit) = delivery.cut_for(self.uid, false) {
                self.held = commit.place();
                self.push(Out::Commit(commit));
            }
        }
        self.goodbye(GoodbyeReason::RoomClosed, 0);
    }

    /// Hands on the next commit; what is held already, or doesn't continue, is passed over.
    fn deliver(&mut self, delivery: &Arc<Delivery>) {
        let commit = delivery.commit();
        if self.ended || !commit.continues(self.held) {
            return;
        }
        self.held = commit.place();
        for event in &commit.events {
            match &event.kind {
                Some(Kind::MemberJoined(_)) => self.member_count += 1,
                Some(Kind::MemberLeft(_)) => self.member_count = self.member_count.saturating_sub(1),
                _ => {}
            }
        }
        if let Some(cut) = delivery.cut_for(self.uid, self.only_stage) {
            self.push(Out::Commit(cut));
        }
        if let Some(reason) = self.end_of(commit) {
            self.goodbye(reason, 0);
        }
    }

    /// Why the stream ends with this commit, if it does.
    fn end_of(&self, commit: &Commit) -> Option<GoodbyeReason> {
        commit.events.iter().find_map(|event| match &event.kind {
            Some(Kind::RoomClosed(_)) => Some(GoodbyeReason::RoomClosed),
            Some(Kind::MemberLeft(left)) => {
                let member = left.member.as_ref()?;
                let own = Some(member.uid) == self.uid && member.entry == self.entry;
                own.then(|| match left.reason() {
                    LeaveReason::Removed => GoodbyeReason::Removed,
                    LeaveReason::Lost => GoodbyeReason::Lost,
                    LeaveReason::Replaced => GoodbyeReason::Replaced,
                    LeaveReason::Left | LeaveReason::Unspecified => GoodbyeReason::Left,
                })
            }
            _ => None,
        })
    }

    fn member<'a>(&self, base: &'a Base) -> Option<&'a Member> {
        base.view.members.get(&self.uid?)
    }

    fn push(&mut self, frame: Out) {
        self.out.push_back(SubscribeResponse { frame: Some(frame) });
    }
}

/// A room in parts of at most 64 KiB.
fn parts(base: &Base, only_stage: bool) -> Vec<SnapshotPart> {
    let view = &base.view;
    let shown = view
        .roster
        .iter()
        .filter_map(|uid| view.members.get(uid))
        .filter(|member| !only_stage || member.on_stage_at != 0 || member.hand_raised_at != 0);
    let member_count = view.room.member_count;
    let mut parts = vec![SnapshotPart {
        place: Some(view.place),
        room: Some(view.room.clone()),
        hands: view.hands.clone(),
        stage: view.stage.clone(),
        member_count,
        ..SnapshotPart::default()
    }];
    let mut size = 4 * view.hands.len();
    for member in shown {
        size += member.encoded_len() + 4;
        if size > PART {
            size = 0;
            parts.push(SnapshotPart { place: Some(view.place), member_count, ..SnapshotPart::default() });
        }
        if let Some(part) = parts.last_mut() {
            part.members.push(member.clone());
        }
    }
    if let Some(part) = parts.last_mut() {
        part.last = true;
    }
    parts
}

/// What is for one person alone: their invitation; the host's, those not yet answered.
fn personal(base: &Base, uid: Option<u32>) -> Personal {
    let is_host = uid == Some(base.view.room.host_uid);
    let without_token = |sent: &gochat_proto::model::Invitation| gochat_proto::model::Invitation {
        token: String::new(),
        ..sent.clone()
    };
    Personal {
        place: Some(base.view.place),
        invitation: uid.and_then(|uid| base.invitations.get(&uid)).cloned(),
        outstanding: if is_host { base.invitations.values().map(without_token).collect() } else { vec![] },
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;
