//! What every GoChat process needs, without a word of the domain: configuration, telemetry,
//! servers, callers, and an orderly end.
//!
//! A service's `main` is `gochat_chassis::run("account", gochat_account::serve)`; its `serve` builds a
//! [`Gate`] and a [`Server`] and lets that serve the [`Listeners`] until the [`Shutdown`].

mod admin;
pub mod args;
mod arriving;
#[cfg(feature = "fuzz")]
pub mod border;
pub mod caller;
pub mod channel;
mod connection;
mod cores;
mod drain;
mod edge;
mod files;
mod health;
pub mod http;
mod idle;
pub mod jwt;
mod limits;
pub mod metrics;
mod observe;
mod origins;
pub mod process;
pub mod readiness;
pub mod request;
pub mod server;
pub mod shutdown;
pub mod status;
mod strangers;
mod target;
pub mod telemetry;
mod tls;
mod web;

pub use args::{ConnectionArgs, ServerArgs, cores};
pub use caller::{Caller, Gate, ServiceTokens, Unavailable};
pub use channel::{Channel, channel};
pub use cores::core;
pub use origins::Origins;
pub use process::{Config, Listeners, run};
pub use readiness::Readiness;
pub use server::Server;
pub use shutdown::Shutdown;
pub use target::{Target, targets};
pub use telemetry::TelemetryArgs;
pub use tls::{ClientCertificates, ClientTlsArgs, TlsArgs};

/// What every process allocates by: a call makes many small things that don't last.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
