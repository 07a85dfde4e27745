//! Event tickets: good once for who got it, for nobody however it is altered, and nothing else is one.
#![no_main]

use std::cell::RefCell;

use gochat_gateway::border::{Identities, Refused};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use libfuzzer_sys::{Corpus, arbitrary, arbitrary::Arbitrary, fuzz_target};

const NOT_LOGGED_IN: u32 = 80_012;
/// Used tickets are remembered, and no more than so many: a gateway of its own for some of them.
const MOST: usize = 10_000;

thread_local! {
    static GATEWAY: RefCell<(usize, Identities)> = RefCell::new((0, gateway()));
}

fn gateway() -> Identities {
    Identities::new(None).expect("makes sense")
}

/// Somebody who gets a ticket, and what is done to it.
#[derive(Arbitrary, Debug)]
struct Case<'a> {
    uid: i64,
    at: u16,
    by: u8,
    authorization: &'a str,
    text: &'a str,
}

fuzz_target!(|case: Case<'_>| -> Corpus {
    GATEWAY.with_borrow_mut(|(used, identities)| {
        *used += 1;
        if *used > MOST {
            (*used, *identities) = (0, gateway());
        }
        check(identities, &case)
    })
});

fn check(identities: &Identities, case: &Case<'_>) -> Corpus {
    let take = |ticket: &str, uid| identities.watcher(&HeaderMap::new(), Some(ticket), uid);
    assert_refused(take(case.text, None).err());
    let plain = case.authorization.bytes().all(|byte| (b' '..0x7f).contains(&byte));
    let Ok(shown) = HeaderValue::from_str(case.authorization) else { return Corpus::Reject };
    if !plain || shown.is_empty() {
        return Corpus::Reject;
    }
    let headers = HeaderMap::from_iter([(AUTHORIZATION, shown)]);
    let Ok(caller) = identities.caller(&headers, case.uid) else {
        assert!(u32::try_from(case.uid).unwrap_or(0) == 0, "{case:?}");
        return Corpus::Keep;
    };
    let ticket = identities.ticket(&caller).expect("a ticket can be made");
    assert!(
        ticket.bytes().all(|byte| byte.is_ascii_hexdigit())
            && ticket.len() <= 2 * case.authorization.len() + 104
    );
    let altered = altered(&ticket, case);
    if !altered.eq_ignore_ascii_case(&ticket) {
        assert_refused(take(&altered, None).err());
    }
    let Ok(taken) = take(&ticket, Some(case.uid)) else { panic!("is good once") };
    assert_eq!((taken.uid(), taken.authorization()), (caller.uid(), caller.authorization()));
    assert!(!taken.is_believed());
    assert_refused(take(&ticket, None).err());
    Corpus::Keep
}

fn altered(ticket: &str, case: &Case<'_>) -> String {
    let mut altered = ticket.as_bytes().to_vec();
    let at = usize::from(case.at) % altered.len();
    match case.by % 3 {
        0 => altered.truncate(at),
        1 => altered.insert(at, b"0123456789abcdef"[usize::from(case.by / 16)]),
        _ => altered[at] = (altered[at] ^ case.by) & 0x7f,
    }
    String::from_utf8(altered).expect("plain characters")
}

fn assert_refused(refused: Option<Refused>) {
    let refused = refused.expect("is no ticket");
    assert!(refused.code == NOT_LOGGED_IN && refused.message.len() <= 40, "{refused:?}");
}
