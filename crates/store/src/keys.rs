//! Every key, field and channel in Redis, and what a command costs there.
//!
//! A room lives on one of `P` partitions: `n = crc16(room id) mod P`, and `{n}` is the
//! hash tag of all its keys, so that they share a slot and change in one script.
//!
//! | key | type | holds | lives |
//! | --- | --- | --- | --- |
//! | `gochat:{n}:room:<room>` | hash | the room: see [`field`] | until 60 s after it closes |
//! | `gochat:{n}:roster:<room>` | sorted set | uids by the revision at which they entered | as the room |
//! | `gochat:{n}:hands:<room>` | sorted set | uids by the revision at which the hand went up | as the room |
//! | `gochat:{n}:stage:<room>` | sorted set | uids by the revision at which they stepped up | as the room |
//! | `gochat:{n}:bans:<room>` | sorted set | uids by the revision at which they were banned | as the room |
//! | `gochat:{n}:log:<room>` | stream | commits, id = `<revision>-0`, capped | as the room |
//! | `gochat:{n}:rooms` | sorted set | open rooms by create time | – |
//! | `gochat:{n}:due` | sorted set | deadlines: see [`due`] | each until swept |
//! | `gochat:{n}:stamp:<reaper>` | string | the stamp of a reaper's last sweep | a lease from then |
//! | `gochat:{n}:media:<room>` | string | `<number> <url>`: the node that has the room's media | 10 s from when that node last said so |
//! | `gochat:{n}:feed:<room>` | sharded channel | commits as they are made | – |
//! | `gochat:user:{uid}` | hash | `name`, `avatar`, `nick` (the folded name's key), `entry`, `held`, `session`, `since` (when that began) | the session |
//! | `gochat:session:{digest}` | string | uid | 2 min from the last heartbeat, 30 days from the login at the most |
//! | `gochat:nick:{digest}` | string | uid | the session |
//! | `gochat:external:{digest}` | string | uid | 90 days from the last login |
//! | `gochat:created:{ms}` | string | a room's reserved create time | 60 s |
//! | `gochat:{stamp}:account`, `gochat:{stamp}:gateway` | string | when heartbeats last got through it | a session |
//! | `gochat:revoked` | channel | digests of sessions that ended | – |
//!
//! Commands sent to Redis, tested in `tests/store/commands.rs`; what comes with a room that is
//! left behind is in brackets:
//!
//! | | |
//! | --- | --- |
//! | any mutation of a room | load + commit: 2 |
//! | log in | nick, user, session: 3; with an id of a service's own, 4; under another name + 1 |
//! | log out | read, session, nick, user, announce: 5 (+ leave: release, load, commit) |
//! | revoke sessions | read, session, announce: 3; then as log out |
//! | create | entry, reserve, load, commit, settle: 5 (+ load, commit) |
//! | join | entry, load, commit, settle: 4 (+ load, commit) |
//! | leave | release, load, commit: 3; with a request's id + 1 |
//! | heartbeat | read (2 in one trip): 2; in a room 3; once a minute + 3 |
//! | open a media session | membership, node: 2; where the node has the room already 1 |
//! | a room with media, on its node | node each 3 s: 1; comparison each 2 s: 1 |
//! | sweep, each second | stamps' ages; in one trip a script's text and a read of each partition: 2 + `P`, however many are alive |

use crc::{CRC_16_XMODEM, Crc};
use gochat_domain::{Entry, RoomId, Uid, rules::Due};

use crate::Carrier;

/// Fields of the room's hash.
pub mod field {
    /// What the room is ([`gochat_domain::Head`]).
    pub const HEAD: &str = "head";
    /// The host's uid, for scripts that only compare it.
    pub const HOST: &str = "host";
    /// The last commit's revision.
    pub const REV: &str = "rev";
    /// The last commit's tag: eight bytes.
    pub const TAG: &str = "tag";
    /// The last revision that had anything for everybody.
    pub const SHOWN: &str = "shown";
    /// The moment of the last commit.
    pub const TIME: &str = "time";
    /// The last revision at which somebody came or went.
    pub const ROSTER_REV: &str = "roster_rev";
    /// The last revision at which a hand went up.
    pub const HANDS_REV: &str = "hands_rev";
    /// The last revision that wrote the record of somebody on stage.
    pub const STAGE_REV: &str = "stage_rev";
    /// How many members.
    pub const MEMBERS: &str = "members";
    /// How many guest speakers.
    pub const SPEAKERS: &str = "speakers";
    /// Before a uid: the member's record.
    pub const MEMBER: &str = "m:";
    /// Before a uid: a ban.
    pub const BAN: &str = "b:";
    /// Before a uid: an invitation.
    pub const INVITATION: &str = "i:";
    /// Before a uid: the last requests of that caller and their replies.
    pub const REPLIES: &str = "q:";
}

/// Announces the sessions that ended: the payload is the token's digest.
pub const REVOKED: &str = "gochat:revoked";

/// What a room's keys are called. All share a slot.
#[derive(Clone, Debug)]
pub struct RoomKeys {
    room: RoomId,
    tag: String,
}

