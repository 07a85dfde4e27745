//! The room service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    gochat_chassis::run("room", gochat_room::serve)
}
