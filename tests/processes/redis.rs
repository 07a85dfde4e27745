//! A Redis on a port that it keeps, so that it can be lost and come back with all that it had.

use std::{net::SocketAddr, process::Stdio};

use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Duration, interval, timeout},
};

use crate::process::{AT_MOST, free_addresses};

/// Killed when it is dropped.
pub(crate) struct Redis {
    address: SocketAddr,
    data: TempDir,
    child: Child,
}

impl Redis {
    /// Starts one that has written down what it answered.
    pub(crate) async fn start() -> Self {
        let [address] = free_addresses();
        let data = tempfile::tempdir().unwrap();
        let child = spawn(address, &data);
        let redis = Self { address, data, child };
        redis.listens().await;
        redis
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it at once, as the loss of its machine would.
    pub(crate) async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again where it was, with what it had.
    pub(crate) async fn start_again(&mut self) {
        self.child = spawn(self.address, &self.data);
        self.listens().await;
    }

    /// `-STOP` has it hold its connections and answer nothing, as a machine that hangs; `-CONT` has it go on.
    pub(crate) async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    }

    async fn listens(&self) {
        let listening = async {
            let mut tries = interval(Duration::from_millis(20));
            loop {
                tries.tick().await;
                if TcpStream::connect(self.address).await.is_ok() {
                    break;
                }
            }
        };
        timeout(AT_MOST, listening).await.expect("redis listens");
    }
}

fn spawn(address: SocketAddr, data: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
