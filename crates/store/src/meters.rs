//! What is measured of the store, by name. `docs/metrics.md` says what each means.

use std::time::Instant;

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use tracing::Instrument;

/// How long Redis took, in seconds, by `kind` of command and `outcome`: `ok` or `failed`.
const REDIS: &str = "gochat_redis_duration_seconds";

/// Says what is measured, and begins each count with 0, so that the first one counted is seen as a change.
pub(crate) fn register() {
    describe_histogram!(REDIS, Unit::Seconds, "How long Redis took to answer, all tries together");
    for (name, text) in [
        ("gochat_commits_total", "Commits made"),
        ("gochat_commit_conflicts_total", "Decisions that others were faster than, and that were made again"),
        ("gochat_commits_late_total", "Decisions that reached Redis after their deadline"),
        ("gochat_commits_given_up_total", "Commands answered ABORTED: they lost every race"),
        ("gochat_feed_dropped_total", "Messages that found a follower's queue full"),
        ("gochat_feed_garbage_total", "Messages of the feed that can't be read"),
        ("gochat_feed_lost_total", "Connections of the feed that were lost"),
    ] {
        describe_counter!(name, text);
        counter!(name).absolute(0);
    }
    describe_counter!("gochat_commits_searched_total", "Commits whose answer was lost, by what was found");
    for outcome in ["found", "unknown"] {
        counter!("gochat_commits_searched_total", "outcome" => outcome).absolute(0);
    }
    describe_counter!(
        "gochat_gaps_repaired_total",
        "Gaps in a room's history that were closed, by the source"
    );
    for source in ["log", "snapshot"] {
        counter!("gochat_gaps_repaired_total", "source" => source).absolute(0);
    }
    for (name, text) in [
        ("gochat_redis_accepted", "1 while the version and the eviction policy of Redis can be relied on"),
        ("gochat_redis_persistent", "1 while Redis writes an append-only file or has a replica"),
        ("gochat_redis_replicas", "Replicas connected to Redis"),
        ("gochat_redis_memory_used_bytes", "What Redis holds"),
        ("gochat_redis_memory_limit_bytes", "What Redis may hold; 0 where there is no limit"),
        ("gochat_redis_evicted_keys", "Keys that Redis has dropped for want of memory since it started"),
        ("gochat_redis_connected_clients", "Connections to Redis, of all processes"),
    ] {
        describe_gauge!(name, text);
    }
}

/// Takes the time of a command, in the histogram and, where traces are collected in detail, as a span.
pub(crate) async fn timed<T, E>(
    kind: &'static str,
    command: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let span = tracing::debug_span!(
        "redis",
        otel.name = kind,
        otel.kind = "client",
        db.system.name = "redis",
        db.operation.name = kind,
    );
    let began = Instant::now();
    let answer = command.instrument(span).await;
    let outcome = if answer.is_ok() { "ok" } else { "failed" };
    histogram!(REDIS, "kind" => kind, "outcome" => outcome).record(began.elapsed());
    answer
}

/// Takes down what a lost answer to a commit turned out to be.
pub(crate) fn searched(found: bool) {
    let outcome = if found { "found" } else { "unknown" };
    counter!("gochat_commits_searched_total", "outcome" => outcome).increment(1);
}

/// Takes down a number of the server's own.
pub(crate) fn server(name: &'static str, value: f64) {
    gauge!(name).set(value);
}
