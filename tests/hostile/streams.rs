//! Event streams of one user, and of one room: one more than allowed is refused, and others are served.

use gochat_client::{Client, Error, Refusal, Session, Subscription, Update};
use gochat_rig::AT_MOST;
use tokio::time::timeout;

use crate::world::World;

/// Opens so many streams, each of which has begun.
async fn open(session: &Session, room: &str, many: usize) -> Vec<Subscription> {
    let mut open = Vec::new();
    for _ in 0..many {
        let mut stream = session.subscribe(room);
        begins(&mut stream).await;
        open.push(stream);
    }
    open
}

async fn begins(stream: &mut Subscription) {
    let first = timeout(AT_MOST, stream.next()).await.expect("a stream begins in time");
    assert!(matches!(first, Some(Ok(Update::Snapshot))), "{first:?}");
}

/// One more does not begin while the others are open: it is refused again and again.
async fn is_refused(session: &Session, room: &str) -> bool {
    let mut stream = session.subscribe(room);
    let told = timeout(std::time::Duration::from_secs(1), stream.next()).await;
    match told {
        Err(_) => true,
        Ok(Some(Err(Error::Refused { refusal, .. }))) => refusal == Refusal::TooMany,
        Ok(_) => false,
    }
}

async fn guest(client: &Client, name: &str, room: &str) -> Session {
    let session = client.login(name, "").await.unwrap();
    session.join_room(room).await.unwrap();
    session
}

#[tokio::test(flavor = "multi_thread")]
async fn who_opens_many_streams_takes_nobody_elses() {
    let world = World::with(&[("GOCHAT_STREAMS_PER_USER", "4"), ("GOCHAT_STREAMS_PER_ROOM", "6")]).await;
    let client = world.deployment.client();
    let host = client.login("host", "").await.unwrap();
    let room = host.create_room("tea").await.unwrap().room.room_id;
    let (greedy, other) = (guest(&client, "greedy", &room).await, guest(&client, "other", &room).await);
    let mut held = open(&greedy, &room, 4).await;
    assert!(is_refused(&greedy, &room).await, "a fifth stream of one user");
    let _others = open(&other, &room, 2).await;
    assert!(is_refused(&host, &room).await, "a seventh stream of one room");
    held.pop();
    begins(&mut host.subscribe(&room)).await;
    world.survives("event streams").await;
}
