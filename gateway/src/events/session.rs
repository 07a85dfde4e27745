//! One stream's progress: frames of the notifier in, frames for the client out. Pure.

use std::{collections::HashMap, time::Duration};

use gochat_proto::{
    model::{Member, Place},
    notifier::{Goodbye, GoodbyeReason, Personal, SnapshotPart, subscribe_response::Frame as Upstream},
};
use serde_json::json;

use super::{
    frame::{Frame, Kind},
    notify,
};
use crate::model::{Attendee, Room};

/// What a frame of the notifier brings about.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) frames: Vec<Frame>,
    pub(crate) next: Next,
}

/// How a stream goes on after a step.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    GoOn,
    /// With a snapshot, to be asked for, of this place or a later one.
    Anew(Place),
    /// Over another connection: what came makes no sense.
    Broken,
    End,
}

/// What a stream has told, and what it holds back.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Where the client stands; empty before the first snapshot.
    resume_token: String,
    /// The parts of a snapshot that have come so far, as one.
    gathering: Option<SnapshotPart>,
    /// A whole snapshot. It waits for the Personal that follows it: who could resume from
    /// between the two would never learn of an invitation.
    waiting: Option<Frame>,
}

impl Session {
    /// The session of a client who stands there; who begins has an empty token.
    pub(crate) fn at(resume_token: String) -> Self {
        Self { resume_token, ..Self::default() }
    }

    /// Where another connection has to go on from.
    pub(crate) fn resume_token(&self) -> &str {
        &self.resume_token
    }

    /// The connection is gone: what was begun on it comes again on the next.
    pub(crate) fn interrupted(&mut self) {
        self.gathering = None;
        self.waiting = None;
    }

    /// Takes the next frame of the notifier.
    pub(crate) fn take(&mut self, upstream: Upstream) -> Step {
        let mut frames: Vec<Frame> = self.waiting.take().into_iter().collect();
        let mut next = Next::GoOn;
        match upstream {
            Upstream::Snapshot(part) => next = self.gather(part),
            Upstream::Personal(personal) => add_invitation(&mut frames, &personal),
            Upstream::KeepAlive(alive) => frames.push(Frame::keep_alive(alive.resume_token.parse().ok())),
            Upstream::Commit(commit) => {
                let place = commit.place();
                match notify::frames(commit) {
                    Some(told) => {
                        frames.extend(told);
                        self.resume_token = place.to_token();
                    }
                    None => next = Next::Anew(place),
                }
            }
            // Nothing documented tells how many there are.
            Upstream::Counts(_) => {}
            Upstream::Goodbye(goodbye) => {
                frames.extend(farewell(&goodbye));
                next = Next::End;
            }
        }
        if let Some(place) = frames.iter().rev().find_map(|frame| frame.place) {
            self.resume_token = place.to_token();
        }
        Step { frames, next }
    }

    /// Adds a part to those before it; the last one makes a frame of them.
    fn gather(&mut self, part: SnapshotPart) -> Next {
        let last = part.last;
        let whole = match self.gathering.take() {
            _ if part.room.is_some() => part,
            Some(mut held) if held.place == part.place => {
                held.members.extend(part.members);
                held.hands.extend(part.hands);
                held.stage.extend(part.stage);
                held
            }
            _ => return Next::Broken,
        };
        if last {
            self.waiting = Some(snapshot(whole));
        } else {
            self.gathering = Some(whole);
        }
        Next::GoOn
    }
}

/// The invitation that nobody has answered yet comes right after the snapshot, which
/// then leaves the place to it.
fn add_invitation(frames: &mut Vec<Frame>, personal: &Personal) {
    let Some(invitation) = &personal.invitation else { return };
    for snapshot in frames.iter_mut() {
        snapshot.place = None;
    }
    frames.push(Frame { place: personal.place, ..notify::invitation(invitation) });
}

/// The whole room: the host, then who is on stage, then the rest, each in their order.
fn snapshot(whole: SnapshotPart) -> Frame {
    let SnapshotPart { place, room, mut members, stage, member_count, .. } = whole;
    let room = room.unwrap_or_default();
    let complete = members.len() >= member_count as usize;
    let seats: HashMap<u32, usize> = stage.into_iter().zip(1..).collect();
    let rank = |member: &Member| match seats.get(&member.uid) {
        _ if member.uid == room.host_uid => 0,
        Some(seat) => *seat,
        None => usize::MAX,
    };
    members.sort_by_key(rank);
    let attendees: Vec<Attendee> = members.into_iter().map(|m| Attendee::new(&room.room_id, m)).collect();
    let data = json!({
        "room": Room::from(room),
        "attendee_list": attendees,
        "seq": place.unwrap_or_default().revision,
        "complete": complete,
    });
    Frame { place, ..Frame::notification(Kind::Snapshot, json!({ "cmd": 6000, "data": data })) }
}

/// When to come back, where that is of use.
fn farewell(goodbye: &Goodbye) -> Option<Frame> {
    match goodbye.reason() {
        GoodbyeReason::Draining | GoodbyeReason::MaxAge | GoodbyeReason::TooSlow => {
            let after = Duration::from_millis(goodbye.retry_after_ms.into());
            Some(Frame::retry(goodbye.resume_token.parse().ok(), after))
        }
        GoodbyeReason::Unspecified
        | GoodbyeReason::Left
        | GoodbyeReason::Removed
        | GoodbyeReason::Lost
        | GoodbyeReason::Replaced
        | GoodbyeReason::LoggedOut
        | GoodbyeReason::RoomClosed => None,
    }
}
