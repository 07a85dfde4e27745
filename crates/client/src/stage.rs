//! Calls about who speaks: hands, invitations, the stage and its microphones.
//!
//! Refusals common to all: `RoomNotFound`, `NotInRoom`, then `NotPermitted`, then
//! `TargetNotInRoom`. Each says its own beside these.

use gochat_proto::{
    model::Place,
    stage::{
        Answer, InviteRequest, LeaveStageRequest, LowerAllHandsRequest, LowerHandRequest, MicSwitch,
        MuteAllRequest, RaiseHandRequest, RespondToInvitationRequest, SetMicRequest,
        WithdrawInvitationRequest,
    },
};

use crate::{
    Error, Session,
    caller::{call, request_id},
    rooms::placed,
};

/// How the contract names the caller as the person acted upon.
const SELF: u32 = 0;

/// An invitation that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invited {
    /// Where it left the room.
    pub place: Place,
    /// Until when it can be answered, in Unix milliseconds.
    pub expires_at: i64,
}

impl Session {
    /// Asks to speak. A hand that is up keeps its place. Refusals: `AlreadyOnStage`.
    pub async fn raise_hand(&self, room_id: &str) -> Result<Place, Error> {
        let request = RaiseHandRequest { room_id: room_id.to_owned(), request_id: request_id() };
        placed(call!(self.caller, repeat stage.raise_hand(request)).await?.place)
    }

    /// Takes one's own hand down; nothing to do where it is down.
    pub async fn lower_hand(&self, room_id: &str) -> Result<Place, Error> {
        self.lower_hand_of(room_id, SELF).await
    }

    /// Takes somebody's hand down. Host only, but for one's own.
    pub async fn lower_hand_of(&self, room_id: &str, uid: u32) -> Result<Place, Error> {
        let request =
            LowerHandRequest { room_id: room_id.to_owned(), request_id: request_id(), target_uid: uid };
        placed(call!(self.caller, repeat stage.lower_hand(request)).await?.place)
    }

    /// Takes every hand down. Host only.
    pub async fn lower_all_hands(&self, room_id: &str) -> Result<Place, Error> {
        let request = LowerAllHandsRequest { room_id: room_id.to_owned(), request_id: request_id() };
        placed(call!(self.caller, repeat stage.lower_all_hands(request)).await?.place)
    }

    /// Invites a listener on stage, asked or unasked. Host only.
    /// Refusals: `AlreadyOnStage`, `StageFull`.
    pub async fn invite(&self, room_id: &str, uid: u32) -> Result<Invited, Error> {
        let request =
            InviteRequest { room_id: room_id.to_owned(), request_id: request_id(), target_uid: uid };
        let answer = call!(self.caller, repeat stage.invite(request)).await?;
        Ok(Invited { place: placed(answer.place)?, expires_at: answer.expires_at })
    }

    /// Takes an invitation back; nothing to do where there is none. Host only.
    pub async fn withdraw_invitation(&self, room_id: &str, uid: u32) -> Result<Place, Error> {
        let request = WithdrawInvitationRequest {
            room_id: room_id.to_owned(),
            request_id: request_id(),
            target_uid: uid,
        };
        placed(call!(self.caller, repeat stage.withdraw_invitation(request)).await?.place)
    }

    /// Answers an invitation by its token. Who accepts is on stage, microphone on,
    /// hand down. Refusals: `InvitationInvalid`, `StageFull`.
    pub async fn respond(&self, room_id: &str, invitation_token: &str, accept: bool) -> Result<Place, Error> {
        let answer = if accept { Answer::Accept } else { Answer::Decline };
        let request = RespondToInvitationRequest {
            room_id: room_id.to_owned(),
            request_id: request_id(),
            invitation_token: invitation_token.to_owned(),
            answer: answer.into(),
        };
        placed(call!(self.caller, repeat stage.respond_to_invitation(request)).await?.place)
    }

    /// Steps down; nothing to do off stage, or for the host.
    pub async fn leave_stage(&self, room_id: &str) -> Result<Place, Error> {
        self.take_off_stage(room_id, SELF).await
    }

    /// Makes a guest speaker a listener. Host only, but for oneself.
    pub async fn take_off_stage(&self, room_id: &str, uid: u32) -> Result<Place, Error> {
        let request =
            LeaveStageRequest { room_id: room_id.to_owned(), request_id: request_id(), target_uid: uid };
        placed(call!(self.caller, repeat stage.leave_stage(request)).await?.place)
    }

    /// Switches one's own microphone. Refusals: `NotOnStage`, `MutedByHost`.
    pub async fn set_mic(&self, room_id: &str, on: bool) -> Result<Place, Error> {
        self.set_mic_of(room_id, SELF, on).await
    }

    /// Mutes a guest speaker (`on` false) or lifts the host's mute (`on` true): the
    /// microphone then stays off until its owner switches it on. Host only, but for
    /// one's own. Refusals: `NotOnStage`.
    pub async fn set_mic_of(&self, room_id: &str, uid: u32, on: bool) -> Result<Place, Error> {
        let mic = if on { MicSwitch::On } else { MicSwitch::Off };
        let request = SetMicRequest {
            room_id: room_id.to_owned(),
            request_id: request_id(),
            target_uid: uid,
            mic: mic.into(),
        };
        placed(call!(self.caller, repeat stage.set_mic(request)).await?.place)
    }

    /// Switches off every guest speaker's microphone. Host only.
    pub async fn mute_all(&self, room_id: &str) -> Result<Place, Error> {
        let request = MuteAllRequest { room_id: room_id.to_owned(), request_id: request_id() };
        placed(call!(self.caller, repeat stage.mute_all(request)).await?.place)
    }
}
