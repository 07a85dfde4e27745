//! How loud somebody is, and whether it speaks, by what its packets say of themselves (RFC 6464).

use std::time::{Duration, Instant};

/// Silence, in dBov.
pub(super) const SILENCE: f32 = -127.0;
/// Louder than this is speech, not a room's noise.
const SPEECH: f32 = -50.0;
/// Taken for the level of a packet that tells none, but isn't one of silence.
const UNTOLD: i8 = -40;
/// Opus says in so few bytes that there is nothing to say.
const COMFORT: usize = 8;
/// Speech goes on in pauses as short as this.
const HOLD: Duration = Duration::from_millis(400);
/// Of a new level, how much counts: a voice is there at once, and fades.
const RISE: f32 = 0.5;
const FALL: f32 = 0.1;

/// A speaker's level over the last packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loudness {
    level: f32,
    heard: Option<Instant>,
    spoke: Option<Instant>,
}

impl Default for Loudness {
    fn default() -> Self {
        Self { level: SILENCE, heard: None, spoke: None }
    }
}

impl Loudness {
    /// Takes a packet's level, from -127 to 0; where it tells none, its length has to do.
    pub(super) fn hear(&mut self, told: Option<i8>, length: usize, now: Instant) {
        let told = told.unwrap_or(if length > COMFORT { UNTOLD } else { i8::MIN });
        let level = f32::from(told).clamp(SILENCE, 0.0);
        let before = self.level(now);
        let weight = if level > before { RISE } else { FALL };
        self.level = before + (level - before) * weight;
        self.heard = Some(now);
        if self.level > SPEECH {
            self.spoke = Some(now);
        }
    }

    /// In dBov; silence where nothing came for a while.
    pub(super) fn level(&self, now: Instant) -> f32 {
        if within_hold(self.heard, now) { self.level } else { SILENCE }
    }

    /// Whether it speaks, short pauses included.
    pub(super) fn speaks(&self, now: Instant) -> bool {
        within_hold(self.spoke, now)
    }
}

fn within_hold(at: Option<Instant>, now: Instant) -> bool {
    at.is_some_and(|at| now.saturating_duration_since(at) < HOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    #[test]
    fn speech_begins_within_few_packets_and_outlasts_a_pause() {
        let mut now = Instant::now();
        let mut loudness = Loudness::default();
        let mut packets = 0;
        while !loudness.speaks(now) {
            now += FRAME;
            packets += 1;
            loudness.hear(Some(-20), 80, now);
        }
        assert!(packets <= 4, "{packets}");
        assert!(loudness.speaks(now + HOLD - FRAME), "a pause");
        assert!(!loudness.speaks(now + HOLD), "the end");
        assert_eq!(loudness.level(now + HOLD), SILENCE);
    }

    #[test]
    fn noise_and_silence_are_no_speech() {
        let mut now = Instant::now();
        for (told, length) in [(Some(-70), 80), (Some(-127), 80), (None, 2), (Some(i8::MIN), 0)] {
            let mut loudness = Loudness::default();
            for _ in 0..100 {
                now += FRAME;
                loudness.hear(told, length, now);
            }
            assert!(!loudness.speaks(now), "{told:?}");
        }
    }

    #[test]
    fn one_who_tells_no_level_speaks_all_the_same() {
        let mut now = Instant::now();
        let mut loudness = Loudness::default();
        for _ in 0..10 {
            now += FRAME;
            loudness.hear(None, 80, now);
        }
        assert!(loudness.speaks(now));
    }
}
