//! The gateway over HTTP, in front of stand-ins for the services.

#![allow(clippy::unwrap_used, reason = "these are tests, with what they need")]

mod calls;
mod events;
mod resume;
mod standin;
mod transport;
mod world;
