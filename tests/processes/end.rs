//! Every process ends well when it is asked to.

use gochat_client::Update;
use tokio::time::timeout;

use gochat_rig::{AT_MOST, Deployment};

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_every_process_with_success() {
    let mut deployment = Deployment::start().await;
    let host = deployment.client().login("host", "").await.unwrap();
    let opened = host.create_room("tea").await.unwrap();
    let mut feed = host.subscribe(&opened.room.room_id).min(opened.place);
    let first = timeout(AT_MOST, feed.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(first, Update::Snapshot, "a stream is open");
    for process in deployment.outside_in() {
        let ended = process.terminate().await;
        assert_eq!(ended.code(), Some(0), "{}: {}", process.name, process.said());
    }
}
