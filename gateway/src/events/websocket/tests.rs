//! Conversations over a socket in memory, by a clock that stands still.

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{FutureExt, channel::mpsc, stream};

use super::*;

/// One end of a socket: what the client sends, and what it is sent.
struct Socket {
    from_client: mpsc::Receiver<Result<Message, Infallible>>,
    to_client: mpsc::Sender<Message>,
}

/// The other end.
struct Client {
    sends: mpsc::Sender<Result<Message, Infallible>>,
    reads: mpsc::Receiver<Message>,
}

/// Both ends; the client's holds so many messages unread, and one more.
fn socket(unread: usize) -> (Socket, Client) {
    let (sends, from_client) = mpsc::channel(8);
    let (to_client, reads) = mpsc::channel(unread);
    (Socket { from_client, to_client }, Client { sends, reads })
}

impl Stream for Socket {
    type Item = Result<Message, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.from_client.poll_next_unpin(cx)
    }
}

/// Who doesn't read any more takes everything and forgets it.
impl Sink<Message> for Socket {
    type Error = Infallible;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.to_client.poll_ready_unpin(cx).map(|_| Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Infallible> {
        let _ = self.to_client.start_send_unpin(message);
        Ok(())
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }
}

fn closes(code: u16, reason: &'static str) -> Message {
    Message::Close(close(code, reason))
}

fn notification() -> Frame {
    Frame::notification(super::super::frame::Kind::RoomExtraInfo, &serde_json::json!({ "cmd": 6006 }))
}

#[tokio::test(start_paused = true)]
async fn a_socket_without_events_is_kept_open_as_long_as_the_client_answers() {
    let (socket, mut client) = socket(8);
    let began = Instant::now();
    let pings = async {
        for number in 1..=10_u32 {
            assert_eq!(client.reads.next().await, Some(ping()));
            assert!(began.elapsed() <= number * Duration::from_secs(15));
            client.sends.send(Ok(Message::Pong(vec![].into()))).await.unwrap();
        }
        Instant::now()
    };
    let conversing = converse(socket, stream::pending());
    let (answered, ended) = tokio::join!(pings, async {
        conversing.await;
        Instant::now()
    });
    assert_eq!(ended - answered, PING * 4, "the first ping after so long a silence is not sent");
    assert!(PING * 4 >= SILENCE && PING * 3 < SILENCE);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_given_up() {
    let (socket, _client) = socket(4);
    let began = Instant::now();
    converse(socket, stream::repeat_with(notification)).await;
    assert_eq!(began.elapsed(), SLOW);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_relay_is_for_a_client_that_falls_behind() {
    let (socket, mut client) = socket(4);
    converse(socket, stream::iter([notification()])).await;
    assert_eq!(client.reads.next().await, notification().to_json().map(Message::text));
    assert_eq!(client.reads.next().await, Some(closes(1013, "the client does not keep up")));
}

#[tokio::test(start_paused = true)]
async fn a_close_says_whether_to_come_back() {
    let retry = Frame::new(Content::Retry(Duration::from_millis(700)));
    let over = Frame::new(Content::Over("room_closed"));
    for (last, said, close) in [
        (retry, Some(r#"{"event":"retry","data":{"after":700}}"#), closes(1012, "come back")),
        (over, None, closes(1000, "room_closed")),
    ] {
        let (socket, client) = socket(4);
        converse(socket, stream::iter([last]).chain(stream::pending())).await;
        let expected = said.map(Message::text).into_iter().chain([close]);
        assert_eq!(client.reads.collect::<Vec<_>>().await, expected.collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_is_let_go() {
    let (socket, mut client) = socket(4);
    client.sends.send(Ok(Message::text("whatever"))).await.unwrap();
    client.sends.send(Ok(Message::Close(None))).await.unwrap();
    let mut conversing = std::pin::pin!(converse(socket, stream::pending()));
    poll_fn(|cx| Poll::Ready(conversing.as_mut().poll(cx).is_pending())).await;
    drop(client.sends);
    assert_eq!(conversing.now_or_never(), Some(()));
}

#[test]
fn refusals_have_codes_of_their_own() {
    let close = |code, message: &str| refusal(&Failure::new(code, message)).unwrap();
    let told = close(ReturnCode::NotInRoom, "not in the room");
    assert_eq!((told.code, told.reason.as_str()), (4011, "not in the room"));
    assert_eq!(close(ReturnCode::RoomNotFound, "").code, 4002);
    assert_eq!(close(ReturnCode::NotLoggedIn, "").code, 4012);
    assert_eq!(close(ReturnCode::Fault, "internal fault").code, 1013);
    let long = close(ReturnCode::BadParameter, &"é".repeat(100)).reason;
    assert_eq!(long.as_str(), "é".repeat(61), "a close has room for 123 bytes");
}

#[test]
fn ours_is_selected_before_the_one_with_the_token() {
    let selected = |offered: &'static str| {
        let headers = [("sec-websocket-protocol", offered)];
        let headers = headers
            .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
        selected_protocol(&headers.into_iter().collect())
    };
    assert_eq!(selected("gochat.bearer.t, gochat.events").unwrap(), "gochat.events");
    assert_eq!(selected("other, gochat.bearer.t").unwrap(), "gochat.bearer.t");
    assert_eq!(selected("other"), None);
}
