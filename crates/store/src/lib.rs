//! GoChat's state in Redis. The only crate that names redis: one way to write a room
//! ([`Store::transact`]), one way to follow it ([`Store::follow`]), and the accounts,
//! entries, leases and lists around them.

mod accounts;
mod address;
mod args;
mod audit;
#[cfg(feature = "fuzz")]
pub mod border;
mod clock;
mod entry;
mod error;
mod follow;
pub mod keys;
mod leases;
mod lists;
mod load;
mod media;
mod meters;
mod perform;
mod plan;
mod record;
mod redis;
mod snapshot;
mod stamps;
mod trace;
mod transact;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use gochat_domain::{Millis, RoomId};

pub use accounts::{Digest, LoggedIn, Login, Presence, Stay, User};
pub use args::StoreArgs;
pub use audit::RequestName;
pub use entry::{Entered, NewRoom};
pub use error::{Error, Result};
pub use follow::{Answer, Follower, Mark, Mechanism, Mechanisms, Read, Step, Track};
pub use leases::{DueEntry, Reaper, Sweep};
pub use lists::{BanPage, Cursor, MemberPage, Order, RoomFound};
pub use media::MediaNode;
pub use snapshot::Snapshot;
pub use stamps::{Ages, Carrier};
pub use trace::Trace;
pub use transact::{Committed, Request};

/// How often Redis is asked whether it is there.
const PROBE: Duration = Duration::from_millis(500);

/// A handle to the state in Redis; cheap to clone.
#[derive(Clone)]
pub struct Store {
    args: Arc<StoreArgs>,
    redis: redis::Redis,
    scripts: Arc<redis::Scripts>,
    feed: follow::Feed,
    clock: clock::Clock,
    request_name: RequestName,
}

impl Store {
    /// Connects to Redis and checks that it can be relied on.
    ///
    /// # Errors
    /// Within 5 s, where Redis is not there, too old, or set to drop data.
    pub async fn open(args: StoreArgs) -> Result<Self> {
        meters::register();
        let redis = redis::Redis::open(args.client().map_err(Error::Rejected)?).await?;
        let feed = follow::Feed::start(redis.client().clone());
        let scripts = Arc::new(redis::Scripts::new());
        let clock = clock::Clock::default();
        Ok(Self { args: Arc::new(args), redis, scripts, feed, clock, request_name: || None })
    }

    /// The same, which writes with each act of moderation in the log for which request it was done.
    #[must_use]
    pub fn naming_requests(self, request_name: RequestName) -> Self {
        Self { request_name, ..self }
    }

    /// What it was opened with.
    pub fn args(&self) -> &StoreArgs {
        &self.args
    }

    /// Tells whether Redis answers, at once and then every half second, for ever; and looks now and then
    /// whether it can still be relied on: as long as it can't, that is told as if it were not there.
    pub async fn watch(&self, tell: impl Fn(bool)) {
        let (mut relied_on, mut checked) = (true, Instant::now());
        loop {
            let there = self.read_clock().await;
            if there && checked.elapsed() >= self.args.redis_check_interval {
                checked = Instant::now();
                relied_on = self.is_relied_on().await.unwrap_or(relied_on);
            }
            tell(there && relied_on);
            tokio::time::sleep(PROBE).await;
        }
    }

    /// How long ago something was by Redis's clock, which [`Store::watch`] reads twice a second: by this it is wrong
    /// by half a round trip at the most. None before the first answer.
    pub fn since(&self, moment: Millis) -> Option<Duration> {
        self.clock.since(moment.0, Instant::now())
    }

    /// Whether Redis answers.
    async fn read_clock(&self) -> bool {
        let asked = Instant::now();
        match self.redis.time().await {
            Ok(micros) => self.clock.set(asked, Instant::now(), micros),
            Err(error) => {
                tracing::warn!(%error, "redis does not answer");
                return false;
            }
        }
        true
    }

    /// None where it doesn't say.
    async fn is_relied_on(&self) -> Option<bool> {
        match self.redis.check_server().await {
            Ok(()) => Some(true),
            Err(error @ Error::Rejected(_)) => {
                tracing::error!(%error, "redis can't be relied on any more: not ready until it can");
                Some(false)
            }
            Err(error) => {
                tracing::warn!(%error, "redis can't be checked");
                None
            }
        }
    }

    /// Whose session a token's SHA-256 is, as a server's gate asks; `unavailable` where
    /// Redis doesn't answer.
    pub fn sessions<E: Clone + Send + Sync + 'static>(
        &self,
        unavailable: E,
    ) -> impl Fn([u8; 32]) -> BoxFuture<'static, Result<Option<u32>, E>> + Send + Sync + 'static {
        let store = self.clone();
        move |digest| {
            let (store, unavailable) = (store.clone(), unavailable.clone());
            Box::pin(async move {
                let session = store.session(Digest(digest)).await;
                session.map(|uid| uid.map(gochat_domain::Uid::get)).map_err(|error| {
                    tracing::warn!(%error, "sessions can't be looked up");
                    unavailable
                })
            })
        }
    }

    fn keys(&self, room: RoomId) -> keys::RoomKeys {
        keys::RoomKeys::new(room, self.args.partitions)
    }
}
