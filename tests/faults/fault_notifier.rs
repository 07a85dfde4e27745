//! A notifier ends: at once, or in order.

use crate::{cast::Cast, judge::Expect, scene::Scene};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_two_notifiers_is_killed() {
    let mut scene = Scene::open(2, Cast::USUAL).await;
    for round in 0..4 {
        scene.plays(100).await;
        let one = round % 2;
        scene.deployment.notifiers[one].kill().await;
        scene.plays(100).await;
        scene.deployment.notifiers[one].start_again();
        scene.deployment.notifiers[one].until(200).await;
    }
    scene.plays(100).await;
    let verdict = scene.verdict(Expect::default()).await;
    assert!(verdict.breaks >= 40, "streams were moved: {verdict:?}");
    assert!(verdict.resumes >= 40, "and went on: {verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_notifiers_are_replaced_under_load() {
    let mut scene = Scene::open(2, Cast::USUAL).await;
    for round in 0..6 {
        scene.plays(60).await;
        let one = round % 2;
        let address = scene.deployment.notifier_address(one);
        scene.deployment.balancer.take_out(address);
        let ended = scene.deployment.notifiers[one].terminate().await;
        assert_eq!(ended.code(), Some(0), "{}", scene.deployment.notifiers[one].said());
        scene.deployment.notifiers[one].start_again();
        scene.deployment.notifiers[one].until(200).await;
        scene.deployment.balancer.put_in(address);
    }
    scene.plays(100).await;
    let verdict = scene.verdict(Expect { goodbye: true, ..Expect::default() }).await;
    assert_eq!(verdict.breaks, 0, "every stream ended with a goodbye: {verdict:?}");
    assert!(verdict.goodbyes >= 60 && verdict.resumes >= 60, "{verdict:?}");
}
