//! The binary `gochat`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gochat_suite::cli::main()
}
