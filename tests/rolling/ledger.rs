//! What was called and what failed, and whether it is time to go home.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use tokio::sync::watch;

/// Shared by all who call. Clones are one and the same.
#[derive(Clone)]
pub(crate) struct Ledger {
    written: Arc<Mutex<Written>>,
    over: watch::Sender<bool>,
}

#[derive(Default)]
struct Written {
    done: BTreeMap<&'static str, usize>,
    failed: Vec<String>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { written: Arc::default(), over: watch::Sender::new(false) }
    }

    /// One more of what was done.
    pub(crate) fn done(&self, what: &'static str) {
        *self.written.lock().unwrap().done.entry(what).or_default() += 1;
    }

    /// What must not have been.
    pub(crate) fn failed(&self, what: String) {
        self.written.lock().unwrap().failed.push(what);
    }

    /// Everybody finishes what they are about.
    pub(crate) fn call_it_a_day(&self) {
        self.over.send_replace(true);
    }

    /// Whether there is to be another round.
    pub(crate) fn goes_on(&self) -> bool {
        !*self.over.borrow()
    }

    /// How often each thing was done, and all that failed.
    pub(crate) fn read(&self) -> (BTreeMap<&'static str, usize>, Vec<String>) {
        let written = self.written.lock().unwrap();
        (written.done.clone(), written.failed.clone())
    }
}
