//! Reads what a rule asked for, keeping the bytes: they are the guards of the commit.

use std::collections::BTreeMap;

use gochat_domain::{Counts, Head, Loaded, Member, Millis, Person, Place, RoomId, Uid, rules::Load};
use redis::ScriptInvocation;

use crate::{
    Error, Result, Store,
    keys::{RoomKeys, due_name, field},
    record::{Rests, read_ban, read_head, read_invitation, read_member},
};

/// A value of a hash; none where there is none.
pub(crate) type Bytes = Option<Vec<u8>>;

/// What a rule is given, and the bytes that it was made from.
pub(crate) struct Snapshotted {
    pub loaded: Loaded,
    pub guards: Vec<Guard>,
    /// What a later release has written into the records besides.
    pub rests: Rests,
    /// The caller's kept replies, where they were asked for.
    pub replies: Bytes,
}

/// Something that must still be so when the decision is committed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A field of the room's hash holds this.
    Field(String, Bytes),
    /// A deadline stands as it was seen.
    Due(String, i64),
}

const FIXED: [&str; 8] = [
    field::HEAD,
    field::REV,
    field::TAG,
    field::TIME,
    field::MEMBERS,
    field::SPEAKERS,
    field::STAGE_REV,
    field::HANDS_REV,
];
const BY_PERSON: [&str; 3] = [field::MEMBER, field::BAN, field::INVITATION];

impl Store {
    /// Reads what a rule asked for, at one moment; with the kept replies of one caller
    /// where the request may have come before.
    pub(crate) async fn load(&self, room: RoomId, load: &Load, caller: Option<Uid>) -> Result<Snapshotted> {
        let keys = self.keys(room);
        let fields = fields(load, caller);
        let call = invocation(&self.scripts.load, &keys, load, &fields);
        let answer: (i64, Vec<Bytes>, Vec<Vec<u8>>) = self.redis.read("load", &call).await?;
        decode(room, load, fields, answer)
    }
}

/// The fields that are read; after the fixed ones each is a guard as well.
fn fields(load: &Load, caller: Option<Uid>) -> Vec<String> {
    let fixed = FIXED.iter().map(|name| (*name).to_owned());
    let named = load.people.iter().flat_map(|uid| BY_PERSON.map(|kind| format!("{kind}{uid}")));
    let replies = caller.map(|uid| format!("{}{uid}", field::REPLIES));
    fixed.chain(named).chain(replies).collect()
}

fn invocation<'a>(
    script: &'a redis::Script,
    keys: &RoomKeys,
    load: &Load,
    fields: &[String],
) -> ScriptInvocation<'a> {
    let mut call = script.prepare_invoke();
    call.key(keys.hash()).key(keys.stage());
    call.arg(i32::from(load.stage)).arg(field::MEMBER).arg(fields);
    call
}

fn decode(
    room: RoomId,
    load: &Load,
    fields: Vec<String>,
    (time, values, stage): (i64, Vec<Bytes>, Vec<Vec<u8>>),
) -> Result<Snapshotted> {
    let fixed = Fixed::read(&values)?;
    let people = load
        .people
        .iter()
        .zip(values[FIXED.len()..].chunks(BY_PERSON.len()))
        .map(|(uid, values)| Ok((*uid, person(*uid, values, fixed.head.as_ref())?)))
        .collect::<Result<BTreeMap<_, _>>>()?;
    let rests = rests(&fields, &values, &stage);
    let stage = stage_members(&stage, fixed.head.as_ref())?;
    let replies = (fields.len() > FIXED.len() + load.people.len() * BY_PERSON.len())
        .then(|| values.last().cloned().flatten())
        .flatten();
    let guards = guards(room, load, fields, values);
    let loaded = Loaded {
        room,
        now: Millis(time.max(fixed.time)),
        place: fixed.place,
        head: fixed.head,
        counts: fixed.counts,
        people,
        stage,
    };
    Ok(Snapshotted { loaded, guards, rests, replies })
}

/// Of each record that was read, by name or with the stage: a rule may change any of them.
fn rests(fields: &[String], values: &[Bytes], stage: &[Vec<u8>]) -> Rests {
    let mut rests = Rests::default();
    for (name, value) in fields.iter().zip(values) {
        if let Some(record) = value {
            rests.note(name, record);
        }
    }
    for pair in stage.chunks_exact(2) {
        rests.note(&format!("{}{}", field::MEMBER, String::from_utf8_lossy(&pair[0])), &pair[1]);
    }
    rests
}

fn guards(room: RoomId, load: &Load, fields: Vec<String>, values: Vec<Bytes>) -> Vec<Guard> {
    let deadline = load.due.map(|(due, deadline)| Guard::Due(due_name(room, due), deadline.0));
    let guarded = |name: &str, at: usize| {
        let lists = [(load.stage, field::STAGE_REV), (load.hands, field::HANDS_REV)];
        name == field::HEAD || at >= FIXED.len() || lists.contains(&(true, name))
    };
    let held = fields.into_iter().zip(values).enumerate();
    held.filter(|(at, (name, _))| guarded(name, *at))
        .map(|(_, (name, value))| Guard::Field(name, value))
        .chain(deadline)
        .collect()
}

/// The head, the place and the counts: what every load reads.
pub(crate) struct Fixed {
    pub head: Option<Head>,
    pub place: Place,
    pub counts: Counts,
    time: i64,
}

impl Fixed {
    /// The fields that [`Fixed::read`] expects, in order.
    pub(crate) const FIELDS: [&str; 8] = FIXED;

    pub(crate) fn read(values: &[Bytes]) -> Result<Self> {
        let number = |at: usize| number(values[at].as_deref());
        Ok(Self {
            head: values[0].as_deref().map(read_head).transpose()?,
            place: Place { revision: number(1)?, tag: tag(values[2].as_deref())? },
            counts: Counts { members: number(4)? as u32, speakers: number(5)? as u32 },
            time: number(3)? as i64,
        })
    }
}

fn person(uid: Uid, values: &[Bytes], head: Option<&Head>) -> Result<Person> {
    let [member, ban, invitation] = values else {
        return Err(Error::Unreadable("fewer values than fields".to_owned()));
    };
    Ok(Person {
        member: member.as_deref().map(|bytes| read_member(uid, bytes, head)).transpose()?,
        ban: ban.as_deref().map(read_ban).transpose()?,
        invitation: invitation.as_deref().map(|bytes| read_invitation(uid, bytes)).transpose()?,
    })
}

/// Those on stage come as names and records by turns.
fn stage_members(stage: &[Vec<u8>], head: Option<&Head>) -> Result<Vec<Member>> {
    stage
        .chunks_exact(2)
        .map(|pair| {
            let name = std::str::from_utf8(&pair[0]).unwrap_or_default();
            let uid = name.parse().map_err(|why| Error::Unreadable(format!("uid on stage: {why}")))?;
            read_member(uid, &pair[1], head)
        })
        .collect()
}

/// A number as Redis keeps it: digits; 0 where there is none.
pub(crate) fn number(value: Option<&[u8]>) -> Result<u64> {
    let Some(value) = value else { return Ok(0) };
    std::str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| Error::Unreadable("not a number".to_owned()))
}

/// A tag as Redis keeps it: eight bytes; 0 where there is none.
pub(crate) fn tag(value: Option<&[u8]>) -> Result<u64> {
    let Some(value) = value else { return Ok(0) };
    let bytes = value.try_into().map_err(|_| Error::Unreadable("a tag has eight bytes".to_owned()))?;
    Ok(u64::from_le_bytes(bytes))
}
