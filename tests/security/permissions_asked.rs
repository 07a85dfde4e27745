//! What each RPC is asked for in the table of answers: a request that somebody may make.

use std::sync::atomic::{AtomicU32, Ordering};

use gochat_proto::{
    account::{
        GetMediaTokenRequest, HeartbeatRequest, LoginRequest, LogoutRequest, RevokeSessionsRequest,
        StampRequest,
    },
    media::{CreateSessionRequest, EndSessionRequest, GetRoomMediaRequest, WatchSpeakersRequest},
    notifier::SubscribeRequest,
    room::{
        BanTerms, CloseRoomRequest, CreateRoomRequest, GetRoomRequest, JoinRoomRequest, LeaveRoomRequest,
        ListBansRequest, ListMembersRequest, ListRoomsRequest, RemoveMemberRequest, TransferHostRequest,
        UnbanRequest,
    },
    stage::{
        Answer, InviteRequest, LeaveStageRequest, LowerAllHandsRequest, LowerHandRequest, MicSwitch,
        MuteAllRequest, RaiseHandRequest, RespondToInvitationRequest, SetMicRequest,
        WithdrawInvitationRequest,
    },
};
use gochat_rig::OFFER;
use prost::Message;

use crate::{permissions_cast::Cast, world::World};

/// Whether an RPC changes nothing of the cast, so that it can be tried on the same one again.
pub(crate) fn is_look(rpc: &str) -> bool {
    let name = rpc.rsplit('/').next().unwrap_or_default();
    let looks = ["Login", "Heartbeat", "GetMediaToken", "Stamp", "Subscribe"];
    let of_media = rpc.starts_with("gochat.media.");
    name.starts_with("List") || name == "GetRoom" || looks.contains(&name) || of_media
}

/// The request of a row, made by one of the users or for one; `sort` tells several of an RPC apart.
pub(crate) async fn question(
    world: &World,
    cast: &Cast,
    rpc: &str,
    sort: &str,
    user: Option<usize>,
) -> Vec<u8> {
    let (service, name) = rpc.rsplit_once('/').unwrap();
    match service {
        "gochat.account.v1.AccountService" => account(cast, name, sort),
        "gochat.room.v1.RoomService" => room(cast, name, sort),
        "gochat.stage.v1.StageService" if name == "RespondToInvitation" => {
            let own = match (sort, user) {
                ("one's own", Some(user)) => cast.invitation_of(user).await,
                _ => None,
            };
            respond(cast, own)
        }
        "gochat.stage.v1.StageService" => stage(cast, name, sort),
        "gochat.notifier.v1.NotifierService" => {
            // So that the stream begins no earlier than the room stands.
            let min = cast.place(world).await;
            SubscribeRequest { room_id: cast.room.clone(), min, ..Default::default() }.encode_to_vec()
        }
        "gochat.media.v1.MediaService" => media(cast, name),
        _ => panic!("no request for {rpc}"),
    }
}

fn account(cast: &Cast, name: &str, sort: &str) -> Vec<u8> {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let room_id = cast.room.clone();
    match (name, sort) {
        ("Login", sort) => {
            let external_id = if sort.is_empty() { String::new() } else { number.to_string() };
            let nick_name = format!("new {number}");
            LoginRequest { nick_name, external_id, ..Default::default() }.encode_to_vec()
        }
        ("Logout", "") => LogoutRequest {}.encode_to_vec(),
        ("RevokeSessions", "") => RevokeSessionsRequest { uid: cast.asking.uid() }.encode_to_vec(),
        ("Heartbeat", "in the room") => HeartbeatRequest { room_id }.encode_to_vec(),
        ("Heartbeat", "") => HeartbeatRequest::default().encode_to_vec(),
        ("Stamp", "") => StampRequest {}.encode_to_vec(),
        ("GetMediaToken", "") => GetMediaTokenRequest { room_id, ttl_ms: 0 }.encode_to_vec(),
        _ => panic!("no request for {name} {sort}"),
    }
}

