//! What of a commit one person may see, by the words of the contract.

use gochat_proto::{
    model::{Commit, Event, Member, Role, event::Kind},
    notifier::Roster,
};

/// Who is told, and how much of it they asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Audience {
    /// None for an observer, who is told what everybody is.
    pub(crate) uid: Option<u32>,
    /// With `Stage`, the comings and goings of other listeners are left out.
    pub(crate) roster: Roster,
}

impl Audience {
    /// The commit's events as this person is told them, in order.
    pub(crate) fn cut(self, commit: &Commit) -> Vec<Event> {
        commit.events.iter().filter(|event| self.is_told(event)).cloned().collect()
    }

    /// Whether the commit has anything for this person.
    pub(crate) fn is_concerned(self, commit: &Commit) -> bool {
        commit.events.iter().any(|event| self.is_told(event))
    }

    /// Whether an event may be shown to this person at all.
    pub(crate) fn may_see(self, event: &Event) -> bool {
        event.to.is_empty() || self.uid.is_some_and(|uid| event.to.contains(&uid))
    }

    /// Whether this person's list of members has the member.
    pub(crate) fn lists(self, member: &Member) -> bool {
        self.roster != Roster::Stage || is_noticed(member)
    }

    fn is_told(self, event: &Event) -> bool {
        let passer_by = passing(event)
            .filter(|_| self.roster == Roster::Stage)
            .filter(|member| !is_noticed(member) && Some(member.uid) != self.uid);
        self.may_see(event) && passer_by.is_none()
    }
}

/// Who comes or goes with an event.
fn passing(event: &Event) -> Option<&Member> {
    match event.kind.as_ref()? {
        Kind::MemberJoined(joined) => joined.member.as_ref(),
        Kind::MemberLeft(left) => left.member.as_ref(),
        _ => None,
    }
}

/// The host, guest speakers, and who has a hand up.
fn is_noticed(member: &Member) -> bool {
    member.role() != Role::Listener || member.hand_raised_at != 0
}

#[cfg(test)]
mod tests {
    use gochat_proto::model::{HandsLowered, InvitationSent, MemberJoined, MemberLeft};

    use super::*;

    fn told(audience: Audience, to: &[u32], kind: Kind) -> bool {
        let event = Event { to: to.to_vec(), kind: Some(kind) };
        audience.is_concerned(&Commit { events: vec![event], ..Commit::default() })
    }

    fn listener(uid: u32, hand_raised_at: i64) -> Member {
        Member { uid, role: Role::Listener.into(), hand_raised_at, ..Member::default() }
    }

    fn joined(member: Member) -> Kind {
        Kind::MemberJoined(MemberJoined { member: Some(member) })
    }

    const PERSON: Audience = Audience { uid: Some(7), roster: Roster::All };
    const BELOW: Audience = Audience { uid: Some(7), roster: Roster::Stage };
    const OBSERVER: Audience = Audience { uid: None, roster: Roster::All };

    #[test]
    fn what_is_private_is_for_those_named() {
        let sent = || Kind::InvitationSent(InvitationSent::default());
        assert!(told(PERSON, &[7], sent()) && told(BELOW, &[6, 7], sent()));
        assert!(!told(PERSON, &[6], sent()) && !told(OBSERVER, &[6], sent()));
        for audience in [PERSON, BELOW, OBSERVER] {
            assert!(told(audience, &[], Kind::HandsLowered(HandsLowered {})));
        }
    }

    #[test]
    fn from_below_the_stage_other_listeners_come_and_go_unseen() {
        let left = |member| Kind::MemberLeft(MemberLeft { member: Some(member), reason: 0 });
        assert!(!told(BELOW, &[], joined(listener(8, 0))) && !told(BELOW, &[], left(listener(8, 0))));
        assert!(told(BELOW, &[], left(listener(8, 1))), "a hand was up");
        assert!(told(BELOW, &[], joined(listener(7, 0))), "oneself");
        assert!(told(PERSON, &[], joined(listener(8, 0))) && told(OBSERVER, &[], joined(listener(8, 0))));
        let host = Member { role: Role::Host.into(), ..listener(8, 0) };
        assert!(told(BELOW, &[], joined(host)));
    }
}
