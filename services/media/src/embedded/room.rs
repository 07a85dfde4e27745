//! A room on its media thread: whose gates are open, who is heard in which slot, who speaks.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use gochat_domain::{Entry, RoomId, Uid};
use tokio::sync::watch;

use super::{
    loudness::{Loudness, SILENCE},
    rewrite::Run,
    slots::Slots,
};
use crate::engine::{Heard, Place};

/// Who speaks is told no more often than this.
pub(super) const TOLD_EVERY: Duration = Duration::from_millis(300);
/// Levels that are less apart, in dB, are alike.
const APART: f32 = 6.0;

/// What a speaker's packet meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// Its speaker may not be heard.
    Gated,
    /// Louder ones have all slots.
    Unseated,
    /// It is heard in a slot, by everybody else.
    Heard(u32, Run),
}

/// A room that somebody has a session in.
pub(super) struct Room {
    members: HashMap<Uid, Member>,
    slots: Slots,
    runs: u64,
    board: watch::Sender<Arc<[Heard]>>,
    told: Option<Instant>,
}

struct Member {
    entry: Entry,
    peer: usize,
    open: bool,
    loudness: Loudness,
    /// The stretch of packets that its packets are part of, and their source: both are others after each pause.
    run: Run,
    source: Option<u32>,
}

