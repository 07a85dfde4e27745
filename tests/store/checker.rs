//! The checker: replays each room's log from creation, compares the result with what the
//! room's keys hold, and explains every key in Redis, every field and every deadline.

use std::collections::{BTreeMap, BTreeSet};

use gochat_domain::{RoomId, Uid, rules::Due};
use gochat_proto::{
    model::{Commit, Role},
    view::RoomView,
};
use gochat_store::{
    Snapshot, Store,
    keys::{self, field},
};
use prost::Message;
use redis::{AsyncCommands, aio::MultiplexedConnection};

/// The keys that belong to one room.
const OF_ROOM: [&str; 6] = ["room", "roster", "hands", "stage", "bans", "log"];
/// The fields of a room's hash that belong to nobody.
const FIXED: [&str; 11] = [
    field::HEAD,
    field::HOST,
    field::REV,
    field::TAG,
    field::SHOWN,
    field::TIME,
    field::ROSTER_REV,
    field::HANDS_REV,
    field::STAGE_REV,
    field::MEMBERS,
    field::SPEAKERS,
];

/// A room, and what its hash says of people: the kind's prefix and who.
struct Room {
    snapshot: Snapshot,
    records: BTreeSet<(&'static str, Uid)>,
}

impl Room {
    fn is_member(&self, uid: Uid) -> bool {
        self.snapshot.view.members.contains_key(&uid.get())
    }

