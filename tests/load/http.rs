//! Scenario `http`: the same call through the gateway and straight at its service, which shows what the gateway adds.

use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    cast::{self, Person},
    measure::{Measured, measure},
    server::Server,
};

/// People, each with one call on its way at any time, on a connection of its own.
pub(crate) const IN_FLIGHT: usize = 64;
/// Odd, for the median.
const ROUNDS: u32 = 5;

/// Somebody who turns its hand by the documented HTTP API.
#[derive(Clone)]
pub(crate) struct Visitor {
    person: Person,
    http: reqwest::Client,
    url: String,
}

impl Visitor {
    pub(crate) fn new(person: Person, http: &reqwest::Client, gateway: &str) -> Self {
        Self { person, http: http.clone(), url: format!("{gateway}/chat_room/operate_raise_hand") }
    }

    /// Raises the hand or, where it is up, lowers it.
    pub(crate) async fn turn_hand(&mut self) -> anyhow::Result<()> {
        let Person { session, room_id, hand_up, .. } = &self.person;
        let asked = json!({ "uid": session.uid, "room_id": room_id, "type": if *hand_up { 1 } else { 2 } });
        let asks = self.http.post(&self.url).header("authorization", session.authorization()?);
        let answer: Value = asks.json(&asked).send().await?.error_for_status()?.json().await?;
        ensure!(answer["ret"]["code"] == 0, "refused: {answer}");
        self.person.hand_up = !self.person.hand_up;
        Ok(())
    }
}

/// Runs the scenario: through the gateway and at the service in turn, so that what else the machine does falls on both.
/// Each figure is that of a round whose CPU time a call is the median.
pub(crate) async fn run(server: &Server, length: Duration) -> anyhow::Result<[(&'static str, Measured); 2]> {
    let gateway = server.told.gateway.as_ref().context("a server without a gateway")?;
    let http = reqwest::Client::new();
    let people = cast::enter(server, IN_FLIGHT, IN_FLIGHT).await?;
    let visitor = |person| Visitor::new(person, &http, gateway);
    let mut visitors: Vec<Visitor> = people.into_iter().map(visitor).collect();
    let (mut through, mut straight) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let turned = measure(server, &mut visitors, length / ROUNDS, |mut visitor| async move {
            visitor.turn_hand().await?;
            Ok(visitor)
        });
        through.push(turned.await?);
        let turned = measure(server, &mut visitors, length / ROUNDS, |mut visitor| async move {
            visitor.person.turn_hand().await?;
            Ok(visitor)
        });
        straight.push(turned.await?);
    }
    Ok([("gateway", median(through)), ("service", median(straight))])
}

/// The one of an odd number of rounds that has as many below as above.
fn median(mut rounds: Vec<Measured>) -> Measured {
    let each = |round: &Measured| round.cpu.server / round.latency.len() as f64;
    rounds.sort_by(|one, other| each(one).total_cmp(&each(other)));
    rounds.swap_remove(rounds.len() / 2)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;
    use crate::server::Cpu;

    #[test]
    fn one_round_that_stands_out_counts_for_nothing() {
        let round = |operations, server| {
            let mut latency = Histogram::new(3).unwrap();
            latency.record_n(1, operations).unwrap();
            Measured { seconds: 1.0, latency, cpu: Cpu { server, redis: None }, deliveries: 1 }
        };
        // 10 ms, 2 ms and 3 ms a call.
        let rounds = vec![round(100, 1.0), round(1_000, 2.0), round(500, 1.5)];
        assert_eq!(median(rounds).latency.len(), 500);
    }
}
