//! A server as its callers, its probes and its operator meet it.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod calls;
mod certificates;
mod cores;
mod http;
mod life;
mod limits;
mod probe;
mod tls;
mod web;
mod world;
