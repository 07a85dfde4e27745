//! Scenario `media`: what it costs to bring each speaker's packets to everybody in a room, over real ICE, DTLS and SRTP.

mod crowd;
mod peer;
mod people;

use std::{fs, time::Duration};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use tokio::task::spawn_blocking;

use self::{crowd::Crowd, people::People};
use crate::{
    measure::Measured,
    server::{Cpu, Server},
};

/// On stage; as many as can be heard at once.
pub(crate) const SPEAKERS: usize = 10;
/// Rooms that are measured, by their listeners: one as the sizing table has it, and one of twice the packets.
pub(crate) const LISTENERS: [usize; 2] = [150, 300];
/// Before what is measured: for slots and levels to settle.
const WARM_UP: Duration = Duration::from_secs(2);

/// What sound cost.
pub(crate) struct Sound {
    /// One operation is a packet that a speaker said and the last listener heard; its time is from mouth to ear.
    pub(crate) measured: Measured,
    /// Packets that were brought to somebody, and those that should have been and were not.
    pub(crate) packets: u64,
    pub(crate) lost: u64,
    /// Of resident memory of the server, for each session, connected and silent.
    pub(crate) kib_per_peer: f64,
}

/// Runs the scenario in one room: the clients have a thread of their own, and the suite does nothing else.
pub(crate) async fn run(server: &Server, listeners: usize, length: Duration) -> anyhow::Result<Sound> {
    let people = People::enter(server, SPEAKERS, listeners).await.context("entering")?;
    let before = resident(server)?;
    let mut crowd = Crowd::open(server, &people).await.context("opening sessions")?;
    crowd = work(crowd, |crowd| crowd.connect()).await.context("connecting")?;
    let kib_per_peer = resident(server)?.saturating_sub(before) as f64 / 1024.0 / people.len() as f64;
    crowd = work(crowd, |crowd| crowd.speak(WARM_UP)).await?;
    crowd.forget();
    let cpu_before = server.cpu()?;
    crowd = work(crowd, move |crowd| crowd.speak(length)).await?;
    let cpu = Cpu::between(cpu_before, server.cpu()?);
    // What is still on its way is neither lost nor heard yet.
    crowd = work(crowd, |crowd| crowd.listen()).await?;
    let (packets, lost) = crowd.counts();
    let latency: Histogram<u64> = crowd.latency();
    ensure!(!latency.is_empty(), "nobody was heard");
    let deliveries = packets / latency.len().max(1);
    let measured = Measured { seconds: length.as_secs_f64(), latency, cpu, deliveries };
    Ok(Sound { measured, packets, lost, kib_per_peer })
}

/// Lets the crowd do something on a thread of its own.
async fn work(
    mut crowd: Crowd,
    what: impl FnOnce(&mut Crowd) -> anyhow::Result<()> + Send + 'static,
) -> anyhow::Result<Crowd> {
    spawn_blocking(move || what(&mut crowd).map(|()| crowd)).await?
}

/// The server's resident memory, in bytes.
fn resident(server: &Server) -> anyhow::Result<u64> {
    let path = format!("/proc/{}/status", server.pid());
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.split_whitespace().next().context("no figure")?.parse()?;
    Ok(kib * 1024)
}
