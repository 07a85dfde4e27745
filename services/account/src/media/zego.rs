//! ZEGOCLOUD's Token04: an expiry, and who may do what, encrypted under the app's server secret.
//!
//! The text is `04` and the base64 of: expiry in Unix seconds (8 bytes, big endian), the length of the
//! initialisation vector (2 bytes) and the vector, the length of the ciphertext (2 bytes) and the ciphertext,
//! which is JSON under AES-256 in CBC mode with PKCS #7 padding.

use anyhow::Context;
use base64::{Engine, prelude::BASE64_STANDARD};
use cbc::cipher::{BlockModeEncrypt, KeyIvInit, block_padding::Pkcs7};
use gochat_domain::Millis;
use serde_json::json;

use super::{Grant, seconds};

type Encryptor = cbc::Encryptor<aes::Aes256>;
type Vector = [u8; 16];

/// What a vector is made of: ZEGOCLOUD's own libraries use printable ones.
const VECTOR_LETTERS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

#[derive(Clone)]
pub(crate) struct Issuer {
    app_id: u32,
    secret: [u8; 32],
}

/// What makes one token different from the next.
pub(super) struct Chance {
    pub(super) nonce: i32,
    pub(super) vector: Vector,
}

impl Chance {
    fn draw() -> Self {
        let letter = |_| VECTOR_LETTERS[rand::random_range(0..VECTOR_LETTERS.len())];
        Self { nonce: rand::random(), vector: std::array::from_fn(letter) }
    }
}

impl Issuer {
    /// Fails where the secret doesn't have its 32 bytes.
    pub(super) fn new(app_id: u32, secret: &str) -> anyhow::Result<Self> {
        let secret = secret.as_bytes().try_into().context("a ZEGOCLOUD server secret has 32 characters")?;
        Ok(Self { app_id, secret })
    }

    pub(super) fn issue(&self, grant: &Grant, expires_at: Millis) -> String {
        self.seal(grant, expires_at, &Chance::draw())
    }

    pub(super) fn seal(&self, grant: &Grant, expires_at: Millis, chance: &Chance) -> String {
        let text = self.claims(grant, expires_at, chance.nonce);
        let encryptor = Encryptor::new(&self.secret.into(), &chance.vector.into());
        let ciphertext = encryptor.encrypt_padded_vec::<Pkcs7>(text.as_bytes());
        let mut token = Vec::with_capacity(8 + 2 + 16 + 2 + ciphertext.len());
        token.extend(seconds(expires_at).to_be_bytes());
        for part in [&chance.vector[..], &ciphertext] {
            // Both are a few hundred bytes at the most.
            token.extend((part.len() as u16).to_be_bytes());
            token.extend(part);
        }
        format!("04{}", BASE64_STANDARD.encode(token))
    }

    /// Privilege 1 is to enter the room, 2 to publish there. Without any room, neither.
    pub(super) fn claims(&self, grant: &Grant, expires_at: Millis, nonce: i32) -> String {
        let room_id = grant.room.map(|room| room.to_string()).unwrap_or_default();
        let (enter, publish) = (u8::from(grant.room.is_some()), u8::from(grant.on_stage));
        let payload =
            json!({ "privilege": { "1": enter, "2": publish }, "room_id": room_id, "stream_id_list": null });
        json!({
            "app_id": self.app_id,
            "ctime": seconds(grant.issued_at),
            "expire": seconds(expires_at),
            "nonce": nonce,
            "payload": payload.to_string(),
            "user_id": grant.uid.to_string(),
        })
        .to_string()
    }
}
