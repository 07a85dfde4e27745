//! Gates in virtual time: who is let through when, and for how long without word from Redis.

use gochat_proto::{model::Role, view::RoomView};
use gochat_store::Snapshot;

use super::*;
use crate::stays::tests::{changed, closed, commit, joined, left, member, view};

const PATIENCE: Duration = Duration::from_secs(15);

/// A room, its gates, and a clock that goes on when it is told.
struct World {
    gates: Gates,
    start: Instant,
    now: Instant,
    asked: u64,
}

fn room() -> RoomId {
    RoomId::from_number(1)
}

fn place(uid: u32, entry: u64) -> Place {
    Place { room: room(), uid: uid.try_into().unwrap(), entry: Entry(entry) }
}

fn snapshot(view: RoomView) -> Step {
    Step::Snapshot(Box::new(Snapshot { view, invitations: Vec::new(), closing: None }))
}

fn step(kind: gochat_proto::model::event::Kind) -> Step {
    Step::Commit(Box::new(commit([kind])))
}

fn speaker(uid: u32, entry: u64, on: bool) -> gochat_proto::model::Member {
    member(uid, entry, Role::GuestSpeaker, on)
}

impl World {
    /// With nobody in the room known.
    fn new() -> Self {
        let now = Instant::now();
        Self { gates: Gates::new(room(), PATIENCE), start: now, now, asked: 0 }
    }

    /// With 7 on stage by entry 3 and 8 listening by entry 4, as Redis has it.
    fn with_people() -> Self {
        let mut world = Self::new();
        let people = [speaker(7, 3, true), member(8, 4, Role::Listener, false)];
        assert_eq!(world.take(snapshot(view(people))), []);
        assert_eq!(world.verify(), []);
        world
    }

    fn take(&mut self, step: Step) -> Vec<Act> {
        self.gates.take(&step, self.now)
    }

    fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.gates.asked(self.asked, self.now);
        self.asked
    }

    /// Redis says now that all that is known is so.
    fn verify(&mut self) -> Vec<Act> {
        let number = self.ask();
        self.take(Step::Verified(number))
    }

    fn open(&mut self, uid: u32, entry: u64) -> Option<Act> {
        self.gates.opened(place(uid, entry), self.now)
    }

    /// Goes on to so many ms after the beginning.
    fn at(&mut self, ms: u64) -> Vec<Act> {
        self.now = self.start + Duration::from_millis(ms);
        self.gates.tick(self.now)
    }
}

fn set(uid: u32, entry: u64, open: bool) -> Act {
    Act::Set(place(uid, entry), open)
}

fn end(uid: u32, entry: u64) -> Act {
    Act::End(place(uid, entry))
}

#[test]
fn nobody_is_let_through_before_redis_has_answered() {
    let mut world = World::new();
    assert_eq!(world.open(7, 3), None);
    let number = world.ask();
    assert_eq!(world.take(snapshot(view([speaker(7, 3, true)]))), []);
    assert_eq!(world.take(Step::Verified(number)), [set(7, 3, true)]);
}

#[test]
fn a_gate_follows_each_commit() {
    let mut world = World::with_people();
    assert_eq!(world.open(7, 3), Some(set(7, 3, true)));
    assert_eq!(world.open(8, 4), None);
    assert_eq!(world.take(step(changed(speaker(7, 3, false)))), [set(7, 3, false)]);
    assert_eq!(world.take(step(changed(speaker(7, 3, true)))), [set(7, 3, true)]);
    assert_eq!(world.take(step(changed(speaker(8, 4, true)))), [set(8, 4, true)]);
    assert_eq!(world.take(step(changed(member(8, 4, Role::Listener, false)))), [set(8, 4, false)]);
    let both = commit([changed(speaker(7, 3, false)), changed(member(8, 4, Role::Host, true))]);
    assert_eq!(world.take(Step::Commit(Box::new(both))), [set(7, 3, false), set(8, 4, true)]);
}

#[test]
fn a_session_ends_with_its_stay_or_its_entry() {
    let mut world = World::with_people();
    world.at(10);
    world.open(7, 3);
    world.open(8, 4);
    assert_eq!(world.take(step(left(speaker(7, 3, true)))), [end(7, 3)]);
    assert_eq!(world.take(step(joined(member(8, 9, Role::Listener, false)))), [end(8, 4)], "entered again");
    assert!(world.gates.are_none());
    assert_eq!(world.open(8, 4), Some(end(8, 4)), "of an entry that was");
}

