//! `GET /chat_room/events`: what happens in a room, as server-sent events or over a WebSocket.

mod feed;
mod frame;
mod held;
mod notify;
mod relay;
mod session;
mod speakers;
#[cfg(test)]
mod tests;
mod translations;
mod websocket;

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{FromRequestParts, Query, State},
    response::{IntoResponse, Response, Sse, sse::KeepAlive},
};
use futures::{Stream, StreamExt, stream};
use http::{HeaderName, request::Parts};
use serde::Deserialize;
use tokio_util::task::TaskTracker;

use crate::{
    Gateway,
    caller::Caller,
    error::{Failure, ReturnCode},
    json::Answer,
    rate::Who,
};
use feed::Follower;
use frame::Frame;
pub(crate) use held::Held;
pub(crate) use speakers::Speakers;
use translations::Translations;
use websocket::Upgrade;

/// A comment is sent after so long without an event, so that proxies keep the stream open.
const COMMENT: Duration = Duration::from_secs(12);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and those that follow it, to pass events on as they come.
const UNBUFFERED: (&str, &str) = ("x-accel-buffering", "no");

/// What all streams of a gateway share. Clones are one and the same.
#[derive(Clone)]
pub(crate) struct Streams {
    translations: Translations,
    speakers: Speakers,
    /// Connections that the server no longer counts among its own.
    sockets: TaskTracker,
}

impl Streams {
    /// Streams that tell of these speakers.
    pub(crate) fn of(speakers: Speakers) -> Self {
        Self { translations: Translations::default(), speakers, sockets: TaskTracker::new() }
    }

    /// Returns once every WebSocket is closed. The server ends before, if it must.
    pub(crate) async fn ended(self) {
        self.sockets.close();
        self.sockets.wait().await;
    }
}

/// A request to follow a room.
#[derive(Debug)]
pub(crate) struct Watch {
    caller: Caller,
    room_id: String,
    held: Held,
}

#[derive(Deserialize)]
struct WatchQuery {
    room_id: String,
    uid: Option<i64>,
    ticket: Option<String>,
    #[serde(default)]
    last_event_id: String,
}

impl FromRequestParts<Gateway> for Watch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Failure> {
        let Query(query) = Query::<WatchQuery>::try_from_uri(&parts.uri)
            .map_err(|refused| Failure::new(ReturnCode::BadParameter, refused.body_text()))?;
        let caller = gateway.policy.watcher(&parts.headers, query.ticket.as_deref(), query.uid)?;
        gateway.rates.admit(parts.uri.path(), &Who::of(&caller))?;
        let caller = caller.admit(&gateway.upstreams.here()).await?;
        // A browser that reconnects sends what it saw last with the address it began with.
        let last_seen =
            parts.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
        let held = Held::read(last_seen.unwrap_or(&query.last_event_id));
        Ok(Self { caller, room_id: query.room_id, held })
    }
}

pub(crate) async fn events(
    State(gateway): State<Gateway>,
    Upgrade(upgrade): Upgrade,
    watch: Watch,
) -> Answer<Response> {
    match upgrade {
        Some(upgrade) => {
            Ok(websocket::answer(upgrade, &gateway.streams.sockets, frames(gateway.clone(), watch)))
        }
        None => Ok(sse(frames(gateway, watch).await?)),
    }
}

/// The frames of a stream, up to its end. Fails with what the services refuse.
async fn frames(gateway: Gateway, watch: Watch) -> Answer<impl Stream<Item = Frame> + Send + 'static> {
    if gateway.shutdown.is_triggered() {
        return Ok(stream::iter([Frame::away()]).left_stream());
    }
    let Watch { caller, room_id, held } = watch;
    let (upstreams, resumed) = (gateway.upstreams.here(), !held.is_empty());
    let follower = Follower { upstreams: upstreams.clone(), caller, room_id: room_id.clone() };
    let feed = follower.follow(held, gateway.streams.translations.clone()).await?;
    let media = gateway.streams.speakers.in_room(&room_id, upstreams.media());
    let frames = relay::relayed(feed.into_frames(), room_id, gateway.shutdown.clone());
    Ok(speakers::beside(frames, media, resumed).right_stream())
}

fn sse(frames: impl Stream<Item = Frame> + Send + 'static) -> Response {
    let events = frames.filter_map(async |frame| frame.into_sse().map(Ok::<_, Infallible>));
    let alive = KeepAlive::new().interval(COMMENT).text("keep-alive");
    ([UNBUFFERED], Sse::new(events).keep_alive(alive)).into_response()
}

#[cfg(test)]
mod keep_alive {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_without_events_is_kept_open() {
        let began = tokio::time::Instant::now();
        let mut body = sse(stream::pending()).into_body().into_data_stream();
        for _ in 0..3 {
            assert_eq!(body.next().await.unwrap().unwrap(), ": keep-alive\n\n");
        }
        assert!(began.elapsed() <= 3 * Duration::from_secs(15));
    }
}
