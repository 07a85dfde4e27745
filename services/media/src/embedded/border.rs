//! What the engine reads of its clients, laid open for fuzzing alone: offers, and datagrams before anything is proven.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use gochat_domain::{Entry, RoomId, Uid};
use tokio::sync::{Semaphore, watch};

use super::{
    bucket::Bucket,
    offer::{Agreed, Answerer},
    peer::{Came, Peer},
    room::Room,
    sessions::Sessions,
};
use crate::engine::{Place, Refused};

const SLOTS: u32 = 10;
const SERVER: ([u8; 4], u16) = ([192, 0, 2, 1], 7_882);
const CLIENT: ([u8; 4], u16) = ([192, 0, 2, 2], 50_000);
const STRANGER: ([u8; 4], u16) = ([192, 0, 2, 3], 50_000);
/// An offer that is answered.
const OFFER: &str = include_str!("border/offer.sdp");

/// Answers offers.
pub struct Offers(Answerer);

impl Offers {
    /// With a certificate of its own.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self(Answerer::new(SLOTS)?))
    }

    /// The answer and the mids of the slots; or why there is none, as its offerer is told; nothing where that isn't the
    /// offer's fault.
    ///
    /// # Errors
    /// As said.
    pub fn answer(&self, offer: &str) -> Result<(String, Vec<String>), Option<&'static str>> {
        match self.agree(offer) {
            Ok(agreed) => Ok((agreed.sdp, agreed.mids)),
            Err(Refused::Offer(why)) => Err(Some(why)),
            Err(_) => Err(None),
        }
    }

    fn agree(&self, offer: &str) -> Result<Agreed, Refused> {
        self.0.answer(offer, &[SocketAddr::from(SERVER)])
    }
}

/// A session that a client proved an address of, but nothing else; and a stranger.
pub struct Datagrams {
    sessions: Sessions,
    now: Instant,
    /// By this a check names the session.
    pub ufrag: String,
}

impl Datagrams {
    /// With a session, and nothing said yet.
    ///
    /// # Errors
    /// Where there can't be one.
    pub fn new() -> anyhow::Result<Self> {
        let now = Instant::now();
        let agreed = Offers::new()?.agree(OFFER)?;
        let ufrag = agreed.ufrag.clone();
        let counted = Arc::new(Semaphore::new(1)).try_acquire_owned()?;
        let place = Place { room: RoomId::from_number(1), uid: Uid::try_from(1)?, entry: Entry(1) };
        let mut sessions = Sessions::default();
        let peer = Peer::new(place, agreed, Bucket::new(u32::MAX, u32::MAX, now), counted, now);
        sessions.enter(peer, || Room::new(SLOTS, watch::Sender::new([].into())), now);
        sessions.prove(0, SocketAddr::from(CLIENT), now);
        Ok(Self { sessions, now, ufrag })
    }

    /// Takes a datagram from the client's address, or a stranger's, and lets a moment pass. What is sent for it, and to
    /// whom: whether to the client.
    pub fn take(&mut self, from_client: bool, datagram: &[u8]) -> Vec<(bool, Vec<u8>)> {
        let from = SocketAddr::from(if from_client { CLIENT } else { STRANGER });
        let mut came = Came::default();
        let meant = self.sessions.meant(from, datagram);
        if let Some(peer) = meant.and_then(|index| self.sessions.get_mut(index)) {
            // Neither kind of end is the datagram's sender's to bring about; `is_there` tells.
            let _ = peer.receive(from, SocketAddr::from(SERVER), datagram, self.now, &mut came);
            assert!(came.packets.is_empty(), "no sound without keys");
            assert!(came.proved.is_none(), "nobody knows the password");
        }
        self.now += Duration::from_millis(1);
        came.datagrams.into_iter().map(|(to, datagram)| (to == SocketAddr::from(CLIENT), datagram)).collect()
    }

    /// Whether the session can go on.
    pub fn is_there(&mut self) -> bool {
        let now = self.now;
        self.sessions.get_mut(0).is_some_and(|peer| peer.step(now, &mut Came::default()).is_ok())
    }
}