#[test]
fn the_end_of_an_earlier_stay_is_not_the_end_of_this_one() {
    let mut world = World::with_people();
    world.at(10);
    world.open(8, 9);
    assert_eq!(world.take(step(left(member(8, 4, Role::Listener, false)))), []);
    assert_eq!(world.take(step(joined(speaker(8, 9, true)))), [set(8, 9, true)]);
}

#[test]
fn who_has_just_come_is_waited_for_until_redis_is_asked_again() {
    let mut world = World::with_people();
    let early = world.ask();
    world.at(10);
    assert_eq!(world.open(9, 5), None, "what is known is older than this session");
    assert_eq!(world.take(Step::Verified(early)), [], "it was asked before");
    let late = world.ask();
    assert_eq!(world.take(step(joined(speaker(9, 5, true)))), [set(9, 5, true)]);
    assert_eq!(world.take(Step::Verified(late)), []);
    assert_eq!(
        world.open(6, 6),
        Some(end(6, 6)),
        "it is not in the room, and redis was asked in this moment"
    );
    world.at(20);
    assert_eq!(world.open(6, 6), None);
    assert_eq!(world.verify(), [end(6, 6)]);
}

#[test]
fn without_word_from_redis_what_is_open_stays_so_for_a_while() {
    let mut world = World::with_people();
    world.open(7, 3);
    world.open(8, 4);
    assert_eq!(world.at(14_999), []);
    assert_eq!(world.gates.deadline(), Some(world.start + PATIENCE));
    assert_eq!(world.at(15_000), [set(7, 3, false)]);
    assert_eq!(world.gates.deadline(), None);
    assert_eq!(world.at(60_000), []);
    assert_eq!(world.verify(), [set(7, 3, true)], "redis is back");
}

#[test]
fn without_word_from_redis_nothing_is_opened() {
    let mut world = World::with_people();
    world.open(8, 4);
    world.at(FRESH.as_millis() as u64);
    assert_eq!(world.open(7, 3), None);
    assert_eq!(world.take(step(changed(speaker(8, 4, true)))), []);
    assert_eq!(world.verify(), [set(7, 3, true), set(8, 4, true)]);
}

#[test]
fn what_is_shut_meanwhile_stays_shut() {
    let mut world = World::with_people();
    world.open(7, 3);
    world.at(6_000);
    assert_eq!(world.take(step(changed(speaker(7, 3, false)))), [set(7, 3, false)]);
    assert_eq!(world.take(step(changed(speaker(7, 3, true)))), [], "that would be something new");
    assert_eq!(world.verify(), [set(7, 3, true)]);
}

#[test]
fn an_answer_counts_from_when_it_was_asked_for() {
    let mut world = World::with_people();
    world.open(7, 3);
    let number = world.ask();
    world.at(14_000);
    assert_eq!(world.take(Step::Verified(number)), []);
    assert_eq!(world.gates.deadline(), Some(world.start + PATIENCE));
    for _ in 0..10 * ASKED {
        world.ask();
    }
    assert_eq!(world.gates.asked.len(), ASKED, "an outage takes no room");
}

#[test]
fn the_engine_is_put_right() {
    let mut world = World::with_people();
    world.open(7, 3);
    world.open(8, 4);
    let actual = [(place(7, 3), false), (place(8, 4), true), (place(8, 2), true), (place(9, 5), true)];
    let put_right = world.gates.reconcile(&actual, world.now);
    assert_eq!(put_right, [set(7, 3, true), end(8, 2), set(8, 4, false), end(9, 5)]);
    assert_eq!(world.gates.reconcile(&actual[..1], world.now), [set(7, 3, true)]);
    assert_eq!(world.gates.reconcile(&[], world.now), []);
    assert!(world.gates.are_none(), "what the engine no longer has is forgotten");
}

#[test]
fn a_room_that_is_closed_or_gone_is_over() {
    for last in [step(closed()), Step::Gone, snapshot(RoomView { closed: true, ..view([]) })] {
        let mut world = World::with_people();
        assert!(!world.gates.is_over());
        world.take(last);
        assert!(world.gates.is_over());
    }
}

#[test]
fn another_history_is_believed_at_once() {
    let mut world = World::with_people();
    world.open(7, 3);
    assert_eq!(world.take(snapshot(view([speaker(7, 3, false)]))), [set(7, 3, false)]);
    assert_eq!(world.take(snapshot(view([]))), [end(7, 3)], "redis was asked since the session began");
}
