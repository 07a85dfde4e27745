//! Event tickets: a caller's identity, sealed for half a minute and one use.

use std::{
    collections::{BTreeSet, HashSet},
    fmt,
    sync::{Mutex, PoisonError},
};

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};

use super::hex;

/// How long a ticket is good for, in milliseconds.
pub(crate) const LIFETIME_MS: u64 = 30_000;
/// Tickets used within their lifetime that a gateway remembers. Where there are more, no ticket is taken until
/// the oldest have run out: who remembers nothing would take one twice.
const REMEMBERED: usize = 65_536;
/// What the seal is for besides: nothing else sealed with the key passes for a ticket.
const PURPOSE: &[u8] = b"gochat event ticket 1";

/// A nonce: drawn by chance, and so a ticket's name.
type Name = [u8; 24];

/// Who gets a stream for a ticket.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) uid: u32,
    /// The value of an `authorization` header; none for somebody whose uid alone was believed.
    pub(crate) authorization: Option<String>,
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").field("uid", &self.uid).finish_non_exhaustive()
    }
}

/// Why a ticket isn't taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is none, has run out, or was used.
    Invalid,
    /// More are used than can be remembered.
    TooMany,
}

/// Issues tickets and takes them. Times are Unix milliseconds.
pub(crate) struct Tickets {
    cipher: XChaCha20Poly1305,
    used: Mutex<Used>,
}

impl Tickets {
    /// Tickets under a key; whoever has it takes them.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self { cipher: XChaCha20Poly1305::new(&key.into()), used: Mutex::default() }
    }

    /// A ticket for a bearer, good from now on; none where the cipher fails, which it doesn't.
    pub(crate) fn issue(&self, bearer: &Bearer, now: u64) -> Option<String> {
        let name: Name = rand::random();
        let mut open = (now + LIFETIME_MS).to_be_bytes().to_vec();
        open.extend(bearer.uid.to_be_bytes());
        open.extend(bearer.authorization.as_deref().unwrap_or_default().as_bytes());
        let sealed = self.cipher.encrypt(&XNonce::from(name), payload(&open)).ok()?;
        Some(hex::write(&[&name[..], &sealed].concat()))
    }

    /// Takes a ticket, which is used up by that.
    pub(crate) fn take(&self, ticket: &str, now: u64) -> Result<Bearer, Refused> {
        let (name, expires, bearer) = self.open(ticket).ok_or(Refused::Invalid)?;
        if expires <= now {
            return Err(Refused::Invalid);
        }
        self.used.lock().unwrap_or_else(PoisonError::into_inner).enter(name, expires, now)?;
        Ok(bearer)
    }

    fn open(&self, ticket: &str) -> Option<(Name, u64, Bearer)> {
        let bytes = hex::read(ticket)?;
        let (name, sealed) = bytes.split_first_chunk::<24>()?;
        let open = self.cipher.decrypt(&XNonce::from(*name), payload(sealed)).ok()?;
        let (expires, rest) = open.split_first_chunk()?;
        let (uid, authorization) = rest.split_first_chunk()?;
        let authorization = String::from_utf8(authorization.to_vec()).ok()?;
        let authorization = (!authorization.is_empty()).then_some(authorization);
        let bearer = Bearer { uid: u32::from_be_bytes(*uid), authorization };
        Some((*name, u64::from_be_bytes(*expires), bearer))
    }
}

fn payload(message: &[u8]) -> Payload<'_, '_> {
    Payload { msg: message, aad: PURPOSE }
}

/// The tickets that were used and haven't run out.
#[derive(Default)]
struct Used {
    names: HashSet<Name>,
    by_end: BTreeSet<(u64, Name)>,
}

impl Used {
    fn enter(&mut self, name: Name, expires: u64, now: u64) -> Result<(), Refused> {
        while let Some((_, over)) = self.by_end.first().copied().filter(|(end, _)| *end <= now) {
            self.by_end.pop_first();
            self.names.remove(&over);
        }
        if self.names.len() >= REMEMBERED {
            return Err(Refused::TooMany);
        }
        if !self.names.insert(name) {
            return Err(Refused::Invalid);
        }
        self.by_end.insert((expires, name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000;

    fn ann() -> Bearer {
        Bearer { uid: 7, authorization: Some("Bearer secret".into()) }
    }

    #[test]
    fn a_ticket_is_good_once_and_at_every_gateway_that_has_the_key() {
        let [one, other, stranger] = [[1; 32], [1; 32], [2; 32]].map(Tickets::new);
        let ticket = one.issue(&ann(), NOW).unwrap();
        assert!(ticket.bytes().all(|byte| byte.is_ascii_alphanumeric()), "may stand in an address");
        assert!(!ticket.contains(&hex::write(b"secret")), "is sealed");
        assert_eq!(stranger.take(&ticket, NOW), Err(Refused::Invalid));
        assert_eq!(other.take(&ticket, NOW), Ok(ann()));
        assert_eq!(other.take(&ticket, NOW), Err(Refused::Invalid));
        let trusted = Bearer { uid: 8, authorization: None };
        assert_eq!(one.take(&one.issue(&trusted, NOW).unwrap(), NOW), Ok(trusted));
    }

    #[test]
    fn a_ticket_runs_out() {
        let tickets = Tickets::new([1; 32]);
        let ticket = tickets.issue(&ann(), NOW).unwrap();
        assert_eq!(tickets.take(&ticket, NOW + LIFETIME_MS), Err(Refused::Invalid));
        assert_eq!(tickets.take(&ticket, NOW + LIFETIME_MS - 1), Ok(ann()));
    }

    #[test]
    fn nothing_else_is_a_ticket() {
        let tickets = Tickets::new([1; 32]);
        let ticket = tickets.issue(&ann(), NOW).unwrap();
        for at in 0..ticket.len() {
            let mut forged = ticket.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).unwrap();
            assert_eq!(tickets.take(&forged, NOW), Err(Refused::Invalid), "digit {at}");
        }
        for text in ["", "00", &ticket[..48], &ticket[..ticket.len() - 2]] {
            assert_eq!(tickets.take(text, NOW), Err(Refused::Invalid));
        }
        assert_eq!(tickets.take(&ticket.to_uppercase(), NOW), Ok(ann()));
        assert_eq!(tickets.take(&ticket, NOW), Err(Refused::Invalid), "however it is written");
    }

    #[test]
    fn used_tickets_are_remembered_until_they_run_out_and_no_more_than_so_many() {
        let mut used = Used::default();
        let name = |number: usize| {
            let mut name = [0; 24];
            name[..8].copy_from_slice(&number.to_be_bytes());
            name
        };
        for number in 0..REMEMBERED {
            used.enter(name(number), 10 + number as u64, 0).unwrap();
        }
        assert_eq!(used.enter(name(REMEMBERED), 9, 9), Err(Refused::TooMany));
        assert_eq!(used.enter(name(REMEMBERED), 12, 10), Ok(()));
        assert_eq!(used.enter(name(1), 11, 10), Err(Refused::TooMany));
        assert_eq!((used.names.len(), used.by_end.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn who_bears_a_ticket_is_not_shown_with_the_token() {
        assert_eq!(format!("{:?}", ann()), "Bearer { uid: 7, .. }");
    }
}
