//! The judge judged: records it must accept, and for each objection one that earns it.

mod accepted;
mod invitations;
#[macro_use]
mod objected;
mod story;
mod streams;
