//! Voice: who is heard follows the stage, whatever is offered or sent; sessions and watches end with what they are of.

mod node;

use std::time::Duration;

use gochat_client::Session;
use gochat_proto::{
    media::{
        CreateSessionRequest, CreateSessionResponse, EndSessionRequest, GetRoomMediaRequest,
        GetRoomMediaResponse, MediaEnded, MediaEndedReason, WatchSpeakersRequest, WatchSpeakersResponse,
        create_session_response::Result as Created, media_service_client::MediaServiceClient,
        watch_speakers_response::Update,
    },
    model::Refusal,
    status::refusal,
};
use gochat_rig::OFFER;
use tonic::{Code, Request, Status, Streaming, transport::Channel};

use crate::{
    sdk,
    world::{World, soon},
};

/// The media service of one node, as somebody calls it.
#[derive(Clone)]
pub(super) struct Caller {
    media: MediaServiceClient<Channel>,
    token: String,
    room: String,
}

impl Caller {
    pub(super) async fn of(url: &str, session: &Session, room: &str) -> Self {
        let media = MediaServiceClient::connect(url.to_owned()).await.unwrap();
        Self { media, token: session.token().unwrap().to_owned(), room: room.to_owned() }
    }

    fn asked<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", format!("Bearer {}", self.token).parse().unwrap());
        request
    }

    pub(super) async fn offer(&self, offer: &str) -> Result<CreateSessionResponse, Status> {
        let (room_id, offer_sdp) = (self.room.clone(), offer.to_owned());
        let asked = self.asked(CreateSessionRequest { room_id, offer_sdp });
        Ok(soon("an answer", self.media.clone().create_session(asked)).await?.into_inner())
    }

    /// Opens a session; its id.
    pub(super) async fn open(&self) -> String {
        match self.offer(OFFER).await.unwrap().result {
            Some(Created::Session(session)) => {
                assert_eq!(session.slots, ["1", "2"], "the offer's receiving lines");
                assert!(session.answer_sdp.contains("a=ice-lite"), "{}", session.answer_sdp);
                session.session_id
            }
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn end(&self, session_id: &str) {
        let asked = EndSessionRequest { room_id: self.room.clone(), session_id: session_id.to_owned() };
        let ended = soon("an end", self.media.clone().end_session(self.asked(asked))).await.unwrap();
        assert_eq!(ended.into_inner().elsewhere, None);
    }

    pub(super) async fn look(&self) -> Result<GetRoomMediaResponse, Status> {
        let asked = self.asked(GetRoomMediaRequest { room_id: self.room.clone() });
        Ok(soon("a look", self.media.clone().get_room_media(asked)).await?.into_inner())
    }

    pub(super) async fn watch(&self) -> Result<Watch, Status> {
        let asked = self.asked(WatchSpeakersRequest { room_id: self.room.clone() });
        Ok(Watch(soon("a stream", self.media.clone().watch_speakers(asked)).await?.into_inner()))
    }

    /// Returns once so many sessions are open in the room.
    pub(super) async fn counts(&self, sessions: u32) {
        let counted = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(20));
            while self.look().await.unwrap().sessions != sessions {
                ticks.tick().await;
            }
        };
        soon("a session's end or beginning", counted).await;
    }
}

/// A stream of who speaks.
pub(super) struct Watch(Streaming<WatchSpeakersResponse>);

impl Watch {
    pub(super) async fn next(&mut self) -> Option<Update> {
        soon("who speaks", self.0.message()).await.unwrap().map(|message| message.update.unwrap())
    }

    /// Returns once just these can be heard.
    pub(super) async fn hears(&mut self, uids: &[u32]) {
        loop {
            match self.next().await {
                Some(Update::Speakers(heard)) => {
                    let mut heard: Vec<u32> = heard.speakers.iter().map(|speaker| speaker.uid).collect();
                    heard.sort_unstable();
                    if heard == uids {
                        return;
                    }
                }
                other => panic!("{other:?}, waiting for {uids:?}"),
            }
        }
    }

