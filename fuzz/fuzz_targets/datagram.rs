//! Datagrams to the media port, of clients and strangers: without the session's secrets they bring about nothing,
//! and strangers get no answer.
#![no_main]

use std::cell::RefCell;

use gochat_media::border::Datagrams;
use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};

/// What is kept of a session grows with what is sent; one of its own for some of them.
const MOST: usize = 1_000;

thread_local! {
    static DATAGRAMS: RefCell<(usize, Datagrams)> = RefCell::new((0, datagrams()));
}

fn datagrams() -> Datagrams {
    Datagrams::new().expect("makes sense")
}

/// A datagram, and what goes before it to get it further.
#[derive(Arbitrary, Debug)]
struct Case<'a> {
    from_client: bool,
    kind: Kind,
    rest: &'a [u8],
}

#[derive(Arbitrary, Debug)]
enum Kind {
    Plain,
    /// A check that names the session.
    Check,
    Sound,
    Report,
    Handshake,
}

fuzz_target!(|case: Case<'_>| {
    DATAGRAMS.with_borrow_mut(|(used, datagrams)| {
        *used += 1;
        if *used > MOST {
            (*used, *datagrams) = (0, self::datagrams());
        }
        let sent = datagrams.take(case.from_client, &datagram(&case, &datagrams.ufrag));
        assert!(sent.iter().all(|(to_client, _)| *to_client), "{case:?} {sent:?}");
        assert!(datagrams.is_there(), "{case:?}");
    });
});

fn datagram(case: &Case<'_>, ufrag: &str) -> Vec<u8> {
    let start: &[u8] = match case.kind {
        Kind::Plain => &[],
        Kind::Check => return check(ufrag, case.rest),
        Kind::Sound => &[0x90, 111],
        Kind::Report => &[0x80, 201],
        Kind::Handshake => &[22, 0xfe, 0xfd],
    };
    [start, case.rest].concat()
}

/// A binding request with the user's name, and whatever follows.
fn check(ufrag: &str, rest: &[u8]) -> Vec<u8> {
    let mut name = format!("{ufrag}:sXbN").into_bytes();
    let length = name.len() as u16;
    name.resize(name.len().next_multiple_of(4), 0);
    let rest = &rest[..rest.len() / 4 * 4];
    let whole = (4 + name.len() + rest.len()) as u16;
    let head = [&[0, 1][..], &whole.to_be_bytes(), &[0x21, 0x12, 0xa4, 0x42], &[7; 12]].concat();
    [&head[..], &[0, 6], &length.to_be_bytes(), &name, rest].concat()
}
