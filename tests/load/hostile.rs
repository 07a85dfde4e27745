//! Scenario `hostile`: what good clients' calls take while others attack, next to the same in peace.

pub(crate) mod attack;

use std::time::Duration;

use anyhow::{Context, bail};
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::time::{Instant, MissedTickBehavior, interval};

use self::attack::{Attack, Attacker};
use crate::{
    cast,
    http::Visitor,
    measure::Measured,
    server::{Cpu, Server},
};

/// Good people, each of whom calls through the gateway on a connection of its own.
pub(crate) const GOOD: usize = 32;
/// How often each of them does: below what the gateway takes of one person.
const PACE: Duration = Duration::from_millis(200);

/// Runs the scenario: under each attack, made by a process of its own, then in peace. Fails where any good call does.
pub(crate) async fn run(server: &Server, length: Duration) -> anyhow::Result<Vec<(&'static str, Measured)>> {
    let gateway = server.told.gateway.as_ref().context("a server without a gateway")?;
    let people = cast::enter(server, GOOD, GOOD).await?;
    let http = reqwest::Client::new();
    let visitor = |person| Visitor::new(person, &http, gateway);
    let mut visitors: Vec<Visitor> = people.into_iter().map(visitor).collect();
    let mut all = Vec::new();
    for attack in Attack::ALL {
        let attacker = Attacker::start(attack, gateway).await?;
        all.push((attack.name(), paced(server, &mut visitors, length).await.context(attack.name())?));
        attacker.stop().await?;
    }
    all.push(("peace", paced(server, &mut visitors, length).await.context("in peace")?));
    Ok(all)
}

/// Lets everybody call at their pace for so long.
async fn paced(server: &Server, visitors: &mut [Visitor], length: Duration) -> anyhow::Result<Measured> {
    let (cpu_before, start) = (server.cpu()?, Instant::now());
    let calls = visitors.iter_mut().map(|visitor| async move {
        let mut latency = Histogram::<u64>::new(3)?;
        let mut ticks = interval(PACE);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while start.elapsed() < length {
            ticks.tick().await;
            let asked = Instant::now();
            visitor.turn_hand().await?;
            latency.record(u64::try_from(asked.elapsed().as_micros())?)?;
        }
        anyhow::Ok(latency)
    });
    let mut latency = Histogram::<u64>::new(3)?;
    for calls in try_join_all(calls).await? {
        latency.add(calls)?;
    }
    if latency.is_empty() {
        bail!("nothing was done in {length:?}");
    }
    let seconds = start.elapsed().as_secs_f64();
    let cpu = Cpu::between(cpu_before, server.cpu()?);
    Ok(Measured { seconds, latency, cpu, deliveries: 1 })
}
