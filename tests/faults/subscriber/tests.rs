//! The subscriber before a server that does as the test says.

use std::pin::Pin;

use futures::Stream;
use gochat_proto::{
    model::{Commit, Event, HandsLowered, Room, event::Kind},
    notifier::{
        GoodbyeReason, KeepAlive, Personal, SnapshotPart,
        notifier_service_server::{NotifierService, NotifierServiceServer},
    },
    status::refuse,
};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Response, async_trait, transport::Server};

use super::*;

const AT_MOST: Duration = Duration::from_secs(10);

type Answer = Result<SubscribeResponse, Status>;

/// A stream that was asked for, at the server's end.
struct Asked {
    request: SubscribeRequest,
    frames: mpsc::Sender<Answer>,
}

#[derive(Clone)]
struct Reception(mpsc::Sender<Asked>);

#[async_trait]
impl NotifierService for Reception {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Answer> + Send>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (frames, streamed) = mpsc::channel(64);
        let asked = Asked { request: request.into_inner(), frames };
        self.0.send(asked).await.unwrap();
        Ok(Response::new(Box::pin(ReceiverStream::new(streamed))))
    }
}

/// The server, and a subscriber that goes to it.
async fn scene(silence: Duration) -> (mpsc::Receiver<Asked>, Subscriber) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::channel(8);
    let service = NotifierServiceServer::new(Reception(sender));
    let serving = Server::builder().add_service(service);
    tokio::spawn(serving.serve_with_incoming(TcpListenerStream::new(listener)));
    let subscriber = Subscriber::start(Subscription {
        connect: each_to(&address),
        token: "secret".to_owned(),
        uid: Some(2),
        entry: 20,
        room_id: "100000001".to_owned(),
        roster: Roster::All,
        min: Some(place(1)),
        silence,
    });
    (receiver, subscriber)
}

fn place(revision: u64) -> Place {
    Place { revision, tag: revision * 10 }
}

impl Asked {
    async fn tell(&self, frame: Frame) {
        self.frames.send(Ok(SubscribeResponse { frame: Some(frame) })).await.unwrap();
    }

    async fn commit(&self, revision: u64) {
        let event = Event { to: vec![], kind: Some(Kind::HandsLowered(HandsLowered {})) };
        let Place { revision, tag } = place(revision);
        let commit = Commit { revision, tag, after: revision - 1, events: vec![event], ..Commit::default() };
        self.tell(Frame::Commit(commit)).await;
    }

    async fn snapshot(&self, revision: u64) {
        let room = Some(Room::default());
        let part = SnapshotPart { place: Some(place(revision)), room, last: true, ..SnapshotPart::default() };
        self.tell(Frame::Snapshot(part)).await;
    }

    async fn personal(&self, revision: u64) {
        self.tell(Frame::Personal(Personal { place: Some(place(revision)), ..Personal::default() })).await;
    }

    async fn goodbye(&self, reason: GoodbyeReason, revision: u64, retry_after_ms: u32) {
        let resume_token = place(revision).to_token();
        self.tell(Frame::Goodbye(Goodbye { reason: reason.into(), resume_token, retry_after_ms })).await;
    }

    fn token(&self) -> &str {
        &self.request.resume_token
    }
}

async fn next(server: &mut mpsc::Receiver<Asked>) -> Asked {
    timeout(AT_MOST, server.recv()).await.expect("nobody asked").unwrap()
}

async fn holds(subscriber: &Subscriber, revision: u64) {
    let mut held = subscriber.held();
    timeout(AT_MOST, held.wait_for(|held| *held == Some(place(revision)))).await.unwrap().unwrap();
}

