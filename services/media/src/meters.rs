//! What is measured of rooms, gates and callers, by name; `docs/metrics.md` says what each means.

use metrics::{counter, describe_counter, describe_gauge, gauge};

const GATES: &str = "gochat_media_gates_total";
const OFFERS: &str = "gochat_media_offers_total";

/// Says what is measured, and begins each count with 0, so that the first one counted is seen as a change.
pub(crate) fn register() {
    for (name, text) in [
        ("gochat_media_rooms", "Rooms that have sessions here"),
        ("gochat_media_watchers", "Streams of who speaks that are open"),
    ] {
        describe_gauge!(name, text);
        gauge!(name).set(0.0);
    }
    describe_counter!(GATES, "Gates that were opened or shut");
    for to in ["open", "shut"] {
        counter!(GATES, "to" => to).absolute(0);
    }
    describe_counter!(OFFERS, "Offers of clients, by what became of them");
    for outcome in ["answered", "elsewhere", "refused", "too_many", "unavailable"] {
        counter!(OFFERS, "outcome" => outcome).absolute(0);
    }
    for (name, text) in [
        (
            "gochat_media_mended_total",
            "Gates and sessions that were not as they should be, and were put right",
        ),
        ("gochat_media_leases_lost_total", "Rooms with sessions here that another node has taken"),
    ] {
        describe_counter!(name, text);
        counter!(name).absolute(0);
    }
}

pub(crate) fn rooms(number: usize) {
    gauge!("gochat_media_rooms").set(number as f64);
}

pub(crate) fn gate(open: bool) {
    counter!(GATES, "to" => if open { "open" } else { "shut" }).increment(1);
}

pub(crate) fn offer(outcome: &'static str) {
    counter!(OFFERS, "outcome" => outcome).increment(1);
}

pub(crate) fn mended(number: usize) {
    counter!("gochat_media_mended_total").increment(number as u64);
}

pub(crate) fn lease_lost() {
    counter!("gochat_media_leases_lost_total").increment(1);
}

/// A stream of who speaks, until it is dropped.
pub(crate) struct Watching(());

impl Watching {
    pub(crate) fn new() -> Self {
        gauge!("gochat_media_watchers").increment(1.0);
        Self(())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        gauge!("gochat_media_watchers").decrement(1.0);
    }
}
