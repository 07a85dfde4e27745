//! What the five processes show of themselves: metrics, traces, logs, and what is made of them.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod collector;
mod delivery;
mod logs;
mod metrics;
mod observability;
mod people;
mod redis;
mod traces;
