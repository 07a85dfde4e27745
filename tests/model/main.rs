//! Random commands by several actors, with time passing, on the real store and in a plain model in
//! memory: answers, events and final state agree. See `run.rs` for what a run can be told.
#![expect(clippy::unwrap_used, reason = "what fails in a test fails the test")]

mod act;
mod agree;
mod case;
mod casting;
mod command;
mod house;
mod passing;
mod real;
mod run;
mod shrink;
mod tally;

#[test]
fn store_and_model_agree() {
    run::run();
}
