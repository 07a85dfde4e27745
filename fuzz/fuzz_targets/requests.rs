//! The messages of every RPC as bytes of a caller: decoded, encoded again, and their fields read.
#![no_main]

use std::fmt::Debug;

use gochat_domain::{ClientId, NickName, Place, RoomId, Subject, Uid};
use gochat_fuzz::read;
use gochat_proto::{
    Mutation, account, model, notifier,
    parse::{at_most, field, page_size, request_id, resume_token, uid_or},
    room, stage,
};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;

/// The messages, each with what else is read of it.
macro_rules! messages {
    ($kind:expr, $bytes:expr; $($message:ty => $read:expr;)*) => {{
        let kinds: &[fn(&[u8])] = &[$(|bytes| again::<$message>(bytes, $read)),*];
        kinds[$kind % kinds.len()]($bytes)
    }};
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, bytes)) = data.split_first() else { return Corpus::Reject };
    messages!(usize::from(*kind), bytes;
        account::LoginRequest => login;
        account::RevokeSessionsRequest => |asked| target("uid", asked.uid);
        account::HeartbeatRequest => |asked| in_room(&asked.room_id);
        account::GetMediaTokenRequest => |asked| in_room(&asked.room_id);
        room::CreateRoomRequest => create_room;
        room::GetRoomRequest => |asked| in_room(&asked.room_id);
        room::ListRoomsRequest => |asked| assert!((1..=1_000).contains(&page_size(asked.page_size)));
        room::JoinRoomRequest => join_room;
        room::LeaveRoomRequest => mutation;
        room::CloseRoomRequest => mutation;
        room::ListMembersRequest => |asked| in_room(&asked.room_id);
        room::RemoveMemberRequest => |asked| { mutation(asked); target("target_uid", asked.target_uid) };
        room::UnbanRequest => |asked| { mutation(asked); target("target_uid", asked.target_uid) };
        room::ListBansRequest => |asked| in_room(&asked.room_id);
        room::TransferHostRequest => |asked| { mutation(asked); target("target_uid", asked.target_uid) };
        stage::RaiseHandRequest => mutation;
        stage::LowerHandRequest => |asked| { mutation(asked); target_or_own(asked.target_uid) };
        stage::LowerAllHandsRequest => mutation;
        stage::InviteRequest => |asked| { mutation(asked); target("target_uid", asked.target_uid) };
        stage::WithdrawInvitationRequest => |asked| { mutation(asked); target("target_uid", asked.target_uid) };
        stage::RespondToInvitationRequest => mutation;
        stage::LeaveStageRequest => |asked| { mutation(asked); target_or_own(asked.target_uid) };
        stage::SetMicRequest => |asked| { mutation(asked); target_or_own(asked.target_uid) };
        stage::MuteAllRequest => mutation;
        notifier::SubscribeRequest => subscribe;
        model::Commit => commit;
    );
    Corpus::Keep
});

/// What is decoded is what is decoded of it when it is encoded; an encoding isn't longer than it says.
fn again<M: Message + Default + PartialEq + Debug>(bytes: &[u8], read: fn(&M)) {
    let Ok(message) = M::decode(bytes) else { return };
    let encoded = message.encode_to_vec();
    assert_eq!(encoded.len(), message.encoded_len());
    assert_eq!(M::decode(encoded.as_slice()).as_ref(), Ok(&message));
    read(&message);
}

fn in_room(room_id: &str) {
    if let Some(room) = read("room_id", field::<RoomId, _>("room_id", room_id)) {
        assert_eq!(room.to_string(), room_id);
    }
}

fn target(name: &str, uid: u32) {
    if let Some(target) = read(name, field::<Uid, _>(name, &uid)) {
        assert_eq!(target.get(), uid);
    }
}

fn target_or_own(uid: u32) {
    let own = Uid::try_from(7).expect("a uid");
    read("target_uid", uid_or("target_uid", uid, own));
}

fn mutation(asked: &impl Mutation) {
    in_room(asked.room_id());
    if let Some(Some(id)) = read("request_id", request_id(asked.request_id())) {
        assert_eq!(id, asked.request_id());
    }
}

fn login(asked: &account::LoginRequest) {
    if let Some(name) = read("nick_name", field::<NickName, _>("nick_name", asked.nick_name.as_str())) {
        assert!(!name.folded().is_empty());
    }
    read("avatar", at_most("avatar", &asked.avatar, 1_024));
    read("external_id", at_most("external_id", &asked.external_id, 128));
}

fn create_room(asked: &room::CreateRoomRequest) {
    read("subject", field::<Subject, _>("subject", asked.subject.as_str()));
    read("client_id", field::<ClientId, _>("client_id", asked.client_id.as_str()));
    read("request_id", request_id(&asked.request_id));
}

fn join_room(asked: &room::JoinRoomRequest) {
    mutation(asked);
    read("client_id", field::<ClientId, _>("client_id", asked.client_id.as_str()));
}

fn subscribe(asked: &notifier::SubscribeRequest) {
    in_room(&asked.room_id);
    read("resume_token", resume_token(&asked.resume_token));
    if let Some(min) = asked.min {
        assert_eq!(model::Place::from(Place::from(min)), min);
    }
}

fn commit(commit: &model::Commit) {
    let place = commit.place();
    assert_eq!(model::Place::from(Place::from(place)), place);
}
