//! Clients that are processes of their own, and die when they are killed.

use std::process::Stdio;

use gochat_rig::{AT_MOST, Deployment};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    time::timeout,
};

/// Killed when it is dropped.
pub(crate) struct Mortal {
    pub(crate) uid: u32,
    /// The one that it told to be in first.
    pub(crate) room: String,
    process: Child,
}

impl Mortal {
    /// Starts one with this part, such as `["listen", "100000001"]`, and waits until it is in its room.
    pub(crate) async fn start(deployment: &Deployment, name: &str, part: &[&str]) -> Self {
        let at = deployment.endpoints();
        let mut process = Command::new(env!("CARGO_BIN_EXE_client"))
            .args(["--name", name, "--at", &at.account, &at.room, &at.stage, &at.notifier])
            .args(part)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let told = timeout(AT_MOST, lines.next_line()).await.unwrap().unwrap();
        let told = told.unwrap_or_else(|| panic!("{name} ended before it was in"));
        let (uid, room) = told.split_once(' ').unwrap();
        Self { uid: uid.parse().unwrap(), room: room.to_owned(), process }
    }

    /// `kill -9`.
    pub(crate) async fn dies(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "{} lives until then", self.uid);
        self.process.kill().await.unwrap();
    }
}
