//! A change as the commit script's arguments. Lists, counts, leases and limits follow from
//! the difference between the records before and after, so that no rule can forget them; and what a later
//! release wrote besides goes from the one to the other.

use std::time::Duration;

use gochat_domain::{Change, Head, Loaded, Member, Millis, Uid, rules::Due};
use gochat_proto::model;
use prost::Message;

use crate::{
    StoreArgs,
    keys::{due_name, field},
    record::{Rests, released, write_ban, write_head, write_invitation, write_member},
};

/// How long a closed room's keys stay, so that late subscribers learn that it is closed.
const CLOSED_FOR: Duration = Duration::from_secs(60);

/// A key of the commit script, by its place in KEYS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Hash = 1,
    Log = 2,
    Roster = 4,
    Hands = 5,
    Stage = 6,
    Bans = 7,
    Rooms = 8,
    Due = 9,
}

/// Stands for the revision that the commit makes.
const REV: &[u8] = b"$rev";

/// One call of the script.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    pub command: &'static str,
    pub key: Key,
    pub words: Vec<Vec<u8>>,
}

/// What a change comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    pub effects: Vec<Effect>,
    pub members: i64,
    pub speakers: i64,
    roster_moved: bool,
    stage_written: bool,
    hand_raised: bool,
}

impl Plan {
    /// Works out what a change comes to in a room as it was loaded.
    pub(crate) fn of(loaded: &Loaded, rests: &Rests, change: &Change, args: &StoreArgs) -> Self {
        let mut plan = Self::default();
        if let Some(head) = &change.head {
            plan.head(loaded, rests, head);
        }
        for (uid, member) in &change.members {
            let host = change.head.as_ref().or(loaded.head.as_ref()).is_some_and(|head| head.host == *uid);
            let lease = if host { args.lease + args.host_grace } else { args.lease };
            let record = member.as_ref().map(|member| member_record(loaded, rests, member, args));
            plan.record(&format!("{}{uid}", field::MEMBER), record);
            plan.member(loaded, *uid, member.as_ref(), loaded.now + lease);
        }
        for (uid, ban) in &change.bans {
            let name = format!("{}{uid}", field::BAN);
            plan.record(&name, ban.as_ref().map(write_ban));
            plan.list(Key::Bans, *uid, ban.is_some());
        }
        for (uid, invitation) in &change.invitations {
            let due = due_name(loaded.room, Due::Invitation(*uid));
            plan.record(&format!("{}{uid}", field::INVITATION), invitation.as_ref().map(write_invitation));
            plan.deadline(due, invitation.as_ref().map(|invitation| invitation.expires_at));
        }
        if plan.roster_moved {
            plan.push("HSET", Key::Hash, [field::ROSTER_REV.into(), REV.into()]);
        }
        if plan.stage_written {
            plan.push("HSET", Key::Hash, [field::STAGE_REV.into(), REV.into()]);
        }
        if plan.hand_raised {
            plan.push("HSET", Key::Hash, [field::HANDS_REV.into(), REV.into()]);
        }
        plan
    }

    fn head(&mut self, loaded: &Loaded, rests: &Rests, head: &Head) {
        self.record(field::HEAD, Some(rests.added_to(field::HEAD, write_head(head))));
        self.record(field::HOST, Some(head.host.to_string().into_bytes()));
        let former = loaded.head.as_ref();
        let room = loaded.room.to_string().into_bytes();
        if former.is_none() {
            let created = head.created_at.0.to_string().into_bytes();
            self.push("ZADD", Key::Rooms, [created, room.clone()]);
        }
        if former.is_some_and(|former| former.hands_lowered_at < head.hands_lowered_at) {
            self.push("UNLINK", Key::Hands, []);
        }
        if head.closed {
            self.push("ZREM", Key::Rooms, [room]);
            let ms = CLOSED_FOR.as_millis().to_string().into_bytes();
            for key in [Key::Hash, Key::Log, Key::Roster, Key::Hands, Key::Stage, Key::Bans] {
                self.push("PEXPIRE", key, [ms.clone()]);
            }
        }
    }

