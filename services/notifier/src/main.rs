//! The notifier service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    gochat_chassis::run("notifier", gochat_notifier::serve)
}
