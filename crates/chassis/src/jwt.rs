//! JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 (RFC 7515) under a secret that both sides have.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// How far the clocks of two machines may be apart.
const LEEWAY: Duration = Duration::from_secs(60);

/// A token that makes these claims.
pub fn sign(secret: &[u8], claims: &Value) -> String {
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let [header, claims] = [&header, claims].map(|part| BASE64_URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = format!("{header}.{claims}");
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac(secret, &signed).finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// What a token claims that was signed so, has an end, and is good at `now`, which is counted from 1970; of any
/// other, nothing. Takes as long for a wrong signature as for a right one.
pub fn verify(secret: &[u8], token: &str, now: Duration) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    mac(secret, signed).verify_slice(&BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let [header, claims] = [header, claims].map(read);
    let claims = claims?;
    let time = |name: &str| claims.get(name)?.as_u64().map(Duration::from_secs);
    let is_good = header?.get("alg")? == "HS256"
        && time("exp")?.saturating_add(LEEWAY) > now
        && time("nbf").unwrap_or_default() <= now.saturating_add(LEEWAY);
    is_good.then_some(claims)
}

fn mac(secret: &[u8], text: &str) -> Hmac<Sha256> {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret);
    let mut mac = mac.expect("a key of any length makes an HMAC");
    mac.update(text.as_bytes());
    mac
}

fn read(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
    const NOW: Duration = Duration::from_secs(1_700_000_000);

    fn claims() -> Value {
        json!({ "exp": NOW.as_secs() + 300, "iss": "key", "nbf": NOW.as_secs() })
    }

    #[test]
    fn what_was_signed_is_read_while_it_is_good() {
        let token = sign(SECRET, &claims());
        let at = |now| verify(SECRET, &token, now);
        assert_eq!(at(NOW), Some(claims()));
        assert_eq!(at(NOW - Duration::from_secs(59)), Some(claims()), "the other's clock is ahead");
        assert_eq!(at(NOW + Duration::from_secs(359)), Some(claims()));
        assert_eq!(at(NOW - Duration::from_secs(61)), None);
        assert_eq!(at(NOW + Duration::from_secs(361)), None);
        assert_eq!(verify(SECRET, &sign(SECRET, &json!({ "iss": "key" })), NOW), None, "it has no end");
    }

    /// `RS` is what a forger would have taken for a public key; `none` needs no key at all.
    #[test]
    fn what_was_signed_otherwise_is_not_read() {
        let token = sign(SECRET, &claims());
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let body = BASE64_URL_SAFE_NO_PAD.encode(claims().to_string());
        let with = |alg: &str| {
            let header = BASE64_URL_SAFE_NO_PAD.encode(json!({ "alg": alg }).to_string());
            let signed = format!("{header}.{body}");
            let signature = BASE64_URL_SAFE_NO_PAD.encode(mac(SECRET, &signed).finalize().into_bytes());
            (format!("{signed}."), format!("{signed}.{signature}"))
        };
        assert!(verify(SECRET, &with("HS256").1, NOW).is_some());
        let other = sign(b"another", &claims());
        let (unsigned, none) = with("none");
        let swapped = format!("{signed}.{}", other.rsplit_once('.').unwrap().1);
        let longer = format!("{signed}.{signature}AA");
        for forged in
            [&other, &swapped, &longer, &unsigned, &none, &with("RS256").1, "", ".", "..", "a.b.c", signed]
        {
            assert_eq!(verify(SECRET, forged, NOW), None, "{forged}");
        }
    }
}
