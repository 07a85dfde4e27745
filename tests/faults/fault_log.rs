//! The log ends: it is capped, or its room is closed.

pub(crate) mod begins;

use gochat_client::Session;
use gochat_proto::{
    model::{Place, event::Kind},
    notifier::{GoodbyeReason, subscribe_response::Frame},
};
use gochat_rig::{Deployment, Plan, within};

use crate::{
    cast::{Cast, Recorder},
    judge::{Expect, judge},
    record::What,
    scene::{SETTLES, Scene, log},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_older_than_the_log_begins_anew() {
    let plan = Plan::services(1).with("GOCHAT_LOG_LEAST", "16").with("GOCHAT_LOG_MOST", "16");
    let mut deployment = Deployment::of(plan).await;
    let host = deployment.client().login("host", "").await.unwrap();
    let room_id = host.create_room("tea").await.unwrap().room.room_id;
    let places = switch_mic(&host, &room_id, 400).await;
    let kept = log(&deployment, &room_id).await;
    assert!(kept.len() < 300, "the log has {} commits", kept.len());
    // Another notifier knows no more than the log does.
    deployment.notifiers[0].kill().await;
    deployment.notifiers[0].start_again();
    deployment.notifiers[0].until(200).await;

    for place in &places[..3] {
        let first = begins::first(&deployment, &room_id, Some(*place)).await;
        let Frame::Snapshot(part) = first else { panic!("from {place:?}: {first:?}") };
        assert_eq!(part.place.as_ref(), places.last());
    }
    for (n, place) in places.iter().enumerate().skip(396).take(3) {
        let first = begins::first(&deployment, &room_id, Some(*place)).await;
        let Frame::Commit(commit) = first else { panic!("from {place:?}: {first:?}") };
        assert_eq!(commit.place(), places[n + 1]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_room_says_so_and_ends() {
    let mut scene = Scene::open(2, Cast { rooms: 2, ..Cast::USUAL }).await;
    scene.plays(40).await;
    scene.halts().await;
    // Some see it happen, others come back from a cut to find it so.
    let (seen, unseen) = (scene.rooms[0].clone(), scene.rooms[1].clone());
    scene.host_of(&seen).close_room(&seen).await.unwrap();
    scene.deployment.balancer.close();
    scene.host_of(&unseen).close_room(&unseen).await.unwrap();
    scene.deployment.balancer.open();
    let over = async || {
        let recorders = scene.recorders.lock().unwrap();
        recorders.iter().all(|recorder| recorder.subscriber.is_over()).then_some(())
    };
    within(SETTLES, over).await.expect("every stream ends by itself");
    for room_id in [&seen, &unseen] {
        let late = begins::frames(&scene.deployment, room_id, None, |_| false).await;
        let [Frame::Commit(commit), Frame::Goodbye(goodbye)] = late.as_slice() else { panic!("{late:?}") };
        assert!(commit.events.iter().any(|event| matches!(event.kind, Some(Kind::RoomClosed(_)))));
        assert_eq!(goodbye.reason(), GoodbyeReason::RoomClosed);
    }
    scene.remember().await;
    let recorders = std::mem::take(&mut *scene.recorders.lock().unwrap());
    for Recorder { subscriber, audience, .. } in recorders {
        let record = subscriber.stop().await;
        judge(&record, &scene.history, Expect::default()).unwrap_or_else(|wrong| panic!("{wrong}"));
        let closed = record.got.iter().filter_map(|got| match &got.what {
            What::Frame(Frame::Goodbye(goodbye)) => Some(goodbye.reason()),
            _ => None,
        });
        let left = [GoodbyeReason::Left, GoodbyeReason::Removed];
        let reasons: Vec<GoodbyeReason> = closed.filter(|reason| !left.contains(reason)).collect();
        assert!(
            reasons.iter().all(|reason| *reason == GoodbyeReason::RoomClosed),
            "{audience:?} {reasons:?}"
        );
    }
}

/// So many commits; where each led to.
pub(crate) async fn switch_mic(host: &Session, room_id: &str, times: usize) -> Vec<Place> {
    let mut places = Vec::new();
    for n in 0..times {
        places.push(host.set_mic(room_id, n % 2 != 0).await.unwrap());
    }
    places
}
