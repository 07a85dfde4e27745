//! What a rule is given: the parts of a room that it asked for, read at one moment.

use std::collections::BTreeMap;

use crate::{Ban, Head, Invitation, Member, Millis, Place, Refusal, RoomId, Uid};

/// How many are in a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Members, the host included.
    pub members: u32,
    /// Guest speakers.
    pub speakers: u32,
}

/// What a room's records say of one user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Set while the user is in the room.
    pub member: Option<Member>,
    /// Set where one was laid; it may have ended.
    pub ban: Option<Ban>,
    /// Set while one is unanswered; it may be void.
    pub invitation: Option<Invitation>,
}

/// The parts of a room that a rule asked for, read at one moment.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Which room.
    pub room: RoomId,
    /// The moment: the partition's time, never before the room's last commit.
    pub now: Millis,
    /// Where the room stands in its history.
    pub place: Place,
    /// What it is; none where there is no such room.
    pub head: Option<Head>,
    /// How many are in it.
    pub counts: Counts,
    /// Those whom the rule named.
    pub people: BTreeMap<Uid, Person>,
    /// Everybody on stage, where the rule asked for them.
    pub stage: Vec<Member>,
}

impl Loaded {
    /// The head of a room that is open.
    pub fn open(&self) -> Result<&Head, Refusal> {
        self.head.as_ref().filter(|head| !head.closed).ok_or(Refusal::RoomNotFound)
    }

    /// What is known of a user.
    ///
    /// # Panics
    /// If the rule did not name the user in its [`Load`](crate::Load): what wasn't
    /// loaded isn't guarded, so to decide on it would be to lose updates.
    pub fn person(&self, uid: Uid) -> &Person {
        self.people.get(&uid).expect("a rule reads only those whom it named")
    }

    /// The caller, who must be in the room.
    pub fn caller(&self, uid: Uid) -> Result<&Member, Refusal> {
        self.person(uid).member.as_ref().ok_or(Refusal::NotInRoom)
    }

    /// Somebody acted upon, who must be in the room.
    pub fn target(&self, uid: Uid) -> Result<&Member, Refusal> {
        self.person(uid).member.as_ref().ok_or(Refusal::TargetNotInRoom)
    }

    /// The caller, who must be the host of an open room.
    pub fn host(&self, uid: Uid) -> Result<(&Head, &Member), Refusal> {
        let head = self.open()?;
        let member = self.caller(uid)?;
        if head.host == uid { Ok((head, member)) } else { Err(Refusal::NotPermitted) }
    }

    /// The invitation of a user, if it can still be answered.
    pub fn invitation(&self, uid: Uid) -> Option<&Invitation> {
        let head = self.head.as_ref()?;
        self.person(uid).invitation.as_ref().filter(|invitation| invitation.stands(head, self.now))
    }

    /// Whether a seat is free once `freed` of those taken are given up.
    pub fn has_seat(&self, head: &Head, freed: u32) -> bool {
        self.counts.speakers < head.limits.seats + freed
    }
}
