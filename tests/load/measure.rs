//! One figure: how many operations in how long, how long each took, and what CPU time that cost.

use std::{future::Future, time::Duration};

use anyhow::bail;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::server::{Cpu, Server};

const WARM_UP_SHARE: u32 = 5;

/// What was measured in one run.
pub(crate) struct Measured {
    pub(crate) seconds: f64,
    /// Of each operation, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// CPU time of the run, in seconds.
    pub(crate) cpu: Cpu,
    /// Deliveries that each operation makes.
    pub(crate) deliveries: u64,
}

/// Lets everybody do one operation after the other for so long, after a warm-up that is not counted.
pub(crate) async fn measure<P, F>(
    server: &Server,
    people: &mut [P],
    length: Duration,
    operation: impl Fn(P) -> F + Copy,
) -> anyhow::Result<Measured>
where
    P: Clone,
    F: Future<Output = anyhow::Result<P>>,
{
    everybody(people, length / WARM_UP_SHARE, operation).await?;
    let (cpu_before, start) = (server.cpu()?, Instant::now());
    let latency = everybody(people, length, operation).await?;
    let (seconds, cpu_after) = (start.elapsed().as_secs_f64(), server.cpu()?);
    if latency.is_empty() {
        bail!("nothing was done in {length:?}");
    }
    let cpu = Cpu::between(cpu_before, cpu_after);
    Ok(Measured { seconds, latency, cpu, deliveries: 1 })
}

async fn everybody<P, F>(
    people: &mut [P],
    length: Duration,
    operation: impl Fn(P) -> F + Copy,
) -> anyhow::Result<Histogram<u64>>
where
    P: Clone,
    F: Future<Output = anyhow::Result<P>>,
{
    let until = Instant::now() + length;
    let loops = people.iter_mut().map(|person| async move {
        let mut latency = Histogram::<u64>::new(3)?;
        while Instant::now() < until {
            let start = Instant::now();
            *person = operation(person.clone()).await?;
            latency.record(u64::try_from(start.elapsed().as_micros())?)?;
        }
        anyhow::Ok(latency)
    });
    let mut all = Histogram::<u64>::new(3)?;
    for latency in try_join_all(loops).await? {
        all.add(latency)?;
    }
    Ok(all)
}
