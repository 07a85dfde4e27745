//! Offers of WebRTC clients: answered, or refused in words of our own, which hold nothing of what was offered.
#![no_main]

use std::cell::OnceCell;

use gochat_media::border::Offers;
use libfuzzer_sys::fuzz_target;

const MOST_LINES: usize = 33;

thread_local! {
    static OFFERS: OnceCell<Offers> = const { OnceCell::new() };
}

fuzz_target!(|offer: &str| {
    OFFERS.with(|offers| check(offers.get_or_init(|| Offers::new().expect("makes sense")), offer));
});

fn check(offers: &Offers, offer: &str) {
    match offers.answer(offer) {
        Ok((answer, slots)) => {
            assert!(
                answer.contains("a=ice-lite\r\n") && answer.contains("192.0.2.1 7882 typ host"),
                "{answer}"
            );
            assert!(
                slots.len() < MOST_LINES && answer.matches("\r\nm=audio ").count() <= MOST_LINES,
                "{answer}"
            );
            assert!(!answer.contains("m=video") && !answer.contains("m=application"), "{answer}");
        }
        Err(Some(why)) => assert!(why.len() < 80 && why.starts_with(char::is_lowercase), "{why}"),
        Err(None) => panic!("the offer is at fault, if anything is"),
    }
}
