//! How a room's records are written in Redis: protobuf, with numbers of their own, apart
//! from the contract. A field more needs nothing else: who doesn't know it keeps it. `format` is raised when an
//! older process must not write a record back, because what it knows means something else.

mod later;
mod read;
mod rest;
mod write;

use prost::Message;

pub(crate) use later::released;
pub(crate) use read::{read_ban, read_head, read_invitation, read_member};
pub(crate) use rest::Rests;
pub(crate) use write::{write_ban, write_head, write_invitation, write_member};

/// The highest format that this process reads, and the one it writes.
pub(crate) const FORMAT: u32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct HeadRecord {
    #[prost(uint32, tag = "1")]
    pub format: u32,
    #[prost(string, tag = "2")]
    pub subject: String,
    #[prost(uint32, tag = "3")]
    pub host: u32,
    #[prost(string, tag = "4")]
    pub host_name: String,
    #[prost(int64, tag = "5")]
    pub created_at: i64,
    #[prost(uint32, tag = "6")]
    pub member_limit: u32,
    #[prost(uint32, tag = "7")]
    pub seat_limit: u32,
    #[prost(int64, tag = "8")]
    pub hands_lowered_at: i64,
    #[prost(bool, tag = "9")]
    pub closed: bool,
    #[prost(uint32, tag = "10")]
    pub hand_overs: u32,
}

impl HeadRecord {
    /// The highest number of its fields.
    const HIGHEST: u32 = 10;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MemberRecord {
    #[prost(uint32, tag = "1")]
    pub format: u32,
    #[prost(string, tag = "2")]
    pub nick_name: String,
    #[prost(string, tag = "3")]
    pub avatar: String,
    #[prost(string, tag = "4")]
    pub client: String,
    #[prost(fixed64, tag = "5")]
    pub entry: u64,
    #[prost(int64, tag = "6")]
    pub joined_at: i64,
    /// 1 listener, 2 guest speaker, 3 host.
    #[prost(uint32, tag = "7")]
    pub role: u32,
    #[prost(int64, optional, tag = "8")]
    pub hand_raised_at: Option<i64>,
    #[prost(int64, tag = "9")]
    pub on_stage_at: i64,
    #[prost(bool, tag = "10")]
    pub muted_by_self: bool,
    #[prost(bool, tag = "11")]
    pub muted_by_host: bool,
}

impl MemberRecord {
    /// The highest number of its fields.
    const HIGHEST: u32 = 11;
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct InvitationRecord {
    #[prost(uint32, tag = "1")]
    pub host: u32,
    #[prost(string, tag = "2")]
    pub host_name: String,
    #[prost(int64, tag = "3")]
    pub sent_at: i64,
    #[prost(int64, tag = "4")]
    pub expires_at: i64,
    #[prost(string, tag = "5")]
    pub token: String,
    #[prost(uint32, tag = "6")]
    pub hand_overs: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BanRecord {
    #[prost(int64, tag = "1")]
    pub since: i64,
    #[prost(int64, optional, tag = "2")]
    pub until: Option<i64>,
    #[prost(string, tag = "3")]
    pub reason: String,
}

/// The last requests of one caller in one room, and what they were answered.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RepliesRecord {
    #[prost(message, repeated, tag = "1")]
    pub replies: Vec<ReplyRecord>,
    /// The revisions that they made, in the same order. The last one is appended by
    /// the commit itself, which alone knows it: hence not packed.
    #[prost(fixed64, repeated, packed = "false", tag = "2")]
    pub revisions: Vec<u64>,
}

/// What [`RepliesRecord::revisions`] begins each of its values with.
pub(crate) const REVISION_FOLLOWS: u8 = (2 << 3) | 1;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ReplyRecord {
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// Of the request, so that the id can't stand for another one.
    #[prost(fixed64, tag = "2")]
    pub digest: u64,
    #[prost(fixed64, tag = "3")]
    pub tag: u64,
    #[prost(bytes = "vec", tag = "4")]
    pub body: Vec<u8>,
}
