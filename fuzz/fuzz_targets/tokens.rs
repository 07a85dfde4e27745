//! What callers and Redis hand back unread: resume tokens, page tokens, digests, names of deadlines, what a user holds.
#![no_main]

use gochat_fuzz::{choice, read};
use gochat_proto::parse::resume_token;
use gochat_store::{
    Cursor, Digest,
    border::read_held,
    keys::{due_name, parse_due},
};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, text)) = choice(data) else { return Corpus::Reject };
    match kind % 5 {
        0 => resume(text),
        1 => page(text),
        2 => digest(text),
        3 => deadline(text),
        _ => held(text),
    }
    Corpus::Keep
});

fn resume(text: &str) {
    let Some(Some(place)) = read("resume_token", resume_token(text)) else { return };
    let token = place.to_token();
    assert!(token.len() <= 37, "{token}");
    assert_eq!(token.parse(), Ok(place));
    assert_eq!(text.trim_start_matches('0'), token.trim_start_matches('0'));
}

fn page(text: &str) {
    let Some(cursor) = Cursor::parse(text) else { return };
    let token = cursor.to_token();
    assert!(token.len() <= 22, "{token}");
    assert_eq!(Cursor::parse(&token), Some(cursor));
}

fn digest(text: &str) {
    let Some(digest) = Digest::parse(text) else { return };
    assert_eq!(digest.to_string(), text.to_ascii_lowercase());
}

fn deadline(text: &str) {
    let Some((room, due)) = parse_due(text) else { return };
    assert_eq!(parse_due(&due_name(room, due)), Some((room, due)));
}

fn held(text: &str) {
    let Some((entry, room)) = read_held(text) else { return };
    assert_eq!(read_held(&format!("{} {room}", entry.0)), Some((entry, room)));
}
