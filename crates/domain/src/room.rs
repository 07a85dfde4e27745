//! A room itself: its head, its limits, and the bans and invitations in it.

use crate::{InvitationToken, Millis, NickName, Subject, Uid};

/// How many a room takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most members, the host included.
    pub members: u32,
    /// The most guest speakers.
    pub seats: u32,
}

/// What a room is, apart from who is in it. Nothing in here is written by every
/// commit, so that commits which don't touch it don't conflict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it is about.
    pub subject: Subject,
    /// Who owns it.
    pub host: Uid,
    /// The host's name.
    pub host_name: NickName,
    /// How often it was handed over: tells a host from the same user's earlier time as host.
    pub hand_overs: u32,
    /// When it was opened; no two rooms share it.
    pub created_at: Millis,
    /// How many it takes.
    pub limits: Limits,
    /// Hands raised then or before are down: lowering all writes only this.
    pub hands_lowered_at: Millis,
    /// Closed for good.
    pub closed: bool,
}

/// An invitation to the stage: for one person, one answer, from one host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// Who is invited.
    pub target: Uid,
    /// Who invited; void once somebody else is host.
    pub host: Uid,
    /// The host's name.
    pub host_name: NickName,
    /// How often the room had been handed over.
    pub hand_overs: u32,
    /// When it was sent.
    pub sent_at: Millis,
    /// Void from then on.
    pub expires_at: Millis,
    /// What the answer must show.
    pub token: InvitationToken,
}

impl Invitation {
    /// Whether who invited has been host ever since.
    pub fn is_of(&self, head: &Head) -> bool {
        (self.host, self.hand_overs) == (head.host, head.hand_overs)
    }

    /// Whether it can still be answered in this room at this moment.
    pub fn stands(&self, head: &Head, now: Millis) -> bool {
        !head.closed && self.is_of(head) && now < self.expires_at
    }
}

/// A user who may not enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ban {
    /// When it was laid.
    pub since: Millis,
    /// When it ends; none for as long as the room lives.
    pub until: Option<Millis>,
    /// Said to who is banned.
    pub reason: String,
}

impl Ban {
    /// Whether it keeps somebody out at this moment.
    pub fn holds(&self, now: Millis) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}
