//! The node that has a room's media: one at a time, told to who asks another; and what is heard without Redis.

use std::time::Duration;

use clap::Parser;
use gochat_chassis::{Listeners, Shutdown};
use gochat_proto::media::{
    Elsewhere, MediaEndedReason, create_session_response::Result as Created, watch_speakers_response::Update,
};
use gochat_rig::OFFER;
use gochat_store::keys::RoomKeys;
use gochat_suite::SuiteConfig;
use redis::AsyncCommands;
use tokio::task::JoinHandle;

use super::Caller;
use crate::{
    sdk,
    world::{World, soon},
};

/// Another media node on the Redis of a world.
struct Node {
    url: String,
    shutdown: Shutdown,
    served: JoinHandle<anyhow::Result<()>>,
}

impl Node {
    async fn start(world: &World) -> Self {
        let flags = [
            "media",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--udp-listen",
            "127.0.0.1:0",
        ];
        let mut config = gochat_media::Config::try_parse_from(flags).unwrap();
        world.redis_url().clone_into(&mut config.store.redis_url);
        let listeners = Listeners::bind("media", config.listen, config.admin_listen).await.unwrap();
        let url = format!("http://{}", listeners.service_addr().unwrap());
        let shutdown = Shutdown::new();
        let served = tokio::spawn(gochat_media::serve(config, listeners, shutdown.clone()));
        Self { url, shutdown, served }
    }
}

fn elsewhere(url: &str) -> Option<Elsewhere> {
    Some(Elsewhere { url: url.to_owned() })
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_says_where_a_room_is_and_takes_it_over() {
    let world = World::start().await;
    let node = Node::start(&world).await;
    let [host, lea, ..] = sdk::three(&world).await;
    let room = host.room();
    let there = Caller::of(&node.url, &host.session, &room).await;
    let here = Caller::of(&world.media_url(), &lea.session, &room).await;
    let early = here.watch().await.unwrap();
    there.open().await;
    let told = here.offer(OFFER).await.unwrap().result;
    assert_eq!(told, elsewhere(&node.url).map(Created::Elsewhere));
    assert_eq!(here.look().await.unwrap().elsewhere, elsewhere(&node.url));
    let mut asked = here.watch().await.unwrap();
    assert_eq!(asked.next().await, elsewhere(&node.url).map(Update::Elsewhere));
    assert_eq!(asked.next().await, None);
    early.ends(MediaEndedReason::Moved).await;

    let mut watch = there.watch().await.unwrap();
    watch.hears(&[host.uid()]).await;
    node.shutdown.trigger();
    watch.ends(MediaEndedReason::Moved).await;
    here.open().await;
    soon("the node's end", node.served).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_lost_a_room_ends_its_sessions() {
    let world = World::start().await;
    let [host, ..] = sdk::three(&world).await;
    let media = Caller::of(&world.media_url(), &host.session, &host.room()).await;
    media.open().await;
    let watch = media.watch().await.unwrap();
    let room = host.room().parse().unwrap();
    let store = world.store().await;
    let key = RoomKeys::new(room, store.args().partitions).media();
    let mut raw = world.redis().await;
    let _: () = raw.pset_ex(&key, "9999999999999999 http://other:1", 60_000).await.unwrap();
    watch.ends(MediaEndedReason::Moved).await;
    let _: () = raw.del(&key).await.unwrap();
    media.counts(0).await;
    media.open().await;
    let held: String = raw.get(&key).await.unwrap();
    assert!(held.ends_with(&world.media_url()), "{held}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_who_is_heard_goes_on_for_a_while_and_then_is_silent() {
    let mut config = SuiteConfig::for_tests().unwrap();
    config.media.patience = Duration::from_secs(5);
    let world = World::of(config).await;
    let [host, ..] = sdk::three(&world).await;
    let media = Caller::of(&world.media_url(), &host.session, &host.room()).await;
    media.open().await;
    let mut watch = media.watch().await.unwrap();
    watch.hears(&[host.uid()]).await;
    let mut raw = world.redis().await;
    let stopped = tokio::time::Instant::now();
    let _: () = redis::cmd("CLIENT").arg("PAUSE").arg(8_000).arg("ALL").query_async(&mut raw).await.unwrap();
    watch.hears(&[]).await;
    let after = stopped.elapsed();
    assert!((2.5..7.0).contains(&after.as_secs_f64()), "silent after {after:?}");
    watch.hears(&[host.uid()]).await;
    assert!(stopped.elapsed() >= Duration::from_secs(8), "nothing is opened meanwhile");
}
