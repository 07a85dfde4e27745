//! Five processes on one Redis, as they are run on real machines.

use std::net::SocketAddr;

use gochat_client::{Backoff, Client, Endpoints};
use tempfile::TempDir;

use crate::{
    process::{Process, free_addresses},
    redis::Redis,
};

const NAMES: [&str; 5] = ["account", "room", "stage", "notifier", "gateway"];

/// All of it ends when it is dropped.
pub(crate) struct Deployment {
    pub(crate) processes: Vec<Process>,
    pub(crate) redis: Redis,
    served: [SocketAddr; 5],
    _logs: TempDir,
}

impl Deployment {
    /// Starts everything and waits until all are ready.
    pub(crate) async fn start() -> Self {
        let redis = Redis::start().await;
        let addresses: [SocketAddr; 10] = free_addresses();
        let served: [SocketAddr; 5] = std::array::from_fn(|index| addresses[index]);
        let mut variables =
            vec![("GOCHAT_REDIS_URL".into(), redis.url()), ("GOCHAT_LOG".into(), "warn".into())];
        for (index, name) in NAMES.map(str::to_uppercase).into_iter().enumerate() {
            variables.push((format!("GOCHAT_{name}_LISTEN"), addresses[index].to_string()));
            variables.push((format!("GOCHAT_{name}_ADMIN_LISTEN"), addresses[index + 5].to_string()));
            variables.push((format!("GOCHAT_{name}_URL"), format!("http://{}", addresses[index])));
        }
        let logs = tempfile::tempdir().unwrap();
        let start = |(name, admin)| Process::start(name, admin, &variables, logs.path());
        let processes: Vec<_> = NAMES.into_iter().zip(addresses[5..].iter().copied()).map(start).collect();
        for process in &processes {
            process.until(200).await;
        }
        Self { processes, redis, served, _logs: logs }
    }

    /// A client that tries nothing again.
    pub(crate) fn client(&self) -> Client {
        let [account, room, stage, notifier, _] = self.served.map(|address| format!("http://{address}"));
        let endpoints = Endpoints { account, room, stage, notifier };
        Client::connect(&endpoints).unwrap().with_retries(Backoff::NONE)
    }

    /// The address of a method of the documented HTTP API.
    pub(crate) fn url(&self, method: &str) -> String {
        format!("http://{}/chat_room/{method}", self.served[4])
    }

    /// The processes that work on Redis themselves.
    pub(crate) fn services(&self) -> &[Process] {
        &self.processes[..4]
    }
}
