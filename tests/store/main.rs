//! The store on a real Redis: what a command costs, who wins a race, and that a commit is
//! whole or not at all.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod atomic;
mod audit;
mod commands;
mod follow;
mod garbage;
mod later;
mod lost;
mod media;
mod races;
mod sweeps;
mod traces;
mod world;

use gochat_rig::checker;
