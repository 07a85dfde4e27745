//! LiveKit's access token: a JWT (RFC 7519) signed with HMAC-SHA-256 (RFC 7515) under an API key's secret.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use gochat_domain::Millis;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

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
        self.sign(&self.claims(grant, expires_at))
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

    fn sign(&self, claims: &Value) -> String {
        let header = json!({ "alg": "HS256", "typ": "JWT" });
        let [header, claims] = [&header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = format!("{header}.{claims}");
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.secret.as_bytes())
            .expect("a key of any length makes an HMAC");
        mac.update(signed.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("{signed}.{signature}")
    }
}
