//! Scenario `commit`: many people in one room raise and lower their hands, each as fast as it is answered.

use std::time::Duration;

use crate::{
    cast,
    measure::{Measured, measure},
    server::Server,
};

/// People, each with one call on its way at any time.
pub(crate) const IN_FLIGHT: usize = 64;
const CONNECTIONS: usize = 4;

/// Runs the scenario against one server.
pub(crate) async fn run(server: &Server, length: Duration) -> anyhow::Result<Measured> {
    let mut people = cast::enter(server, IN_FLIGHT, CONNECTIONS).await?;
    measure(server, &mut people, length, |mut person| async move {
        person.turn_hand().await?;
        Ok(person)
    })
    .await
}
