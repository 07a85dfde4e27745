//! Snapshots and what follows them for the person alone.

use gochat_proto::{
    model::{Invitation, Place},
    notifier::{Personal, Roster, SnapshotPart, SubscribeResponse, subscribe_response::Frame},
    view::RoomView,
};
use prost::Message;

use super::{Walk, Wrong};
use crate::{cut::Audience, history::State, record::Holding};

/// The most bytes in one part.
const PART: usize = 64 * 1024;

impl Walk<'_> {
    pub(super) fn part(&mut self, part: &SnapshotPart) -> Result<(), Wrong> {
        let frame = Frame::Snapshot(part.clone());
        let bytes = SubscribeResponse { frame: Some(frame.clone()) }.encoded_len();
        if bytes > PART {
            return Err(Wrong::PartTooLarge(bytes));
        }
        let place = part.place.ok_or(Wrong::Parts("one without a place"))?;
        match (self.holding.coming(), &part.room) {
            (None, None) => return Err(Wrong::Parts("the first one has no room")),
            (Some(_), Some(_)) => return Err(Wrong::Parts("begun anew before the last one")),
            (Some(coming), None) if coming.place != place => return Err(Wrong::Parts("of two places")),
            (Some(coming), None) if ![0, coming.room.member_count].contains(&part.member_count) => {
                return Err(Wrong::Parts("of two counts"));
            }
            (None, Some(_)) => self.is_timely(place)?,
            _ => {}
        }
        if part.last { self.whole(place, &frame) } else { Ok(()) }
    }

    /// Never a time before what is held, unless Redis itself went back.
    fn is_timely(&mut self, place: Place) -> Result<(), Wrong> {
        self.past.commit(place).ok_or(Wrong::NeverWas { place })?;
        if let Some(held) = self.holding.place()
            && !self.past.comes_of(place, held)
        {
            if !self.past.went_back(held, Some(place)) {
                return Err(Wrong::Older { place });
            }
            self.verdict.gone_back += 1;
        }
        let first = !self.stream.resumes && self.stream.frames == 0;
        match self.stream.min.filter(|_| first) {
            Some(min) if self.past.is_kept(min) && !self.past.comes_of(place, min) => {
                Err(Wrong::WithoutMin { place, min })
            }
            _ => Ok(()),
        }
    }

    /// With its last part the snapshot is the room as it was.
    fn whole(&mut self, place: Place, last: &Frame) -> Result<(), Wrong> {
        let state = self.past.state(place).ok_or(Wrong::NoHistory)?;
        let imposed = state.view.room.member_count > self.expect.roster_limit;
        let roster = if imposed { Roster::Stage } else { self.record.roster };
        let audience = Audience { uid: self.record.uid, roster };
        let expected = shown(&state, audience);
        let came = self.with(last);
        let came = came.coming().map(|view| RoomView { partial: expected.partial, ..view.clone() });
        match came {
            Some(came) if came == expected => {}
            came => {
                let (expected, came) = (Box::new(expected), Box::new(came.unwrap_or_default()));
                return Err(Wrong::Snapshot { expected, came });
            }
        }
        self.audience = audience;
        self.verdict.snapshots += 1;
        Ok(())
    }

    fn with(&self, frame: &Frame) -> Holding {
        let mut holding = self.holding.clone();
        holding.take(frame);
        holding
    }

    pub(super) fn personal(&mut self, personal: &Personal) -> Result<(), Wrong> {
        let coming = self.holding.coming().filter(|_| self.holding.awaits_personal());
        let Some(place) = coming.map(|view| view.place).filter(|place| Some(*place) == personal.place) else {
            return Err(Wrong::PersonalAstray { place: personal.place });
        };
        let state = self.past.state(place).ok_or(Wrong::NoHistory)?;
        let expected = personal_of(&state, self.record.uid);
        let mut came = personal.clone();
        came.outstanding.sort_by_key(|invitation| invitation.target_uid);
        if came != expected {
            return Err(Wrong::Personal { expected: Box::new(expected), came: Box::new(came) });
        }
        self.stream.begun = true;
        Ok(())
    }
}

/// The room as an audience is shown it: from below the stage, without other listeners.
pub(super) fn shown(state: &State, audience: Audience) -> RoomView {
    let mut view = state.view.clone();
    if audience.roster == Roster::Stage {
        view.members.retain(|_, member| audience.lists(member));
        let members = &view.members;
        view.roster.retain(|uid| members.contains_key(uid));
        view.partial = true;
    }
    view
}

/// What is this person's alone; the host's, without tokens, by who is invited.
fn personal_of(state: &State, uid: Option<u32>) -> Personal {
    let without_token = |sent: &Invitation| Invitation { token: String::new(), ..sent.clone() };
    let hosts = uid == Some(state.view.room.host_uid);
    Personal {
        place: Some(state.view.place),
        invitation: uid.and_then(|uid| state.invitations.get(&uid)).cloned(),
        outstanding: state.invitations.values().filter(|_| hosts).map(without_token).collect(),
    }
}
