//! What is no token of anybody, however it looks, is nobody's, and is answered like any other.

use gochat_store::{Digest, keys};
use redis::AsyncCommands;
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::{
    wire::{Headers, bearer, unknown, word},
    world::{ACTING, Person, World},
};

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What somebody might try who has seen a token, or Redis, or the file of service tokens.
fn forgeries(token: &str) -> Vec<Headers> {
    let mut digits = token.to_owned().into_bytes();
    digits[63] = if digits[63] == b'0' { b'1' } else { b'0' };
    let near = String::from_utf8(digits).unwrap();
    let tokens = [
        near.as_str(),
        &token[..63],
        &format!("{token}0"),
        &token.to_uppercase(),
        &Digest::of(token).to_string(),
        &keys::session(&Digest::of(token).to_string()),
        &hex(rand::random::<[u8; 32]>()),
        &"0".repeat(64),
        &"a".repeat(10_000),
        &hex(Sha256::digest(ACTING)),
        &ACTING[..ACTING.len() - 1],
        "",
        "null",
        "*",
        "gochat:session:*",
    ];
    let mut all: Vec<Headers> = tokens.iter().map(|token| bearer(token)).collect();
    for value in
        [token.to_owned(), format!("Basic {token}"), format!("Bearer  {token}"), format!("Bearer{token}")]
    {
        all.push(vec![("authorization", value)]);
    }
    all.push(vec![("cookie", format!("gochat_token={token}"))]);
    all.push(vec![("x-gochat-token", token.to_owned())]);
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_is_nobodys_at_every_service_and_at_the_gateway() {
    let world = World::start().await;
    let host = Person::host(&world.client(), "host").await;
    for (path, answer) in world.knock(&bearer(host.token()), &host.room).await {
        assert!(matches!(&*word(&answer), "ok" | "ALREADY_ON_STAGE"), "{path}: {answer:?}");
    }
    for headers in forgeries(host.token()) {
        for (path, answer) in world.knock(&headers, &host.room).await {
            unknown(&format!("{path} {headers:?}"), &answer);
        }
        let asked = json!({ "uid": host.uid(), "room_id": host.room });
        let answer = world.post("heartbeat", &headers, &asked).await;
        assert_eq!(answer["ret"], json!({ "code": 80012, "message": "not logged in" }), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_drawn_anew_for_each_login_and_only_their_digests_are_kept() {
    let world = World::start().await;
    let client = world.client();
    let mut redis = world.redis().await;
    let mut tokens = Vec::new();
    for name in ["ann", "ben", "cyd"] {
        tokens.push(client.login(name, "").await.unwrap().token().unwrap().to_owned());
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 3);
    assert!(tokens.iter().all(|token| token.len() == 64), "256 bits");
    let names: Vec<String> = redis.keys("*").await.unwrap();
    let mut kept = names.join("\n").into_bytes();
    for name in &names {
        let dump: Option<Vec<u8>> = redis::cmd("DUMP").arg(name).query_async(&mut redis).await.unwrap();
        kept.extend(dump.unwrap_or_default());
    }
    for token in &tokens {
        let shown = kept.windows(token.len()).any(|shown| shown == token.as_bytes());
        assert!(!shown, "a token is kept");
        let digest = Digest::of(token).to_string();
        assert!(names.contains(&keys::session(&digest)), "its digest is");
    }
}
