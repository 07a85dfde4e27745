//! Commits as the documented notifications.

use gochat_proto::model::{ChangeCause, Commit, Event, Invitation, InvitationDeclined, Member, event};
use serde::Serialize;
use serde_json::{Value, json};

use super::frame::{Frame, Kind};
use crate::model::Attendee;

/// `type` of who entered or left.
const CAME_OR_WENT: u8 = 5;

/// A commit as frames, the last of which carries its place. None where the commit says that
/// something changed for too many to name them: a snapshot must stand in for it.
pub(crate) fn frames(commit: Commit) -> Option<Vec<Frame>> {
    let place = commit.place();
    let head = Head {
        room_id: commit.room_id,
        operator_uid: commit.operator_uid,
        operator_name: commit.operator_name,
        seq: commit.revision,
        after: commit.after,
    };
    let mut told = Told::default();
    for event in commit.events {
        told.add(&head.room_id, event)?;
    }
    let mut frames = told.into_frames(&head);
    if let Some(last) = frames.last_mut() {
        last.place = Some(place);
    }
    Some(frames)
}

/// An invitation as its person is told of it.
pub(crate) fn invitation(invitation: &Invitation) -> Frame {
    let data = json!({
        "target_uid": invitation.target_uid,
        "invite_token": invitation.token,
        "operator_uid": invitation.host_uid,
        "expires_at": invitation.expires_at,
    });
    command(6004, data)
}

/// A refusal as the host is told of it, who is named first.
fn declined(host_uid: u32, declined: &InvitationDeclined) -> Frame {
    let data = json!({
        "target_uid": host_uid,
        "uid": declined.target_uid,
        "nick_name": declined.target_name,
    });
    command(6005, data)
}

fn command(cmd: u16, data: Value) -> Frame {
    Frame::notification(Kind::CustomCommand, &json!({ "cmd": cmd, "data": data }))
}

/// What all notifications of a commit share.
struct Head {
    room_id: String,
    operator_uid: u32,
    operator_name: String,
    seq: u64,
    after: u64,
}

/// What a commit tells, sorted by notification.
#[derive(Default)]
struct Told {
    came_or_went: Vec<Passage>,
    changed: [Vec<Attendee>; 3],
    commands: Vec<Frame>,
    closed: bool,
}

#[derive(Serialize)]
struct Passage {
    #[serde(flatten)]
    attendee: Attendee,
    r#type: u8,
    delta: i8,
}

/// `type` of a state change.
#[derive(Clone, Copy)]
enum StateType {
    /// With this one the host's client opens its dialog.
    Hand = 1,
    Mic = 2,
    RoleOrStage = 3,
}

impl From<ChangeCause> for StateType {
    fn from(cause: ChangeCause) -> Self {
        match cause {
            ChangeCause::HandRaised | ChangeCause::HandLowered => Self::Hand,
            ChangeCause::MicSwitched | ChangeCause::MutedByHost | ChangeCause::MuteLifted => Self::Mic,
            ChangeCause::InvitationAccepted
            | ChangeCause::LeftStage
            | ChangeCause::TakenOffStage
            | ChangeCause::HostTransferred
            | ChangeCause::Unspecified => Self::RoleOrStage,
        }
    }
}

impl Told {
    /// Sorts an event in; None for one that names nobody of the many it concerns.
    fn add(&mut self, room_id: &str, event: Event) -> Option<()> {
        // None is a kind that is newer than this gateway.
        let Some(kind) = event.kind else { return Some(()) };
        match kind {
            event::Kind::MemberJoined(joined) => self.passage(room_id, joined.member, 1),
            event::Kind::MemberLeft(left) => self.passage(room_id, left.member, -1),
            event::Kind::MemberChanged(changed) => {
                let list = &mut self.changed[StateType::from(changed.cause()) as usize - 1];
                list.extend(changed.member.map(|member| Attendee::new(room_id, member)));
            }
            event::Kind::HandsLowered(_) => return None,
            event::Kind::RoomClosed(_) => self.closed = true,
            event::Kind::InvitationSent(sent) => {
                // The host's copy has no token, and nothing to answer.
                let own = sent.invitation.filter(|invitation| !invitation.token.is_empty());
                self.commands.extend(own.as_ref().map(invitation));
            }
            event::Kind::InvitationDeclined(refusal) => {
                self.commands.extend(event.to.first().map(|host_uid| declined(*host_uid, &refusal)));
            }
            // Said by the states of the members concerned, or not documented.
            event::Kind::HostChanged(_)
            | event::Kind::RoomOpened(_)
            | event::Kind::InvitationWithdrawn(_)
            | event::Kind::InvitationExpired(_) => {}
        }
        Some(())
    }

    fn passage(&mut self, room_id: &str, member: Option<Member>, delta: i8) {
        let attendee = member.map(|member| Attendee::new(room_id, member));
        self.came_or_went.extend(attendee.map(|attendee| Passage { attendee, r#type: CAME_OR_WENT, delta }));
    }

    fn into_frames(self, head: &Head) -> Vec<Frame> {
        let mut frames = Vec::new();
        if !self.came_or_went.is_empty() {
            frames.push(head.room(6003, json!({ "users": self.came_or_went })));
        }
        for (index, users) in self.changed.into_iter().enumerate().filter(|(_, users)| !users.is_empty()) {
            frames.push(head.room(6002, head.operated(json!({ "type": index + 1, "users": users }))));
        }
        frames.extend(self.commands);
        if self.closed {
            frames.push(head.room(6006, head.operated(json!({ "room_id": head.room_id }))));
        }
        frames
    }
}

impl Head {
    /// A notification for all, with its place among those.
    fn room(&self, cmd: u16, mut data: Value) -> Frame {
        data["seq"] = self.seq.into();
        data["after"] = self.after.into();
        Frame::notification(Kind::RoomExtraInfo, &json!({ "cmd": cmd, "data": data }))
    }

    fn operated(&self, mut data: Value) -> Value {
        data["operator_uid"] = self.operator_uid.into();
        data["operator_name"] = self.operator_name.as_str().into();
        data
    }
}
