//! The checker: replays each room's log from creation, compares the result with what the
//! room's keys hold, and explains every key in Redis, every field and every deadline.

use std::collections::{BTreeMap, BTreeSet};

use gochat_domain::{Entry, RoomId, Uid, rules::Due};
use gochat_proto::{
    model::{Commit, Role},
    view::RoomView,
};
use gochat_store::{
    Snapshot, Store,
    keys::{self, RoomKeys, field},
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
/// How long a closed room's keys stay, in milliseconds.
const CLOSED_MS: i64 = 60_000;

/// How long a node has a room's media without saying so again, in milliseconds.
const MEDIA_MS: i64 = 10_000;

/// Fails where anything in Redis can't be explained, or a room isn't what its log says.
/// For a state at rest: nothing is under way, and where a process died in something, the
/// leases of then have ended. Logs have to reach back to the creation of their rooms.
pub async fn check(store: &Store, raw: &MultiplexedConnection) {
    let objections = objections(store, raw).await;
    assert!(objections.is_empty(), "{} objections:\n{}", objections.len(), objections.join("\n"));
}

/// What [`check`] objects to; none where all is explained.
pub async fn objections(store: &Store, raw: &MultiplexedConnection) -> Vec<String> {
    let mut checker = Checker { store, raw: raw.clone(), objections: Vec::new() };
    let names: Vec<String> = checker.raw.keys("*").await.unwrap();
    let mut rooms = BTreeMap::new();
    for name in &names {
        if let Some((_, room)) = name.split_once(":room:") {
            let room: RoomId = room.parse().unwrap();
            rooms.extend(checker.read(room).await.map(|read| (room, read)));
        }
    }
    for (room, read) in &rooms {
        checker.room(*room, read).await;
    }
    for name in &names {
        checker.key(name, &rooms).await;
    }
    checker.objections
}

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

    /// A deadline is of somebody's stay or invitation; in a closed room, of one at the close.
    fn explains(&self, due: Due) -> bool {
        match due {
            Due::Lease(uid, entry) => {
                let member = self.snapshot.view.members.get(&uid.get());
                member.is_some_and(|member| member.entry == entry.0)
            }
            Due::Invitation(uid) => self.records.contains(&(field::INVITATION, uid)),
        }
    }
}

/// The kind and the person of a field.
fn person(name: &str) -> Option<(&'static str, Uid)> {
    let kinds = [field::MEMBER, field::BAN, field::INVITATION, field::REPLIES];
    kinds.into_iter().find_map(|kind| Some((kind, name.strip_prefix(kind)?.parse().ok()?)))
}

struct Checker<'a> {
    store: &'a Store,
    raw: MultiplexedConnection,
    objections: Vec<String>,
}

