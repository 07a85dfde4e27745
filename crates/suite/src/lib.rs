//! GoChat in one process: the five services and the gateway, with a Redis of their own where none is named.

pub mod cli;
mod config;
pub mod demo;
pub mod private_redis;
mod ready;
mod suite;

pub use config::SuiteConfig;
pub use private_redis::PrivateRedis;
pub use suite::{Addresses, Running, start};
