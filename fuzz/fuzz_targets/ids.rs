//! Ids and words as callers write them: each is refused by name, or comes back as it is kept.
#![no_main]

use gochat_domain::{ClientId, NickName, RoomId, Subject, Uid};
use gochat_fuzz::{choice, read};
use gochat_proto::parse::{at_most, field, request_id, uid_or};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|data: &[u8]| -> Corpus {
    let Some((kind, text)) = choice(data) else { return Corpus::Reject };
    match kind % 7 {
        0 => room_id(text),
        1 => uid(text),
        2 => nick_name(text),
        3 => subject(text),
        4 => client_id(text),
        5 => request(text),
        _ => kept(text),
    }
    Corpus::Keep
});

fn room_id(text: &str) {
    if let Some(id) = read("room_id", field::<RoomId, _>("room_id", text)) {
        assert_eq!(id.to_string(), text);
    }
}

fn uid(text: &str) {
    if let Ok(uid) = text.parse::<Uid>() {
        assert_eq!(uid.to_string().parse(), Ok(uid));
        assert!((1..=i32::MAX as u32).contains(&uid.get()));
    }
    let number = text.bytes().fold(0_u32, |number, byte| number.wrapping_mul(256).wrapping_add(byte.into()));
    let own = Uid::try_from(7).expect("a uid");
    if let Some(uid) = read("target_uid", uid_or("target_uid", number, own)) {
        assert_eq!(uid.get(), if number == 0 { 7 } else { number });
    }
}

fn nick_name(text: &str) {
    let Some(name) = read("nick_name", field::<NickName, _>("nick_name", text)) else { return };
    kept_words(name.as_str(), 1, 15);
    assert_eq!(NickName::parse(name.as_str()), Ok(name.clone()), "normalised once and for all");
    assert!(name.folded().len() <= 15 * 4 * 18 * 3, "{name:?}");
}

fn subject(text: &str) {
    let Some(subject) = read("subject", field::<Subject, _>("subject", text)) else { return };
    kept_words(subject.as_str(), 1, 64);
    assert_eq!(Subject::parse(subject.as_str()), Ok(subject.clone()));
}

fn client_id(text: &str) {
    let Some(id) = read("client_id", field::<ClientId, _>("client_id", text)) else { return };
    kept_words(id.as_str(), 0, 64);
    assert_eq!(ClientId::parse(id.as_str()), Ok(id.clone()));
}

/// Within their lengths, and nothing in them that turns or breaks a line.
fn kept_words(text: &str, least: usize, most: usize) {
    assert!((least..=most).contains(&text.chars().count()), "{text:?}");
    assert!(!text.chars().any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c)), "{text:?}");
    assert_eq!(text.trim(), text);
}

fn request(text: &str) {
    match read("request_id", request_id(text)) {
        Some(Some(id)) => assert!(id == text && (1..=64).contains(&id.chars().count())),
        Some(None) => assert_eq!(text, ""),
        None => assert!(text.chars().count() > 64),
    }
}

fn kept(text: &str) {
    match read("avatar", at_most("avatar", text, 16)) {
        Some(avatar) => assert!(avatar == text && text.len() <= 16),
        None => assert!(text.len() > 16),
    }
}