    /// The end, and its reason.
    pub(super) async fn ends(mut self, reason: MediaEndedReason) {
        loop {
            match self.next().await {
                Some(Update::Speakers(_)) => {}
                Some(Update::Ended(MediaEnded { reason: told })) => {
                    assert_eq!(told, i32::from(reason));
                    assert_eq!(self.next().await, None);
                    return;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

fn sorted<const N: usize>(mut uids: [u32; N]) -> [u32; N] {
    uids.sort_unstable();
    uids
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_heard_follows_the_stage() {
    let world = World::start().await;
    let [mut host, mut lea, leo] = sdk::three(&world).await;
    let room = host.room();
    let url = world.media_url();
    let [for_host, for_lea, for_leo] = [
        Caller::of(&url, &host.session, &room).await,
        Caller::of(&url, &lea.session, &room).await,
        Caller::of(&url, &leo.session, &room).await,
    ];
    let mut heard = for_leo.watch().await.unwrap();
    heard.hears(&[]).await;
    for caller in [&for_host, &for_lea, &for_leo] {
        caller.open().await;
    }
    let (host_alone, both) = ([host.uid()], sorted([host.uid(), lea.uid()]));
    heard.hears(&host_alone).await;
    sdk::onto_stage(&mut host, &mut lea).await;
    heard.hears(&both).await;
    lea.session.set_mic(&room, false).await.unwrap();
    heard.hears(&host_alone).await;
    lea.session.set_mic(&room, true).await.unwrap();
    heard.hears(&both).await;
    host.session.set_mic_of(&room, lea.uid(), false).await.unwrap();
    heard.hears(&host_alone).await;
    host.session.set_mic_of(&room, lea.uid(), true).await.unwrap();
    lea.session.set_mic(&room, true).await.unwrap();
    heard.hears(&both).await;
    host.session.take_off_stage(&room, lea.uid()).await.unwrap();
    heard.hears(&host_alone).await;
    host.session.transfer_host(&room, lea.uid()).await.unwrap();
    lea.session.set_mic(&room, true).await.unwrap();
    heard.hears(&both).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_its_stay_and_a_watch_as_well() {
    let world = World::start().await;
    let [host, lea, leo] = sdk::three(&world).await;
    let room = host.room();
    let [for_host, for_lea, for_leo] = [
        Caller::of(&world.media_url(), &host.session, &room).await,
        Caller::of(&world.media_url(), &lea.session, &room).await,
        Caller::of(&world.media_url(), &leo.session, &room).await,
    ];
    let of_host = for_host.open().await;
    for_lea.open().await;
    for_leo.open().await;
    for_leo.open().await;
    for_host.counts(3).await;
    for_leo.end(&of_host).await;
    for_host.counts(3).await;
    for_host.end(&of_host).await;
    for_host.counts(2).await;
    for_host.open().await;
    for_host.counts(3).await;

    let watch = for_lea.watch().await.unwrap();
    lea.session.leave_room(&room).await.unwrap();
    for_host.counts(2).await;
    watch.ends(MediaEndedReason::Left).await;
    host.session.remove_member(&room, leo.uid(), None).await.unwrap();
    for_host.counts(1).await;
    for refused in [for_leo.offer(OFFER).await.map(drop), for_leo.watch().await.map(drop)] {
        assert_eq!(refusal(&refused.unwrap_err()), Some(Refusal::NotInRoom));
    }

    let watch = for_host.watch().await.unwrap();
    host.session.close_room(&room).await.unwrap();
    watch.ends(MediaEndedReason::RoomClosed).await;
    let refused = for_host.offer(OFFER).await.unwrap_err();
    assert_eq!(refusal(&refused), Some(Refusal::RoomNotFound));
}

#[tokio::test(flavor = "multi_thread")]
async fn offers_are_bounded() {
    let world = World::start().await;
    let [host, ..] = sdk::three(&world).await;
    let media = Caller::of(&world.media_url(), &host.session, &host.room()).await;
    let long = format!("v=0\r\n{}", "a".repeat(64 * 1024));
    for bad in ["", "v=0", "nothing", &OFFER.replace("m=audio", "m=video"), &long] {
        let refused = media.offer(bad).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    }
    media.counts(0).await;
    let answers = futures::future::join_all((0..12).map(|_| media.offer(OFFER))).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(!refused.is_empty(), "nobody offers so often");
    assert!(refused.iter().all(|status| refusal(status) == Some(Refusal::TooMany)), "{refused:?}");
    media.counts(1).await;
}
