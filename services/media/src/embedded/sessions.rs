//! The sessions of a media thread: where each is, which has something to do, and when.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    time::Instant,
};

use gochat_domain::{RoomId, Uid};

use super::{
    demux::Demux,
    peer::{Peer, Voice},
    room::Room,
};
use crate::engine::Place;

/// A thread's sessions and rooms.
#[derive(Default)]
pub(super) struct Sessions {
    peers: Vec<Option<Box<Seat>>>,
    free: Vec<usize>,
    rooms: HashMap<RoomId, Room>,
    demux: Demux,
    timers: BTreeSet<(Instant, usize)>,
    tellings: BTreeSet<(Instant, RoomId)>,
    awake: Vec<usize>,
    hurry: bool,
}

struct Seat {
    peer: Peer,
    /// As it is in `timers`.
    timer: Instant,
    awake: bool,
}

impl Sessions {
    /// When there is something to do though nothing comes.
    pub(super) fn due(&mut self) -> Option<Instant> {
        if std::mem::take(&mut self.hurry) {
            return Some(Instant::now());
        }
        let timer = self.timers.first().map(|(due, _)| *due);
        let telling = self.tellings.first().map(|(due, _)| *due);
        timer.into_iter().chain(telling).min()
    }

    /// Lets the next round begin at once.
    pub(super) fn hurry(&mut self) {
        self.hurry = true;
    }

    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Peer> {
        Some(&mut self.peers.get_mut(index)?.as_mut()?.peer)
    }

    pub(super) fn room_mut(&mut self, room: RoomId) -> Option<&mut Room> {
        self.rooms.get_mut(&room)
    }

