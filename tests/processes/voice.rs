//! Media nodes as processes: one that ends gives its rooms to the others at once, one that is killed after a lease.

use std::time::Duration;

use gochat_client::Session;
use gochat_proto::media::{
    CreateSessionRequest, MediaEnded, MediaEndedReason, WatchSpeakersRequest,
    create_session_response::Result as Created, media_service_client::MediaServiceClient,
    watch_speakers_response::Update,
};
use gochat_rig::{AT_MOST, Deployment, OFFER, Plan, Replica, until};
use tokio::time::{Instant, timeout};
use tonic::{Request, transport::Channel};

/// How long a room stays a node's that is gone.
const LEASE: Duration = Duration::from_secs(2);

async fn node(deployment: &Deployment) -> Replica {
    let settings = [("GOCHAT_MEDIA_UDP_LISTEN", "127.0.0.1:0"), ("GOCHAT_MEDIA_LEASE", "2s")];
    deployment.one_more("media", &settings).await
}

async fn caller(node: &Replica) -> MediaServiceClient<Channel> {
    MediaServiceClient::connect(format!("http://{}", node.address)).await.unwrap()
}

fn asked<T>(session: &Session, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {}", session.token().unwrap());
    request.metadata_mut().insert("authorization", bearer.parse().unwrap());
    request
}

/// Opens a session at a node; false where that names another.
async fn opens(node: &Replica, session: &Session, room: &str) -> bool {
    let offer = CreateSessionRequest { room_id: room.to_owned(), offer_sdp: OFFER.to_owned() };
    let answer = caller(node).await.create_session(asked(session, offer)).await.unwrap().into_inner();
    match answer.result.unwrap() {
        Created::Session(_) => true,
        Created::Elsewhere(_) => false,
        other @ Created::Provider(_) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_ends_gives_its_rooms_to_others_at_once() {
    let deployment = Deployment::of(Plan::services(1)).await;
    let (mut first, second) = (node(&deployment).await, node(&deployment).await);
    let host = deployment.client().login("host", "").await.unwrap();
    let room = host.create_room("tea").await.unwrap().room.room_id;
    assert!(opens(&first, &host, &room).await);
    assert!(!opens(&second, &host, &room).await);
    let watch = asked(&host, WatchSpeakersRequest { room_id: room.clone() });
    let mut watch = caller(&first).await.watch_speakers(watch).await.unwrap().into_inner();
    first.process.signal("-TERM").await;
    let moved = Update::Ended(MediaEnded { reason: MediaEndedReason::Moved.into() });
    while timeout(AT_MOST, watch.message()).await.unwrap().unwrap().unwrap().update != Some(moved.clone()) {}
    assert!(opens(&second, &host, &room).await, "the room is free when that is told");
    let ended = first.process.ended().await;
    assert_eq!(ended.code(), Some(0), "{}", first.process.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_nodes_rooms_are_free_after_a_lease() {
    let deployment = Deployment::of(Plan::services(1)).await;
    let (mut first, second) = (node(&deployment).await, node(&deployment).await);
    let host = deployment.client().login("host", "").await.unwrap();
    let room = host.create_room("tea").await.unwrap().room.room_id;
    assert!(opens(&first, &host, &room).await);
    first.process.kill().await;
    let killed = Instant::now();
    let taken = async || opens(&second, &host, &room).await.then_some(());
    until("the room to be taken over", AT_MOST, async || {
        let mut tick = tokio::time::interval(Duration::from_millis(400));
        tick.tick().await;
        tick.tick().await;
        taken().await
    })
    .await;
    assert!(killed.elapsed() < LEASE + Duration::from_secs(3), "{:?}", killed.elapsed());
}
