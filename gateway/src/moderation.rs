//! Our additions under `/chat_room/x/`: what a host may do beyond the documented methods.

use std::num::NonZeroU32;

use axum::extract::State;
use gochat_proto::{
    model,
    room::{BanTerms, ListBansRequest, RemoveMemberRequest, TransferHostRequest, UnbanRequest},
    stage::{LowerAllHandsRequest, LowerHandRequest, MuteAllRequest, WithdrawInvitationRequest},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    caller::Call,
    json::{Answer, Data, Done},
    room::InRoom,
    upstream::Upstreams,
};

/// The most bans that the services give at once.
const PAGE: u32 = 1000;

/// A call about somebody in a room.
#[derive(Deserialize, ToSchema)]
pub(crate) struct AboutMember {
    /// Nine digits.
    room_id: String,
    /// Whom it is about.
    #[schema(value_type = u32, minimum = 1)]
    target_uid: NonZeroU32,
}

pub(crate) async fn withdraw_invite(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<AboutMember>,
) -> Answer<Done> {
    let AboutMember { room_id, target_uid } = body;
    let target_uid = target_uid.get();
    let request = WithdrawInvitationRequest { room_id, target_uid, ..Default::default() };
    up.stage().withdraw_invitation(caller.request(request)).await?;
    Ok(Done)
}

pub(crate) async fn lower_hand(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<AboutMember>,
) -> Answer<Done> {
    let AboutMember { room_id, target_uid } = body;
    let target_uid = target_uid.get();
    let request = LowerHandRequest { room_id, target_uid, ..Default::default() };
    up.stage().lower_hand(caller.request(request)).await?;
    Ok(Done)
}

pub(crate) async fn lower_all_hands(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InRoom>,
) -> Answer<Done> {
    let request = LowerAllHandsRequest { room_id: body.room_id, ..Default::default() };
    up.stage().lower_all_hands(caller.request(request)).await?;
    Ok(Done)
}

pub(crate) async fn mute_all(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InRoom>,
) -> Answer<Done> {
    let request = MuteAllRequest { room_id: body.room_id, ..Default::default() };
    up.stage().mute_all(caller.request(request)).await?;
    Ok(Done)
}

#[derive(Deserialize, ToSchema)]
pub(crate) struct RemoveMember {
    /// Nine digits.
    room_id: String,
    /// Whom to take out.
    #[schema(value_type = u32, minimum = 1)]
    target_uid: NonZeroU32,
    /// How long to keep them out, in seconds; 0 or absent: free to come back.
    ban_seconds: Option<u32>,
    /// Why they are kept out; shown to them.
    #[schema(max_length = 200)]
    reason: Option<String>,
}

impl From<RemoveMember> for RemoveMemberRequest {
    fn from(RemoveMember { room_id, target_uid, ban_seconds, reason }: RemoveMember) -> Self {
        let ban = ban_seconds.filter(|seconds| *seconds != 0).map(|seconds| BanTerms {
            duration_ms: i64::from(seconds) * 1_000,
            reason: reason.unwrap_or_default(),
        });
        Self { room_id, request_id: String::new(), target_uid: target_uid.get(), ban }
    }
}

pub(crate) async fn remove_member(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<RemoveMember>,
) -> Answer<Done> {
    up.room().remove_member(caller.request(body.into())).await?;
    Ok(Done)
}

pub(crate) async fn unban(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<AboutMember>,
) -> Answer<Done> {
    let AboutMember { room_id, target_uid } = body;
    let request = UnbanRequest { room_id, target_uid: target_uid.get(), ..Default::default() };
    up.room().unban(caller.request(request)).await?;
    Ok(Done)
}

pub(crate) async fn transfer_host(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<AboutMember>,
) -> Answer<Done> {
    let AboutMember { room_id, target_uid } = body;
    let request = TransferHostRequest { room_id, target_uid: target_uid.get(), ..Default::default() };
    up.room().transfer_host(caller.request(request)).await?;
    Ok(Done)
}

/// Somebody who is kept out. Times are Unix milliseconds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Ban {
    uid: u32,
    reason: String,
    since: i64,
    /// 0: as long as the room lives.
    until: i64,
}

impl From<model::Ban> for Ban {
    fn from(ban: model::Ban) -> Self {
        Self { uid: ban.uid, reason: ban.reason, since: ban.since, until: ban.until }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct BanList {
    room_id: String,
    ban_list: Vec<Ban>,
}

pub(crate) async fn get_ban_list(
    State(up): State<Upstreams>,
    Call { caller, body, .. }: Call<InRoom>,
) -> Answer<Data<BanList>> {
    let room_id = body.room_id;
    let mut request = ListBansRequest { room_id: room_id.clone(), page_size: PAGE, ..Default::default() };
    let mut ban_list = Vec::new();
    loop {
        let page = up.room().list_bans(caller.request(request.clone())).await?.into_inner();
        ban_list.extend(page.bans.into_iter().map(Ban::from));
        if page.next_page_token.is_empty() {
            return Ok(Data(BanList { room_id, ban_list }));
        }
        request.page_token = page.next_page_token;
    }
}
