//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    gochat_chassis::run("gateway", gochat_gateway::serve)
}
