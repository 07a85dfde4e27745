//! An entry is held at one of its steps (number, load, commit, settle); others are faster;
//! then it goes on.

use std::sync::{Arc, Mutex};

use gochat_domain::{ClientId, Entry, LeaveReason, Refusal, RoomId, Uid, rules::Leave};
use gochat_store::{Entered, Error, Request, Result, Store, keys};
use redis::{AsyncCommands, Script};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
    sync::Notify,
    task::JoinHandle,
};

use crate::{
    checker::check,
    world::{World, args, request},
};

const LOAD: &str = include_str!("../../../crates/store/src/lua/load.lua");
const COMMIT: &str = include_str!("../../../crates/store/src/lua/commit.lua");
const SETTLE: &str = include_str!("../../../crates/store/src/lua/settle.lua");

/// A process of its own, whose next call of one script waits before it reaches Redis.
struct Process {
    store: Store,
    gate: Arc<Gate>,
}

#[derive(Default)]
struct Gate {
    /// The hash of the script that waits.
    shut_for: Mutex<Option<String>>,
    reached: Notify,
    open: Notify,
}

impl Gate {
    /// Hands bytes on both ways; waits once at the script that the gate is shut for.
    async fn relay(self: Arc<Self>, mut near: TcpStream, mut far: UnixStream) {
        let mut asked = vec![0; 64 * 1024];
        let mut answered = vec![0; 64 * 1024];
        loop {
            tokio::select! {
                read = near.read(&mut asked) => {
                    let Ok(length @ 1..) = read else { return };
                    let text = String::from_utf8_lossy(&asked[..length]);
                    let shut = self.shut_for.lock().unwrap().take_if(|hash| text.contains(hash.as_str()));
                    if shut.is_some() {
                        self.reached.notify_one();
                        self.open.notified().await;
                    }
                    far.write_all(&asked[..length]).await.unwrap();
                }
                read = far.read(&mut answered) => {
                    let Ok(length @ 1..) = read else { return };
                    if near.write_all(&answered[..length]).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Process {
    async fn start(world: &World) -> Self {
        let url = world.redis.url();
        let socket = url.trim_start_matches("redis+unix://").trim_start_matches("unix://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let gate = Arc::new(Gate::default());
        let shared = gate.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(shared.clone().relay(near, far));
            }
        });
        Self { store: Store::open(args(&url)).await.unwrap(), gate }
    }

    /// Joins as far as the script; it is not done before the gate opens.
    async fn join_until(
        &self,
        script: &str,
        uid: Uid,
        room: RoomId,
        client: &str,
        once: Option<Request>,
    ) -> Join {
        *self.gate.shut_for.lock().unwrap() = Some(Script::new(script).get_hash().to_owned());
        let (store, client) = (self.store.clone(), ClientId::parse(client).unwrap());
        let task = tokio::spawn(async move { store.join(uid, room, client, once.as_ref()).await });
        self.gate.reached.notified().await;
        Join { task, gate: self.gate.clone() }
    }
}

/// An entry under way.
struct Join {
    task: JoinHandle<Result<Entered>>,
    gate: Arc<Gate>,
}

impl Join {
    async fn go_on(self) -> Result<Entered> {
        self.gate.open.notify_one();
        self.task.await.unwrap()
    }
}

/// Somebody in the first of four rooms; the last two are full.
struct Scene {
    world: World,
    process: Process,
    guest: Uid,
    rooms: Vec<RoomId>,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let mut rooms = Vec::new();
        for (n, limit) in [9, 9, 2, 2].into_iter().enumerate() {
            let host = world.user(&format!("host {n}")).await;
            rooms.push(world.room(host, limit, 0).await);
        }
        for room in &rooms[2..] {
            let other = world.user(&format!("in {room}")).await;
            world.join(other, *room).await;
        }
        let guest = world.user("guest").await;
        world.join(guest, rooms[0]).await;
        Self { process: Process::start(&world).await, world, guest, rooms }
    }

    async fn join(&self, room: RoomId, client: &str) -> Result<Entered> {
        self.world.store.join(self.guest, room, ClientId::parse(client).unwrap(), None).await
    }

    async fn is_full(&self, room: RoomId) {
        let answer = self.join(room, "").await;
        assert!(matches!(answer, Err(Error::Refused(Refusal::RoomFull))), "{answer:?}");
    }

    /// The guest is in this room alone, holds it, and heartbeats renew it.
    async fn ends_in(&self, room: RoomId) -> Entry {
        let stays = self.world.stays(self.guest, &self.rooms).await;
        assert_eq!(stays.iter().map(|(room, _)| *room).collect::<Vec<_>>(), [room]);
        assert_eq!(self.world.held(self.guest).await, Some(stays[0]));
        assert_eq!(self.world.leases(self.guest, &self.rooms).await, stays);
        self.world.store.heartbeat(self.guest, Some(room)).await.unwrap();
        check(&self.world.store, &self.world.raw).await;
        stays[0].1
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_entries_refused_at_once_leave_the_former_room_held() {
    let scene = Scene::start().await;
    let [first, _, full, full_too] = scene.rooms[..] else { unreachable!() };
    let held = scene.process.join_until(LOAD, scene.guest, full, "", None).await;
    scene.is_full(full_too).await;
    assert!(matches!(held.go_on().await, Err(Error::Refused(Refusal::RoomFull))));
    scene.ends_in(first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_succeeds_is_not_undone_by_later_ones_that_are_refused() {
    let scene = Scene::start().await;
    let [_, second, full, full_too] = scene.rooms[..] else { unreachable!() };
    let held = scene.process.join_until(SETTLE, scene.guest, second, "", None).await;
    scene.is_full(full).await;
    scene.is_full(full_too).await;
    held.go_on().await.unwrap();
    scene.ends_in(second).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_a_room_that_is_being_entered_does_not_cost_its_lease() {
    let scene = Scene::start().await;
    let [first, second, ..] = scene.rooms[..] else { unreachable!() };
    let held = scene.process.join_until(SETTLE, scene.guest, second, "", None).await;
    scene.world.store.leave(scene.guest, second, None).await.unwrap();
    held.go_on().await.unwrap();
    scene.ends_in(second).await;
    let held = scene.process.join_until(COMMIT, scene.guest, first, "", None).await;
    scene.world.store.leave(scene.guest, second, None).await.unwrap();
    held.go_on().await.unwrap();
    scene.ends_in(first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_overtaken_at_any_step_leaves_again() {
    for step in [LOAD, COMMIT, SETTLE] {
        let scene = Scene::start().await;
        let [first, second, ..] = scene.rooms[..] else { unreachable!() };
        let held = scene.process.join_until(step, scene.guest, second, "", None).await;
        scene.join(first, "another").await.unwrap();
        let overtaken = held.go_on().await;
        assert!(matches!(overtaken, Err(Error::Refused(Refusal::Overtaken))), "{overtaken:?}");
        scene.ends_in(first).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_entry_number_is_given_twice_even_after_a_restore() {
    let scene = Scene::start().await;
    let [_, second, ..] = scene.rooms[..] else { unreachable!() };
    let user = keys::user(scene.guest);
    let mut raw = scene.world.raw.clone();
    let copy: Vec<u8> = redis::cmd("DUMP").arg(&user).query_async(&mut raw).await.unwrap();
    let lives: i64 = raw.pttl(&user).await.unwrap();
    scene.join(second, "").await.unwrap();
    let lost = scene.ends_in(second).await;
    let mut restore = redis::cmd("RESTORE");
    restore.arg(&user).arg(lives).arg(copy).arg("REPLACE");
    let _: () = restore.query_async(&mut raw).await.unwrap();
    scene.join(second, "another").await.unwrap();
    let late = Leave { uid: scene.guest, entry: Some(lost), reason: LeaveReason::Left };
    scene.world.act(second, late).await.unwrap();
    assert!(scene.ends_in(second).await > lost, "the end of a lost entry ends no later one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_cut_off_before_it_was_held_is_taken_up_by_the_same_request_or_client() {
    let scene = Scene::start().await;
    let [first, second, ..] = scene.rooms[..] else { unreachable!() };
    for (room, client, named) in [
        (second, "", true),
        (second, "another", true),
        (first, "", true),
        (second, "", false),
        (first, "", false),
    ] {
        let once = named.then(|| request(scene.guest, &format!("{room} {client}")));
        let held = scene.process.join_until(SETTLE, scene.guest, room, client, once.clone()).await;
        held.task.abort();
        let before = scene.world.held(scene.guest).await;
        let stays = scene.world.stays(scene.guest, &[room]).await;
        assert!(stays.len() == 1 && before != Some(stays[0]), "committed, and not held");
        let stay = scene.world.store.heartbeat(scene.guest, Some(room)).await;
        assert!(matches!(stay, Err(Error::Refused(Refusal::NotInRoom))), "{stay:?}: the client is told");
        let client = ClientId::parse(client).unwrap();
        scene.world.store.join(scene.guest, room, client.clone(), once.as_ref()).await.unwrap();
        scene.ends_in(room).await;
        let again = scene.world.store.join(scene.guest, room, client, None).await;
        assert!(matches!(again, Err(Error::Refused(Refusal::AlreadyInRoom))), "{again:?}");
        // What was cut off comes after all, and changes nothing.
        held.gate.open.notify_one();
    }
}
