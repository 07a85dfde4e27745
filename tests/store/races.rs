//! Concurrent decisions on the same thing: never do both win. Each is run often enough for
//! one that looks first and acts later to lose.

mod capacity;
mod entry;
mod moderation;
mod stage;
