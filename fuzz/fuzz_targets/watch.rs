//! How somebody who follows a room says who they are, and what they hold: header, subprotocol, ticket, cookie, mere uid.
#![no_main]

use std::sync::LazyLock;

use gochat_fuzz::{first_line, headers};
use gochat_gateway::border::{Identified, Identities, held};
use gochat_proto::{model::Place, notifier::Roster};
use http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE, SEC_WEBSOCKET_PROTOCOL},
};
use libfuzzer_sys::fuzz_target;

const NOT_LOGGED_IN: u32 = 80_012;
const TRUSTED: &[u8] = b"Bearer trusted";

static STRICT: LazyLock<Identities> = LazyLock::new(|| Identities::new(None).expect("makes sense"));
static TRUSTING: LazyLock<Identities> =
    LazyLock::new(|| Identities::new(Some("trusted")).expect("makes sense"));

// A uid, or none, and a ticket, or none, on the first line; headers; what was seen last.
fuzz_target!(|data: &[u8]| {
    let (line, rest) = first_line(data);
    let (headers, last) = headers(rest);
    let line = String::from_utf8_lossy(line);
    let (uid, ticket) = line.split_once(' ').unwrap_or((&line, ""));
    let (uid, ticket) = (uid.parse::<i64>().ok(), Some(ticket).filter(|ticket| !ticket.is_empty()));
    for (identities, trusting) in [(&*STRICT, false), (&*TRUSTING, true)] {
        match identities.watcher(&headers, ticket, uid) {
            Ok(watcher) => assert_proved(&watcher, &headers, (uid, ticket), trusting),
            Err(refused) => {
                assert!(refused.code == NOT_LOGGED_IN && refused.message.len() <= 40, "{refused:?}")
            }
        }
        if let Ok(caller) = identities.caller(&headers, uid.unwrap_or_default()) {
            assert_eq!(caller.uid().map(i64::from), uid);
            assert!(trusting || !caller.is_believed());
        }
    }
    if let Ok(id) = std::str::from_utf8(last) {
        assert_held(id);
    }
});

fn assert_proved(
    watcher: &Identified,
    headers: &HeaderMap,
    said: (Option<i64>, Option<&str>),
    trusting: bool,
) {
    let (uid, ticket) = said;
    assert_eq!(watcher.uid().map(i64::from), uid);
    let proof = watcher.authorization().expect("nobody goes on without a proof");
    assert!(!proof.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{proof:?}");
    let shown: Vec<_> = headers.get_all(AUTHORIZATION).iter().collect();
    assert!(shown.len() <= 1, "of two, none may be believed");
    if let Some(shown) = shown.first() {
        return assert!(!watcher.is_believed() && proof == shown.as_bytes());
    }
    // Nobody but the gateway makes tickets.
    let offered = occurs(headers, SEC_WEBSOCKET_PROTOCOL, proof);
    assert!(ticket.is_none() || offered, "a ticket was forged");
    if watcher.is_believed() {
        assert!(trusting && proof == TRUSTED && uid.is_some_and(|uid| uid > 0));
    } else {
        assert!(offered || occurs(headers, COOKIE, proof), "{proof:?} came from nowhere");
    }
}

/// Whether the token of `Bearer <token>` stands in one of these headers.
fn occurs(headers: &HeaderMap, name: http::HeaderName, proof: &[u8]) -> bool {
    let Some(token) = proof.strip_prefix(b"Bearer ") else { return false };
    let mut lines = headers.get_all(name).iter().map(|line| line.as_bytes());
    lines.any(|line| token.is_empty() || line.windows(token.len()).any(|part| part == token))
}

fn assert_held(id: &str) {
    let (token, roster, written) = held(id);
    assert_eq!(written, id);
    assert_eq!(token.is_empty(), roster == Roster::Unspecified);
    if let Ok(place) = token.parse::<Place>() {
        assert!(place.to_token().len() <= 37);
    }
}
