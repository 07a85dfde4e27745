//! `GET /chat_room/events`: what happens in a room, as server-sent events.

mod feed;
mod frame;
mod notify;
mod relay;
mod session;
#[cfg(test)]
mod tests;

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::{FromRequestParts, Query, State},
    response::{IntoResponse, Response, Sse, sse::KeepAlive},
};
use futures::{Stream, StreamExt, stream};
use http::{HeaderName, request::Parts};
use serde::Deserialize;

use crate::{
    Gateway,
    caller::Caller,
    error::{Failure, ReturnCode},
    json::Answer,
};
use feed::Follower;
use frame::Frame;

/// A comment is sent after so long without an event, so that proxies keep the stream open.
const COMMENT: Duration = Duration::from_secs(12);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells nginx, and those that follow it, to pass events on as they come.
const UNBUFFERED: (&str, &str) = ("x-accel-buffering", "no");

/// A request to follow a room.
#[derive(Debug)]
pub(crate) struct Watch {
    caller: Caller,
    room_id: String,
    resume_token: String,
}

#[derive(Deserialize)]
struct WatchQuery {
    room_id: String,
    uid: Option<i64>,
    #[serde(default)]
    last_event_id: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Watch {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Failure> {
        let Query(query) = Query::<WatchQuery>::try_from_uri(&parts.uri)
            .map_err(|refused| Failure::new(ReturnCode::BadParameter, refused.body_text()))?;
        let caller = Caller::identified(&parts.headers, query.uid)?;
        // A browser that reconnects sends what it saw last with the address it began with.
        let last_seen =
            parts.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
        let resume_token = last_seen.map_or(query.last_event_id, str::to_owned);
        Ok(Self { caller, room_id: query.room_id, resume_token })
    }
}

pub(crate) async fn events(State(gateway): State<Gateway>, watch: Watch) -> Answer<Response> {
    let Gateway { upstreams, shutdown } = gateway;
    if shutdown.is_triggered() {
        return Ok(sse(stream::iter([Frame::away()])));
    }
    let Watch { caller, room_id, resume_token } = watch;
    let follower = Follower { upstreams, caller, room_id: room_id.clone() };
    let feed = follower.follow(resume_token).await?;
    Ok(sse(relay::relayed(feed.into_frames(), room_id, shutdown)))
}

fn sse(frames: impl Stream<Item = Frame> + Send + 'static) -> Response {
    let events = frames.map(|frame| Ok::<_, Infallible>(frame.into_sse()));
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
