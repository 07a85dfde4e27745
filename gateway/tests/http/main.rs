//! The gateway over HTTP, in front of stand-ins for the services.

#![allow(clippy::unwrap_used, reason = "these are tests, with what they need")]

mod calls;
mod events;
mod hygiene;
mod identity;
mod notifications;
mod resume;
mod speakers;
mod standin;
mod table;
mod transport;
mod voice;
mod web;
mod websocket;
mod world;
