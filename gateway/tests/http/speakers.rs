//! Who speaks, on event streams: one watch of a room for all of them, told as it changes.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use gochat_proto::{
    media::{
        Elsewhere, MediaEnded, MediaEndedReason, Speaker, Speakers, WatchSpeakersRequest,
        WatchSpeakersResponse, watch_speakers_response::Update,
    },
    model::Refusal,
};
use prost::Message;
use reqwest::Response;
use serde_json::json;
use tempfile::NamedTempFile;
use tokio::{sync::mpsc, time::timeout};

use crate::{
    events::{SNAPSHOT_2, read_until, snapshot},
    standin::{Answer, Standin, Then, refused},
    websocket::told,
    world::World,
};

const TOKEN: (&str, &str) = ("authorization", "Bearer t");
const MOVED: &str = "event: media\ndata: {\"ended\":\"moved\",\"room_id\":\"123456789\"}\n\n";
/// Longer than anything that is waited for.
const AT_MOST: Duration = Duration::from_secs(20);

/// The stand-in's end of a watch, which ends with it.
struct Watch(mpsc::Sender<Bytes>);

impl Watch {
    fn tell(&self, update: Update) {
        let message = WatchSpeakersResponse { update: Some(update) };
        self.0.try_send(message.encode_to_vec().into()).unwrap();
    }

    fn speaks(&self, uid: u32) {
        self.tell(Update::Speakers(Speakers {
            speakers: vec![
                Speaker { uid, slot: Some(0), speaking: true },
                Speaker { uid: 9, slot: None, speaking: false },
            ],
        }));
    }

    fn ends(self, reason: MediaEndedReason) {
        self.tell(Update::Ended(MediaEnded { reason: reason.into() }));
    }
}

/// The next watch at a node, as it will be answered.
fn will_be_watched(node: &Standin) -> Watch {
    let (feed, fed) = mpsc::channel(16);
    node.will("WatchSpeakers", Answer::Fed(fed));
    Watch(feed)
}

/// As a server-sent event.
fn speaks(uid: u32) -> String {
    format!(
        "event: media\ndata: {{\"room_id\":\"123456789\",\"speakers\":[{{\"uid\":{uid},\"slot\":0,\"speaking\":true}},\
         {{\"uid\":9,\"speaking\":false}}]}}\n\n"
    )
}

/// A gateway that the services know.
async fn known() -> (World, NamedTempFile) {
    let mut own = NamedTempFile::new().unwrap();
    own.write_all(b"hush").unwrap();
    let world = World::with(&[&format!("--service-token-file={}", own.path().display())]).await;
    (world, own)
}

/// An event stream that has told of the room.
async fn stream(world: &World) -> Response {
    world.stands_at(2);
    world.will_stream(snapshot(2), Then::Lasts);
    let mut response = world.events("", None).await;
    assert_eq!(read_until(&mut response, "\n\n").await, SNAPSHOT_2, "the room comes first");
    response
}

async fn next(response: &mut Response) -> String {
    timeout(AT_MOST, read_until(response, "\n\n")).await.expect("nothing comes")
}

#[tokio::test]
async fn all_streams_of_a_room_share_one_watch_that_ends_with_the_last() {
    let (mut world, _own) = known().await;
    let watch = will_be_watched(&world.services);
    watch.speaks(7);
    let mut sse = stream(&world).await;
    assert_eq!(next(&mut sse).await, speaks(7));
    let asked = world.services.watched().await;
    assert_eq!(
        (asked.header("authorization"), asked.header("gochat-on-behalf-of")),
        (Some("Bearer hush"), None)
    );
    assert_eq!(asked.header("grpc-timeout"), None, "it lasts");
    assert_eq!(asked.message::<WatchSpeakersRequest>().room_id, "123456789");

    // Who comes is told the present; over a socket as well.
    world.stands_at(2);
    world.will_stream(snapshot(2), Then::Lasts);
    let (mut socket, _) = world.socket("", &[TOKEN]).await.unwrap();
    assert_eq!(told(&mut socket).await["event"], "snapshot");
    let data = |uid: u32| {
        json!({ "event": "media", "data": { "room_id": "123456789", "speakers": [
            { "uid": uid, "slot": 0, "speaking": true }, { "uid": 9, "speaking": false }] } })
    };
    assert_eq!(told(&mut socket).await, data(7));
    watch.speaks(8);
    assert_eq!((next(&mut sse).await, told(&mut socket).await), (speaks(8), data(8)));
    assert!(world.services.is_not_watched(), "one is enough");

    drop(sse);
    watch.speaks(7);
    assert_eq!(told(&mut socket).await, data(7), "somebody is left");
    drop(socket);
    timeout(AT_MOST, watch.0.closed()).await.expect("nobody is left to watch for");

    let watch = will_be_watched(&world.services);
    watch.speaks(8);
    let mut sse = stream(&world).await;
    assert_eq!(next(&mut sse).await, speaks(8));
}

