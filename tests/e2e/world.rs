//! A suite for one test alone, and how long anything in it may take.

use std::{future::Future, time::Duration};

use gochat_chassis::Shutdown;
use gochat_client::Client;
use gochat_store::{Store, StoreArgs};
use gochat_suite::{Running, SuiteConfig, start};

const AT_MOST: Duration = Duration::from_secs(10);

/// A suite on free ports with a Redis of its own; it ends when it is dropped.
pub(crate) struct World {
    suite: Running,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A suite with some of the store's knobs turned.
    pub(crate) async fn with(change: impl Fn(&mut StoreArgs)) -> Self {
        Self::of(SuiteConfig::for_tests().unwrap().with_store(change)).await
    }

    /// A suite of that configuration, which doesn't count how often it is asked.
    pub(crate) async fn of(mut config: SuiteConfig) -> Self {
        config.gateway.rate.rate = 0;
        Self { suite: start(config, Shutdown::new()).await.unwrap() }
    }

    /// The state that the suite is on.
    pub(crate) async fn store(&self) -> Store {
        let mut store = SuiteConfig::for_tests().unwrap().account.store;
        self.redis_url().clone_into(&mut store.redis_url);
        Store::open(store).await.unwrap()
    }

    pub(crate) fn redis_url(&self) -> &str {
        self.suite.redis().unwrap().url()
    }

    /// A connection of the test's own to Redis.
    pub(crate) async fn redis(&self) -> redis::aio::MultiplexedConnection {
        redis::Client::open(self.redis_url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }

    /// Where the media service is.
    pub(crate) fn media_url(&self) -> String {
        self.suite.media.url()
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.suite.endpoints()).unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/chat_room/{path}", self.suite.gateway_url())
    }
}

/// What comes within 10 s; fails with `what` otherwise.
pub(crate) async fn soon<T>(what: &str, coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(AT_MOST, coming).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