fn room(cast: &Cast, name: &str, sort: &str) -> Vec<u8> {
    let (room_id, target_uid) = (cast.room.clone(), cast.asking.uid());
    match (name, sort) {
        ("CreateRoom", "") => {
            CreateRoomRequest { subject: "new".to_owned(), ..Default::default() }.encode_to_vec()
        }
        ("GetRoom", "") => GetRoomRequest { room_id }.encode_to_vec(),
        ("ListRooms", "") => ListRoomsRequest::default().encode_to_vec(),
        // Another client than the one that the user is in the room with.
        ("JoinRoom", "") => JoinRoomRequest { room_id, ..Default::default() }.encode_to_vec(),
        ("LeaveRoom", "") => LeaveRoomRequest { room_id, ..Default::default() }.encode_to_vec(),
        ("CloseRoom", "") => CloseRoomRequest { room_id, ..Default::default() }.encode_to_vec(),
        ("ListMembers", "") => ListMembersRequest { room_id, ..Default::default() }.encode_to_vec(),
        ("RemoveMember", sort) => {
            let ban = (sort == "with a ban").then(BanTerms::default);
            RemoveMemberRequest { room_id, target_uid, ban, ..Default::default() }.encode_to_vec()
        }
        ("Unban", "") => {
            let target_uid = cast.banned();
            UnbanRequest { room_id, target_uid, ..Default::default() }.encode_to_vec()
        }
        ("ListBans", "") => ListBansRequest { room_id, ..Default::default() }.encode_to_vec(),
        ("TransferHost", "") => {
            TransferHostRequest { room_id, target_uid, ..Default::default() }.encode_to_vec()
        }
        _ => panic!("no request for {name} {sort}"),
    }
}

fn stage(cast: &Cast, name: &str, sort: &str) -> Vec<u8> {
    let room_id = cast.room.clone();
    let of = |another: u32| if sort == "one's own" { 0 } else { another };
    match (name, sort) {
        ("RaiseHand", "") => RaiseHandRequest { room_id, ..Default::default() }.encode_to_vec(),
        ("LowerHand", "one's own" | "another's") => {
            let target_uid = of(cast.asking.uid());
            LowerHandRequest { room_id, target_uid, ..Default::default() }.encode_to_vec()
        }
        ("LowerAllHands", "") => LowerAllHandsRequest { room_id, ..Default::default() }.encode_to_vec(),
        ("Invite", "") => {
            let target_uid = cast.asking.uid();
            InviteRequest { room_id, target_uid, ..Default::default() }.encode_to_vec()
        }
        ("WithdrawInvitation", "") => {
            let target_uid = cast.invited.uid();
            WithdrawInvitationRequest { room_id, target_uid, ..Default::default() }.encode_to_vec()
        }
        ("LeaveStage", "oneself" | "another") => {
            let target_uid = if sort == "oneself" { 0 } else { cast.speaker.uid() };
            LeaveStageRequest { room_id, target_uid, ..Default::default() }.encode_to_vec()
        }
        ("SetMic", "one's own" | "another's off" | "another's on") => {
            let target_uid = of(cast.speaker.uid());
            let mic = if sort == "another's on" { MicSwitch::On } else { MicSwitch::Off };
            let mut asked = SetMicRequest { room_id, target_uid, ..Default::default() };
            asked.set_mic(mic);
            asked.encode_to_vec()
        }
        ("MuteAll", "") => MuteAllRequest { room_id, ..Default::default() }.encode_to_vec(),
        _ => panic!("no request for {name} {sort}"),
    }
}

fn media(cast: &Cast, name: &str) -> Vec<u8> {
    let room_id = cast.room.clone();
    match name {
        "CreateSession" => CreateSessionRequest { room_id, offer_sdp: OFFER.to_owned() }.encode_to_vec(),
        "EndSession" => EndSessionRequest { room_id, session_id: "none".to_owned() }.encode_to_vec(),
        "GetRoomMedia" => GetRoomMediaRequest { room_id }.encode_to_vec(),
        "WatchSpeakers" => WatchSpeakersRequest { room_id }.encode_to_vec(),
        _ => panic!("no request for {name}"),
    }
}

/// Accepts an invitation: one's own, or that of somebody else.
fn respond(cast: &Cast, own: Option<String>) -> Vec<u8> {
    let invitation_token = own.unwrap_or_else(|| cast.invitation.clone());
    let room_id = cast.room.clone();
    let mut asked = RespondToInvitationRequest { room_id, invitation_token, ..Default::default() };
    asked.set_answer(Answer::Accept);
    asked.encode_to_vec()
}
