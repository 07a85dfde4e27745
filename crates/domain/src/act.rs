//! Acts of moderation: what a host does to others, as an operator wants to read of it later.

use std::fmt;

use crate::Uid;

/// What a host did, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Act {
    /// Who.
    pub by: Uid,
    /// Whom; none for an act upon everybody.
    pub whom: Option<Uid>,
    /// What.
    pub what: ActKind,
}

/// What a host can do to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActKind {
    /// Took somebody out, free to come back.
    Remove,
    /// Keeps somebody out, and took them out if they were in.
    Ban,
    /// Lifted a ban.
    Unban,
    /// Handed the room over.
    TransferHost,
    /// Closed the room.
    CloseRoom,
    /// Muted every guest speaker.
    MuteAll,
    /// Muted a guest speaker.
    Mute,
    /// Lifted such a mute.
    LiftMute,
    /// Took a guest speaker off the stage.
    TakeOffStage,
    /// Lowered somebody's hand.
    LowerHand,
    /// Lowered every hand.
    LowerAllHands,
    /// Invited somebody on stage.
    Invite,
    /// Took an invitation back.
    WithdrawInvitation,
}

impl Act {
    /// What was done upon everybody.
    pub fn upon_all(by: Uid, what: ActKind) -> Option<Self> {
        Some(Self { by, whom: None, what })
    }

    /// What was done upon somebody; none where that is who did it.
    pub fn upon(by: Uid, whom: Uid, what: ActKind) -> Option<Self> {
        (by != whom).then_some(Self { by, whom: Some(whom), what })
    }
}

impl fmt::Display for ActKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Remove => "remove",
            Self::Ban => "ban",
            Self::Unban => "unban",
            Self::TransferHost => "transfer_host",
            Self::CloseRoom => "close_room",
            Self::MuteAll => "mute_all",
            Self::Mute => "mute",
            Self::LiftMute => "lift_mute",
            Self::TakeOffStage => "take_off_stage",
            Self::LowerHand => "lower_hand",
            Self::LowerAllHands => "lower_all_hands",
            Self::Invite => "invite",
            Self::WithdrawInvitation => "withdraw_invitation",
        })
    }
}
