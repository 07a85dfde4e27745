//! One stream's progress: frames of the notifier in, frames for the client out. Pure.

use std::{collections::HashMap, time::Duration};

use gochat_proto::{
    model::{Member, Place},
    notifier::{
        Goodbye, GoodbyeReason, Personal, Roster, SnapshotPart, subscribe_response::Frame as Upstream,
    },
};
use serde_json::json;

use super::{
    frame::{Content, Frame, Kind},
    held::Held,
    notify,
    translations::Translations,
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
    translations: Translations,
    /// Where the client stands; empty before the first snapshot.
    held: Held,
    /// The parts of a snapshot that have come so far, as one.
    gathering: Option<SnapshotPart>,
    /// A whole snapshot. It waits for the Personal that follows it: who could resume from
    /// between the two would never learn of an invitation.
    waiting: Option<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    snapshot: Frame,
    /// Whether the stream leaves listeners out from here on.
    only_stage: bool,
}

impl Session {
    /// The session of a client who holds that.
    pub(crate) fn new(held: Held, translations: Translations) -> Self {
        Self { translations, held, ..Self::default() }
    }

    /// What another connection has to go on from.
    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    /// The connection is gone: what was begun on it comes again on the next.
    pub(crate) fn interrupted(&mut self) {
        self.gathering = None;
        self.waiting = None;
    }

    /// Takes the next frame of the notifier.
    pub(crate) fn take(&mut self, upstream: Upstream) -> Step {
        let mut only_stage = self.held.only_stage();
        let mut frames = Vec::new();
        if let Some(waited) = self.waiting.take() {
            only_stage = waited.only_stage;
            frames.push(waited.snapshot);
        }
        let (mut next, mut reached) = (Next::GoOn, None);
        match upstream {
            Upstream::Snapshot(part) => next = self.gather(part),
            Upstream::Personal(personal) => add_invitation(&mut frames, &personal),
            Upstream::KeepAlive(alive) => {
                frames.push(Frame::new(Content::KeepAlive).at(alive.resume_token.parse().ok()));
            }
            Upstream::Commit(commit) => {
                let place = commit.place();
                match self.translations.frames(commit, only_stage) {
                    Some(told) => {
                        frames.extend(told);
                        reached = Some(place);
                    }
                    None => next = Next::Anew(place),
                }
            }
            // Nothing documented tells how many there are.
            Upstream::Counts(_) => {}
            Upstream::Goodbye(goodbye) => {
                frames.push(farewell(&goodbye));
                next = Next::End;
            }
        }
        frames.iter_mut().for_each(|frame| frame.only_stage = only_stage);
        if let Some(place) = reached.or_else(|| frames.iter().rev().find_map(|frame| frame.place)) {
            self.held = Held::at(place, only_stage);
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
            let only_stage = whole.roster() == Roster::Stage;
            self.waiting = Some(Waiting { snapshot: snapshot(whole, only_stage), only_stage });
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
    frames.push(notify::invitation(invitation).at(personal.place));
}

/// The whole room, but for listeners where they are left out: the host, then who is on stage, then the rest, each in
/// their order.
fn snapshot(whole: SnapshotPart, only_stage: bool) -> Frame {
    let SnapshotPart { place, room, mut members, stage, .. } = whole;
    let room = room.unwrap_or_default();
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
        "complete": !only_stage,
    });
    Frame::notification(Kind::Snapshot, &json!({ "cmd": 6000, "data": data })).at(place)
}

/// When to come back, or that there is nothing to come back to.
fn farewell(goodbye: &Goodbye) -> Frame {
    let newer = GoodbyeReason::try_from(goodbye.reason).is_err();
    let over = match goodbye.reason() {
        GoodbyeReason::Unspecified if newer && !goodbye.resume_token.is_empty() => None,
        GoodbyeReason::Draining | GoodbyeReason::MaxAge | GoodbyeReason::TooSlow => None,
        GoodbyeReason::Unspecified => Some("ended"),
        GoodbyeReason::Left => Some("left"),
        GoodbyeReason::Removed => Some("removed"),
        GoodbyeReason::Lost => Some("lost"),
        GoodbyeReason::Replaced => Some("replaced"),
        GoodbyeReason::LoggedOut => Some("logged_out"),
        GoodbyeReason::RoomClosed => Some("room_closed"),
    };
    match over {
        Some(reason) => Frame::new(Content::Over(reason)),
        None => {
            let after = Duration::from_millis(goodbye.retry_after_ms.into());
            Frame::new(Content::Retry(after)).at(goodbye.resume_token.parse().ok())
        }
    }
}
