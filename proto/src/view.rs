//! A room as a follower sees it: built from a snapshot, kept by applying commits.

use std::collections::BTreeMap;

use crate::model::{
    Commit, Event, Member, MemberJoined, MemberLeft, Place, Role, Room, RoomOpened, event::Kind,
};

/// A commit that does not continue what the view holds: something is missing
/// between the two, or they belong to different histories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// What the view holds.
    pub held: Place,
    /// The revision that came.
    pub came: u64,
}

impl std::fmt::Display for Gap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "revision {} does not continue {}", self.came, self.held.revision)
    }
}

impl std::error::Error for Gap {}

/// A room at one place in its history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoomView {
    /// Where in its history.
    pub place: Place,
    /// Subject, host, limits and counts.
    pub room: Room,
    /// Everybody in the room.
    pub members: BTreeMap<u32, Member>,
    /// In the order in which they entered.
    pub roster: Vec<u32>,
    /// Raised hands, the longest raised first.
    pub hands: Vec<u32>,
    /// On stage: the host, then in the order in which they stepped up.
    pub stage: Vec<u32>,
    /// Whether the room is closed; nothing comes after that.
    pub closed: bool,
    /// Whether listeners are left out (`ROSTER_STAGE`): then only counts tell how many there are.
    pub partial: bool,
}

impl RoomView {
    /// Applies a commit that comes right after the place held.
    pub fn apply(&mut self, commit: &Commit) -> Result<(), Gap> {
        if !commit.continues(self.place) {
            return Err(Gap { held: self.place, came: commit.revision });
        }
        self.advance(commit);
        Ok(())
    }

    /// Applies what a stream of one person hands on. Commits that were for others
    /// alone are left out of such a stream, so it continues where `after` is held.
    pub fn apply_streamed(&mut self, commit: &Commit) -> Result<(), Gap> {
        if commit.after > self.place.revision || commit.revision <= self.place.revision {
            return Err(Gap { held: self.place, came: commit.revision });
        }
        self.advance(commit);
        Ok(())
    }

    fn advance(&mut self, commit: &Commit) {
        for event in &commit.events {
            self.apply_event(event);
        }
        self.place = commit.place();
        if !self.partial {
            self.room.member_count = self.roster.len() as u32;
        }
        self.room.on_stage_count = self.stage.len() as u32;
    }

    fn apply_event(&mut self, event: &Event) {
        match &event.kind {
            Some(Kind::RoomOpened(RoomOpened { room: Some(room) })) => self.room = room.clone(),
            Some(Kind::MemberJoined(MemberJoined { member: Some(member) })) => self.put(member),
            Some(Kind::MemberChanged(changed)) => {
                if let Some(member) = &changed.member {
                    self.put(member);
                }
            }
            Some(Kind::MemberLeft(MemberLeft { member: Some(member), .. })) => self.remove(member.uid),
            Some(Kind::HandsLowered(_)) => self.lower_hands(),
            Some(Kind::HostChanged(changed)) => {
                self.room.host_uid = changed.host_uid;
                self.room.host_name.clone_from(&changed.host_name);
            }
            Some(Kind::RoomClosed(_)) => self.closed = true,
            _ => {}
        }
    }

    fn put(&mut self, member: &Member) {
        let uid = member.uid;
        let former = self.members.insert(uid, member.clone());
        place_last(&mut self.roster, uid, true);
        place_last(&mut self.hands, uid, member.hand_raised_at != 0);
        // Who becomes host comes first; who was host steps up anew.
        if former.is_none_or(|former| former.role != member.role) {
            self.stage.retain(|other| *other != uid);
        }
        match member.role() {
            Role::Host if !self.stage.contains(&uid) => self.stage.insert(0, uid),
            Role::Host => {}
            _ => place_last(&mut self.stage, uid, member.on_stage_at != 0),
        }
    }

    fn remove(&mut self, uid: u32) {
        self.members.remove(&uid);
        for list in [&mut self.roster, &mut self.hands, &mut self.stage] {
            list.retain(|other| *other != uid);
        }
    }

    fn lower_hands(&mut self) {
        for uid in self.hands.drain(..) {
            if let Some(member) = self.members.get_mut(&uid) {
                member.hand_raised_at = 0;
            }
        }
    }

    /// The host, while the room has one.
    pub fn host(&self) -> Option<&Member> {
        self.members.get(&self.room.host_uid).filter(|member| member.role() == Role::Host)
    }
}

/// Keeps `uid` where it is in the list, puts it last, or takes it out.
fn place_last(list: &mut Vec<u32>, uid: u32, belongs: bool) {
    match (list.iter().position(|other| *other == uid), belongs) {
        (None, true) => list.push(uid),
        (Some(at), false) => drop(list.remove(at)),
        _ => {}
    }
}
