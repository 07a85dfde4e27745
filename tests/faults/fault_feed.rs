//! Messages of the feed are lost: with its connection, or without anybody being told.

use std::time::Duration;

use gochat_rig::until;

use crate::{
    cast::Cast,
    judge::Expect,
    scene::{SETTLES, Scene},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_are_killed() {
    let scene = Scene::open(1, Cast::USUAL).await;
    for _ in 0..5 {
        scene.plays(150).await;
        let killed = async || Some(scene.deployment.redis.kill_feeds().await).filter(|killed| *killed > 0);
        until("a feed to kill", SETTLES, killed).await;
    }
    scene.plays(150).await;
    let verdict = scene.verdict(Expect { goodbye: true, ..Expect::default() }).await;
    assert!(verdict.commits > 1_000 && verdict.private > 0, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_third_of_the_feed_is_swallowed() {
    let scene = Scene::open(1, Cast::USUAL).await;
    for _ in 0..4 {
        scene.deployment.proxy.swallow(0.3);
        scene.plays(150).await;
        scene.deployment.proxy.swallow(0.0);
        scene.plays(50).await;
    }
    assert!(scene.deployment.proxy.swallowed() > 50);
    let verdict = scene.verdict(Expect { goodbye: true, ..Expect::default() }).await;
    assert!(verdict.commits > 1_000, "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_messages_of_quiet_rooms_are_swallowed() {
    let mut scene = Scene::open(1, Cast { rooms: 2, ..Cast::USUAL }).await;
    for _ in 0..3 {
        scene.plays(40).await;
        scene.falls_silent().await;
        scene.settle(Duration::from_secs(10)).await;
        assert_eq!(scene.behind(), 0, "what nobody was told came all the same");
        scene.deployment.proxy.swallow(0.0);
        scene.goes_on();
    }
    let verdict = scene.verdict(Expect { goodbye: true, ..Expect::default() }).await;
    assert!(verdict.commits > 100, "{verdict:?}");
}

impl Scene {
    /// The last that happens in each room is swallowed, and nothing that follows shows it.
    pub(crate) async fn falls_silent(&mut self) {
        self.settle(SETTLES).await;
        let before = self.deployment.proxy.swallowed();
        self.deployment.proxy.swallow(1.0);
        for room_id in &self.rooms {
            for on in [false, true] {
                self.host_of(room_id).set_mic(room_id, on).await.unwrap();
            }
        }
        let swallowed = async || (self.deployment.proxy.swallowed() > before).then_some(());
        until("messages to swallow", SETTLES, swallowed).await;
    }
}
