//! A server under measurement: a child process of this same binary, and the CPU time that it has used.

use std::{fs, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};
use tonic::transport::{Channel, Endpoint};

const START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(30);
/// The kernel counts CPU time in hundredths of a second on every platform that we run on.
const TICKS_A_SECOND: f64 = 100.0;

/// What a child tells on its first line: addresses as `http://host:port`, and its Redis.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Told {
    /// The account and the room service; a bare server has none.
    pub(crate) account_and_room: Option<(String, String)>,
    pub(crate) stage: String,
    pub(crate) notifier: String,
    /// The gateway; a bare server has none.
    pub(crate) gateway: Option<String>,
    /// The media service; a bare server has none.
    pub(crate) media: Option<String>,
    /// The process id of its Redis, where it has one.
    pub(crate) redis: Option<u32>,
    /// Where that is, of a suite.
    pub(crate) redis_url: Option<String>,
}

/// A child process that serves until it is stopped or dropped.
pub(crate) struct Server {
    child: Child,
    pid: u32,
    pub(crate) told: Told,
}

/// Seconds of CPU time, user and system together.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    pub(crate) server: f64,
    pub(crate) redis: Option<f64>,
}

impl Cpu {
    /// What was used from one moment to another.
    pub(crate) fn between(before: Self, after: Self) -> Self {
        Self {
            server: after.server - before.server,
            redis: after.redis.zip(before.redis).map(|(after, before)| after - before),
        }
    }
}

impl Server {
    /// Starts one of the hidden subcommands and waits until it has told where it listens, at most 20 s.
    pub(crate) async fn start(command: &str) -> anyhow::Result<Self> {
        let binary = std::env::current_exe().context("cannot tell where this binary is")?;
        let mut child = Command::new(binary)
            .arg(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {command}"))?;
        let pid = child.id().context("the child has ended")?;
        let stdout = child.stdout.take().context("the child has no output")?;
        let line = timeout(START, BufReader::new(stdout).lines().next_line()).await;
        let Some(line) = line.with_context(|| format!("{command} did not start within {START:?}"))?? else {
            bail!("{command} ended before it served");
        };
        let told = serde_json::from_str(&line).with_context(|| format!("{command} said {line:?}"))?;
        Ok(Self { child, pid, told })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// The CPU time used since the processes began.
    pub(crate) fn cpu(&self) -> anyhow::Result<Cpu> {
        Ok(Cpu { server: cpu_of(self.pid)?, redis: self.told.redis.map(cpu_of).transpose()? })
    }

    /// Ends it, and waits until it has ended.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let ended = timeout(END, self.child.wait()).await.context("a server does not end")??;
        if !ended.success() {
            bail!("a server failed: {ended}");
        }
        Ok(())
    }
}

/// A connection of its own to an address.
pub(crate) async fn connect(url: &str) -> anyhow::Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())?.tcp_nodelay(true);
    endpoint.connect().await.with_context(|| format!("cannot connect to {url}"))
}

fn cpu_of(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    ticks(&stat).map(|ticks| ticks / TICKS_A_SECOND).with_context(|| format!("cannot understand {path}"))
}

/// utime and stime are the 14th and 15th field; the 2nd, in parentheses, may hold anything.
fn ticks(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<f64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_found_behind_any_name() {
        let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat), Some(300.0));
        assert_eq!(ticks("7 (a"), None);
        assert!(cpu_of(std::process::id()).is_ok());
    }
}
