//! One gRPC server in place of all services: it answers what it was told to, and keeps what it was asked.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use bytes::{Buf, BufMut, Bytes};
use futures::{StreamExt, future::BoxFuture, stream, stream::BoxStream};
use gochat_proto::{model::Refusal, notifier::subscribe_response::Frame, status};
use prost::Message;
use tokio::{net::TcpListener, sync::mpsc, task::AbortHandle};
use tonic::{
    Request, Response, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::MetadataMap,
    server::{Grpc, ServerStreamingService},
    service::Routes,
    transport::{Server, server::TcpIncoming},
};

/// What is answered to one call.
pub(crate) enum Answer {
    One(Bytes),
    Refused(Status),
    /// Frames of a stream, and what comes then.
    Stream(Vec<Frame>, Then),
    /// Messages of a stream as they are fed to it, until nobody can feed it any more.
    Fed(mpsc::Receiver<Bytes>),
}

pub(crate) enum Then {
    Ends,
    /// Lasts until the stand-in is told to stop.
    Lasts,
    /// Ends with a refusal.
    Fails(Refusal),
}

pub(crate) fn one(message: &impl Message) -> Answer {
    Answer::One(message.encode_to_vec().into())
}

pub(crate) fn refused(refusal: Refusal) -> Answer {
    Answer::Refused(status::refuse(refusal, "because"))
}

/// A call that came.
pub(crate) struct Asked {
    /// `JoinRoom` and the like.
    pub(crate) rpc: String,
    pub(crate) metadata: MetadataMap,
    /// The other end of the connection that it came over.
    pub(crate) peer: Option<SocketAddr>,
    message: Bytes,
}

impl Asked {
    pub(crate) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.message.clone()).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.metadata.get(name).map(|value| value.to_str().unwrap())
    }
}

pub(crate) struct Standin {
    pub(crate) address: SocketAddr,
    answers: Arc<Mutex<HashMap<String, VecDeque<Answer>>>>,
    asked: mpsc::Receiver<Asked>,
    /// The gateway's own calls, which come when they come.
    stamps: mpsc::Receiver<Asked>,
    /// And its watches of who speaks.
    watches: mpsc::Receiver<Asked>,
    server: AbortHandle,
}

impl Standin {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Arc<Mutex<HashMap<String, VecDeque<Answer>>>> = Arc::default();
        let (ask, asked) = mpsc::channel(64);
        let (stamp, stamps) = mpsc::channel(2);
        let (watch, watches) = mpsc::channel(64);
        let script = Script { answers: answers.clone(), ask, stamp, watch, rpc: String::new() };
        let routes = Routes::from(axum::Router::new().fallback(move |request| script.clone().serve(request)));
        let server = Server::builder().add_routes(routes).serve_with_incoming(TcpIncoming::from(listener));
        let server = tokio::spawn(server).abort_handle();
        Self { address, answers, asked, stamps, watches, server }
    }

    /// The next call of `rpc` is answered so. A call that nothing was said about is answered
    /// with an empty message.
    pub(crate) fn will(&self, rpc: &str, answer: Answer) {
        self.answers.lock().unwrap().entry(rpc.to_owned()).or_default().push_back(answer);
    }

    /// The next call that came, which must be of this RPC.
    pub(crate) async fn asked(&mut self, rpc: &str) -> Asked {
        let asked = self.asked.recv().await.unwrap();
        assert_eq!(asked.rpc, rpc);
        asked
    }

    /// The next of the first stamps that came.
    pub(crate) async fn stamped(&mut self) -> Asked {
        self.stamps.recv().await.unwrap()
    }

    /// The next watch of who speaks that came.
    pub(crate) async fn watched(&mut self) -> Asked {
        self.watches.recv().await.unwrap()
    }

    /// Whether no watch came since.
    pub(crate) fn is_not_watched(&mut self) -> bool {
        self.watches.try_recv().is_err()
    }

    /// Whether nothing was asked since.
    pub(crate) fn was_left_alone(&mut self) -> bool {
        self.asked.try_recv().is_err()
    }
}

impl Drop for Standin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<HashMap<String, VecDeque<Answer>>>>,
    ask: mpsc::Sender<Asked>,
    stamp: mpsc::Sender<Asked>,
    watch: mpsc::Sender<Asked>,
    rpc: String,
}

impl Script {
    async fn serve(mut self, request: http::Request<Body>) -> http::Response<tonic::body::Body> {
        self.rpc = request.uri().path().rsplit('/').next().unwrap().to_owned();
        Grpc::new(Raw).server_streaming(self, request).await
    }
}

impl ServerStreamingService<Bytes> for Script {
    type Response = Bytes;
    type ResponseStream = BoxStream<'static, Result<Bytes, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let peer = request.remote_addr();
        let (metadata, _, message) = request.into_parts();
        let answer = self.answers.lock().unwrap().get_mut(&self.rpc).and_then(VecDeque::pop_front);
        let told = match self.rpc.as_str() {
            "Stamp" => &self.stamp,
            "WatchSpeakers" => &self.watch,
            _ => &self.ask,
        };
        told.try_send(Asked { rpc: self.rpc.clone(), metadata, peer, message }).ok();
        Box::pin(async move {
            match answer.unwrap_or(Answer::One(Bytes::new())) {
                Answer::One(message) => Ok(Response::new(stream::iter([Ok(message)]).boxed())),
                Answer::Refused(status) => Err(status),
                Answer::Fed(messages) => {
                    let messages = stream::unfold(messages, async |mut messages| {
                        messages.recv().await.map(|message| (Ok(message), messages))
                    });
                    Ok(Response::new(messages.boxed()))
                }
                Answer::Stream(frames, then) => Ok(Response::new(frames_then(frames, then))),
            }
        })
    }
}

fn frames_then(frames: Vec<Frame>, then: Then) -> BoxStream<'static, Result<Bytes, Status>> {
    let encode = |frame| gochat_proto::notifier::SubscribeResponse { frame: Some(frame) }.encode_to_vec();
    let frames = stream::iter(frames).map(move |frame| Ok(encode(frame).into()));
    match then {
        Then::Ends => frames.boxed(),
        Then::Lasts => frames.chain(stream::pending()).boxed(),
        Then::Fails(refusal) => frames.chain(stream::iter([Err(status::refuse(refusal, "because"))])).boxed(),
    }
}

/// Messages as their bytes.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
