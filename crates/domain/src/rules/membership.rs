//! Coming and going: a room is opened, entered, left, closed; a lease ends.

use crate::{
    Act, ActKind, Change, ClientId, CloseReason, Entry, EventKind, Head, LeaveReason, Limits, Loaded, Member,
    Mic, Millis, NickName, Refusal, Standing, Subject, Uid,
    rules::{Due, HostLoss, Load, Rule},
};

/// Somebody about to enter a room.
#[derive(Clone, Debug)]
pub struct Newcomer {
    /// Who.
    pub uid: Uid,
    /// Their name.
    pub nick_name: NickName,
    /// Their picture.
    pub avatar: String,
    /// The client they enter with.
    pub client: ClientId,
    /// The number of this entry.
    pub entry: Entry,
}

impl Newcomer {
    fn enter(&self, joined_at: Millis, standing: Standing) -> Member {
        Member {
            uid: self.uid,
            nick_name: self.nick_name.clone(),
            avatar: self.avatar.clone(),
            client: self.client.clone(),
            entry: self.entry,
            joined_at,
            standing,
        }
    }
}

/// Opens a room (guide 2.1): its creator enters as host, on stage, microphone on.
#[derive(Clone, Debug)]
pub struct Create {
    /// Who.
    pub host: Newcomer,
    /// What it is about.
    pub subject: Subject,
    /// How many it takes.
    pub limits: Limits,
    /// A moment reserved for this room alone.
    pub created_at: Millis,
}

impl Rule for Create {
    fn load(&self) -> Load {
        Load::people([self.host.uid])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        if room.head.is_some() {
            return Err(Refusal::NoRoomId);
        }
        let head = Head {
            subject: self.subject.clone(),
            host: self.host.uid,
            host_name: self.host.nick_name.clone(),
            hand_overs: 0,
            created_at: self.created_at,
            limits: self.limits,
            hands_lowered_at: Millis(0),
            closed: false,
        };
        let on_stage = Standing::Host { on_stage_at: room.now, mic: Mic::ON };
        let host = self.host.enter(room.now, on_stage);
        Ok(Change::by(&host)
            .head(head.clone())
            .put(host.clone())
            .tell(EventKind::RoomOpened { room: room.room, head })
            .tell(EventKind::MemberJoined(host)))
    }
}

/// What a deployment has become of somebody in a room who enters it with another client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondClient {
    /// It takes the place of the first.
    #[default]
    TakeOver,
    /// It is refused as long as the first is there.
    Reject,
}

/// Enters as a listener (guide 2.2). Another client of somebody in the room is refused, or
/// takes their place: off stage, hand down; a host stays host, with the microphone off.
#[derive(Clone, Debug)]
pub struct Join {
    /// Who.
    pub newcomer: Newcomer,
    /// What becomes of another client.
    pub second_client: SecondClient,
}

impl Rule for Join {
    fn load(&self) -> Load {
        Load::people([self.newcomer.uid])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let head = room.open()?;
        let person = room.person(self.newcomer.uid);
        if person.ban.as_ref().is_some_and(|ban| ban.holds(room.now)) {
            return Err(Refusal::Banned);
        }
        let Some(former) = &person.member else {
            if room.counts.members >= head.limits.members {
                return Err(Refusal::RoomFull);
            }
            let member = self.newcomer.enter(room.now, Standing::LISTENER);
            return Ok(Change::by(&member).put(member.clone()).tell(EventKind::MemberJoined(member)));
        };
        if former.entry > self.newcomer.entry {
            return Err(Refusal::Overtaken);
        }
        if former.client == self.newcomer.client || self.second_client == SecondClient::Reject {
            return Err(Refusal::AlreadyInRoom);
        }
        Ok(self.take_over(room, former))
    }
}

impl Join {
    fn take_over(&self, room: &Loaded, former: &Member) -> Change {
        let standing = match former.standing {
            Standing::Host { on_stage_at, .. } => {
                Standing::Host { on_stage_at, mic: Mic { muted_by_self: true, muted_by_host: false } }
            }
            _ => Standing::LISTENER,
        };
        let member = self.newcomer.enter(room.now, standing);
        let left = EventKind::MemberLeft { member: former.clone(), reason: LeaveReason::Replaced };
        let change = Change::by(&member).put(member.clone()).tell(left).tell(EventKind::MemberJoined(member));
        void_invitation(change, room, former.uid)
    }
}

