//! The media service as a process.

use std::process::ExitCode;

fn main() -> ExitCode {
    gochat_chassis::run("media", gochat_media::serve)
}
