//! What happened, in the past tense, with the state after it.

use crate::{Head, Invitation, Member, NickName, RoomId, Uid};

/// Something that happened in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The only persons who are told; empty for everybody.
    pub to: Vec<Uid>,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A room was opened.
    RoomOpened {
        /// Its id.
        room: RoomId,
        /// What it is.
        head: Head,
    },
    /// Somebody entered.
    MemberJoined(Member),
    /// Somebody is gone.
    MemberLeft {
        /// As they were last.
        member: Member,
        /// Why.
        reason: LeaveReason,
    },
    /// Somebody's standing, hand or microphone changed.
    MemberChanged {
        /// As they are now.
        member: Member,
        /// Why.
        cause: ChangeCause,
    },
    /// Every hand went down.
    HandsLowered,
    /// Somebody else is host.
    HostChanged {
        /// The new one.
        host: Uid,
        /// Their name.
        host_name: NickName,
        /// The one before.
        former: Uid,
    },
    /// The room is closed for good.
    RoomClosed(CloseReason),
    /// Somebody was invited on stage. The host is told without the token.
    InvitationSent {
        /// The invitation.
        invitation: Invitation,
        /// Whether the token may be shown.
        with_token: bool,
    },
    /// Somebody declined.
    InvitationDeclined {
        /// Who.
        target: Uid,
        /// Their name.
        target_name: NickName,
    },
    /// An invitation was taken back, or its person left.
    InvitationWithdrawn(Uid),
    /// An invitation was not answered in time.
    InvitationExpired(Uid),
}

/// Why somebody is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveReason {
    /// Left.
    Left,
    /// Taken out by the host.
    Removed,
    /// No heartbeat for as long as the lease lasts.
    Lost,
    /// The same user entered again.
    Replaced,
    /// The user's session ended.
    LoggedOut,
}

/// Why a member changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeCause {
    /// Asks to speak.
    HandRaised,
    /// Asks no more.
    HandLowered,
    /// Stepped on stage.
    InvitationAccepted,
    /// Stepped down.
    LeftStage,
    /// Taken off by the host.
    TakenOffStage,
    /// The member's own switch.
    MicSwitched,
    /// The host's.
    MutedByHost,
    /// The host no longer mutes; the member decides.
    MuteLifted,
    /// The former host or the new one.
    HostTransferred,
}

/// Why a room is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// By its host.
    Closed,
    /// Its host left.
    HostLeft,
    /// Its host's lease ended.
    HostLost,
}

impl Event {
    /// An event for everybody.
    pub fn public(kind: EventKind) -> Self {
        Self { to: Vec::new(), kind }
    }

    /// An event for these persons alone.
    pub fn private(to: impl Into<Vec<Uid>>, kind: EventKind) -> Self {
        Self { to: to.into(), kind }
    }

    /// Whether everybody is told.
    pub fn is_public(&self) -> bool {
        self.to.is_empty()
    }
}
