//! The run: cases with a seed each, spread over as many threads as there are cores for them, each
//! with a Redis of its own.

use std::{cell::RefCell, io::Write, sync::Mutex, thread};

use clap::Parser;
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use tokio::runtime::{Builder, Runtime};

use crate::{
    case::{Played, play},
    command::{Plot, plots},
    real::Stage,
    shrink::{Failure, shrink},
    tally::Tally,
};

/// How many commands a case has.
const COMMANDS: usize = 100;
const THREADS: usize = 2;
/// How often a case is played that a busy machine left unfinished.
const TRIES: usize = 3;

/// What a run is told by the environment.
#[derive(Clone, Debug, Parser)]
struct Plan {
    /// The first case's seed, in hexadecimal; those after it count up. Drawn where it isn't given.
    #[arg(long, env = "GOCHAT_MODEL_SEED", value_parser = seed)]
    seed: Option<u64>,
    /// How many commands in all.
    #[arg(long, env = "GOCHAT_MODEL_COMMANDS", default_value_t = 20_000)]
    commands: usize,
}

fn seed(text: &str) -> Result<u64, std::num::ParseIntError> {
    u64::from_str_radix(text.trim_start_matches("0x"), 16)
}

/// Says something that is seen though the test passes.
fn say(told: &str) {
    let _ = writeln!(std::io::stderr(), "{told}");
}

/// One thread's Redis, and a runtime for it.
struct Worker {
    runtime: Runtime,
    stage: Stage,
    tally: RefCell<Tally>,
}

impl Worker {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let stage = runtime.block_on(Stage::build());
        Self { runtime, stage, tally: RefCell::default() }
    }

    /// Plays the case of one seed; where it fails, gives the trace of a shorter one that does.
    fn case(&self, seed: u64) -> Result<(), String> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let plot = plots(COMMANDS).new_tree(&mut runner).unwrap().current();
        let Some(failure) = self.plot(&plot, &mut self.tally.borrow_mut()) else { return Ok(()) };
        let Failure { told, .. } = shrink(plot, failure, |shorter| self.plot(shorter, &mut Tally::default()));
        Err(format!(
            "{told}\nto see it again: GOCHAT_MODEL_SEED={seed:016x} GOCHAT_MODEL_COMMANDS={COMMANDS}"
        ))
    }

    /// Where a plot fails; none where it doesn't.
    fn plot(&self, plot: &Plot, tally: &mut Tally) -> Option<Failure> {
        let mut why = String::new();
        for _ in 0..TRIES {
            match self.runtime.block_on(play(&self.stage, plot, tally)) {
                Played::Passed => return None,
                Played::Failed(failure) => return Some(failure),
                Played::Away(told) => why = told,
            }
        }
        Some(Failure { at: 0, told: format!("redis did not answer, {TRIES} times: {why}") })
    }
}

/// Plays all cases; panics with the first trace on which store and model disagree.
pub(crate) fn run() {
    let plan = Plan::parse_from(["model"]);
    let first = plan.seed.unwrap_or_else(rand::random);
    let cases = plan.commands.div_ceil(COMMANDS) as u64;
    say(&format!("model: GOCHAT_MODEL_SEED={first:016x} GOCHAT_MODEL_COMMANDS={}", plan.commands));
    let next = Mutex::new(0..cases);
    let failed = Mutex::new(None);
    let tally = Mutex::new(Tally::default());
    thread::scope(|scope| {
        for _ in 0..THREADS.min(cases as usize) {
            scope.spawn(|| {
                let worker = Worker::start();
                while failed.lock().unwrap().is_none() {
                    let Some(case) = next.lock().unwrap().next() else { break };
                    if let Err(told) = worker.case(first.wrapping_add(case)) {
                        failed.lock().unwrap().get_or_insert(told);
                    }
                }
                tally.lock().unwrap().add(&worker.tally.borrow());
            });
        }
    });
    if let Some(told) = failed.into_inner().unwrap() {
        panic!("store and model disagree\n{told}");
    }
    let tally = tally.into_inner().unwrap();
    say(&format!("model: {tally}"));
    let missing = tally.missing();
    assert!(plan.commands < 20_000 || missing.is_empty(), "too rare in this run: {missing:?}");
}
