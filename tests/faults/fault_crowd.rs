//! Two thousand subscribers of one room lose their connections, and come back at once.

use std::time::Duration;

use gochat_rig::{Read, within};

use crate::{
    cast::{Cast, Recorder},
    judge::Expect,
    scene::{SETTLES, Scene},
};

const CROWD: usize = 2_000;
/// A room in which something happens now and then.
pub(crate) const CALM: Cast = Cast { rooms: 1, pace: Duration::from_secs(1), ..Cast::USUAL };

impl Scene {
    /// Has a crowd of services look on, and waits until all do.
    pub(crate) async fn crowded_by(&mut self, crowd: usize) {
        let notifier = self.deployment.endpoints().notifier;
        let recorders = Recorder::crowd(&notifier, &self.rooms[0], crowd, 8);
        self.recorders.lock().unwrap().extend(recorders);
        self.all_hold().await;
    }

    /// How often the room was read in Redis while the crowd was cut off, missed something, and
    /// came back.
    pub(crate) async fn comes_back(&mut self) -> (usize, usize) {
        self.plays(5).await;
        let reads = |scene: &Self, read| scene.deployment.proxy.reads(read, &scene.rooms[0]);
        let before = (reads(self, Read::Snapshot), reads(self, Read::Log));
        self.deployment.balancer.close();
        self.plays(5).await;
        self.deployment.balancer.open();
        self.all_hold().await;
        (reads(self, Read::Snapshot) - before.0, reads(self, Read::Log) - before.1)
    }

    /// Waits until all hold what there is, while nobody does anything.
    async fn all_hold(&mut self) {
        self.halts().await;
        self.remember().await;
        within(SETTLES, async || (self.behind() == 0).then_some(())).await;
        assert_eq!(self.behind(), 0, "all come right");
        self.goes_on();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_come_back_at_once() {
    let mut scene = Scene::open(1, CALM).await;
    scene.crowded_by(CROWD).await;
    for _ in 0..3 {
        let (snapshots, logs) = scene.comes_back().await;
        assert!(snapshots <= 1 && logs <= 1, "{snapshots} snapshots and {logs} log reads");
    }
    let verdict = scene.verdict(Expect::default()).await;
    assert!(verdict.resumes >= 3 * CROWD as u64, "{verdict:?}");
}
