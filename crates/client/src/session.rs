//! A logged-in user, and the calls about being one.

use std::{fmt, sync::Arc, time::Duration};

use gochat_proto::{
    account::{GetMediaTokenRequest, HeartbeatRequest, LoginRequest, LogoutRequest},
    model::Place,
};

use crate::{
    Error, Subscription,
    caller::{Caller, call, request_id},
    stay::Stay,
};

/// Somebody who is logged in, or whom a service acts for. Cheap to clone; clones
/// are the same user at the same client.
#[derive(Clone, Debug)]
pub struct Session {
    pub(crate) caller: Caller,
    pub(crate) stay: Arc<Stay>,
    identity: Arc<Identity>,
}

#[derive(Debug)]
struct Identity {
    uid: u32,
    nick_name: String,
    avatar: String,
    token: Option<Token>,
    /// Tells this client from the user's others.
    client_id: String,
}

/// Says who somebody is to whoever reads it, so it is never printed.
struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// What a heartbeat was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// When the next one is due.
    pub interval: Duration,
    /// The room that the user is in.
    pub room_id: Option<String>,
    /// The revision that last changed who is in that room.
    pub roster_revision: u64,
    /// Where that room stands.
    pub place: Option<Place>,
}

/// What the media provider's SDK wants.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaToken {
    /// Opaque here; a secret of its user's.
    pub token: String,
    /// In Unix milliseconds.
    pub expires_at: i64,
}

impl fmt::Debug for MediaToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaToken")
            .field("token", &"<redacted>")
            .field("expires_at", &self.expires_at)
            .finish()
    }
}

impl Session {
    /// Asked once: where no answer came, whether the name was taken is unknown.
    pub(crate) async fn open(caller: &Caller, request: LoginRequest) -> Result<Self, Error> {
        let answer = call!(caller, once account.login(request), within None).await?;
        let caller = caller.with_token(&answer.token)?;
        let identity = Identity {
            uid: answer.uid,
            nick_name: answer.nick_name,
            avatar: answer.avatar,
            token: Some(Token(answer.token)),
            client_id: request_id(),
        };
        Ok(Self { caller, stay: Arc::default(), identity: Arc::new(identity) })
    }

    pub(crate) fn acting(caller: Caller, uid: u32) -> Self {
        let identity = Identity {
            uid,
            nick_name: String::new(),
            avatar: String::new(),
            token: None,
            client_id: request_id(),
        };
        Self { caller, stay: Arc::default(), identity: Arc::new(identity) }
    }

    /// The user's id.
    pub fn uid(&self) -> u32 {
        self.identity.uid
    }

    /// The user's name as it was taken; empty where a service acts for the user.
    pub fn nick_name(&self) -> &str {
        &self.identity.nick_name
    }

    /// The user's picture; empty where there is none, or where a service acts.
    pub fn avatar(&self) -> &str {
        &self.identity.avatar
    }

    /// What says who the caller is, for other clients of the same user; `None`
    /// where a service acts for the user.
    pub fn token(&self) -> Option<&str> {
        self.identity.token.as_ref().map(|token| token.0.as_str())
    }

    pub(crate) fn client_id(&self) -> String {
        self.identity.client_id.clone()
    }

    /// Follows a room that the user is in. Nothing is asked of the server before
    /// the first [`Subscription::next`].
    pub fn subscribe(&self, room_id: &str) -> Subscription {
        Subscription::new(self.caller.clone(), room_id)
    }

    /// Says once that the user is still there, and in `room_id` where one is named.
    /// [`Session::keep_alive`] does so again and again.
    /// Refusals: `NotLoggedIn`; where a room is named, `RoomNotFound`, `NotInRoom`.
    pub async fn heartbeat(&self, room_id: Option<&str>) -> Result<Heartbeat, Error> {
        self.heartbeat_within(room_id, None).await
    }

    pub(crate) async fn heartbeat_within(
        &self,
        room_id: Option<&str>,
        within: Option<Duration>,
    ) -> Result<Heartbeat, Error> {
        let request = HeartbeatRequest { room_id: room_id.unwrap_or_default().to_owned() };
        let answer = call!(self.caller, once account.heartbeat(request), within within).await?;
        Ok(Heartbeat {
            interval: Duration::from_millis(answer.interval_ms.into()),
            room_id: Some(answer.room_id).filter(|room_id| !room_id.is_empty()),
            roster_revision: answer.roster_revision,
            place: answer.place,
        })
    }

    /// A token for the media provider, for the room that the user is in (or, where
    /// it is `None`, for the one that the user is in, if any). `ttl` is how long it
    /// should be good for; `None` for the longest allowed.
    pub async fn media_token(
        &self,
        room_id: Option<&str>,
        ttl: Option<Duration>,
    ) -> Result<MediaToken, Error> {
        let request = GetMediaTokenRequest {
            room_id: room_id.unwrap_or_default().to_owned(),
            ttl_ms: ttl.map_or(0, milliseconds),
        };
        let answer = call!(self.caller, repeat account.get_media_token(request)).await?;
        Ok(MediaToken { token: answer.token, expires_at: answer.expires_at })
    }

    /// Ends the session, the stay in a room, and the hold on the nick name.
    pub async fn logout(&self) -> Result<(), Error> {
        let mut moving = self.stay.moving();
        call!(self.caller, once account.logout(LogoutRequest {}), within None).await?;
        moving.departed();
        Ok(())
    }
}

/// A length of time as the contract writes it, at least 1: 0 has a meaning of its own.
pub(crate) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Endpoints};

    #[tokio::test]
    async fn tokens_are_not_printed() {
        let client = Client::connect(&Endpoints::default()).unwrap();
        let service = client.as_service("s3cret").unwrap();
        let acting = service.acting_for(7);
        let user = Session {
            identity: Arc::new(Identity {
                uid: 7,
                nick_name: "ada".into(),
                avatar: String::new(),
                token: Some(Token("s3cret".into())),
                client_id: String::new(),
            }),
            ..acting.clone()
        };
        let media = MediaToken { token: "s3cret".into(), expires_at: 1 };
        let printed = format!("{service:?} {acting:?} {user:?} {media:?}");
        assert!(!printed.contains("s3cret"), "{printed}");
        assert_eq!(user.token(), Some("s3cret"));
        assert_eq!(acting.token(), None);
    }

    #[tokio::test]
    async fn a_token_that_no_header_carries_is_refused() {
        let client = Client::connect(&Endpoints::default()).unwrap();
        assert_eq!(client.as_service("two\nlines").unwrap_err(), Error::Token);
    }

    #[test]
    fn a_short_time_is_not_none() {
        assert_eq!(milliseconds(Duration::ZERO), 1);
        assert_eq!(milliseconds(Duration::from_secs(2)), 2000);
        assert_eq!(milliseconds(Duration::MAX), i64::MAX);
    }
}
