//! The laws of the house, checked on the files of the tree and on `cargo metadata`.

mod arrows;
mod breach;
mod laws;
mod lengths;
mod lexemes;
mod readme;
mod tree;
mod unfinished;
mod wording;
