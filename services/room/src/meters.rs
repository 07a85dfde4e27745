//! What is measured of deadlines, by name. `docs/metrics.md` says what each means.

use std::time::Duration;

use metrics::{Unit, counter, describe_counter, describe_gauge, gauge};

/// Says what is measured, and begins each count with 0, so that the first one counted is seen as a change.
pub(crate) fn register() {
    describe_gauge!(
        "gochat_leases_spared",
        "Leases past their end that are not ended, since heartbeats may be lost"
    );
    describe_gauge!(
        "gochat_lease_overdue_seconds",
        Unit::Seconds,
        "How long the oldest lease is past its end"
    );
    for name in ["gochat_leases_spared", "gochat_lease_overdue_seconds"] {
        gauge!(name).set(0.0);
    }
    describe_counter!("gochat_expired_total", "Deadlines that passed and were acted on, by their kind");
    for kind in ["lease", "invitation"] {
        counter!("gochat_expired_total", "kind" => kind).absolute(0);
    }
    describe_counter!("gochat_sweeps_total", "Looks for deadlines that have passed, by outcome");
    for outcome in ["ok", "failed"] {
        counter!("gochat_sweeps_total", "outcome" => outcome).absolute(0);
    }
}

/// Counts a sweep.
pub(crate) fn swept(outcome: &'static str) {
    counter!("gochat_sweeps_total", "outcome" => outcome).increment(1);
}

/// Takes down how long the oldest lease is past its end: its owner is a ghost for so long.
pub(crate) fn overdue(by: Duration) {
    gauge!("gochat_lease_overdue_seconds").set(by.as_secs_f64());
}
