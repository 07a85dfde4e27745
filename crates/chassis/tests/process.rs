//! A process as its operator meets it: this binary starts itself as one.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::{
    env,
    io::{BufRead, BufReader, Lines},
    net::{SocketAddr, TcpListener},
    process::{Child, ChildStderr, Command, ExitCode, Stdio},
};

use clap::Parser;
use gochat_chassis::{Config, Listeners, Shutdown, TelemetryArgs};

/// `--listen` makes this binary the process under test.
#[derive(Parser)]
struct Flags {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long, default_value = "127.0.0.1:0")]
    admin_listen: SocketAddr,
    /// Fails the check.
    #[arg(long)]
    nonsense: bool,
    /// Doesn't end when told to.
    #[arg(long)]
    stubborn: bool,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

impl Config for Flags {
    fn listen(&self) -> SocketAddr {
        self.listen
    }

    fn admin_listen(&self) -> SocketAddr {
        self.admin_listen
    }

    fn telemetry(&self) -> &TelemetryArgs {
        &self.telemetry
    }

    fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.nonsense, "nonsense");
        Ok(())
    }
}

async fn serve(flags: Flags, _listeners: Listeners, shutdown: Shutdown) -> anyhow::Result<()> {
    shutdown.triggered().await;
    if flags.stubborn {
        std::future::pending::<()>().await;
    }
    Ok(())
}

fn main() -> ExitCode {
    if env::args().any(|arg| arg == "--listen") {
        return gochat_chassis::run("probe", serve);
    }
    says_where_it_listens_and_stops_when_told();
    a_second_signal_exits_at_once();
    a_taken_port_is_one_line();
    bad_configuration_binds_nothing();
    ExitCode::SUCCESS
}

fn start(flags: &[&str]) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(flags)
        .args(["--log-format", "json"])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    (child, lines)
}

/// The next line with `text`.
fn line_with(lines: &mut Lines<BufReader<ChildStderr>>, text: &str) -> String {
    lines
        .map(Result::unwrap)
        .find(|line| line.contains(text))
        .unwrap_or_else(|| panic!("no line says {text}"))
}

fn terminate(child: &Child) {
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
}

/// What the process says before it ends by itself, and its exit code.
fn ended(flags: &[&str]) -> (String, Option<i32>) {
    let (mut child, lines) = start(flags);
    let said = lines.map(Result::unwrap).collect::<Vec<_>>().join("\n");
    (said, child.wait().unwrap().code())
}

fn says_where_it_listens_and_stops_when_told() {
    let (mut child, mut lines) = start(&["--listen", "127.0.0.1:0"]);
    let line = line_with(&mut lines, "listening");
    assert!(line.starts_with('{') && line.contains(r#""service":"probe""#), "{line}");
    let address = |field: &str| {
        let (_, rest) = line.split_once(&format!("\"{field}\":\"")).unwrap();
        rest.split_once('"').unwrap().0.parse::<SocketAddr>().unwrap()
    };
    for field in ["listen", "admin"] {
        std::net::TcpStream::connect(address(field)).unwrap();
    }
    terminate(&child);
    line_with(&mut lines, "stopped");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

fn a_second_signal_exits_at_once() {
    let (mut child, mut lines) = start(&["--listen", "127.0.0.1:0", "--stubborn"]);
    line_with(&mut lines, "listening");
    terminate(&child);
    line_with(&mut lines, "another signal");
    terminate(&child);
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

fn a_taken_port_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (said, code) = ended(&["--listen", &address]);
    assert_eq!(code, Some(1));
    assert_eq!(said.lines().count(), 1, "{said}");
    for part in ["gochat-probe: ", &address, "GOCHAT_PROBE_LISTEN", "in use"] {
        assert!(said.contains(part), "{said}");
    }
}

fn bad_configuration_binds_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (said, code) = ended(&["--listen", &address, "--nonsense"]);
    assert_eq!((said.as_str(), code), ("gochat-probe: bad configuration: nonsense", Some(1)));
    let (said, code) = ended(&["--listen", "nowhere"]);
    assert!(said.contains("--listen") && code == Some(2), "{said}");
    let (said, code) = ended(&["--listen", &address, "--log", "gochat=loudly"]);
    assert!(said.contains("--log") && code == Some(2), "{said}");
    let (said, code) = ended(&["--listen", "127.0.0.1:0", "--otlp-endpoint", "collector:4317"]);
    assert!(said.contains("not the address of a collector") && code == Some(1), "{said}");
}
