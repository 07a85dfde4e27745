//! Redis is restored from an older copy: what happened since is lost, and something else happens.

use gochat_client::{Backoff, Session};
use gochat_proto::{
    notifier::subscribe_response::Frame,
    room::{CreateRoomRequest, room_service_client::RoomServiceClient},
};
use gochat_rig::{Deployment, until};
use tonic::{Code, Request};

use crate::{
    cast::Cast,
    fault_log::{begins, switch_mic},
    judge::{Expect, Verdict},
    scene::{SETTLES, Scene, log, plan},
};

impl Scene {
    /// Plays, forgets what was played since the copy, and plays on when all stand still.
    pub(crate) async fn goes_back(&mut self, before: impl AsyncFnOnce(&Deployment)) -> Vec<u64> {
        self.plays(60).await;
        let copy = self.deployment.redis.copy();
        self.plays(60).await;
        self.halts().await;
        self.remember().await;
        let lost = self.revisions();
        before(&self.deployment).await;
        self.deployment.redis.restore(&copy).await;
        self.went_back = true;
        self.goes_on();
        lost
    }

    /// Where the rooms stood when they were last remembered.
    fn revisions(&self) -> Vec<u64> {
        let head = |room_id: &String| self.history.room(room_id).and_then(|past| past.head()).unwrap();
        self.rooms.iter().map(|room_id| head(room_id).revision).collect()
    }

    /// Waits until every room has passed these revisions.
    pub(crate) async fn passes(&self, lost: &[u64]) {
        until("rooms to pass what was lost", SETTLES, async || {
            for (room_id, lost) in self.rooms.iter().zip(lost) {
                let last = log(&self.deployment, room_id).await.last().map_or(0, |commit| commit.revision);
                if last <= *lost {
                    return None;
                }
            }
            Some(())
        })
        .await;
    }

    async fn ends(self) -> Verdict {
        self.plays(100).await;
        self.forgive();
        let verdict = self.verdict(Expect::default()).await;
        assert!(verdict.gone_back >= 60, "all began anew: {verdict:?}");
        verdict
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_go_back() {
    let mut scene = Scene::open(1, Cast::USUAL).await;
    for _ in 0..3 {
        scene.goes_back(async |_| {}).await;
    }
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revisions_have_passed_before_anybody_looks() {
    let mut scene = Scene::open(1, Cast::USUAL).await;
    for _ in 0..2 {
        let lost = scene.goes_back(async |deployment| deployment.proxy.close()).await;
        scene.passes(&lost).await;
        scene.deployment.proxy.open();
        scene.plays(40).await;
    }
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_lost_history_begin_anew() {
    let mut scene = Scene::open(2, Cast::USUAL).await;
    for _ in 0..2 {
        let lost = scene.goes_back(async |deployment| deployment.balancer.close()).await;
        scene.passes(&lost).await;
        scene.deployment.balancer.open();
        scene.plays(40).await;
    }
    scene.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_of_a_closed_room_begin_anew_when_its_id_is_used_again() {
    let mut deployment = Deployment::of(plan(1)).await;
    // After a restart each service is back at a moment of its own.
    let host = deployment.client().with_retries(Backoff::CALLS).login("host", "").await.unwrap();
    let copy = deployment.redis.copy();
    let room_id = open_with_id(&deployment, &host).await;
    let lost = switch_mic(&host, &room_id, 4).await;
    host.close_room(&room_id).await.unwrap();

    deployment.redis.restore(&copy).await;
    assert_eq!(open_with_id(&deployment, &host).await, room_id, "the request's id makes it the same");
    let kept = switch_mic(&host, &room_id, 8).await;
    for place in lost {
        let first = begins::first(&deployment, &room_id, Some(place)).await;
        let Frame::Snapshot(part) = first else { panic!("from {place:?}: {first:?}") };
        assert_eq!(part.place.as_ref(), kept.last(), "from {place:?}");
    }
    for (n, place) in kept[..7].iter().enumerate() {
        let first = begins::first(&deployment, &room_id, Some(*place)).await;
        let Frame::Commit(commit) = first else { panic!("from {place:?}: {first:?}") };
        assert_eq!(commit.place(), kept[n + 1]);
    }
}

/// Opens a room by a request whose id is always the same; again where nobody answers.
async fn open_with_id(deployment: &Deployment, host: &Session) -> String {
    let rooms = RoomServiceClient::connect(deployment.endpoints().room).await.unwrap();
    let opened = async || {
        let asked = CreateRoomRequest {
            subject: "again".to_owned(),
            request_id: "the same".to_owned(),
            ..CreateRoomRequest::default()
        };
        let mut request = Request::new(asked);
        let bearer = format!("Bearer {}", host.token().unwrap());
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        match rooms.clone().create_room(request).await {
            Ok(opened) => opened.into_inner().room,
            Err(status) if status.code() == Code::Unavailable => None,
            Err(status) => panic!("{status}"),
        }
    };
    until("a room", SETTLES, opened).await.room_id
}
