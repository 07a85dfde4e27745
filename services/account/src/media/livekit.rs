//! LiveKit's access token: a JWT under an API key's secret.

use gochat_chassis::jwt;
use gochat_domain::Millis;
use serde_json::{Value, json};

use super::{Grant, seconds};

#[derive(Clone)]
pub(crate) struct Issuer {
    key: String,
    secret: String,
}

impl Issuer {
    pub(super) fn new(key: &str, secret: String) -> Self {
        Self { key: key.to_owned(), secret }
    }

    /// Nobody may publish by the token alone: that is granted and taken back through the provider's API,
    /// while a token only ends. Without a room it admits nowhere.
    pub(super) fn issue(&self, grant: &Grant, expires_at: Millis) -> String {
        jwt::sign(self.secret.as_bytes(), &self.claims(grant, expires_at))
    }

    pub(super) fn claims(&self, grant: &Grant, expires_at: Millis) -> Value {
        let admits = grant.room.is_some();
        json!({
            "exp": seconds(expires_at),
            "iss": self.key,
            "nbf": seconds(grant.issued_at),
            "sub": grant.uid.to_string(),
            "video": {
                "canPublish": false,
                "canPublishData": false,
                "canSubscribe": admits,
                "room": grant.room.map(|room| room.to_string()).unwrap_or_default(),
                "roomJoin": admits,
            },
        })
    }
}
