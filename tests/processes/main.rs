//! The five servers as five processes, started, served, cut off from their Redis, and ended.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod audit;
mod end;
mod flow;
mod outage;
mod start;
mod voice;
