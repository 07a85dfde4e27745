//! What this crate reads of bytes that came from Redis, laid open for fuzzing alone: the parsers themselves, and
//! what writes what they read.

use gochat_domain::{Ban, Entry, Head, Invitation, Member, RoomId, Uid};
use gochat_proto::model::Commit;

use crate::{Result, accounts, record, transact};

/// Reads the head of a room.
pub fn read_head(bytes: &[u8]) -> Result<Head> {
    record::read_head(bytes)
}

/// Writes it.
pub fn write_head(head: &Head) -> Vec<u8> {
    record::write_head(head)
}

/// Reads a member, of the room that has this head.
pub fn read_member(uid: Uid, bytes: &[u8], head: Option<&Head>) -> Result<Member> {
    record::read_member(uid, bytes, head)
}

/// Writes one.
pub fn write_member(member: &Member) -> Vec<u8> {
    record::write_member(member)
}

/// Reads an invitation of somebody.
pub fn read_invitation(target: Uid, bytes: &[u8]) -> Result<Invitation> {
    record::read_invitation(target, bytes)
}

/// Writes one.
pub fn write_invitation(invitation: &Invitation) -> Vec<u8> {
    record::write_invitation(invitation)
}

/// Reads a ban.
pub fn read_ban(bytes: &[u8]) -> Result<Ban> {
    record::read_ban(bytes)
}

/// Writes one.
pub fn write_ban(ban: &Ban) -> Vec<u8> {
    record::write_ban(ban)
}

/// Reads a commit, as a feed or a log brings it.
pub fn read_commit(bytes: &[u8]) -> Result<Commit> {
    transact::decode_commit(bytes)
}

/// Reads what a user holds; none where that is nothing.
pub fn read_held(text: &str) -> Option<(Entry, RoomId)> {
    accounts::parse_held(text)
}
