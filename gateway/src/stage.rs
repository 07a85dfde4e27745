//! Who speaks: hands, microphones, invitations to the stage.

use std::num::NonZeroU32;

use axum::extract::State;
use gochat_proto::stage::{
    Answer as Reply, InviteRequest, LeaveStageRequest, LowerHandRequest, MicSwitch, RaiseHandRequest,
    RespondToInvitationRequest, SetMicRequest,
};
use serde::Deserialize;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, schema::Schema},
};

use crate::{
    caller::Call,
    json::{Answer, Done, Switch},
    upstream::Upstreams,
};

#[derive(Deserialize, ToSchema)]
pub(crate) struct OperateRaiseHand {
    /// Nine digits.
    room_id: String,
    /// 1 lower, 2 raise.
    r#type: Switch,
}

pub(crate) async fn operate_raise_hand(
    State(up): State<Upstreams>,
    Call { caller, body: OperateRaiseHand { room_id, r#type }, .. }: Call<OperateRaiseHand>,
) -> Answer<Done> {
    match r#type {
        Switch::Off => {
            let request = LowerHandRequest { room_id, ..Default::default() };
            up.stage().lower_hand(caller.request(request)).await?;
        }
        Switch::On => {
            let request = RaiseHandRequest { room_id, ..Default::default() };
            up.stage().raise_hand(caller.request(request)).await?;
        }
    }
    Ok(Done)
}

#[derive(Deserialize)]
#[serde(try_from = "UserInfo")]
pub(crate) struct SetUserInfo {
    room_id: String,
    target_uid: NonZeroU32,
    change: Change,
}

/// What a call changes: only what its `type` names, whatever else is sent along.
enum Change {
    Mic(Switch),
    ToListener,
}

#[derive(Deserialize, ToSchema)]
struct UserInfo {
    /// Nine digits.
    room_id: String,
    #[schema(value_type = u32, minimum = 1)]
    target_uid: NonZeroU32,
    /// 1 change the microphone, 2 set as listener.
    #[schema(minimum = 1, maximum = 2)]
    r#type: u64,
    /// For type 1: 1 off, 2 on.
    #[schema(minimum = 1, maximum = 2)]
    mic: Option<u64>,
    /// For type 2: 1.
    #[schema(minimum = 1, maximum = 1)]
    on_stage: Option<u64>,
}

impl PartialSchema for SetUserInfo {
    fn schema() -> RefOr<Schema> {
        UserInfo::schema()
    }
}

impl ToSchema for SetUserInfo {}

impl TryFrom<UserInfo> for SetUserInfo {
    type Error = &'static str;

    fn try_from(info: UserInfo) -> Result<Self, Self::Error> {
        let change = match (info.r#type, info.mic, info.on_stage) {
            (1, Some(mic), _) => Change::Mic(mic.try_into().map_err(|_| "mic: expected 1 or 2")?),
            (1, None, _) => return Err("mic: needed for type 1"),
            (2, _, Some(1)) => Change::ToListener,
            (2, _, _) => return Err("on_stage: expected 1 for type 2"),
            _ => return Err("type: expected 1 or 2"),
        };
        Ok(Self { room_id: info.room_id, target_uid: info.target_uid, change })
    }
}

impl SetUserInfo {
    /// As the services name whom a call is about: 0 for the caller.
    fn target(&self, caller: i64) -> u32 {
        let target = self.target_uid.get();
        if i64::from(target) == caller { 0 } else { target }
    }
}

pub(crate) async fn set_user_info(
    State(up): State<Upstreams>,
    Call { caller, uid, body }: Call<SetUserInfo>,
) -> Answer<Done> {
    let target_uid = body.target(uid);
    let (room_id, request_id) = (body.room_id, String::new());
    match body.change {
        Change::Mic(mic) => {
            let request = SetMicRequest { room_id, request_id, target_uid, mic: MicSwitch::from(mic).into() };
            up.stage().set_mic(caller.request(request)).await?;
        }
        Change::ToListener => {
            let request = LeaveStageRequest { room_id, request_id, target_uid };
            up.stage().leave_stage(caller.request(request)).await?;
        }
    }
    Ok(Done)
}

impl From<Switch> for MicSwitch {
    fn from(switch: Switch) -> Self {
        match switch {
            Switch::Off => Self::Off,
            Switch::On => Self::On,
        }
    }
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct InviteOnstage {
    /// Nine digits.
    room_id: String,
    /// Who is to come on stage.
    #[schema(value_type = u32, minimum = 1)]
    target_uid: NonZeroU32,
}

pub(crate) async fn invite_onstage(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InviteOnstage>,
) -> Answer<Done> {
    let target_uid = body.target_uid.get();
    let request = InviteRequest { room_id: body.room_id, target_uid, ..Default::default() };
    up.stage().invite(caller.request(request)).await?;
    Ok(Done)
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct ResponseOnstageInvite {
    /// Nine digits.
    room_id: String,
    /// As the notification 6004 brought it.
    invite_token: String,
    /// 1 reject, 2 accept.
    respond: Switch,
}

impl From<ResponseOnstageInvite> for RespondToInvitationRequest {
    fn from(response: ResponseOnstageInvite) -> Self {
        let answer = match response.respond {
            Switch::Off => Reply::Decline,
            Switch::On => Reply::Accept,
        };
        Self {
            room_id: response.room_id,
            request_id: String::new(),
            invitation_token: response.invite_token,
            answer: answer.into(),
        }
    }
}

pub(crate) async fn response_onstage_invite(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<ResponseOnstageInvite>,
) -> Answer<Done> {
    let request = RespondToInvitationRequest::from(body);
    up.stage().respond_to_invitation(caller.request(request)).await?;
    Ok(Done)
}