impl Room {
    pub(super) fn new(slots: u32, board: watch::Sender<Arc<[Heard]>>) -> Self {
        Self { members: HashMap::new(), slots: Slots::new(slots), runs: 0, board, told: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Whose session is whose, by peer.
    pub(super) fn peers(&self) -> impl Iterator<Item = (Uid, usize)> {
        self.members.iter().map(|(uid, member)| (*uid, member.peer))
    }

    /// Who has a session, and whether its gate is open.
    pub(super) fn places(&self, room: RoomId) -> impl Iterator<Item = (Place, bool)> {
        self.members.iter().map(move |(&uid, member)| (Place { room, uid, entry: member.entry }, member.open))
    }

    pub(super) fn peer_of(&self, uid: Uid) -> Option<usize> {
        Some(self.members.get(&uid)?.peer)
    }

    /// Takes in a session, with its gate shut. There must be none of the user's.
    pub(super) fn enter(&mut self, uid: Uid, entry: Entry, peer: usize) {
        let run = self.next_run();
        let member = Member { entry, peer, open: false, loudness: Loudness::default(), run, source: None };
        self.members.insert(uid, member);
    }

    /// Lets a session go.
    pub(super) fn leave(&mut self, uid: Uid, now: Instant) {
        self.shut(uid, now);
        self.members.remove(&uid);
    }

    /// Lets somebody be heard from now on, or no longer.
    pub(super) fn set_gate(&mut self, uid: Uid, entry: Entry, open: bool, now: Instant) {
        let run = self.next_run();
        let Some(member) = self.members.get_mut(&uid).filter(|member| member.entry == entry) else { return };
        if !open {
            self.shut(uid, now);
        } else if !member.open {
            member.open = true;
            member.loudness = Loudness::default();
            member.run = run;
            self.slots.enter(uid, now);
        }
    }

    /// What becomes of a speaker's packet.
    pub(super) fn hear(
        &mut self,
        uid: Uid,
        source: u32,
        level: Option<i8>,
        length: usize,
        now: Instant,
    ) -> Passage {
        let run = self.next_run();
        let Some(member) = self.members.get_mut(&uid).filter(|member| member.open) else {
            return Passage::Gated;
        };
        member.loudness.hear(level, length, now);
        if member.source.replace(source).is_some_and(|before| before != source) {
            member.run = run;
        }
        if let Some(slot) = self.slots.of(uid) {
            return Passage::Heard(slot, member.run);
        }
        let speaks = member.loudness.speaks(now);
        let levels = |uid| level_of(&self.members, uid, now);
        if speaks && self.slots.contend(uid, levels, now) {
            self.begin(uid, run);
        }
        match self.slots.of(uid) {
            Some(slot) => Passage::Heard(slot, run),
            None => Passage::Unseated,
        }
    }

    /// When who speaks is to be told next: at all only while somebody can be heard, or could when it was told.
    pub(super) fn tells_at(&self, now: Instant) -> Option<Instant> {
        let anybody = self.members.values().any(|member| member.open) || !self.board.borrow().is_empty();
        anybody.then(|| self.told.map_or(now, |told| told + TOLD_EVERY))
    }

    /// Tells who can be heard, if that has changed.
    pub(super) fn tell(&mut self, now: Instant) {
        self.told = Some(now);
        let heard = self.heard(now);
        self.board.send_if_modified(|told| {
            let changed = **told != *heard;
            if changed {
                *told = heard.into();
            }
            changed
        });
    }

    /// Who can be heard: those who speak first, and of them the loudest, as far as an ear tells them apart.
    fn heard(&self, now: Instant) -> Vec<Heard> {
        let mut heard: Vec<_> = self
            .members
            .iter()
            .filter(|(_, member)| member.open)
            .map(|(&uid, member)| {
                let speaking = member.loudness.speaks(now);
                let level = if speaking { member.loudness.level(now) } else { SILENCE };
                ((level / APART).round(), Heard { uid, slot: self.slots.of(uid), speaking })
            })
            .collect();
        heard.sort_by(|(level, one), (other_level, other)| {
            let louder = other_level.total_cmp(level);
            other.speaking.cmp(&one.speaking).then(louder).then(one.uid.cmp(&other.uid))
        });
        heard.into_iter().map(|(_, heard)| heard).collect()
    }

    fn shut(&mut self, uid: Uid, now: Instant) {
        let Some(member) = self.members.get_mut(&uid).filter(|member| member.open) else { return };
        member.open = false;
        let levels = |uid| level_of(&self.members, uid, now);
        if let Some(next) = self.slots.leave(uid, levels, now) {
            let run = self.next_run();
            self.begin(next, run);
        }
    }

    fn begin(&mut self, uid: Uid, run: Run) {
        if let Some(member) = self.members.get_mut(&uid) {
            member.run = run;
        }
    }

    fn next_run(&mut self) -> Run {
        self.runs += 1;
        Run(self.runs)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.board.send_if_modified(|told| !std::mem::replace(told, [].into()).is_empty());
    }
}

fn level_of(members: &HashMap<Uid, Member>, uid: Uid, now: Instant) -> f32 {
    members.get(&uid).map_or(SILENCE, |member| member.loudness.level(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn uid(number: u32) -> Uid {
        Uid::try_from(number).unwrap()
    }

    fn entry(number: u32) -> Entry {
        Entry(u64::from(number))
    }

    /// A room of so many, whose gates are open, and its board.
    fn room(slots: u32, members: u32, now: Instant) -> (Room, watch::Receiver<Arc<[Heard]>>) {
        let (sender, board) = watch::channel([].into());
        let mut room = Room::new(slots, sender);
        for number in 1..=members {
            room.enter(uid(number), entry(number), number as usize);
            room.set_gate(uid(number), entry(number), true, now);
        }
        (room, board)
    }

    fn say(room: &mut Room, number: u32, level: i8, now: Instant) -> Passage {
        room.hear(uid(number), number, Some(level), 80, now)
    }

    #[test]
    fn the_gate_comes_first() {
        let now = Instant::now();
        let (mut room, _board) = room(2, 1, now);
        room.enter(uid(2), entry(2), 2);
        assert_eq!(say(&mut room, 2, 0, now), Passage::Gated, "shut at the start");
        room.set_gate(uid(2), entry(7), true, now);
        assert_eq!(say(&mut room, 2, 0, now), Passage::Gated, "of another stay");
        room.set_gate(uid(2), entry(2), true, now);
        let Passage::Heard(1, before) = say(&mut room, 2, 0, now) else { panic!("open") };
        room.set_gate(uid(2), entry(2), true, now);
        assert_eq!(say(&mut room, 2, 0, now), Passage::Heard(1, before), "open already");
        room.set_gate(uid(2), entry(2), false, now);
        assert_eq!(say(&mut room, 2, 0, now), Passage::Gated);
        room.set_gate(uid(2), entry(2), true, now);
        let Passage::Heard(1, after) = say(&mut room, 2, 0, now) else { panic!("open again") };
        assert_ne!(before, after, "another stretch");
        assert_ne!(room.hear(uid(2), 99, None, 80, now), Passage::Heard(1, after), "another source");
    }

    #[test]
    fn what_is_gated_does_not_count_as_speech() {
        let now = Instant::now();
        let (mut room, _board) = room(2, 1, now);
        room.set_gate(uid(1), entry(1), false, now);
        assert!((0..50).all(|_| say(&mut room, 1, 0, now) == Passage::Gated));
        assert!(!room.members[&uid(1)].loudness.speaks(now));
    }

    #[test]
    fn where_more_speak_than_there_are_slots_the_loudest_are_heard() {
        let mut now = Instant::now();
        let (mut room, _board) = room(2, 3, now);
        let mut last = [Passage::Gated; 3];
        for _ in 0..100 {
            now += FRAME;
            last = [(1, -60), (2, -30), (3, -20)].map(|(number, level)| say(&mut room, number, level, now));
        }
        assert!(matches!(last, [Passage::Unseated, Passage::Heard(1, _), Passage::Heard(0, _)]), "{last:?}");
        // No matter how often they are as loud as each other, nobody is pushed.
        let third = last[2];
        for _ in 0..100 {
            now += FRAME;
            last = [(1, -20), (2, -22), (3, -20)].map(|(number, level)| say(&mut room, number, level, now));
        }
        assert_eq!((last[0], last[2]), (Passage::Unseated, third));
        room.leave(uid(2), now);
        assert!(matches!(say(&mut room, 1, -20, now), Passage::Heard(1, _)), "who waits is next");
    }

    #[test]
    fn who_speaks_is_told_when_it_changes_the_loudest_first() {
        let mut now = Instant::now();
        let (mut room, mut board) = room(2, 3, now);
        let told = |board: &mut watch::Receiver<Arc<[Heard]>>| {
            let told = board.borrow_and_update();
            told.iter().map(|heard| (heard.uid.get(), heard.slot, heard.speaking)).collect::<Vec<_>>()
        };
        assert_eq!(room.tells_at(now), Some(now), "at once");
        room.tell(now);
        assert_eq!(told(&mut board), [(1, Some(0), false), (2, Some(1), false), (3, None, false)]);
        assert_eq!(room.tells_at(now), Some(now + TOLD_EVERY), "not before");
        for _ in 0..30 {
            now += FRAME;
            say(&mut room, 1, -30, now);
            say(&mut room, 2, -10, now);
        }
        room.tell(now);
        assert_eq!(told(&mut board), [(2, Some(1), true), (1, Some(0), true), (3, None, false)]);
        room.tell(now);
        assert!(!board.has_changed().unwrap(), "as before");
        (1..=3).for_each(|number| room.set_gate(uid(number), entry(number), false, now));
        assert!(room.tells_at(now).is_some(), "that nobody is heard is told, too");
        room.tell(now);
        assert_eq!(told(&mut board), []);
        assert_eq!(room.tells_at(now), None, "a quiet room costs nothing");
    }
}
