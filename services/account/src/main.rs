//! The account service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    gochat_chassis::run("account", gochat_account::serve)
}
