//! Redis is away for a time: cut off from the notifiers, paused, or restarted.

use std::time::Duration;

use tokio::time::sleep;

use crate::{cast::Cast, judge::Expect, scene::Scene};

/// Streams hold through any of it.
const HOLDS: Expect = Expect { goodbye: true, caught_up: true, logged_out: false, roster_limit: 1_000 };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifiers_are_cut_off_from_redis() {
    let scene = Scene::open(1, Cast { pace: Duration::from_millis(250), ..Cast::USUAL }).await;
    for seconds in [1, 5, 20] {
        scene.plays(100).await;
        scene.deployment.proxy.close();
        sleep(Duration::from_secs(seconds)).await;
        scene.deployment.proxy.open();
    }
    scene.plays(100).await;
    let verdict = scene.verdict(HOLDS).await;
    assert!(verdict.commits > 1_000, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_pauses() {
    let scene = Scene::open(1, Cast::USUAL).await;
    for _ in 0..3 {
        scene.plays(150).await;
        scene.deployment.redis.signal("-STOP").await;
        sleep(Duration::from_secs(3)).await;
        scene.deployment.redis.signal("-CONT").await;
    }
    scene.plays(150).await;
    scene.forgive();
    let verdict = scene.verdict(HOLDS).await;
    assert!(verdict.commits > 1_000, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_restarts_with_its_file() {
    let mut scene = Scene::open(1, Cast::USUAL).await;
    for _ in 0..3 {
        scene.plays(150).await;
        scene.deployment.redis.kill().await;
        scene.deployment.redis.start_again().await;
    }
    scene.plays(150).await;
    scene.forgive();
    let verdict = scene.verdict(HOLDS).await;
    assert!(verdict.commits > 1_000, "{verdict:?}");
    assert_eq!(verdict.gone_back, 0, "what was answered is kept");
}
