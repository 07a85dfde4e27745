//! The servers under attack, with good clients beside the attackers, and what an attack may cost them.

use std::{net::SocketAddr, num::ParseIntError, time::Instant};

use gochat_rig::{Deployment, Plan};
use tokio::sync::{Mutex, MutexGuard};

use crate::good::Good;

/// What any server may grow by under any of the attacks, in MiB.
pub(crate) const GROWTH: u64 = 256;

/// Attacks come one at a time: each may have all that the machine has.
static TURN: Mutex<()> = Mutex::const_new(());

pub(crate) struct World {
    pub(crate) deployment: Deployment,
    good: Good,
    began: Instant,
    before: Vec<(&'static str, u64)>,
    _turn: MutexGuard<'static, ()>,
}

impl World {
    /// Five processes whose patience with silent peers is short, and good clients of theirs.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The same, told something more.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let turn = TURN.lock().await;
        let plan = Plan::whole()
            .with("GOCHAT_GREETING_TIMEOUT", "2s")
            .with("GOCHAT_HTTP_HEADER_TIMEOUT", "2s")
            .with("GOCHAT_GATEWAY_TRUSTED_PROXIES", "127.0.0.1")
            .with("GOCHAT_LOG", "error");
        let plan = variables.iter().fold(plan, |plan, (name, value)| plan.with(name, value));
        let deployment = Deployment::of(plan).await;
        let good = Good::start(&deployment).await;
        let before = memory(&deployment);
        Self { deployment, good, began: Instant::now(), before, _turn: turn }
    }

    /// Where a server is reached.
    pub(crate) fn address(&self, server: &str) -> SocketAddr {
        let url = match server {
            "gateway" => self.deployment.url(""),
            "room" => self.deployment.endpoints().room,
            _ => self.deployment.endpoints().account,
        };
        let address = url.trim_start_matches("http://").split('/').next().unwrap();
        address.parse().unwrap()
    }

    /// Ends the good clients: every call of theirs has succeeded, and no server has grown by more than the bound.
    pub(crate) async fn survives(self, attack: &str) -> Deployment {
        let (calls, p99) = self.good.end().await;
        let grown: Vec<_> = memory(&self.deployment)
            .into_iter()
            .zip(&self.before)
            .map(|((name, after), (_, before))| (name, after.saturating_sub(*before)))
            .collect();
        say(&format!(
            "{attack}: {:.1} s, {calls} good calls, p99 {:.1} ms, grown by MiB: {grown:?}",
            self.began.elapsed().as_secs_f64(),
            p99.as_secs_f64() * 1e3,
        ));
        for (name, mebibytes) in grown {
            assert!(mebibytes <= GROWTH, "{attack}: gochat-{name} has grown by {mebibytes} MiB");
        }
        self.deployment
    }
}

/// Says how an attack went, to who reads the test's output.
#[expect(clippy::print_stdout, reason = "figures of a run")]
pub(crate) fn say(figures: &str) {
    println!("{figures}");
}

/// What each server has in memory, in MiB.
fn memory(deployment: &Deployment) -> Vec<(&'static str, u64)> {
    let processes = deployment.servers.iter().chain(&deployment.notifiers);
    processes.map(|process| (process.name, process.resident() >> 20)).collect()
}

/// min(10,000, 0.8 × the descriptors this process may have, less what is open for other things).
pub(crate) fn connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let may: Result<usize, ParseIntError> = line.split_whitespace().nth(3).unwrap().parse();
    may.map_or(10_000, |may| (may * 4 / 5).min(10_000))
}

/// How many calls the crowds make: 10,000, or what `GOCHAT_HOSTILE_CALLS` says.
pub(crate) fn calls() -> usize {
    let said = std::env::vars().find(|(name, _)| name == "GOCHAT_HOSTILE_CALLS");
    said.map_or(10_000, |(_, calls)| calls.parse().unwrap())
}
