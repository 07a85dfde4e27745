//! A connection that is cut around a commit: the caller learns the truth, or that it is
//! unknown and may be asked again; nothing is done twice.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use gochat_domain::{ClientId, rules::RaiseHand};
use gochat_store::{Error, Store};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UnixStream},
};

use crate::{
    checker::check,
    world::{World, args, request},
};

const PASS: u8 = 0;
/// Cut before the next commit reaches Redis.
const BEFORE: u8 = 1;
/// Cut after it has, before its answer comes back.
const AFTER: u8 = 2;

/// Stands between a store and its Redis.
struct Proxy {
    url: String,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    async fn start(socket: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("redis://{}", listener.local_addr().unwrap());
        let cut = Arc::new(AtomicU8::new(PASS));
        let cuts = cut.clone();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = UnixStream::connect(&socket).await.unwrap();
                tokio::spawn(relay(near, far, cuts.clone()));
            }
        });
        Self { url, cut }
    }
}

/// Hands bytes on both ways until the connection is cut.
async fn relay(mut near: TcpStream, mut far: UnixStream, cut: Arc<AtomicU8>) {
    let commit = redis::Script::new(include_str!("../../crates/store/src/lua/commit.lua"));
    let (mut asked, mut answered) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = near.read(&mut asked) => {
                let Ok(length @ 1..) = read else { return };
                let is_commit = String::from_utf8_lossy(&asked[..length]).contains(commit.get_hash());
                let armed = if is_commit { cut.swap(PASS, Ordering::SeqCst) } else { PASS };
                if armed == BEFORE {
                    return;
                }
                far.write_all(&asked[..length]).await.unwrap();
                if armed == AFTER {
                    // The answer shows that it was done; then nobody is told.
                    let _ = far.read(&mut answered).await;
                    return;
                }
            }
            read = far.read(&mut answered) => {
                let Ok(length @ 1..) = read else { return };
                near.write_all(&answered[..length]).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_and_never_done_twice() {
    let world = World::start().await;
    let socket = world.redis.url().trim_start_matches("redis+unix://").trim_start_matches("unix://");
    let proxy = Proxy::start(socket.to_owned()).await;
    let store = Store::open(args(&proxy.url)).await.unwrap();
    let host = world.user("host").await;
    let room = world.room(host, 0, 0).await;
    for (round, cut) in [AFTER, BEFORE, AFTER, BEFORE].into_iter().enumerate() {
        let guest = world.user(&format!("guest {round}")).await;
        let enter = request(guest, "enter");
        store.join(guest, room, ClientId::default(), Some(&enter)).await.unwrap();
        let (raise, once) = (RaiseHand { caller: guest }, request(guest, "raise"));
        let before = world.store.room(room).await.unwrap().place.revision;
        proxy.cut.store(cut, Ordering::SeqCst);
        let first = store.transact(room, &raise, Some(&once), |_, _| ()).await;
        assert_eq!(proxy.cut.load(Ordering::SeqCst), PASS, "the connection was cut");
        match (cut, first) {
            (AFTER, first) => assert_eq!(first.unwrap().place.revision, before + 1, "found in the log"),
            (_, first) => assert!(matches!(first, Err(Error::Unavailable(_))), "{first:?}"),
        }
        let again = store.transact(room, &raise, Some(&once), |_, _| ()).await.unwrap();
        assert_eq!(again.place.revision, before + 1, "done once");
        assert_eq!(world.store.room(room).await.unwrap().place.revision, before + 1);
    }
    check(&world.store, &world.raw).await;
}
