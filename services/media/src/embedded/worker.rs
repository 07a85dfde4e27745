//! A media thread: its socket, its sessions and rooms, and its round of work.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use str0m::rtp::RtpPacket;
use tokio::sync::mpsc::{self, error::TryRecvError};

use super::{
    board::Boards,
    bucket::Bucket,
    command::{Command, Which},
    demux::is_check,
    meters::{Dropped, Joined, Meters},
    peer::{Came, Over, Peer, Voice},
    room::{Passage, Room},
    sessions::Sessions,
    socket::{BATCH, Socket},
};
use crate::engine::{Place, Refused};

/// Orders that are carried out before datagrams have their turn again.
const MOST_ORDERS: usize = 64;
/// Batches of datagrams that are received before time and orders have their turn again.
const MOST_BATCHES: usize = 4;
/// A thread looks up so often, though nothing happens.
const NAP: Duration = Duration::from_secs(1);

/// What bounds a thread's work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    pub(super) slots: u32,
    pub(super) sessions_per_room: usize,
    /// Datagrams a second that a client may send, and as many at once.
    pub(super) packets_per_second: u32,
}

/// All that a media thread has.
pub(super) struct Worker {
    pub(super) socket: Socket,
    /// What clients are told to reach it at; one of each family at least where that is served.
    pub(super) addresses: Arc<[SocketAddr]>,
    pub(super) orders: mpsc::Receiver<Command>,
    pub(super) sessions: Sessions,
    pub(super) boards: Arc<Boards>,
    pub(super) bounds: Bounds,
    pub(super) meters: Meters,
    /// Kept for its room.
    pub(super) came: Came,
}

impl Worker {
    /// Works until nobody can give orders any more; then says goodbye to all.
    pub(super) fn run(mut self) {
        loop {
            let now = Instant::now();
            let due = self.sessions.due();
            self.socket.wait(due.map_or(NAP, |due| due.saturating_duration_since(now).min(NAP)));
            let began = Instant::now();
            if !self.round() {
                return;
            }
            self.meters.round.record(began.elapsed());
        }
    }

    /// One round. Whether there is to be another.
    fn round(&mut self) -> bool {
        let goes_on = self.obey();
        for _ in 0..MOST_BATCHES {
            let now = Instant::now();
            let received = self.socket.receive();
            self.meters.received.increment(received as u64);
            for index in 0..received {
                self.take_in(index, now);
            }
            self.step(now);
            if received < BATCH {
                break;
            }
        }
        let now = Instant::now();
        self.sessions.wake_due(now);
        self.step(now);
        self.sessions.tell_due(now);
        goes_on
    }

    /// Carries out orders. Whether there may be more some time.
    fn obey(&mut self) -> bool {
        for _ in 0..MOST_ORDERS {
            match self.orders.try_recv() {
                Ok(order) => self.carry_out(order, Instant::now()),
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => {
                    for peer in self.sessions.all() {
                        self.end(peer, None);
                    }
                    self.flush();
                    return false;
                }
            }
        }
        self.sessions.hurry();
        true
    }

    fn carry_out(&mut self, order: Command, now: Instant) {
        // Nobody waits for the answer of an order that was given up.
        match order {
            Command::Join { place, agreed, counted, done } => {
                let rate = self.bounds.packets_per_second;
                let peer = Peer::new(place, *agreed, Bucket::new(rate, rate, now), counted, now);
                let _ = done.send(self.join(place, peer, now));
            }
            Command::Gate { place, open, done } => {
                self.sessions.set_gate(place, open, now);
                let _ = done.send(());
            }
            Command::End { room, uid, which, done } => {
                let peer = self.sessions.of(room, uid).filter(|&(_, peer)| match &which {
                    Which::Session(session) => peer.session == *session,
                    Which::Stay(entry) => peer.place.entry == *entry,
                });
                if let Some((index, _)) = peer {
                    self.end(index, None);
                }
                let _ = done.send(());
            }
            Command::EndRoom { room, done } => {
                for index in self.sessions.in_room(room) {
                    self.end(index, None);
                }
                let _ = done.send(());
            }
            Command::Sessions { room, done } => {
                let _ = done.send(self.sessions.places(room));
            }
        }
        self.flush();
    }

    fn join(&mut self, place: Place, peer: Peer, now: Instant) -> Result<(), Refused> {
        if let Some((former, _)) = self.sessions.of(place.room, place.uid) {
            self.end(former, None);
        }
        if self.sessions.number_in(place.room) >= self.bounds.sessions_per_room {
            self.meters.joined(Joined::Refused);
            return Err(Refused::TooMany);
        }
        let (slots, boards) = (self.bounds.slots, &self.boards);
        self.sessions.enter(peer, || Room::new(slots, boards.of(place.room)), now);
        self.meters.sessions.increment(1.0);
        Ok(())
    }

