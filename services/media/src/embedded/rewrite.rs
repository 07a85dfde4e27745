//! One slot as one listener hears it: a single stream without a seam, whoever speaks in it.

use std::time::{Duration, Instant};

/// RTP's clock for Opus, in ticks a second.
const CLOCK: u128 = 48_000;
/// The least that a timestamp moves where one run follows another: a packet of 20 ms.
const STEP: u32 = 960;

/// A stretch of one speaker's packets that belong together: from where it begins to be heard in a slot until it
/// isn't any more. Each has a number of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run(pub(super) u64);

/// Where a packet is in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Extended: it doesn't begin anew after 65,535.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    /// The first packet of a run, before which there may be silence.
    pub(super) begins: bool,
}

/// Numbers what a listener gets in a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    run: Option<Carried>,
    /// What the next run begins with.
    sequence: u64,
    timestamp: u32,
    sent: Option<Instant>,
}

/// A run that is being heard: its numbers, and what they are moved by.
#[derive(Clone, Copy, Debug)]
struct Carried {
    run: Run,
    first: u64,
    becomes: u64,
    shift: u32,
}

impl Line {
    /// Begins where it is told to; both are better random, and the sequence number below 65,536, since a receiver
    /// knows the low 16 bits only.
    pub(super) fn new(sequence: u16, timestamp: u32) -> Self {
        Self { run: None, sequence: u64::from(sequence), timestamp, sent: None }
    }

    /// What a speaker's packet is for this listener. A run's losses and its order stay as they are; one run
    /// follows another without a gap, as late as it really was. None for a packet from before a run's first.
    pub(super) fn carry(&mut self, run: Run, sequence: u64, timestamp: u32, now: Instant) -> Option<Stamp> {
        let begins = self.run.is_none_or(|carried| carried.run != run);
        if begins {
            let becomes = self.timestamp.wrapping_add(self.pause(now));
            let shift = becomes.wrapping_sub(timestamp);
            self.run = Some(Carried { run, first: sequence, becomes: self.sequence, shift });
        }
        let carried = self.run?;
        let moved = carried.becomes + sequence.checked_sub(carried.first)?;
        let stamp = Stamp { sequence: moved, timestamp: timestamp.wrapping_add(carried.shift), begins };
        if moved >= self.sequence {
            self.sequence = moved + 1;
            self.timestamp = stamp.timestamp;
            self.sent = Some(now);
        }
        Some(stamp)
    }

    /// How long nothing was heard, by RTP's clock.
    fn pause(&self, now: Instant) -> u32 {
        let passed = self.sent.map_or(Duration::ZERO, |sent| now.saturating_duration_since(sent));
        let ticks = passed.as_micros() * CLOCK / 1_000_000;
        // Wraps as timestamps do.
        (ticks as u32).max(if self.sent.is_some() { STEP } else { 0 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_run_keeps_its_losses_and_its_order() {
        let now = Instant::now();
        let mut line = Line::new(100, 5_000);
        let stamps = [(7, 0), (8, 960), (10, 2_880), (9, 1_920)]
            .map(|(sequence, timestamp)| line.carry(Run(1), sequence, timestamp, now).unwrap());
        assert_eq!(stamps.map(|stamp| stamp.sequence), [100, 101, 103, 102]);
        assert_eq!(stamps.map(|stamp| stamp.timestamp), [5_000, 5_960, 7_880, 6_920]);
        assert_eq!(stamps.map(|stamp| stamp.begins), [true, false, false, false]);
        assert_eq!(line.carry(Run(1), 6, 0, now), None, "from before it began");
    }

    #[test]
    fn the_next_run_follows_without_a_gap_and_as_late_as_it_is() {
        let now = Instant::now();
        let mut line = Line::new(65_535, u32::MAX);
        line.carry(Run(1), 40, 77, now).unwrap();
        let next = line.carry(Run(2), 90_000, 1, now + Duration::from_millis(500)).unwrap();
        assert_eq!(next, Stamp { sequence: 65_536, timestamp: 23_999, begins: true });
        let same = line.carry(Run(3), 3, 3, now + Duration::from_millis(501)).unwrap();
        assert_eq!(same, Stamp { sequence: 65_537, timestamp: 23_999 + STEP, begins: true });
    }

    proptest! {
        #[test]
        fn whoever_speaks_the_stream_has_no_seam(
            packets in prop::collection::vec((0u64..4, any::<u32>(), 0u64..3_000), 1..200),
        ) {
            let start = Instant::now();
            let mut at = start;
            let mut line = Line::new(9, 9);
            let mut heard: Option<(u64, u32)> = None;
            let mut counts = [0u64, 1 << 40, 5, 70_000];
            for (run, timestamp, gap) in packets {
                at += Duration::from_millis(gap);
                let sequence = &mut counts[run as usize];
                *sequence += 1;
                let stamp = line.carry(Run(run), *sequence, timestamp, at).unwrap();
                if let Some((before, then)) = heard {
                    if stamp.begins {
                        prop_assert_eq!(stamp.sequence, before + 1);
                        let late = stamp.timestamp.wrapping_sub(then);
                        prop_assert_eq!(late, (gap as u32 * 48).max(STEP));
                    } else {
                        prop_assert_eq!(stamp.sequence, before + 1);
                    }
                }
                heard = Some((stamp.sequence, stamp.timestamp));
            }
        }
    }
}
