//! What becomes of a room whose host's lease ended.

use super::{
    membership::{close, overdue, take_out},
    moderation::make_host,
};
use crate::{
    Change, CloseReason, Entry, LeaveReason, Loaded, Millis, Refusal, Uid,
    rules::{Due, Load, Rule},
};

/// What a deployment has become of a room whose host's lease ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HostLoss {
    /// It closes.
    #[default]
    Close,
    /// The guest speaker longest on stage becomes host: see [`ReplaceHost`].
    Promote,
}

/// The host's lease ended: the guest speaker longest on stage becomes host; where there
/// is none, the room closes. Nothing to do for anybody but the host.
#[derive(Clone, Debug)]
pub struct ReplaceHost {
    /// Whose lease.
    pub uid: Uid,
    /// Of which entry.
    pub entry: Entry,
    /// The deadline that was seen to have passed.
    pub deadline: Millis,
}

impl Rule for ReplaceHost {
    fn load(&self) -> Load {
        Load::people([self.uid]).with_stage().with_due(Due::Lease(self.uid, self.entry), self.deadline)
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let head = room.open()?;
        let Some(lost) = overdue(room, self.uid, self.entry, self.deadline) else {
            return Ok(Change::nothing());
        };
        if head.host != lost.uid {
            return Ok(Change::nothing());
        }
        let speakers = room.stage.iter().filter(|member| member.standing.is_guest_speaker());
        Ok(match speakers.min_by_key(|speaker| speaker.standing.on_stage_at()) {
            Some(heir) => {
                let change = make_host(Change::default(), head, heir, room.now);
                take_out(change, room, lost, LeaveReason::Lost)
            }
            None => close(Change::default(), head, CloseReason::HostLost),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that unwraps says where it broke")]

    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        ClientId, Counts, EventKind, Head, Invitation, InvitationToken, Limits, Member, Mic, NickName,
        Person, Place, RoomId, Standing, Subject, rules::Expire,
    };

    const LOST: u32 = 1;
    const NOW: Millis = Millis(90);

    fn uid(n: u32) -> Uid {
        n.try_into().unwrap()
    }

    fn member(n: u32, standing: Standing) -> Member {
        Member {
            uid: uid(n),
            nick_name: NickName::parse(&format!("user {n}")).unwrap(),
            avatar: String::new(),
            client: ClientId::default(),
            entry: Entry(7),
            joined_at: Millis(1),
            standing,
        }
    }

    fn speaker(n: u32, on_stage_at: i64, mic: Mic) -> Member {
        member(n, Standing::GuestSpeaker { on_stage_at: Millis(on_stage_at), mic })
    }

    /// A room whose host is the first on stage.
    fn room(speakers: impl IntoIterator<Item = Member>) -> Loaded {
        let host = member(LOST, Standing::Host { on_stage_at: Millis(1), mic: Mic::ON });
        let stage: Vec<Member> = [host.clone()].into_iter().chain(speakers).collect();
        let head = Head {
            subject: Subject::parse("tea").unwrap(),
            host: host.uid,
            host_name: host.nick_name.clone(),
            hand_overs: 0,
            created_at: Millis(1),
            limits: Limits { members: 9, seats: 3 },
            hands_lowered_at: Millis(0),
            closed: false,
        };
        let people = BTreeMap::from([(host.uid, Person { member: Some(host), ..Person::default() })]);
        let counts = Counts { members: stage.len() as u32, speakers: stage.len() as u32 - 1 };
        let (room, place) = (RoomId::from_number(0), Place::default());
        Loaded { room, now: NOW, place, head: Some(head), counts, people, stage }
    }

    fn replace(room: &Loaded, deadline: Millis) -> Change {
        ReplaceHost { uid: uid(LOST), entry: Entry(7), deadline }.decide(room).unwrap()
    }

    #[test]
    fn the_guest_speaker_longest_on_stage_becomes_host() {
        let muted = Mic { muted_by_self: false, muted_by_host: true };
        let room = room([speaker(2, 30, Mic::ON), speaker(3, 20, muted), speaker(4, 20, Mic::ON)]);
        let change = replace(&room, NOW);
        let head = change.head.as_ref().unwrap();
        assert_eq!((head.host, head.host_name.as_str(), head.hand_overs), (uid(3), "user 3", 1));
        let off = Mic { muted_by_self: true, muted_by_host: false };
        let heir = member(3, Standing::Host { on_stage_at: Millis(20), mic: off });
        assert_eq!(change.members, BTreeMap::from([(uid(LOST), None), (uid(3), Some(heir))]));
        let told: Vec<_> = change.events.iter().map(|event| std::mem::discriminant(&event.kind)).collect();
        let left = EventKind::MemberLeft { member: member(1, Standing::LISTENER), reason: LeaveReason::Lost };
        assert_eq!((told.len(), told[2]), (3, std::mem::discriminant(&left)));
    }

    #[test]
    fn invitations_of_a_lost_host_are_void() {
        let room = room([speaker(2, 20, Mic::ON)]);
        let head = room.head.as_ref().unwrap();
        let invitation = Invitation {
            target: uid(5),
            host: head.host,
            host_name: head.host_name.clone(),
            hand_overs: head.hand_overs,
            sent_at: Millis(80),
            expires_at: Millis(999),
            token: InvitationToken("token".to_owned()),
        };
        assert!(invitation.stands(head, NOW));
        assert!(!invitation.stands(replace(&room, NOW).head.as_ref().unwrap(), NOW));
    }

    #[test]
    fn a_room_without_guest_speakers_closes() {
        let change = replace(&room([]), NOW);
        assert!(change.head.unwrap().closed);
        assert_eq!(change.events[0].kind, EventKind::RoomClosed(CloseReason::HostLost));
    }

    #[test]
    fn nobody_is_replaced_before_the_deadline_or_for_another_entry() {
        let room = room([speaker(2, 20, Mic::ON)]);
        assert!(replace(&room, NOW + std::time::Duration::from_millis(1)).is_nothing());
        let former = ReplaceHost { uid: uid(LOST), entry: Entry(6), deadline: NOW };
        assert!(former.decide(&room).unwrap().is_nothing());
    }

    #[test]
    fn an_expiry_leaves_the_host_to_who_sees_the_stage() {
        let room = room([speaker(2, 20, Mic::ON)]);
        let expire = |host_loss| {
            let rule = Expire { uid: uid(LOST), entry: Entry(7), deadline: NOW, host_loss };
            rule.decide(&room).unwrap()
        };
        assert!(expire(HostLoss::Promote).is_nothing());
        assert!(expire(HostLoss::Close).head.unwrap().closed);
    }
}
