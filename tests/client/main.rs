//! A client that takes its part in a room and goes on until it is killed: what tests of crashes kill.

mod part;

use clap::Parser;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    part::Part::parse().play().await
}
