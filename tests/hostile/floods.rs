//! Floods of frames over HTTP/2: streams that are opened and left, or reset at once, headers without an end, pings
//! and settings that ask for answers.

use std::net::SocketAddr;

use crate::{
    frames::{Attacker, CONTINUATION, END_HEADERS, HEADERS, PING, RST_STREAM, SETTINGS, Told, call, frame},
    world::World,
};

const LOGIN: &str = "/gochat.account.v1.AccountService/Login";
/// RFC 9113, section 7.
const REFUSED_STREAM: u32 = 7;
const CANCEL: [u8; 4] = [0, 0, 0, 8];
const ENHANCE_YOUR_CALM: u32 = 11;
/// Streams that the gateway takes on a connection (docs/limits.md); the account service takes fewer here.
const GATEWAYS: usize = 256;
/// Frames of one flood, if the server takes them all.
const MANY: usize = 100_000;

/// Says `frames` until all are said, or the server won't take any more, and gives what is said of them.
async fn flood(to: SocketAddr, frames: impl Iterator<Item = Vec<u8>>) -> Attacker {
    let mut attacker = Attacker::connect(to).await;
    let mut batch = Vec::new();
    for frame in frames {
        batch.extend(frame);
        if batch.len() > 8 * 1024 && !attacker.says(&std::mem::take(&mut batch)).await {
            return attacker;
        }
    }
    attacker.says(&batch).await;
    attacker
}

/// The streams that a client may open, in order.
fn streams() -> impl Iterator<Item = u32> {
    (0..).map(|number| 2 * number + 1)
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_opened_and_left_are_refused_beyond_the_limit() {
    let world = World::with(&[("GOCHAT_MAX_STREAMS", "128")]).await;
    for server in ["account", "gateway"] {
        let opened = |_: usize| {
            let headers =
                streams().take(2 * GATEWAYS).map(|stream| frame(HEADERS, END_HEADERS, stream, &call(LOGIN)));
            flood(world.address(server), headers)
        };
        let attackers = futures::future::join_all((0..4).map(opened)).await;
        for attacker in attackers {
            let Told { resets, why, goaway, .. } = attacker.leaves().await;
            let refused = why == Some(REFUSED_STREAM) || goaway.is_some();
            assert!(refused, "{server}: {resets} streams reset, {why:?}, {goaway:?}");
        }
    }
    world.survives("streams").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_taken_back_at_once_cost_the_connection() {
    let world = World::start().await;
    for server in ["account", "gateway"] {
        let back = streams().take(MANY).map(|stream| {
            [frame(HEADERS, END_HEADERS, stream, &call(LOGIN)), frame(RST_STREAM, 0, stream, &CANCEL)]
                .concat()
        });
        let told = flood(world.address(server), back).await.until_ended().await;
        assert!(matches!(told.goaway, None | Some(ENHANCE_YOUR_CALM)), "{server}: {told:?}");
    }
    world.survives("rapid reset").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_without_an_end_cost_the_connection() {
    let world = World::start().await;
    for server in ["account", "gateway"] {
        // A header of 16 bytes, again and again: 100 MB of them, in frames of 1 KB.
        let piece = b"\x40\x04name\x09x23456789".repeat(64);
        let begin = frame(HEADERS, 0, 1, &call(LOGIN));
        let goes_on = std::iter::repeat_with(move || frame(CONTINUATION, 0, 1, &piece)).take(MANY);
        let told =
            flood(world.address(server), std::iter::once(begin).chain(goes_on)).await.until_ended().await;
        assert!(told.ended, "{server}: {told:?}");
    }
    world.survives("continuation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pings_and_settings_that_ask_for_answers_cost_nothing_that_lasts() {
    let world = World::start().await;
    for server in ["account", "gateway"] {
        let pings = (0..MANY).map(|_| frame(PING, 0, 0, b"pingpong"));
        flood(world.address(server), pings).await.leaves().await;
        let settings = (0..MANY).map(|_| frame(SETTINGS, 0, 0, b"\0\x03\0\0\0\x64"));
        flood(world.address(server), settings).await.leaves().await;
    }
    world.survives("pings and settings").await;
}