    /// Takes a datagram to the session that it is for.
    fn take_in(&mut self, datagram: usize, now: Instant) {
        let Some((from, bytes)) = self.socket.datagram(datagram) else {
            return self.meters.dropped(Dropped::Malformed);
        };
        let Some(index) = self.sessions.meant(from, bytes) else {
            return self.meters.dropped(Dropped::Unknown);
        };
        let Some(peer) = self.sessions.get_mut(index) else { return };
        let known = peer.addresses.contains(&from);
        let bucket = if known { &mut peer.packets } else { &mut peer.checks };
        if !bucket.take(now) {
            return self.meters.dropped(Dropped::Flood);
        }
        let family = self.addresses.iter().find(|address| address.is_ipv4() == from.is_ipv4());
        let Some(&to) = family else { return self.meters.dropped(Dropped::Unknown) };
        debug_assert!(known || is_check(bytes), "nothing else comes from an address that isn't proven");
        let mut came = std::mem::take(&mut self.came);
        let taken = catch_unwind(AssertUnwindSafe(|| peer.receive(from, to, bytes, now, &mut came)));
        if matches!(taken, Ok(Ok(false))) {
            self.meters.dropped(Dropped::Malformed);
        }
        self.settle(index, came, taken.map(|taken| taken.map(|_| ())), now);
        self.sessions.wake(index);
    }

    /// Works on all sessions that have something to do, and sends what comes of it.
    fn step(&mut self, now: Instant) {
        while let Some(index) = self.sessions.next_awake() {
            let Some(peer) = self.sessions.get_mut(index) else { continue };
            let mut came = std::mem::take(&mut self.came);
            let done = catch_unwind(AssertUnwindSafe(|| peer.step(now, &mut came)));
            self.settle(index, came, done, now);
            self.sessions.reset_timer(index);
        }
        self.flush();
    }

    /// Sees to what came of the work on a session.
    fn settle(
        &mut self,
        index: usize,
        mut came: Came,
        done: std::thread::Result<Result<(), Over>>,
        now: Instant,
    ) {
        for (to, datagram) in came.datagrams.drain(..) {
            self.socket.send(to, datagram);
        }
        if std::mem::take(&mut came.connected) {
            self.meters.joined(Joined::Connected);
        }
        if let Some(address) = came.proved.take() {
            self.sessions.prove(index, address, now);
        }
        for packet in came.packets.drain(..) {
            self.forward(index, packet, now);
        }
        self.came = came;
        match done {
            Ok(Ok(())) => {}
            Ok(Err(over)) => self.end(index, Some(over)),
            Err(_) => {
                tracing::error!("the work on a session panicked; it ends");
                self.meters.panics.increment(1);
                self.sessions.discard(index, now);
                self.meters.sessions.decrement(1.0);
            }
        }
    }

    /// Takes a speaker's packet to all who hear it.
    fn forward(&mut self, speaker: usize, packet: RtpPacket, now: Instant) {
        let Some(place) = self.sessions.get_mut(speaker).map(|peer| peer.place) else { return };
        let passage = self.sessions.room_mut(place.room).map(|room| {
            let level = packet.header.ext_vals.audio_level;
            room.hear(place.uid, *packet.header.ssrc, level, packet.payload.len(), now)
        });
        match passage {
            None | Some(Passage::Gated) => self.meters.gated.increment(1),
            Some(Passage::Unseated) => self.meters.dropped(Dropped::Unseated),
            Some(Passage::Heard(slot, run)) => {
                let voice = Voice { slot, run, packet: Arc::new(packet) };
                self.sessions.tell_others(place, &voice);
            }
        }
    }

    /// Ends a session, with a word to its client.
    fn end(&mut self, index: usize, over: Option<Over>) {
        let now = Instant::now();
        let Some(mut peer) = self.sessions.discard(index, now) else { return };
        self.meters.sessions.decrement(1.0);
        if over == Some(Over::Late) {
            self.meters.joined(Joined::Late);
        }
        let mut came = Came::default();
        if catch_unwind(AssertUnwindSafe(|| peer.close(&mut came))).is_err() {
            self.meters.panics.increment(1);
        }
        for (to, datagram) in came.datagrams {
            self.socket.send(to, datagram);
        }
    }

    fn flush(&mut self) {
        let (sent, lost) = self.socket.flush();
        self.meters.sent.increment(sent as u64);
        if lost > 0 {
            self.meters.lost(lost);
        }
    }
}
