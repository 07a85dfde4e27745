//! The stage service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    gochat_chassis::run("stage", gochat_stage::serve)
}
