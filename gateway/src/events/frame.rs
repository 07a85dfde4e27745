//! What an event stream is made of, and how it is written: as server-sent events, and as JSON.

use std::{sync::Arc, time::Duration};

use axum::response::sse;
use gochat_proto::model::Place;
use serde_json::Value;

use super::held::Held;

/// One frame of a stream.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    /// Where the stream has come to with this frame: who resumes from here misses nothing
    /// and is told nothing twice. None where something of the same place is still to come.
    pub(crate) place: Option<Place>,
    /// Whether the stream leaves listeners out.
    pub(crate) only_stage: bool,
    pub(crate) content: Content,
}

/// What a frame says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// Something for the client, as JSON on one line: `{"cmd","data"}`, but of who speaks. Shared by all who are told the same.
    Notification(Kind, Arc<str>),
    /// The stream is alive.
    KeepAlive,
    /// The stream ends; come back after so long.
    Retry(Duration),
    /// The stream ends, and there is nothing to come back to, in a word.
    Over(&'static str),
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
    /// Everybody who follows the room: who speaks in it.
    Media,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::RoomExtraInfo => "room_extra_info",
            Self::CustomCommand => "custom_command",
            Self::Snapshot => "snapshot",
            Self::Media => "media",
        }
    }
}

impl Frame {
    pub(crate) fn new(content: Content) -> Self {
        Self { place: None, only_stage: false, content }
    }

    pub(crate) fn notification(kind: Kind, data: &Value) -> Self {
        Self::new(Content::Notification(kind, data.to_string().into()))
    }

    pub(crate) fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// Says to come back in half a second to three: it is seldom the only stream to end.
    pub(crate) fn away() -> Self {
        Self::new(Content::Retry(Duration::from_millis(rand::random_range(500..=3000))))
    }

    /// What a client that holds this frame resumes from.
    fn id(&self) -> Option<String> {
        self.place.map(|place| Held::at(place, self.only_stage).to_string())
    }

    /// As a server-sent event. A block without data is not shown to the page, but its id
    /// is what the browser resumes from. That there is nothing to come back to is not said: a browser
    /// comes back whatever it is told, and then learns why not.
    pub(crate) fn into_sse(self) -> Option<sse::Event> {
        let id = self.id();
        let event = match self.content {
            Content::Notification(kind, data) => sse::Event::default().event(kind.name()).data(data),
            Content::KeepAlive => sse::Event::default().comment("keep-alive"),
            Content::Retry(after) => sse::Event::default().retry(after),
            Content::Over(_) => return None,
        };
        Some(match id {
            Some(id) => event.id(id),
            None => event,
        })
    }

    /// As JSON: `{"id","event","data"}`, without `id` where there is none. None where there is nothing that a
    /// client would read or resume from.
    pub(crate) fn to_json(&self) -> Option<String> {
        let id = self.id().map(|id| format!(r#""id":"{id}","#)).unwrap_or_default();
        match &self.content {
            Content::Notification(kind, data) => {
                Some(format!(r#"{{{id}"event":"{}","data":{data}}}"#, kind.name()))
            }
            Content::KeepAlive if !id.is_empty() => {
                Some(format!(r#"{{{id}"event":"keep_alive","data":{{}}}}"#))
            }
            Content::Retry(after) => {
                Some(format!(r#"{{{id}"event":"retry","data":{{"after":{}}}}}"#, after.as_millis()))
            }
            Content::KeepAlive | Content::Over(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PLACE: Option<Place> = Some(Place { revision: 4, tag: 10 });

    #[test]
    fn frames_as_json() {
        let told = |frame: Frame| frame.to_json();
        let notification = Frame::notification(Kind::CustomCommand, &json!({ "cmd": 6004, "data": {} }));
        let expected = r#"{"event":"custom_command","data":{"cmd":6004,"data":{}}}"#;
        assert_eq!(told(notification.clone()).as_deref(), Some(expected));
        let expected =
            r#"{"id":"4-000000000000000a","event":"custom_command","data":{"cmd":6004,"data":{}}}"#;
        assert_eq!(told(notification.at(PLACE)).as_deref(), Some(expected));
        let alive = Frame::new(Content::KeepAlive);
        assert_eq!(told(alive.clone()), None);
        let expected = r#"{"id":"4-000000000000000as","event":"keep_alive","data":{}}"#;
        assert_eq!(told(Frame { only_stage: true, ..alive.at(PLACE) }).as_deref(), Some(expected));
        let retry = Frame::new(Content::Retry(Duration::from_millis(1500)));
        assert_eq!(told(retry).as_deref(), Some(r#"{"event":"retry","data":{"after":1500}}"#));
        assert_eq!(told(Frame::new(Content::Over("left"))), None);
    }
}
