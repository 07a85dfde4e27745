//! A Redis on a port that it keeps, so that it can be lost and come back with all that it had,
//! or with what it had once.

use std::{fs, net::SocketAddr, path::Path, process::Stdio};

use redis::{AsyncConnectionConfig, aio::MultiplexedConnection};
use tempfile::TempDir;
use tokio::{
    net::TcpStream,
    process::{Child, Command},
};

use crate::{
    process::{AT_MOST, free_addresses, until},
    resp,
};

/// Where Redis 7 keeps its append-only files, below its data directory.
const FILES: &str = "appendonlydir";

/// Killed when it is dropped.
pub struct Redis {
    address: SocketAddr,
    data: TempDir,
    child: Child,
    syncs: &'static str,
}

/// All that a Redis held at one moment.
pub struct Copy {
    data: TempDir,
}

impl Redis {
    /// Starts one that has written down what it answered, even if its machine is lost.
    pub async fn start() -> Self {
        Self::start_that_syncs("always").await
    }

    /// Starts one that has written down what it answered, for as long as this machine is there: it never waits for the
    /// disk, so that what else is done on this machine doesn't make it slow.
    pub async fn start_on_a_safe_machine() -> Self {
        Self::start_that_syncs("no").await
    }

    async fn start_that_syncs(syncs: &'static str) -> Self {
        let [address] = free_addresses();
        let data = tempfile::tempdir().unwrap();
        let child = spawn(address, &data, syncs);
        let redis = Self { address, data, child, syncs };
        redis.listens().await;
        redis
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address, as services are told it.
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// A connection of the test's own.
    pub async fn raw(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        let patient = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(AT_MOST))
            .set_response_timeout(Some(AT_MOST));
        client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
    }

    /// Ends it at once, as the loss of its machine would.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Starts it again where it was, with what it had.
    pub async fn start_again(&mut self) {
        self.child = spawn(self.address, &self.data, self.syncs);
        self.listens().await;
    }

    /// `-STOP` has it hold its connections and answer nothing, as a machine that hangs; `-CONT` has it go on.
    pub async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    }

    /// Cuts the connections that listen to feeds, and says how many there were.
    pub async fn kill_feeds(&self) -> u32 {
        let mut kill = redis::cmd("CLIENT");
        kill.arg("KILL").arg("TYPE").arg("pubsub");
        kill.query_async(&mut self.raw().await).await.unwrap()
    }

    /// All commands that have written anything until now, in order, each word by word. What a script does are
    /// commands of its own.
    pub fn written(&self) -> Vec<Vec<Vec<u8>>> {
        let files = fs::read_dir(self.data.path().join(FILES)).unwrap().map(|file| file.unwrap().path());
        let log = files.filter(|path| path.display().to_string().ends_with(".incr.aof")).max().unwrap();
        let (bytes, mut done, mut commands) = (fs::read(log).unwrap(), 0, Vec::new());
        while let Some(length) = resp::whole(&bytes[done..]) {
            let command = &bytes[done..done + length];
            commands.push((0..).map_while(|at| resp::word(command, at)).map(<[u8]>::to_vec).collect());
            done += length;
        }
        commands
    }

    /// A copy of all that was answered until now. What is being written meanwhile may be in it or not.
    pub fn copy(&self) -> Copy {
        let data = tempfile::tempdir().unwrap();
        copy_files(self.data.path(), data.path());
        Copy { data }
    }

    /// Ends it at once and starts it, where it was, with what the copy holds.
    pub async fn restore(&mut self, copy: &Copy) {
        self.kill().await;
        fs::remove_dir_all(self.data.path().join(FILES)).unwrap();
        copy_files(copy.data.path(), self.data.path());
        self.start_again().await;
    }

    /// Until it answers for all that it has.
    async fn listens(&self) {
        until("redis to listen", AT_MOST, async || {
            TcpStream::connect(self.address).await.ok()?;
            redis::cmd("PING").query_async::<String>(&mut self.raw().await).await.ok()
        })
        .await;
    }
}

/// Append-only files only grow, so the copy of one that is written to is an earlier one.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to.join(FILES)).unwrap();
    for file in fs::read_dir(from.join(FILES)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(FILES).join(file.file_name())).unwrap();
    }
}

fn spawn(address: SocketAddr, data: &TempDir, syncs: &str) -> Child {
    Command::new("redis-server")
        .args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string(), "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", syncs, "--auto-aof-rewrite-percentage", "0"])
        .arg("--dir")
        .arg(data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}
