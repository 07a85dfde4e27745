//! An update at noon, and back again: every pod of every deployment is replaced, as the manifests say, while people are
//! at work, by one of a later release, whose members have one field more; then by one of this release. No call fails,
//! nobody misses anything, and nothing that the later release has written is lost.
//!
//! The times are those of the manifests. The SDK asks again what was not answered, as it does by itself
//! (`Backoff::CALLS`), for those who act in the rooms; visitors by the SDK, and all who come by HTTP, ask nothing twice.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "what fails fails the test, and says so")]

mod cluster;
mod follower;
mod inject_update;
mod ledger;
mod manifests;
mod records;
mod scene;
mod visitors;
mod web;

/// Those who act, record and judge where something goes wrong do the same where nothing may.
#[path = "../faults"]
#[expect(dead_code, reason = "what only faults need")]
mod faults {
    pub(crate) mod actors;
    pub(crate) mod cast;
    pub(crate) mod cut;
    pub(crate) mod history;
    pub(crate) mod judge;
    pub(crate) mod record;
    pub(crate) mod subscriber;
}

use faults::{actors, cast, cut, history, judge, record, subscriber};

use crate::{cluster::Release, scene::Scene};

/// Ten servers.
const ALL: usize = 10;

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_replaced_and_nobody_notices() {
    let mut scene = Scene::open().await;
    scene.plays(40).await;
    for release in [Release::Later, Release::This] {
        scene.cluster.cradle.release = release;
        assert_eq!(inject_update::update(&mut scene.cluster).await, ALL);
        scene.settle().await;
        scene.plays(40).await;
    }
    scene.ends_well().await;
}
