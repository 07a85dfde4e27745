//! What is called when, in time that is passed in.

use super::*;

struct World {
    plan: Plan,
    now: Instant,
}

fn uid(number: u32) -> Uid {
    number.try_into().unwrap()
}

fn drawn(number: u32, entry: u64) -> Identity {
    Identity::draw(Place { room: RoomId::from_number(1), uid: uid(number), entry: Entry(entry) })
}

fn found(identity: impl ToString, may_publish: Option<bool>, sounds: bool) -> Participant {
    Participant { identity: identity.to_string(), may_publish, sounds }
}

fn listener(identity: impl ToString) -> Participant {
    found(identity, Some(false), false)
}

impl World {
    fn new() -> Self {
        Self { plan: Plan::default(), now: Instant::now() }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    fn admit(&mut self, number: u32, entry: u64) -> Identity {
        let identity = drawn(number, entry);
        self.plan.admit(identity, self.now);
        identity
    }

    fn gate(&mut self, identity: Identity, open: bool) {
        self.plan.set_gate(identity.uid, identity.entry, open);
    }

    fn look(&mut self, found: impl IntoIterator<Item = Participant>) {
        self.plan.look_sent();
        self.plan.looked(found.into_iter().collect(), self.now);
    }

    fn next(&mut self) -> Option<Call> {
        self.plan.next(self.now)
    }

    /// All that is called now, each with this outcome.
    fn calls(&mut self, outcome: Outcome) -> Vec<Call> {
        let mut calls = Vec::new();
        while let Some(call) = self.next() {
            self.plan.called(&call, outcome, self.now);
            calls.push(call);
        }
        calls
    }

    fn done(&mut self) -> Vec<Call> {
        self.calls(Outcome::Done)
    }

    fn heard(&self) -> Vec<u32> {
        self.plan.heard().iter().map(|heard| heard.uid.get()).collect()
    }
}

fn raise(identity: Identity) -> Call {
    Call::Raise(identity.to_string())
}

fn lower(identity: Identity) -> Call {
    Call::Lower(identity.to_string())
}

fn remove(identity: impl ToString) -> Call {
    Call::Remove(identity.to_string())
}

#[test]
fn somebody_is_raised_who_is_there_and_may_speak_and_lowered_at_once() {
    let mut world = World::new();
    let anna = world.admit(7, 3);
    world.gate(anna, true);
    assert_eq!(world.done(), [], "nobody knows that she is there");
    assert!(world.plan.look_is_due(), "so somebody looks");
    world.look([listener(anna)]);
    assert_eq!(world.heard(), [0; 0]);
    assert_eq!(world.done(), [raise(anna)]);
    assert_eq!((world.done(), world.heard()), (vec![], vec![7]));
    world.gate(anna, false);
    assert_eq!(world.heard(), [0; 0]);
    assert_eq!(world.done(), [lower(anna)]);
    assert_eq!(world.done(), []);
}

#[test]
fn nobody_is_raised_whose_gate_is_shut() {
    let mut world = World::new();
    let anna = world.admit(7, 3);
    world.look([listener(anna)]);
    assert_eq!(world.done(), []);
    world.plan.set_gate(uid(7), Entry(2), true);
    world.plan.set_gate(uid(8), Entry(3), true);
    assert_eq!(world.done(), [], "that was another entry, or another user");
}

/// LiveKit renews the tokens of those who are there: one that was made while its holder could speak still says so.
#[test]
fn who_comes_with_more_rights_than_it_has_is_lowered() {
    let mut world = World::new();
    let [anna, bert, carl] = [7, 8, 9].map(|number| world.admit(number, 3));
    world.look([found(anna, Some(true), false), found(bert, None, false), found(carl, Some(false), true)]);
    let mut calls = world.done();
    calls.sort_by_key(|call| format!("{call:?}"));
    assert_eq!(calls, [lower(anna), lower(bert), lower(carl)]);
}

#[test]
fn what_silences_comes_first() {
    let mut world = World::new();
    let [anna, bert, carl] = [7, 8, 9].map(|number| world.admit(number, 3));
    world.gate(anna, true);
    world.look([listener(anna), found(bert, Some(true), true), listener(carl), listener("stranger")]);
    let calls = world.done();
    assert_eq!((calls.len(), calls.last()), (3, Some(&raise(anna))));
}

#[test]
fn who_was_not_admitted_or_no_longer_is_removed_whenever_he_comes() {
    let mut world = World::new();
    let former = world.admit(7, 3);
    let anna = world.admit(7, 4);
    assert!(world.plan.look_is_due(), "the former may be there");
    world.look([listener(former), listener(anna), listener("100000001"), listener("")]);
    assert_eq!(world.done().len(), 3);
    assert_eq!(world.plan.sessions(RoomId::from_number(1)).len(), 1);
    world.plan.end(uid(7), |own| own.entry == Entry(3), world.now);
    assert_eq!(world.done(), [], "that was another entry");
    world.plan.end(uid(7), |own| own.entry == Entry(4), world.now);
    assert_eq!(world.done(), [remove(anna)]);
    world.pass(ADMISSION / 2);
    world.look([listener(anna)]);
    assert_eq!(world.done(), [remove(anna)], "it came back");
    world.pass(ADMISSION - Duration::from_secs(1));
    world.look([]);
    assert!(!world.plan.is_over(), "it could still: tokens are renewed");
    world.pass(Duration::from_secs(2));
    world.look([]);
    assert!(world.plan.is_over());
}

#[test]
fn whom_another_node_admitted_stays_and_is_silent() {
    let mut world = World::new();
    let (former, anna) = (drawn(7, 3), drawn(7, 4));
    world.look([found(anna, Some(true), true), listener(former)]);
    let mut calls = world.done();
    calls.sort_by_key(|call| format!("{call:?}"));
    assert_eq!(calls, [lower(anna), remove(former)]);
    let room = RoomId::from_number(1);
    let place = Place { room, uid: uid(7), entry: Entry(4) };
    assert_eq!(world.plan.sessions(room), [(place, false)]);
    world.gate(anna, true);
    assert_eq!(world.done(), [raise(anna)]);
}

#[test]
fn who_never_comes_is_forgotten_when_the_token_has_ended() {
    let mut world = World::new();
    let anna = world.admit(7, 3);
    world.pass(ADMISSION - Duration::from_secs(1));
    world.look([listener(anna)]);
    world.pass(ADMISSION - Duration::from_secs(1));
    world.look([]);
    assert_eq!(world.plan.sessions(RoomId::from_number(1)).len(), 1, "it was there");
    world.pass(Duration::from_secs(2));
    world.look([]);
    assert!(world.plan.is_over());
}

#[test]
fn a_room_ends_and_nobody_stays_or_comes_back() {
    let mut world = World::new();
    let [anna, bert] = [7, 8].map(|number| world.admit(number, 3));
    world.look([listener(anna), listener(bert)]);
    world.plan.end_all(world.now);
    assert_eq!((world.next(), world.next()), (Some(Call::Delete), None), "it takes everybody along");
    world.plan.called(&Call::Delete, Outcome::Done, world.now);
    assert_eq!(world.done(), []);
    assert!(!world.plan.is_over());
    let another = drawn(9, 1);
    world.look([listener(anna), listener(another)]);
    assert_eq!(world.done().len(), 2);
    assert!(world.plan.sessions(RoomId::from_number(1)).is_empty());
    world.pass(ADMISSION * 2);
    world.look([]);
    assert!(world.plan.is_over());
}

#[test]
fn what_fails_is_tried_again_ever_later_and_at_once_where_it_changed() {
    let mut world = World::new();
    let anna = world.admit(7, 3);
    world.look([found(anna, Some(true), true)]);
    let mut waits = Vec::new();
    for _ in 0..7 {
        assert_eq!(world.calls(Outcome::Failed), [lower(anna)]);
        let next = world.plan.next_try(world.now).unwrap();
        waits.push((next - world.now).as_millis());
        world.now = next;
    }
    assert_eq!(waits, [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    assert_eq!(world.calls(Outcome::Failed), [lower(anna)]);
    assert_eq!(world.next(), None);
    world.gate(anna, true);
    assert_eq!(world.calls(Outcome::Failed), [raise(anna)], "another thing");
    world.gate(anna, false);
    assert_eq!(world.calls(Outcome::Failed), [lower(anna)], "it may have been raised");
    world.pass(RETRY.1);
    assert_eq!(world.done(), [lower(anna)]);
    assert_eq!(world.plan.next_try(world.now), None);
}

#[test]
fn a_room_that_cannot_be_ended_is_emptied_meanwhile() {
    let mut world = World::new();
    let anna = world.admit(7, 3);
    world.look([listener(anna)]);
    world.plan.end_all(world.now);
    assert_eq!(world.next(), Some(Call::Delete));
    world.plan.called(&Call::Delete, Outcome::Failed, world.now);
    assert_eq!(world.done(), [remove(anna)]);
    world.pass(RETRY.1);
    assert_eq!(world.done(), [Call::Delete]);
}

/// A listing may have been made before a call, and come after it.
#[test]
fn a_look_that_is_older_than_a_call_hides_nothing() {
    let mut world = World::new();
    let anna = world.admit(7, 3);
    world.look([listener(anna)]);
    world.gate(anna, true);
    world.plan.look_sent();
    assert_eq!(world.done(), [raise(anna)]);
    world.plan.looked(vec![listener(anna)], world.now);
    assert_eq!(world.heard(), [7]);
    world.gate(anna, false);
    assert_eq!(world.done(), [lower(anna)]);
    // Nor one that was sent while a call was under way.
    world.gate(anna, true);
    let raising = world.next().unwrap();
    world.plan.look_sent();
    world.plan.called(&raising, Outcome::Done, world.now);
    world.plan.looked(vec![], world.now);
    world.gate(anna, false);
    assert_eq!(world.done(), [lower(anna)]);
    world.look([]);
    assert_eq!(world.heard(), [0; 0]);
}

#[test]
fn one_call_at_a_time_is_made_for_each() {
    let mut world = World::new();
    let anna = world.admit(7, 3);
    world.look([listener(anna)]);
    world.gate(anna, true);
    let raising = world.next().unwrap();
    world.gate(anna, false);
    assert_eq!(world.next(), None, "which would be first is anybody's guess");
    world.plan.called(&raising, Outcome::Done, world.now);
    assert_eq!(world.done(), [lower(anna)]);
}

#[test]
fn who_is_gone_is_not_called_again() {
    let mut world = World::new();
    let anna = world.admit(7, 3);
    world.gate(anna, true);
    world.look([listener(anna)]);
    assert_eq!(world.calls(Outcome::Gone), [raise(anna)]);
    assert_eq!(world.done(), []);
}

#[test]
fn webhooks_are_news_where_something_is_to_be_done() {
    let mut world = World::new();
    let [anna, bert] = [7, 8].map(|number| world.admit(number, 3));
    world.gate(anna, true);
    world.look([listener(anna), listener(bert)]);
    let news = |told: Participant| world.plan.is_news(&told);
    assert!(news(listener(anna)), "it is to be raised, or has gone");
    assert!(!news(listener(bert)), "as everybody who listens");
    assert!(news(found(bert, Some(true), false)) && news(found(bert, None, false)));
    assert!(news(found(bert, Some(false), true)));
    assert!(news(listener(drawn(9, 1))) && news(listener("stranger")));
}
