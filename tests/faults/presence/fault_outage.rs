//! Something of ours is away for longer than a lease: that is no sign that anybody else is gone.

use std::time::Duration;

use gochat_rig::Deployment;

use super::inject_outage::{Home, LONG};

/// As long as it takes to start something again.
const AT_ONCE: Duration = Duration::ZERO;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_away() {
    tokio::join!(redis_stands_still(), redis_is_started_again_from_its_file());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_carries_heartbeats_is_away() {
    let some = Duration::from_secs(4);
    tokio::join!(is_away("account", [LONG, some]), is_away("gateway", [LONG, some]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_room_service_is_killed() {
    is_away("room", [LONG, AT_ONCE]).await;
}

async fn redis_stands_still() {
    let mut home = Home::open("a redis that stands still").await;
    for time in [LONG, Duration::from_secs(4)] {
        let goes = async |all: &mut Deployment| all.redis.signal("-STOP").await;
        home.outlives(time, goes, async |all| all.redis.signal("-CONT").await).await;
    }
}

async fn redis_is_started_again_from_its_file() {
    let mut home = Home::open("redis").await;
    for time in [LONG, AT_ONCE] {
        let goes = async |all: &mut Deployment| all.redis.kill().await;
        home.outlives(time, goes, async |all| all.redis.start_again().await).await;
    }
}

async fn is_away(name: &'static str, times: [Duration; 2]) {
    let mut home = Home::open(name).await;
    for time in times {
        let goes = async |all: &mut Deployment| all.process(name).kill().await;
        let comes = async |all: &mut Deployment| {
            all.process(name).start_again();
            all.process(name).until(200).await;
        };
        home.outlives(time, goes, comes).await;
    }
}