#[tokio::test]
async fn who_resumes_is_told_the_present_at_once() {
    let (world, _own) = known().await;
    let watch = will_be_watched(&world.services);
    watch.speaks(7);
    world.will_stream([], Then::Lasts);
    let mut sse = world.events("", Some("2-000000000000000a")).await;
    assert_eq!(next(&mut sse).await, speaks(7));
}

#[tokio::test]
async fn a_loss_is_told_once_and_then_who_speaks() {
    let (mut world, _own) = known().await;
    let watch = will_be_watched(&world.services);
    watch.speaks(7);
    let mut sse = stream(&world).await;
    assert_eq!(next(&mut sse).await, speaks(7));

    // Lost without a word, and away for a while.
    world.services.will("WatchSpeakers", refused(Refusal::Unavailable));
    world.services.will("WatchSpeakers", refused(Refusal::RoomNotFound));
    let again = will_be_watched(&world.services);
    drop(watch);
    assert_eq!(next(&mut sse).await, MOVED);
    again.speaks(7);
    assert_eq!(next(&mut sse).await, speaks(7), "though it is as before");

    // Told that it goes, to another node.
    let mut owner = Standin::start().await;
    let home = will_be_watched(&world.services);
    home.tell(Update::Elsewhere(Elsewhere { url: format!("http://{}", owner.address) }));
    let there = will_be_watched(&owner);
    there.speaks(8);
    again.ends(MediaEndedReason::Moved);
    let mut came = next(&mut sse).await;
    if came == MOVED {
        came += &next(&mut sse).await;
    }
    assert_eq!(came, format!("{MOVED}{}", speaks(8)));
    assert_eq!(owner.watched().await.header("authorization"), Some("Bearer hush"));
    for _ in 0..5 {
        world.services.watched().await;
    }
    assert!(world.services.is_not_watched());
}

#[tokio::test]
async fn two_nodes_that_name_each_other_are_followed_once_and_asked_again() {
    let (world, _own) = known().await;
    let mut owner = Standin::start().await;
    let at = |node: &Standin| Update::Elsewhere(Elsewhere { url: format!("http://{}", node.address) });
    let (home, there) = (will_be_watched(&world.services), will_be_watched(&owner));
    home.tell(at(&owner));
    there.tell(at(&world.services));
    let again = will_be_watched(&world.services);
    again.speaks(7);
    let mut sse = stream(&world).await;
    assert_eq!(next(&mut sse).await, speaks(7), "nothing was there to be lost");
    owner.watched().await;
    assert!(owner.is_not_watched());
}

#[tokio::test]
async fn the_end_of_a_room_is_no_loss_of_its_media() {
    let (mut world, _own) = known().await;
    let watch = will_be_watched(&world.services);
    watch.speaks(7);
    let mut sse = stream(&world).await;
    assert_eq!(next(&mut sse).await, speaks(7));
    let again = will_be_watched(&world.services);
    watch.ends(MediaEndedReason::RoomClosed);
    world.services.watched().await;
    world.services.watched().await;
    again.speaks(8);
    assert_eq!(next(&mut sse).await, speaks(8));
}

#[tokio::test]
async fn a_gateway_that_the_services_do_not_know_watches_nothing() {
    let (mut world, _) = (World::start().await, ());
    let mut sse = stream(&world).await;
    assert!(timeout(Duration::from_millis(300), read_until(&mut sse, "media")).await.is_err());
    assert!(world.services.is_not_watched());
}

#[tokio::test]
async fn rooms_without_voice_are_not_watched() {
    let mut own = NamedTempFile::new().unwrap();
    own.write_all(b"hush").unwrap();
    let path = format!("--service-token-file={}", own.path().display());
    let mut world = World::with(&["--media-url=", &path]).await;
    let mut sse = stream(&world).await;
    assert!(timeout(Duration::from_millis(300), read_until(&mut sse, "media")).await.is_err());
    assert!(world.services.is_not_watched());
}
