//! The connection: one multiplexed connection for commands, bounded in time, made anew by
//! itself; and what is demanded of the server behind it.

use std::{future::Future, time::Duration};

use redis::{
    Client, Cmd, FromRedisValue, Pipeline, ProtocolVersion, RedisError, RedisResult, Script,
    ScriptInvocation,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::{Error, Result};

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
    pub(crate) async fn write<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> RedisResult<T> {
        let mut manager = self.manager.clone();
        within(READ, script.invoke_async(&mut manager)).await
    }

    /// A script that only reads: tried again where the connection broke.
    pub(crate) async fn read<T: FromRedisValue>(&self, script: &ScriptInvocation<'_>) -> Result<T> {
        self.again(|| {
            let mut manager = self.manager.clone();
            async move { script.invoke_async(&mut manager).await }
        })
        .await
    }

    /// One try of a single command.
    pub(crate) async fn command<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let mut manager = self.manager.clone();
        Ok(within(READ, command.query_async(&mut manager)).await?)
    }

    /// Reads in one round trip: tried again where the connection broke.
    pub(crate) async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T> {
        self.again(|| {
            let mut manager = self.manager.clone();
            async move { pipeline.query_async(&mut manager).await }
        })
        .await
    }

    /// One try of a pipeline that may write.
    pub(crate) async fn write_all<T: FromRedisValue>(&self, pipeline: &Pipeline) -> Result<T> {
        let mut manager = self.manager.clone();
        Ok(within(READ, pipeline.query_async(&mut manager)).await?)
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

    /// Whether Redis answers.
    pub(crate) async fn ping(&self) -> Result<()> {
        self.command(&redis::cmd("PING")).await
    }

    async fn check_server(&self) -> Result<()> {
        let info: String = self.command(&redis::cmd("INFO")).await?;
        let server = ServerInfo::read(&info)?;
        if !server.persistent {
            tracing::warn!("redis keeps no append-only file and no replica: a restart loses every room");
        }
        Ok(())
    }
}

async fn within<T>(limit: Duration, call: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    timeout(limit, call).await.unwrap_or_else(|_| {
        Err(RedisError::from(std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time")))
    })
}

/// What a server says of itself (`INFO`).
#[derive(Debug, PartialEq, Eq)]
struct ServerInfo {
    persistent: bool,
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
        Ok(Self { persistent: number("aof_enabled") == 1 || number("connected_slaves") > 0 })
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n";

    #[test]
    fn a_server_that_would_lose_rooms_is_refused() {
        assert_eq!(ServerInfo::read(GOOD).unwrap(), ServerInfo { persistent: true });
        let alone = GOOD.replace("aof_enabled:1", "aof_enabled:0\r\nconnected_slaves:0");
        assert_eq!(ServerInfo::read(&alone).unwrap(), ServerInfo { persistent: false });
        for (from, to) in [("7.0.15", "6.2.0"), ("noeviction", "allkeys-lru")] {
            assert!(matches!(ServerInfo::read(&GOOD.replace(from, to)), Err(Error::Rejected(_))), "{to}");
        }
    }
}
