//! The connection: one multiplexed connection for commands, bounded in time, made anew by
//! itself; and what is demanded of the server behind it.

use std::{future::Future, time::Duration};

use redis::{
    Client, Cmd, FromRedisValue, Pipeline, ProtocolVersion, RedisError, RedisResult, Script,
    ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::{
    Error, Result,
    meters::{self, timed},
};

/// How long an answer may take. A caller is answered within 2 s, whatever Redis does.
const RESPONSE: Duration = Duration::from_secs(1);
/// How long a read is tried on broken connections, all tries together.
const READ: Duration = Duration::from_millis(1_500);
/// How long a process waits for Redis when it starts.
const START: Duration = Duration::from_secs(5);
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// Redis, as the store speaks to it.
#[derive(Clone)]
pub(crate) struct Redis {
    client: Client,
    manager: ConnectionManager,
}

impl Redis {
    /// Connects, waiting a little for a server that is just starting, and checks that
    /// the server can be relied on.
    pub(crate) async fn open(client: Client) -> Result<Self> {
        let settings = client.get_connection_info().redis_settings().clone();
        let info = client.get_connection_info().clone();
        let client = Client::open(info.set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3)))?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(RESPONSE))
            .set_response_timeout(Some(RESPONSE));
        let manager = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        let redis = Self { client, manager };
        let deadline = Instant::now() + START;
        while let Err(error) = redis.check_server().await {
            if !matches!(error, Error::Unavailable(_)) || Instant::now() >= deadline {
                return Err(error);
            }
            sleep(BETWEEN_TRIES).await;
        }
        Ok(redis)
    }

    /// For connections of another kind to the same server.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// One try of a command that may write.
    pub(crate) async fn write<T: FromRedisValue>(
        &self,
        kind: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> RedisResult<T> {
        let mut manager = self.manager.clone();
        timed(kind, within(READ, script.invoke_async(&mut manager))).await
    }

    /// A script that only reads: tried again where the connection broke.
    pub(crate) async fn read<T: FromRedisValue>(
        &self,
        kind: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T> {
        let reading = self.again(|| {
            let mut manager = self.manager.clone();
            async move { script.invoke_async(&mut manager).await }
        });
        timed(kind, reading).await
    }

    /// One try of a single command.
    pub(crate) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let mut manager = self.manager.clone();
        Ok(timed(kind(command), within(READ, command.query_async(&mut manager))).await?)
    }

    /// Reads in one round trip: tried again where the connection broke.
    pub(crate) async fn pipeline<T: FromRedisValue>(
        &self,
        kind: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T> {
        let reading = self.again(|| {
            let mut manager = self.manager.clone();
            async move { pipeline.query_async(&mut manager).await }
        });
        timed(kind, reading).await
    }

    /// One try of a pipeline that may write.
    pub(crate) async fn write_all<T: FromRedisValue>(
        &self,
        kind: &'static str,
        pipeline: &Pipeline,
    ) -> Result<T> {
        let mut manager = self.manager.clone();
        Ok(timed(kind, within(READ, pipeline.query_async(&mut manager))).await?)
    }

    async fn again<T, F>(&self, attempt: impl Fn() -> F) -> Result<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let deadline = Instant::now() + READ;
        loop {
            let error = match timeout_at(deadline, attempt()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => error,
                Err(_) => return Err(Error::Unavailable("no answer in time".to_owned())),
            };
            let broken = error.is_io_error() || error.is_unrecoverable_error();
            if !broken || error.is_timeout() || Instant::now() + BETWEEN_TRIES >= deadline {
                return Err(error.into());
            }
            sleep(BETWEEN_TRIES).await;
        }
    }

    /// Redis's time, in µs.
    pub(crate) async fn time(&self) -> Result<i64> {
        let (seconds, micros): (i64, i64) = self.command(&redis::cmd("TIME")).await?;
        Ok(seconds * 1_000_000 + micros)
    }

    /// Looks whether the server can be relied on, and takes down what it says of itself.
    ///
    /// # Errors
    /// [`Error::Rejected`] where it would lose or misread what it is given.
    pub(crate) async fn check_server(&self) -> Result<()> {
        let info: String = self.command(&redis::cmd("INFO")).await?;
        let server = ServerInfo::read(&info);
        meters::server("gochat_redis_accepted", f64::from(u8::from(server.is_ok())));
        let server = server?;
        server.take_down();
        if !server.persistent {
            tracing::warn!(
                "redis has no replica and keeps no append-only file, or can't write it: a restart loses every room"
            );
        }
        Ok(())
    }
}

/// A single command as it is measured: there are few of them.
fn kind(command: &Cmd) -> &'static str {
    const KINDS: [&str; 9] = ["GET", "SET", "DEL", "HGET", "HMGET", "PEXPIRE", "PUBLISH", "TIME", "INFO"];
    let word = match command.args_iter().next() {
        Some(redis::Arg::Simple(word)) => word,
        _ => b"",
    };
    KINDS.into_iter().find(|kind| kind.as_bytes() == word).unwrap_or("other")
}