/// Leaves; a host who leaves closes the room. Nothing to do for who is not in it,
/// or has entered again since.
#[derive(Clone, Debug)]
pub struct Leave {
    /// Who.
    pub uid: Uid,
    /// The entry that is left; none for whichever it is.
    pub entry: Option<Entry>,
    /// What the others are told: [`LeaveReason::Left`] or [`LeaveReason::LoggedOut`].
    pub reason: LeaveReason,
}

impl Rule for Leave {
    fn load(&self) -> Load {
        Load::people([self.uid])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let head = room.open()?;
        let Some(member) = &room.person(self.uid).member else {
            return Ok(Change::nothing());
        };
        if self.entry.is_some_and(|entry| entry != member.entry) {
            return Ok(Change::nothing());
        }
        if head.host == member.uid {
            return Ok(close(Change::by(member), head, CloseReason::HostLeft));
        }
        Ok(take_out(Change::by(member), room, member, self.reason))
    }
}

/// Ends the room for all. Host only.
#[derive(Clone, Debug)]
pub struct Close {
    /// Who.
    pub caller: Uid,
}

impl Rule for Close {
    fn load(&self) -> Load {
        Load::people([self.caller])
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let (head, host) = room.host(self.caller)?;
        Ok(close(Change::by(host), head, CloseReason::Closed))
    }

    fn act(&self) -> Option<Act> {
        Act::upon_all(self.caller, ActKind::CloseRoom)
    }
}

/// A lease ended: no heartbeat came for as long as it lasts. A host whose lease ends
/// closes the room, unless somebody is to be promoted: that is [`ReplaceHost`]'s to decide,
/// which needs to see the stage.
///
/// [`ReplaceHost`]: super::ReplaceHost
#[derive(Clone, Debug)]
pub struct Expire {
    /// Whose.
    pub uid: Uid,
    /// Of which entry.
    pub entry: Entry,
    /// The deadline that was seen to have passed.
    pub deadline: Millis,
    /// What becomes of a room whose host is lost.
    pub host_loss: HostLoss,
}

impl Rule for Expire {
    fn load(&self) -> Load {
        Load::people([self.uid]).with_due(Due::Lease(self.uid, self.entry), self.deadline)
    }

    fn decide(&self, room: &Loaded) -> Result<Change, Refusal> {
        let head = room.open()?;
        let Some(member) = overdue(room, self.uid, self.entry, self.deadline) else {
            return Ok(Change::nothing());
        };
        Ok(match self.host_loss {
            _ if head.host != member.uid => take_out(Change::default(), room, member, LeaveReason::Lost),
            HostLoss::Close => close(Change::default(), head, CloseReason::HostLost),
            HostLoss::Promote => Change::nothing(),
        })
    }
}

/// The member whose entry's deadline has passed.
pub(super) fn overdue(room: &Loaded, uid: Uid, entry: Entry, deadline: Millis) -> Option<&Member> {
    let member = room.person(uid).member.as_ref()?;
    (member.entry == entry && room.now >= deadline).then_some(member)
}

/// Takes a member out, with whatever they were invited to.
pub(super) fn take_out(change: Change, room: &Loaded, member: &Member, reason: LeaveReason) -> Change {
    let left = EventKind::MemberLeft { member: member.clone(), reason };
    void_invitation(change.remove(member.uid).tell(left), room, member.uid)
}

/// Takes away an invitation that its person can no longer answer.
fn void_invitation(change: Change, room: &Loaded, uid: Uid) -> Change {
    let Some(recorded) = &room.person(uid).invitation else {
        return change;
    };
    let change = change.invitation(uid, None);
    match room.invitation(uid) {
        Some(_) => change.tell_only([uid, recorded.host], EventKind::InvitationWithdrawn(uid)),
        None => change,
    }
}

pub(super) fn close(change: Change, head: &Head, reason: CloseReason) -> Change {
    change.head(Head { closed: true, ..head.clone() }).tell(EventKind::RoomClosed(reason))
}
