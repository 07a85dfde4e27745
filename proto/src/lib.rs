//! The contract in Rust: the generated messages and services, what an error
//! carries, who may call what, and how places in a history are written.

mod access;
#[cfg(feature = "domain")]
mod convert;
mod mutation;
#[cfg(feature = "domain")]
pub mod parse;
mod place;
mod secret;
pub mod status;
pub mod view;

pub use access::{Access, access, may_call};
pub use mutation::Mutation;
pub use place::NotAToken;

/// The compiled contract (`google.protobuf.FileDescriptorSet`), for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

macro_rules! generated {
    ($($package:ident)*) => {
        /// Nested as the packages are: generated code names messages by relative paths.
        mod gochat {
            #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic, reason = "generated; the .proto files describe it")]
            $(pub mod $package {
                pub mod v1 {
                    include!(concat!(env!("OUT_DIR"), "/gochat.", stringify!($package), ".v1.rs"));
                }
            })*
        }
        $(pub use gochat::$package::v1 as $package;)*
    };
}

generated!(model account room stage notifier media);
