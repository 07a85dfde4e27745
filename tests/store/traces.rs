//! Interleavings written down: each broke an earlier wording of the protocol that it is of.

mod entry;
mod transact;