    /// A user's session in a room.
    pub(super) fn of(&self, room: RoomId, uid: Uid) -> Option<(usize, &Peer)> {
        let index = self.rooms.get(&room)?.peer_of(uid)?;
        Some((index, &self.peers.get(index)?.as_ref()?.peer))
    }

    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.peers.len()).filter(|index| self.peers[*index].is_some()).collect()
    }

    pub(super) fn in_room(&self, room: RoomId) -> Vec<usize> {
        self.rooms.get(&room).map(|room| room.peers().map(|(_, index)| index).collect()).unwrap_or_default()
    }

    pub(super) fn number_in(&self, room: RoomId) -> usize {
        self.rooms.get(&room).map_or(0, Room::len)
    }

    /// Who has a session in a room, and whether its gate is open.
    pub(super) fn places(&self, id: RoomId) -> Vec<(Place, bool)> {
        self.rooms.get(&id).map(|room| room.places(id).collect()).unwrap_or_default()
    }

    /// Takes in a session; its user must have none in the room.
    pub(super) fn enter(&mut self, peer: Peer, room: impl FnOnce() -> Room, now: Instant) {
        let place = peer.place;
        let index = self.free.pop().unwrap_or_else(|| {
            self.peers.push(None);
            self.peers.len() - 1
        });
        self.demux.expect(&peer.ufrag, index);
        self.rooms.entry(place.room).or_insert_with(room).enter(place.uid, place.entry, index);
        self.timers.insert((now, index));
        self.peers[index] = Some(Box::new(Seat { peer, timer: now, awake: false }));
        self.wake(index);
    }

    /// Takes a session out, with all that is known of it.
    pub(super) fn discard(&mut self, index: usize, now: Instant) -> Option<Peer> {
        let Seat { peer, timer, .. } = *self.peers.get_mut(index)?.take()?;
        self.free.push(index);
        self.timers.remove(&(timer, index));
        self.demux.forget(&peer.ufrag);
        for address in &peer.addresses {
            self.demux.unlearn(*address, index);
        }
        if let Some(room) = self.rooms.get_mut(&peer.place.room) {
            room.leave(peer.place.uid, now);
            if room.is_empty() {
                self.rooms.remove(&peer.place.room);
            }
        }
        self.tell_soon(peer.place.room, now);
        Some(peer)
    }

    pub(super) fn set_gate(&mut self, place: Place, open: bool, now: Instant) {
        if let Some(room) = self.rooms.get_mut(&place.room) {
            room.set_gate(place.uid, place.entry, open, now);
            self.tell_soon(place.room, now);
        }
    }

    /// The session that a datagram says it is for.
    pub(super) fn meant(&self, from: SocketAddr, datagram: &[u8]) -> Option<usize> {
        self.demux.meant(from, datagram)
    }

    /// Notes that a session's client is at an address. One that is another's, who is there, stays that one's.
    pub(super) fn prove(&mut self, index: usize, address: SocketAddr, now: Instant) {
        match self.demux.owner(address) {
            Some(owner) if owner == index => return,
            Some(owner) => {
                let Some(other) = self.get_mut(owner) else { return };
                if other.is_lively(now) {
                    return;
                }
                other.addresses.retain(|known| *known != address);
            }
            None => {}
        }
        let Some(peer) = self.get_mut(index) else { return };
        if let Some(oldest) = peer.prove(address) {
            self.demux.unlearn(oldest, index);
        }
        self.demux.learn(address, index);
    }

    /// Gives a packet to all in the room but its speaker.
    pub(super) fn tell_others(&mut self, speaker: Place, voice: &Voice) {
        let Self { rooms, peers, awake, .. } = self;
        let Some(room) = rooms.get(&speaker.room) else { return };
        for (_, index) in room.peers().filter(|(uid, _)| *uid != speaker.uid) {
            let Some(Some(seat)) = peers.get_mut(index) else { continue };
            seat.peer.outbox.push(voice.clone());
            if !std::mem::replace(&mut seat.awake, true) {
                awake.push(index);
            }
        }
    }

    /// Marks a session as one that has something to do.
    pub(super) fn wake(&mut self, index: usize) {
        if let Some(Some(seat)) = self.peers.get_mut(index)
            && !std::mem::replace(&mut seat.awake, true)
        {
            self.awake.push(index);
        }
    }

    /// The next session that has something to do.
    pub(super) fn next_awake(&mut self) -> Option<usize> {
        loop {
            let index = self.awake.pop()?;
            // Its seat may be another's by now, which is awake for itself then.
            if let Some(Some(seat)) = self.peers.get_mut(index)
                && std::mem::take(&mut seat.awake)
            {
                return Some(index);
            }
        }
    }

    /// Wakes all whose time has come.
    pub(super) fn wake_due(&mut self, now: Instant) {
        let due: Vec<_> =
            self.timers.iter().take_while(|(due, _)| *due <= now).map(|timer| timer.1).collect();
        for index in due {
            self.wake(index);
        }
    }

    /// Sets a session's timer to when it is due.
    pub(super) fn reset_timer(&mut self, index: usize) {
        let Some(Some(seat)) = self.peers.get_mut(index) else { return };
        if seat.timer != seat.peer.due {
            self.timers.remove(&(seat.timer, index));
            seat.timer = seat.peer.due;
            self.timers.insert((seat.timer, index));
        }
    }

    /// Tells of all rooms whose time has come who speaks there.
    pub(super) fn tell_due(&mut self, now: Instant) {
        while let Some(&(due, id)) = self.tellings.first() {
            if due > now {
                return;
            }
            self.tellings.pop_first();
            let Some(room) = self.rooms.get_mut(&id) else { continue };
            // It may have been told meanwhile, or be another room by the same name.
            if room.tells_at(now).is_some_and(|at| at <= now) {
                room.tell(now);
            }
            self.tell_soon(id, now);
        }
    }

    /// How many rooms' changes are to be told some time.
    #[cfg(test)]
    pub(super) fn tellings(&self) -> usize {
        self.tellings.len()
    }

    /// Sees to it that a room's changes are told.
    fn tell_soon(&mut self, id: RoomId, now: Instant) {
        if let Some(at) = self.rooms.get(&id).and_then(|room| room.tells_at(now)) {
            self.tellings.insert((at, id));
        }
    }
}
