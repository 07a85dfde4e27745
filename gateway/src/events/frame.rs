//! What an event stream is made of, and how it is written as server-sent events.

use std::time::Duration;

use axum::response::sse;
use gochat_proto::model::Place;
use serde_json::Value;

/// One frame of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// Where the stream has come to with this frame: who resumes from here misses nothing
    /// and is told nothing twice. None where something of the same place is still to come.
    pub(crate) place: Option<Place>,
    pub(crate) content: Content,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Something for the client: `{"cmd","data"}`.
    Notification(Kind, Value),
    /// The stream is alive.
    KeepAlive,
    /// The stream ends; come back after so long.
    Retry(Duration),
}

/// To whom a notification goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Everybody in the room.
    RoomExtraInfo,
    /// One person.
    CustomCommand,
    /// Who has just come, or lost something.
    Snapshot,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::RoomExtraInfo => "room_extra_info",
            Self::CustomCommand => "custom_command",
            Self::Snapshot => "snapshot",
        }
    }
}

impl Frame {
    pub(crate) fn notification(kind: Kind, data: Value) -> Self {
        Self { place: None, content: Content::Notification(kind, data) }
    }

    pub(crate) fn keep_alive(place: Option<Place>) -> Self {
        Self { place, content: Content::KeepAlive }
    }

    pub(crate) fn retry(place: Option<Place>, after: Duration) -> Self {
        Self { place, content: Content::Retry(after) }
    }

    /// Says to come back in half a second to three: it is seldom the only stream to end.
    pub(crate) fn away() -> Self {
        Self::retry(None, Duration::from_millis(rand::random_range(500..=3000)))
    }

    /// As a server-sent event. A block without data is not shown to the page, but its id
    /// is what the browser resumes from.
    pub(crate) fn into_sse(self) -> sse::Event {
        let event = match self.content {
            Content::Notification(kind, data) => {
                sse::Event::default().event(kind.name()).data(data.to_string())
            }
            Content::KeepAlive => sse::Event::default().comment("keep-alive"),
            Content::Retry(after) => sse::Event::default().retry(after),
        };
        match self.place {
            Some(place) => event.id(place.to_token()),
            None => event,
        }
    }
}
