//! Garbage in the feed, and where ends of sessions are told: dropped and counted, and everything goes on.

use std::{sync::mpsc, time::Duration};

use gochat_chassis::Shutdown;
use gochat_client::{Client, Kind, Session, Subscription, Update};
use gochat_domain::rules::{LowerHand, RaiseHand};
use gochat_proto::model::Commit;
use gochat_store::{
    Digest, Follower, Mechanisms, Step,
    keys::{self, RoomKeys},
};
use gochat_suite::{SuiteConfig, start};
use metrics_exporter_prometheus::PrometheusBuilder;
use prost::Message;
use redis::aio::MultiplexedConnection;
use tokio::time::timeout;

use crate::world::World;

const AT_MOST: Duration = Duration::from_secs(10);

/// What is no commit: of the wrong kind, cut off, far too long, not even protobuf.
fn garbage() -> Vec<Vec<u8>> {
    let commit = Commit { room_id: "123456789".to_owned(), revision: 2, ..Commit::default() }.encode_to_vec();
    vec![
        b"\xff".to_vec(),
        b"not a commit".to_vec(),
        commit[..commit.len() - 1].to_vec(),
        vec![0xff; 1 << 20],
        b"\x0a\xff\xff\xff\xff\x0f".to_vec(),
    ]
}

/// Commits that can't be: of no revision, of the end of time, of another room's history.
fn impossible() -> Vec<Vec<u8>> {
    let commit = |revision, tag_before| Commit { revision, tag_before, tag: 1, ..Commit::default() };
    [commit(0, 0), commit(u64::MAX, 0), commit(u64::MAX, u64::MAX), commit(1, 9)]
        .map(|commit| commit.encode_to_vec())
        .to_vec()
}

async fn publish(redis: &mut MultiplexedConnection, command: &str, channel: &str, message: &[u8]) {
    let heard: u32 = redis::cmd(command).arg(channel).arg(message).query_async(redis).await.unwrap();
    assert!(heard > 0, "nobody listens to {channel}");
}

/// Follows up to a commit, over whatever snapshots; gives its revision.
async fn follows_to(follower: &mut Follower, last: u64) -> u64 {
    let coming = async {
        loop {
            let at = match follower.next().await {
                Step::Commit(commit) => commit.revision,
                Step::Snapshot(snapshot) => snapshot.view.place.revision,
                other => panic!("{other:?}"),
            };
            if at >= last {
                return at;
            }
        }
    };
    timeout(AT_MOST, coming).await.expect("it goes on")
}

#[tokio::test]
async fn garbage_in_a_feed_is_dropped_and_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let counted = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let mut world = World::start().await;
    let (ann, caller) = (world.user("ann").await, world.user("guest").await);
    let room = world.room(ann, 0, 0).await;
    world.join(caller, room).await;
    let feed = RoomKeys::new(room, world.store.args().partitions).feed();
    let mut follower = world.store.follow(room, Mechanisms::default()).await.unwrap();
    let Step::Snapshot(snapshot) = follower.next().await else { panic!("a snapshot comes first") };
    for message in garbage() {
        publish(&mut world.raw, "SPUBLISH", &feed, &message).await;
    }
    let last = world.act(room, RaiseHand { caller }).await.unwrap();
    let Step::Commit(next) = timeout(AT_MOST, follower.next()).await.unwrap() else {
        panic!("garbage breaks nothing")
    };
    assert_eq!((next.revision, snapshot.view.place.revision + 1), (last, last));
    let expected = format!("gochat_feed_garbage_total {}", garbage().len());
    assert!(counted.render().contains(&expected), "{}", counted.render());
    for message in impossible() {
        publish(&mut world.raw, "SPUBLISH", &feed, &message).await;
        let last = world.act(room, LowerHand { caller, target: caller }).await.unwrap();
        let last = last.max(world.act(room, RaiseHand { caller }).await.unwrap());
        assert_eq!(follows_to(&mut follower, last).await, last);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_word_of_no_session_that_ended_has_all_looked_up_anew() {
    let mut world = World::start().await;
    // Who follows a room has a feed that is connected: that it was not is told likewise.
    let ann = world.user("ann").await;
    let room = world.room(ann, 0, 0).await;
    let _follower = world.store.follow(room, Mechanisms::default()).await.unwrap();
    let (tell, told) = mpsc::sync_channel(64);
    world.store.on_revoked(move |revoked| tell.send(revoked).unwrap());
    let nonsense: [&[u8]; 4] = [b"", b"\xff\xfe", &[b'0'; 63], &[0; 1 << 20]];
    for message in nonsense {
        publish(&mut world.raw, "PUBLISH", keys::REVOKED, message).await;
    }
    let digest = Digest::of("a token");
    publish(&mut world.raw, "PUBLISH", keys::REVOKED, digest.to_string().as_bytes()).await;
    let heard: Vec<_> = (0..5).map(|_| told.recv_timeout(AT_MOST).unwrap()).collect();
    assert_eq!(heard, [None, None, None, None, Some(digest.0)]);
}

/// Waits until somebody's hand goes up.
async fn sees_hand(stream: &mut Subscription, uid: u32) {
    let seen = async {
        loop {
            if let Update::Event { event: Kind::MemberChanged(changed), .. } =
                stream.next().await.unwrap().unwrap()
                && changed.member.is_some_and(|member| member.uid == uid && member.hand_raised_at != 0)
            {
                return;
            }
        }
    };
    timeout(AT_MOST, seen).await.expect("the hand is seen");
}

async fn watch(session: &Session, room: &str) -> Subscription {
    let mut stream = session.subscribe(room);
    let first = timeout(AT_MOST, stream.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first, Update::Snapshot);
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn people_in_a_room_notice_nothing_of_it() {
    let suite = start(SuiteConfig::for_tests().unwrap(), Shutdown::new()).await.unwrap();
    let client = Client::connect(&suite.endpoints()).unwrap();
    let (host, lea) = (client.login("host", "").await.unwrap(), client.login("lea", "").await.unwrap());
    let room = host.create_room("tea").await.unwrap().room.room_id;
    lea.join_room(&room).await.unwrap();
    let (mut seen_by_host, mut seen_by_lea) = (watch(&host, &room).await, watch(&lea, &room).await);
    let redis = redis::Client::open(suite.redis().unwrap().url()).unwrap();
    let mut redis = redis.get_multiplexed_async_connection().await.unwrap();
    let partitions = SuiteConfig::for_tests().unwrap().account.store.partitions;
    let feed = RoomKeys::new(room.parse().unwrap(), partitions).feed();
    for message in garbage().into_iter().chain(impossible()) {
        publish(&mut redis, "SPUBLISH", &feed, &message).await;
        publish(&mut redis, "PUBLISH", keys::REVOKED, &message).await;
        lea.raise_hand(&room).await.unwrap();
        sees_hand(&mut seen_by_host, lea.uid()).await;
        sees_hand(&mut seen_by_lea, lea.uid()).await;
        lea.lower_hand(&room).await.unwrap();
    }
}
