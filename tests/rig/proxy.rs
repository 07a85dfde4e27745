//! What stands between the notifiers and Redis: it can cut them off, swallow what is published
//! without anybody being told, and counts what is read.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use crate::{port::Port, resp};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// A whole room.
    Snapshot,
    /// A room's log.
    Log,
}

impl Read {
    /// The digest by which the script is called.
    fn digest(self) -> String {
        let text = match self {
            Self::Snapshot => include_str!("../../crates/store/src/lua/snapshot.lua"),
            Self::Log => include_str!("../../crates/store/src/lua/history.lua"),
        };
        redis::Script::new(text).get_hash().to_owned()
    }
}

/// Ends with its connections when it is dropped.
pub struct Proxy {
    port: Port,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    /// How many of a thousand messages are swallowed.
    swallows: AtomicU32,
    swallowed: AtomicUsize,
    /// Calls of scripts, by digest and first key.
    calls: Mutex<HashMap<(String, String), usize>>,
}

impl Proxy {
    /// One in front of this Redis.
    pub async fn start(redis: SocketAddr) -> Self {
        let seen = Arc::new(Seen::default());
        let given = seen.clone();
        let port = Port::start(move |connection| relay(connection, redis, given.clone())).await;
        Self { port, seen }
    }

    /// Where Redis seems to be.
    pub fn url(&self) -> String {
        format!("redis://{}", self.port.address())
    }

    /// Cuts every connection, and refuses new ones until it is opened.
    pub fn close(&self) {
        self.port.close();
    }

    /// Takes connections again.
    pub fn open(&self) {
        self.port.open();
    }

    /// From now on swallows this share (0 to 1) of what is published in rooms.
    pub fn swallow(&self, share: f64) {
        self.seen.swallows.store((share * 1_000.0) as u32, Ordering::Relaxed);
    }

    /// How much was swallowed.
    pub fn swallowed(&self) -> usize {
        self.seen.swallowed.load(Ordering::Relaxed)
    }

    /// How often a room was read so.
    pub fn reads(&self, read: Read, room_id: &str) -> usize {
        let (digest, end) = (read.digest(), format!(":room:{room_id}"));
        let calls = self.seen.calls.lock().unwrap();
        calls
            .iter()
            .filter(|((called, key), _)| *called == digest && key.ends_with(&end))
            .map(|(_, n)| n)
            .sum()
    }
}

impl Seen {
    fn command(&self, message: &[u8]) {
        let text = |at| String::from_utf8_lossy(resp::word(message, at).unwrap_or_default()).into_owned();
        if text(0).eq_ignore_ascii_case("EVALSHA") {
            *self.calls.lock().unwrap().entry((text(1), text(3))).or_default() += 1;
        }
    }

    fn passes(&self, message: &[u8]) -> bool {
        if resp::word(message, 0) != Some(b"smessage") {
            return true;
        }
        let swallows = rand::random_range(0..1_000) < self.swallows.load(Ordering::Relaxed);
        if swallows {
            self.swallowed.fetch_add(1, Ordering::Relaxed);
        }
        !swallows
    }
}

async fn relay(client: TcpStream, redis: SocketAddr, seen: Arc<Seen>) {
    let Ok(server) = TcpStream::connect(redis).await else { return };
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let commands = |message: &[u8]| {
        seen.command(message);
        true
    };
    tokio::select! {
        () = pump(from_client, to_server, commands) => {}
        () = pump(from_server, to_client, |message| seen.passes(message)) => {}
    }
}

/// Hands on the messages that pass, until either side ends.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut held = Vec::new();
    while from.read_buf(&mut held).await.is_ok_and(|read| read > 0) {
        let (mut passed, mut done) = (Vec::new(), 0);
        while let Some(length) = resp::whole(&held[done..]) {
            let message = &held[done..done + length];
            if passes(message) {
                passed.extend_from_slice(message);
            }
            done += length;
        }
        held.drain(..done);
        if to.write_all(&passed).await.is_err() {
            return;
        }
    }
}
