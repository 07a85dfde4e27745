//! The contract by gRPC-Web, framed by hand over plain HTTP/1.1: a call, a refusal, the notifier's stream to its end.

use futures::StreamExt;
use gochat_chassis::Shutdown;
use gochat_proto::{
    account::{LoginRequest, LoginResponse},
    notifier::{SubscribeRequest, SubscribeResponse, subscribe_response::Frame},
    room::{CloseRoomRequest, CreateRoomRequest, CreateRoomResponse, GetRoomRequest},
};
use gochat_suite::{Running, SuiteConfig, start};
use prost::Message;
use reqwest::Response;

use crate::world::soon;

const LOGIN: &str = "account.v1.AccountService/Login";
const CREATE: &str = "room.v1.RoomService/CreateRoom";
const GET: &str = "room.v1.RoomService/GetRoom";
const CLOSE: &str = "room.v1.RoomService/CloseRoom";
const SUBSCRIBE: &str = "notifier.v1.NotifierService/Subscribe";
/// The flag of a frame that holds trailers.
const TRAILERS: u8 = 0x80;

async fn suite() -> Running {
    let config = SuiteConfig::for_tests().unwrap().with_server(|server| server.grpc_web = true);
    start(config, Shutdown::new()).await.unwrap()
}

/// Begins a call: the message behind a flag and four bytes of length.
async fn call(base: &str, method: &str, message: &impl Message, token: &str) -> Response {
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let asks = reqwest::Client::new().post(format!("{base}/gochat.{method}"));
    let asks = asks.header("content-type", "application/grpc-web+proto").bearer_auth(token);
    let answer = soon(method, asks.body([&[0], &length[..], &message].concat()).send()).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.version()), (200, reqwest::Version::HTTP_11));
    answer
}

/// What an answer tells: a message, or at its end how it went.
enum Told<M> {
    Message(M),
    Trailers(String),
}

/// Every frame of an answer, as it comes.
fn told<M: Message + Default>(answer: Response) -> impl futures::Stream<Item = Told<M>> + Unpin {
    let chunks = Box::pin(answer.bytes_stream());
    Box::pin(futures::stream::unfold((chunks, Vec::new()), |(mut chunks, mut came)| async move {
        loop {
            if let Some((flag, length)) = prefix(&came)
                && came.len() >= 5 + length
            {
                let frame: Vec<u8> = came.drain(..5 + length).skip(5).collect();
                let told = match flag {
                    TRAILERS => Told::Trailers(String::from_utf8(frame).unwrap()),
                    _ => Told::Message(M::decode(frame.as_slice()).unwrap()),
                };
                return Some((told, (chunks, came)));
            }
            came.extend(chunks.next().await?.unwrap());
        }
    }))
}

fn prefix(came: &[u8]) -> Option<(u8, usize)> {
    let [flag, length @ ..] = *came.first_chunk::<5>()?;
    Some((flag, u32::from_be_bytes(length) as usize))
}

/// The one message of a call that succeeds.
async fn unary<M: Message + Default>(base: &str, method: &str, message: &impl Message, token: &str) -> M {
    let frames: Vec<Told<M>> = told(call(base, method, message, token).await).collect().await;
    let Ok([Told::Message(message), Told::Trailers(trailers)]) = <[_; 2]>::try_from(frames) else {
        panic!("{method}: not a message and its trailers")
    };
    assert!(trailers.lines().any(|line| line == "grpc-status:0"), "{method}: {trailers}");
    message
}

#[tokio::test]
async fn a_room_is_opened_and_followed_to_its_end_without_http2() {
    let suite = suite().await;
    let at = suite.endpoints();
    let ann = LoginRequest { nick_name: "ann".to_owned(), ..Default::default() };
    let login: LoginResponse = unary(&at.account, LOGIN, &ann, "").await;
    let tea = CreateRoomRequest { subject: "tea".to_owned(), ..Default::default() };
    let created: CreateRoomResponse = unary(&at.room, CREATE, &tea, &login.token).await;
    let room_id = created.room.unwrap().room_id;

    let follow = SubscribeRequest { room_id: room_id.clone(), min: created.place, ..Default::default() };
    let mut frames = told::<SubscribeResponse>(call(&at.notifier, SUBSCRIBE, &follow, &login.token).await);
    let Some(Told::Message(first)) = soon("a snapshot", frames.next()).await else { panic!("no message") };
    let Some(Frame::Snapshot(part)) = first.frame else { panic!("not a snapshot: {first:?}") };
    assert_eq!(part.room.unwrap().room_id, room_id);

    let close = CloseRoomRequest { room_id: room_id.clone(), ..Default::default() };
    let _: gochat_proto::room::CloseRoomResponse = unary(&at.room, CLOSE, &close, &login.token).await;
    let rest: Vec<_> = soon("the end of the stream", frames.collect()).await;
    let Some(Told::Trailers(trailers)) = rest.last() else { panic!("a stream without an end") };
    assert!(trailers.contains("grpc-status:0\r\n"), "{trailers}");
}

#[tokio::test]
async fn a_refusal_says_its_reason() {
    let suite = suite().await;
    let refused = call(&suite.endpoints().room, GET, &GetRoomRequest::default(), "unknown").await;
    assert_eq!(refused.headers()["grpc-status"], "16");
    assert!(refused.headers().contains_key("grpc-status-details-bin"));
    assert!(refused.bytes().await.unwrap().is_empty());
}
