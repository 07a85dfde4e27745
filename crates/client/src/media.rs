//! Calls about a room's voice: an SDP offer in, the answer out. The application brings its own WebRTC stack.

mod nodes;
#[cfg(test)]
mod tests;

use std::fmt;

use gochat_proto::media::{
    self, CreateSessionRequest, EndSessionRequest, GetRoomMediaRequest,
    create_session_response::Result as Created,
};

use crate::{Error, Service, Session, SpeakerFeed, caller::Caller};
pub(crate) use nodes::{Client, Nodes, astray};

/// A member's media, opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenedMedia {
    /// Where the media service carries the sound itself.
    Session(MediaSession),
    /// Where a provider does: what its software asks for.
    Provider(MediaProvider),
}

/// A session of the media service's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSession {
    /// For [`Session::end_media`].
    pub session_id: String,
    /// The answer to the offer (SDP). All candidates are in it.
    pub answer_sdp: String,
    /// The offer's receiving lines by mid, in order: what has slot 0 is heard on the first.
    pub slots: Vec<String>,
}

/// Admission to a provider's own media servers.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaProvider {
    /// `livekit`.
    pub kind: String,
    /// Of its servers.
    pub url: String,
    /// Lets nobody be heard by itself; a secret of its user's.
    pub token: String,
    /// In Unix milliseconds.
    pub expires_at: i64,
}

impl fmt::Debug for MediaProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaProvider")
            .field("kind", &self.kind)
            .field("url", &self.url)
            .field("token", &"<redacted>")
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

/// Where and how a room's media is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomMedia {
    /// `embedded` or `livekit`.
    pub engine: String,
    /// How many speakers can be heard at once: the receiving lines that an offer should have.
    pub slots: u32,
    /// For the WebRTC stack.
    pub ice_servers: Vec<IceServer>,
    /// Of this room, where its media is.
    pub sessions: u32,
}

/// As `RTCIceServer` of WebRTC.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:` and `turn:` addresses.
    pub urls: Vec<String>,
    /// Empty where none is needed.
    pub username: String,
    /// Good for a while only; empty where none is needed.
    pub credential: String,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &self.username)
            .field("credential", &"<redacted>")
            .finish()
    }
}

impl From<media::IceServer> for IceServer {
    fn from(media::IceServer { urls, username, credential }: media::IceServer) -> Self {
        Self { urls, username, credential }
    }
}

impl Session {
    /// Opens the user's media in the room that it is in; what it has there already ends. `offer_sdp` has one audio
    /// line to send and [`RoomMedia::slots`] to receive, at most 64 KiB; it is empty where a provider's token is asked for.
    /// Whether the user is heard is the stage's to say, and its microphone's: nothing more is called for that.
    /// Refusals: `RoomNotFound`, `NotInRoom`, `TooMany`; `InvalidArgument` for an offer that can't be answered.
    pub async fn open_media(&self, room_id: &str, offer_sdp: &str) -> Result<OpenedMedia, Error> {
        let question = CreateSessionRequest { room_id: room_id.to_owned(), offer_sdp: offer_sdp.to_owned() };
        let asked = self
            .caller
            .ask_media(question, |mut node, request| async move { node.create_session(request).await });
        match asked.await?.result {
            Some(Created::Session(media::Session { session_id, answer_sdp, slots })) => {
                Ok(OpenedMedia::Session(MediaSession { session_id, answer_sdp, slots }))
            }
            Some(Created::Provider(media::Provider { kind, url, token, expires_at })) => {
                Ok(OpenedMedia::Provider(MediaProvider { kind, url, token, expires_at }))
            }
            Some(Created::Elsewhere(_)) | None => Err(Error::Malformed("media that is nowhere")),
        }
    }

    /// Ends a session of the user's; nothing to do where it is over.
    pub async fn end_media(&self, room_id: &str, session_id: &str) -> Result<(), Error> {
        let question = EndSessionRequest { room_id: room_id.to_owned(), session_id: session_id.to_owned() };
        let asked = self
            .caller
            .ask_media(question, |mut node, request| async move { node.end_session(request).await });
        asked.await.map(drop)
    }

    /// How a room's media is, before anything is opened. Refusals: `RoomNotFound`, `NotInRoom`.
    pub async fn room_media(&self, room_id: &str) -> Result<RoomMedia, Error> {
        self.caller.room_media(room_id).await
    }

    /// Follows who speaks in a room that the user is in. Nothing is asked of the server before the first
    /// [`SpeakerFeed::next`].
    pub fn watch_speakers(&self, room_id: &str) -> SpeakerFeed {
        SpeakerFeed::new(self.caller.clone(), room_id)
    }
}

impl Service {
    /// As [`Session::room_media`].
    pub async fn room_media(&self, room_id: &str) -> Result<RoomMedia, Error> {
        self.caller.room_media(room_id).await
    }

    /// Follows who speaks in a room, without being in it.
    pub fn watch_speakers(&self, room_id: &str) -> SpeakerFeed {
        SpeakerFeed::new(self.caller.clone(), room_id)
    }
}

impl Caller {
    async fn room_media(&self, room_id: &str) -> Result<RoomMedia, Error> {
        let question = GetRoomMediaRequest { room_id: room_id.to_owned() };
        let asked =
            self.ask_media(question, |mut node, request| async move { node.get_room_media(request).await });
        let answer = asked.await?;
        Ok(RoomMedia {
            engine: answer.engine,
            slots: answer.slots,
            ice_servers: answer.ice_servers.into_iter().map(IceServer::from).collect(),
            sessions: answer.sessions,
        })
    }
}
