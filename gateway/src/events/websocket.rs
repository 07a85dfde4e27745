//! An event stream as text frames of a WebSocket (RFC 6455), on the path of the server-sent events.
//!
//! Each frame is `{"id","event","data"}`, its members those of a server-sent event, `data` being JSON itself;
//! a frame without `id` has none to resume from. Besides the documented events there are
//! `keep_alive`, which brings an `id` alone, and `retry`, before an end that is worth coming back from:
//! `{"after"}`, in milliseconds. What a client sends is passed over.
//!
//! The close code says whether to come back, with the last `id` as `last_event_id`:
//!
//! | code | why | come back |
//! | --- | --- | --- |
//! | 1000 | the stream is over, for the reason given: `left`, `room_closed` and the like | no |
//! | 1012 | the gateway or the notifier is going away, or the stream was lost | after what `retry` said |
//! | 1013 | the client doesn't keep up, or a service is away | after some seconds |
//! | 4000 + n | a service refused with return code 80000 + n | no |
//!
//! After any other end, as of a lost connection, a client comes back. Who says not at all who it is, or with a ticket or
//! a cookie that isn't good, is not upgraded, and answered as any other call is.

use std::{fmt::Display, future::Future, time::Duration};

use axum::{
    extract::{
        FromRequestParts,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocketUpgrade, close_code},
    },
    response::Response,
};
use futures::{Sink, SinkExt, Stream, StreamExt};
use gochat_chassis::request::RequestId;
use http::{HeaderMap, HeaderValue, header::UPGRADE, request::Parts};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::frame::{Content, Frame};
use crate::{
    error::{Failure, ReturnCode},
    identity::{BEARER_PROTOCOL, protocols},
    json::Answer,
};

/// The subprotocol of these frames, for who offers it beside the one with its token.
const PROTOCOL: &str = "gochat.events";
/// A ping is sent after so long without a frame, so that proxies keep the connection.
const PING: Duration = Duration::from_secs(12);
/// Who was not heard for so long answers no ping: the connection is lost.
const SILENCE: Duration = Duration::from_secs(40);
/// How long a frame may wait for the client to read those before it.
const SLOW: Duration = Duration::from_secs(5);
/// The longest message of a client that is read, to be passed over, in bytes.
const MESSAGE_LIMIT: usize = 4096;
/// What is buffered for a client before the socket is written to, and at most, in bytes. A snapshot of a
/// thousand members is about 300 KiB.
const BUFFER: usize = 16 * 1024;
const BUFFER_LIMIT: usize = 4 * 1024 * 1024;
/// The longest reason of a close, in bytes.
const REASON_LIMIT: usize = 123;
/// Return codes begin here; close codes that are free for all to use begin at 4000.
const FIRST_CODE: u32 = 80_000;
const FIRST_CLOSE_CODE: u16 = 4000;

/// A request's wish to become a WebSocket, if it has one. One that isn't well formed is refused.
pub(crate) struct Upgrade(pub(crate) Option<WebSocketUpgrade>);

impl<S: Send + Sync> FromRequestParts<S> for Upgrade {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        if !asks_to_upgrade(&parts.headers) {
            return Ok(Self(None));
        }
        let protocol = selected_protocol(&parts.headers);
        let upgrade = WebSocketUpgrade::from_request_parts(parts, state).await;
        let mut upgrade =
            upgrade.map_err(|refused| Failure::transport(refused.status(), refused.body_text()))?;
        if let Some(protocol) = protocol {
            upgrade.set_selected_protocol(protocol);
        }
        Ok(Self(Some(upgrade)))
    }
}

