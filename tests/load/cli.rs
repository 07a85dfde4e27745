//! The command line: a run of every scenario or, in a child process, one of the servers measured.

use std::{path::PathBuf, time::Duration};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};

use crate::{
    commit, fanout,
    hostile::{self, attack},
    http, lost, media,
    report::Report,
    serve,
    server::Server,
};

/// Measures commits and fan-out, each next to a bare handler, and calls through the gateway next to calls past it,
/// how long ten thousand people that are lost at once take to be gone, what attackers cost good clients,
/// and what it costs to bring sound to everybody in a room.
#[derive(Parser)]
struct Cli {
    /// How long each figure is measured, in seconds; a fifth of that before it warms up.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=20))]
    seconds: u64,
    /// Where the figures go as JSON; by default bench.json in cargo's target directory.
    #[arg(long)]
    out: Option<PathBuf>,
    /// What to measure, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "commit,fanout,http,lost,hostile,media")]
    scenarios: Vec<Scenario>,
    #[command(subcommand)]
    child: Option<Child>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scenario {
    Commit,
    Fanout,
    Http,
    Lost,
    Hostile,
    Media,
}

#[derive(Subcommand)]
enum Child {
    #[command(name = "serve-suite", hide = true)]
    Suite,
    #[command(name = "serve-losing-suite", hide = true)]
    LosingSuite,
    #[command(name = "serve-guarded-suite", hide = true)]
    GuardedSuite,
    #[command(name = "serve-bare", hide = true)]
    Bare,
    #[command(name = "serve-bare-fanout", hide = true)]
    BareFanout,
    #[command(name = "attack", hide = true)]
    Attack(attack::Order),
}

/// Does what the command line says.
pub(crate) async fn run() -> anyhow::Result<()> {
    let cli = Cli::parse();
    match cli.child {
        Some(Child::Suite) => serve::suite().await,
        Some(Child::LosingSuite) => serve::losing_suite().await,
        Some(Child::GuardedSuite) => serve::guarded_suite().await,
        Some(Child::Attack(order)) => attack::run(order).await,
        Some(Child::Bare) => serve::bare().await,
        Some(Child::BareFanout) => serve::bare_fanout().await,
        None => bench(&cli.scenarios, Duration::from_secs(cli.seconds), cli.out).await,
    }
}

async fn bench(scenarios: &[Scenario], length: Duration, out: Option<PathBuf>) -> anyhow::Result<()> {
    let out = out.map_or_else(beside_the_binary, Ok)?;
    let mut report = Report::new(length)?;
    for scenario in scenarios {
        match scenario {
            Scenario::Commit => bench_commit(&mut report, length).await,
            Scenario::Fanout => bench_fanout(&mut report, length).await,
            Scenario::Http => bench_http(&mut report, length).await,
            Scenario::Lost => bench_lost(&mut report).await,
            Scenario::Hostile => bench_hostile(&mut report, length).await,
            Scenario::Media => bench_media(&mut report, length).await,
        }
        .with_context(|| format!("{scenario:?}"))?;
    }
    report.show()?;
    report.write(&out)
}

async fn bench_commit(report: &mut Report, length: Duration) -> anyhow::Result<()> {
    for (name, command) in [("suite", "serve-suite"), ("bare", "serve-bare")] {
        let server = Server::start(command).await?;
        let measured = commit::run(&server, length).await.context(name)?;
        report.add("commit", name, commit::IN_FLIGHT, measured);
        server.stop().await?;
    }
    Ok(())
}

async fn bench_fanout(report: &mut Report, length: Duration) -> anyhow::Result<()> {
    for (name, command) in [("suite", "serve-suite"), ("bare", "serve-bare-fanout")] {
        let server = Server::start(command).await?;
        for (in_flight, measured) in fanout::run(&server, length).await.context(name)? {
            report.add("fanout", name, in_flight, measured);
        }
        server.stop().await?;
    }
    Ok(())
}

async fn bench_http(report: &mut Report, length: Duration) -> anyhow::Result<()> {
    let server = Server::start("serve-suite").await?;
    for (name, measured) in http::run(&server, length).await? {
        report.add("http", name, http::IN_FLIGHT, measured);
    }
    server.stop().await
}

async fn bench_lost(report: &mut Report) -> anyhow::Result<()> {
    let server = Server::start("serve-losing-suite").await?;
    let measured = lost::run(&server).await?;
    report.add("lost", "suite", lost::LOST, measured);
    server.stop().await
}

async fn bench_hostile(report: &mut Report, length: Duration) -> anyhow::Result<()> {
    let server = Server::start("serve-guarded-suite").await?;
    for (name, measured) in hostile::run(&server, length).await? {
        report.add("hostile", name, hostile::GOOD, measured);
    }
    server.stop().await
}

async fn bench_media(report: &mut Report, length: Duration) -> anyhow::Result<()> {
    for listeners in media::LISTENERS {
        let server = Server::start("serve-suite").await?;
        let sound = media::run(&server, listeners, length).await?;
        report.add_sound(media::SPEAKERS, listeners, sound);
        server.stop().await?;
    }
    Ok(())
}

/// `bench.json` in the target directory that this binary was built in.
fn beside_the_binary() -> anyhow::Result<PathBuf> {
    let binary = std::env::current_exe().context("cannot tell where this binary is")?;
    let target = binary.ancestors().nth(2).context("this binary is not in a target directory")?;
    Ok(target.join("bench.json"))
}
