//! The rules, one type each: what it needs to see of a room, and what it decides.

mod host_loss;
mod membership;
mod moderation;
mod stage;
mod voice;

pub use host_loss::{HostLoss, ReplaceHost};
pub use membership::{Close, Create, Expire, Join, Leave, Newcomer, SecondClient};
pub use moderation::{BanTerms, LowerAllHands, MuteAll, RemoveMember, TransferHost, Unban};
pub use stage::{
    ExpireInvitation, Invite, LeaveStage, LowerHand, RaiseHand, Respond, SetMic, WithdrawInvitation,
};
pub use voice::may_be_heard;

use crate::{Act, Change, Entry, Loaded, Millis, Refusal, Uid};

/// A decision about one room. Pure: the same room gives the same answer.
pub trait Rule: Send + Sync {
    /// What must be loaded, and thereby guarded: the decision stands only if none
    /// of it has changed when it is committed.
    fn load(&self) -> Load;

    /// What becomes of the room.
    fn decide(&self, room: &Loaded) -> Result<Change, Refusal>;

    /// The act of moderation that this is, where it is one.
    fn act(&self) -> Option<Act> {
        None
    }
}

/// The parts of a room that a rule asks for, beside its head and counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Users whose records it reads or writes.
    pub people: Vec<Uid>,
    /// Whether it reads or writes everybody on stage.
    pub stage: bool,
    /// Whether it acts on all hands that are up: none may go up meanwhile.
    pub hands: bool,
    /// The deadline that it acts on.
    pub due: Option<(Due, Millis)>,
}

/// What has a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Due {
    /// The stay of a user in the room, renewed by heartbeats.
    Lease(Uid, Entry),
    /// An unanswered invitation.
    Invitation(Uid),
}

impl Load {
    /// These users.
    pub fn people(people: impl Into<Vec<Uid>>) -> Self {
        Self { people: people.into(), ..Self::default() }
    }

    /// These users, and all hands that are up.
    pub fn with_hands(self) -> Self {
        Self { hands: true, ..self }
    }

    /// These users, and everybody on stage.
    pub fn with_stage(self) -> Self {
        Self { stage: true, ..self }
    }

    /// These users, as long as this deadline stands as it was seen.
    pub fn with_due(self, due: Due, deadline: Millis) -> Self {
        Self { due: Some((due, deadline)), ..self }
    }
}
