//! With a mechanism off its fault does harm, and the judge, or the count, says so: what shows
//! that the mechanism is needed, and that the other tests would notice.

use std::time::Duration;

use gochat_rig::{Plan, within};

use crate::{
    cast::Cast,
    fault_crowd::CALM,
    fault_reader::{BUSY, HELD},
    judge::Expect,
    scene::{Scene, plan},
};

/// A few people in two rooms.
const SMALL: Cast = Cast { rooms: 2, listeners: 3, ..Cast::USUAL };
/// How long those have to come right who can.
const SHORT: Duration = Duration::from_secs(4);

fn without(mechanism: &str) -> Plan {
    plan(1).telling_notifiers(&["--without", mechanism])
}

impl Scene {
    /// The judge has to object, with one of these words.
    async fn draws_objections(mut self, words: &[&str]) {
        self.settle(SHORT).await;
        let (verdict, objections) = self.judged(Expect { goodbye: true, ..Expect::default() }).await;
        let meant = |objection: &&String| words.iter().any(|word| objection.contains(word));
        assert!(objections.iter().any(|objection| meant(&objection)), "{verdict:?} {objections:?}");
        let first = objections.iter().find(meant).map(|text| text.chars().take(160).collect::<String>());
        println!("{} objections, such as {first:?}", objections.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_gap_check_events_are_missing() {
    let scene = Scene::with(without("gap-check"), SMALL).await;
    scene.deployment.proxy.swallow(0.3);
    scene.plays(80).await;
    scene.deployment.proxy.swallow(0.0);
    scene.plays(20).await;
    scene.draws_objections(&[": Gap {", ": After {"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_tag_check_histories_are_mixed() {
    let mut scene = Scene::with(without("tag-check"), SMALL).await;
    let lost = scene.goes_back(async |deployment| deployment.proxy.close()).await;
    scene.passes(&lost).await;
    scene.deployment.proxy.open();
    scene.plays(40).await;
    scene.draws_objections(&[": Mixed {", ": NeverWas {", ": Altered {"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_comparison_the_last_events_of_a_quiet_room_are_missing() {
    let mut scene = Scene::with(without("comparison"), SMALL).await;
    scene.plays(20).await;
    scene.falls_silent().await;
    scene.draws_objections(&[": Behind {", ": View {"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_ring_a_crowd_reads_the_log_again_and_again() {
    let mut scene = Scene::with(without("ring"), CALM).await;
    scene.crowded_by(200).await;
    let (snapshots, logs) = scene.comes_back().await;
    assert!(snapshots > 1 || logs > 1, "{snapshots} snapshots and {logs} log reads");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_bound_a_reader_who_stops_is_waited_for() {
    let scene = Scene::with(without("bounded-queue"), Cast { pace: Duration::from_millis(40), ..BUSY }).await;
    scene.joined_by(0);
    scene.plays(50).await;
    scene.recorders.lock().unwrap()[0].subscriber.pause();
    let held = async || scene.deployment.notifiers[0].metric("gochat_deliveries_held").await;
    let more = within(Duration::from_secs(45), async || held().await.filter(|held| *held > HELD)).await;
    assert!(more.is_some(), "no more than {:?} deliveries were held", held().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_goodbye_streams_just_end() {
    let mut scene = Scene::with(without("goodbye"), SMALL).await;
    scene.plays(20).await;
    scene.deployment.notifiers[0].terminate().await;
    scene.deployment.notifiers[0].start_again();
    scene.deployment.notifiers[0].until(200).await;
    scene.plays(20).await;
    scene.draws_objections(&[": NoGoodbye"]).await;
}