async fn within<T>(limit: Duration, call: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(limit, call).await.unwrap_or_else(|_| {
        Err(RedisError::from(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time")))
    })
}

/// What a server says of itself (`INFO`).
#[derive(Debug, Default, PartialEq, Eq)]
struct ServerInfo {
    /// What is written survives the end of its process: there is an append-only file that can be written, or
    /// a replica.
    persistent: bool,
    replicas: u64,
    memory_used: u64,
    /// 0 for none.
    memory_limit: u64,
    evicted: u64,
    clients: u64,
}

impl ServerInfo {
    /// Refuses a server that would lose or misread what it is given.
    fn read(info: &str) -> Result<Self> {
        let value = |name: &str| {
            info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
        };
        let number = |name| value(name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
        let version = value("redis_version").unwrap_or("0");
        if version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0) < 7 {
            return Err(Error::Rejected(format!("redis {version} is too old: 7.0 or newer is needed")));
        }
        match value("maxmemory_policy") {
            Some("noeviction") | None => {}
            Some(policy) => {
                return Err(Error::Rejected(format!(
                    "maxmemory-policy is {policy}: it would drop parts of rooms; set it to noeviction"
                )));
            }
        }
        let written = number("aof_enabled") == 1 && value("aof_last_write_status") != Some("err");
        let replicas = number("connected_slaves");
        Ok(Self {
            persistent: written || replicas > 0,
            replicas,
            memory_used: number("used_memory"),
            memory_limit: number("maxmemory"),
            evicted: number("evicted_keys"),
            clients: number("connected_clients"),
        })
    }

    fn take_down(&self) {
        for (name, value) in [
            ("gochat_redis_persistent", u64::from(self.persistent)),
            ("gochat_redis_replicas", self.replicas),
            ("gochat_redis_memory_used_bytes", self.memory_used),
            ("gochat_redis_memory_limit_bytes", self.memory_limit),
            ("gochat_redis_evicted_keys", self.evicted),
            ("gochat_redis_connected_clients", self.clients),
        ] {
            meters::server(name, value as f64);
        }
    }
}

/// The scripts, compiled into this process.
pub(crate) struct Scripts {
    pub load: Script,
    pub commit: Script,
    pub history: Script,
    pub snapshot: Script,
    pub page: Script,
    pub renew: Script,
    pub drop: Script,
    pub number: Script,
    pub settle: Script,
    pub release: Script,
    pub enrol: Script,
    pub hold: Script,
    pub prolong: Script,
    pub sweep: Script,
    pub stamp: Script,
    pub ages: Script,
    pub claim: Script,
}

impl Scripts {
    pub(crate) fn new() -> Self {
        Self {
            load: Script::new(include_str!("lua/load.lua")),
            commit: Script::new(include_str!("lua/commit.lua")),
            history: Script::new(include_str!("lua/history.lua")),
            snapshot: Script::new(include_str!("lua/snapshot.lua")),
            page: Script::new(include_str!("lua/page.lua")),
            renew: Script::new(include_str!("lua/renew.lua")),
            drop: Script::new(include_str!("lua/drop.lua")),
            number: Script::new(include_str!("lua/number.lua")),
            settle: Script::new(include_str!("lua/settle.lua")),
            release: Script::new(include_str!("lua/release.lua")),
            enrol: Script::new(include_str!("lua/enrol.lua")),
            hold: Script::new(include_str!("lua/hold.lua")),
            prolong: Script::new(include_str!("lua/prolong.lua")),
            sweep: Script::new(include_str!("lua/sweep.lua")),
            stamp: Script::new(include_str!("lua/stamp.lua")),
            ages: Script::new(include_str!("lua/ages.lua")),
            claim: Script::new(include_str!("lua/claim.lua")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";

    #[test]
    fn a_server_that_would_lose_rooms_is_refused() {
        let with = |from: &str, to: &str| ServerInfo::read(&GOOD.replace(from, to)).unwrap();
        let server =
            with("aof_enabled:1", "aof_enabled:1\r\nused_memory:70\r\nmaxmemory:90\r\nevicted_keys:3");
        let (memory_used, memory_limit, evicted) = (70, 90, 3);
        assert_eq!(
            server,
            ServerInfo { persistent: true, memory_used, memory_limit, evicted, ..ServerInfo::default() }
        );
        assert!(!with("aof_enabled:1", "aof_enabled:0\r\nconnected_slaves:0").persistent);
        assert!(with("aof_enabled:1", "aof_enabled:0\r\nconnected_slaves:1").persistent);
        assert!(
            !with("aof_enabled:1", "aof_enabled:1\r\naof_last_write_status:err").persistent,
            "a full disk"
        );
        for (from, to) in [("7.0.15", "6.2.0"), ("noeviction", "allkeys-lru")] {
            assert!(matches!(ServerInfo::read(&GOOD.replace(from, to)), Err(Error::Rejected(_))), "{to}");
        }
    }
}
