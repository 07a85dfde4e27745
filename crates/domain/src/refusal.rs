//! Why a rule says no. A closed list: each is in the contract under the same name.

/// Why a rule says no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// Somebody logged in bears the name.
    #[error("the nick name is in use")]
    NickNameInUse,
    /// There is no such room, or it is closed.
    #[error("the room does not exist")]
    RoomNotFound,
    /// No free room number was found.
    #[error("no free room number was found; try again")]
    NoRoomId,
    /// Every place is taken.
    #[error("the room is full")]
    RoomFull,
    /// The caller is in the room, with the same client.
    #[error("already in the room")]
    AlreadyInRoom,
    /// The caller is not in the room.
    #[error("not in the room")]
    NotInRoom,
    /// The person acted upon is not in the room.
    #[error("the other user is not in the room")]
    TargetNotInRoom,
    /// The caller may not do this.
    #[error("not permitted")]
    NotPermitted,
    /// The host keeps the caller out.
    #[error("banned from the room")]
    Banned,
    /// Every seat is taken.
    #[error("every seat on stage is taken")]
    StageFull,
    /// The person is on stage.
    #[error("already on stage")]
    AlreadyOnStage,
    /// The person is off stage and has no microphone.
    #[error("not on stage")]
    NotOnStage,
    /// The host holds the microphone muted.
    #[error("muted by the host")]
    MutedByHost,
    /// No such invitation: wrong token, answered, withdrawn or expired.
    #[error("the invitation is not valid")]
    InvitationInvalid,
    /// A later entry of the same user is under way or done.
    #[error("a later entry of the same user came first")]
    Overtaken,
}
