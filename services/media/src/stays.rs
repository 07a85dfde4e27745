//! A room as far as voice goes: who is in it, by which entry, and where they stand.

use std::collections::HashMap;

use gochat_domain::{Entry, Mic, Millis, Standing, Uid};
use gochat_proto::{
    model::{Commit, Member, MemberChanged, MemberJoined, MemberLeft, Role, event::Kind},
    view::RoomView,
};

/// Who is in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stays {
    open: bool,
    members: HashMap<Uid, (Entry, Standing)>,
}

/// What a commit did to somebody's stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// They came, or stand elsewhere.
    Stands(Uid),
    /// This entry of theirs ended.
    Left(Uid, Entry),
}

impl Stays {
    pub(crate) fn of(view: &RoomView) -> Self {
        let members = view.members.values().filter_map(read).collect();
        Self { open: !view.closed, members }
    }

    /// Goes on by the next commit; tells whom it concerns.
    pub(crate) fn apply(&mut self, commit: &Commit) -> Vec<Turn> {
        commit.events.iter().filter_map(|event| self.turn(event.kind.as_ref()?)).collect()
    }

    fn turn(&mut self, kind: &Kind) -> Option<Turn> {
        match kind {
            Kind::MemberJoined(MemberJoined { member: Some(member) })
            | Kind::MemberChanged(MemberChanged { member: Some(member), .. }) => {
                let (uid, stay) = read(member)?;
                self.members.insert(uid, stay);
                Some(Turn::Stands(uid))
            }
            Kind::MemberLeft(MemberLeft { member: Some(member), .. }) => {
                let uid = member.uid.try_into().ok()?;
                self.members.remove(&uid);
                Some(Turn::Left(uid, Entry(member.entry)))
            }
            Kind::RoomClosed(_) => {
                self.open = false;
                None
            }
            _ => None,
        }
    }

    /// Whether the room is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Somebody's entry, and where they stand.
    pub(crate) fn of_user(&self, uid: Uid) -> Option<(Entry, Standing)> {
        self.members.get(&uid).copied()
    }
}

/// What the contract says of a member, in the rules' words. A microphone that it doesn't say to be on is off,
/// whoever muted it.
fn read(member: &Member) -> Option<(Uid, (Entry, Standing))> {
    let uid = member.uid.try_into().ok()?;
    let mic = member.mic.filter(|mic| mic.on).map_or(
        Mic { muted_by_self: true, muted_by_host: member.mic.is_some_and(|mic| mic.muted_by_host) },
        |mic| Mic { muted_by_self: mic.muted_by_self, muted_by_host: mic.muted_by_host },
    );
    let on_stage_at = Millis(member.on_stage_at);
    let standing = match member.role() {
        Role::Host => Standing::Host { on_stage_at, mic },
        Role::GuestSpeaker => Standing::GuestSpeaker { on_stage_at, mic },
        Role::Listener | Role::Unspecified => Standing::LISTENER,
    };
    Some((uid, (Entry(member.entry), standing)))
}

#[cfg(test)]
pub(crate) mod tests {
    use gochat_domain::rules::may_be_heard;
    use gochat_proto::model::{self, Event, RoomClosed};

    use super::*;

    /// A member as the contract has it; `on` for one whose microphone is on.
    pub(crate) fn member(uid: u32, entry: u64, role: Role, on: bool) -> Member {
        let muted_by_self = !on && role != Role::Listener;
        let mic = Some(model::Mic { on, muted_by_self, muted_by_host: false });
        Member { uid, entry, role: role.into(), mic, ..Member::default() }
    }

    pub(crate) fn commit(kinds: impl IntoIterator<Item = Kind>) -> Commit {
        let events = kinds.into_iter().map(|kind| Event { kind: Some(kind), ..Event::default() }).collect();
        Commit { events, ..Commit::default() }
    }

    pub(crate) fn joined(member: Member) -> Kind {
        Kind::MemberJoined(MemberJoined { member: Some(member) })
    }

    pub(crate) fn changed(member: Member) -> Kind {
        Kind::MemberChanged(MemberChanged { member: Some(member), ..MemberChanged::default() })
    }

    pub(crate) fn left(member: Member) -> Kind {
        Kind::MemberLeft(MemberLeft { member: Some(member), ..MemberLeft::default() })
    }

    pub(crate) fn closed() -> Kind {
        Kind::RoomClosed(RoomClosed::default())
    }

    /// A room as it is read, with these in it.
    pub(crate) fn view(members: impl IntoIterator<Item = Member>) -> RoomView {
        let members = members.into_iter().map(|member| (member.uid, member)).collect();
        RoomView { members, ..RoomView::default() }
    }

    #[test]
    fn the_view_goes_on_by_commits() {
        let uid = Uid::try_from(7).unwrap();
        let mut stays = Stays::of(&view([member(7, 3, Role::Listener, false)]));
        let heard = |stays: &Stays| may_be_heard(stays.is_open(), stays.of_user(uid), Entry(3));
        assert!(!heard(&stays));
        let turns = stays.apply(&commit([changed(member(7, 3, Role::GuestSpeaker, true))]));
        assert_eq!((turns, heard(&stays)), (vec![Turn::Stands(uid)], true));
        stays.apply(&commit([changed(member(7, 3, Role::GuestSpeaker, false))]));
        assert!(!heard(&stays));
        stays.apply(&commit([changed(member(7, 3, Role::Host, true))]));
        assert!(heard(&stays));
        let turns = stays
            .apply(&commit([left(member(7, 3, Role::Host, true)), joined(member(7, 4, Role::Host, true))]));
        assert_eq!(turns, [Turn::Left(uid, Entry(3)), Turn::Stands(uid)]);
        assert!(!heard(&stays), "that was another entry");
        stays.apply(&commit([joined(member(7, 3, Role::Host, true)), closed()]));
        assert!(!heard(&stays));
    }

    #[test]
    fn a_microphone_that_nothing_is_said_of_is_off() {
        let (_, (_, standing)) = read(&Member { mic: None, ..member(7, 3, Role::Host, true) }).unwrap();
        assert!(!standing.mic().unwrap().is_on());
    }
}
