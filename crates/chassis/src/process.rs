//! A process from its command line to its exit code.

use std::{future::Future, net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use tokio::{net::TcpListener, runtime};

use crate::{Shutdown, TelemetryArgs, telemetry};

/// How long work that blocks may hold up the end of the process.
const LAST_WORK: Duration = Duration::from_secs(1);

/// What a process is told by its flags and variables.
pub trait Config: Parser {
    /// Where it serves.
    fn listen(&self) -> SocketAddr;

    /// Where it answers probes and shows metrics.
    fn admin_listen(&self) -> SocketAddr;

    /// What it logs and traces.
    fn telemetry(&self) -> &TelemetryArgs;

    /// Whether flags that are right by themselves make sense together, files can be read, and the like.
    /// Asked before anything is bound.
    fn check(&self) -> anyhow::Result<()> {
        Ok(())
    }
}

/// The sockets of a server.
#[derive(Debug)]
pub struct Listeners {
    /// Where it serves.
    pub service: TcpListener,
    /// Where it answers probes and shows metrics.
    pub admin: TcpListener,
}

impl Listeners {
    /// Binds both; port 0 picks one. `name` is the process's, by whose variables the addresses are moved:
    /// an error names the address and the variable.
    pub async fn bind(name: &str, service: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        let name = name.to_uppercase();
        Ok(Self {
            service: bind(service, &format!("GOCHAT_{name}_LISTEN")).await?,
            admin: bind(admin, &format!("GOCHAT_{name}_ADMIN_LISTEN")).await?,
        })
    }

    /// The address that is served.
    pub fn service_addr(&self) -> anyhow::Result<SocketAddr> {
        self.service.local_addr().context("the service's socket has no address")
    }

    /// The address of the admin port.
    pub fn admin_addr(&self) -> anyhow::Result<SocketAddr> {
        self.admin.local_addr().context("the admin port's socket has no address")
    }
}

async fn bind(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; set {variable} to another address"))
}

/// Runs a server as a process: reads flags and variables, starts telemetry, binds, logs the addresses in one
/// line, and serves until SIGTERM or SIGINT. `name` is `account`, `room` and so on.
///
/// Bad configuration is refused before anything is bound. An error is one line on standard error, with what
/// led to it, and a non-zero exit code.
pub fn run<C, S, F>(name: &'static str, serve: S) -> ExitCode
where
    C: Config,
    S: FnOnce(C, Listeners, Shutdown) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    let config = match C::try_parse() {
        Ok(config) => config,
        Err(refused) => {
            // Help goes to standard output, errors to standard error; if that is closed, nobody reads.
            let _ = refused.print();
            return ExitCode::from(u8::try_from(refused.exit_code()).unwrap_or(2));
        }
    };
    match start(name, config, serve) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gochat-{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start<C, S, F>(name: &'static str, config: C, serve: S) -> anyhow::Result<()>
where
    C: Config,
    S: FnOnce(C, Listeners, Shutdown) -> F,
    F: Future<Output = anyhow::Result<()>>,
{
    config.check().context("bad configuration")?;
    let runtime =
        runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")?;
    let ended = runtime.block_on(async {
        // Dropped inside the runtime, which sends the last traces off.
        let _telemetry = telemetry::start(config.telemetry(), name)?;
        let shutdown = Shutdown::on_signals().context("cannot listen for signals")?;
        let listeners = Listeners::bind(name, config.listen(), config.admin_listen()).await?;
        let (listen, admin) = (listeners.service_addr()?, listeners.admin_addr()?);
        tracing::info!(service = name, %listen, %admin, "listening");
        serve(config, listeners, shutdown).await?;
        tracing::info!(service = name, "stopped");
        Ok(())
    });
    runtime.shutdown_timeout(LAST_WORK);
    ended
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_taken_port_is_named_with_what_to_set() {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let first = Listeners::bind("room", any, any).await.unwrap();
        let taken = first.admin_addr().unwrap();
        let error = format!("{:#}", Listeners::bind("room", any, taken).await.unwrap_err());
        for part in [&taken.to_string(), "GOCHAT_ROOM_ADMIN_LISTEN", "in use"] {
            assert!(error.contains(part), "{error}");
        }
        assert!(!error.contains('\n'));
    }
}
