//! Short leases, and what Redis says of who is in which room, who left it, when, and why.

use std::{collections::BTreeSet, time::Duration};

use gochat_client::{Kind, LeaveReason, RoomView};
use gochat_rig::{Deployment, Plan, checker};
use gochat_store::{Store, keys};
use redis::{AsyncCommands, aio::MultiplexedConnection};

use crate::scene::{log, store_args};

/// In milliseconds: the shortest there is.
pub(crate) const LEASE: i64 = 5_000;
/// How much later than its lease somebody may be gone: two seconds, and more for a busy machine, where
/// whoever ends leases is late itself, and then gives everybody more time.
pub(crate) const LATE: i64 = 15_000;

/// Leases, also a host's, as short as can be; logs that keep all; calls as often as one likes.
pub(crate) fn plan() -> Plan {
    let knobs = [
        ("GOCHAT_LEASE", "5s"),
        ("GOCHAT_HOST_GRACE", "0s"),
        ("GOCHAT_GATEWAY_RATE", "0"),
        ("GOCHAT_LOG_LEAST", "1000000"),
        ("GOCHAT_LOG_MOST", "1000000"),
    ];
    knobs.iter().fold(Plan::whole(), |plan, (name, value)| plan.with(name, value))
}

/// Somebody who left a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    pub(crate) uid: u32,
    pub(crate) reason: LeaveReason,
    /// By Redis's clock, in milliseconds.
    pub(crate) at: i64,
}

/// Reads Redis as nobody in particular.
pub(crate) struct Ledger {
    store: Store,
    raw: MultiplexedConnection,
}

impl Ledger {
    pub(crate) async fn of(deployment: &Deployment) -> Self {
        let store = Store::open(store_args(&deployment.redis.url())).await.unwrap();
        Self { store, raw: deployment.redis.raw().await }
    }

    /// By Redis's clock, in milliseconds.
    pub(crate) async fn now(&self) -> i64 {
        self.store.now().await.unwrap().0
    }

    /// A room that is there, or was a minute ago.
    pub(crate) async fn view(&self, room: &str) -> RoomView {
        self.store.snapshot(room.parse().unwrap()).await.unwrap().unwrap().view
    }

    /// How many are in a room.
    pub(crate) async fn members(&self, room: &str) -> usize {
        let keys = keys::RoomKeys::new(room.parse().unwrap(), self.store.args().partitions);
        self.raw.clone().hget(keys.hash(), keys::field::MEMBERS).await.unwrap()
    }

    /// The rooms that are listed.
    pub(crate) async fn open_rooms(&self) -> BTreeSet<String> {
        let mut read = redis::pipe();
        for partition in 0..self.store.args().partitions {
            read.zrange(keys::rooms(partition), 0, -1);
        }
        let rooms: Vec<Vec<String>> = read.query_async(&mut self.raw.clone()).await.unwrap();
        rooms.into_iter().flatten().collect()
    }

    /// The listed rooms that somebody is in.
    pub(crate) async fn rooms_of(&self, uid: u32) -> Vec<String> {
        let mut rooms = Vec::new();
        for room in self.open_rooms().await {
            let snapshot = self.store.snapshot(room.parse().unwrap()).await.unwrap();
            if snapshot.is_some_and(|snapshot| snapshot.view.members.contains_key(&uid)) {
                rooms.push(room);
            }
        }
        rooms
    }

    /// The room that somebody holds.
    pub(crate) async fn held(&self, uid: u32) -> Option<String> {
        let key = keys::user(uid.try_into().unwrap());
        let held: Option<String> = self.raw.clone().hget(key, "held").await.unwrap();
        let (_, room) = held.as_deref()?.split_once(' ')?;
        (!room.is_empty()).then(|| room.to_owned())
    }

    /// By which somebody can answer the invitation that they have.
    pub(crate) async fn invitation(&self, room: &str, uid: u32) -> Option<String> {
        let snapshot = self.store.snapshot(room.parse().unwrap()).await.unwrap()?;
        let sent = snapshot.invitations.into_iter().find(|sent| sent.target.get() == uid);
        sent.map(|sent| sent.token.0)
    }

    /// How many deadlines are past.
    pub(crate) async fn overdue(&self) -> usize {
        let now = self.now().await;
        let mut read = redis::pipe();
        for partition in 0..self.store.args().partitions {
            read.zcount(keys::due(partition), "-inf", now);
        }
        let counts: Vec<usize> = read.query_async(&mut self.raw.clone()).await.unwrap();
        counts.into_iter().sum()
    }

    /// When somebody's stay in a room ends unless a heartbeat comes; none where they aren't in.
    pub(crate) async fn lease_of(&self, room: &str, uid: u32) -> Option<i64> {
        let room: gochat_domain::RoomId = room.parse().unwrap();
        let due = keys::RoomKeys::new(room, self.store.args().partitions).due();
        let deadlines: Vec<(String, i64)> = self.raw.clone().zrange_withscores(due, 0, -1).await.unwrap();
        let lease = format!("lease/{room}/{uid}/");
        deadlines.into_iter().find(|(name, _)| name.starts_with(&lease)).map(|(_, at)| at)
    }

    /// What the checker of the whole of Redis objects to.
    pub(crate) async fn objections(&self) -> Vec<String> {
        checker::objections(&self.store, &self.raw).await
    }
}

/// All who left a room, in the order in which they did.
pub(crate) async fn departures(deployment: &Deployment, room: &str) -> Vec<Departure> {
    let commits = log(deployment, room).await;
    let departures = commits.into_iter().flat_map(|commit| {
        let at = commit.committed_at;
        commit.events.into_iter().filter_map(move |event| match event.kind? {
            Kind::MemberLeft(left) => {
                Some(Departure { uid: left.member.as_ref()?.uid, reason: left.reason(), at })
            }
            _ => None,
        })
    });
    departures.collect()
}

/// As long as it may take until who died is gone, once all runs again.
pub(crate) const IN_THE_END: Duration = Duration::from_millis((LEASE + LATE) as u64);
