//! Hostile clients against real processes on loopback: each attack is bounded and stops by itself, and all the while
//! good clients are served, and memory and keys stay bounded.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod connections;
mod crowds;
mod documented;
mod floods;
mod frames;
mod good;
mod streams;
mod world;