impl RoomKeys {
    /// The keys of a room in a deployment with so many partitions.
    pub fn new(room: RoomId, partitions: u16) -> Self {
        Self { room, tag: format!("gochat:{{{}}}", partition(room, partitions)) }
    }

    /// The room's hash.
    pub fn hash(&self) -> String {
        self.of("room")
    }

    /// Who is in it.
    pub fn roster(&self) -> String {
        self.of("roster")
    }

    /// Whose hand is up.
    pub fn hands(&self) -> String {
        self.of("hands")
    }

    /// Who is on stage.
    pub fn stage(&self) -> String {
        self.of("stage")
    }

    /// Who is kept out.
    pub fn bans(&self) -> String {
        self.of("bans")
    }

    /// Its commits.
    pub fn log(&self) -> String {
        self.of("log")
    }

    /// The channel of its commits.
    pub fn feed(&self) -> String {
        self.of("feed")
    }

    /// The node that has its media.
    pub fn media(&self) -> String {
        self.of("media")
    }

    /// The open rooms of its partition.
    pub fn rooms(&self) -> String {
        format!("{}:rooms", self.tag)
    }

    /// The deadlines of its partition.
    pub fn due(&self) -> String {
        format!("{}:due", self.tag)
    }

    fn of(&self, what: &str) -> String {
        format!("{}:{what}:{}", self.tag, self.room)
    }
}

/// The partition that a room lives on.
pub fn partition(room: RoomId, partitions: u16) -> u16 {
    const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);
    CRC.checksum(room.to_string().as_bytes()) % partitions
}

/// The open rooms of a partition.
pub fn rooms(partition: u16) -> String {
    format!("gochat:{{{partition}}}:rooms")
}

/// The deadlines of a partition: `lease/<room>/<uid>/<entry>` and `invite/<room>/<uid>`.
pub fn due(partition: u16) -> String {
    format!("gochat:{{{partition}}}:due")
}

/// What a deadline of a room is called in its partition's set.
pub fn due_name(room: RoomId, due: Due) -> String {
    match due {
        Due::Lease(uid, Entry(entry)) => format!("lease/{room}/{uid}/{entry}"),
        Due::Invitation(uid) => format!("invite/{room}/{uid}"),
    }
}

/// Reads what [`due_name`] wrote.
pub fn parse_due(name: &str) -> Option<(RoomId, Due)> {
    let mut parts = name.split('/');
    let kind = parts.next()?;
    let room = parts.next()?.parse().ok()?;
    let uid: Uid = parts.next()?.parse().ok()?;
    match (kind, parts.next(), parts.next()) {
        ("lease", Some(entry), None) => Some((room, Due::Lease(uid, Entry(entry.parse().ok()?)))),
        ("invite", None, None) => Some((room, Due::Invitation(uid))),
        _ => None,
    }
}

/// What a reaper writes in a partition with each of its sweeps.
pub fn sweep_stamp(partition: u16, reaper: u64) -> String {
    format!("gochat:{{{partition}}}:stamp:{reaper:016x}")
}

/// When heartbeats last got through a carrier.
pub fn stamp(carrier: Carrier) -> &'static str {
    match carrier {
        Carrier::Account => "gochat:{stamp}:account",
        Carrier::Gateway => "gochat:{stamp}:gateway",
    }
}

/// A user.
pub fn user(uid: Uid) -> String {
    format!("gochat:user:{{{uid}}}")
}

/// A session, by the digest of its token.
pub fn session(digest: &str) -> String {
    format!("gochat:session:{{{digest}}}")
}

/// A nick name, by the digest of its folded form.
pub fn nick(digest: &str) -> String {
    format!("gochat:nick:{{{digest}}}")
}

/// A service's own id for somebody, by the digest of service and id.
pub fn external(digest: &str) -> String {
    format!("gochat:external:{{{digest}}}")
}

/// A create time that a room has reserved.
pub fn created(ms: i64) -> String {
    format!("gochat:created:{{{ms}}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_keys_of_a_room_share_its_partitions_tag() {
        let room: RoomId = "123456789".parse().unwrap();
        // crc16 of "123456789" is 0x31c3, the check value of CRC-16/XMODEM.
        assert_eq!(partition(room, 64), 0x31c3 % 64);
        let keys = RoomKeys::new(room, 64);
        assert_eq!(keys.hash(), "gochat:{3}:room:123456789");
        assert_eq!(keys.due(), due(3));
        assert_eq!(keys.rooms(), rooms(3));
    }

    #[test]
    fn deadlines_are_read_as_they_are_written() {
        let room: RoomId = "987654321".parse().unwrap();
        let uid = Uid::try_from(7).unwrap();
        for due in [Due::Lease(uid, Entry(1_763_974_000_000_000)), Due::Invitation(uid)] {
            assert_eq!(parse_due(&due_name(room, due)), Some((room, due)));
        }
        for text in
            ["", "lease", "lease/987654321/7", "invite/987654321/7/1", "lease/1/7/1", "lease/987654321/0/1"]
        {
            assert_eq!(parse_due(text), None, "{text:?}");
        }
    }
}
