//! Time that passes without being waited for. All that ends in Redis does so at a moment written
//! there, or with its key; a test that moves every one of these back by as much as it wants to
//! pass leaves what the store would have found after waiting. Moments of the past stay as they
//! are: nothing is decided by how long ago something was, only by whether its end has come.

use std::collections::BTreeMap;

use prost::Message;
use redis::{AsyncCommands, RedisResult, aio::MultiplexedConnection};

/// An invitation's record, as far as it must be known to write it back whole.
#[derive(Clone, PartialEq, Message)]
struct InvitationRecord {
    #[prost(uint32, tag = "1")]
    host: u32,
    #[prost(string, tag = "2")]
    host_name: String,
    #[prost(int64, tag = "3")]
    sent_at: i64,
    #[prost(int64, tag = "4")]
    expires_at: i64,
    #[prost(string, tag = "5")]
    token: String,
    #[prost(uint32, tag = "6")]
    hand_overs: u32,
}

/// A ban's record; the same.
#[derive(Clone, PartialEq, Message)]
struct BanRecord {
    #[prost(int64, tag = "1")]
    since: i64,
    #[prost(int64, optional, tag = "2")]
    until: Option<i64>,
    #[prost(string, tag = "3")]
    reason: String,
}

/// Lets so many milliseconds pass for everything in this Redis.
pub(crate) async fn pass(raw: &mut MultiplexedConnection, ms: i64) -> RedisResult<()> {
    let names: Vec<String> = raw.keys("*").await?;
    let mut writes = redis::pipe();
    for name in &names {
        if name.ends_with(":due") {
            let due: Vec<String> = raw.zrange(name, 0, -1).await?;
            for ended in due {
                writes.zincr(name, ended, -ms).ignore();
            }
        } else if name.contains(":room:") {
            let fields: BTreeMap<String, Vec<u8>> = raw.hgetall(name).await?;
            for (field, record) in fields {
                if let Some(moved) = moved(&field, &record, ms) {
                    writes.hset(name, field, moved).ignore();
                }
            }
        }
        if name.contains(":user:") {
            // Sessions end at an age, counted from here.
            let since: Option<i64> = raw.hget(name, "since").await?;
            since.into_iter().for_each(|since| {
                writes.hset(name, "since", since - ms).ignore();
            });
        }
        let lives: i64 = raw.pttl(name).await?;
        if lives > ms {
            writes.pexpire(name, lives - ms).ignore();
        } else if lives > 0 {
            writes.del(name).ignore();
        }
    }
    if writes.is_empty() { Ok(()) } else { writes.atomic().query_async(raw).await }
}

/// A record of a room with its end earlier; none for one that doesn't end.
fn moved(field: &str, record: &[u8], ms: i64) -> Option<Vec<u8>> {
    if field.starts_with("i:") {
        let mut invitation: InvitationRecord = read(record);
        invitation.expires_at -= ms;
        return Some(invitation.encode_to_vec());
    }
    if field.starts_with("b:") {
        let mut ban: BanRecord = read(record);
        ban.until = Some(ban.until? - ms);
        return Some(ban.encode_to_vec());
    }
    None
}

/// A record that this file knows whole, or it would lose what it doesn't know.
fn read<T: Message + Default>(record: &[u8]) -> T {
    let read = T::decode(record).unwrap();
    assert_eq!(read.encode_to_vec(), record, "a record has a field that isn't known here");
    read
}
