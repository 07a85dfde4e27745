//! Who is heard where: a room's slots, fewer than may speak perhaps; then the loudest have them.

use std::time::{Duration, Instant};

use gochat_domain::Uid;

/// So much louder, in dB, one has to be to take somebody's slot.
const LOUDER: f32 = 6.0;
/// So long, at least, one keeps a slot that it got.
const KEEPS: Duration = Duration::from_secs(1);

/// A room's slots and who waits for one.
#[derive(Debug)]
pub(super) struct Slots {
    holders: Box<[Option<Holder>]>,
    waiting: Vec<Uid>,
}

#[derive(Clone, Copy, Debug)]
struct Holder {
    uid: Uid,
    since: Instant,
}

impl Slots {
    pub(super) fn new(number: u32) -> Self {
        Self { holders: vec![None; number as usize].into(), waiting: Vec::new() }
    }

    /// Where somebody is heard.
    pub(super) fn of(&self, uid: Uid) -> Option<u32> {
        let held = |holder: &Option<Holder>| holder.is_some_and(|holder| holder.uid == uid);
        self.holders.iter().position(held).map(|slot| slot as u32)
    }

    /// Takes in somebody who may be heard from now on: to the lowest slot that is free, else to those who wait.
    pub(super) fn enter(&mut self, uid: Uid, now: Instant) {
        if self.of(uid).is_some() || self.waiting.contains(&uid) {
            return;
        }
        match self.holders.iter_mut().find(|holder| holder.is_none()) {
            Some(free) => *free = Some(Holder { uid, since: now }),
            None => self.waiting.push(uid),
        }
    }

    /// Lets somebody go; its slot is the loudest's of those who wait. Says whose it is now.
    pub(super) fn leave(&mut self, uid: Uid, level: impl Fn(Uid) -> f32, now: Instant) -> Option<Uid> {
        self.waiting.retain(|waiting| *waiting != uid);
        let slot = self.of(uid)? as usize;
        let loudest = (0..self.waiting.len())
            .max_by(|&one, &other| level(self.waiting[one]).total_cmp(&level(self.waiting[other])));
        let next = loudest.map(|index| self.waiting.remove(index));
        self.holders[slot] = next.map(|uid| Holder { uid, since: now });
        next
    }

    /// Lets one of those who wait have the slot of the quietest, where it is clearly louder and that one had it
    /// for a while. Whether it has one now.
    pub(super) fn contend(&mut self, uid: Uid, level: impl Fn(Uid) -> f32, now: Instant) -> bool {
        let Some(waits) = self.waiting.iter().position(|waiting| *waiting == uid) else { return false };
        let quietest = self
            .holders
            .iter_mut()
            .flatten()
            .filter(|holder| now.saturating_duration_since(holder.since) >= KEEPS)
            .min_by(|one, other| level(one.uid).total_cmp(&level(other.uid)));
        let Some(holder) = quietest else { return false };
        if level(uid) < level(holder.uid) + LOUDER {
            return false;
        }
        self.waiting[waits] = holder.uid;
        *holder = Holder { uid, since: now };
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn uid(number: u32) -> Uid {
        Uid::try_from(number).unwrap()
    }

    #[test]
    fn the_lowest_slot_that_is_free_is_the_next() {
        let now = Instant::now();
        let mut slots = Slots::new(3);
        (1..=3).for_each(|number| slots.enter(uid(number), now));
        assert_eq!(slots.leave(uid(2), |_| 0.0, now), None);
        assert_eq!(slots.leave(uid(1), |_| 0.0, now), None);
        slots.enter(uid(4), now);
        slots.enter(uid(4), now);
        assert_eq!([4, 3, 2].map(|number| slots.of(uid(number))), [Some(0), Some(2), None]);
    }

    #[test]
    fn the_louder_takes_the_quietest_slot_only_if_it_is_clearly_louder_and_not_too_soon() {
        let start = Instant::now();
        let later = start + KEEPS;
        let levels = HashMap::from([(1, -30.0), (2, -60.0), (3, -55.0), (4, -20.0)]);
        let level = |uid: Uid| levels[&uid.get()];
        let mut slots = Slots::new(2);
        (1..=4).for_each(|number| slots.enter(uid(number), start));
        assert!(!slots.contend(uid(4), level, start), "too soon");
        assert!(!slots.contend(uid(3), level, later), "hardly louder");
        assert!(slots.contend(uid(4), level, later));
        assert_eq!([1, 2, 4].map(|number| slots.of(uid(number))), [Some(0), None, Some(1)]);
        assert!(!slots.contend(uid(1), level, later), "has one");
        assert_eq!(slots.leave(uid(1), level, later), Some(uid(3)), "louder than the other who waits");
        assert_eq!(slots.of(uid(3)), Some(0));
    }

    proptest! {
        #[test]
        fn nobody_has_two_slots_and_nobody_waits_beside_a_free_one(
            steps in prop::collection::vec((0u8..3, 1u32..8, -90i8..0, 0u64..900), 1..120),
        ) {
            let mut slots = Slots::new(3);
            let mut inside = HashMap::<u32, f32>::new();
            let mut now = Instant::now();
            for (step, number, level, pause) in steps {
                now += Duration::from_millis(pause);
                match step {
                    0 => {
                        inside.insert(number, f32::from(level));
                        slots.enter(uid(number), now);
                    }
                    1 => {
                        slots.leave(uid(number), |uid| inside[&uid.get()], now);
                        inside.remove(&number);
                    }
                    _ => {
                        inside.entry(number).and_modify(|known| *known = f32::from(level));
                        slots.contend(uid(number), |uid| inside[&uid.get()], now);
                    }
                }
                let held: Vec<_> = slots.holders.iter().flatten().map(|holder| holder.uid).collect();
                let mut all: Vec<_> = held.iter().chain(&slots.waiting).map(|uid| uid.get()).collect();
                all.sort_unstable();
                let mut expected: Vec<_> = inside.keys().copied().collect();
                expected.sort_unstable();
                prop_assert_eq!(all, expected, "each once");
                prop_assert!(slots.waiting.is_empty() || held.len() == 3);
            }
        }
    }
}
