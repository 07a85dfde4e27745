//! The load generator: what a commit and a fan-out cost, next to servers that do no more than they must; and what the gateway adds to a call.

mod bare;
mod cast;
mod cli;
mod commit;
mod fanout;
mod hostile;
mod http;
mod lost;
mod measure;
mod media;
mod report;
mod serve;
mod server;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    cli::run().await
}
