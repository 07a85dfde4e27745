//! The command line of `gochat`.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use gochat_chassis::{ServerArgs, Shutdown, TelemetryArgs, telemetry};
use gochat_store::StoreArgs;
use tokio::runtime::Runtime;

use crate::{Running, SuiteConfig, demo::DemoArgs, private_redis, start};

/// How long work that blocks may hold up the end of the process.
const LAST_WORK: Duration = Duration::from_secs(1);

/// GoChat on one machine: account, room, stage, notifier and gateway in one process.
///
/// Where they listen is said by `GOCHAT_{ACCOUNT,ROOM,STAGE,NOTIFIER,GATEWAY}_LISTEN` and `…_ADMIN_LISTEN`,
/// and whatever else a service takes by its own variables.
#[derive(Debug, Parser)]
#[command(name = "gochat", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run all six; the same as no command.
    Serve(Box<ServeArgs>),
    /// Let a host and two listeners meet on a suite that runs.
    Demo(DemoArgs),
}

/// What `gochat serve` takes.
#[derive(Args, Clone, Debug)]
#[command(mut_arg("redis_url", |arg| arg
    .default_value("")
    .hide_default_value(true)
    .help("Redis 7.0 or newer, or Valkey: redis://host:port or unix:///path. One is started for this process alone where none is named")))]
#[command(mut_arg("reflection", |arg| arg.default_value("true")))]
struct ServeArgs {
    /// Keep nothing on disk: the Redis that is started here forgets when it ends.
    #[arg(long)]
    ephemeral: bool,
    /// Where the Redis that is started here keeps its data. Without it, what it keeps is removed with it.
    #[arg(long, env = "GOCHAT_DATA_DIR", conflicts_with = "ephemeral")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

impl ServeArgs {
    fn config(&self) -> anyhow::Result<SuiteConfig> {
        let mut config = SuiteConfig::from_environment()?
            .with_store(|store| store.clone_from(&self.store))
            .with_server(|server| server.clone_from(&self.server))
            .with_telemetry(&self.telemetry);
        config.gateway.connections = self.server.connections.clone();
        config.gateway.rate.service_tokens_file.clone_from(&self.server.service_tokens_file);
        if !self.store.names_redis() {
            let data_dir = self.data_dir.clone().filter(|path| !path.as_os_str().is_empty());
            config.private_redis = Some(private_redis::Options { ephemeral: self.ephemeral, data_dir });
        }
        Ok(config.with_token_of_its_own())
    }
}

/// Does what the command line says. An error is one line on standard error and a non-zero code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => {
            // Help goes to standard output, errors to standard error; if that is closed, nobody reads.
            let _ = refused.print();
            return ExitCode::from(u8::try_from(refused.exit_code()).unwrap_or(2));
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gochat: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("cannot start the runtime")?;
    let ended = match cli.command {
        Some(Command::Demo(demo)) => runtime.block_on(demo.run()),
        Some(Command::Serve(args)) => runtime.block_on(serve(&args)),
        None => runtime.block_on(serve(&cli.serve)),
    };
    runtime.shutdown_timeout(LAST_WORK);
    ended
}

async fn serve(args: &ServeArgs) -> anyhow::Result<()> {
    let config = args.config()?;
    // Dropped inside the runtime, which sends the last traces off.
    let _telemetry = telemetry::start(&args.telemetry, "suite")?;
    let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
    let running = start(config, shutdown).await?;
    // Whoever closed standard output doesn't want the addresses; the suite serves all the same.
    let _ = greet(&running, &mut io::stdout());
    running.wait().await?;
    tracing::info!("stopped");
    Ok(())
}

/// Where everything is, and a first call that works when it is pasted.
fn greet(running: &Running, out: &mut impl Write) -> io::Result<()> {
    for (name, addresses) in running.named() {
        writeln!(out, "{name:<8}  {}", addresses.url())?;
    }
    let url = running.gateway_url();
    writeln!(out)?;
    writeln!(out, "open {url}/ in two browsers, or:")?;
    writeln!(
        out,
        "curl -s {url}/chat_room/login -H 'content-type: application/json' -d '{{\"nick_name\":\"ann\"}}'"
    )?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_serves_with_a_redis_of_its_own() {
        let cli = Cli::try_parse_from(["gochat", "--ephemeral"]).unwrap();
        assert!(cli.command.is_none());
        let redis = cli.serve.config().unwrap().private_redis.unwrap();
        assert!(redis.ephemeral);
    }

    #[test]
    fn the_contract_can_be_read_on_one_machine_unless_that_is_switched_off() {
        let on = |flags: &[&str]| {
            let cli = Cli::try_parse_from(["gochat"].iter().chain(flags)).unwrap();
            cli.serve.config().unwrap().room.server.reflection
        };
        assert!(on(&[]) && !on(&["--reflection", "false"]));
        assert!(!SuiteConfig::from_environment().unwrap().room.server.reflection, "a service by itself");
    }

    #[test]
    fn a_named_redis_is_taken() {
        let cli = Cli::try_parse_from(["gochat", "serve", "--redis-url", "redis://elsewhere"]).unwrap();
        let Some(Command::Serve(args)) = cli.command else { panic!("{cli:?}") };
        let config = args.config().unwrap();
        assert!(config.private_redis.is_none());
        assert_eq!(config.stage.store.redis_url, "redis://elsewhere");
    }
}