#[tokio::test]
async fn it_goes_on_from_what_it_holds() {
    let (mut server, subscriber) = scene(AT_MOST).await;
    let stream = next(&mut server).await;
    assert_eq!((stream.token(), stream.request.min), ("", Some(place(1))));
    stream.snapshot(2).await;
    drop(stream);
    let stream = next(&mut server).await;
    assert_eq!(stream.token(), "", "a snapshot is worth nothing before its Personal");
    stream.snapshot(3).await;
    stream.personal(3).await;
    stream.commit(4).await;
    holds(&subscriber, 4).await;
    assert_eq!(subscriber.view().unwrap().place, place(4));
    drop(stream);
    let stream = next(&mut server).await;
    assert_eq!((stream.token(), stream.request.min), (place(4).to_token().as_str(), None));
    stream.tell(Frame::KeepAlive(KeepAlive { resume_token: place(6).to_token() })).await;
    stream.goodbye(GoodbyeReason::Draining, 7, 1).await;
    drop(stream);
    assert_eq!(next(&mut server).await.token(), place(7).to_token());
    let record = subscriber.stop().await;
    let asked = record.got.iter().filter(|got| matches!(got.what, What::Asked { .. })).count();
    assert_eq!((asked, record.got.last().map(|got| &got.what)), (4, Some(&What::Ended(End::Stopped))));
}

#[tokio::test]
async fn a_token_refused_is_asked_without() {
    let (mut server, subscriber) = scene(AT_MOST).await;
    let stream = next(&mut server).await;
    stream.snapshot(3).await;
    stream.personal(3).await;
    holds(&subscriber, 3).await;
    drop(stream);
    let stream = next(&mut server).await;
    stream.frames.send(Err(refuse(Refusal::InvalidArgument, "no"))).await.unwrap();
    drop(stream);
    let stream = next(&mut server).await;
    assert_eq!((stream.token(), stream.request.min), ("", Some(place(3))));
    stream.frames.send(Err(refuse(Refusal::Unavailable, "not now"))).await.unwrap();
    drop(stream);
    assert_eq!(next(&mut server).await.token(), "");
}

#[tokio::test]
async fn it_ends_when_there_is_nothing_more_for_it() {
    for reason in [GoodbyeReason::Left, GoodbyeReason::RoomClosed, GoodbyeReason::LoggedOut] {
        let (mut server, subscriber) = scene(AT_MOST).await;
        let stream = next(&mut server).await;
        stream.goodbye(reason, 1, 0).await;
        drop(stream);
        let mut held = subscriber.held();
        while timeout(AT_MOST, held.changed()).await.unwrap().is_ok() {}
        assert_eq!(subscriber.stop().await.got.len(), 3);
    }
    let (mut server, subscriber) = scene(AT_MOST).await;
    let stream = next(&mut server).await;
    stream.frames.send(Err(refuse(Refusal::NotInRoom, "no"))).await.unwrap();
    drop(stream);
    let mut held = subscriber.held();
    while timeout(AT_MOST, held.changed()).await.unwrap().is_ok() {}
    let refused = What::Ended(End::Refused(Refusal::NotInRoom, "no".to_owned()));
    assert_eq!(subscriber.stop().await.got.pop().map(|got| got.what), Some(refused));
}

#[tokio::test]
async fn silence_is_a_lost_connection_but_not_while_it_does_not_read() {
    let silence = Duration::from_secs(1);
    let (mut server, subscriber) = scene(silence).await;
    let first = next(&mut server).await;
    first.snapshot(3).await;
    first.personal(3).await;
    holds(&subscriber, 3).await;
    subscriber.pause();
    assert!(timeout(silence.mul_f64(1.5), server.recv()).await.is_err(), "the connection stays");
    first.commit(4).await;
    assert_eq!(*subscriber.held().borrow(), Some(place(3)));
    subscriber.resume();
    holds(&subscriber, 4).await;
    assert_eq!(next(&mut server).await.token(), place(4).to_token(), "the silence was too long");
    let record = subscriber.stop().await;
    assert!(record.got.iter().any(|got| got.what == What::Ended(End::Silent)));
}