    fn with(&self, kind: &str) -> BTreeSet<Uid> {
        self.records.iter().filter(|(of, _)| *of == kind).map(|(_, uid)| *uid).collect()
    }
}

/// Fails where anything in Redis can't be explained, or a room isn't what its log says.
/// For a state at rest: no command is under way and no process died in one.
pub(crate) async fn check(store: &Store, raw: &MultiplexedConnection) {
    let mut raw = raw.clone();
    let names: Vec<String> = raw.keys("*").await.unwrap();
    let mut rooms = BTreeMap::new();
    for name in &names {
        if let Some((_, room)) = name.split_once(":room:") {
            let room: RoomId = room.parse().unwrap();
            rooms.insert(room, read_room(store, &mut raw, room).await);
        }
    }
    for (room, held) in &rooms {
        check_room(store, &mut raw, *room, held).await;
        check_holders(&mut raw, *room, &held.snapshot.view).await;
    }
    for name in &names {
        check_key(&mut raw, name, &rooms).await;
    }
}

async fn read_room(store: &Store, raw: &mut MultiplexedConnection, room: RoomId) -> Room {
    let snapshot = store.snapshot(room).await.unwrap().unwrap();
    let hash = keys::RoomKeys::new(room, store.args().partitions).hash();
    let fields: Vec<String> = raw.hkeys(hash).await.unwrap();
    let personal = fields.iter().filter(|name| !FIXED.contains(&name.as_str()));
    let records =
        personal.map(|name| person(name).unwrap_or_else(|| panic!("nothing explains field {name}")));
    Room { snapshot, records: records.collect() }
}

/// The kind and the person of a field.
fn person(name: &str) -> Option<(&'static str, Uid)> {
    let kinds = [field::MEMBER, field::BAN, field::INVITATION, field::REPLIES];
    kinds.into_iter().find_map(|kind| Some((kind, name.strip_prefix(kind)?.parse().ok()?)))
}

/// An entry of the log: its id, and its one field.
type Logged = (String, Vec<(String, Vec<u8>)>);

async fn check_room(store: &Store, raw: &mut MultiplexedConnection, room: RoomId, held: &Room) {
    let keys = keys::RoomKeys::new(room, store.args().partitions);
    let view = &held.snapshot.view;
    let log: Vec<Logged> = raw.xrange_all(keys.log()).await.unwrap();
    let mut replayed = RoomView::default();
    for (id, fields) in log {
        let commit = Commit::decode(fields[0].1.as_slice()).unwrap();
        assert_eq!(id, format!("{}-0", commit.revision));
        assert!(!replayed.closed, "{room}: nothing comes after the close");
        replayed.apply(&commit).unwrap();
    }
    assert_eq!(replayed, *view, "the log replays to what the keys hold");
    let guests = view.members.values().filter(|member| member.role() == Role::GuestSpeaker).count();
    let (members, speakers): (usize, Option<usize>) =
        raw.hmget(keys.hash(), &[field::MEMBERS, field::SPEAKERS]).await.unwrap();
    assert_eq!(members, view.roster.len(), "counts equal contents");
    assert_eq!(speakers.unwrap_or(0), guests, "counts equal contents");
    assert!(members as u32 <= view.room.member_limit, "{room} holds more than it may");
    assert!(guests as u32 <= view.room.seat_limit, "more speak in {room} than may");
    let hosts = view.members.values().filter(|member| member.role() == Role::Host);
    let hosts: Vec<u32> = hosts.map(|member| member.uid).collect();
    assert_eq!(hosts, [view.room.host_uid], "{room} has one host");
    let banned: Vec<Uid> = read_uids(raw, keys.bans()).await;
    assert_eq!(banned.into_iter().collect::<BTreeSet<_>>(), held.with(field::BAN), "bans and their records");
    assert!(
        held.with(field::INVITATION).into_iter().all(|uid| held.is_member(uid)),
        "{room}: invited, not in"
    );
    check_listed(store, raw, room, view).await;
    if !view.closed {
        check_deadlines(raw, room, &keys, held).await;
    }
}

async fn read_uids(raw: &mut MultiplexedConnection, key: String) -> Vec<Uid> {
    let names: Vec<String> = raw.zrange(key, 0, -1).await.unwrap();
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Open rooms stand in the list by create time and stay; closed ones don't and end.
async fn check_listed(store: &Store, raw: &mut MultiplexedConnection, room: RoomId, view: &RoomView) {
    let keys = keys::RoomKeys::new(room, store.args().partitions);
    let listed: Option<i64> = raw.zscore(keys.rooms(), room.to_string()).await.unwrap();
    assert_eq!(listed, (!view.closed).then_some(view.room.created_at), "{room}: open, so listed");
    for key in [keys.hash(), keys.roster(), keys.hands(), keys.stage(), keys.bans(), keys.log()] {
        let lives: i64 = raw.pttl(&key).await.unwrap();
        let right = if view.closed { lives == -2 || (1..=60_000).contains(&lives) } else { lives < 0 };
        assert!(right, "{key} lives {lives} ms; closed: {}", view.closed);
    }
}

/// Every member has a lease, every invitation its end.
async fn check_deadlines(
    raw: &mut MultiplexedConnection,
    room: RoomId,
    keys: &keys::RoomKeys,
    Room { snapshot, records }: &Room,
) {
    let due: BTreeMap<String, i64> = raw
        .zrange_withscores::<_, Vec<(String, i64)>>(keys.due(), 0, -1)
        .await
        .unwrap()
        .into_iter()
        .collect();
    for (uid, member) in &snapshot.view.members {
        let lease = Due::Lease((*uid).try_into().unwrap(), gochat_domain::Entry(member.entry));
        assert!(due.contains_key(&keys::due_name(room, lease)), "{uid} has no lease in {room}");
    }
    for (_, uid) in records.iter().filter(|(kind, _)| *kind == field::INVITATION) {
        let name = keys::due_name(room, Due::Invitation(*uid));
        let ends = due.get(&name).unwrap_or_else(|| panic!("{name} has no end"));
        let sent = snapshot.invitations.iter().find(|sent| sent.target == *uid);
        assert!(sent.is_none_or(|sent| sent.expires_at.0 == *ends), "{name} ends at {ends}");
    }
}

/// Who is in an open room holds it, under the number of that entry.
async fn check_holders(raw: &mut MultiplexedConnection, room: RoomId, view: &RoomView) {
    if view.closed {
        return;
    }
    let mut read = redis::pipe();
    for uid in view.members.keys() {
        read.hget(keys::user((*uid).try_into().unwrap()), "held");
    }
    let held: Vec<Option<String>> = read.query_async(raw).await.unwrap();
    for (member, held) in view.members.values().zip(held) {
        assert_eq!(held, Some(format!("{} {room}", member.entry)), "what {} holds", member.uid);
    }
}

/// What a key is there for.
async fn check_key(raw: &mut MultiplexedConnection, name: &str, rooms: &BTreeMap<RoomId, Room>) {
    let rest = name.strip_prefix("gochat:").unwrap_or_else(|| panic!("{name} is not ours"));
    match rest.split(':').collect::<Vec<_>>()[..] {
        [_, kind, room] if OF_ROOM.contains(&kind) => {
            assert!(rooms.contains_key(&room.parse().unwrap()), "{name}")
        }
        [_, "rooms"] => {
            let open: Vec<String> = raw.zrange(name, 0, -1).await.unwrap();
            for room in open {
                let listed = rooms.get(&room.parse().unwrap());
                assert!(listed.is_some_and(|listed| !listed.snapshot.view.closed), "{name}: {room}");
            }
        }
        [_, "due"] => {
            let due: Vec<String> = raw.zrange(name, 0, -1).await.unwrap();
            due.iter().for_each(|due| check_due(due, rooms));
        }
        ["user" | "session" | "nick" | "external" | "created", _] => {
            let lives: i64 = raw.pttl(name).await.unwrap();
            assert!(lives > 0, "{name} never ends");
        }
        _ => panic!("nothing explains {name}"),
    }
}

/// A deadline is of somebody's stay or invitation; in a closed room, of one at the close.
fn check_due(name: &str, rooms: &BTreeMap<RoomId, Room>) {
    let (room, due) = keys::parse_due(name).unwrap_or_else(|| panic!("{name} is no deadline"));
    let Room { snapshot, records } = rooms.get(&room).unwrap_or_else(|| panic!("{name} of no room"));
    let stands = match due {
        Due::Lease(uid, entry) => {
            snapshot.view.members.get(&uid.get()).is_some_and(|member| member.entry == entry.0)
        }
        Due::Invitation(uid) => records.contains(&(field::INVITATION, uid)),
    };
    assert!(stands, "{name} is of nobody");
}
