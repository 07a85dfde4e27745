//! Who gets in where: the permission table, sessions and their ends, and what attackers try on the way in.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod capabilities;
mod forging;
mod lifetime;
mod permissions;
mod permissions_asked;
mod permissions_cast;
mod revocation;
mod secrets;
mod smuggling;
mod streams;
mod wire;
mod world;
