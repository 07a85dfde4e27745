//! Speaker feeds against a stand-in server, and another that it names.

use std::time::Duration;

use gochat_proto::{
    media::{
        Elsewhere, MediaEnded, MediaEndedReason, Speaker, Speakers, WatchSpeakersRequest,
        WatchSpeakersResponse, watch_speakers_response::Update,
    },
    model::Refusal,
    status,
};
use tokio::sync::mpsc;
use tonic::Status;

use super::{SpeakerFeed, SpeakerUpdate};
use crate::{Backoff, Error, stand_in::StandIn};

const ROOM: &str = "100000001";
const QUICK: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(2), limit: 3 };

type Watch = mpsc::Sender<Result<WatchSpeakersResponse, Status>>;

fn ada(speaking: bool) -> Vec<Speaker> {
    vec![Speaker { uid: 7, slot: Some(0), speaking }]
}

fn speakers(speaking: bool) -> Update {
    Update::Speakers(Speakers { speakers: ada(speaking) })
}

fn ended(reason: MediaEndedReason) -> Update {
    Update::Ended(MediaEnded { reason: reason.into() })
}

fn at(server: &StandIn) -> Update {
    Update::Elsewhere(Elsewhere { url: server.address.clone() })
}

fn tell(watch: &Watch, update: Update) {
    watch.try_send(Ok(WatchSpeakersResponse { update: Some(update) })).unwrap();
}

/// Accepts the next watch, and tells it so much.
async fn watched<const N: usize>(server: &mut StandIn, updates: [Update; N]) -> Watch {
    let visit = server.visit().await;
    assert_eq!(
        (visit.rpc, visit.metadata.get("authorization").unwrap().as_bytes()),
        ("watch_speakers", &b"Bearer t"[..])
    );
    assert_eq!(visit.question::<WatchSpeakersRequest>().room_id, ROOM);
    let watch = visit.watch();
    updates.into_iter().for_each(|update| tell(&watch, update));
    watch
}

/// A feed that has been told that somebody speaks.
async fn under_way(server: &mut StandIn) -> (SpeakerFeed, Watch) {
    let mut feed = server.session().await.watch_speakers(ROOM).patience(QUICK);
    let (update, watch) = tokio::join!(feed.next(), watched(server, [speakers(true)]));
    assert_eq!(update, Some(Ok(SpeakerUpdate::Speakers(ada(true)))));
    (feed, watch)
}

#[tokio::test]
async fn each_change_is_told_whole_up_to_the_end() {
    for reason in [MediaEndedReason::RoomClosed, MediaEndedReason::Left] {
        let mut server = StandIn::start().await;
        let (mut feed, watch) = under_way(&mut server).await;
        tell(&watch, speakers(false));
        assert_eq!(feed.next().await, Some(Ok(SpeakerUpdate::Speakers(ada(false)))));
        watch.try_send(Ok(WatchSpeakersResponse { update: None })).unwrap();
        tell(&watch, ended(reason));
        assert_eq!(
            feed.next().await,
            Some(Ok(SpeakerUpdate::Ended(reason))),
            "what is not known is passed over"
        );
        assert_eq!(feed.next().await, None);
        assert!(server.is_quiet());
    }
}

#[tokio::test]
async fn a_loss_is_told_once_and_the_feed_goes_on() {
    let mut server = StandIn::start().await;
    let (mut feed, watch) = under_way(&mut server).await;
    drop(watch);
    assert_eq!(feed.next().await, Some(Ok(SpeakerUpdate::Moved)));
    let (update, watch) = tokio::join!(feed.next(), async {
        server.visit().await.refuse(Refusal::Unavailable);
        drop(watched(&mut server, []).await);
        watched(&mut server, [speakers(false)]).await
    });
    assert_eq!(update, Some(Ok(SpeakerUpdate::Speakers(ada(false)))), "nothing more was lost");

    tell(&watch, ended(MediaEndedReason::Moved));
    assert_eq!(feed.next().await, Some(Ok(SpeakerUpdate::Moved)));
    let (update, _watch) = tokio::join!(feed.next(), watched(&mut server, [speakers(true)]));
    assert_eq!(update, Some(Ok(SpeakerUpdate::Speakers(ada(true)))));
}

#[tokio::test]
async fn a_feed_is_given_up_after_some_tries() {
    let mut server = StandIn::start().await;
    let (mut feed, watch) = under_way(&mut server).await;
    watch.try_send(Err(status::refuse(Refusal::Unavailable, "so the test says"))).unwrap();
    assert_eq!(feed.next().await, Some(Ok(SpeakerUpdate::Moved)));
    let (update, ()) = tokio::join!(feed.next(), async {
        for _ in 0..QUICK.limit {
            server.visit().await.refuse(Refusal::Unavailable);
        }
    });
    assert!(matches!(update, Some(Err(Error::Unavailable { .. }))), "{update:?}");
    assert_eq!(feed.next().await, None);
}

#[tokio::test]
async fn a_refusal_ends_a_feed() {
    let mut server = StandIn::start().await;
    let mut feed = server.session().await.watch_speakers(ROOM);
    let (update, ()) = tokio::join!(feed.next(), async {
        server.visit().await.refuse(Refusal::NotInRoom);
    });
    assert_eq!(update.unwrap().unwrap_err().refusal(), Some(Refusal::NotInRoom));
    assert_eq!(feed.next().await, None);
}

#[tokio::test]
async fn a_rooms_own_node_is_watched_where_it_is_named() {
    let (mut home, mut owner) = (StandIn::start().await, StandIn::start().await);
    let mut feed = home.session().await.watch_speakers(ROOM).patience(QUICK);
    let named = at(&owner);
    let (update, _, watch) =
        tokio::join!(feed.next(), watched(&mut home, [named.clone()]), watched(&mut owner, [speakers(true)]));
    assert_eq!(update, Some(Ok(SpeakerUpdate::Speakers(ada(true)))));

    // The next begins at home again. Two nodes that name each other are followed once, and are no loss by themselves.
    tell(&watch, ended(MediaEndedReason::Moved));
    assert_eq!(feed.next().await, Some(Ok(SpeakerUpdate::Moved)));
    let back = at(&home);
    let (update, _, _) = tokio::join!(
        feed.next(),
        async {
            drop(watched(&mut home, [named]).await);
            watched(&mut home, [speakers(false)]).await
        },
        watched(&mut owner, [back]),
    );
    assert_eq!(update, Some(Ok(SpeakerUpdate::Speakers(ada(false)))));
    assert!(owner.is_quiet());
}