impl Checker<'_> {
    fn holds(&mut self, holds: bool, told: impl FnOnce() -> String) {
        if !holds {
            self.objections.push(told());
        }
    }

    fn keys(&self, room: RoomId) -> RoomKeys {
        RoomKeys::new(room, self.store.args().partitions)
    }

    /// None where it has ended meanwhile.
    async fn read(&mut self, room: RoomId) -> Option<Room> {
        let snapshot = self.store.snapshot(room).await.unwrap()?;
        let fields: Vec<String> = self.raw.hkeys(self.keys(room).hash()).await.unwrap();
        let mut records = BTreeSet::new();
        for name in fields.iter().filter(|name| !FIXED.contains(&name.as_str())) {
            let record = person(name);
            self.holds(record.is_some(), || format!("{room}: nothing explains field {name}"));
            records.extend(record);
        }
        Some(Room { snapshot, records })
    }

    async fn room(&mut self, room: RoomId, read: &Room) {
        let view = &read.snapshot.view;
        self.replays(room, view).await;
        self.counts(room, view).await;
        let hosts: Vec<u32> = members_as(view, Role::Host).collect();
        self.holds(hosts == [view.room.host_uid], || format!("{room}: {hosts:?} are hosts"));
        let (bans, banned) = (self.uids(self.keys(room).bans()).await, read.with(field::BAN));
        self.holds(bans == banned, || format!("{room}: bans of {bans:?}, records of {banned:?}"));
        for uid in read.with(field::INVITATION) {
            self.holds(read.is_member(uid), || format!("{room}: {uid} is invited, not in"));
        }
        self.listed(room, view).await;
        if !view.closed {
            self.deadlines(room, read).await;
            self.holders(room, view).await;
        }
    }

    /// The log replays to what the keys hold.
    async fn replays(&mut self, room: RoomId, view: &RoomView) {
        /// An entry of the log: its id, and its one field.
        type Logged = (String, Vec<(String, Vec<u8>)>);
        let log: Vec<Logged> = self.raw.xrange_all(self.keys(room).log()).await.unwrap();
        let mut replayed = RoomView::default();
        for (id, fields) in log {
            let commit = Commit::decode(fields[0].1.as_slice()).unwrap();
            self.holds(id == format!("{}-0", commit.revision), || format!("{room}: {id} is {commit:?}"));
            self.holds(!replayed.closed, || format!("{room}: {id} comes after the close"));
            let applied = replayed.apply(&commit);
            self.holds(applied.is_ok(), || format!("{room}: {id} does not follow: {applied:?}"));
        }
        self.holds(replayed == *view, || format!("{room}: the log says {replayed:?}, the keys {view:?}"));
    }

    /// Counts equal contents, and are within the limits.
    async fn counts(&mut self, room: RoomId, view: &RoomView) {
        let fields = &[field::MEMBERS, field::SPEAKERS];
        let (members, speakers): (usize, Option<usize>) =
            self.raw.hmget(self.keys(room).hash(), fields).await.unwrap();
        let (inside, guests) = (view.roster.len(), members_as(view, Role::GuestSpeaker).count());
        let speakers = speakers.unwrap_or(0);
        let limits = (view.room.member_limit, view.room.seat_limit);
        self.holds(members == inside, || format!("{room}: {members} members counted, {inside} are in"));
        self.holds(speakers == guests, || format!("{room}: {speakers} speakers counted, {guests} speak"));
        let within = members as u32 <= limits.0 && guests as u32 <= limits.1;
        self.holds(within, || format!("{room}: {members} in and {guests} speak where {limits:?} may"));
    }

    async fn uids(&mut self, key: String) -> BTreeSet<Uid> {
        let names: Vec<String> = self.raw.zrange(key, 0, -1).await.unwrap();
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    /// Open rooms stand in the list by create time and stay; closed ones don't and end.
    async fn listed(&mut self, room: RoomId, view: &RoomView) {
        let keys = self.keys(room);
        let listed: Option<i64> = self.raw.zscore(keys.rooms(), room.to_string()).await.unwrap();
        let right = listed == (!view.closed).then_some(view.room.created_at);
        self.holds(right, || format!("{room}: closed: {}, listed: {listed:?}", view.closed));
        for key in [keys.hash(), keys.roster(), keys.hands(), keys.stage(), keys.bans(), keys.log()] {
            let lives: i64 = self.raw.pttl(&key).await.unwrap();
            let right = if view.closed { lives == -2 || (1..=CLOSED_MS).contains(&lives) } else { lives < 0 };
            self.holds(right, || format!("{key} lives {lives} ms; closed: {}", view.closed));
        }
    }

    /// Every member has a lease, every invitation its end.
    async fn deadlines(&mut self, room: RoomId, Room { snapshot, records }: &Room) {
        let due: Vec<(String, i64)> = self.raw.zrange_withscores(self.keys(room).due(), 0, -1).await.unwrap();
        let due: BTreeMap<String, i64> = due.into_iter().collect();
        for (uid, member) in &snapshot.view.members {
            let lease = Due::Lease((*uid).try_into().unwrap(), Entry(member.entry));
            let leased = due.contains_key(&keys::due_name(room, lease));
            self.holds(leased, || format!("{room}: {uid} has no lease"));
        }
        for (_, uid) in records.iter().filter(|(kind, _)| *kind == field::INVITATION) {
            let name = keys::due_name(room, Due::Invitation(*uid));
            let ends = due.get(&name);
            let sent = snapshot.invitations.iter().find(|sent| sent.target == *uid);
            let right = ends.is_some_and(|ends| sent.is_none_or(|sent| sent.expires_at.0 == *ends));
            self.holds(right, || format!("{name} ends at {ends:?}; it is {sent:?}"));
        }
    }

    /// Who is in an open room holds it, under the number of that entry.
    async fn holders(&mut self, room: RoomId, view: &RoomView) {
        let mut read = redis::pipe();
        for uid in view.members.keys() {
            read.hget(keys::user((*uid).try_into().unwrap()), "held");
        }
        let held: Vec<Option<String>> = read.query_async(&mut self.raw).await.unwrap();
        for (member, held) in view.members.values().zip(held) {
            let right = held == Some(format!("{} {room}", member.entry));
            self.holds(right, || format!("{room}: {} is in by {}, holds {held:?}", member.uid, member.entry));
        }
    }

    /// What a key is there for.
    async fn key(&mut self, name: &str, rooms: &BTreeMap<RoomId, Room>) {
        let parts: Vec<&str> = name.split(':').collect();
        match parts[..] {
            ["gochat", _, kind, room] if OF_ROOM.contains(&kind) => {
                let owned = rooms.contains_key(&room.parse().unwrap());
                let lives: bool = self.raw.exists(name).await.unwrap();
                self.holds(owned || !lives, || format!("{name} is of no room"));
            }
            ["gochat", _, "media", room] => {
                // Whoever had it may have gone without a word, and the room with it.
                let held: Option<String> = self.raw.get(name).await.unwrap();
                let right = held.as_deref().is_none_or(is_node_of);
                self.holds(right && room.parse::<RoomId>().is_ok(), || format!("{name} holds {held:?}"));
                let lives: i64 = self.raw.pttl(name).await.unwrap();
                self.holds(lives != -1 && lives <= MEDIA_MS, || format!("{name} lives {lives} ms"));
            }
            ["gochat", _, "rooms"] => {
                for room in self.members_of(name).await {
                    let listed = rooms.get(&room.parse().unwrap());
                    let open = listed.is_some_and(|listed| !listed.snapshot.view.closed);
                    self.holds(open, || format!("{name}: {room} is not open"));
                }
            }
            ["gochat", _, "due"] => {
                for due in self.members_of(name).await {
                    let parsed = keys::parse_due(&due);
                    let stands = parsed
                        .is_some_and(|(room, due)| rooms.get(&room).is_some_and(|room| room.explains(due)));
                    self.holds(stands, || format!("{due} is of nobody"));
                }
            }
            ["gochat", _, "stamp", _]
            | ["gochat", "{stamp}", "account" | "gateway"]
            | ["gochat", "user" | "session" | "nick" | "external" | "created", _] => {
                let lives: i64 = self.raw.pttl(name).await.unwrap();
                self.holds(lives != -1, || format!("{name} never ends"));
            }
            _ => self.holds(false, || format!("nothing explains {name}")),
        }
    }

    async fn members_of(&mut self, set: &str) -> Vec<String> {
        self.raw.zrange(set, 0, -1).await.unwrap()
    }
}

/// Whether a text names who has a room's media: a number and an address.
fn is_node_of(held: &str) -> bool {
    let (number, url) = held.split_once(' ').unwrap_or_default();
    number.parse::<u64>().is_ok() && url.starts_with("http")
}

fn members_as(view: &RoomView, role: Role) -> impl Iterator<Item = u32> {
    let members = view.members.values().filter(move |member| member.role() == role);
    members.map(|member| member.uid)
}
