//! Whose a datagram is: by the address it comes from, where that was proven; else by what a check says.

use std::{collections::HashMap, net::SocketAddr};

use str0m::ice::StunMessage;

/// The sessions that can be reached, by index.
#[derive(Default)]
pub(super) struct Demux {
    by_address: HashMap<SocketAddr, usize>,
    by_ufrag: HashMap<String, usize>,
}

impl Demux {
    /// The session that a datagram says it is for. Nothing is proven by that.
    pub(super) fn meant(&self, from: SocketAddr, datagram: &[u8]) -> Option<usize> {
        // A check names its session, wherever it comes from: a browser may use an address again.
        if is_check(datagram) {
            let check = StunMessage::parse(datagram).ok()?;
            let (ours, _) = check.split_username()?;
            return self.by_ufrag.get(ours).copied();
        }
        self.by_address.get(&from).copied()
    }

    /// The session that an address was proven to be of.
    pub(super) fn owner(&self, address: SocketAddr) -> Option<usize> {
        self.by_address.get(&address).copied()
    }

    pub(super) fn expect(&mut self, ufrag: &str, session: usize) {
        self.by_ufrag.insert(ufrag.to_owned(), session);
    }

    pub(super) fn learn(&mut self, address: SocketAddr, session: usize) {
        self.by_address.insert(address, session);
    }

    /// Forgets an address, if it is the session's.
    pub(super) fn unlearn(&mut self, address: SocketAddr, session: usize) {
        if self.owner(address) == Some(session) {
            self.by_address.remove(&address);
        }
    }

    pub(super) fn forget(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }
}

/// Whether a datagram is a binding request of STUN's, by its first bytes.
pub(super) fn is_check(datagram: &[u8]) -> bool {
    datagram.len() >= 20 && datagram.starts_with(&[0, 1]) && datagram[4..8] == [0x21, 0x12, 0xa4, 0x42]
}