    /// Somebody who enters again is one who leaves and one who comes.
    fn member(&mut self, loaded: &Loaded, uid: Uid, after: Option<&Member>, lease: Millis) {
        let before = before(loaded, uid);
        let (before, after) = (Standings::of(before), Standings::of(after));
        let again = before.entry != after.entry;
        self.members += i64::from(after.entry.is_some()) - i64::from(before.entry.is_some());
        self.speakers += i64::from(after.guest) - i64::from(before.guest);
        self.roster_moved |= again;
        self.stage_written |= before.stage || after.stage;
        self.hand_raised |= after.hand && (again || !before.hand);
        for (key, was, is) in [
            (Key::Roster, before.entry.is_some(), after.entry.is_some()),
            (Key::Hands, before.hand, after.hand),
        ] {
            if was != is || (is && again) {
                self.list(key, uid, is);
            }
        }
        // On stage the host comes first; who was host steps up anew.
        if after.stage && (again || (before.stage, before.guest) != (true, after.guest)) {
            let score = if after.guest { REV } else { b"0" };
            self.push("ZADD", Key::Stage, [score.into(), uid.to_string().into_bytes()]);
        } else if before.stage && !after.stage {
            self.list(Key::Stage, uid, false);
        }
        if again {
            let lease_of = |entry| due_name(loaded.room, Due::Lease(uid, entry));
            if let Some(entry) = before.entry {
                self.deadline(lease_of(entry), None);
            }
            if let Some(entry) = after.entry {
                self.deadline(lease_of(entry), Some(lease));
            }
        }
    }

    fn record(&mut self, name: &str, value: Option<Vec<u8>>) {
        match value {
            Some(value) => self.push("HSET", Key::Hash, [name.into(), value]),
            None => self.push("HDEL", Key::Hash, [name.into()]),
        }
    }

    fn list(&mut self, key: Key, uid: Uid, belongs: bool) {
        let uid = uid.to_string().into_bytes();
        if belongs {
            self.push("ZADD", key, [REV.into(), uid]);
        } else {
            self.push("ZREM", key, [uid]);
        }
    }

    fn deadline(&mut self, name: String, at: Option<Millis>) {
        match at {
            Some(at) => self.push("ZADD", Key::Due, [at.0.to_string().into_bytes(), name.into_bytes()]),
            None => self.push("ZREM", Key::Due, [name.into_bytes()]),
        }
    }

    fn push<const N: usize>(&mut self, command: &'static str, key: Key, words: [Vec<u8>; N]) {
        self.effects.push(Effect { command, key, words: words.into() });
    }
}

/// A member's record as it is to be written. Who enters again begins anew; of who stays, all is kept that was there.
fn member_record(loaded: &Loaded, rests: &Rests, member: &Member, args: &StoreArgs) -> Vec<u8> {
    let mut record = write_member(member);
    if before(loaded, member.uid).is_some_and(|before| before.entry == member.entry) {
        record = rests.added_to(&format!("{}{}", field::MEMBER, member.uid), record);
    }
    released(args, record)
}

/// A member's record as it was loaded: by name, or with the stage.
fn before(loaded: &Loaded, uid: Uid) -> Option<&Member> {
    let named = loaded.people.get(&uid).and_then(|person| person.member.as_ref());
    named.or_else(|| loaded.stage.iter().find(|member| member.uid == uid))
}

/// Which lists a member belongs to.
#[derive(Clone, Copy, Default)]
struct Standings {
    entry: Option<gochat_domain::Entry>,
    hand: bool,
    stage: bool,
    guest: bool,
}

impl Standings {
    fn of(member: Option<&Member>) -> Self {
        member.map_or_else(Self::default, |member| Self {
            entry: Some(member.entry),
            hand: member.standing.hand_raised_at().is_some(),
            stage: member.standing.on_stage_at().is_some(),
            guest: member.standing.is_guest_speaker(),
        })
    }
}

/// The message after its first four fields (revision, after, tag, tag before), which the
/// commit itself writes.
pub(crate) fn message(loaded: &Loaded, change: &Change) -> Vec<u8> {
    let (operator_uid, operator_name) = match &change.operator {
        Some((uid, name)) => (uid.get(), name.as_str().to_owned()),
        None => (0, String::new()),
    };
    model::Commit {
        room_id: loaded.room.to_string(),
        committed_at: loaded.now.0,
        operator_uid,
        operator_name,
        events: change.events.iter().map(Into::into).collect(),
        ..model::Commit::default()
    }
    .encode_to_vec()
}
