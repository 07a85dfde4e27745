//! Requests that change a room: what they have in common.

use crate::{room, stage};

/// A request that changes one room, at most once for each of its ids.
pub trait Mutation: prost::Message + prost::Name {
    /// The room.
    fn room_id(&self) -> &str;
    /// The caller's own id for the request; empty for none.
    fn request_id(&self) -> &str;
}

macro_rules! mutations {
    ($($package:ident { $($request:ident)* })*) => {
        $($(impl Mutation for $package::$request {
            fn room_id(&self) -> &str {
                &self.room_id
            }

            fn request_id(&self) -> &str {
                &self.request_id
            }
        })*)*
    };
}

mutations! {
    room { JoinRoomRequest LeaveRoomRequest CloseRoomRequest RemoveMemberRequest UnbanRequest TransferHostRequest }
    stage {
        RaiseHandRequest LowerHandRequest LowerAllHandsRequest InviteRequest WithdrawInvitationRequest
        RespondToInvitationRequest LeaveStageRequest SetMicRequest MuteAllRequest
    }
}