fn asks_to_upgrade(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Of the protocols offered, ours, or else the one with the token: a browser that offers any gives up where none is selected.
fn selected_protocol(headers: &HeaderMap) -> Option<HeaderValue> {
    let ours = protocols(headers).find(|name| *name == PROTOCOL);
    let name = ours.or_else(|| protocols(headers).find(|name| name.starts_with(BEARER_PROTOCOL)))?;
    HeaderValue::from_str(name).ok()
}

/// Upgrades, and then tells the frames, or why there are none.
pub(crate) fn answer<F>(
    upgrade: WebSocketUpgrade,
    sockets: &TaskTracker,
    coming: impl Future<Output = Answer<F>> + Send + 'static,
) -> Response
where
    F: Stream<Item = Frame> + Send + 'static,
{
    let (token, id) = (sockets.token(), RequestId::current());
    let upgrade = upgrade
        .max_message_size(MESSAGE_LIMIT)
        .max_frame_size(MESSAGE_LIMIT)
        .write_buffer_size(BUFFER)
        .max_write_buffer_size(BUFFER_LIMIT)
        .on_failed_upgrade(|error| tracing::debug!(%error, "not upgraded to a websocket"));
    let here = tracing::Span::current();
    upgrade.on_upgrade(|socket| async move {
        let _counted = token;
        let conversing = async move {
            match coming.await {
                Ok(frames) => converse(socket, frames).await,
                Err(failure) => part(&mut { socket }, refusal(&failure)).await,
            }
        };
        let conversing = conversing.instrument(here);
        match id {
            Some(id) => id.scope(conversing).await,
            None => conversing.await,
        }
    })
}

/// Tells the frames until they or the client end, and keeps the connection alive meanwhile.
async fn converse<S, E>(mut socket: S, frames: impl Stream<Item = Frame>)
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
    E: Display,
{
    let mut frames = std::pin::pin!(frames);
    let (mut heard, mut told) = (Instant::now(), Instant::now());
    loop {
        let message = tokio::select! {
            came = socket.next() => match came {
                // The answer to a close goes out with the end of the socket.
                Some(Ok(Message::Close(_))) => break part(&mut socket, None).await,
                Some(Ok(_)) => {
                    heard = Instant::now();
                    continue;
                }
                Some(Err(error)) => return tracing::debug!(%error, "websocket lost"),
                None => return,
            },
            frame = frames.next() => match frame {
                Some(frame) => {
                    let text = frame.to_json().map(Message::text);
                    if let Some(close) = farewell(&frame.content) {
                        if let Some(text) = text {
                            send(&mut socket, text).await;
                        }
                        break part(&mut socket, Some(close)).await;
                    }
                    text.unwrap_or_else(ping)
                }
                None => break part(&mut socket, close(close_code::AGAIN, "the client does not keep up")).await,
            },
            () = sleep_until(told + PING) => {
                if heard.elapsed() >= SILENCE {
                    return tracing::info!("event stream ended: the client is silent");
                }
                ping()
            }
        };
        if !send(&mut socket, message).await {
            return;
        }
        told = Instant::now();
    }
}

fn ping() -> Message {
    Message::Ping(Vec::new().into())
}

/// Whether the client takes a message in time.
async fn send<S: Sink<Message, Error: Display> + Unpin>(socket: &mut S, message: Message) -> bool {
    match timeout(SLOW, socket.send(message)).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(%error, "websocket lost");
            false
        }
        Err(_) => {
            tracing::info!("event stream ended: the client does not keep up");
            false
        }
    }
}

/// Closes, for that reason or because the client did, and waits a while for the client to have read that.
async fn part<S, E>(socket: &mut S, close: Option<CloseFrame>)
where
    S: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
    E: Display,
{
    if let Some(close) = close
        && !send(socket, Message::Close(Some(close))).await
    {
        return;
    }
    let gone = async { while let Some(Ok(_)) = socket.next().await {} };
    if timeout(SLOW, gone).await.is_err() {
        tracing::debug!("a closed websocket is cut");
    }
}

fn close(code: u16, reason: &'static str) -> Option<CloseFrame> {
    Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
}

/// What a stream is closed with after its last frame.
fn farewell(content: &Content) -> Option<CloseFrame> {
    match content {
        Content::Retry(_) => close(close_code::RESTART, "come back"),
        Content::Over(reason) => close(close_code::NORMAL, reason),
        Content::Notification(..) | Content::KeepAlive => None,
    }
}

/// What a stream that was refused is closed with.
fn refusal(failure: &Failure) -> Option<CloseFrame> {
    let over = (failure.code as u32).checked_sub(FIRST_CODE).and_then(|number| u16::try_from(number).ok());
    match (failure.code, over) {
        (ReturnCode::Fault, _) | (_, None) => close(close_code::AGAIN, "try again"),
        (_, Some(number)) => {
            Some(CloseFrame { code: FIRST_CLOSE_CODE + number, reason: reason(failure.message()) })
        }
    }
}

/// So much of a text as a close has room for.
fn reason(text: &str) -> Utf8Bytes {
    let end = (0..=text.len().min(REASON_LIMIT)).rfind(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or_default().into()
}

#[cfg(test)]
mod tests;
