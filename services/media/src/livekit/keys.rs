//! What an API key and its secret are good for: admitting clients, calling the API, and knowing webhooks from forgeries.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD};
use gochat_chassis::jwt;
use gochat_domain::RoomId;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::identity::Identity;

/// How long somebody may take to come in; a token ends of itself no sooner, and is looked at only then.
pub(super) const ADMISSION: Duration = Duration::from_secs(10 * 60);
/// How long an order to the API is good for.
const ORDER: Duration = Duration::from_secs(60);

/// A key and its secret.
pub(super) struct Keys {
    key: String,
    secret: String,
}

impl Keys {
    pub(super) fn new(key: &str, secret: String) -> Self {
        Self { key: key.to_owned(), secret }
    }

    /// A token that admits to a room, and when it ends, in milliseconds since 1970. It lets nobody be heard:
    /// LiveKit looks at it only when somebody connects, so what it allows can't be taken back.
    pub(super) fn admission(&self, room: RoomId, identity: Identity, now: Duration) -> (String, i64) {
        let ends = now + ADMISSION;
        let video = json!({
            "canPublish": false,
            "canPublishData": false,
            "canSubscribe": true,
            "canUpdateOwnMetadata": false,
            "room": room.to_string(),
            "roomJoin": true,
        });
        let token = self.sign(json!({ "sub": identity.to_string(), "video": video }), now, ends);
        (token, i64::try_from(ends.as_millis()).unwrap_or(i64::MAX))
    }

    /// The value of an `authorization` header with these rights at the API.
    pub(super) fn order(&self, video: Value, now: Duration) -> String {
        format!("Bearer {}", self.sign(json!({ "video": video }), now, now + ORDER))
    }

    /// Whether LiveKit sent `body`: the `authorization` that came with it is a token under this key that has the
    /// body's SHA-256.
    pub(super) fn are_of_webhook(&self, authorization: &str, body: &[u8], now: Duration) -> bool {
        let token = authorization.strip_prefix("Bearer ").unwrap_or(authorization);
        let Some(claims) = jwt::verify(self.secret.as_bytes(), token, now) else { return false };
        let sum = BASE64_STANDARD.encode(Sha256::digest(body));
        let said = claims.get("sha256").and_then(Value::as_str).unwrap_or_default();
        claims.get("iss").is_some_and(|key| *key == self.key)
            && bool::from(said.as_bytes().ct_eq(sum.as_bytes()))
    }

    fn sign(&self, mut claims: Value, now: Duration, ends: Duration) -> String {
        claims["iss"] = self.key.as_str().into();
        claims["nbf"] = now.as_secs().into();
        claims["exp"] = ends.as_secs().into();
        jwt::sign(self.secret.as_bytes(), &claims)
    }
}

/// Since 1970, by this machine's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "at the edge: LiveKit lets tokens run out by a clock like this one"
)]
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use gochat_domain::Entry;

    use super::*;
    use crate::engine::Place;

    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    const NOW: Duration = Duration::from_millis(1_700_000_000_500);

    fn keys() -> Keys {
        Keys::new("key", SECRET.to_owned())
    }

    #[test]
    fn a_token_lets_nobody_be_heard_and_ends_soon() {
        let room = RoomId::from_number(5);
        let identity = Identity::draw(Place { room, uid: 7.try_into().unwrap(), entry: Entry(3) });
        let (token, ends) = keys().admission(room, identity, NOW);
        assert_eq!(ends, 1_700_000_600_500);
        let expected = json!({
            "exp": 1_700_000_600,
            "iss": "key",
            "nbf": 1_700_000_000,
            "sub": identity.to_string(),
            "video": {
                "canPublish": false, "canPublishData": false, "canSubscribe": true, "canUpdateOwnMetadata": false,
                "room": "100000005", "roomJoin": true,
            },
        });
        assert_eq!(jwt::verify(SECRET.as_bytes(), &token, NOW), Some(expected));
    }

    #[test]
    fn webhooks_are_told_from_forgeries() {
        let keys = keys();
        let body = br#"{"event":"participant_joined"}"#;
        let sum = BASE64_STANDARD.encode(Sha256::digest(body));
        let signed =
            |keys: &Keys, sum: &str| keys.sign(json!({ "sha256": sum }), NOW, NOW + Duration::from_secs(300));
        let good = signed(&keys, &sum);
        assert!(keys.are_of_webhook(&good, body, NOW));
        assert!(keys.are_of_webhook(&format!("Bearer {good}"), body, NOW));
        assert!(!keys.are_of_webhook(&good, br#"{"event":"participant_left"}"#, NOW), "another body");
        assert!(!keys.are_of_webhook(&good, body, NOW + Duration::from_secs(3_600)), "an old one");
        for (forged, why) in [
            (signed(&Keys::new("key", "other".to_owned()), &sum), "another secret"),
            (signed(&Keys::new("other", SECRET.to_owned()), &sum), "another key"),
            (signed(&keys, ""), "no sum"),
            (keys.order(json!({ "roomAdmin": true }), NOW), "a token that isn't a webhook's"),
            (String::new(), "nothing"),
        ] {
            assert!(!keys.are_of_webhook(&forged, body, NOW), "{why}");
        }
    }
}
