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

/// Runs the scenario: first through the gateway, then at the service.
pub(crate) async fn run(server: &Server, length: Duration) -> anyhow::Result<[(&'static str, Measured); 2]> {
    let gateway = server.told.gateway.as_ref().context("a server without a gateway")?;
    let http = reqwest::Client::new();
    let people = cast::enter(server, IN_FLIGHT, IN_FLIGHT).await?;
    let visitor = |person| Visitor::new(person, &http, gateway);
    let mut visitors: Vec<Visitor> = people.into_iter().map(visitor).collect();
    let through = measure(server, &mut visitors, length, |mut visitor| async move {
        visitor.turn_hand().await?;
        Ok(visitor)
    })
    .await?;
    let mut people: Vec<Person> = visitors.into_iter().map(|visitor| visitor.person).collect();
    let straight = measure(server, &mut people, length, |mut person| async move {
        person.turn_hand().await?;
        Ok(person)
    })
    .await?;
    Ok([("gateway", through), ("service", straight)])
}
