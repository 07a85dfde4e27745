//! What tests of real processes stand on: GoChat as five processes on a Redis of its own, with
//! what stands between them (a balancer, a proxy) in the test's hands, and a checker of what Redis holds.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod balancer;
pub mod checker;
mod deployment;
mod port;
mod process;
mod proxy;
mod redis;
mod resp;

pub use balancer::Balancer;
pub use deployment::{Deployment, Plan, Replica, SERVICE_TOKEN};
pub use process::{AT_MOST, Process, command, free_addresses, until, within};
pub use proxy::{Proxy, Read};
pub use redis::{Copy, Redis};

/// What a client offers that speaks and hears two others; nobody is behind it.
pub const OFFER: &str = include_str!("offer.sdp");
