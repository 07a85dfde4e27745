//! The six flows of the guide, each through the SDK and through HTTP, with what isn't allowed on the way.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod additions;
mod grpc_web;
mod hand;
mod invite;
mod join;
mod lists;
mod moderation;
mod mute;
mod presence;
mod sdk;
mod start;
mod step_down;
mod web;
mod web_session;
mod web_stream;
mod web_trust;
mod world;
