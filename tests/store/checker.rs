//! The checker: replays each room's log from creation, compares the result with what the
//! room's keys hold, and explains every key in Redis.

use std::collections::BTreeMap;

use gochat_domain::{RoomId, rules::Due};
use gochat_proto::{model::Commit, view::RoomView};
use gochat_store::{Snapshot, Store, keys};
use prost::Message;
use redis::{AsyncCommands, aio::MultiplexedConnection};

/// Fails where anything in Redis can't be explained, or a room isn't what its log says.
pub(crate) async fn check(store: &Store, raw: &MultiplexedConnection) {
    let mut raw = raw.clone();
    let names: Vec<String> = raw.keys("*").await.unwrap();
    let mut rooms = BTreeMap::new();
    for name in &names {
        if let Some(room) = name.split_once(":room:").map(|(_, room)| room) {
            let room: RoomId = room.parse().unwrap();
            let snapshot = store.snapshot(room).await.unwrap().unwrap();
            check_room(store, &mut raw, room, &snapshot).await;
            rooms.insert(room, snapshot);
        }
    }
    for name in &names {
        check_key(&mut raw, name, &rooms).await;
    }
}

/// An entry of the log: its id, and its one field.
type Logged = (String, Vec<(String, Vec<u8>)>);

async fn check_room(store: &Store, raw: &mut MultiplexedConnection, room: RoomId, snapshot: &Snapshot) {
    let keys = keys::RoomKeys::new(room, store.args().partitions);
    let log: Vec<Logged> = raw.xrange_all(keys.log()).await.unwrap();
    let mut replayed = RoomView::default();
    for (id, fields) in log {
        let commit = Commit::decode(fields[0].1.as_slice()).unwrap();
        assert_eq!(id, format!("{}-0", commit.revision));
        replayed.apply(&commit).unwrap();
    }
    assert_eq!(replayed, snapshot.view, "the log replays to what the keys hold");
    let guests = snapshot.view.stage.len() as u32 - 1;
    let (members, speakers): (u32, Option<u32>) =
        raw.hmget(keys.hash(), &["members", "speakers"]).await.unwrap();
    assert_eq!(members as usize, snapshot.view.roster.len(), "counts equal contents");
    assert_eq!(speakers.unwrap_or(0), guests, "counts equal contents");
    if snapshot.view.closed {
        let lives: i64 = raw.pttl(keys.hash()).await.unwrap();
        assert!((1..=60_000).contains(&lives), "a closed room's keys end");
        return;
    }
    for (uid, member) in &snapshot.view.members {
        let due = Due::Lease((*uid).try_into().unwrap(), gochat_domain::Entry(member.entry));
        let deadline: Option<i64> = raw.zscore(keys.due(), keys::due_name(room, due)).await.unwrap();
        assert!(deadline.is_some(), "every member has a lease");
    }
}

/// What a key is there for.
async fn check_key(raw: &mut MultiplexedConnection, name: &str, rooms: &BTreeMap<RoomId, Snapshot>) {
    let rest = name.strip_prefix("gochat:").unwrap_or_else(|| panic!("{name} is not ours"));
    let of_room = ["room", "roster", "hands", "stage", "bans", "log"];
    match rest.split(':').collect::<Vec<_>>()[..] {
        [_, kind, room] if of_room.contains(&kind) => {
            assert!(rooms.contains_key(&room.parse().unwrap()), "{name}")
        }
        [_, "rooms"] => {
            let open: Vec<String> = raw.zrange(name, 0, -1).await.unwrap();
            assert!(open.iter().all(|room| !rooms[&room.parse().unwrap()].view.closed), "{name}");
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

fn check_due(name: &str, rooms: &BTreeMap<RoomId, Snapshot>) {
    let (room, due) = keys::parse_due(name).unwrap_or_else(|| panic!("{name} is no deadline"));
    let snapshot = &rooms[&room];
    if snapshot.view.closed {
        return;
    }
    match due {
        Due::Lease(uid, entry) => assert_eq!(snapshot.view.members[&uid.get()].entry, entry.0, "{name}"),
        Due::Invitation(uid) => assert!(snapshot.invitations.iter().any(|sent| sent.target == uid), "{name}"),
    }
}
