//! What stands between services and Redis: it can cut them off, swallow what is published
//! without anybody being told, stand still at a command, and counts what is read.

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
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
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
    /// How many commands of people and rooms may still come.
    left: Mutex<Option<usize>>,
    stands: watch::Sender<bool>,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    Swallowed,
    /// Passes; nothing does after it.
    Last,
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

    /// Takes connections again, also where it stood still.
    pub fn open(&self) {
        *self.seen.left.lock().unwrap() = None;
        self.seen.stands.send_replace(false);
        self.port.open();
    }

    /// Stands still once so many more commands came through that concern a person or a room:
    /// the last one of them is done, and no answer comes back any more.
    pub fn stand_after(&self, commands: usize) {
        *self.seen.left.lock().unwrap() = Some(commands);
    }

    /// Waits until it stands still.
    pub async fn stands(&self) {
        let _ = self.seen.stands.subscribe().wait_for(|stands| *stands).await;
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
    fn command(&self, message: &[u8]) -> Fate {
        let text = |at| String::from_utf8_lossy(resp::word(message, at).unwrap_or_default()).into_owned();
        if text(0).eq_ignore_ascii_case("EVALSHA") {
            *self.calls.lock().unwrap().entry((text(1), text(3))).or_default() += 1;
        }
        let mut left = self.left.lock().unwrap();
        match left.as_mut().filter(|_| concerns_somebody(message)) {
            Some(1) => Fate::Last,
            Some(left) => {
                *left = left.saturating_sub(1);
                Fate::Passes
            }
            None => Fate::Passes,
        }
    }

    fn published(&self, message: &[u8]) -> Fate {
        if resp::word(message, 0) != Some(b"smessage") {
            return Fate::Passes;
        }
        let swallows = rand::random_range(0..1_000) < self.swallows.load(Ordering::Relaxed);
        if !swallows {
            return Fate::Passes;
        }
        self.swallowed.fetch_add(1, Ordering::Relaxed);
        Fate::Swallowed
    }
}

/// Whether a command names a person's or a room's key; to look up whose session it is doesn't count.
fn concerns_somebody(message: &[u8]) -> bool {
    const KEYS: [&[u8]; 4] = [b":room:", b"gochat:user:", b"gochat:nick:", b"gochat:session:"];
    let names = |part: &[u8]| message.windows(part.len()).any(|window| window == part);
    KEYS.iter().any(|part| names(part)) && resp::word(message, 0) != Some(b"GET")
}

async fn relay(mut client: TcpStream, redis: SocketAddr, seen: Arc<Seen>) {
    let Ok(mut server) = TcpStream::connect(redis).await else { return };
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let mut stands = seen.stands.subscribe();
    let stands_still = tokio::select! {
        biased;
        _ = stands.wait_for(|stands| *stands) => true,
        () = pump(from_client, to_server, &seen, Seen::command) => false,
        () = pump(from_server, to_client, &seen, Seen::published) => false,
    };
    if stands_still {
        // The connections are held, until they are cut.
        std::future::pending::<()>().await;
    }
}

/// Hands on the messages that pass, until either side ends.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    seen: &Seen,
    fate: impl Fn(&Seen, &[u8]) -> Fate,
) {
    let mut held = Vec::new();
    while from.read_buf(&mut held).await.is_ok_and(|read| read > 0) {
        let (mut passed, mut done, mut last) = (Vec::new(), 0, false);
        while !last && let Some(length) = resp::whole(&held[done..]) {
            let message = &held[done..done + length];
            let fate = fate(seen, message);
            if fate != Fate::Swallowed {
                passed.extend_from_slice(message);
            }
            last = fate == Fate::Last;
            done += length;
        }
        held.drain(..done);
        if to.write_all(&passed).await.is_err() {
            return;
        }
        if last {
            seen.stands.send_replace(true);
        }
    }
}
