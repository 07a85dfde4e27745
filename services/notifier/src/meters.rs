//! What is measured of streams, by name, and what is seen of a commit on its way to them.
//! `docs/metrics.md` says what each means.

use std::cell::Cell;

use gochat_domain::Millis;
use gochat_proto::{model::Commit, notifier::GoodbyeReason};
use gochat_store::{Store, Trace};
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tracing::Span;

/// How long after a commit was decided it was handed to streams, in seconds, by Redis's clock alone.
const LAG: &str = "gochat_feed_lag_seconds";
const BEGINNINGS: [&str; 4] = ["resumed", "snapshot", "gone", "unavailable"];

/// Says what is measured, and begins each count with 0, so that the first one counted is seen as a change.
pub(crate) fn register() {
    describe_histogram!(LAG, Unit::Seconds, "From a commit's decision until it is handed to streams");
    for (name, text) in [
        ("gochat_subscribers", "Streams that are open"),
        ("gochat_views", "Rooms that are followed"),
        ("gochat_deliveries_held", "Commits that are kept for who comes back or is slow"),
        (
            "gochat_frames_waiting",
            "Frames that wait for the slowest core or stream of a room: the most of any room",
        ),
        ("gochat_orders_waiting", "Subscribers that wait for a room to take them: the most of any room"),
    ] {
        describe_gauge!(name, text);
    }
    for name in ["gochat_subscribers", "gochat_views", "gochat_deliveries_held"] {
        gauge!(name).set(0.0);
    }
    describe_counter!("gochat_subscriptions_total", "Places asked for to begin from, by how it began");
    for begin in BEGINNINGS {
        counter!("gochat_subscriptions_total", "begin" => begin).absolute(0);
    }
    describe_counter!("gochat_slow_readers_total", "Times that a stream fell behind its queue");
    counter!("gochat_slow_readers_total").absolute(0);
    counter!("gochat_gaps_repaired_total", "source" => "ring").absolute(0);
    describe_counter!("gochat_goodbyes_total", "Streams that ended with a word, by the reason");
    for number in 1.. {
        let Ok(reason) = GoodbyeReason::try_from(number) else { break };
        counter!("gochat_goodbyes_total", "reason" => name(reason)).absolute(0);
    }
}

/// Counts a stream that ends with a word.
pub(crate) fn goodbye(reason: GoodbyeReason) {
    counter!("gochat_goodbyes_total", "reason" => name(reason)).increment(1);
}

/// A reason as the contract names it.
fn name(reason: GoodbyeReason) -> &'static str {
    let name = reason.as_str_name();
    name.strip_prefix("GOODBYE_REASON_").unwrap_or(name)
}

/// A stream that is open, until it is dropped.
pub(crate) struct Open(());

impl Open {
    pub(crate) fn new() -> Self {
        gauge!("gochat_subscribers").increment(1.0);
        Self(())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        gauge!("gochat_subscribers").decrement(1.0);
    }
}

/// The queues of a node's rooms: of each kind, the longest.
#[derive(Default)]
pub(crate) struct Longest {
    frames: Cell<usize>,
    orders: Cell<usize>,
}

impl Longest {
    /// Takes one room's queues.
    pub(crate) fn room(&self, frames: usize, orders: usize) {
        self.frames.set(self.frames.get().max(frames));
        self.orders.set(self.orders.get().max(orders));
    }

    /// Takes them down.
    pub(crate) fn tell(self) {
        gauge!("gochat_frames_waiting").set(self.frames.get() as f64);
        gauge!("gochat_orders_waiting").set(self.orders.get() as f64);
    }
}

/// Takes down how old a commit is that is handed to streams now. The span is to be entered meanwhile: where
/// the command's trace is collected, it belongs to that.
pub(crate) fn handed_on(store: &Store, commit: &Commit, trace: Option<Trace>) -> Span {
    let lag = store.since(Millis(commit.committed_at));
    if let Some(lag) = lag {
        histogram!(LAG).record(lag);
    }
    let Some(trace) = trace else { return Span::none() };
    let span = tracing::info_span!(
        "deliver",
        otel.kind = "consumer",
        messaging.system = "redis",
        messaging.operation.name = "deliver",
        messaging.operation.type = "process",
        room = commit.room_id,
        revision = commit.revision,
        lag_ms = lag.map(|lag| lag.as_millis() as u64),
    );
    trace.lead_to(&span);
    span
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_named_as_in_the_contract() {
        assert_eq!(name(GoodbyeReason::MaxAge), "MAX_AGE");
        assert!((1..=9).all(|number| GoodbyeReason::try_from(number).is_ok()), "they are numbered in a row");
    }

    #[test]
    fn the_longest_queue_counts() {
        let longest = Longest::default();
        [(3, 0), (1, 7), (2, 2)].into_iter().for_each(|(frames, orders)| longest.room(frames, orders));
        assert_eq!((longest.frames.get(), longest.orders.get()), (3, 7));
    }
}
