//! TLS: what servers show of themselves and ask of their clients, and what clients ask of servers.

mod client;
mod names;
mod pem;
mod server;
mod wire;

pub use client::ClientTlsArgs;
pub(crate) use client::Trust;
pub(crate) use names::{Names, read as read_name};
pub(crate) use server::{Acceptor, Speaks};
pub use server::{ClientCertificates, TlsArgs};
pub(crate) use wire::{Detached, Wire};

#[cfg(test)]
pub(crate) mod testing;
