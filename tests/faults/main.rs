//! Faults, injected into real processes at work; then every subscriber's record is judged.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "what fails fails the test, and says so")]

mod actors;
mod cast;
mod cut;
mod fault_crowd;
mod fault_feed;
mod fault_log;
mod fault_notifier;
mod fault_reader;
mod fault_redis;
mod fault_restore;
mod fault_switches;
mod history;
mod judge;
mod presence;
mod record;
mod scene;
mod subscriber;
