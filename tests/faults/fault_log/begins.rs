//! How a stream begins: one call, and what comes first.

use std::time::Duration;

use gochat_proto::{
    model::Place,
    notifier::{
        SubscribeRequest, SubscribeResponse, notifier_service_client::NotifierServiceClient,
        subscribe_response::Frame,
    },
};
use gochat_rig::{AT_MOST, Deployment, SERVICE_TOKEN};
use tokio::time::timeout;
use tonic::Request;

/// The frames that come to a service which asks to go on from a place, until `enough` of them,
/// or the stream's end.
pub(crate) async fn frames(
    deployment: &Deployment,
    room_id: &str,
    from: Option<Place>,
    enough: impl Fn(&[Frame]) -> bool,
) -> Vec<Frame> {
    let reading = async {
        let address = deployment.endpoints().notifier;
        let mut notifier = NotifierServiceClient::connect(address).await.unwrap();
        let mut request = Request::new(SubscribeRequest {
            room_id: room_id.to_owned(),
            resume_token: from.map(Place::to_token).unwrap_or_default(),
            ..SubscribeRequest::default()
        });
        let bearer = format!("Bearer {SERVICE_TOKEN}");
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        let mut stream = notifier.subscribe(request).await.unwrap().into_inner();
        let mut frames = Vec::new();
        while !enough(&frames) {
            match stream.message().await.unwrap() {
                Some(SubscribeResponse { frame }) => frames.extend(frame),
                None => break,
            }
        }
        frames
    };
    timeout(AT_MOST + Duration::from_secs(5), reading).await.expect("frames come, or the end")
}

/// The first frame that is more than a sign of life.
pub(crate) async fn first(deployment: &Deployment, room_id: &str, from: Option<Place>) -> Frame {
    let tells = |frame: &Frame| !matches!(frame, Frame::KeepAlive(_));
    let frames = frames(deployment, room_id, from, |frames| frames.iter().any(tells)).await;
    frames.into_iter().find(tells).expect("something comes")
}
