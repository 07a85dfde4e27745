//! LiveKit's webhooks: each is checked, and at the most a reason to look at a room. So one that is late, or comes
//! twice, does no harm, and one that never comes is made up for by the next look.

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    routing::post,
};

use super::{LiveKit, keys::now, meters, wire::Webhook};

/// The most that a webhook may have, in bytes.
const MOST: usize = 64 * 1024;

/// Takes webhooks at `/livekit/webhook`.
pub(super) fn router(livekit: LiveKit) -> Router {
    let limit = DefaultBodyLimit::max(MOST);
    Router::new().route("/livekit/webhook", post(take)).layer(limit).with_state(livekit)
}

async fn take(State(livekit): State<LiveKit>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let authorization = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !livekit.keys().are_of_webhook(authorization, &body, now()) {
        meters::webhook("forged");
        tracing::debug!("a webhook that isn't livekit's");
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(webhook) = serde_json::from_slice::<Webhook>(&body) else {
        meters::webhook("unread");
        tracing::warn!("a webhook of livekit's that can't be read");
        return StatusCode::BAD_REQUEST;
    };
    meters::webhook("taken");
    tracing::debug!(event = webhook.event, room = webhook.room(), "webhook");
    livekit.told(webhook);
    StatusCode::OK
}
