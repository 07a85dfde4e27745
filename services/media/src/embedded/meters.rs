//! What is measured of sound on its way, by name; `docs/metrics.md` says what each means.

use metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};

const DROPPED: &str = "gochat_media_packets_dropped_total";
const JOINS: &str = "gochat_media_joins_total";

/// Why a datagram went no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dropped {
    /// From an address that nobody proved to be his, or for a session that isn't there.
    Unknown,
    /// More than a peer may send.
    Flood,
    /// Too long, or nothing that WebRTC knows.
    Malformed,
    /// The kernel had no room, or there is no way to the receiver.
    Unsent,
    /// From a speaker while louder ones have all slots.
    Unseated,
}

const REASONS: [(Dropped, &str); 5] = [
    (Dropped::Unknown, "unknown"),
    (Dropped::Flood, "flood"),
    (Dropped::Malformed, "malformed"),
    (Dropped::Unsent, "unsent"),
    (Dropped::Unseated, "unseated"),
];

/// What became of a session that was agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// Its client is connected.
    Connected,
    /// Its client didn't come in time.
    Late,
    /// As many are there as may be.
    Refused,
}

const OUTCOMES: [(Joined, &str); 3] =
    [(Joined::Connected, "connected"), (Joined::Late, "late"), (Joined::Refused, "refused")];

/// The handles: nothing is looked up by name for a packet.
#[derive(Clone)]
pub(super) struct Meters {
    pub(super) received: Counter,
    pub(super) sent: Counter,
    pub(super) gated: Counter,
    pub(super) panics: Counter,
    pub(super) sessions: Gauge,
    pub(super) round: Histogram,
    dropped: [Counter; REASONS.len()],
    joins: [Counter; OUTCOMES.len()],
}

impl Meters {
    /// Says what is measured, and begins each count with 0, so that the first one counted is seen as a change.
    pub(super) fn register() -> Self {
        describe_counter!("gochat_media_packets_received_total", "Datagrams that came from clients");
        describe_counter!("gochat_media_packets_sent_total", "Datagrams that were sent to clients");
        describe_counter!("gochat_media_packets_gated_total", "Packets of sound from who may not be heard");
        describe_counter!(DROPPED, "Datagrams that went no further, by the reason");
        describe_counter!(JOINS, "Sessions that were agreed upon, by what became of them");
        describe_counter!("gochat_media_panics_total", "Sessions that ended since the work on them panicked");
        describe_gauge!("gochat_media_sessions", "Sessions that are open");
        describe_histogram!(
            "gochat_media_round_seconds",
            Unit::Seconds,
            "A media thread's work on what has come, from waking until it waits again"
        );
        let counter = |name| {
            let counter = counter!(name);
            counter.absolute(0);
            counter
        };
        let labelled = |name, key: &'static str, value: &'static str| {
            let counter = counter!(name, key => value);
            counter.absolute(0);
            counter
        };
        let sessions = gauge!("gochat_media_sessions");
        sessions.increment(0.0);
        Self {
            received: counter("gochat_media_packets_received_total"),
            sent: counter("gochat_media_packets_sent_total"),
            gated: counter("gochat_media_packets_gated_total"),
            panics: counter("gochat_media_panics_total"),
            sessions,
            round: histogram!("gochat_media_round_seconds"),
            dropped: REASONS.map(|(_, reason)| labelled(DROPPED, "reason", reason)),
            joins: OUTCOMES.map(|(_, outcome)| labelled(JOINS, "outcome", outcome)),
        }
    }

    pub(super) fn dropped(&self, why: Dropped) {
        self.dropped[why as usize].increment(1);
    }

    pub(super) fn lost(&self, number: usize) {
        self.dropped[Dropped::Unsent as usize].increment(number as u64);
    }

    pub(super) fn joined(&self, outcome: Joined) {
        self.joins[outcome as usize].increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_counted_under_its_own_name() {
        assert!((0..).zip(REASONS).all(|(index, (reason, _))| reason as usize == index));
        assert!((0..).zip(OUTCOMES).all(|(index, (outcome, _))| outcome as usize == index));
    }
}
