//! A server for tests: each call comes to the test, which answers it as it likes.

use std::time::Duration;

use gochat_proto::{
    account::{
        GetMediaTokenRequest, GetMediaTokenResponse, HeartbeatRequest, HeartbeatResponse, LoginRequest,
        LoginResponse, LogoutRequest, LogoutResponse, RevokeSessionsRequest, RevokeSessionsResponse,
        StampRequest, StampResponse,
        account_service_server::{AccountService, AccountServiceServer},
    },
    media::{
        CreateSessionRequest, CreateSessionResponse, EndSessionRequest, EndSessionResponse,
        GetRoomMediaRequest, GetRoomMediaResponse, WatchSpeakersRequest, WatchSpeakersResponse,
        media_service_server::{MediaService, MediaServiceServer},
    },
    model::Refusal,
    notifier::{
        SubscribeRequest, SubscribeResponse,
        notifier_service_server::{NotifierService, NotifierServiceServer},
        subscribe_response::Frame,
    },
    room, stage, status,
};
use prost::Message;
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::AbortHandle,
    time::timeout,
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, metadata::MetadataMap, transport::Server};

use crate::{Backoff, Client, Endpoints, Session};

/// Longer than anything that a test waits for.
const AT_MOST: Duration = Duration::from_secs(20);

type Frames = mpsc::Receiver<Result<SubscribeResponse, Status>>;
type Updates = mpsc::Receiver<Result<WatchSpeakersResponse, Status>>;

/// What a call is answered.
enum Answer {
    Message(Vec<u8>),
    Stream(Frames),
    Watch(Updates),
    Refusal(Status),
}

/// A call that waits for its answer.
pub(crate) struct Visit {
    pub(crate) rpc: &'static str,
    pub(crate) metadata: MetadataMap,
    question: Vec<u8>,
    answer: oneshot::Sender<Answer>,
}

impl Visit {
    pub(crate) fn question<Q: Message + Default>(&self) -> Q {
        Q::decode(&self.question[..]).unwrap()
    }

    pub(crate) fn answer(self, message: impl Message) {
        let _ = self.answer.send(Answer::Message(message.encode_to_vec()));
    }

    pub(crate) fn refuse(self, refusal: Refusal) {
        let _ = self.answer.send(Answer::Refusal(status::refuse(refusal, "so the test says")));
    }

    /// Opens a stream that lasts until its handle is dropped.
    pub(crate) fn open(self) -> OpenStream {
        let (frames, receiver) = mpsc::channel(64);
        let _ = self.answer.send(Answer::Stream(receiver));
        OpenStream { frames }
    }

    /// Opens a watch of who speaks that lasts until its handle is dropped.
    pub(crate) fn watch(self) -> mpsc::Sender<Result<WatchSpeakersResponse, Status>> {
        let (updates, receiver) = mpsc::channel(64);
        let _ = self.answer.send(Answer::Watch(receiver));
        updates
    }
}

/// The server's end of a subscription. Ends cleanly, without a goodbye, when it is dropped.
pub(crate) struct OpenStream {
    frames: mpsc::Sender<Result<SubscribeResponse, Status>>,
}

impl OpenStream {
    pub(crate) fn send(&self, frame: Frame) {
        self.frames.try_send(Ok(SubscribeResponse { frame: Some(frame) })).unwrap();
    }

    pub(crate) fn fail(self, refusal: Refusal) {
        self.end(status::refuse(refusal, "so the test says"));
    }

    pub(crate) fn end(self, status: Status) {
        self.frames.try_send(Err(status)).unwrap();
    }
}

/// The server, and the calls that came to it.
pub(crate) struct StandIn {
    pub(crate) client: Client,
    /// `http://host:port`.
    pub(crate) address: String,
    visits: mpsc::Receiver<Visit>,
    task: AbortHandle,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let (sender, visits) = mpsc::channel(64);
        let reception = Reception { visits: sender };
        let serving = Server::builder()
            .add_service(AccountServiceServer::new(reception.clone()))
            .add_service(room::room_service_server::RoomServiceServer::new(reception.clone()))
            .add_service(stage::stage_service_server::StageServiceServer::new(reception.clone()))
            .add_service(NotifierServiceServer::new(reception.clone()))
            .add_service(MediaServiceServer::new(reception))
            .serve_with_incoming(TcpListenerStream::new(listener));
        let task = tokio::spawn(serving).abort_handle();
        let endpoints = Endpoints {
            account: address.clone(),
            room: address.clone(),
            stage: address.clone(),
            notifier: address.clone(),
            media: address.clone(),
        };
        let quick = Backoff { first: Duration::from_millis(1), ..Backoff::CALLS };
        let client = Client::connect(&endpoints).unwrap().with_retries(quick);
        Self { client, address, visits, task }
    }

    pub(crate) async fn visit(&mut self) -> Visit {
        timeout(AT_MOST, self.visits.recv()).await.expect("nobody came").unwrap()
    }

    /// The next visitor's question, answered.
    pub(crate) async fn host<Q: Message + Default>(&mut self, answer: impl Message) -> Q {
        let visit = self.visit().await;
        let question = visit.question();
        visit.answer(answer);
        question
    }

    /// A user, logged in with the token "t".
    pub(crate) async fn session(&mut self) -> Session {
        let client = self.client.clone();
        let answer = LoginResponse {
            uid: 7,
            nick_name: "ada".into(),
            token: "t".into(),
            heartbeat_interval_ms: 100,
            ..LoginResponse::default()
        };
        let (session, _) = tokio::join!(client.login("ada", ""), self.host::<LoginRequest>(answer));
        session.unwrap()
    }

    /// Whether a call has come that nobody has looked at.
    pub(crate) fn is_quiet(&self) -> bool {
        self.visits.is_empty()
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Reception {
    visits: mpsc::Sender<Visit>,
}

impl Reception {
    async fn receive<Q: Message>(&self, rpc: &'static str, request: Request<Q>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let (metadata, _, question) = request.into_parts();
        let visit = Visit { rpc, metadata, question: question.encode_to_vec(), answer };
        self.visits.send(visit).await.expect("the test waits");
        answered.await.unwrap_or_else(|_| Answer::Refusal(status::refuse(Refusal::Unavailable, "dropped")))
    }

    async fn unary<Q: Message, A: Message + Default>(
        &self,
        rpc: &'static str,
        request: Request<Q>,
    ) -> Result<Response<A>, Status> {
        match self.receive(rpc, request).await {
            Answer::Message(message) => Ok(Response::new(A::decode(&message[..]).unwrap())),
            Answer::Refusal(status) => Err(status),
            Answer::Stream(_) | Answer::Watch(_) => panic!("{rpc} is no stream"),
        }
    }
}

macro_rules! received {
    ($service:path: $($rpc:ident $question:ty => $answer:ty;)*) => {
        #[tonic::async_trait]
        impl $service for Reception {
            $(async fn $rpc(&self, request: Request<$question>) -> Result<Response<$answer>, Status> {
                self.unary(stringify!($rpc), request).await
            })*
        }
    };
}

received! { AccountService:
    login LoginRequest => LoginResponse;
    logout LogoutRequest => LogoutResponse;
    heartbeat HeartbeatRequest => HeartbeatResponse;
    get_media_token GetMediaTokenRequest => GetMediaTokenResponse;
    stamp StampRequest => StampResponse;
    revoke_sessions RevokeSessionsRequest => RevokeSessionsResponse;
}

received! { room::room_service_server::RoomService:
    create_room room::CreateRoomRequest => room::CreateRoomResponse;
    get_room room::GetRoomRequest => room::GetRoomResponse;
    list_rooms room::ListRoomsRequest => room::ListRoomsResponse;
    join_room room::JoinRoomRequest => room::JoinRoomResponse;
    leave_room room::LeaveRoomRequest => room::LeaveRoomResponse;
    close_room room::CloseRoomRequest => room::CloseRoomResponse;
    list_members room::ListMembersRequest => room::ListMembersResponse;
    remove_member room::RemoveMemberRequest => room::RemoveMemberResponse;
    unban room::UnbanRequest => room::UnbanResponse;
    list_bans room::ListBansRequest => room::ListBansResponse;
    transfer_host room::TransferHostRequest => room::TransferHostResponse;
}

received! { stage::stage_service_server::StageService:
    raise_hand stage::RaiseHandRequest => stage::RaiseHandResponse;
    lower_hand stage::LowerHandRequest => stage::LowerHandResponse;
    lower_all_hands stage::LowerAllHandsRequest => stage::LowerAllHandsResponse;
    invite stage::InviteRequest => stage::InviteResponse;
    withdraw_invitation stage::WithdrawInvitationRequest => stage::WithdrawInvitationResponse;
    respond_to_invitation stage::RespondToInvitationRequest => stage::RespondToInvitationResponse;
    leave_stage stage::LeaveStageRequest => stage::LeaveStageResponse;
    set_mic stage::SetMicRequest => stage::SetMicResponse;
    mute_all stage::MuteAllRequest => stage::MuteAllResponse;
}

#[tonic::async_trait]
impl NotifierService for Reception {
    type SubscribeStream = ReceiverStream<Result<SubscribeResponse, Status>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        match self.receive("subscribe", request).await {
            Answer::Stream(frames) => Ok(Response::new(ReceiverStream::new(frames))),
            Answer::Refusal(status) => Err(status),
            Answer::Message(_) | Answer::Watch(_) => panic!("subscribe is another stream"),
        }
    }
}

#[tonic::async_trait]
impl MediaService for Reception {
    type WatchSpeakersStream = ReceiverStream<Result<WatchSpeakersResponse, Status>>;

    async fn create_session(
        &self,
        request: Request<CreateSessionRequest>,
    ) -> Result<Response<CreateSessionResponse>, Status> {
        self.unary("create_session", request).await
    }

    async fn end_session(
        &self,
        request: Request<EndSessionRequest>,
    ) -> Result<Response<EndSessionResponse>, Status> {
        self.unary("end_session", request).await
    }

    async fn get_room_media(
        &self,
        request: Request<GetRoomMediaRequest>,
    ) -> Result<Response<GetRoomMediaResponse>, Status> {
        self.unary("get_room_media", request).await
    }

    async fn watch_speakers(
        &self,
        request: Request<WatchSpeakersRequest>,
    ) -> Result<Response<Self::WatchSpeakersStream>, Status> {
        match self.receive("watch_speakers", request).await {
            Answer::Watch(updates) => Ok(Response::new(ReceiverStream::new(updates))),
            Answer::Refusal(status) => Err(status),
            Answer::Message(_) | Answer::Stream(_) => panic!("watch_speakers is another stream"),
        }
    }
}
